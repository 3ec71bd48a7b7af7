//! What axe-core finds in the pages, which is nothing: in a light theme and in
//! a dark one, on a desk and on a phone, with all that unfolds unfolded.
//!
//! axe-core is not kept here: its license is another, and it is longer than the
//! book. `.ci/run` has npm install the version whose digest is below into
//! `target/axe`; without it the tests are ignored, and say why.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::lab::{WIDGETS, open};
use super::*;

const JUDGE: &str = include_str!("axe.js");

/// What is found and stays, on no page but where it opens: the rule, what it
/// finds, and why.
const KNOWN: &[(&str, &str, &str)] = &[(
    "aria-prohibited-attr",
    "#mdbook-searchresults .teaser",
    "mdBook's script gives each excerpt that the search has found a name",
)];

/// That of `axe.min.js` as axe-core 4.14.1 has it.
const SHA256: &str =
    "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c";

fn axe() -> String {
    let file = target().join("axe/node_modules/axe-core/axe.min.js");
    let axe = fs::read_to_string(&file).expect(".ci/run says how to get it");
    let digest = Sha256::digest(&axe);
    let digest: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(digest, SHA256, "{} is of another version", file.display());
    axe
}

/// What has been found on a page.
#[derive(Debug, PartialEq)]
struct Finding {
    rule: String,
    said: String,
    /// Its place among those that are [`KNOWN`].
    known: Option<u64>,
}

/// Has a page judged in a theme.
fn judge(tab: &mut Tab, theme: &str) -> Vec<Finding> {
    tab.evaluate(&format!(
        "document.getElementById('mdbook-theme-{theme}').click()"
    ));
    let sheets = "[...document.querySelectorAll('link[rel~=stylesheet]')]";
    tab.until(&format!(
        "document.documentElement.classList.contains('{theme}') \
         && {sheets}.every((it) => it.disabled || it.sheet)"
    ));
    let known: Vec<_> =
        KNOWN.iter().map(|(rule, css, _)| [rule, css]).collect();
    let found = tab.evaluate(&format!("({JUDGE})({})", json!(known)));
    let text = |one: &Value, key| one[key].as_str().unwrap().to_owned();
    let finding = |one: &Value| Finding {
        rule: text(one, "rule"),
        said: text(one, "said"),
        known: one["known"].as_u64(),
    };
    found.as_array().unwrap().iter().map(finding).collect()
}

#[test]
#[ignore = "needs axe-core"]
fn axe_finds_nothing_on_any_page() {
    let Some(chromium) = chromium() else { return };
    let axe = axe();
    let mut files = pages(book());
    files.push(book().join("print.html"));
    let found = on_both_screens(&chromium, &files, |tab, file, screen| {
        tab.set_screen(screen.width, screen.height, screen.phone);
        tab.visit(file);
        tab.evaluate(&axe);
        ["light", "navy"].map(|theme| (theme, judge(tab, theme)))
    });
    assert_eq!(found.len(), 2 * files.len());

    let mut counts = BTreeMap::new();
    let mut said = Vec::new();
    for (file, screen, themes) in found {
        let page = file.file_stem().unwrap().display();
        for (theme, findings) in themes {
            let on = format!("{page}, {}, {theme}", screen.name);
            for one in findings {
                said.push(format!("{on}: {}", one.said));
                *counts.entry((one.rule, screen.name, theme)).or_insert(0) += 1;
            }
        }
    }
    assert!(said.is_empty(), "{said:#?}\n{counts:#?}");
}

/// What comes when it is asked for: what a script does on a page, what is then
/// to be waited for.
const OPENED: &[(&str, &str, &str)] = &[
    (
        "tokenization",
        "document.querySelector('[name=merge]').click()",
        ".lab-strip .new",
    ),
    (
        "generation",
        "const top = document.querySelector('[name=top-k]'); \
         top.value = 5; top.oninput()",
        ".lab-bars .faint",
    ),
    (
        "workbench",
        "document.querySelector('[name=trained]').click()",
        "pre.lab-text:not([hidden])",
    ),
];

