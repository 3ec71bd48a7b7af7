//! The index of the crate: every `pub` item, and the page that shows it.

use crate::library::{Book, READING_ORDER, resolve};
use crate::source::public_items;

const HEAD: &str = "\
# Index of the code

Every item of the crate that can be called from outside, in reading order, \
with the section that shows it. What each one does, its shapes and its errors \
are in the documentation of the crate: `cargo doc --open`. (A test writes this \
page, so it can't go stale.)
";

/// Where the appendices are.
const APPENDIX: &str = "src/appendix/";

/// The index as it should be.
pub fn index(book: &Book) -> String {
    let chapters = ["root"].into_iter().chain(READING_ORDER);
    let chapters = chapters.map(|stem| (stem, format!("src/{stem}.rs")));
    let appendices = book.files_in(APPENDIX, ".rs").map(|(path, _)| {
        let stem = path.trim_start_matches(APPENDIX).trim_end_matches(".rs");
        (stem.split('/').next().unwrap_or(stem), path.to_string())
    });
    let mut files: Vec<_> = chapters.chain(appendices).collect();
    // Of a folder, `mod.rs` first
    for folder in files.chunk_by_mut(|a, b| a.0 == b.0) {
        folder.sort_by_key(|(_, path)| !path.ends_with("/mod.rs"));
    }
    let modules = files.chunk_by(|a, b| a.0 == b.0);
    let sections = modules.map(|files| section(book, files[0].0, files));
    HEAD.to_string() + &sections.collect::<String>()
}

/// The items of one module, which may have several files, as a table.
fn section(book: &Book, module: &str, files: &[(&str, String)]) -> String {
    let rows = files.iter().map(|(_, path)| rows(book, path));
    let rows: String = rows.collect();
    if rows.is_empty() {
        return rows;
    }
    let heading = if module == "root" { "the root" } else { module };
    format!("\n## {heading}\n\n| item | section |\n| --- | --- |\n{rows}")
}

/// The items of one file.
fn rows(book: &Book, path: &str) -> String {
    let text = &book.files[path];
    let lines: Vec<&str> = text.lines().collect();
    let mut rows = String::new();
    for (number, item) in public_items(text) {
        let (kind, name) = item.split_once(' ').unwrap_or(("", &item));
        if kind == "mod" || kind == "use" {
            continue;
        }
        let name = match around(&lines, number) {
            Some(owner) => format!("{owner}::{name}"),
            None => name.to_string(),
        };
        let page = shown_on(book, path, number).unwrap_or("–".to_string());
        rows += &format!("| `{name}` | {page} |\n");
    }
    rows
}

/// The type whose `impl` the line stands in.
fn around<'a>(lines: &[&'a str], number: usize) -> Option<&'a str> {
    let above = lines[..number - 1].iter().rev();
    let head = above.take_while(|line| **line != "}");
    let head = head.filter_map(|line| line.strip_prefix("impl")).next()?;
    // Behind the parameters of the `impl`, and before those of the type
    let mut depth = 0;
    let head = head.trim_start_matches(|c| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        depth > 0 || c == '>'
    });
    let owner = head.rsplit(" for ").next()?;
    owner.trim().split(['<', ' ']).next()
}

/// Where the summary's first page that shows a line has it: a link to the
/// heading above the excerpt.
fn shown_on(book: &Book, path: &str, number: usize) -> Option<String> {
    let links = book.summary.links();
    let mut pages = links.iter().filter_map(|link| {
        book.pages.iter().find(|p| p.path == format!("book/{}", link.target))
    });
    pages.find_map(|page| {
        let include = page.includes.iter().find(|include| {
            let target = resolve(&page.path, &include.target);
            let lines = book.excerpt(page, include).unwrap_or_default();
            let mut numbers = lines.iter().map(|(number, _)| *number);
            include.fence.is_some()
                && target.as_deref() == Some(path)
                && numbers.any(|n| n == number)
        })?;
        let headings = page.headings();
        let above = headings.iter().rfind(|h| h.line < include.line)?;
        let file = page.path.trim_start_matches("book/");
        let id = above.id.as_ref().map_or("".into(), |id| format!("#{id}"));
        Some(format!("[{}]({file}{id})", above.text))
    })
}
