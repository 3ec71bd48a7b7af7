//! The search index, made again from the pages.
//!
//! mdBook indexes a page's text as it is: of a formula, every letter that KaTeX
//! has drawn; of code, whatever is between two spaces. Here a formula is text
//! that can be read, code is found by each name in it, and three fields of their
//! own lead to one section: `items` and `methods` from a name of the crate to
//! the section that shows it, `terms` from a name in the glossary to the section
//! that explains it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::iter;
use std::mem;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use elasticlunr::lang::English;
use elasticlunr::{IndexBuilder, Language};
use scraper::node::Node;
use scraper::{ElementRef, Html, Selector};
use serde_json::{Value, json};

/// The index of the crate: a row for each item, with a link to its section.
const ITEMS: &str = "items.html";
/// The glossary: its links lead to the sections that explain what is bold.
const GLOSSARY: &str = "glossary.html";
/// How much a field counts, where text counts 1 and a title 4 (book.toml), and
/// whether the beginning of a name is enough. A match among n words counts 1/√n
/// of it, and a section can have dozens of items; still an item comes first. A
/// term comes before the titles with its words; a method, whose name can be a
/// word like any other, behind the term.
const BOOSTS: [(&str, u64, bool); 3] =
    [("items", 1000, false), ("terms", 12, true), ("methods", 8, false)];
/// How often the field `terms` has a term of one word. Elasticlunr takes the
/// root of it, which can be divided by 2, 3 and 4.
const REPEATED: usize = 12 * 12;
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
    let terms = terms(dest, &urls)?;
    let items = items(dest, &terms)?;
    let mut index = IndexBuilder::new()
        .add_field_with_tokenizer("title", Box::new(words))
        .add_field_with_tokenizer("body", Box::new(words))
        .add_field_with_tokenizer("breadcrumbs", Box::new(words))
        .add_field("items")
        .add_field("methods")
        .add_field_with_tokenizer("terms", Box::new(words_of_terms))
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
        let terms = terms.get(url).map_or("", String::as_str);
        let fields = [title, body, &path, items, methods, terms];
        index.add_doc(&number.to_string(), fields);
    }

    search["doc_urls"] = json!(urls);
    search["index"] = serde_json::to_value(&index)?;
    for number in 0..urls.len() {
        // However many terms there are, each counts like a title of its own
        search["index"]["documentStore"]["docInfo"][number.to_string()]["terms"] =
            json!(REPEATED);
    }
    for (field, boost, expand) in BOOSTS {
        search["search_options"]["fields"][field] =
            json!({ "boost": boost, "expand": expand });
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
/// their type. An item that has a term for its name, as `Gradients` has, counts
/// like a method.
fn items(
    dest: &Path,
    terms: &HashMap<String, String>,
) -> Result<HashMap<String, [String; 2]>> {
    let mut items = HashMap::<String, [String; 2]>::new();
    if !dest.join(ITEMS).is_file() {
        return Ok(items);
    }
    let pipeline = English::new().make_pipeline();
    let stem = |name: &str| pipeline.run(vec![words(name).concat()]);
    let terms = terms.values().flat_map(|terms| terms.lines());
    let terms: HashSet<_> = terms.map(stem).collect();
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
        let to =
            if terms.contains(&stem(&name)) { &mut *methods } else { names };
        *to += &format!("{name} ");
        if let Some((_, method)) = name.rsplit_once("::") {
            *methods += &format!("{method} ");
        }
    }
    Ok(items)
}

/// The terms that each section explains, one a line: what is bold in an entry of
/// the glossary before the link to the section.
fn terms(dest: &Path, urls: &[String]) -> Result<HashMap<String, String>> {
    let mut terms = HashMap::<String, String>::new();
    if !dest.join(GLOSSARY).is_file() {
        return Ok(terms);
    }
    let html = page(dest, GLOSSARY)?;
    let parts = selector("strong, a");
    for entry in html.select(&selector("main li")) {
        let mut bold = String::new();
        for part in entry.select(&parts) {
            let Some(link) = part.attr("href") else {
                bold.extend(part.text().chain(["\n"]));
                continue;
            };
            // A link to a page leads to its first section
            let leads = |url: &&String| *url == link || page_of(url) == link;
            let url = urls.iter().find(leads);
            let url = url.with_context(|| format!("{link} is no section"))?;
            *terms.entry(url.clone()).or_default() += &mem::take(&mut bold);
        }
    }
    Ok(terms)
}

/// The words of terms, also written as one, as in `warmup` and `kvcache`, or
/// apart, as in `layer norm`, and in British spelling. They're repeated, so that
/// each of n words counts 1/n, and all together as much as a single one.
fn words_of_terms(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for term in text.lines() {
        let words = words(&spaced(term));
        let n = words.len().max(1);
        let joined = (2..=n).flat_map(|n| words.windows(n)).map(<[_]>::concat);
        let british = words.iter().filter(|word| word.contains("iz"));
        let british = british.map(|word| word.replace("iz", "is"));
        for word in words.iter().cloned().chain(joined).chain(british) {
            all.extend(iter::repeat_n(word, REPEATED / (n * n)));
        }
    }
    all
}

/// `LayerNorm` as `Layer Norm`.
fn spaced(term: &str) -> String {
    let mut spaced = String::new();
    for c in term.chars() {
        if c.is_uppercase() && spaced.ends_with(char::is_lowercase) {
            spaced.push(' ');
        }
        spaced.push(c);
    }
    spaced
}

/// The words of a text, in lower case: what is between spaces or hyphens, as
/// in mdBook, and the names and paths within, as in `self.norm.forward(&x)`. An
/// apostrophe is the one that is typed.
fn words(text: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let is_path = |c: char| is_name(c) || c == ':';
    let text = text.replace('’', "'");
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
