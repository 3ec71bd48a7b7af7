//! Reading with the keyboard: arrow keys turn pages, but scroll what has the
//! focus where that is too wide.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

/// One of everything that scrolls on a narrow screen, and what takes keys.
const WIDE: &str = r#"
# Wide

A [link](#wide).

```text
a line of code that is longer than the screen of a phone is wide
```

| a table | with cells | that do not break |
| --- | --- | --- |
| `transformer_block::CausalSelfAttention` | `[TTTTTTT, DDDDDDDDDDD]` | [in it](#wide) |

$$ a + b + c + d + e + f + g + h + i + j + k + l + m + n + o + p + q + r + s + t $$

In the text
$\left(\frac{\partial \ell}{\partial x_1} + \frac{\partial \ell}{\partial x_2} + \frac{\partial \ell}{\partial x_3} + \frac{\partial \ell}{\partial x_4} + \frac{\partial \ell}{\partial x_5} + \frac{\partial \ell}{\partial x_6} + \frac{\partial \ell}{\partial x_7} + \frac{\partial \ell}{\partial x_8}\right)$.

<figure>
<svg class="broad" viewBox="0 0 720 40" width="720" role="img"><title>a</title><path d="M0 20h720" stroke="currentColor"/></svg>
<figcaption>A broad figure.</figcaption>
</figure>

<details>
<summary>Solution</summary>

```text
another line of code that is longer than the screen of a phone is wide
```

</details>

```text
short
```

<input type="text" aria-label="i" value="abc">
<textarea aria-label="t">abc</textarea>
<select aria-label="s"><option>a</option><option>b</option></select>
<p contenteditable="true">edit</p>
<button type="button" id="plain">button</button>
"#;

/// A page of everything between two others, on a narrow screen.
fn open_wide() -> Option<(Tab, Sample)> {
    let chromium = chromium()?;
    let pages = [("before", "# B"), ("wide", WIDE), ("after", "# A")];
    let sample = Sample::build(&pages, |_| {});
    let mut tab = Tab::open(&chromium);
    tab.set_screen(360, 780, false);
    tab.visit(&sample.built().join("wide.html"));
    tab.evaluate("document.querySelector('details').open = true");
    tab.evaluate("document.fonts.ready.then(() => true)");
    Some((tab, sample))
}

fn arrow(tab: &mut Tab, key: &str, modifiers: u64) {
    let code = if key == "ArrowLeft" { 37 } else { 39 };
    tab.press(key, code, modifiers);
}

/// Whether the page is still the same after the time in which it would turn.
fn stays(tab: &mut Tab) -> bool {
    let wait = "new Promise(done => setTimeout(() => done(1), 250))";
    tab.evaluate(wait);
    tab.evaluate("location.pathname.endsWith('/wide.html')") == true
}

#[test]
fn arrow_keys_scroll_each_wide_box_that_tab_leads_to() {
    let Some((mut tab, _sample)) = open_wide() else { return };
    let mut met = BTreeSet::new();
    tab.evaluate("document.querySelector('main a').focus()");
    for _ in 0..30 {
        tab.press("Tab", 9, 0);
        let name = tab.evaluate(
            "window.box = document.activeElement;
             box.scrollWidth > box.clientWidth + 1
                 && ['auto', 'scroll'].includes(getComputedStyle(box).overflowX)
                 && !box.matches('input, textarea')
                 && (box.closest('details') ? 'folded ' : '')
                     + (box.ariaLabel ?? box.localName)
                     + (box.role ? ', ' + box.role : '')",
        );
        let Some(name) = name.as_str() else { continue };
        arrow(&mut tab, "ArrowRight", 0);
        tab.until("box.scrollLeft > 0");
        assert!(stays(&mut tab), "{name}: ArrowRight turned the page");
        while tab.evaluate("box.scrollLeft > 0") == true {
            arrow(&mut tab, "ArrowLeft", 0);
        }
        // There is no further to the left, and that turns no page either
        arrow(&mut tab, "ArrowLeft", 0);
        assert!(stays(&mut tab), "{name}: ArrowLeft turned the page");
        met.insert(name.to_owned());
    }
    let expected = [
        "Code, group",
        "Formula, group",
        "Table, group",
        "Text with a formula, group",
        "figure",
        "folded Code, group",
    ];
    assert_eq!(met, expected.map(String::from).into());
}

#[test]
fn arrow_keys_turn_no_page_where_they_have_a_use() {
    let Some((mut tab, _sample)) = open_wide() else { return };
    for css in [
        "td a",
        "summary",
        "main input",
        "textarea",
        "select",
        "[contenteditable]",
    ] {
        tab.evaluate(&format!("document.querySelector('{css}').focus()"));
        for key in ["ArrowLeft", "ArrowRight"] {
            arrow(&mut tab, key, 0);
            assert!(stays(&mut tab), "{key} in {css} turned the page");
        }
    }
    tab.evaluate("document.activeElement.blur()");
    // Control and Meta move by words, or to an end; Shift selects
    for modifiers in [2, 4, 8, 10] {
        for key in ["ArrowLeft", "ArrowRight"] {
            arrow(&mut tab, key, modifiers);
            assert!(stays(&mut tab), "{modifiers} and {key} turned the page");
        }
    }
}

#[test]
fn arrow_keys_turn_pages_elsewhere() {
    let Some((mut tab, sample)) = open_wide() else { return };
    for css in ["body", "main a", "#plain"] {
        for (key, page) in [("ArrowLeft", "before"), ("ArrowRight", "after")] {
            tab.visit(&sample.built().join("wide.html"));
            tab.evaluate(&format!("document.querySelector('{css}').focus()"));
            arrow(&mut tab, key, 0);
            tab.loaded();
            let there = format!("location.pathname.endsWith('/{page}.html')");
            tab.until(&there);
        }
    }
}

#[test]
fn a_box_with_room_for_everything_is_no_stop() {
    let Some((mut tab, _sample)) = open_wide() else { return };
    let stops = "[...document.querySelectorAll('main [tabindex]')].length";
    tab.until(&format!("{stops} === 6"));
    // Neither when the window gets wider
    tab.set_screen(1600, 900, false);
    tab.until(&format!("{stops} === 0"));
    let named = "document.querySelectorAll('main [role=group]').length";
    assert_eq!(tab.evaluate(named), json!(0));
    tab.set_screen(360, 780, false);
    tab.until(&format!("{stops} === 6"));
}
