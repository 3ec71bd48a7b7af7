//! The book for e-readers: an EPUB 3, which is a zip of the pages in XHTML.
//!
//! A formula is in MathML only, an answer is a section and not folded, code is
//! colored here, and no script is left. The records that a page links to are
//! pages as well, outside of the reading order.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, bail};
use humantime::format_rfc3339_seconds;
use quick_js::{Context, JsValue};
use scraper::{ElementRef, Html, Selector};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::outline::{Outline, Page};
use crate::paper::{self, escaped};

const STYLE: &str = include_str!("epub.css");
const CONTAINER: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0"
    xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles>
<rootfile full-path="book/package.opf"
    media-type="application/oebps-package+xml"/>
</rootfiles>
</container>
"#;

/// What a reader can rely on who does not see the page.
const ACCESS: [(&str, &str); 9] = [
    ("accessMode", "textual"),
    ("accessMode", "visual"),
    ("accessModeSufficient", "textual"),
    ("accessibilityFeature", "MathML"),
    ("accessibilityFeature", "alternativeText"),
    ("accessibilityFeature", "structuralNavigation"),
    ("accessibilityFeature", "tableOfContents"),
    ("accessibilityHazard", "none"),
    (
        "accessibilitySummary",
        "Formulas are in MathML. Figures have a title, a description and a \
         caption. There are no scripts.",
    ),
];

const XHTML: &str = "application/xhtml+xml";

/// Writes the book that was built into `built`.
///
/// # Errors
/// If a page has what an EPUB cannot, or `file` cannot be written; then nothing
/// is.
pub fn write(outline: &Outline, built: &Path, file: &Path) -> Result<()> {
    let mut epub = Epub::begin(outline)?;
    let title_page = paper::title_page(outline);
    epub.add_page("title.xhtml", &outline.title, &title_page, &["svg"], true)?;
    if let Some(picture) = paper::picture(outline) {
        let cover = cover(outline, &picture);
        epub.add("cover.svg", &cover, "image/svg+xml", "cover-image")?;
    }

    let colors = Colors::new(built)?;
    let mut lists = Vec::new();
    let mut records = BTreeSet::new();
    for page in outline.pages() {
        let text = fs::read_to_string(built.join(&page.path))?;
        let html = Html::parse_document(&text);
        let main = html.select(&selector("main")).next();
        let main = main.with_context(|| format!("{} is empty", page.path))?;
        let mut xhtml = Xhtml::new(page, &colors);
        xhtml.children(main)?;
        let kinds = [("mathml", "<math "), ("svg", "<svg ")];
        let has = kinds.iter().filter(|(_, tag)| xhtml.text.contains(tag));
        let has: Vec<_> = has.map(|(kind, _)| *kind).collect();
        let path = renamed(&page.path);
        epub.add_page(&path, &page.name, &xhtml.text, &has, true)?;
        lists.push(sections(main, &path));
        records.append(&mut xhtml.records);
    }
    epub.add_navigation(&lists)?;
    for record in records {
        let text = fs::read_to_string(built.join(&record))?;
        let name = record.trim_start_matches("records/");
        let text = escaped(&text);
        let page =
            format!("<h1>{name}</h1>\n<pre class=\"record\">{text}</pre>");
        epub.add_page(&renamed(&record), name, &page, &[], false)?;
    }
    crate::write_whole(file, &epub.end()?)
}

fn selector(css: &str) -> Selector {
    Selector::parse(css).expect("a selector")
}

/// Where a page or a record is in the EPUB.
fn renamed(path: &str) -> String {
    Path::new(path).with_extension("xhtml").to_string_lossy().into_owned()
}

/// The list of a page's sections, for the contents.
fn sections(main: ElementRef<'_>, path: &str) -> String {
    let mut list = String::new();
    for heading in main.select(&selector("h2[id]")) {
        let id = escaped(heading.attr("id").unwrap_or_default());
        let text = escaped(&without_drawing(heading));
        list += &format!("<li><a href=\"{path}#{id}\">{text}</a></li>\n");
    }
    if list.is_empty() { list } else { format!("<ol>\n{list}</ol>\n") }
}

