//! The lab in a browser: what a reader presses, and what then happens.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use microgpt::gpt::GptConfig;
use microgpt::training::{LrSchedule, TrainConfig};
use serde_json::Value;

use crate::chromium::Tab;
use crate::packed::pack;
use crate::{DESKTOP, PHONE, book, chromium};

/// The figures that come to life, with the page that each is on.
pub const WIDGETS: &[(&str, &str)] = &[
    ("orientation", "orientation"),
    ("tokenization", "tokenization"),
    ("embeddings", "embeddings"),
    ("transformer_block", "attention"),
    ("transformer_block_feed_forward", "layer_norm"),
    ("training", "training"),
    ("generation", "generation"),
    ("lab", "workbench"),
];

pub fn open(tab: &mut Tab, page: &str, widget: &str) {
    tab.visit(&book().join(format!("{page}.html")));
    press_start(tab, widget);
}

/// Presses the button of a figure, and waits until it has come to life.
fn press_start(tab: &mut Tab, widget: &str) {
    let figure = format!("document.querySelector('[data-lab={widget}]')");
    tab.evaluate(&format!("{figure}.scrollIntoView()"));
    tab.evaluate(&format!(
        "{figure}.querySelector('.lab-open-button').click()"
    ));
    let opened = format!("{figure}.classList.contains('lab-open')");
    until(tab, &opened, 60);
}

