//! Builds the book and reads every page of it: what mdBook and mdbook-katex
//! let pass with a warning, or without a word, is an error here.

mod support;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use mdbook_driver::config::Config;
use mdbook_katex::cfg::get_config;
use scraper::{ElementRef, Html, Node, Selector};

use support::{MOVED, SAMPLE, Sample};

/// Elements of SVG that HTML does not have. Outside of an `svg` they tell of a
/// drawing that was cut in two, as Markdown does at an empty line.
const DRAWN: &str = "rect, path, circle, ellipse, line, polyline, polygon, \
                     text, tspan, g, defs, marker";

/// What Markdown makes of stars and brackets that KaTeX left in a formula.
const IN_FORMULA: &str = ".katex em, .katex strong, .katex a, .katex code";

/// What MathML has for two letters of `\mathrm{norm}`.
const UPRIGHT_PAIR: &str = "mi[mathvariant=normal] + mi[mathvariant=normal]";

struct Page {
    source: String,
    html: Html,
    ids: HashSet<String>,
}

/// A built book as it lies in a folder.
struct Built {
    files: HashSet<String>,
    pages: BTreeMap<String, Page>,
}

/// Everything that is wrong with the book in `folder`, each with its page.
fn complaints(folder: &Path) -> Vec<String> {
    let built = Built::read(folder);
    let mut said = Vec::new();
    for (name, page) in &built.pages {
        let mut say = |what: String| said.push(format!("{name}: {what}"));
        check_text(page, &mut say);
        check_elements(page, &mut say);
        check_figures(page, &mut say);
        built.check_references(name, page, &mut say);
    }
    for name in built.files.iter().filter(|name| name.ends_with(".css")) {
        let css = fs::read_to_string(folder.join(name)).expect(name);
        let mut say = |what: String| said.push(format!("{name}: {what}"));
        built.check_css(name, &css, &mut say);
    }
    said.extend(check_index(folder, &built));
    said
}

/// A search finds words, and none of what only KaTeX knows.
fn check_index(folder: &Path, built: &Built) -> Vec<String> {
    let tex: Vec<String> = built
        .pages
        .values()
        .flat_map(|page| page.all("annotation").map(text))
        .filter(|tex| tex.contains('\\'))
        .collect();
    let mut said = Vec::new();
    for (url, entry) in entries(folder) {
        let unseen = ('\u{200b}'..='\u{200f}').chain('\u{2060}'..='\u{2064}');
        if entry.contains(unseen.collect::<Vec<_>>().as_slice()) {
            said.push(format!("search, {url}: characters of no width"));
        }
        if let Some(tex) = tex.iter().find(|tex| entry.contains(tex.trim())) {
            said.push(format!("search, {url}: {tex}"));
        }
    }
    said
}

/// The texts of the search index, by their addresses.
fn entries(folder: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let is_index = |file: &Path| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.starts_with("searchindex") && name.ends_with(".js")
    };
    let index = files.into_iter().find(|file| is_index(file)).unwrap();
    let script = fs::read_to_string(index).unwrap();
    let (_, json) = script.split_once("JSON.parse('").unwrap();
    let (json, _) = json.rsplit_once("')").unwrap();
    let json = json.replace("\\'", "'").replace("\\\\", "\\");
    let index: serde_json::Value = serde_json::from_str(&json).unwrap();
    let docs = &index["index"]["documentStore"]["docs"];
    let urls = index["doc_urls"].as_array().unwrap().iter().enumerate();
    urls.map(|(number, url)| {
        let doc = &docs[number.to_string()];
        let parts = ["title", "body", "breadcrumbs"];
        let parts = parts.map(|part| doc[part].as_str().unwrap());
        (url.as_str().unwrap().to_owned(), parts.join(" | "))
    })
    .collect()
}

/// No formula, no Markdown and no include was left as it was written.
fn check_text(page: &Page, say: &mut impl FnMut(String)) {
    for node in page.html.tree.nodes() {
        let texts = match node.value() {
            Node::Text(text) => vec![&**text],
            Node::Element(element) => ["alt", "title", "aria-label"]
                .iter()
                .filter_map(|attribute| element.attr(attribute))
                .collect(),
            _ => vec![],
        };
        let within = |names: &[&str]| {
            let mut above = node.ancestors().filter_map(ElementRef::wrap);
            above.any(|element| names.contains(&element.value().name()))
        };
        let in_code = within(&["code", "pre", "script", "style"]);
        let in_prose = node.value().is_text() && within(&["main"]) && !in_code;
        for text in texts {
            if text.contains('$') && !in_code {
                say(format!("a formula is not set: {}", short(text)));
            }
            let markdown = ["`", "**", "]("];
            if in_prose && markdown.iter().any(|mark| text.contains(mark)) {
                say(format!("Markdown is left: {}", short(text)));
            }
            if text.contains("class=\"katex") && in_code {
                say(format!("a formula is set in code: {}", short(text)));
            }
        }
    }
    for (index, _) in page.source.match_indices("{{#") {
        let line = page.source[index..].lines().next().unwrap();
        say(format!("an include is left: {}", short(line)));
    }
}