#[test]
#[ignore = "needs axe-core"]
fn axe_finds_nothing_in_what_opens() {
    let Some(chromium) = chromium() else { return };
    let axe = axe();
    let mut tab = Tab::open(&chromium);
    let check = |tab: &mut Tab, what: &str| {
        tab.evaluate(&axe);
        ["light", "navy"].map(|theme| {
            let found = judge(tab, theme);
            let (known, new): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|one| one.known.is_some());
            assert_eq!(new, [], "{what}, {theme}");
            known
        })
    };
    let mut met = BTreeSet::new();
    for screen in [&DESKTOP, &PHONE] {
        tab.set_screen(screen.width, screen.height, screen.phone);
        for (page, widget) in WIDGETS {
            open(&mut tab, page, widget);
            check(&mut tab, &format!("{widget}, {}", screen.name));
            let more = OPENED.iter().find(|(name, ..)| name == widget);
            if let Some((_, act, shown)) = more {
                tab.evaluate(&format!("{{ {act} }}"));
                let shown = format!("document.querySelector('.lab {shown}')");
                tab.until(&format!("{shown} !== null"));
                check(&mut tab, &format!("{widget}, {}, used", screen.name));
            }
        }
        tab.visit(&pages(book())[0]);
        tab.evaluate("document.getElementById('mdbook-search-toggle').click()");
        tab.until("document.activeElement.id === 'mdbook-searchbar'");
        tab.type_text("attention");
        tab.until("document.querySelector('#mdbook-searchresults a') !== null");
        let known = check(&mut tab, &format!("search, {}", screen.name));
        met.extend(known.iter().flatten().filter_map(|one| one.known));
    }
    for (index, known) in KNOWN.iter().enumerate() {
        assert!(met.contains(&(index as u64)), "found no more: {known:?}");
    }
}

/// A page with faults, and the rule that each breaks.
const FAULTS: &[(&str, &str)] = &[
    ("color-contrast", "<p style='color: #888; background: #999'>faint</p>"),
    ("image-alt", "<img src='figures/figure.svg'>"),
    (
        "link-in-text-block",
        "<p>Words, and <a href='#' style='text-decoration: none'>a link</a> \
         among them.</p>",
    ),
    (
        "scrollable-region-focusable",
        "<section style='overflow: auto; height: 40px'>\
         <p style='height: 900px'>a long story</p></section>",
    ),
    (
        "empty-table-header",
        "<table><thead><tr><th></th><th>b</th></tr></thead>\
         <tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
    ),
    (
        "duplicate-id-aria",
        "<p id='twice'>a</p><p id='twice'>b</p>\
         <input aria-labelledby='twice'>",
    ),
    ("button-name", "<button type='button'></button>"),
    ("label", "<input type='text'>"),
    ("select-name", "<select><option>a</option></select>"),
    ("link-name", "<a href='#'></a>"),
    ("svg-img-alt", "<svg role='img' viewBox='0 0 9 9'><path/></svg>"),
    ("nested-interactive", "<button type='button'>a<a href='#'>b</a></button>"),
    ("heading-order", "<h5>Deep</h5>"),
    ("aria-allowed-attr", "<p aria-expanded='true'>unfolded</p>"),
    ("aria-prohibited-attr", "<span aria-label='a'>b</span>"),
    ("tabindex", "<p tabindex='3'>first</p>"),
    ("list", "<ul><p>a</p></ul>"),
];

/// What a script does to all that lies around the text, and the rule it breaks.
const AROUND: &[(&str, &str)] = &[
    ("region", "document.querySelector('[role=banner]').role = null"),
    ("html-has-lang", "document.documentElement.lang = ''"),
    ("document-title", "document.title = ''"),
    ("skip-link", "document.querySelector('main').id = 'elsewhere'"),
    (
        "aria-allowed-attr",
        "document.getElementById('mdbook-sidebar-toggle').style.display = ''",
    ),
];

#[test]
#[ignore = "needs axe-core"]
fn axe_finds_each_fault() {
    let Some(chromium) = chromium() else { return };
    let axe = axe();
    let page =
        |html| format!("# Faults\n\nNone so far.\n\n<div>{html}</div>\n");
    let faults: Vec<_> =
        FAULTS.iter().map(|(rule, html)| (*rule, page(html))).collect();
    let mut texts: Vec<_> =
        faults.iter().map(|(rule, text)| (*rule, &text[..])).collect();
    texts.push(("everything", SAMPLE));
    let sample = Sample::build(&texts, |_| {});
    let mut tab = Tab::open(&chromium);
    tab.set_screen(DESKTOP.width, DESKTOP.height, false);
    let rules = |found: Vec<Finding>| {
        found.into_iter().map(|one| one.rule).collect::<BTreeSet<_>>()
    };
    let visit = |tab: &mut Tab, page: &str, edit: &str| {
        tab.visit(&sample.built().join(format!("{page}.html")));
        tab.evaluate(edit);
        tab.evaluate(&axe);
    };
    for theme in ["light", "navy"] {
        // The page of everything is right
        visit(&mut tab, "everything", "");
        assert_eq!(judge(&mut tab, theme), [], "{theme}");
        for (rule, html) in FAULTS {
            visit(&mut tab, rule, "");
            let found = rules(judge(&mut tab, theme));
            assert_eq!(found, [rule.to_string()].into(), "{theme}: {html}");
        }
        for (rule, edit) in AROUND {
            visit(&mut tab, "everything", edit);
            let found = rules(judge(&mut tab, theme));
            assert!(found.contains(*rule), "{theme}: {edit}: {found:?}");
        }
    }
}
