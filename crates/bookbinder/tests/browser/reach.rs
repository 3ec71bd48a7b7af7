//! What the keyboard reaches and works, and what a screen reader is told: keys
//! are real ones, and names and descriptions those that the browser gives.

use serde_json::json;

use super::lab::{WIDGETS, open, until};
use super::*;

fn tab_key(tab: &mut Tab) {
    tab.press("Tab", 9, 0);
}

fn all_pages() -> Vec<PathBuf> {
    let mut all = pages(book());
    all.push(book().join("print.html"));
    all
}

#[test]
fn the_first_tab_on_each_page_leads_to_the_text() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    for screen in [&DESKTOP, &PHONE] {
        tab.set_screen(screen.width, screen.height, screen.phone);
        for page in all_pages() {
            tab.visit(&page);
            let seen = "(() => { const it = document.querySelector('.skip'); \
                const { top, bottom } = it.getBoundingClientRect(); \
                return top >= 0 && bottom <= innerHeight; })()";
            assert_eq!(tab.evaluate(seen), false, "{page:?}");
            tab_key(&mut tab);
            let skip = "document.activeElement.matches('.skip')";
            assert_eq!(tab.evaluate(skip), true, "{page:?}");
            assert_eq!(tab.evaluate(seen), true, "{page:?}");
            tab.press("Enter", 13, 0);
            tab.until("document.activeElement.matches('main')");
            let shown = "(() => { const { top, bottom } = \
                document.querySelector('main').getBoundingClientRect(); \
                return top < innerHeight / 2 && bottom > 0; })()";
            assert_eq!(tab.evaluate(shown), true, "{page:?}");
            // And on from there, past what is around the text
            tab_key(&mut tab);
            let inside = "document.activeElement.matches('main *, main ~ *, \
                main ~ * *')";
            assert_eq!(tab.evaluate(inside), true, "{page:?}");
        }
    }
}

#[test]
fn the_table_of_contents_opens_and_closes_with_the_keyboard() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    tab.set_screen(DESKTOP.width, DESKTOP.height, false);
    tab.visit(&pages(book())[1]);
    let button = "document.querySelector('.left-buttons button')";
    let open = "document.documentElement.classList.contains('sidebar-visible')";
    let told = format!("{button}.ariaExpanded === String({open})");
    let last = "[...document.querySelectorAll('#mdbook-sidebar a')].at(-1)";
    tab.evaluate(&format!("{last}.focus()"));
    let at_button = format!("document.activeElement === {button}");
    for _ in 0..5 {
        if tab.evaluate(&at_button) != true {
            tab_key(&mut tab);
        }
    }
    assert_eq!(tab.evaluate(&at_button), true, "no Tab leads to it");
    for (key, code, expected) in
        [(" ", 32, false), ("Enter", 13, true), ("Enter", 13, false)]
    {
        tab.press(key, code, 0);
        tab.until(&format!("{open} === {expected}"));
        tab.until(&told);
        assert_eq!(tab.evaluate(&at_button), true, "the focus is lost");
    }
}

/// Words in a description: fewer let no one see a drawing.
const FEWEST: usize = 20;

#[test]
fn a_screen_reader_is_told_what_each_figure_shows() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    let mut count = 0;
    for page in pages(book()) {
        tab.visit(&page);
        let drawings = tab.evaluate(
            "for (const it of document.querySelectorAll('details')) \
                 it.open = true; \
             const all = 'main :is(figure svg, canvas, img, svg[role])'; \
             [...document.querySelectorAll(all)].map((it) => \
                 [it.localName, it.querySelector('title')?.textContent])",
        );
        let drawings = drawings.as_array().unwrap();
        let tree = tab.call("Accessibility.getFullAXTree", json!({}));
        let tree = tree["nodes"].as_array().unwrap();
        for drawing in drawings {
            let title = &drawing[1];
            let node = tree.iter().find(|node| {
                node["name"]["value"] == *title
                    && ["image", "group"]
                        .iter()
                        .any(|role| node["role"]["value"] == *role)
            });
            let Some(node) = node else {
                panic!("{page:?}: {drawing} has no name");
            };
            let words = node["description"]["value"].as_str().unwrap_or("");
            let length = words.split_whitespace().count();
            assert!(length >= FEWEST, "{page:?}: {title}: {words:?}");
            count += 1;
        }
    }
    assert!(count > 50, "{count} drawings");
}