/// Formulas, code and names are whole.
fn check_elements(page: &Page, say: &mut impl FnMut(String)) {
    for element in page.all(".katex-error") {
        say(format!("KaTeX refused {}", short(&text(element))));
    }
    for element in page.all("code .katex, pre .katex") {
        say(format!("a formula is set in code: {}", short(&text(element))));
    }
    for element in page.all(IN_FORMULA) {
        say(format!("Markdown in a formula: {}", short(&element.html())));
    }
    for element in page.all(".katex:not(:has(math semantics > :first-child))") {
        say(format!("no MathML beside {}", short(&text(element))));
    }
    for letter in page.all(UPRIGHT_PAIR) {
        let before = letter.prev_sibling().and_then(ElementRef::wrap);
        let letters = before.map(text).unwrap_or_default() + &text(letter);
        if letters.chars().all(|c| c.is_ascii_alphabetic()) {
            // Read as a product of so many variables
            say(format!("a word is spelled out: …{letters}…"));
        }
    }
    for code in page.all("pre > code") {
        if text(code).trim().is_empty() {
            say("a block of code is empty".into());
        }
    }
    let mut seen = HashSet::new();
    for element in page.all("[id]") {
        let id = element.attr("id").unwrap();
        if !seen.insert(id) {
            say(format!("the id {id} is given twice"));
        }
    }
}

/// Figures are in one piece, and say what they show.
fn check_figures(page: &Page, say: &mut impl FnMut(String)) {
    for element in page.all(DRAWN) {
        if !ancestors(element).any(|above| above.value().name() == "svg") {
            let html = short(&element.html());
            say(format!("a part of a drawing lies outside of it: {html}"));
        }
    }
    for figure in page.all("figure") {
        let caption = selector("figcaption");
        let mut captions = figure.select(&caption);
        if captions.all(|caption| text(caption).trim().is_empty()) {
            say("a figure has no caption".into());
        }
        for svg in figure.select(&selector("svg")) {
            let named = svg.select(&selector("title")).next().is_some();
            let in_formula = ancestors(svg).any(|e| is_class(e, "katex"));
            // What has parts to touch is a group of pictures
            let touched = svg.select(&selector("[tabindex]")).next().is_some();
            let role = if touched { "group" } else { "img" };
            if !in_formula && (!named || svg.attr("role") != Some(role)) {
                say("a drawing has no title, or no role=\"img\"".into());
            }
        }
    }
    for img in page.all("img") {
        if img.attr("alt").is_none_or(|alt| alt.trim().is_empty()) {
            say(format!("no words for {}", img.attr("src").unwrap_or("img")));
        }
    }
}

impl Built {
    fn read(folder: &Path) -> Self {
        let mut files = HashSet::new();
        list(folder, "", &mut files);
        let pages = files
            .iter()
            .filter(|name| name.ends_with(".html"))
            .map(|name| {
                let source = fs::read_to_string(folder.join(name)).unwrap();
                let html = Html::parse_document(&source);
                let ids = html
                    .select(&selector("[id]"))
                    .map(|element| element.attr("id").unwrap().to_owned())
                    .collect();
                (name.clone(), Page { source, html, ids })
            })
            .collect();
        Self { files, pages }
    }

    /// What a page loads is part of the book, and what it links to exists.
    fn check_references(
        &self,
        name: &str,
        page: &Page,
        say: &mut impl FnMut(String),
    ) {
        for element in page.all("*") {
            let tag = element.value().name();
            for (attribute, value) in element.value().attrs() {
                match (tag, attribute) {
                    ("a", "href") => self.check_link(name, value, say),
                    (_, "href" | "src" | "poster" | "data") => {
                        self.check_loaded(name, value, say);
                    }
                    (_, "srcset") => {
                        for one in value.split(',') {
                            let url = one.split_whitespace().next();
                            self.check_loaded(name, url.unwrap_or(""), say);
                        }
                    }
                    _ if value.contains("url(") => {
                        self.check_css(name, value, say);
                    }
                    _ => {}
                }
            }
            if tag == "style" {
                self.check_css(name, &text(element), say);
            }
        }
    }