/// The text of an element, with the words of a formula once.
fn without_drawing(element: ElementRef<'_>) -> String {
    let seen = element.descendants().filter(|node| {
        let mut above = node.ancestors().filter_map(ElementRef::wrap);
        !above.any(|it| {
            let name = it.value().name();
            name == "annotation" || is_class(it, "katex-html")
        })
    });
    seen.filter_map(|node| node.value().as_text().map(|t| &**t)).collect()
}

fn is_class(element: ElementRef<'_>, class: &str) -> bool {
    element.value().classes().any(|one| one == class)
}

/// The picture of the title page, with the title, as e-readers show a book on
/// its shelf.
fn cover(outline: &Outline, picture: &str) -> String {
    let title = escaped(&outline.title);
    let picture = picture.replacen(
        "width=\"304\" height=\"304\"",
        "x=\"120\" y=\"300\" width=\"360\" height=\"360\"",
        1,
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 800\" \
         width=\"600\" height=\"800\" font-family=\"sans-serif\">
<title>{title}</title>
<rect width=\"600\" height=\"800\" fill=\"white\"/>
<text x=\"300\" y=\"190\" font-size=\"54\" font-weight=\"bold\" \
         text-anchor=\"middle\">{title}</text>
{picture}
</svg>
"
    )
}

/// The file as it grows.
struct Epub<'a> {
    outline: &'a Outline,
    zip: ZipWriter<Cursor<Vec<u8>>>,
    manifest: String,
    spine: String,
    count: usize,
}

impl<'a> Epub<'a> {
    fn begin(outline: &'a Outline) -> Result<Self> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        // A reader looks for this before it looks for a zip
        let stored = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        zip.start_file("mimetype", stored)?;
        zip.write_all(b"application/epub+zip")?;
        let (manifest, spine) = (String::new(), String::new());
        let mut epub = Self { outline, zip, manifest, spine, count: 0 };
        epub.put("META-INF/container.xml", CONTAINER)?;
        epub.add("style.css", STYLE, "text/css", "")?;
        Ok(epub)
    }

    fn put(&mut self, name: &str, text: &str) -> Result<()> {
        self.zip.start_file(name, SimpleFileOptions::default())?;
        self.zip.write_all(text.as_bytes())?;
        Ok(())
    }

    /// Adds a file that the package lists, and returns its id.
    fn add(
        &mut self,
        path: &str,
        text: &str,
        media_type: &str,
        properties: &str,
    ) -> Result<String> {
        self.put(&format!("book/{path}"), text)?;
        self.count += 1;
        let id = format!("file-{}", self.count);
        let properties = match properties {
            "" => String::new(),
            some => format!(" properties=\"{some}\""),
        };
        self.manifest += &format!(
            "<item id=\"{id}\" href=\"{path}\" \
             media-type=\"{media_type}\"{properties}/>\n"
        );
        Ok(id)
    }

    /// Adds a page, to be read in its order or when a link leads to it.
    fn add_page(
        &mut self,
        path: &str,
        title: &str,
        body: &str,
        has: &[&str],
        in_order: bool,
    ) -> Result<()> {
        let text = self.page(path, title, body);
        let id = self.add(path, &text, XHTML, &has.join(" "))?;
        let linear = if in_order { "" } else { " linear=\"no\"" };
        self.spine += &format!("<itemref idref=\"{id}\"{linear}/>\n");
        Ok(())
    }

