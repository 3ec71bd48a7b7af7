//! The book on one page, `print.html`, made ready for paper: it begins with a
//! title page and the contents, and each chapter is a section whose name stands
//! at the foot of its pages. The rest is the stylesheet's.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use scraper::{Html, Selector};

use crate::outline::{Outline, Page};

/// The file.
pub(crate) const FILE: &str = "print.html";

/// What mdBook writes between two chapters.
const BETWEEN: &str = concat!(
    r#"<div style="break-before: page; page-break-before: always;">"#,
    "</div>"
);

/// The picture on the title page: the part of a figure of the book that shows
/// how alike the positions are after training.
const PICTURE: (&str, &str) = ("figures/positions.svg", "400 40 304 304");

/// How a link to a record of the book begins.
const RECORD: &str = "href=\"records/";

/// The id of the section that lists the records.
const RECORDS: &str = "records";

/// The id of a chapter's section, by its index.
fn id(chapter: usize) -> String {
    format!("chapter-{chapter}")
}

/// Rewrites the page that mdBook has built into `dest`.
///
/// # Errors
/// If it is not as mdBook writes it, or does not have the outline's chapters.
pub(crate) fn make_ready(outline: &Outline, dest: &Path) -> Result<()> {
    let file = dest.join(FILE);
    let html = fs::read_to_string(&file)
        .with_context(|| format!("no page at {}", file.display()))?;
    let strange = || format!("{FILE} has another form");
    let (head, rest) = html.split_once("</head>").with_context(strange)?;
    let (above, rest) = rest.split_once("<main>").with_context(strange)?;
    let (main, below) = rest.rsplit_once("</main>").with_context(strange)?;
    let chapters = main.split(BETWEEN).count();
    let count = outline.pages().count();
    ensure!(chapters == count, "{FILE} does not have {count} chapters");

    let (main, records) = number_records(main);
    let chapters: Vec<&str> = main.split(BETWEEN).collect();
    let mut main = title_page(outline);
    main += &contents(outline, &chapters, !records.is_empty());
    for (index, chapter) in chapters.iter().enumerate() {
        let id = id(index);
        writeln!(main, "<section id=\"{id}\" style=\"page: {id}\">{chapter}")?;
        main += "</section>\n";
    }
    main += &list(&records);
    let feet = feet(outline);
    let html = format!("{head}{feet}</head>{above}<main>{main}</main>{below}");
    fs::write(&file, html)?;
    Ok(())
}

/// The title, over a picture.
pub(crate) fn title_page(outline: &Outline) -> String {
    let picture = picture(outline).unwrap_or_default();
    let title = escaped(&outline.title);
    let description = escaped(&outline.description);
    let authors = escaped(&outline.authors.join(", "));
    format!(
        "<section class=\"title-page\">
<p class=\"title\">{title}</p>
<p class=\"subtitle\">{description}</p>
<div class=\"picture\">{picture}</div>
<p class=\"authors\">{authors}</p>
</section>
"
    )
}

/// The picture on the title page, if the book has that figure.
pub(crate) fn picture(outline: &Outline) -> Option<String> {
    let (file, part) = PICTURE;
    let svg = fs::read_to_string(outline.source.join(file)).ok()?;
    let (_, inner) = svg.split_once("</desc>")?;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{part}\" \
         width=\"304\" height=\"304\" role=\"img\">
<title>A picture from the book: how alike its positions are</title>{inner}"
    ))
}

/// Every chapter with its sections, and room for the numbers of the pages.
fn contents(outline: &Outline, chapters: &[&str], records: bool) -> String {
    let mut html = String::from(
        "<nav class=\"contents\"><h1 id=\"contents\">Contents</h1>\n",
    );
    let mut bodies = chapters.iter().enumerate();
    for part in &outline.parts {
        if let Some(title) = &part.title {
            html += &format!("<h2>{}</h2>\n", escaped(title));
        }
        html += "<ul>\n";
        for (page, (index, body)) in part.pages.iter().zip(&mut bodies) {
            html += &entry(&id(index), &name(page), &sections(body));
        }
        html += "</ul>\n";
    }
    if records {
        html += &format!("<ul>\n{}</ul>\n", entry(RECORDS, "Records", ""));
    }
    html + "</nav>\n"
}

