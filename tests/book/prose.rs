//! Laws of what is written: numbers, links, footnotes, maths, headings.

use std::collections::BTreeSet;

use crate::excerpts::is_record;
use crate::library::{Book, resolve};
use crate::page::{Link, Page};
use crate::records::RECORDS;
use crate::{Breach, breach, except};

/// The last headings of a chapter.
const CLOSE: [&str; 4] =
    ["What now runs", "What we left out, and why", "Exercises", "Sources"];

/// A measured number in a sentence is a correct rounding of one that an output
/// near it prints: of the page's own, of a record that the page names, or of a
/// page that it links to. What is worked out by hand stands in a formula; what
/// is neither is an exception, with its reason.
pub fn numbers_in_prose_are_measured(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for page in &book.pages {
        let printed = printed_near(book, page);
        for (line, words) in (1..).zip(page.words()) {
            let words = without_names(&words);
            for number in numbers(&words).into_iter().filter(|n| !is_date(n)) {
                if !printed.iter().any(|full| rounds_to(full, &number)) {
                    let said = format!(
                        "no output near it rounds to {number}; include or \
                         link its record, or give the reason"
                    );
                    breaches.push((number, breach(&page.path, line, said)));
                }
            }
        }
    }
    except(breaches, book.allowed.numbers)
}

/// The numbers that the outputs of a page print, those of the records that it
/// names, and those of the pages that it links to.
fn printed_near(book: &Book, page: &Page) -> BTreeSet<String> {
    let near = |page: &Page| {
        let mut printed = outputs(book, page);
        for (path, text) in book.files_in(RECORDS, ".txt") {
            let name = path.trim_start_matches("book/");
            if page.lines.iter().any(|line| line.contains(name)) {
                printed.extend(numbers(text));
            }
        }
        printed
    };
    let mut printed = near(page);
    for link in page.links() {
        let file = link.target.split('#').next().unwrap_or("");
        let path = resolve(&page.path, file);
        let linked = book.pages.iter().find(|p| Some(&p.path) == path.as_ref());
        printed.extend(linked.map(near).unwrap_or_default());
    }
    printed
}

/// The numbers that the outputs of a page print.
fn outputs(book: &Book, page: &Page) -> BTreeSet<String> {
    let mut printed = BTreeSet::new();
    for include in &page.includes {
        let path = resolve(&page.path, &include.target);
        if is_record(path.as_deref()) {
            let lines = book.excerpt(page, include).unwrap_or_default();
            printed.extend(lines.iter().flat_map(|(_, line)| numbers(line)));
        }
    }
    printed
}

/// A line without the numbers of issues, and without names of letters and
/// digits, like those of commits.
fn without_names(line: &str) -> String {
    let is_mark = |c: char| !c.is_alphanumeric();
    let mut kept = Vec::new();
    for word in line.split_whitespace() {
        let before = kept.last().map(|word: &&str| word.trim_matches(is_mark));
        let named = matches!(before, Some("issue" | "request"));
        let core = word.trim_matches(is_mark);
        let digits = core.contains(|c: char| c.is_ascii_digit());
        let hash = digits
            && core.len() >= 7
            && core.chars().all(|c| c.is_ascii_hexdigit())
            && core.contains(|c: char| c.is_alphabetic());
        if !named && !hash {
            kept.push(word);
        }
    }
    kept.join(" ")
}

/// Whether a number is a year, or begins with the year and month of a preprint.
fn is_date(number: &str) -> bool {
    let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
    let year = whole.parse().is_ok_and(|n: u32| (1600..2100).contains(&n));
    let month = whole.len() == 4 && matches!(rest.len(), 4 | 5);
    year && rest.is_empty() || month
}

/// Whether `short` is `full`, correctly rounded to its own decimals.
fn rounds_to(full: &str, short: &str) -> bool {
    let decimals =
        |number: &str| number.split_once('.').map_or(0, |n| n.1.len());
    let (value, wanted) = (full.parse::<f64>(), short.parse::<f64>());
    let (Ok(value), Ok(wanted)) = (value, wanted) else { return false };
    let half = 0.5 * 0.1f64.powi(decimals(short) as i32);
    decimals(full) >= decimals(short) && (value - wanted).abs() <= half + 1e-9
}

