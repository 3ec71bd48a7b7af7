//! Reads the book for e-readers, and compares it with the pages of the web.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use bookbinder::epub;
use bookbinder::outline::Outline;
use roxmltree::{Document, Node, ParsingOptions};
use scraper::{ElementRef, Html, Selector};
use zip::{CompressionMethod, ZipArchive};

use support::{SAMPLE, Sample};

/// The book's pages, and the file that was made of them.
fn book() -> &'static (PathBuf, PathBuf) {
    static BOOK: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    BOOK.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (built, file) = (folder.join("for-epub"), folder.join("book.epub"));
        bookbinder::build(&bookbinder::root(), &built).unwrap();
        let outline = Outline::read(&bookbinder::root()).unwrap();
        epub::write(&outline, &built, &file).unwrap();
        (built, file)
    })
}

/// The files in an EPUB that are text, which all are.
fn files(epub: &Path) -> BTreeMap<String, String> {
    let mut zip = ZipArchive::new(File::open(epub).unwrap()).unwrap();
    let first = zip.by_index(0).unwrap();
    assert_eq!(first.name().unwrap(), "mimetype");
    assert_eq!(first.compression(), CompressionMethod::Stored);
    drop(first);
    let names = zip.file_names().map(|name| name.unwrap().into_owned());
    let names: Vec<_> = names.collect();
    let read = |name: String| {
        let mut text = String::new();
        zip.by_name(&name).unwrap().read_to_string(&mut text).unwrap();
        (name, text)
    };
    names.into_iter().map(read).collect()
}

fn parse<'a>(name: &str, text: &'a str) -> Document<'a> {
    let options = ParsingOptions { allow_dtd: true, ..Default::default() };
    let parsed = Document::parse_with_options(text, options);
    parsed.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Everything that is wrong with the files of an EPUB.
fn complaints(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut said = Vec::new();
    let is_xml = |name: &str| {
        [".xhtml", ".opf", ".svg"].iter().any(|end| name.ends_with(end))
    };
    let pages: BTreeMap<&str, Document> = files
        .iter()
        .filter(|(name, _)| is_xml(name))
        .map(|(name, text)| (&**name, parse(name, text)))
        .collect();
    let mut ids: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, page) in &pages {
        for id in page.descendants().filter_map(|node| node.attribute("id")) {
            if !ids.entry(name).or_default().insert(id) {
                said.push(format!("{name}: {id} is given twice"));
            }
        }
    }
    let known = |page: &str, link: &str| {
        let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
        let target = match path {
            "" => page.to_owned(),
            path => joined(page, path),
        };
        let there = ids.get(&*target).is_some_and(|ids| ids.contains(fragment));
        files.contains_key(&target) && (fragment.is_empty() || there)
    };
    for (name, page) in &pages {
        let mut say = |what: String| said.push(format!("{name}: {what}"));
        for node in page.descendants().filter(Node::is_element) {
            let tag = node.tag_name().name();
            if ["script", "button", "details", "annotation"].contains(&tag) {
                say(format!("{tag} is left"));
            }
            if tag == "math" && node.attribute("alttext").is_none() {
                say("a formula without its TeX".into());
            }
            if let Some(wanted) = children_of(tag)
                && node.children().filter(Node::is_element).count() != wanted
            {
                say(format!("{tag} does not have {wanted} children"));
            }
            for attribute in node.attributes() {
                let value = attribute.value();
                let far = value.contains("://");
                match attribute.name() {
                    "href" | "src" if tag == "a" && far => {}
                    "href" | "src" if far || !known(name, value) => {
                        say(format!("{value} leads nowhere"));
                    }
                    _ => {}
                }
                let class = attribute.name() == "class";
                if class && value.split(' ').any(|one| one == "katex-html") {
                    say("a formula is drawn".into());
                }
            }
        }
    }
    let package = &pages["book/package.opf"];
    let listed: BTreeSet<_> = package
        .descendants()
        .filter(|node| node.has_tag_name((OPF, "item")))
        .map(|item| format!("book/{}", item.attribute("href").unwrap()))
        .collect();
    for name in files.keys() {
        let own = ["mimetype", "META-INF/container.xml", "book/package.opf"];
        if !listed.contains(name) && !own.contains(&&**name) {
            said.push(format!("{name} is not listed"));
        }
    }
    said
}

