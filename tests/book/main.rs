//! The book cannot drift from the code: whatever its pages include, show, name
//! or link to is checked against the files themselves.
//!
//! A law is a function that finds its breaches, and a row of [`LAWS`]. The
//! miniature book in `tests/broken-book` breaks every law, one breach a file,
//! so the laws are themselves proved; a new law needs a file there, too.

mod code;
mod excerpts;
mod figures;
mod index;
mod library;
mod lists;
mod one_file;
mod page;
mod prose;
mod records;
mod source;

use std::path::{Path, PathBuf};

use code::*;
use excerpts::*;
use figures::*;
use lists::*;
use prose::*;

use library::{Allowed, BROKEN, Book, Exception};

/// Where a law is broken, what was found and what to do.
struct Breach {
    path: String,
    line: usize,
    said: String,
}

fn breach(path: &str, line: usize, said: impl Into<String>) -> Breach {
    Breach { path: path.to_string(), line, said: said.into() }
}

/// The breaches whose key is not allowed on their page, and the exceptions
/// that allow nothing any more.
fn except(
    breaches: Vec<(String, Breach)>,
    allowed: &[Exception],
) -> Vec<Breach> {
    let allows = |(page, key, _): &Exception, found: &str, at: &Breach| {
        *key == found && at.path.strip_prefix("book/") == Some(page)
    };
    let stale = allowed.iter().filter(|exception| {
        !breaches.iter().any(|(key, at)| allows(exception, key, at))
    });
    let stale = stale.map(|(page, key, reason)| {
        let said = format!("`{key}` ({reason}) excepts nothing; take it out");
        breach(&format!("book/{page}"), 1, said)
    });
    let stale: Vec<Breach> = stale.collect();
    let real = breaches.into_iter().filter(|(key, at)| {
        !allowed.iter().any(|exception| allows(exception, key, at))
    });
    real.map(|(_, breach)| breach).chain(stale).collect()
}

type Law = fn(&Book) -> Vec<Breach>;

const LAWS: [(&str, Law); 29] = [
    ("every_include_resolves", every_include_resolves),
    ("anchors_hold_whole_items", anchors_hold_whole_items),
    ("every_anchor_is_shown", every_anchor_is_shown),
    (
        "every_public_item_is_shown_or_named",
        every_public_item_is_shown_or_named,
    ),
    ("appendices_quote_little", appendices_quote_little),
    ("rust_is_included_never_typed", rust_is_included_never_typed),
    ("excerpts_name_their_file", excerpts_name_their_file),
    ("outputs_are_included_never_typed", outputs_are_included_never_typed),
    ("snapshots_are_cut_between_entries", snapshots_are_cut_between_entries),
    ("excerpts_fit_the_page", excerpts_fit_the_page),
    ("numbers_in_prose_are_measured", numbers_in_prose_are_measured),
    ("functions_named_are_there", functions_named_are_there),
    ("links_lead_somewhere", links_lead_somewhere),
    ("nothing_comes_from_elsewhere", nothing_comes_from_elsewhere),
    ("the_summary_lists_every_page", the_summary_lists_every_page),
    ("footnotes_come_in_pairs", footnotes_come_in_pairs),
    ("maths_is_closed", maths_is_closed),
    ("chapters_show_where_they_are", chapters_show_where_they_are),
    ("chapters_close_alike", chapters_close_alike),
    ("the_book_can_be_finished", the_book_can_be_finished),
    ("figures_describe_themselves", figures_describe_themselves),
    ("notation_names_are_in_the_code", notation_names_are_in_the_code),
    ("reading_order_is_import_order", reading_order_is_import_order),
    ("bold_terms_are_in_the_glossary", bold_terms_are_in_the_glossary),
    ("the_glossary_leads_to_its_terms", the_glossary_leads_to_its_terms),
    ("experiments_are_listed", experiments_are_listed),
    ("citations_have_their_source", citations_have_their_source),
    ("sources_lead_to_their_citations", sources_lead_to_their_citations),
    (
        "sources_are_cited_where_they_are_used",
        sources_are_cited_where_they_are_used,
    ),
];

/// What the book may do against a law, and why. An exception that is no longer
/// needed is a breach.
const ALLOWED: Allowed = Allowed {
    rust: &[],
    outputs: &[],
    long: &[(
        "generation.md",
        "{{#include ../examples/shakespeare.rs}}",
        "the whole program, when every part of it has been explained",
    )],
    numbers: &[
        ("appendix/hugging_face.md", "1355256", "bytes of a published file"),
        ("appendix/hugging_face.md", "548105171", "bytes of a published file"),
        ("appendix/performance.md", "1.4697", "documented by nanoGPT"),
        ("gpt_fresh.md", "10.99", "reported in nanoGPT's pull request 225"),
        ("gpt_fresh.md", "123.65", "printed by nanoGPT, in millions"),
        ("tokenization.md", "65536", "2¹⁶"),
        ("tokenization.md", "47.0", "an id, written as a number"),
        ("tokenization.md", "51.0", "an id, written as a number"),
    ],
};