/// The numbers that cannot be there by chance: three significant digits and a
/// point, or a whole number of four digits; without commas for thousands.
fn numbers(text: &str) -> Vec<String> {
    let of_number = |c: char| c.is_ascii_digit() || ".,".contains(c);
    let mut numbers = Vec::new();
    for run in text.split(|c| !of_number(c)) {
        let run = run.trim_matches(['.', ',']);
        let mut groups = run.split(',').skip(1);
        let thousands = groups.all(|group| {
            let whole = group.split('.').next().unwrap_or("");
            whole.len() == 3
        });
        let joined = run.replace(',', "");
        let parts = if thousands {
            vec![&joined[..]]
        } else {
            run.split(',').collect()
        };
        for number in parts {
            let digits = number.replace('.', "");
            let digits = digits.trim_start_matches('0').len();
            let telling = match number.matches('.').count() {
                0 => number.len() >= 4,
                1 => digits >= 3,
                _ => false, // a version
            };
            if telling {
                numbers.push(number.to_string());
            }
        }
    }
    numbers
}

fn is_elsewhere(target: &str) -> bool {
    target.starts_with("//") || target.contains("://")
}

/// mdBook checks no link.
pub fn links_lead_somewhere(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for page in &book.pages {
        for link in page.links() {
            if let Some(reason) = dead(book, page, &link) {
                let said = format!("`{}` {reason}", link.target);
                breaches.push(breach(&page.path, link.line, said));
            }
        }
        let definitions = page.definitions();
        for (line, label) in page.references() {
            let same = |text: &str| text.to_lowercase() == label.to_lowercase();
            if !definitions.iter().any(|(_, defined, _)| same(defined)) {
                let said = format!("nothing defines the reference `[{label}]`");
                breaches.push(breach(&page.path, line, said));
            }
        }
    }
    breaches
}

/// Why a link leads nowhere in the built book.
fn dead(book: &Book, page: &Page, link: &Link) -> Option<String> {
    let target = &link.target;
    if is_elsewhere(target) || target.starts_with("mailto:") {
        return None;
    }
    let (file, fragment) = match target.split_once('#') {
        Some((file, fragment)) => (file, Some(fragment)),
        None => (&target[..], None),
    };
    let path = if file.is_empty() {
        page.path.clone()
    } else {
        // HTML names a page as it is called when it is built
        let built = file.strip_suffix(".html").map(|stem| format!("{stem}.md"));
        let path = resolve(&page.path, built.as_deref().unwrap_or(file));
        match path.filter(|path| path.starts_with("book/")) {
            Some(path) => path,
            None => {
                return Some(
                    "is outside of the book; name the file in code".into(),
                );
            }
        }
    };
    if target.is_empty() || !book.files.contains_key(&path) {
        return Some("is no file of the book; mend the target".into());
    }
    let fragment = fragment?;
    let other = book.pages.iter().find(|other| other.path == path)?;
    if other.fragments().contains(fragment) {
        return None;
    }
    Some(format!("names no heading of {path}; mend it, or add {{#{fragment}}}"))
}

/// The book is read without a network.
pub fn nothing_comes_from_elsewhere(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for page in &book.pages {
        for (line, prose) in (1..).zip(&page.prose) {
            let prose = prose.to_lowercase();
            for tag in ["script", "iframe", "link", "object", "embed"] {
                if prose.contains(&format!("<{tag}")) {
                    let said = format!("a page has no <{tag}>; take it out");
                    breaches.push(breach(&page.path, line, said));
                }
            }
        }
        for link in page.links() {
            if link.image && is_elsewhere(&link.target) {
                let said = format!(
                    "{} is fetched from elsewhere; bring it into the book",
                    link.target
                );
                breaches.push(breach(&page.path, link.line, said));
            }
        }
    }
    breaches
}

