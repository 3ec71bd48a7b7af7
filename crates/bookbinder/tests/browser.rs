//! Looks at every page of the book in a browser, on a desk and on a phone, in
//! light and in dark, and keeps pictures of them in `target/screenshots`.
//!
//! The pages are opened from their files, as a reader of `cargo book` does; a
//! request to anything but a file is an error. Without Chromium there is
//! nothing to test with, and the tests say so and pass.

#[path = "browser/axe.rs"]
mod axe;
#[path = "support/chromium.rs"]
mod chromium;
#[path = "browser/formulas.rs"]
mod formulas;
#[path = "browser/keys.rs"]
mod keys;
#[path = "browser/lab.rs"]
mod lab;
#[path = "support/packed.rs"]
mod packed;
#[path = "browser/pdf.rs"]
mod pdf;
#[path = "browser/print.rs"]
mod print;
#[path = "browser/reach.rs"]
mod reach;
#[path = "browser/search.rs"]
mod search;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::thread;

use serde_json::Value;

use chromium::Tab;
use support::{SAMPLE, Sample};

struct Screen {
    name: &'static str,
    width: u64,
    height: u64,
    phone: bool,
}

const DESKTOP: Screen =
    Screen { name: "desktop", width: 1280, height: 900, phone: false };
const PHONE: Screen =
    Screen { name: "phone", width: 390, height: 844, phone: true };

const LOOK: &str = include_str!("support/look.js");

/// What a look at a page found.
struct Look {
    /// What is wrong, with the screen and the theme.
    said: Vec<String>,
    formulas: u64,
    figures: u64,
}

/// Looks at a page on a screen, in the light theme and then in the dark one.
fn look(tab: &mut Tab, file: &Path, screen: &Screen, shots: &Path) -> Look {
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let mut look = Look { said: Vec::new(), formulas: 0, figures: 0 };
    tab.set_screen(screen.width, screen.height, screen.phone);
    tab.visit(file);
    for (theme, class) in [("light", "light"), ("dark", "navy")] {
        // As a reader does; the choice is kept in the browser
        tab.evaluate(&format!(
            "document.getElementById('mdbook-theme-{class}').click()"
        ));
        tab.until(&format!(
            "document.documentElement.classList.contains('{class}') \
             && localStorage.getItem('mdbook-theme') === '{class}'"
        ));
        let dark = theme == "dark";
        let width = screen.width;
        let found = tab.evaluate(&format!("({LOOK})({width}, {dark})"));
        let on = format!("{stem}, {}, {theme}", screen.name);
        let said = found["said"].as_array().unwrap().iter();
        let said = said.map(|one| one.as_str().unwrap().to_owned());
        look.said.extend(said.map(|one| format!("{on}: {one}")));
        look.formulas = found["formulas"].as_u64().unwrap();
        look.figures = found["figures"].as_u64().unwrap();

        let name = shots.join(format!("{stem}-{}-{theme}", screen.name));
        let height = found["height"].as_u64().unwrap();
        tab.screenshot(&name, screen.width, height);
    }
    let trouble = tab.trouble().into_iter();
    look.said.extend(trouble.map(|one| format!("{stem}: {one}")));
    look
}

/// Looks at every file on both screens, with two browsers at a time.
fn look_at_all(
    chromium: &Path,
    files: &[PathBuf],
    shots: &Path,
) -> Vec<(PathBuf, Look)> {
    fs::create_dir_all(shots).unwrap();
    let looks = on_both_screens(chromium, files, |tab, file, screen| {
        look(tab, file, screen, shots)
    });
    looks.into_iter().map(|(file, _, look)| (file.clone(), look)).collect()
}

/// Does the same with every file on both screens, with two browsers at a time.
fn on_both_screens<'a, T: Send>(
    chromium: &Path,
    files: &'a [PathBuf],
    work: impl Fn(&mut Tab, &Path, &Screen) -> T + Sync,
) -> Vec<(&'a PathBuf, &'static Screen, T)> {
    let jobs = Mutex::new(
        files.iter().flat_map(|file| [(file, &DESKTOP), (file, &PHONE)]),
    );
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut tab = Tab::open(chromium);
                loop {
                    let next = jobs.lock().unwrap().next();
                    let Some((file, screen)) = next else { break };
                    let result = work(&mut tab, file, screen);
                    done.lock().unwrap().push((file, screen, result));
                }
            });
        }
    });
    done.into_inner().unwrap()
}

