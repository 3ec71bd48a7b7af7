//! The book as a PDF: `print.html`, printed by Chromium.
//!
//! It is printed twice. Only then is it known on which page a chapter begins,
//! and Chromium cannot write that into the contents by itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use lopdf::{Dictionary, Document, Object, StringFormat};
use tempfile::{Builder, TempDir};

use crate::outline::Outline;
use crate::{chromium, paper};

/// What to do where there is no browser.
const NO_BROWSER: &str = "There is no Chromium, which the book is printed \
    with. Install chromium or Google Chrome (on Debian and Ubuntu: `apt-get \
    install chromium`), or say where one is: `CHROME=/path/to/chrome`.";

/// The size of the paper: in print, a reader chooses.
const SHEET: &str = "<style>@page { size: A4 }</style>";

/// What prints.
///
/// # Errors
/// If there is no Chromium; says what to install.
pub fn browser() -> Result<PathBuf> {
    chromium::find().context(NO_BROWSER)
}

/// Prints the book that was built into `built`, and returns how many pages it
/// has.
///
/// # Errors
/// If Chromium does not print, or `file` cannot be written; then nothing is.
pub fn write(
    chromium: &Path,
    outline: &Outline,
    built: &Path,
    file: &Path,
) -> Result<usize> {
    let html = fs::read_to_string(built.join(paper::FILE))?;
    let html = paper::without_files(&html);
    let mut html = html.replacen("</head>", &format!("{SHEET}</head>"), 1);

    let first = print(chromium, built, &html)?;
    let numbers = page_numbers(&first)?;
    for (id, number) in &numbers {
        let of = format!("data-of=\"{}\">", String::from_utf8_lossy(id));
        html = html.replacen(&of, &format!("{of}{number}"), 1);
    }
    for entry in html.split("data-of=\"").skip(1) {
        let (id, rest) = entry.split_once("\">").unwrap_or((entry, ""));
        ensure!(!rest.starts_with('<'), "{id} is on no page");
    }
    let mut pdf = print(chromium, built, &html)?;
    let moved = page_numbers(&pdf)? != numbers;
    ensure!(!moved, "the numbers of the pages have moved the pages");

    describe(outline, &mut pdf)?;
    let mut bytes = Vec::new();
    pdf.save_modern(&mut bytes)?;
    crate::write_whole(file, &bytes)?;
    Ok(numbers_of_pages(&pdf).len())
}

/// Prints a page of the book, with the files that are beside it.
fn print(chromium: &Path, built: &Path, html: &str) -> Result<Document> {
    let page = Builder::new().suffix(".html").tempfile_in(built)?;
    fs::write(page.path(), html)?;
    let folder = TempDir::new()?;
    let file = folder.path().join("book.pdf");
    let profile = folder.path().join("profile");
    let output = Command::new(chromium)
        .args([
            "--headless=new",
            // Containers have no sandbox to offer, and the page is ours
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--force-color-profile=srgb",
            "--no-first-run",
            // Neither page nor browser asks another machine for anything
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-extensions",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--no-pdf-header-footer",
            "--generate-pdf-document-outline",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--print-to-pdf={}", file.display()))
        .arg(format!("file://{}", page.path().display()))
        .output()
        .with_context(|| format!("{} does not start", chromium.display()))?;
    if !file.is_file() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} printed nothing: {said}", chromium.display());
    }
    Ok(Document::load(&file)?)
}

/// The number of each page, by its object.
fn numbers_of_pages(pdf: &Document) -> BTreeMap<lopdf::ObjectId, u32> {
    pdf.get_pages().into_iter().map(|(number, page)| (page, number)).collect()
}

/// The number of the page on which each target of a link is.
fn page_numbers(pdf: &Document) -> Result<BTreeMap<Vec<u8>, u32>> {
    let numbers = numbers_of_pages(pdf);
    let targets = pdf.catalog()?.get_deref(b"Dests", pdf)?.as_dict()?;
    let mut found = BTreeMap::new();
    for (name, place) in targets {
        let place = place.as_array()?;
        let page = place.first().context("a target on no page")?;
        if let Some(number) = numbers.get(&page.as_reference()?) {
            found.insert(name.clone(), *number);
        }
    }
    Ok(found)
}

/// Says what the book is, and that a reader shows its title and its outline.
fn describe(outline: &Outline, pdf: &mut Document) -> Result<()> {
    let text = |text: &str| {
        // UTF-16, as a PDF has what is not ASCII
        let units = text.encode_utf16().flat_map(u16::to_be_bytes);
        let bytes = [0xfe, 0xff].into_iter().chain(units).collect();
        Object::String(bytes, StringFormat::Hexadecimal)
    };
    let info = pdf.trailer.get(b"Info")?.as_reference()?;
    let info = pdf.get_dictionary_mut(info)?;
    info.set("Title", text(&outline.title));
    info.set("Subject", text(&outline.description));
    info.set("Author", text(&outline.authors.join(", ")));
    info.set("Creator", text("cargo book"));
    let mut shown = Dictionary::new();
    shown.set("DisplayDocTitle", true);
    let catalog = pdf.catalog_mut()?;
    catalog.set("Lang", text(&outline.language));
    catalog.set("ViewerPreferences", shown);
    catalog.set("PageMode", Object::Name(b"UseOutlines".to_vec()));
    Ok(())
}