const OPF: &str = "http://www.idpf.org/2007/opf";

/// How many parts an element of MathML has.
fn children_of(tag: &str) -> Option<usize> {
    match tag {
        "mfrac" | "msub" | "msup" | "munder" | "mover" => Some(2),
        "msubsup" | "munderover" => Some(3),
        _ => None,
    }
}

/// The file that `path` means on `page`.
fn joined(page: &str, path: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

fn selector(css: &str) -> Selector {
    Selector::parse(css).unwrap()
}

/// The letters that a page of the web shows, a formula in MathML only.
fn text_of_web(main: ElementRef<'_>) -> String {
    let unseen = ".katex-html, annotation, script, style, button, .more, .hint";
    let unseen = selector(unseen);
    let seen = main.descendants().filter(|node| {
        let mut above = node.ancestors().filter_map(ElementRef::wrap);
        node.value().is_text() && !above.any(|it| unseen.matches(&it))
    });
    let texts = seen.map(|node| &**node.value().as_text().unwrap());
    texts.flat_map(str::split_whitespace).collect()
}

fn text_of(page: &Document) -> String {
    let mut nodes = page.descendants();
    let body = nodes.find(|node| node.tag_name().name() == "body").unwrap();
    let texts = body.descendants().filter(Node::is_text);
    let texts = texts.map(|node| node.text().unwrap());
    texts.flat_map(str::split_whitespace).collect()
}

fn count(page: &Document, tag: &str) -> usize {
    page.descendants().filter(|node| node.tag_name().name() == tag).count()
}

#[test]
fn every_page_for_e_readers_says_what_the_web_page_says() {
    let (built, file) = book();
    let files = files(file);
    let outline = Outline::read(&bookbinder::root()).unwrap();
    let (mut formulas, mut answers) = (0, 0);
    for page in outline.pages() {
        let html = fs::read_to_string(built.join(&page.path)).unwrap();
        let html = Html::parse_document(&html);
        let main = html.select(&selector("main")).next().unwrap();
        let name = format!("book/{}", page.path.replace(".html", ".xhtml"));
        let xhtml = parse(&name, &files[&name]);

        assert_eq!(text_of(&xhtml), text_of_web(main), "{name}");
        let of_web = |css: &str| main.select(&selector(css)).count();
        for (tag, css) in [
            ("math", ".katex"),
            ("figure", "figure"),
            ("svg", "svg:not(.katex *)"),
            ("pre", "pre"),
            ("table", "table"),
            ("section", "details"),
            ("a", "a:not(.header)"),
        ] {
            assert_eq!(count(&xhtml, tag), of_web(css), "{tag} of {name}");
        }
        let colored = xhtml.descendants().any(|node| {
            node.attribute("class").is_some_and(|it| it == "hljs-keyword")
        });
        let is_code = |code: ElementRef| {
            let text: String = code.text().collect();
            text.contains("fn ") || text.contains("impl ")
        };
        let rust = selector("code.language-rust");
        let mut rust = main.select(&rust);
        assert!(colored || !rust.any(is_code), "{name} is not colored");
        formulas += of_web(".katex");
        answers += of_web("details");
    }
    assert!(formulas > 1000 && answers > 100, "{formulas}, {answers}");
}

#[test]
fn every_link_of_the_book_for_e_readers_leads_somewhere() {
    let (_, file) = book();
    assert_eq!(complaints(&files(file)), [""; 0]);
}

#[test]
fn the_package_has_each_page_in_order_and_says_what_the_book_is() {
    let (_, file) = book();
    let files = files(file);
    let outline = Outline::read(&bookbinder::root()).unwrap();
    let package = parse("package", &files["book/package.opf"]);
    let find = |tag: &str| {
        let mut nodes = package.descendants();
        let node = nodes.find(|node| node.tag_name().name() == tag);
        node.and_then(|node| node.text()).unwrap_or_default().to_owned()
    };
    assert_eq!(find("title"), outline.title);
    assert_eq!(find("creator"), outline.authors[0]);
    assert_eq!(find("language"), "en");
    assert_eq!(find("description"), outline.description);

    let href = |id: &str| {
        let mut nodes = package.descendants();
        let item = nodes.find(|node| node.attribute("id") == Some(id));
        item.unwrap().attribute("href").unwrap().to_owned()
    };
    let items =
        package.descendants().filter(|n| n.has_tag_name((OPF, "itemref")));
    let in_order = items.filter(|item| item.attribute("linear").is_none());
    let order: Vec<_> =
        in_order.map(|item| href(item.attribute("idref").unwrap())).collect();
    let pages =
        outline.pages().map(|page| page.path.replace(".html", ".xhtml"));
    let expected: Vec<_> =
        std::iter::once("title.xhtml".to_owned()).chain(pages).collect();
    assert_eq!(order, expected);

    let contents = parse("contents", &files["book/contents.xhtml"]);
    for page in expected.iter().skip(1) {
        let leads = |node: Node| node.attribute("href") == Some(page);
        assert!(contents.descendants().any(leads), "{page} is not listed");
    }
}

/// A mistake in a file, and what has to be said about it.
const MISTAKES: [(&str, &str, &str); 7] = [
    ("<p>", "<p><script/>", "script is left"),
    ("alttext=\"", "lang=\"", "a formula without its TeX"),
    ("<mfrac>", "<mfrac><mi/>", "mfrac does not have 2 children"),
    ("<p>", "<p><a href=\"no.xhtml\"/>", "no.xhtml leads nowhere"),
    ("<p>", "<p><a href=\"#no\"/>", "#no leads nowhere"),
    ("<p>", "<p><img src=\"http://a.test/a\"/>", "a.test/a leads nowhere"),
    ("<p>", "<p id=\"twice\"/><p id=\"twice\">", "twice is given twice"),
];

#[test]
fn mistakes_in_a_book_for_e_readers_are_seen() {
    let sample = Sample::build(&[("everything", SAMPLE)], |_| {});
    assert_eq!(sample.warnings, [""; 0]);
    let root = sample.built();
    let outline = Outline::read(root.parent().unwrap()).unwrap();
    let file = root.join("sample.epub");
    epub::write(&outline, &root, &file).unwrap();
    let right = files(&file);
    assert_eq!(complaints(&right), [""; 0]);
    for (from, to, expected) in MISTAKES {
        let mut wrong = right.clone();
        let page = wrong.get_mut("book/everything.xhtml").unwrap();
        assert!(page.contains(from), "{from}");
        *page = page.replacen(from, to, 1);
        let said = complaints(&wrong);
        let heard = said.iter().any(|one| one.contains(expected));
        assert!(heard, "{to}: {said:?}");
    }
    let mut wrong = right;
    wrong.insert("book/more.xhtml".into(), "<p/>".into());
    assert_eq!(complaints(&wrong), ["book/more.xhtml is not listed"]);
}

#[test]
fn what_cannot_be_taken_along_is_an_error_and_no_file() {
    let text = "# A\n\n![a picture](figures/figure.svg)";
    let sample = Sample::build(&[("picture", text)], |_| {});
    let root = sample.built();
    let outline = Outline::read(root.parent().unwrap()).unwrap();
    let file = root.join("sample.epub");
    let error = epub::write(&outline, &root, &file).unwrap_err();
    assert!(error.to_string().contains("figure.svg"), "{error}");
    assert!(!file.exists());
}

#[test]
#[ignore = "needs epubcheck"]
fn epubcheck_finds_nothing() {
    let (_, file) = book();
    let output = Command::new("epubcheck").arg(file).output();
    let output = output.expect("epubcheck");
    assert!(output.status.success(), "{output:?}");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains("ERROR") && !said.contains("WARNING"), "{said}");
}
