//! A formula is on a page twice, drawn and in MathML: a screen reader gets the
//! one, and whoever looks, copies or prints gets the other.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::*;

/// What a screen reader is told of each formula on the page: the roles of its
/// parts, with their letters.
fn spoken(tab: &mut Tab) -> Vec<String> {
    let tree = tab.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let by_id: HashMap<_, _> =
        nodes.iter().map(|node| (node["nodeId"].as_str(), node)).collect();
    let formulas = nodes.iter().filter(|node| role(node) == "MathMLMath");
    formulas.map(|formula| told(formula, &by_id)).collect()
}

fn role(node: &Value) -> &str {
    node["role"]["value"].as_str().unwrap_or_default()
}

fn told(node: &Value, by_id: &HashMap<Option<&str>, &Value>) -> String {
    if role(node) == "StaticText" {
        return node["name"]["value"].as_str().unwrap().to_owned();
    }
    let children = node["childIds"].as_array().unwrap().iter();
    let parts = children.filter_map(|id| by_id.get(&id.as_str()));
    let parts: Vec<_> = parts.map(|part| told(part, by_id)).collect();
    let parts = parts.join(" ");
    match role(node).strip_prefix("MathML") {
        Some("Math" | "Row" | "Identifier" | "Number" | "Operator") | None => {
            parts
        }
        Some(kind) => format!("{kind}({parts})"),
    }
}

#[test]
fn a_screen_reader_is_told_what_a_formula_says() {
    let Some(chromium) = chromium() else { return };
    let formulas = r"$\frac{a_i}{\sqrt{2}}$ and $\text{norm}(x^2)$";
    let sample = Sample::build(&[("formulas", formulas)], |_| {});
    let mut tab = Tab::open(&chromium);
    tab.visit(&sample.built().join("formulas.html"));
    let spoken = spoken(&mut tab);
    // Italics have letters of their own
    let fraction = "Fraction(Sub(𝑎 𝑖) SquareRoot(2))";
    assert_eq!(spoken, [fraction, "Text(norm) ( Sup(𝑥 2) )"]);
}

#[test]
fn every_formula_of_the_book_is_told() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    let mut count = 0;
    for page in pages(book()) {
        tab.visit(&page);
        let shown = tab.evaluate(
            "document.querySelectorAll('details').forEach(d => d.open = true);
             document.querySelectorAll('.katex').length",
        );
        let spoken = spoken(&mut tab);
        assert_eq!(shown, spoken.len(), "formulas on {page:?}");
        let silent = spoken.iter().filter(|one| one.trim().is_empty());
        assert_eq!(silent.count(), 0, "formulas that say nothing, {page:?}");
        count += spoken.len();
    }
    assert!(count > 700, "{count} formulas in the book");
}

#[test]
fn a_formula_is_copied_once() {
    let Some(chromium) = chromium() else { return };
    let text = "Before $x + y$ after.\n\n$$ \\text{once} $$\n";
    let sample = Sample::build(&[("copied", text)], |_| {});
    let mut tab = Tab::open(&chromium);
    tab.visit(&sample.built().join("copied.html"));
    let copied = tab.evaluate(
        "getSelection().selectAllChildren(document.querySelector('main'));
         getSelection().toString().replace(/[\\s\\u200b]+/g, '')",
    );
    assert_eq!(copied, "Beforex+yafter.once");
}