    fn check_loaded(
        &self,
        page: &str,
        url: &str,
        say: &mut impl FnMut(String),
    ) {
        if url.starts_with("data:") {
        } else if is_elsewhere(url) {
            say(format!("{url} is loaded from elsewhere"));
        } else {
            self.check_link(page, url, say);
        }
    }

    fn check_link(&self, page: &str, url: &str, say: &mut impl FnMut(String)) {
        if is_elsewhere(url) {
            return;
        }
        let (path, fragment) = url.split_once('#').unwrap_or((url, ""));
        let path = path.split('?').next().unwrap();
        let Some(target) = join(page, path) else {
            return say(format!("{url} leads out of the book"));
        };
        if !self.files.contains(&target) {
            return say(format!("{url} leads nowhere"));
        }
        if let Some(there) = self.pages.get(&target)
            && !fragment.is_empty()
            && !there.ids.contains(fragment)
            && !there.ids.contains(&decoded(fragment))
        {
            say(format!("{url}: nothing there has that name"));
        }
    }

    /// Whatever a style loads, of two fonts to choose from the first.
    fn check_css(&self, name: &str, css: &str, say: &mut impl FnMut(String)) {
        if let Some((_, import)) = css.split_once("@import") {
            say(format!("a style imports {}", short(import)));
        }
        for (index, _) in css.match_indices("url(") {
            let url = argument(&css[index + 4..]);
            let declaration = css[..index].rsplit([';', '{']).next().unwrap();
            let second = declaration.trim_start().starts_with("src:")
                && declaration.contains("url(");
            if !second || is_elsewhere(url) {
                self.check_loaded(name, url, say);
            }
        }
    }
}

impl Page {
    fn all(&self, css: &str) -> impl Iterator<Item = ElementRef<'_>> {
        let found: Vec<_> = self.html.select(&selector(css)).collect();
        found.into_iter()
    }
}

fn selector(css: &str) -> Selector {
    Selector::parse(css).expect("a selector")
}

fn ancestors(element: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    element.ancestors().filter_map(ElementRef::wrap)
}

fn is_class(element: ElementRef<'_>, class: &str) -> bool {
    element.value().classes().any(|one| one == class)
}

fn text(element: ElementRef<'_>) -> String {
    element.text().collect()
}

/// The beginning of a text, on one line.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(100).collect()
}

/// Whether an address has a scheme, or a machine's name.
fn is_elsewhere(url: &str) -> bool {
    let scheme = url.split([':', '/', '?', '#']).next().unwrap();
    url.starts_with("//") || url[scheme.len()..].starts_with(':')
}

/// The file that `path` means on `page`, if it lies in the book.
fn join(page: &str, path: &str) -> Option<String> {
    if path.is_empty() {
        return Some(page.to_owned());
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(decoded(&parts.join("/")))
}

/// `%C3%A9` is é.
fn decoded(url: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = url.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = url
            .get(url.len() - after.len()..url.len() - after.len() + 2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What stands between `url(` and its `)`.
fn argument(css: &str) -> &str {
    let css = css.trim_start();
    match css.chars().next() {
        Some(quote @ ('"' | '\'')) => css[1..].split(quote).next().unwrap(),
        _ => css.split(')').next().unwrap().trim_end(),
    }
}

fn list(folder: &Path, below: &str, files: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            list(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name);
        }
    }
}

#[test]
fn every_page_of_the_book_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let warnings =
        bookbinder::build(&bookbinder::root(), folder.path()).unwrap();
    assert_eq!(warnings, [""; 0], "warnings of mdBook or mdbook-katex");

    let summary = bookbinder::root().join("book/SUMMARY.md");
    let chapters = fs::read_to_string(summary).unwrap().matches(".md)").count();
    let pages = Built::read(folder.path()).pages.len();
    let settings = fs::read_to_string(bookbinder::root().join("book.toml"));
    let settings = settings.unwrap();
    let (_, moved) = settings.split_once(MOVED).unwrap();
    let moved = moved.matches(".html\" = ").count();
    // Beside the chapters: index, toc, print, and where pages have been
    assert_eq!(pages, chapters + 3 + moved, "pages of {chapters} chapters");
    assert_eq!(complaints(folder.path()), [""; 0]);
    assert_eq!(rewritten(folder.path(), &sources()), [""; 0]);
}

/// All of `book` that is Markdown.
fn sources() -> String {
    let mut sources = String::new();
    let mut folders = vec![bookbinder::root().join("book")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some("md".as_ref()) {
                sources += &fs::read_to_string(path).unwrap();
            }
        }
    }
    sources
}

