//! Laws of what is included: that it is there, that it is whole, that nothing
//! is typed in its place.

use std::collections::BTreeSet;

use crate::library::{Book, READING_ORDER, resolve};
use crate::page::{Fence, Include, Page, Part, is_directive};
use crate::source::{
    anchored, identifiers, marks, no_whole_items, public_items, scrub, unpaired,
};
use crate::{Breach, breach, except};

/// The lines an excerpt may have.
const LINES: usize = 40;
/// The characters that a line of Rust or of an output may have.
const COLUMNS: usize = 80;
/// The lines that insta puts before the text of a snapshot.
const HEADER: [&str; 4] = ["---", "source: ", "expression: ", "---"];

/// mdBook leaves a block empty, or its directive in the page, and says nothing.
pub fn every_include_resolves(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for page in book.pages.iter().chain([&book.summary]) {
        for (line, said) in &page.other_directives {
            let advice = "write {{#include FILE:ANCHOR}}, alone on its line";
            let said = format!("`{said}` is no include; {advice}");
            breaches.push(breach(&page.path, *line, said));
        }
        for include in &page.includes {
            let target = &include.target;
            let lines = book.excerpt(page, include);
            let blank = |lines: &Vec<(usize, &str)>| {
                let text: Vec<&str> = lines.iter().map(|l| l.1).collect();
                is_blank(target, &text.join("\n"))
            };
            let said = match lines {
                Err(reason) => format!("the include of {target}: {reason}"),
                Ok(lines) if blank(&lines) => {
                    format!("the include of {target} shows nothing")
                }
                Ok(lines) if lines.iter().any(|l| is_directive(l.1)) => {
                    format!("{target} has a directive of its own inside")
                }
                Ok(_) => continue,
            };
            breaches.push(breach(&page.path, include.line, said));
        }
    }
    breaches
}

/// Whether there is nothing to see, or only comments.
fn is_blank(path: &str, text: &str) -> bool {
    let mut lines = text.lines();
    if path.ends_with(".rs") {
        scrub(text).trim().is_empty()
    } else if path.ends_with(".toml") {
        lines.all(|line| line.is_empty() || line.starts_with('#'))
    } else {
        text.trim().is_empty()
    }
}

/// The files that can have anchors.
fn sources(book: &Book) -> impl Iterator<Item = (&str, &str)> {
    let rust = ["src/", "chapters-code/", "crates/", "examples/", "tests/"];
    let rust = rust.into_iter().flat_map(|f| book.files_in(f, ".rs"));
    rust.chain(book.files_in("", ".toml"))
}

/// Anchors pair, do not overlap, and hold items that begin and end at column 0,
/// because mdBook neither complains nor removes an indentation.
pub fn anchors_hold_whole_items(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, text) in sources(book) {
        for (line, said) in unpaired(text) {
            breaches.push(breach(path, line, said));
        }
        for mark in marks(text).iter().filter(|mark| !mark.ends) {
            let torn = torn(text, mark.name).filter(|_| path.ends_with(".rs"));
            if let Some((line, reason)) = torn {
                let advice = "put it around whole items at column 0";
                let said = format!("`{}` {reason}; {advice}", mark.name);
                breaches.push(breach(path, line, said));
            }
        }
    }
    breaches
}

/// Why a well-formed anchor holds no whole items: the line, the reason.
fn torn(text: &str, name: &str) -> Option<(usize, String)> {
    let lines = anchored(text, name).ok()?;
    let mark = lines.first()?.0 - 1;
    let before = text.lines().take(mark - 1).last().unwrap_or("");
    if before.starts_with("///") || before.starts_with("#[") {
        let reason = "leaves out the line above, a part of its item";
        return Some((mark, reason.into()));
    }
    no_whole_items(&lines)
}

/// An anchor that no page shows is an excerpt that got lost.
pub fn every_anchor_is_shown(book: &Book) -> Vec<Breach> {
    let mut used = BTreeSet::new();
    for page in &book.pages {
        for include in &page.includes {
            if let Part::Anchor(name) = &include.part {
                used.insert((resolve(&page.path, &include.target), &name[..]));
            }
        }
    }
    let mut breaches = Vec::new();
    for (path, text) in sources(book) {
        for mark in marks(text).iter().filter(|mark| !mark.ends) {
            let shown = used.contains(&(Some(path.to_string()), mark.name));
            if anchored(text, mark.name).is_ok() && !shown {
                let said = format!(
                    "no page includes `{}`; include it, or take its marks away",
                    mark.name
                );
                breaches.push(breach(path, mark.line, said));
            }
        }
    }
    breaches
}