/// mdBook leaves a page that is not in the summary out of the book, and makes
/// an empty page where the summary names none.
pub fn the_summary_lists_every_page(book: &Book) -> Vec<Breach> {
    let summary = &book.summary;
    let mut listed = BTreeSet::new();
    let mut breaches = Vec::new();
    for link in summary.links().iter().filter(|link| !link.target.is_empty()) {
        let target = &link.target;
        let path = resolve(&summary.path, target).unwrap_or_default();
        if !book.pages.iter().any(|page| page.path == path) {
            let said = format!("there is no page {target}; write it first");
            breaches.push(breach(&summary.path, link.line, said));
        } else if !listed.insert(path) {
            let said = format!("{target} is listed twice");
            breaches.push(breach(&summary.path, link.line, said));
        }
    }
    for page in book.pages.iter().filter(|page| !listed.contains(&page.path)) {
        let said = "the page is not in SUMMARY.md; list it";
        breaches.push(breach(&page.path, 1, said));
    }
    breaches
}

/// Whatever is noted is referred to, and the other way round.
pub fn footnotes_come_in_pairs(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for page in &book.pages {
        let used = page.footnotes();
        let mut defined = page.definitions();
        defined.retain(|(_, label, _)| label.starts_with('^'));
        let mut seen = BTreeSet::new();
        for (line, label, _) in &defined {
            let said = if !used.iter().any(|(_, name)| name == label) {
                format!("nothing refers to the footnote [{label}]")
            } else if !seen.insert(label) {
                format!("there are two footnotes [{label}]")
            } else {
                continue;
            };
            breaches.push(breach(&page.path, *line, said));
        }
        for (line, name) in used {
            if !defined.iter().any(|(_, label, _)| *label == name) {
                let said = format!("there is no footnote [{name}]; write it");
                breaches.push(breach(&page.path, line, said));
            }
        }
    }
    breaches
}

/// A formula that is not closed takes the rest of the page with it.
pub fn maths_is_closed(book: &Book) -> Vec<Breach> {
    let said = "maths begins here and does not end; close it, or write \\$";
    let on = |page: &Page| -> Vec<Breach> {
        let lines = page.open_maths.iter();
        lines.map(|&line| breach(&page.path, line, said)).collect()
    };
    book.pages.iter().flat_map(on).collect()
}

/// The way from text to text, with the name of each part on a page's strip.
const PIPELINE: [(&str, &str); 7] = [
    ("tokenization", "tokenization"),
    ("embeddings", "embeddings"),
    ("transformer_block", "attention"),
    ("transformer_block_feed_forward", "feed-forward"),
    ("gpt", "GPT"),
    ("training", "training"),
    ("generation", "generation"),
];

/// The pages of chapters that are no part of their own, and the part to light.
const BESIDE: [(&str, &str); 2] = [("orientation", ""), ("gpt_fresh", "gpt")];

/// A chapter begins with the pipeline, on which its own part is lit.
pub fn chapters_show_where_they_are(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let parts = PIPELINE.iter().map(|(stem, _)| (*stem, *stem));
    for (stem, lit) in parts.chain(BESIDE) {
        let path = format!("book/{stem}.md");
        let Some(page) = book.pages.iter().find(|page| page.path == path)
        else {
            continue;
        };
        let is_page = |stem: &str| {
            book.pages.iter().any(|p| p.path == format!("book/{stem}.md"))
        };
        let parts = PIPELINE.iter().filter(|(part, _)| is_page(part));
        let parts = parts.map(|(part, name)| match *part == lit {
            true => format!("<li aria-current=\"step\"><b>{name}</b></li>\n"),
            false => format!("<li><a href=\"{part}.html\">{name}</a></li>\n"),
        });
        let head = "<ol class=\"here\" aria-label=\"From text to text\">";
        let wanted = format!("{head}\n{}</ol>", parts.collect::<String>());
        let found = page.lines.iter().skip(2).take(wanted.lines().count());
        let found: Vec<&str> = found.map(String::as_str).collect();
        if found.join("\n") != wanted {
            let said = format!("below the title has to be:\n{wanted}");
            breaches.push(breach(&path, 3, said));
        }
    }
    breaches
}