/// The TeX beside formulas that is not as it was written in `sources`: a reader
/// who copies it would copy another formula.
fn rewritten(folder: &Path, sources: &str) -> Vec<String> {
    let line =
        |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let sources = line(sources);
    let built = Built::read(folder);
    let tex = built.pages.values().flat_map(|page| page.all("annotation"));
    let tex: Vec<String> = tex.map(|tex| line(&text(tex))).collect();
    assert!(!tex.is_empty(), "a formula has its TeX beside it");
    tex.into_iter().filter(|tex| !sources.contains(tex)).collect()
}

#[test]
fn the_tex_of_a_formula_is_what_was_written() {
    let page = "# TeX\n\n$a\\,b$, $f'(x)$, $x -- y$, $a < b$\n\n\
        | a |\n| --- |\n| $\\{\\,c \\mid d \\}$ |\n\n\
        $$\n\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix} ...\n$$\n";
    let sample = Sample::build(&[("tex", page)], |_| {});
    assert_eq!(sample.warnings, [""; 0]);
    assert_eq!(rewritten(&sample.built(), page), [""; 0]);
    let another = page.replace("\\,", ",");
    let said = rewritten(&sample.built(), &another);
    assert!(said.contains(&"a\\,b".to_owned()), "{said:?}");
}

#[test]
fn the_command_builds_the_book_and_says_where_it_is() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_bookbinder")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let page = said.trim_end().rsplit("Open ").next().unwrap();
    assert!(page.ends_with("index.html") && Path::new(page).is_file());

    let config = bookbinder::root().join(".cargo/config.toml");
    let config: toml::Table =
        fs::read_to_string(config).unwrap().parse().unwrap();
    let alias = config["alias"]["book"].as_str();
    assert_eq!(alias, Some("run --package bookbinder --"));
}

#[test]
fn the_options_of_katex_are_those_in_the_settings() {
    let config =
        Config::from_disk(bookbinder::root().join("book.toml")).unwrap();
    let read = toml::Table::try_from(get_config(&config).unwrap()).unwrap();
    let katex = config.get::<toml::Table>("preprocessor.katex").unwrap();
    let mut written = katex.expect("[preprocessor.katex]");
    // That one is for mdBook
    written.remove("after");
    for (option, value) in written {
        assert_eq!(read.get(&option), Some(&value), "{option}");
    }
    assert_eq!(read["no-css"].as_bool(), Some(true));
}

#[test]
fn a_page_of_everything_is_whole() {
    let sample = Sample::build(&[("everything", SAMPLE)], |_| {});
    assert_eq!(sample.warnings, [""; 0]);
    assert_eq!(complaints(&sample.built()), [""; 0]);

    let built = Built::read(&sample.built());
    let page = &built.pages["everything.html"];
    for what in [
        ".katex .frac-line",
        ".katex > .katex-mathml + .katex-html[aria-hidden=true]",
        ".katex-display .delimsizing svg[viewBox]",
        "figure > svg[viewBox] marker[refX] path",
        "figure > svg linearGradient stop",
        "figure > figcaption .katex",
        "blockquote.blockquote-tag-note .katex",
        ".table-wrapper > table td .katex",
        "details > p .katex",
        "ol.footnote-definition .katex",
        "pre:not(.playground) > code.language-rust",
    ] {
        assert_ne!(page.all(what).count(), 0, "no {what}");
    }
    assert!(page.source.contains("“search for”"), "quotes are not curly");
}

#[test]
fn the_index_has_each_formula_once_and_as_one_would_type_it() {
    let text = r"The $\hat{x}_i = \frac{a + b}{\sqrt{2}}$ of `self.norm(&x)`.

$$ \sum_{n=1}^{N} e^{-n} \in \mathbb{R}^{T \times C} $$

## Along $x$";
    let sample = Sample::build(&[("plain", text)], |_| {});
    let entries = entries(&sample.built());
    let body = "The x̂_i = (a+b)/(√(2)) of self.norm(&x). \
                ∑_(n = 1)^N e^(−n) ∈ R^(T×C)";
    assert_eq!(
        entries["plain.html#along-xxx"],
        format!("Along x | {body} | plain » Along x")
    );
}

