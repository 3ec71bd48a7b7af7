//! The search index, made again from the pages.
//!
//! mdBook indexes a page's text as it is: of a formula, every letter that KaTeX
//! has drawn; of code, whatever is between two spaces. Here a formula is text
//! that can be read, code is found by each name in it, and two fields of their
//! own, `items` and `methods`, lead from a name of the crate to the section that
//! shows it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use elasticlunr::IndexBuilder;
use scraper::node::Node;
use scraper::{ElementRef, Html, Selector};
use serde_json::{Value, json};

/// The index of the crate: a row for each item, with a link to its section.
const ITEMS: &str = "items.html";
/// How much a field counts, where text counts 1 and a title 4 (book.toml). A
/// match among n words counts 1/√n of it, and a section can have dozens of
/// items; still an item comes first. A method that has a word for its name, as
/// `memory` is, comes behind the titles with that word.
const BOOSTS: [(&str, u64); 2] = [("items", 1000), ("methods", 4)];
/// A longer word is no word.
const LONGEST: usize = 80;

/// What stands before the index in its file, and behind it.
const HEAD: &str = "window.search = Object.assign(window.search, JSON.parse('";
const TAIL: &str = "'));";

/// Replaces the index of the book that was built into `dest`.
///
/// # Errors
/// If there is none, or it is not as mdBook writes it.
pub fn index_again(dest: &Path) -> Result<()> {
    let file = index_file(dest)?;
    let script = fs::read_to_string(&file)?;
    let json = script.strip_prefix(HEAD).and_then(|s| s.strip_suffix(TAIL));
    let json = json.context("the search index has another form")?;
    let json = json.replace("\\'", "'").replace("\\\\", "\\");
    let mut search: Value = serde_json::from_str(&json)?;

    let urls: Vec<String> = serde_json::from_value(search["doc_urls"].take())?;
    let sections = sections(dest, &urls)?;
    let items = items(dest)?;
    let mut index = IndexBuilder::new()
        .add_field_with_tokenizer("title", Box::new(words))
        .add_field_with_tokenizer("body", Box::new(words))
        .add_field_with_tokenizer("breadcrumbs", Box::new(words))
        .add_field("items")
        .add_field("methods")
        .build();
    let docs = &search["index"]["documentStore"]["docs"];
    let old = |number: usize, field: &str| {
        docs[number.to_string()][field].as_str().unwrap_or_default()
    };
    let find = |url: &String| sections.get(url).with_context(|| url.clone());
    // The breadcrumbs have the titles of the sections above
    let mut titles = HashMap::new();
    for (number, url) in urls.iter().enumerate() {
        titles.insert(old(number, "title"), find(url)?.title.trim());
    }
    for (number, url) in urls.iter().enumerate() {
        let section = find(url)?;
        let path = old(number, "breadcrumbs").split(" » ").map(str::trim);
        let path = path.map(|title| *titles.get(title).unwrap_or(&title));
        let path = path.collect::<Vec<_>>().join(" » ");
        let [items, methods] = match items.get(url) {
            Some([items, methods]) => [items.as_str(), methods.as_str()],
            None => ["", ""],
        };
        let (title, body) = (section.title.trim(), section.body.trim());
        let fields = [title, body, &path, items, methods];
        index.add_doc(&number.to_string(), fields);
    }

    search["doc_urls"] = json!(urls);
    search["index"] = serde_json::to_value(&index)?;
    for (field, boost) in BOOSTS {
        // Not for every beginning of a name
        search["search_options"]["fields"][field] =
            json!({ "boost": boost, "expand": false });
    }
    let json = search.to_string().replace('\\', "\\\\").replace('\'', "\\'");
    fs::write(&file, format!("{HEAD}{json}{TAIL}"))?;
    Ok(())
}

/// Where mdBook has written the index; a digest is part of the name.
fn index_file(dest: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(dest)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("searchindex") {
            return Ok(entry.path());
        }
    }
    anyhow::bail!("no search index in {}", dest.display())
}

fn page(dest: &Path, name: &str) -> Result<Html> {
    let file = dest.join(name);
    let text = fs::read_to_string(&file)
        .with_context(|| format!("no page at {}", file.display()))?;
    Ok(Html::parse_document(&text))
}

fn selector(css: &str) -> Selector {
    Selector::parse(css).expect("a selector")
}

/// What is found under one address.
#[derive(Default)]
struct Section {
    title: String,
    body: String,
}

/// The sections of all pages, by their addresses.
fn sections(dest: &Path, urls: &[String]) -> Result<HashMap<String, Section>> {
    let mut sections = HashMap::new();
    for urls in urls.chunk_by(|a, b| page_of(a) == page_of(b)) {
        let html = page(dest, page_of(&urls[0]))?;
        let mut reader =
            Reader { urls, url: &urls[0], in_heading: false, sections };
        for main in html.select(&selector("main")) {
            reader.read(main);
        }
        sections = reader.sections;
    }
    Ok(sections)
}

fn page_of(url: &str) -> &str {
    url.split('#').next().unwrap_or(url)
}

/// Reads a page, from section to section.
struct Reader<'a> {
    /// The sections of the page.
    urls: &'a [String],
    /// The present one.
    url: &'a str,
    in_heading: bool,
    sections: HashMap<String, Section>,
}

