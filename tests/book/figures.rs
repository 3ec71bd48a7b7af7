//! The law of figures: they can be seen in light and in dark, and by those who
//! do not see them.

use crate::library::{Book, resolve};
use crate::page::Page;
use crate::{Breach, breach};

pub fn figures_describe_themselves(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut included = Vec::new();
    for page in &book.pages {
        for include in &page.includes {
            if include.target.ends_with(".svg") {
                included.extend(resolve(&page.path, &include.target));
                if let Some(said) = no_caption(page, include.line) {
                    breaches.push(breach(&page.path, include.line, said));
                }
            }
        }
        for link in page.links() {
            if link.image && link.text.trim().is_empty() {
                let said = "the image has no text for those who do not see it";
                breaches.push(breach(&page.path, link.line, said));
            }
        }
    }
    for (path, svg) in book.files_in("book/figures/", ".svg") {
        for said in faults(svg) {
            breaches.push(breach(path, 1, said));
        }
        // The README shows a page's figure in a colour of its own
        let shown = path.replace("-alone.svg", ".svg");
        if !included.contains(&shown) {
            breaches.push(breach(path, 1, "no page includes the figure"));
        }
    }
    breaches
}

/// Why the figure at a line has no caption.
fn no_caption(page: &Page, line: usize) -> Option<&'static str> {
    let before = page.prose[..line - 1].join("\n");
    let after = page.prose[line..].join("\n");
    let opened = before.rfind("<figure");
    if opened.is_none() || before.rfind("</figure>") > opened {
        return Some("the drawing stands outside of <figure>");
    }
    let Some(end) = after.find("</figure>") else {
        return Some("<figure> is not closed");
    };
    if element(&after[..end], "figcaption").is_empty() {
        return Some(
            "the figure has no caption; write one that could be false",
        );
    }
    None
}

/// A shorter description lets no one see a drawing.
const FEWEST: usize = 20; // words
/// A drawing with so many numbers has been drawn for their sake.
const MANY: usize = 3;

/// What is missing in a drawing, or too much.
fn faults(svg: &str) -> Vec<&'static str> {
    let has = |text: &str| svg.contains(text);
    let fetches = ["href=", "src=", "url("].iter().any(|from| {
        let mut targets = svg.split(from).skip(1);
        targets.any(|target| {
            let target = target.trim_start_matches(['"', '\'']);
            !target.starts_with('#') && !target.starts_with("data:")
        })
    });
    let number = |text: &str| text.contains(|c: char| c.is_ascii_digit());
    let texts = svg.split("<text").skip(1);
    let words = texts.filter_map(|text| text.split_once('>'));
    let words = words.map(|(_, text)| text.split('<').next().unwrap_or(""));
    let numbers = words.filter(|words| number(words)).count();
    let desc = element(svg, "desc");
    let faults = [
        (!svg.starts_with("<svg"), "the file has to begin with <svg"),
        (!has("role=\"img\""), "the drawing needs role=\"img\""),
        (!has("viewBox=\""), "the drawing needs a viewBox"),
        (element(svg, "title").is_empty(), "the drawing needs a <title>"),
        (desc.is_empty(), "the drawing needs a <desc>"),
        (
            !desc.is_empty() && desc.split_whitespace().count() < FEWEST,
            "a reader cannot see the drawing by so short a <desc>",
        ),
        (
            numbers >= MANY && !number(desc),
            "the <desc> has none of the numbers that are drawn",
        ),
        (!has("currentColor"), "draw in currentColor, for dark pages"),
        (has("<script"), "a drawing has no <script>"),
        (fetches || has("@import"), "the drawing fetches from elsewhere"),
        (
            svg.lines().any(|line| line.trim().is_empty()),
            "a blank line ends the drawing on the page; take it out",
        ),
    ];
    faults.into_iter().filter_map(|(is, said)| is.then_some(said)).collect()
}

/// The text of the first element of that name, trimmed.
fn element<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.split_once(&format!("<{name}")).unwrap_or_default().1;
    let inner = start.split_once('>').unwrap_or_default().1;
    inner.split("</").next().unwrap_or("").trim()
}
