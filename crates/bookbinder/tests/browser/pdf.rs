//! The book as a PDF, as `cargo book --pdf` makes it, read page by page.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use bookbinder::outline::Outline;
use lopdf::content::Content;
use lopdf::{Document, Object};
use scraper::{ElementRef, Html, Selector};

use super::print::without_space;
use super::*;

/// A browser that does something else, as a script.
fn browser(folder: &Path, script: &str) -> PathBuf {
    let file = folder.join("browser");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

/// `cargo book` with other browsers than ours.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bookbinder"));
    command.env_remove("CHROME").arg("--pdf");
    command
}

fn elements<'a>(html: &'a Html, css: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(css).unwrap()).collect()
}

/// What of an element is printed: of a formula, what is drawn.
fn text(element: ElementRef<'_>) -> String {
    let seen = element.descendants().filter(|node| {
        let mut above = node.ancestors().filter_map(ElementRef::wrap);
        let mathml = |it: ElementRef| it.value().name() == "math";
        node.value().is_text() && !above.any(mathml)
    });
    seen.map(|node| without_space(node.value().as_text().unwrap())).collect()
}

/// The grounds of the themes that are dark, as a PDF has a color.
fn dark_grounds() -> Vec<[u8; 3]> {
    vec![[20, 23, 28], [22, 25, 35], [15, 20, 25]] // coal, navy, ayu
}

/// The colors that a page is filled with.
fn fills(pdf: &Document, page: lopdf::ObjectId) -> Vec<[u8; 3]> {
    let content = pdf.get_page_content(page);
    let content = Content::decode(&content).unwrap();
    let fills = content.operations.iter().filter(|it| it.operator == "rg");
    let byte = |part: &Object| (part.as_float().unwrap() * 255.0).round() as u8;
    fills
        .map(|it| {
            let parts: Vec<u8> = it.operands.iter().map(byte).collect();
            parts.try_into().unwrap()
        })
        .collect()
}

#[test]
#[ignore = "needs pdftotext, of poppler-utils"]
fn the_book_is_whole_on_paper() {
    let Some(chromium) = chromium() else { return };
    // In a dark theme, which a browser that only prefers dark would leave
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "for page; do :; done; page=${{page#file://}}
light='default_light_theme = \"light\"'
grep -q \"$light\" \"$page\" || exit 1
sed -i \"s/$light/default_light_theme = 'navy'/\" \"$page\"
exec '{}' \"$@\"",
        chromium.display()
    );
    let browser = browser(folder.path(), &script);
    let output = command().env("CHROME", &browser).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let file = said.trim_end().rsplit(" are in ").next().unwrap();

    let pdf = Document::load(file).unwrap();
    let read = Command::new("pdftotext").args(["-layout", file, "-"]).output();
    let read = String::from_utf8(read.unwrap().stdout).unwrap();
    let pages: Vec<_> = read.split('\x0c').map(without_space).collect();
    let pages = &pages[..pages.len() - 1]; // each ends with that
    assert_eq!(pages.len(), pdf.get_pages().len());
    assert!(said.contains(&format!("Its {} pages", pages.len())), "{said}");

    let root = bookbinder::root();
    let html = fs::read_to_string(root.join("target/book/print.html"));
    let html = Html::parse_document(&html.unwrap());
    check_sheets(&pdf, pages);
    check_contents(&Outline::read(&root).unwrap(), &html, pages);
    check_text(&html, pages);
    check_catalog(&pdf, &html);
}

/// Each is A4 and light, has its number at its foot, and something above it.
fn check_sheets(pdf: &Document, pages: &[String]) {
    for (number, page) in pdf.get_pages() {
        let dictionary = pdf.get_dictionary(page).unwrap();
        let sheet = dictionary.get(b"MediaBox").unwrap().as_array().unwrap();
        let sheet: Vec<f32> =
            sheet.iter().map(|side| side.as_float().unwrap()).collect();
        let [0.0, 0.0, width, height] = sheet[..] else { panic!("{sheet:?}") };
        let is_a4 = (width - 595.3).abs() < 1.0 && (height - 841.9).abs() < 1.0;
        assert!(is_a4, "page {number}: {width} by {height}");
        let dark = dark_grounds();
        let seen = fills(pdf, page).into_iter().find(|it| dark.contains(it));
        assert_eq!(seen, None, "page {number} is dark");

        let text = &pages[number as usize - 1];
        if number > 1 {
            let at_foot = text.ends_with(&number.to_string());
            assert!(at_foot, "page {number} has no number: {text}");
        }
        // The name of a chapter and the number are shorter
        let some = text.chars().count() > 80 || number == 1;
        assert!(some, "page {number} is empty: {text}");
    }
}