impl Reader<'_> {
    fn read(&mut self, element: ElementRef<'_>) {
        let name = element.value().name();
        if ["script", "style"].contains(&name) {
            return;
        }
        if name == "math" {
            return self.write(&linear(element));
        }
        if element.attr("aria-hidden") == Some("true") {
            return;
        }
        let id = element.attr("id");
        let url = id.and_then(|id| {
            let ends = |url: &&String| url.split('#').nth(1) == Some(id);
            self.urls.iter().find(ends)
        });
        if let Some(url) = url {
            self.url = url;
        }
        self.in_heading |= url.is_some();
        // Words in two elements, as in two cells, are two words
        self.write(" ");
        for child in element.children() {
            if let Node::Text(text) = child.value() {
                self.write(text);
            } else if let Some(child) = ElementRef::wrap(child) {
                self.read(child);
            }
        }
        self.in_heading &= url.is_none();
    }

    /// Adds a text to the title or to the body, with no more space than one.
    fn write(&mut self, text: &str) {
        let section = self.sections.entry(self.url.to_owned()).or_default();
        let to = if self.in_heading {
            &mut section.title
        } else {
            &mut section.body
        };
        for c in text.chars().filter(|&c| !is_unseen(c)) {
            let c = if c.is_whitespace() { ' ' } else { c };
            if c != ' ' || !(to.is_empty() || to.ends_with(' ')) {
                to.push(c);
            }
        }
    }
}

/// Whether nobody sees a character: of no width, or an operator of MathML
/// that is only spoken.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// A formula in MathML as one would type it: `a_i/√(2)`.
fn linear(element: ElementRef<'_>) -> String {
    let parts: Vec<_> = element.child_elements().map(linear).collect();
    let part = |n: usize| parts.get(n).map_or("", String::as_str);
    match element.value().name() {
        "annotation" => String::new(),
        "mfrac" => format!("{}/{}", grouped(part(0)), grouped(part(1))),
        "msqrt" => format!("√({})", parts.concat()),
        "msub" => format!("{}_{}", part(0), grouped(part(1))),
        "munder" => format!("{}_{} ", part(0), grouped(part(1))),
        "msup" => format!("{}^{}", part(0), grouped(part(1))),
        "msubsup" | "munderover" => {
            let (below, above) = (grouped(part(1)), grouped(part(2)));
            format!("{}_{below}^{above} ", part(0))
        }
        "mover" if part(1) == "^" => format!("{}\u{302}", part(0)),
        "mover" => part(0).to_owned(),
        "mspace" => " ".to_owned(),
        "mtd" => parts.concat() + " ",
        "mi" | "mn" | "mo" | "mtext" => {
            let text: String = element.text().collect();
            let spaced = ["=", "≈", "←", "→", "∈", "≤", "≥"];
            let spaced = spaced.contains(&text.as_str());
            if spaced { format!(" {text} ") } else { text }
        }
        _ => parts.concat(),
    }
}

/// In parentheses, if it is more than a word or a sign.
fn grouped(part: &str) -> String {
    let part = part.trim();
    if part.chars().all(char::is_alphanumeric) || part.chars().count() == 1 {
        part.to_owned()
    } else {
        format!("({part})")
    }
}

/// The names of the items that each section shows, and those of methods without
/// their type.
fn items(dest: &Path) -> Result<HashMap<String, [String; 2]>> {
    let mut items = HashMap::<String, [String; 2]>::new();
    if !dest.join(ITEMS).is_file() {
        return Ok(items);
    }
    let html = page(dest, ITEMS)?;
    let name = selector("td:first-child code");
    let link = selector("td:last-child a");
    let mut here = String::new();
    for element in html.select(&selector("main h2, main tr")) {
        if let Some(id) = element.attr("id") {
            here = format!("{ITEMS}#{id}");
        }
        let Some(name) = element.select(&name).next() else { continue };
        let name: String = name.text().collect();
        let link = element.select(&link).next().and_then(|a| a.attr("href"));
        // What no page shows is found in its row
        let url = link.map_or_else(|| here.clone(), str::to_owned);
        let [names, methods] = items.entry(url).or_default();
        *names += &format!("{name} ");
        if let Some((_, method)) = name.rsplit_once("::") {
            *methods += &format!("{method} ");
        }
    }
    Ok(items)
}

/// The words of a text, in lower case: what is between spaces or hyphens, as
/// in mdBook, and the names and paths within, as in `self.norm.forward(&x)`.
fn words(text: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let is_path = |c: char| is_name(c) || c == ':';
    let mut words = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c == '-') {
        let whole = word.trim_matches(|c| !is_name(c));
        let paths = whole.split(|c| !is_path(c)).map(|p| p.trim_matches(':'));
        let names = whole.split(|c| !is_name(c));
        let mut here = vec![word];
        here.extend(paths.filter(|path| path.contains("::") && *path != whole));
        here.extend(names.filter(|name| !name.is_empty() && *name != whole));
        let here = here.iter().filter(|w| (1..=LONGEST).contains(&w.len()));
        words.extend(here.map(|word| word.to_lowercase()));
    }
    words
}