/// The rows of the figure that is to be touched, one after the other.
#[test]
fn each_row_of_the_figure_to_touch_is_reached_and_shown() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    tab.set_screen(DESKTOP.width, DESKTOP.height, false);
    tab.visit(&book().join("transformer_block.html"));
    tab.evaluate("document.querySelector('.touch .row').focus()");
    let rows = "[...document.querySelectorAll('.touch .row')]";
    let n = tab.evaluate(&format!("{rows}.length")).as_u64().unwrap();
    assert_eq!(n, 20);
    for row in 0..n {
        let at = format!("{rows}.indexOf(document.activeElement)");
        assert_eq!(tab.evaluate(&at), row);
        let name = tab.evaluate("document.activeElement.ariaLabel");
        let name = name.as_str().unwrap();
        assert!(name.starts_with(&format!("query {row}, ")), "{name}");
        let shown = tab.evaluate(&format!(
            "{rows}.map((it) => getComputedStyle(it.querySelector('.more')) \
             .visibility === 'visible').map(Number).join('')"
        ));
        let expected: String =
            (0..n).map(|i| if i == row { '1' } else { '0' }).collect();
        assert_eq!(shown, expected);
        tab_key(&mut tab);
    }
}

/// What can be worked in a widget, and has to be reached; of radio buttons,
/// the chosen one.
const CONTROLS: &str = "[...document.querySelectorAll('.lab :is(button, input, \
    select, textarea, [role=slider], [tabindex=\"0\"])')].filter((it) => \
    it.checkVisibility() && (it.type !== 'radio' || it.checked))";

/// What the focus is on: its number among the controls, or −1.
const AT: &str = "controls.indexOf(document.activeElement)";

/// Tab leads to each control of each widget, where the focus can be seen.
#[test]
fn tab_leads_to_each_control_of_the_lab() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    tab.set_screen(DESKTOP.width, DESKTOP.height, false);
    for (page, widget) in WIDGETS {
        tab.visit(&book().join(format!("{page}.html")));
        let figure = format!("document.querySelector('[data-lab={widget}]')");
        let button = format!("{figure}.querySelector('.lab-open-button')");
        tab.evaluate(&format!("{button}.focus()"));
        tab.press("Enter", 13, 0);
        let opened = format!("{figure}.classList.contains('lab-open')");
        until(&mut tab, &opened, 60);
        // The keyboard goes on from here
        tab.until("document.activeElement.matches('.lab')");
        let count = format!("(globalThis.controls = {CONTROLS}).length");
        let count = tab.evaluate(&count).as_u64().unwrap();
        assert!(count >= 4, "{widget}: {count} controls");
        for control in 0..count {
            tab_key(&mut tab);
            // A text that scrolls is a stop in between
            if tab.evaluate(AT) == -1 {
                tab_key(&mut tab);
            }
            let html =
                tab.evaluate("document.activeElement.outerHTML.slice(0, 200)");
            assert_eq!(tab.evaluate(AT), control, "{widget}: {html}");
            let outline = tab.evaluate(
                "(({ outlineStyle, outlineWidth }) => outlineStyle !== 'none' \
                 && parseFloat(outlineWidth) >= 1)\
                 (getComputedStyle(document.activeElement))",
            );
            assert_eq!(outline, true, "{widget}: no outline: {html}");
        }
        assert_eq!(tab.trouble(), [""; 0]);
    }
}

/// Every control does what its key says: what it is, its value or, of a
/// button, how often it was pressed.
const VALUE: &str = "(() => { const it = document.activeElement; \
    return it.matches('button') ? globalThis.pressed \
        : it.type === 'checkbox' ? it.checked \
        : it.role === 'slider' ? it.getAttribute('aria-valuetext') \
        : it.type === 'range' ? it.getAttribute('aria-valuetext') : it.value; \
    })()";