fn chromium() -> Option<PathBuf> {
    let found = chromium::find();
    if found.is_none() {
        eprintln!("no Chromium here (CHROME=…): nothing was looked at");
    }
    found
}

/// Where the book is, built once for all tests.
fn book() -> &'static Path {
    static BOOK: OnceLock<PathBuf> = OnceLock::new();
    BOOK.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("book");
        bookbinder::build(&bookbinder::root(), &folder).unwrap();
        folder
    })
}

/// Its pages, in reading order, from its summary.
fn pages(built: &Path) -> Vec<PathBuf> {
    let summary = bookbinder::root().join("book/SUMMARY.md");
    let summary = fs::read_to_string(summary).unwrap();
    let links = summary.split("](").skip(1);
    let stems = links.filter_map(|link| link.split_once(".md)"));
    stems.map(|(stem, _)| built.join(format!("{stem}.html"))).collect()
}

/// Where cargo puts what is made.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

#[test]
fn every_page_is_readable_on_a_desk_and_on_a_phone_in_light_and_in_dark() {
    let Some(chromium) = chromium() else { return };
    let pages = pages(book());
    let shots = target().join("screenshots");
    let _ = fs::remove_dir_all(&shots);

    let looks = look_at_all(&chromium, &pages, &shots);

    assert_eq!(looks.len(), 2 * pages.len());
    let said: Vec<_> = looks.iter().flat_map(|(_, look)| &look.said).collect();
    assert!(said.is_empty(), "{said:#?}");
    for (page, look) in &looks {
        let html = fs::read_to_string(page).unwrap();
        let has = |what| html.contains(what);
        assert_eq!(look.formulas > 0, has("class=\"katex\""), "{page:?}");
        assert_eq!(look.figures > 0, has("<figure"), "{page:?}");
    }
    println!("pictures are in {}", shots.display());
}

#[test]
fn the_book_on_one_page_is_in_order() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    tab.set_screen(DESKTOP.width, DESKTOP.height, false);
    tab.visit(&book().join("print.html"));
    let found = tab.evaluate(&format!("({LOOK})({}, false)", DESKTOP.width));
    assert_eq!(found["said"], Value::Array(vec![]));
    assert_eq!(tab.trouble(), [""; 0]);
}

#[test]
fn a_reader_searches_and_turns_pages() {
    let Some(chromium) = chromium() else { return };
    let pages = pages(book());
    let mut tab = Tab::open(&chromium);
    let at = |page: &Path| {
        let name = page.file_name().unwrap().to_str().unwrap();
        format!("location.pathname.endsWith('/{name}')")
    };

    // Search, and follow the first result
    tab.set_screen(DESKTOP.width, DESKTOP.height, false);
    tab.visit(&pages[0]);
    tab.evaluate("document.getElementById('mdbook-search-toggle').click()");
    tab.until("document.activeElement.id === 'mdbook-searchbar'");
    tab.type_text("attention");
    let found = "document.querySelector('#mdbook-searchresults a')";
    tab.until(&format!("{found} !== null"));
    tab.evaluate(&format!("{found}.click()"));
    tab.loaded();
    let marks = "document.querySelectorAll('main mark')";
    tab.until(&format!("/attention/i.test({marks}[0]?.textContent)"));
    assert_eq!(tab.trouble(), [""; 0]);

    // Forward by each page's link, and back by the key, on both screens
    for (screen, css) in
        [(DESKTOP, ".nav-chapters"), (PHONE, ".mobile-nav-chapters")]
    {
        tab.set_screen(screen.width, screen.height, screen.phone);
        tab.visit(&pages[0]);
        // On a desk the wide arrows stand beside the text
        let wide = "document.getElementById('mdbook-sidebar-toggle-anchor')";
        tab.evaluate(&format!("{wide}.checked && {wide}.click()"));
        for pair in pages.windows(2) {
            tab.until(&at(&pair[0]));
            let next = format!("document.querySelector('{css}.next')");
            assert_eq!(tab.evaluate(&format!("{next} !== null")), true);
            tab.evaluate(&format!("{next}.click()"));
            tab.loaded();
            tab.until(&at(&pair[1]));
        }
        for pair in pages.windows(2).rev() {
            tab.evaluate(
                "document.body.dispatchEvent(new KeyboardEvent('keydown', \
                 { key: 'ArrowLeft', bubbles: true }))",
            );
            tab.loaded();
            tab.until(&at(&pair[0]));
        }
        assert_eq!(tab.trouble(), [""; 0]);
    }
}

