//! The index of the crate: every `pub` item, and the page that shows it.

use crate::library::{Book, READING_ORDER, resolve};
use crate::source::public_items;

const HEAD: &str = "\
# Index of the code

Every item of the crate that can be called from outside, in reading order, \
with the section that shows it. (A test writes this page; it cannot go stale.)
";

/// The index as it should be.
pub fn index(book: &Book) -> String {
    let stems = book.files_in("src/", ".rs").map(|(path, _)| {
        path.trim_start_matches("src/").trim_end_matches(".rs")
    });
    let appendices =
        stems.filter(|stem| !READING_ORDER.contains(stem) && *stem != "lib");
    let modules = ["lib"].into_iter().chain(READING_ORDER).chain(appendices);
    HEAD.to_string()
        + &modules.map(|module| section(book, module)).collect::<String>()
}

/// The items of one module, as a table.
fn section(book: &Book, module: &str) -> String {
    let path = format!("src/{module}.rs");
    let text = &book.files[&path];
    let lines: Vec<&str> = text.lines().collect();
    let mut table = String::new();
    for (number, item) in public_items(text) {
        let (kind, name) = item.split_once(' ').unwrap_or(("", &item));
        if kind == "mod" || kind == "use" {
            continue;
        }
        let name = match around(&lines, number) {
            Some(owner) => format!("{owner}::{name}"),
            None => name.to_string(),
        };
        let says = first_sentence(&lines, number);
        let page = shown_on(book, &path, number);
        let page = page.unwrap_or("–".to_string());
        table += &format!("| `{name}` | {says} | {page} |\n");
    }
    if table.is_empty() {
        return table;
    }
    let heading = if module == "lib" { "the root" } else { module };
    format!(
        "\n## {heading}\n\n| item | what it is | section |\n| --- | --- | --- |\n{table}"
    )
}

/// The type whose `impl` the line stands in.
fn around<'a>(lines: &[&'a str], number: usize) -> Option<&'a str> {
    let above = lines[..number - 1].iter().rev();
    let head = above.take_while(|line| **line != "}");
    let head = head.filter_map(|line| line.strip_prefix("impl")).next()?;
    let head = head.trim_end_matches([' ', '{']);
    let owner = head.rsplit(" for ").next()?.rsplit(' ').next()?;
    Some(owner.split('<').next().unwrap_or(owner))
}

/// The first sentence of the comment above a line, without its links.
fn first_sentence(lines: &[&str], number: usize) -> String {
    let above = lines[..number - 1].iter().rev();
    let above =
        above.map(|line| line.trim()).skip_while(|line| line.starts_with("#["));
    let mut comment: Vec<&str> =
        above.map_while(|line| line.strip_prefix("///")).collect();
    comment.reverse();
    let paragraph = comment.iter().take_while(|line| !line.trim().is_empty());
    let text: Vec<&str> = paragraph.map(|line| line.trim()).collect();
    let text = text.join(" ");
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    let text = text[..end].trim_end_matches([',', ':']);
    let text = text.replace("[`", "`").replace("`]", "`").replace('|', "\\|");
    // Links with an address: keep the text
    let mut plain = String::new();
    let mut rest = &text[..];
    while let Some((before, after)) = rest.split_once("`(") {
        plain += before;
        plain.push('`');
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain + rest
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
