//! What comes out of the printer: dark on white whatever the theme, and with
//! the answers that are folded on the screen.

use std::fs;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::*;

const PAINT: &str = include_str!("paint.js");
const THEMES: [&str; 5] = ["light", "rust", "coal", "navy", "ayu"];

/// Every theme paints for paper what the light one does, and that is dark.
fn check_themes(tab: &mut Tab, page: &Path) {
    tab.visit(page);
    let printed = json!({ "media": "print" });
    tab.call("Emulation.setEmulatedMedia", printed);
    let mut light = Value::Null;
    for theme in THEMES {
        tab.evaluate(&format!(
            "document.getElementById('mdbook-theme-{theme}').click()"
        ));
        let class = "document.documentElement.classList";
        tab.until(&format!("{class}.contains('{theme}')"));
        let mut paint = tab.evaluate(&format!("({PAINT})()"));
        let on = format!("{page:?}, {theme}");
        assert_eq!(paint["faint"], json!([]), "{on}");
        let paints = paint["paints"].take();
        if theme == "light" {
            light = paints;
            continue;
        }
        let here = paints.as_array().unwrap().iter();
        let mut pairs = light.as_array().unwrap().iter().zip(here);
        let differs = pairs.find(|(light, here)| light != here);
        assert_eq!(differs, None, "{on}: in the light theme, and here");
    }
}

#[test]
fn every_theme_prints_dark_on_white() {
    let Some(chromium) = chromium() else { return };
    let sample = Sample::build(&[("everything", SAMPLE)], |_| {});
    let mut tab = Tab::open(&chromium);
    check_themes(&mut tab, &sample.built().join("everything.html"));
    check_themes(&mut tab, &book().join("print.html"));
}

/// The words on the paper without the space between them.
fn printed(tab: &mut Tab) -> String {
    let answer = tab.call("Page.printToPDF", json!({}));
    let pdf = BASE64_STANDARD.decode(answer["data"].as_str().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.pdf");
    fs::write(&file, pdf.expect("base64")).unwrap();
    let read = Command::new("pdftotext").arg(&file).arg("-").output();
    let output = read.expect("pdftotext");
    without_space(&String::from_utf8(output.stdout).unwrap())
}

pub fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Folded answers, with a word in each that is nowhere else.
const FOLDED: &str = "
What is it?

<details>
<summary>Solution</summary>

It is forty-two, `in code`, and $\\text{math}$.

</details>

<details>
<summary>Another</summary>

<details>
<summary>within</summary>

It is seventeen.

</details>

</details>
";

#[test]
#[ignore = "needs pdftotext, of poppler-utils"]
fn folded_answers_are_printed() {
    let Some(chromium) = chromium() else { return };
    let sample = Sample::build(&[("folded", FOLDED)], |_| {});
    let mut tab = Tab::open(&chromium);
    for page in ["folded.html", "print.html"] {
        for visit in [Tab::visit, Tab::visit_without_scripts] {
            visit(&mut tab, &sample.built().join(page));
            let paper = printed(&mut tab);
            for answer in ["forty-two,incode,andmath.", "seventeen."] {
                let times = paper.matches(answer).count();
                assert_eq!(times, 1, "{answer} on {page}: {paper}");
            }
        }
    }
}

/// What is wider than the column, or cut where it would scroll on a screen.
const WIDE: &str = "
    [...document.querySelectorAll('main *')].filter(box => {
        if (box.closest('.katex-mathml, svg, figure:has(> svg[width=\"960\"])'))
            return false;
        const column = box.closest('main').getBoundingClientRect();
        const { right } = box.getBoundingClientRect();
        const hidden = getComputedStyle(box).overflowX !== 'visible';
        return right > column.right + 1
            || hidden && box.scrollWidth > box.clientWidth + 1;
    }).map(box => `${box.localName}.${box.className}: ${
        box.textContent.slice(0, 60)}`)";

/// A4 between the margins of book/style.css, in pixels of 1/96 inch.
const COLUMN: u64 = (210 - 2 * 27) * 960 / 254;

#[test]
fn nothing_is_cut_at_the_edge_of_the_paper() {
    let Some(chromium) = chromium() else { return };
    let text = "<p style='width: 900px'>wide</p>\n\n\
        <div style='overflow: hidden'><svg width='900'></svg></div>";
    let sample = Sample::build(&[("wide", text)], |_| {});
    let mut tab = Tab::open(&chromium);
    tab.set_screen(COLUMN, 900, false);
    tab.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    tab.visit(&sample.built().join("wide.html"));
    assert_eq!(tab.evaluate(WIDE), json!(["p.: wide", "div.: "]));
    tab.visit(&book().join("print.html"));
    assert_eq!(tab.evaluate(WIDE), json!([]));
}

#[test]
fn a_browser_without_the_style_unfolds_answers_for_the_time() {
    let Some(chromium) = chromium() else { return };
    let sample = Sample::build(&[("folded", FOLDED)], |_| {});
    let mut tab = Tab::open(&chromium);
    tab.visit(&sample.built().join("folded.html"));
    let open = "[...document.querySelectorAll('details')].map(d => d.open)";
    tab.evaluate("document.querySelector('details').open = true");
    for (event, expected) in [
        ("beforeprint", [true, true, true]),
        ("afterprint", [true, false, false]),
    ] {
        tab.evaluate(&format!("dispatchEvent(new Event('{event}'))"));
        assert_eq!(tab.evaluate(open), json!(expected), "after {event}");
    }
}