/// A reader of a written chapter has met all of its code that can be called
/// from outside: as an excerpt, or by its name. Appendices quote what carries
/// their idea; the index and the documentation of the crate have the rest.
pub fn every_public_item_is_shown_or_named(book: &Book) -> Vec<Breach> {
    let shown = book.shown();
    let mut breaches = Vec::new();
    for module in ["root"].into_iter().chain(READING_ORDER) {
        let page = if module == "root" { "orientation" } else { module };
        let path = format!("src/{module}.rs");
        let Some(text) = book.files.get(&path) else { continue };
        if !book.is_written(page) {
            continue;
        }
        for (line, item) in public_items(text) {
            let name = item.split(' ').next_back().unwrap_or(&item);
            if !shown.contains(&(path.clone(), line)) && !named(book, name) {
                let said = format!(
                    "no page shows or names `pub {item}`; include its anchor"
                );
                breaches.push(breach(&path, line, said));
            }
        }
    }
    breaches
}

/// The lines of Rust that an appendix may quote in all.
const APPENDIX_LINES: usize = 150;

/// An appendix quotes what carries its idea, and no plumbing.
pub fn appendices_quote_little(book: &Book) -> Vec<Breach> {
    let appendices = book.pages.iter();
    let appendices = appendices.filter(|p| p.path.contains("/appendix/"));
    let lines = |page: &Page| -> usize {
        let rust = page.includes.iter().filter(|i| i.target.ends_with(".rs"));
        rust.map(|i| book.excerpt(page, i).map_or(0, |it| it.len())).sum()
    };
    let counted = appendices.map(|page| (page, lines(page)));
    counted
        .filter(|(_, lines)| *lines > APPENDIX_LINES)
        .map(|(page, lines)| {
            let said = format!(
                "quotes {lines} lines of Rust; {APPENDIX_LINES} at most"
            );
            breach(&page.path, 1, said)
        })
        .collect()
}

/// Whether a page, other than the index, which names everything, has a word in
/// code.
fn named(book: &Book, name: &str) -> bool {
    let mut pages = book.pages.iter().filter(|p| p.path != "book/items.md");
    pages.any(|page| {
        let spans =
            page.lines.iter().flat_map(|l| l.split('`').skip(1).step_by(2));
        spans.flat_map(identifiers).any(|word| word == name)
    })
}

/// Rust on a page is Rust that compiles.
pub fn rust_is_included_never_typed(book: &Book) -> Vec<Breach> {
    let is_rust = |language: &str| matches!(language, "rust" | "rs");
    let mut breaches = Vec::new();
    for page in &book.pages {
        for fence in page.fences.iter().filter(|f| is_rust(&f.language)) {
            let includes = includes_of(page, fence);
            let named = includes
                .iter()
                .all(|include| !matches!(include.part, Part::Lines(..)));
            let said = if includes.len() != fence.content.len() {
                "Rust is typed here; include it from a file that compiles"
            } else if includes.is_empty() {
                "there is no Rust in this block; include some"
            } else if !named {
                "line numbers drift; include an anchor by its name"
            } else {
                continue;
            };
            let at = breach(&page.path, fence.line, said);
            breaches.push((fence.first().to_string(), at));
        }
        for include in &page.includes {
            let fence = include.fence.as_deref().unwrap_or("");
            if include.target.ends_with(".rs") && !is_rust(fence) {
                let said = "Rust is included outside of a block of Rust";
                let at = breach(&page.path, include.line, said);
                breaches.push((include.target.clone(), at));
            }
        }
    }
    except(breaches, book.allowed.rust)
}

/// The includes that stand in a block.
fn includes_of<'a>(page: &'a Page, fence: &Fence) -> Vec<&'a Include> {
    let lines = fence.line..fence.last();
    page.includes.iter().filter(|i| lines.contains(&i.line)).collect()
}

/// Above an excerpt of code is the name of its file, which leads to the index
/// of the code if the file is a module.
pub fn excerpts_name_their_file(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for page in &book.pages {
        for fence in &page.fences {
            let includes = includes_of(page, fence);
            let files = includes.iter().filter_map(|include| {
                let path = resolve(&page.path, &include.target)?;
                let name = || file_name(book, &page.path, &path);
                path.ends_with(".rs").then(name)
            });
            let mut files: Vec<String> = files.collect();
            files.dedup();
            if files.is_empty() {
                continue;
            }
            let wanted = format!("<p class=\"file\">{}</p>", files.join(", "));
            // A line above, and a blank one between
            let above =
                fence.line.checked_sub(3).and_then(|i| page.lines.get(i));
            if above != Some(&wanted) {
                let said = format!("two lines above has to be: {wanted}");
                breaches.push(breach(&page.path, fence.line, said));
            }
        }
    }
    breaches
}

/// A file's name, with a link to the section that it has in the index.
fn file_name(book: &Book, page: &str, path: &str) -> String {
    let module = path.strip_prefix("src/").and_then(|rest| {
        let rest = rest.strip_prefix("appendix/").unwrap_or(rest);
        rest.strip_suffix(".rs")?.split('/').next()
    });
    let section = module.map(|module| match module {
        "root" => "the-root",
        module => module,
    });
    let index = book.pages.iter().find(|page| page.path == "book/items.md");
    let sections = index.map(Page::fragments).unwrap_or_default();
    match section.filter(|section| sections.contains(*section)) {
        Some(section) => {
            let inside = page.starts_with("book/appendix/");
            let up = if inside { "../" } else { "" };
            format!("<a href=\"{up}items.html#{section}\">{path}</a>")
        }
        None => path.to_owned(),
    }
}