/// The contents name the page on which each chapter begins.
fn check_contents(outline: &Outline, html: &Html, pages: &[String]) {
    let titles = elements(html, "main > section > h1:first-child");
    assert_eq!(titles.len(), outline.pages().count() + 1, "and the records");
    let names = outline.pages().map(|page| {
        let number = page.number.as_deref().unwrap_or_default();
        without_space(&format!("{number}{}", page.name))
    });
    let names: Vec<_> = names.chain(["Records".to_owned()]).collect();
    let contents = pages[1..4].concat();
    let mut page = 2; // behind the title and the first page of the contents
    for (title, name) in titles.into_iter().zip(names) {
        let title = text(title);
        let begins = |text: &String| text.starts_with(&title);
        let found = pages[page..].iter().position(begins);
        page += found.unwrap_or_else(|| panic!("no page begins with {title}"));
        let entry = format!("{name}{}", page + 1);
        assert!(contents.contains(&entry), "no {entry}: {contents}");
    }
}

/// The excerpts are in one piece each, where a page has room for them, and the
/// answers that are folded on a screen are there.
fn check_text(html: &Html, pages: &[String]) {
    // Other letters are drawn in parts, and read in another order
    let ascii = |text: &str| text.replace(|c: char| !c.is_ascii(), "");
    let pages: Vec<_> = pages.iter().map(|page| ascii(page)).collect();
    let book = pages.concat();
    let excerpts = elements(html, "main pre > code");
    assert!(excerpts.len() > 400, "{} excerpts", excerpts.len());
    for excerpt in excerpts {
        let source: String = excerpt.text().collect();
        if source.lines().count() > 55 {
            continue;
        }
        let text = ascii(&text(excerpt));
        let on_one = pages.iter().any(|page| page.contains(&text));
        assert!(on_one, "not on one page: {source}");
    }
    let answers = elements(html, "main details");
    assert!(answers.len() > 100, "{} answers", answers.len());
    for answer in answers {
        // The longest text of one style, as much as is surely on one page
        let inner = Selector::parse("p, li, a, code").unwrap();
        let texts = answer.select(&inner).flat_map(|it| it.children());
        let texts = texts.filter_map(|node| node.value().as_text());
        let lines = texts.flat_map(|text| text.split('\n'));
        let lines = lines.map(|line| ascii(&without_space(line)));
        let longest = lines.max_by_key(String::len);
        let start: String = longest.unwrap().chars().take(40).collect();
        assert!(book.contains(&start), "no {start}");
    }
}

/// It says what it is, has an outline, and leads to no file of this machine.
fn check_catalog(pdf: &Document, html: &Html) {
    let catalog = pdf.catalog().unwrap();
    let marked = catalog.get_deref(b"MarkInfo", pdf).unwrap();
    let marked = marked.as_dict().unwrap().get(b"Marked").unwrap();
    assert!(marked.as_bool().unwrap(), "no tags");
    let info = pdf.trailer.get(b"Info").unwrap().as_reference().unwrap();
    let info = pdf.get_dictionary(info).unwrap();
    for (key, value) in [
        ("Title", "MicroGPT in Rust"),
        ("Author", "The MicroGPT in Rust authors"),
    ] {
        let there = info.get(key.as_bytes()).unwrap();
        assert_eq!(lopdf::decode_text_string(there).unwrap(), value);
    }
    let entries = pdf.get_toc().unwrap().toc;
    let headings = elements(html, "main :is(h1, h2, h3, h4)").len();
    assert_eq!(entries.len(), headings, "entries of the outline");

    let mut links = 0;
    for page in pdf.get_pages().into_values() {
        for link in pdf.get_page_annotations(page).unwrap() {
            links += 1;
            let Ok(action) = link.get_deref(b"A", pdf) else { continue };
            let Ok(uri) = action.as_dict().unwrap().get(b"URI") else {
                continue;
            };
            let uri = String::from_utf8_lossy(uri.as_str().unwrap());
            assert!(uri.starts_with("https://"), "a link to {uri}");
        }
    }
    assert!(links > 1000, "{links} links");
}

#[test]
#[cfg_attr(target_os = "macos", ignore = "Chrome is not found by PATH there")]
fn without_a_browser_nothing_is_begun_and_what_to_do_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let output = command().env("PATH", folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    for words in ["no Chromium", "apt-get install chromium", "CHROME="] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_browser_that_prints_nothing_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let browser = browser(folder.path(), "echo no display >&2");
    let outline = Outline::read(&bookbinder::root()).unwrap();
    let there = |folder: &Path| fs::read_dir(folder).unwrap().count();
    let before = there(book());
    let file = folder.path().join("book.pdf");
    let error = bookbinder::pdf::write(&browser, &outline, book(), &file);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("printed nothing: no display"), "{error}");
    assert_eq!(there(folder.path()), 1, "only the browser");
    assert_eq!(there(book()), before);
}