/// Waits for something that takes its time on a busy machine.
pub fn until(tab: &mut Tab, expression: &str, seconds: u64) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while tab.evaluate(expression) != true {
        let said = "document.querySelector('.lab-trouble:not(:empty)')";
        assert!(
            Instant::now() < end,
            "never true: {expression}; the lab says: {}",
            tab.evaluate(&format!("{said}?.textContent ?? 'nothing'"))
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn text_of(tab: &mut Tab, selector: &str) -> String {
    let text = format!("document.querySelector(\"{selector}\").textContent");
    tab.evaluate(&text).as_str().unwrap().to_owned()
}

/// The run of chapter 1's pipeline, natively.
fn chapter_1() -> ::lab::Lab {
    let sizes = GptConfig {
        n_layer: 2,
        n_head: 2,
        n_embd: 32,
        block_size: 32,
        vocab_size: 0,
    };
    let config = TrainConfig {
        batch_size: 8,
        schedule: LrSchedule::new(3e-3, 2000),
        average: 0.0,
        eval_interval: 500,
        seed: 4,
        ..TrainConfig::default()
    };
    let sonnets = record("chapters-code/data/sonnets.txt");
    ::lab::Lab::new(&sonnets, sizes, config, 1).unwrap()
}

fn record(path: &str) -> String {
    let path = bookbinder::root().join(path);
    std::fs::read_to_string(&path).unwrap().replace("\r\n", "\n")
}

/// The page writes what chapter 1 prints, letter by letter, and loses what it
/// loses; its file is opened by the crate, and goes on.
#[test]
fn a_page_learns_what_chapter_1_learns() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    tab.set_screen(DESKTOP.width, DESKTOP.height, false);
    open(&mut tab, "orientation", "orientation");
    let part = "[data-part=learner]";
    tab.evaluate(
        "globalThis.losses = []; globalThis.file = null; \
         lab.download = (name, bytes) => { globalThis.file = btoa(Array.from( \
         new Uint8Array(bytes), (b) => String.fromCharCode(b)).join('')); }; \
         new MutationObserver(() => { \
           const { step, validation } = document.querySelector( \
             '[data-part=learner]').dataset; \
           if (step % 500 == 0) losses[step / 500] = Number(validation); \
         }).observe(document.querySelector('[data-part=learner]'), \
           { attributes: true })",
    );
    tab.evaluate("document.querySelector('[name=train]').click()");
    // In the middle it can be stopped, and goes on
    until(
        &mut tab,
        &format!("document.querySelector('{part}').dataset.step > 99"),
        60,
    );
    tab.evaluate("document.querySelector('[name=train]').click()");
    let state = format!("document.querySelector('{part}').dataset.state");
    until(&mut tab, &format!("{state} === 'paused'"), 20);
    tab.evaluate("document.querySelector('[name=train]').click()");
    until(&mut tab, &format!("{state} === 'finished'"), 120);

    let snapshot = record("chapters-code/orientation/snapshots/pipeline.snap");
    let printed = snapshot.lines().filter(|line| line.starts_with("step "));
    let losses = tab.evaluate("losses");
    for (line, loss) in printed.zip(losses.as_array().unwrap()) {
        let loss = loss.as_f64().unwrap();
        let (_, expected) = line.split_once("loss ").unwrap();
        assert_eq!(format!("{loss:.1}"), expected, "{line}");
    }
    assert_eq!(losses.as_array().unwrap().len(), 5);
    let text = record("book/records/training/orientation-text.txt");
    let (_, text) = text.split_once("\n\n").unwrap();
    let written = text_of(&mut tab, &format!("{part} pre.lab-text"));
    assert_eq!(written.trim_end(), text.trim_end());

    // The model as a file, which the crate opens
    tab.evaluate(
        "[...document.querySelectorAll('[data-part=learner] button')]\
                  .at(-1).click()",
    );
    until(&mut tab, "file !== null", 20);
    let file = tab.evaluate("file");
    let file = BASE64_STANDARD.decode(file.as_str().unwrap()).unwrap();
    let opened = ::lab::Lab::open(&file).unwrap();
    assert_eq!(opened.trainer.step, 2000);
    let choice = ::lab::Choice::new(0.6, 0, 1.0).unwrap();
    let native = opened.generate("\n", 200, choice, Some(5)).unwrap();
    let page = tab.evaluate(&format!(
        "(async () => {{ \
           const run = await lab.Run.start(); \
           const bytes = Uint8Array.from(atob(file), (c) => c.charCodeAt(0)); \
           await run.open(bytes); \
           return run.text('generate', '\\n', 200, {}, 0, 1, 5); }})()",
        0.6
    ));
    assert_eq!(page, native);
    assert_eq!(tab.trouble(), [""; 0]);
}

/// A run that was begun in a page goes on in the crate, and in the page, with
/// the same losses but for the rounding of a product.
#[test]
fn a_run_of_a_page_goes_on_in_the_crate() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    open(&mut tab, "orientation", "orientation");
    let answer = tab.evaluate(
        "(async () => { \
           const run = await lab.Run.start(); \
           await run.begin(await lab.sonnets(), {}); \
           await run.train({ until: 100, every: 500, watch() {} }); \
           const file = new Uint8Array(await run.call('save')); \
           const more = []; \
           await run.train({ until: 120, every: 500, \
             watch: ({ reports }) => more.push(...reports) }); \
           return [btoa(Array.from(file, (b) => String.fromCharCode(b)) \
             .join('')), more]; })()",
    );
    let file = BASE64_STANDARD.decode(answer[0].as_str().unwrap()).unwrap();
    let mut opened = ::lab::Lab::open(&file).unwrap();
    assert!(opened.save().unwrap() == file, "opened and saved, other bytes");
    opened.go_on_with(&record("chapters-code/data/sonnets.txt")).unwrap();
    let reports = answer[1].as_array().unwrap();
    assert_eq!(reports.len(), 3 * 20);
    for report in reports.chunks(3) {
        let native = opened.step().unwrap();
        let loss = report[0].as_f64().unwrap();
        let off = (loss - f64::from(native.loss)).abs();
        // 1e-6 after 2,000 steps; a step with another batch, 1e-2
        assert!(off < 1e-5, "step {}: {loss}, {}", native.step, native.loss);
    }
}

/// The trained model of the lab is that run without its moments, to the byte:
/// in WebAssembly it comes out the same on every machine. Natively, where a
/// product and a sum are rounded once and not twice, all 2,000 losses agree to
/// five digits behind the point.
#[test]
fn the_trained_model_is_that_run() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    open(&mut tab, "orientation", "orientation");
    let file = tab.evaluate(
        "(async () => { \
           const run = await lab.Run.start(); \
           await run.begin(await lab.sonnets(), {}); \
           globalThis.reports = []; \
           await run.train({ until: 2000, every: 500, \
             watch: ({ reports: some }) => reports.push(...some) }); \
           await run.call('forget_moments'); \
           const bytes = new Uint8Array(await run.call('save')); \
           return btoa(Array.from(bytes, (b) => String.fromCharCode(b)) \
             .join('')); })()",
    );
    let bytes = BASE64_STANDARD.decode(file.as_str().unwrap()).unwrap();
    let script = format!(
        "// Chapter 1's model after 2,000 steps in a page; made by \
         crates/bookbinder/tests/browser/lab.rs\n'use strict';\n\
         MICROGPT.trained =\n    '{}';\n",
        pack(&bytes)
    );
    let path = bookbinder::root().join("book/lab/trained.js");
    if std::env::var("INSTA_UPDATE").is_ok_and(|it| it == "always") {
        std::fs::write(&path, &script).unwrap();
    }
    let losses = tab.evaluate("reports.filter((_, i) => i % 3 === 0)");
    let mut native = chapter_1();
    let mut most = 0.0f64;
    for loss in losses.as_array().unwrap() {
        let loss = loss.as_f64().unwrap();
        let off = (loss - f64::from(native.step().unwrap().loss)).abs();
        most = most.max(off);
    }
    assert_eq!(native.trainer.step, 2000);
    println!("the losses of 2,000 steps differ by at most {most:.1e}");
    assert!(most < 1e-5, "{most}");

    let found = std::fs::read_to_string(path).unwrap();
    assert!(found.len() <= 200_000, "{} bytes are too many", found.len());
    assert!(found == script, "INSTA_UPDATE=always makes it anew");
}