    fn page(&self, path: &str, title: &str, body: &str) -> String {
        let up = "../".repeat(path.matches('/').count());
        let language = escaped(&self.outline.language);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE html>
<html xmlns=\"http://www.w3.org/1999/xhtml\" \
             xmlns:epub=\"http://www.idpf.org/2007/ops\" \
             lang=\"{language}\" xml:lang=\"{language}\">
<head>
<title>{}</title>
<link rel=\"stylesheet\" href=\"{up}style.css\"/>
</head>
<body>
{body}
</body>
</html>
",
            escaped(title)
        )
    }

    /// Adds the contents, with a list of sections for each page.
    fn add_navigation(&mut self, lists: &[String]) -> Result<()> {
        let mut lists = lists.iter();
        let mut body =
            String::from("<nav epub:type=\"toc\">\n<h1>Contents</h1>\n<ol>\n");
        for part in &self.outline.parts {
            if let Some(title) = &part.title {
                body += &format!("<li><span>{}</span>\n<ol>", escaped(title));
            }
            for (page, list) in part.pages.iter().zip(&mut lists) {
                let (name, path) = (paper::name(page), renamed(&page.path));
                body +=
                    &format!("<li><a href=\"{path}\">{name}</a>{list}</li>\n");
            }
            if part.title.is_some() {
                body += "</ol></li>\n";
            }
        }
        body += "</ol>\n</nav>";
        let text = self.page("contents.xhtml", "Contents", &body);
        self.add("contents.xhtml", &text, XHTML, "nav")?;
        Ok(())
    }

    /// Adds the package, and returns the bytes of all.
    fn end(mut self) -> Result<Vec<u8>> {
        let text = self.package();
        self.put("book/package.opf", &text)?;
        Ok(self.zip.finish()?.into_inner())
    }

    fn package(&self) -> String {
        let Outline { title, description, language, .. } = self.outline;
        let id = title.to_lowercase().replace(' ', "-");
        let modified = format_rfc3339_seconds(SystemTime::now());
        let authors = self.outline.authors.iter().map(|author| {
            format!("<dc:creator>{}</dc:creator>\n", escaped(author))
        });
        let access = ACCESS.iter().map(|(property, value)| {
            format!("<meta property=\"schema:{property}\">{value}</meta>\n")
        });
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<package xmlns=\"http://www.idpf.org/2007/opf\" version=\"3.0\" \
             unique-identifier=\"id\" xml:lang=\"{language}\">
<metadata xmlns:dc=\"http://purl.org/dc/elements/1.1/\">
<dc:identifier id=\"id\">{}</dc:identifier>
<dc:title>{}</dc:title>
{}<dc:language>{language}</dc:language>
<dc:description>{}</dc:description>
<dc:rights>{}</dc:rights>
<meta property=\"dcterms:modified\">{modified}</meta>
{}</metadata>
<manifest>
{}</manifest>
<spine>
{}</spine>
</package>
",
            escaped(&id),
            escaped(title),
            authors.collect::<String>(),
            escaped(description),
            env!("CARGO_PKG_LICENSE"),
            access.collect::<String>(),
            self.manifest,
            self.spine,
        )
    }
}

/// A page's content as XHTML.
struct Xhtml<'a> {
    page: &'a Page,
    colors: &'a Colors,
    text: String,
    /// What it links to that is no page.
    records: BTreeSet<String>,
}

impl<'a> Xhtml<'a> {
    fn new(page: &'a Page, colors: &'a Colors) -> Self {
        let records = BTreeSet::new();
        Self { page, colors, text: String::new(), records }
    }

    fn children(&mut self, element: ElementRef<'_>) -> Result<()> {
        for child in element.children() {
            if let Some(text) = child.value().as_text() {
                self.text += &escaped(text);
            } else if let Some(element) = ElementRef::wrap(child) {
                self.element(element)?;
            }
        }
        Ok(())
    }

    fn element(&mut self, element: ElementRef<'_>) -> Result<()> {
        match element.value().name() {
            "script" | "button" => Ok(()),
            // What a figure shows of the row that one points at
            "style" | "g" | "text" if is_pointed_at(element) => Ok(()),
            name @ ("br" | "hr" | "wbr") => {
                self.text += &format!("<{name}/>");
                Ok(())
            }
            "math" => self.formula(element),
            // What is drawn beside the MathML, and what holds both
            "span" if is_class(element, "katex-html") => Ok(()),
            "span" if is_katex(element) => self.children(element),
            // A heading's link to itself
            "a" if is_class(element, "header") => self.children(element),
            "details" => self.tag("section", element),
            "summary" => self.tag("p", element),
            "code" => self.code(element),
            name => self.tag(name, element),
        }
    }

    /// An element under a name that may be another.
    fn tag(&mut self, name: &str, element: ElementRef<'_>) -> Result<()> {
        self.open(name, element)?;
        self.children(element)?;
        self.close(name);
        Ok(())
    }