/// A mistake on a page, and what has to be said about it.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("bad-formula", r"What is $\fraction{1}{2}$?", "a formula is not set"),
    ("open-formula", "A price of $5.", "a formula is not set"),
    ("alt", "![a $5 note](katex/LICENSE)", "a formula is not set"),
    ("in-code", "<code>$x$</code>", "a formula is set in code"),
    ("fenced", "~~~text\n$x$\n~~~", "a formula is set in code"),
    ("raw", "<figcaption>\nThe `x`\n</figcaption>", "Markdown is left"),
    ("starred", r"$\text{a *b* c}$", "Markdown in a formula"),
    ("spelled", r"$\mathrm{norm}(x)$", "a word is spelled out"),
    ("subscripts", r"$\hat{x}_i + \delta_{ij}$", "Markdown in a formula"),
    ("include", "{{#include nowhere.md}}", "an include is left"),
    ("code", "```rust\n```", "a block of code is empty"),
    ("anchor", "```rs\n{{#include code.md:no}}\n```", "a block of code is e"),
    ("link", "[there](nowhere.md)", "nowhere.html leads nowhere"),
    ("fragment", "[there](code.md#no)", "nothing there has that name"),
    ("own-fragment", "[here](#no)", "nothing there has that name"),
    ("out", "[source](../src/lib.rs)", "leads out of the book"),
    ("image", "![a picture](nowhere.png)", "nowhere.png leads nowhere"),
    ("wordless", "![](katex/LICENSE)", "no words for katex/LICENSE"),
    ("far-image", "![a](https://a.test/a.png)", "loaded from elsewhere"),
    ("far-srcset", "<img alt=a srcset='//a.test/a 2x'>", "from elsewhere"),
    ("cdn", "<link rel=stylesheet href=https://a.test/a.css>", "elsewhere"),
    ("script", "<script src='//a.test/a.js'></script>", "from elsewhere"),
    ("frame", "<iframe src='http://a.test/'></iframe>", "from elsewhere"),
    ("style", "<p style='background: url(http://a.test/a)'>a</p>", "elsewhe"),
    ("sheet", "<style>p { src: url('//a.test/a') }</style>", "elsewhere"),
    ("import", "<style>@import 'a.css';</style>", "a style imports"),
    ("ids", "<p id=a>a</p><p id=a>b</p>", "the id a is given twice"),
    ("silent", "<figure>a</figure>", "a figure has no caption"),
    (
        "untitled",
        "<figure><svg></svg><figcaption>a</figcaption></figure>",
        "no title",
    ),
    (
        "cut",
        "<svg>\n\n<text>a</text>\n\n</svg>",
        "a part of a drawing lies outside of it",
    ),
    (
        "marker",
        "<svg><path d='M0 0h9' marker-end='url(#no)'/></svg>",
        "nothing there has that name",
    ),
];

#[test]
fn each_mistake_is_reported_on_its_page_and_nothing_else_is() {
    let pages: Vec<_> =
        MISTAKES.iter().map(|(stem, text, _)| (*stem, *text)).collect();
    let sample = Sample::build(&pages, |_| {});
    let said = complaints(&sample.built());
    for (stem, text, expected) in MISTAKES {
        let page = format!("{stem}.html: ");
        let mut here: Vec<_> =
            said.iter().filter(|one| one.starts_with(&page)).collect();
        assert!(!here.is_empty(), "nothing said about {text}");
        here.retain(|one| !one.contains(expected));
        assert!(here.is_empty(), "about {text}, not expected: {here:?}");
    }
    // The formula and the missing file are warned of as well
    let warned = sample.warnings.join("\n");
    for what in ["fraction", "nowhere.md"] {
        assert!(warned.contains(what), "no warning of {what}: {warned}");
    }
}

#[test]
fn a_stylesheet_from_elsewhere_is_reported() {
    // An option of the wrong type resets all of them, `no-css` as well
    let sample = Sample::build(&[("plain", "# Plain\n\n$x$")], |root| {
        let config = root.join("book.toml");
        let text = fs::read_to_string(&config).unwrap();
        let after = "[preprocessor.katex]\nmax-size = \"Infinity\"";
        let text = text.replace("[preprocessor.katex]", after);
        fs::write(&config, text).unwrap();
    });
    let said = complaints(&sample.built());
    let cdn = |one: &String| one.contains("katex.min.css is loaded from els");
    assert!(said.iter().any(cdn), "{said:?}");
}

#[test]
fn a_font_that_is_not_there_is_reported() {
    let sample = Sample::build(&[("plain", "# Plain\n\n$x$")], |root| {
        let fonts = root.join("book/katex/fonts");
        fs::remove_file(fonts.join("KaTeX_Main-Regular.woff2")).unwrap();
    });
    let said = complaints(&sample.built());
    let nowhere = "fonts/KaTeX_Main-Regular.woff2 leads nowhere";
    assert_eq!(said, [format!("katex/katex.min.css: {nowhere}")]);
}