/// Before anyone presses a button, a page has loaded nothing of the lab.
#[test]
fn nothing_is_loaded_before_it_is_asked_for() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    let loaded = "performance.getEntriesByType('resource')\
                  .filter((it) => it.name.includes('/lab/')).length \
                  + document.querySelectorAll('[src*=\"lab/\"]').length";
    for (page, widget) in WIDGETS {
        tab.visit(&book().join(format!("{page}.html")));
        assert_eq!(tab.evaluate(loaded), 0, "{page}");
        let button = format!(
            "document.querySelector('[data-lab={widget}] .lab-open-button') \
             !== null"
        );
        assert_eq!(tab.evaluate(&button), true, "{page}");
        // Without scripts, the still figure and no button
        tab.visit_without_scripts(&book().join(format!("{page}.html")));
        let still = format!(
            "document.querySelector('[data-lab={widget}] svg') !== null && \
             document.querySelector('.lab-open-button') === null"
        );
        assert_eq!(tab.evaluate(&still), true, "{page}");
    }
}

/// Every widget comes to life on a desk and on a phone, in light and in dark,
/// and is readable there: `support/look.js` looks at it as at any page.
#[test]
fn every_widget_is_readable_on_a_desk_and_on_a_phone() {
    let Some(chromium) = chromium() else { return };
    let shots = crate::target().join("screenshots-lab");
    std::fs::create_dir_all(&shots).unwrap();
    for screen in [&DESKTOP, &PHONE] {
        for (page, widget) in WIDGETS {
            let mut tab = Tab::open(&chromium);
            tab.set_screen(screen.width, screen.height, screen.phone);
            open(&mut tab, page, widget);
            for (theme, class) in [("light", "light"), ("dark", "navy")] {
                tab.evaluate(&format!(
                    "document.getElementById('mdbook-theme-{class}').click()"
                ));
                let look = crate::LOOK;
                let (width, dark) = (screen.width, theme == "dark");
                let found = tab.evaluate(&format!("({look})({width}, {dark})"));
                let on = format!("{widget}, {}, {theme}", screen.name);
                assert_eq!(found["said"], Value::Array(vec![]), "{on}");
                let nameless = tab.evaluate(NAMELESS);
                assert_eq!(nameless, Value::Array(vec![]), "{on}");
                let shot =
                    shots.join(format!("{widget}-{}-{theme}", screen.name));
                picture(&mut tab, widget, &shot);
            }
            assert_eq!(tab.trouble(), [""; 0], "{widget}, {}", screen.name);
        }
    }
}

/// Controls and drawings that a screen reader could not name.
const NAMELESS: &str = "[...document.querySelectorAll('.lab :is(button, input, \
    select, textarea, svg)')].filter((it) => !(it.textContent.trim() \
    || it.labels?.length || it.getAttribute('aria-label') \
    || it.hidden)).map((it) => it.outerHTML.slice(0, 200))";

fn picture(tab: &mut Tab, widget: &str, name: &Path) {
    let figure = format!("document.querySelector('[data-lab={widget}]')");
    tab.evaluate(&format!("{figure}.scrollIntoView()"));
    let box_of = format!(
        "(() => {{ const {{ left, top, width, height }} = \
         {figure}.getBoundingClientRect(); \
         return [left + scrollX, top + scrollY, width, height]; }})()"
    );
    let found = tab.evaluate(&box_of);
    let sides = [0, 1, 2, 3].map(|i| found[i].as_f64().unwrap());
    tab.screenshot_of(name, sides);
}

/// Whether there is something to press.
const READY: &str =
    "document.querySelector('[name=train]').ariaDisabled !== 'true'";