#[test]
fn keys_work_each_control_of_the_lab() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    tab.set_screen(DESKTOP.width, DESKTOP.height, false);
    for (page, widget) in WIDGETS {
        open(&mut tab, page, widget);
        // What buttons do is tested elsewhere
        tab.evaluate(
            "globalThis.pressed = 0; addEventListener('click', (event) => { \
                 if (!event.target.closest('.lab button')) return; \
                 event.stopImmediatePropagation(); \
                 globalThis.pressed += 1; }, true)",
        );
        let count = format!("(globalThis.controls = {CONTROLS}).length");
        let count = tab.evaluate(&count).as_u64().unwrap();
        for control in 0..count {
            let there = format!("controls[{control}]");
            // What came before may have drawn it anew
            if tab.evaluate(&format!("{there}.isConnected")) == false {
                continue;
            }
            tab.evaluate(&format!("{there}.focus()"));
            let kind = tab.evaluate(
                "document.activeElement.matches('input') \
                 ? document.activeElement.type \
                 : document.activeElement.getAttribute('role') \
                 ?? document.activeElement.localName",
            );
            let before = tab.evaluate(VALUE);
            let place = "document.activeElement.getAttribute('value')";
            let place = tab.evaluate(place);
            match kind.as_str().unwrap() {
                "button" => {
                    tab.press("Enter", 13, 0);
                    tab.press(" ", 32, 0);
                    let pressed = tab.evaluate("globalThis.pressed");
                    let all = before.as_u64().unwrap() + 2;
                    assert_eq!(pressed, all, "{widget}: {control}");
                }
                "checkbox" => tab.press(" ", 32, 0),
                "radio" => {
                    tab.press("ArrowRight", 39, 0);
                    let next = "document.activeElement.checked \
                                && document.activeElement.value !== ";
                    let next = format!("{next}{place}");
                    assert_eq!(tab.evaluate(&next), true, "{widget}");
                }
                "range" => {
                    let last = "document.activeElement.value \
                                === document.activeElement.max";
                    let (key, code) = match tab.evaluate(last) == true {
                        true => ("ArrowLeft", 37),
                        false => ("ArrowRight", 39),
                    };
                    tab.press(key, code, 0);
                }
                "select" => tab.press("ArrowDown", 40, 0),
                "slider" => tab.press("ArrowUp", 38, 0),
                "text" | "textarea" => tab.type_text("e"),
                "group" => continue, // a text, which scrolls
                kind => panic!("{widget}: what is {kind}?"),
            }
            let after = tab.evaluate(VALUE);
            assert_ne!(before, after, "{widget}: {kind} {control}");
        }
        let here = format!("location.pathname.endsWith('/{page}.html')");
        assert_eq!(tab.evaluate(&here), true, "a key turned the page");
    }
}

/// The names of controls as the browser gives them.
#[test]
fn each_control_of_the_lab_has_a_name_of_its_own() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    let roles =
        ["button", "slider", "checkbox", "radio", "combobox", "textbox"];
    for (page, widget) in WIDGETS {
        open(&mut tab, page, widget);
        let tree = tab.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().unwrap();
        let mut count = 0;
        for node in nodes {
            let role = node["role"]["value"].as_str().unwrap_or_default();
            if node["ignored"] == true || !roles.contains(&role) {
                continue;
            }
            let name = node["name"]["value"].as_str().unwrap_or_default();
            assert_ne!(name, "", "{widget}: {node}");
            count += 1;
        }
        assert!(count > 4, "{widget}: {count}");
        // A slider says its value, and what is beside it does not say it again
        let twice = "document.querySelector('.lab output:not([aria-hidden])')";
        assert_eq!(tab.evaluate(twice), Value::Null, "{widget}");
    }
}

/// While a model learns, its loss is said at each evaluation and no more often.
#[test]
fn a_run_of_the_lab_does_not_chatter() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    open(&mut tab, "orientation", "orientation");
    tab.evaluate(
        "globalThis.spoken = []; globalThis.silent = 0; \
         const part = document.querySelector('[data-part=learner]'); \
         const live = '[role=status], [role=alert], [aria-live], output'; \
         new MutationObserver((all) => { for (const { target } of all) { \
             const element = target.closest?.(live) \
                 ?? target.parentElement?.closest(live); \
             if (element) spoken.push(element.textContent); \
             else silent += 1; } \
         }).observe(part, \
             { subtree: true, childList: true, characterData: true }); \
         document.querySelector('[name=train]').focus()",
    );
    tab.press(" ", 32, 0);
    let step = "Number(document.querySelector('[data-part=learner]')\
                .dataset.step)";
    until(&mut tab, &format!("{step} > 600"), 60);
    tab.press(" ", 32, 0);
    let state = "document.querySelector('[data-part=learner]').dataset.state";
    until(&mut tab, &format!("{state} === 'paused'"), 20);
    let step = tab.evaluate(step).as_u64().unwrap();
    let spoken = tab.evaluate("spoken");
    let spoken = spoken.as_array().unwrap();
    // Evaluated at step 0 and then after every 250
    assert_eq!(spoken.len() as u64, step / 250 + 1, "{spoken:#?}");
    let silent = tab.evaluate("silent").as_u64().unwrap();
    assert!(silent > 20, "{silent} changes that are only seen");
}