/// A box of a kind that book/page.js does not know.
const UNREACHABLE: &str = "<section style='overflow: auto'>\
    <p style='width: 2000px'>wide</p></section>";

/// A page that is wrong, and what has to be said about it.
const WRONG: &[(&str, &str, &str)] = &[
    ("wide", "<div style='width: 2000px'>wide</div>", "out of the column"),
    ("left", "<p style='margin-left: -40px'>left</p>", "out of the column"),
    ("console", "<script>console.error('oh')</script>", "on the console"),
    ("thrown", "<script>throw new Error('oh')</script>", "an exception"),
    ("request", "<img alt=a src='http://127.0.0.1:9/a.png'>", "a request to"),
    ("fetch", "<script>fetch('http://a.test/')</script>", "a request to"),
    ("image", "<img alt='a' src='nowhere.png'>", "a request failed"),
    ("hidden", "<p style='display: none'>$x$</p>", "invisible"),
    ("tabless", UNREACHABLE, "no Tab leads to"),
    ("nameless", UNREACHABLE, "a box without a name"),
    ("flat", "<figure style='height: 0'><br></figure>", "invisible"),
    (
        "pale",
        "<figure><svg viewBox='0 0 9 9' width='90'>\
         <text fill='#888'>a</text></svg></figure>",
        "faint",
    ),
    (
        "black",
        "<figure><svg viewBox='0 0 9 9' width='90'><text>a</text></svg></figure>",
        "black on black",
    ),
];

#[test]
fn what_is_wrong_with_a_page_is_seen() {
    let Some(chromium) = chromium() else { return };
    let mut texts: Vec<_> =
        WRONG.iter().map(|(stem, text, _)| (*stem, *text)).collect();
    texts.push(("everything", SAMPLE));
    let sample = Sample::build(&texts, |_| {});
    assert_eq!(sample.warnings, [""; 0], "only a browser sees what is wrong");
    let built = sample.built();
    let files: Vec<_> = texts
        .iter()
        .map(|(stem, _)| built.join(format!("{stem}.html")))
        .collect();

    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sample");
    let looks = look_at_all(&chromium, &files, &shots);

    for (file, look) in &looks {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let wrong = WRONG.iter().find(|(name, ..)| *name == stem);
        let Some((_, text, expected)) = wrong else {
            // The page of everything is right
            assert_eq!(look.said, [""; 0]);
            assert!(look.formulas > 9 && look.figures == 1);
            continue;
        };
        let heard = look.said.iter().any(|one| one.contains(expected));
        assert!(heard, "{text}: {:?}", look.said);
    }
}

#[test]
fn formulas_without_their_stylesheet_or_fonts_are_seen() {
    let Some(chromium) = chromium() else { return };
    for (lost, expected) in [
        ("book/katex/katex.min.css", "stylesheet is not in force"),
        ("book/katex/fonts", "no font of KaTeX was loaded"),
    ] {
        let sample = Sample::build(&[("plain", "# Plain\n\n$x$")], |root| {
            let lost = root.join(lost);
            let gone = lost.with_file_name("gone");
            fs::rename(lost, gone).unwrap();
        });
        let mut tab = Tab::open(&chromium);
        let file = sample.built().join("plain.html");
        let shots = tempfile::tempdir().unwrap();
        let look = look(&mut tab, &file, &DESKTOP, shots.path());
        let heard = look.said.iter().any(|one| one.contains(expected));
        assert!(heard, "without {lost}: {:?}", look.said);
        let failed = look.said.iter().any(|one| one.contains("failed"));
        assert!(failed, "without {lost}: {:?}", look.said);
    }
}