/// Exceptions for the miniature book: of each kind, one that is needed and one
/// that is not.
const ALLOWED_IN_BROKEN: Allowed = Allowed {
    rust: &[
        ("allowed.md", "let typed = true;", "shows an exception at work"),
        (
            "rust_typed_beside_an_exception.md",
            "let typed = true;",
            "shows that it excepts no other block",
        ),
        ("stale_rust.md", "let gone = true;", "the block was taken away"),
    ],
    outputs: &[
        ("allowed.md", "loss 4.0775", "shows an exception at work"),
        ("stale_output.md", "loss 1.2345", "the block was taken away"),
    ],
    long: &[
        (
            "allowed.md",
            "{{#include ../src/long.rs:long}}",
            "shows an exception at work",
        ),
        (
            "stale_long.md",
            "{{#include ../src/long.rs:half}}",
            "the block is short enough",
        ),
    ],
    numbers: &[
        ("allowed.md", "1.2345", "shows an exception at work"),
        ("stale_number.md", "4.0775", "an output prints it by now"),
    ],
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn breaches(root: &Path, allowed: Allowed) -> Vec<(&'static str, Breach)> {
    let book = Book::read(root, allowed);
    let laws = LAWS.into_iter();
    let found = laws.flat_map(|(name, law)| {
        law(&book).into_iter().map(move |breach| (name, breach))
    });
    found.collect()
}

fn report(breaches: &[(&str, Breach)]) -> String {
    let lines = breaches.iter().map(|(law, breach)| {
        let Breach { path, line, said } = breach;
        format!("{path}:{line}: {law}: {said}\n")
    });
    lines.collect()
}

#[test]
fn the_book_keeps_its_laws() {
    let breaches = breaches(&root(), ALLOWED);
    assert!(breaches.is_empty(), "\n{}", report(&breaches));
}

/// The file is what the code gives. `INSTA_UPDATE=always`, which renews the
/// other records, renews this one too.
fn assert_written(path: &str, text: &str) {
    let place = root().join(path);
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&place, text).expect("a place for the file");
    }
    let written = std::fs::read_to_string(&place).unwrap_or_default();
    let stale = written.lines().zip(text.lines()).find(|(a, b)| a != b);
    assert!(
        written == text,
        "{path} is not what the code gives (first: {stale:?}); renew it with \
         INSTA_UPDATE=always cargo test --test book"
    );
}

#[test]
fn the_index_is_that_of_the_code() {
    let index = index::index(&Book::read(&root(), ALLOWED));
    assert_written("book/items.md", &index);
}

#[test]
fn the_records_are_indexed_from_their_headers() {
    let book = Book::read(&root(), ALLOWED);
    let headless = records::headless(&book);
    assert!(headless.is_empty(), "{headless:#?}");
    assert_written("book/records/README.md", &records::index(&book));
}

#[test]
fn the_one_file_is_that_of_the_modules() {
    let file = one_file::one_file(&root());
    assert_written("examples/microgpt.rs", &file);
}

#[test]
fn the_front_asks_for_the_rust_that_the_manifest_asks_for() {
    let read = |path: &str| std::fs::read_to_string(root().join(path));
    let manifest = read("Cargo.toml").unwrap();
    let version = manifest.split_once("rust-version = \"").unwrap().1;
    let version = version.split('"').next().unwrap();
    let wanted = format!("version {version} or later");
    for path in ["README.md", "book/introduction.md"] {
        let text = read(path).unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.join(" ").contains(&wanted), "{path}: no {wanted:?}");
    }
}

/// `cargo test --test book words -- --nocapture` prints them.
#[test]
fn the_words_of_each_page() {
    let book = Book::read(&root(), ALLOWED);
    let counts = book.pages.iter().map(|page| (words_to_read(page), page));
    for (words, page) in counts {
        println!("{words:6} {}", page.path);
    }
    let text = "# One\n\ntwo [three](four.md) `x`, $y$\n\n\
                ```text\nz\n```\n\n\
                <details class=\"checked\">\n\nby it\n\n</details>\n\n\
                four\n\n## Sources\n\nmany\n";
    assert_eq!(words_to_read(&page::Page::new("a.md", text)), 4);
}

#[test]
fn each_law_catches_its_breach() {
    let root = root().join("tests").join(BROKEN);
    let breaches = breaches(&root, ALLOWED_IN_BROKEN);
    let expected = std::fs::read_to_string(root.join("BREACHES.txt"));
    let expected = expected.expect("the list of breaches");
    let mut silent: Vec<&str> = expected.lines().collect();
    let mut loud = Vec::new();
    for (law, at) in &breaches {
        let found = format!("{} {law}", at.path);
        match silent.iter().position(|breach| *breach == found) {
            Some(at) => _ = silent.remove(at),
            None => {
                loud.push(format!("{found}, line {}: {}", at.line, at.said))
            }
        }
    }
    assert!(silent.is_empty(), "no law found: {silent:#?}");
    assert!(loud.is_empty(), "found where nothing should be: {loud:#?}");
    for (law, _) in LAWS {
        let caught = breaches.iter().any(|(by, _)| *by == law);
        assert!(caught, "nothing in tests/{BROKEN} breaks {law}");
    }
}