/// What a program printed is what a test repeats, or a run that is on record.
pub fn outputs_are_included_never_typed(book: &Book) -> Vec<Breach> {
    let is_output = |language: &str| matches!(language, "text" | "");
    let mut breaches = Vec::new();
    for page in &book.pages {
        for fence in page.fences.iter().filter(|f| is_output(&f.language)) {
            let said = match &includes_of(page, fence)[..] {
                [include] if fence.content.len() == 1 => {
                    let path = resolve(&page.path, &include.target);
                    match no_record(book, path.as_deref(), &include.part) {
                        Some(said) => said,
                        None => continue,
                    }
                }
                _ => "typed output; include one snapshot or one recorded run",
            };
            let at = breach(&page.path, fence.line, said);
            breaches.push((fence.first().to_string(), at));
        }
        for include in &page.includes {
            let path = resolve(&page.path, &include.target);
            let fence = include.fence.as_deref();
            if is_record(path.as_deref()) && !fence.is_some_and(is_output) {
                let said = "an output is included outside of a block of text";
                let at = breach(&page.path, include.line, said);
                breaches.push((include.target.clone(), at));
            }
        }
    }
    except(breaches, book.allowed.outputs)
}

/// Whether a file is a snapshot or a recorded run.
pub fn is_record(path: Option<&str>) -> bool {
    path.is_some_and(|path| {
        path.contains("/snapshots/") && path.ends_with(".snap")
            || path.starts_with("book/records/") && path.ends_with(".txt")
    })
}

/// Why an include is not the text of a record.
fn no_record(
    book: &Book,
    path: Option<&str>,
    part: &Part,
) -> Option<&'static str> {
    if !is_record(path) {
        return Some("only a snapshot or a recorded run can be an output");
    }
    let path = path.filter(|path| path.ends_with(".snap"))?;
    let mut lines = book.files.get(path)?.lines();
    let header = |start: &&str| {
        let line = lines.next().unwrap_or("");
        if start.ends_with(' ') {
            line.starts_with(start)
        } else {
            line == *start
        }
    };
    if !HEADER.iter().all(header) {
        return Some("the snapshot's header has not four lines; mend the file");
    }
    match part {
        Part::Lines(first, _) if *first > HEADER.len() => None,
        _ => Some("this shows the snapshot's header; include from `:5:` on"),
    }
}

/// A snapshot in several blocks is cut before a line at column 0, where its
/// next entry begins: cut elsewhere, a heading is left behind by its text.
pub fn snapshots_are_cut_between_entries(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for page in &book.pages {
        for include in &page.includes {
            let path = resolve(&page.path, &include.target);
            let path = path.filter(|path| path.ends_with(".snap"));
            let text = path.and_then(|path| book.files.get(&path));
            let (Some(text), Part::Lines(first, last)) = (text, &include.part)
            else {
                continue;
            };
            let within = |cut: &usize| {
                let mut lines = text.lines().skip(HEADER.len() + 1);
                let behind = cut.checked_sub(HEADER.len() + 2);
                let line = behind.and_then(|cut| lines.nth(cut));
                line.is_some_and(|line| line.starts_with(' '))
            };
            let cuts = [Some(*first), last.map(|last| last + 1)];
            if let Some(cut) = cuts.into_iter().flatten().find(within) {
                let target = &include.target;
                let said = format!("{target} is cut within an entry, at {cut}");
                breaches.push(breach(&page.path, include.line, said));
            }
        }
    }
    breaches
}

/// What does not fit is not read. An exception may be longer, but not wider.
pub fn excerpts_fit_the_page(book: &Book) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut long = Vec::new();
    for page in &book.pages {
        for fence in &page.fences {
            let mut length = 0;
            for include in includes_of(page, fence) {
                let lines = book.excerpt(page, include).unwrap_or_default();
                length += lines.len();
                let wide = |line: &str| line.chars().count() > COLUMNS;
                let kinds = [".rs", ".snap", ".txt"];
                if kinds.iter().any(|kind| include.target.ends_with(kind))
                    && let Some((at, _)) = lines.iter().find(|l| wide(l.1))
                {
                    let target = &include.target;
                    let said = format!(
                        "{target}:{at} is wider than {COLUMNS} characters"
                    );
                    breaches.push(breach(&page.path, include.line, said));
                }
            }
            if length > LINES {
                let said =
                    format!("{length} lines do not fit; show {LINES} at most");
                let at = breach(&page.path, fence.line, said);
                long.push((fence.first().to_string(), at));
            }
        }
    }
    breaches.extend(except(long, book.allowed.long));
    breaches
}