/// A line of the contents, and what is under it.
fn entry(id: &str, name: &str, below: &str) -> String {
    format!(
        "<li><p><a href=\"#{id}\">{name}</a><span></span>\
         <b data-of=\"{id}\"></b></p>\n<p>{below}</p></li>\n"
    )
}

/// Gives each record that is linked to a number, which is printed at the link.
fn number_records(html: &str) -> (String, Vec<&str>) {
    let mut parts = html.split(RECORD);
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    let mut records = Vec::new();
    for part in parts {
        let (record, rest) = part.split_once('"').unwrap_or((part, ""));
        let known = records.iter().position(|it| *it == record);
        let index = known.unwrap_or_else(|| {
            records.push(record);
            records.len() - 1
        });
        let number = index + 1;
        numbered += RECORD;
        numbered += &format!("{record}\" data-record=\"{number}\"{rest}");
    }
    (numbered, records)
}

/// Makes what leads to a record lead to its line in the list: a printed book
/// has no files beside it.
pub(crate) fn without_files(html: &str) -> String {
    let mut parts = html.split(RECORD);
    let mut changed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) =
            part.split_once(" data-record=\"").unwrap_or(("", part));
        let (number, rest) = rest.split_once('"').unwrap_or((rest, ""));
        if !number.is_empty() {
            changed += "href=\"#record-";
            changed += &format!("{number}\" data-record=\"{number}\"");
        }
        changed += rest;
    }
    changed.replace(&format!("href=\"{FILE}\""), "href=\"#contents\"")
}

/// The records, by their numbers.
fn list(records: &[&str]) -> String {
    if records.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<section id=\"{RECORDS}\" style=\"page: {RECORDS}\">
<h1 id=\"the-records\">Records</h1>
<p>Runs that the pages speak of. Each is a file in the repository, under \
         <code>book/records</code>, with its command, seed and machine.</p>
<ol>\n"
    );
    for (index, record) in records.iter().enumerate() {
        let number = index + 1;
        html += &format!(
            "<li id=\"record-{number}\"><a href=\"records/{record}\" \
             data-record=\"\"><code>{record}</code></a></li>\n"
        );
    }
    html + "</ol>\n</section>\n"
}

/// A chapter's name, with its number.
pub(crate) fn name(page: &Page) -> String {
    let number = page.number.as_ref().map(|n| format!("{n} "));
    escaped(&(number.unwrap_or_default() + &page.name))
}

/// The headings of a chapter's sections, each a link.
fn sections(chapter: &str) -> String {
    let headings = Selector::parse("h2[id]").expect("a selector");
    let link = Selector::parse("a.header").expect("a selector");
    let html = Html::parse_fragment(chapter);
    let mut links = Vec::new();
    for heading in html.select(&headings) {
        let id = escaped(heading.attr("id").unwrap_or_default());
        let inner = heading.select(&link).next().unwrap_or(heading);
        let inner = inner.inner_html();
        links.push(format!("<a href=\"#{id}\">{inner}</a>"));
    }
    links.join(" · ")
}

/// The rules for what stands at the foot of the pages: nothing under the title,
/// and each chapter's name.
fn feet(outline: &Outline) -> String {
    let mut css = String::from(
        "<style>\n@page :first { @bottom-right { content: none } }\n",
    );
    for (index, page) in outline.pages().enumerate() {
        let name = page.name.replace(['\\', '"', '<'], "");
        let id = id(index);
        css += &format!("@page {id} {{ @bottom-left {{ content: \"{name}\" }}");
        css += " }\n";
    }
    for (id, name) in [("contents", "Contents"), (RECORDS, "Records")] {
        css += &format!("@page {id} {{ @bottom-left {{ content: \"{name}\"");
        css += " } }\n";
    }
    css + "</style>\n"
}

/// A text, as HTML and XML want it.
pub(crate) fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