    fn open(&mut self, name: &str, element: ElementRef<'_>) -> Result<()> {
        self.text += &format!("<{name}");
        if name == "svg" {
            self.text += " xmlns=\"http://www.w3.org/2000/svg\"";
        }
        let mut class = element.attr("class").unwrap_or_default().to_owned();
        match element.value().name() {
            kind @ ("details" | "summary") => class = format!("{kind} {class}"),
            "figure" if element.attr("data-lab").is_some() => {
                class = "live".into()
            }
            _ => {}
        }
        if !class.is_empty() {
            self.attribute("class", class.trim());
        }
        let mut attributes: Vec<_> = element.value().attrs().collect();
        attributes.sort_unstable();
        for (key, value) in attributes {
            match key {
                "xmlns" | "class" | "tabindex" => {}
                key if key.starts_with("data-") => {}
                "href" => {
                    let link = self.link(value)?;
                    self.attribute(key, &link);
                }
                "src" => {
                    bail!("{}: {value} is not taken along", self.page.path)
                }
                key => self.attribute(key, value),
            }
        }
        self.text.push('>');
        Ok(())
    }

    fn close(&mut self, name: &str) {
        self.text += &format!("</{name}>");
    }

    fn attribute(&mut self, key: &str, value: &str) {
        self.text += &format!(" {key}=\"{}\"", escaped(value));
    }

    /// Where a link leads in the EPUB.
    fn link(&mut self, link: &str) -> Result<String> {
        if link.starts_with('#') || link.contains("://") {
            return Ok(link.to_owned());
        }
        let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
        if let Some(at) = path.find("records/") {
            self.records.insert(path[at..].to_owned());
        } else if !path.ends_with(".html") {
            bail!("{}: {path} is not taken along", self.page.path);
        }
        let path = renamed(path);
        let hash = if fragment.is_empty() { "" } else { "#" };
        Ok(format!("{path}{hash}{fragment}"))
    }

    /// The MathML of a formula, and for what cannot set it, its TeX.
    fn formula(&mut self, math: ElementRef<'_>) -> Result<()> {
        let find = |css| math.select(&selector(css)).next();
        let formula = find("semantics > :first-child").context("no formula")?;
        let tex = find("annotation").context("no TeX of a formula")?;
        self.text += "<math xmlns=\"http://www.w3.org/1998/Math/MathML\"";
        let tex = tex.text().collect::<String>();
        self.attribute("alttext", tex.trim());
        if let Some(display) = math.attr("display") {
            self.attribute("display", display);
        }
        self.text.push('>');
        self.element(formula)?;
        self.close("math");
        Ok(())
    }

    /// Code, colored as on the web.
    fn code(&mut self, code: ElementRef<'_>) -> Result<()> {
        let mut classes = code.value().classes();
        let language =
            classes.find_map(|class| class.strip_prefix("language-"));
        let Some(language) = language else { return self.tag("code", code) };
        let text: String = code.text().collect();
        self.open("code", code)?;
        self.text += &self.colors.of(language, &text)?;
        self.close("code");
        Ok(())
    }
}

fn is_pointed_at(element: ElementRef<'_>) -> bool {
    let name = element.value().name();
    name == "style" || is_class(element, "more") || is_class(element, "hint")
}

fn is_katex(element: ElementRef<'_>) -> bool {
    let classes = ["katex", "katex-display", "katex-mathml"];
    classes.iter().any(|class| is_class(element, class))
}

/// The script with which mdBook colors code, run here.
struct Colors(Context);

impl Colors {
    fn new(built: &Path) -> Result<Self> {
        let mut entries = fs::read_dir(built)?.filter_map(Result::ok);
        let script = entries.find(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("highlight") && name.ends_with(".js")
        });
        let script = script.context("no script that colors code")?;
        let script = fs::read_to_string(script.path())?;
        let context = Context::new()?;
        let call = "function color(language, code) {
            const known = hljs.getLanguage(language) ? language : 'plaintext';
            return hljs.highlight(known, code, true).value;
        }";
        let all = format!("{script}\n{call}\n0");
        context.eval(&all).map_err(|error| anyhow!("{error}"))?;
        Ok(Self(context))
    }

    /// Code as HTML.
    fn of(&self, language: &str, code: &str) -> Result<String> {
        let colored = self.0.call_function("color", [language, code]);
        match colored.map_err(|error| anyhow!("{error}"))? {
            JsValue::String(html) => Ok(html),
            other => bail!("code was colored as {other:?}"),
        }
    }
}