/// Every chapter ends with the same four sections.
pub fn chapters_close_alike(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let written = book.written().into_iter();
    for path in written.map(|stem| format!("book/{stem}.md")) {
        let page = book.pages.iter().find(|page| page.path == path);
        let mut sections = page.map_or_else(Vec::new, Page::headings);
        sections.retain(|heading| heading.level == 2);
        let last = sections.len().saturating_sub(CLOSE.len());
        let last = &sections[last..];
        if !last.iter().map(|heading| &heading.text[..]).eq(CLOSE) {
            let line = last.first().map_or(1, |heading| heading.line);
            let said = format!("the last sections have to be {CLOSE:?}");
            breaches.push(breach(&path, line, said));
        }
    }
    breaches
}

/// A test that a page names is there. Names of five words and more are
/// sentences, and only functions of ours have such.
pub fn functions_named_are_there(book: &Book) -> Vec<Breach> {
    let code = || book.files.iter().filter(|(path, _)| path.ends_with(".rs"));
    let is_name = |span: &&str| {
        span.matches('_').count() >= 4
            && span.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut breaches = Vec::new();
    for page in &book.pages {
        for (line, text) in (1..).zip(&page.lines) {
            let spans = text.split('`').skip(1).step_by(2);
            for name in spans.filter(is_name) {
                let declared = format!("fn {name}(");
                if !code().any(|(_, text)| text.contains(&declared)) {
                    let said = format!("there is no function `{name}`");
                    breaches.push(breach(&page.path, line, said));
                }
            }
        }
    }
    breaches
}

/// The most words of a page, where it has a bound of its own.
const LONGEST: [(&str, usize); 12] = [
    ("orientation.md", 4_000),
    ("tokenization.md", 2_800),
    ("embeddings.md", 3_600),
    ("transformer_block.md", 4_200),
    ("transformer_block_feed_forward.md", 3_200),
    ("gpt.md", 3_400),
    ("gpt_fresh.md", 2_200),
    ("training.md", 4_400),
    ("generation.md", 3_500),
    ("appendix/checkpoint.md", 900),
    ("appendix/hugging_face.md", 1_000),
    ("appendix/performance.md", 1_300),
];

/// The most words of the whole book, without what one only looks things up in.
const LONGEST_BOOK: usize = 45_000;

const LOOKED_UP: [&str; 5] =
    ["items.md", "glossary.md", "notation.md", "sources.md", "solutions.md"];

/// How many words there are to be read, without code and formulas, and without
/// what one looks into only on purpose: boxes with the names of tests, the strip
/// at the head of a chapter, the names of files, and the lists of experiments
/// and of sources.
pub fn words_to_read(page: &Page) -> usize {
    let (mut boxed, mut listed) = (false, false);
    let words = page.words();
    let lines = page.lines.iter().zip(&words);
    let lines = lines.take_while(|(line, _)| *line != "## Sources");
    let read = lines.filter(|(line, _)| {
        boxed |= line.contains("<details class=\"checked\">");
        if line.starts_with("## ") {
            listed = *line == "## The experiments";
        }
        let label =
            line.starts_with("<li") || line.starts_with("<p class=\"file");
        let read = !boxed && !listed && !label;
        boxed &= !line.contains("</details>");
        read
    });
    let words = read.flat_map(|(_, words)| words.split_whitespace());
    words.filter(|word| word.contains(char::is_alphanumeric)).count()
}

/// A page is no longer than its bound, and neither is the book.
pub fn the_book_can_be_finished(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut all = 0;
    for page in &book.pages {
        let Some(name) = page.path.strip_prefix("book/") else { continue };
        if LOOKED_UP.contains(&name) || name.starts_with("records/") {
            continue;
        }
        let words = words_to_read(page);
        all += words;
        let bound = LONGEST.iter().find(|(page, _)| *page == name);
        if let Some((_, most)) = bound.filter(|(_, most)| words > *most) {
            let said = format!("{words} words to be read; at most {most}");
            breaches.push(breach(&page.path, 1, said));
        }
    }
    if all > LONGEST_BOOK {
        let said = format!("{all} words to be read; at most {LONGEST_BOOK}");
        breaches.push(breach("book/SUMMARY.md", 1, said));
    }
    breaches
}