/// What readers may type, paste, open or ask for: each is a sentence, and the
/// lab goes on.
#[test]
fn what_cannot_be_is_answered_with_a_sentence() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    open(&mut tab, "lab", "workbench");
    let said = "document.querySelector('[data-lab=workbench] \
                .lab-trouble:not(:empty)')?.textContent ?? ''";
    for (text, part) in [
        ("'a'", "give more text"),
        ("'🦀'.repeat(20)", "give more text"),
        ("'ab'.repeat(15)", "give more text"),
    ] {
        tab.evaluate(&format!(
            "{{ const field = document.querySelector('[name=text]'); \
             field.value = {text}; field.oninput(); }}"
        ));
        until(&mut tab, READY, 20);
        // Twice, as one does where nothing seems to happen
        tab.evaluate("document.querySelector('[name=train]').click()");
        tab.evaluate("document.querySelector('[name=train]').click()");
        until(&mut tab, &format!("({said}).includes({part:?})"), 30);
    }
    // Any text that is long enough is learned, be it of one character, of
    // emoji, or five megabytes long
    for text in [
        "'a'.repeat(500)",
        "'🦀🐚 ß\\u0000'.repeat(90)",
        "'It is. '.repeat(750000)",
    ] {
        tab.evaluate(&format!(
            "{{ const field = document.querySelector('[name=text]'); \
             field.value = {text}; field.oninput(); }}"
        ));
        tab.evaluate(
            "[...document.querySelectorAll('.lab button')]\
             .find((it) => it.textContent === 'Start again').click()",
        );
        until(&mut tab, READY, 20);
        tab.evaluate("document.querySelector('[name=train]').click()");
        until(
            &mut tab,
            "document.querySelector('[data-state]').dataset.step > 3",
            60,
        );
        tab.evaluate("document.querySelector('[name=train]').click()");
        until(
            &mut tab,
            "document.querySelector('[data-state]').dataset.state \
                         !== 'busy'",
            90,
        );
        assert_eq!(tab.evaluate(said), "", "{text}");
    }
    // Sizes that no page can hold, and a file that is none
    let refused = |tab: &mut Tab, what: &str| {
        let said = tab.evaluate(&format!(
            "(async () => {{ const run = await lab.Run.start(); \
             try {{ await run.{what}; return 'fine'; }} \
             catch (error) {{ return error.message; }} \
             finally {{ run.close(); }} }})()"
        ));
        said.as_str().unwrap().to_owned()
    };
    for (what, part) in [
        (
            "begin('ab'.repeat(300), { n_embd: 1024, n_layer: 4, n_head: 8 })",
            "MB",
        ),
        ("begin('ab'.repeat(300), { n_embd: 33 })", "choose n_embd"),
        ("begin('', {})", "the text is empty"),
        ("open(new Uint8Array())", "0 bytes"),
        ("open(new Uint8Array(5000))", "damaged"),
        ("call('evaluate')", "there is no run yet"),
        ("call('panic', 'oh, a panic')", "oh, a panic"),
    ] {
        let said = refused(&mut tab, what);
        assert!(said.contains(part), "{what}: {said}");
    }
    // After a panic the same run begins anew, and learns what any other would
    let losses = tab.evaluate(
        "(async () => { \
           const learn = async (panics) => { \
             const run = await lab.Run.start(); \
             if (panics) try { await run.call('panic', 'x'); } catch {} \
             await run.begin('abc'.repeat(99), {}); \
             const [loss] = await run.floats('steps', '', 1); \
             run.close(); \
             return loss; }; \
           return [await learn(true), await learn(false)]; })()",
    );
    assert!(losses[0].as_f64().is_some_and(|loss| loss > 0.5), "{losses}");
    assert_eq!(losses[0], losses[1]);
    assert_eq!(tab.trouble(), [""; 0]);
}

/// Who leaves in the middle of a run finds the page as it was, and no worker
/// goes on.
#[test]
fn a_reader_who_leaves_stops_the_run() {
    let Some(chromium) = chromium() else { return };
    let mut tab = Tab::open(&chromium);
    open(&mut tab, "lab", "workbench");
    tab.evaluate("document.querySelector('[name=train]').click()");
    until(
        &mut tab,
        "document.querySelector('[data-state]').dataset.step > 9",
        60,
    );
    tab.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))");
    until(
        &mut tab,
        "document.querySelector('[data-state]').dataset.state \
                     === 'paused'",
        20,
    );
    tab.visit(&book().join("orientation.html"));
    assert_eq!(tab.trouble(), [""; 0]);
}
