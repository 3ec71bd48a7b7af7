//! The search finds the crate's items, each in the section that shows it.

use serde_json::json;

use super::*;

/// What has the same stem as another item, `evaluate`, which comes first.
const SECOND: &[&str] = &["Evaluation"];

/// The items of `book/items.md`, each with the address of its section, or of
/// its row where no page shows it.
fn items() -> Vec<(String, String)> {
    let file = bookbinder::root().join("book/items.md");
    let mut module = String::new();
    let mut items = Vec::new();
    for line in fs::read_to_string(file).unwrap().lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            module = heading.replace(' ', "-");
        }
        let Some(row) = line.strip_prefix("| `") else { continue };
        let name = row.split('`').next().unwrap();
        let section = row.rsplit(" | ").next().unwrap();
        let url = match section.rsplit_once("](") {
            Some((_, link)) => {
                let link = link.split(')').next().unwrap();
                link.replace(".md", ".html")
            }
            None => format!("items.html#{module}"),
        };
        items.push((name.to_owned(), url));
    }
    items
}

/// A tab with the search open.
fn open_search() -> Option<Tab> {
    let mut tab = Tab::open(&chromium()?);
    tab.set_screen(DESKTOP.width, DESKTOP.height, false);
    tab.visit(&pages(book())[0]);
    tab.evaluate("document.getElementById('mdbook-search-toggle').click()");
    tab.until("window.search.index !== undefined");
    Some(tab)
}

#[test]
fn who_types_the_name_of_an_item_is_led_to_its_section() {
    let Some(mut tab) = open_search() else { return };
    let items = items();
    let bar = "document.getElementById('mdbook-searchbar')";
    for (typed, item) in [
        ("clip_grad_norm", "clip_grad_norm"),
        ("CausalSelfAttention", "CausalSelfAttention"),
        ("LayerNorm::backward", "LayerNorm::backward"),
        ("zeros_like", "Gpt::zeros_like"),
    ] {
        let wanted = items.iter().find(|(name, _)| name == item);
        let (_, url) = wanted.expect(item);
        tab.evaluate(&format!("{bar}.value = ''; {bar}.focus()"));
        tab.type_text(typed);
        tab.until(&format!(
            "document.getElementById('mdbook-searchresults-header')
                 .textContent.includes(\"'{typed}'\")"
        ));
        let first = tab.evaluate(
            "(a => a.pathname + a.hash)
                 (document.querySelector('#mdbook-searchresults a'))",
        );
        let first = first.as_str().unwrap();
        assert!(first.ends_with(&format!("/{url}")), "{typed}: {first}");
    }
}

#[test]
fn every_item_is_the_first_result_for_its_name() {
    let Some(mut tab) = open_search() else { return };
    let items = items();
    assert!(items.len() > 200, "{} items", items.len());
    // Of a method with a name of its own, which is no word, also without a type
    let bare = |name: &str| name.rsplit("::").next().unwrap().to_lowercase();
    let named: Vec<_> = items.iter().map(|(name, _)| bare(name)).collect();
    let methods = items.iter().filter_map(|(name, url)| {
        let (_, method) = name.rsplit_once("::")?;
        let others = named.iter().filter(|one| **one == bare(name)).count();
        let is_own = others == 1 && method.contains('_');
        is_own.then(|| (method.to_owned(), url.clone()))
    });
    let searches: Vec<_> = items.iter().cloned().chain(methods).collect();
    let typed: Vec<_> = searches.iter().map(|(name, _)| name).collect();
    let found = tab.evaluate(&format!(
        "(names => {{
            const {{ index, search_options, doc_urls }} = window.search;
            const searcher = elasticlunr.Index.load(index);
            return names.map(name => searcher.search(name, search_options)
                .slice(0, 2).map(result => doc_urls[result.ref]));
        }})({})",
        json!(typed)
    ));

    let mut missed = Vec::new();
    for ((name, url), found) in searches.iter().zip(found.as_array().unwrap()) {
        let rank = found.as_array().unwrap().iter().position(|one| one == url);
        let wanted = usize::from(SECOND.contains(&name.as_str()));
        if rank != Some(wanted) {
            missed.push(format!("{name}: {found}, not {url}"));
        }
    }
    assert!(missed.is_empty(), "{} missed: {missed:#?}", missed.len());
}

#[test]
fn words_of_the_text_are_found() {
    let Some(mut tab) = open_search() else { return };
    for (words, last, url) in [
        (
            "learning rate",
            0,
            "training.html#learning-rate-warm-up-and-cosine-decay",
        ),
        // Behind `Gradients`
        ("what is a gradient", 1, "orientation.html#what-is-a-gradient"),
        // Before `TrainConfig::memory`
        ("memory", 0, "gpt_fresh.html#memory"),
        // In `let shape = (x.nrows(), …`; 20 results are shown
        (
            "nrows",
            19,
            "transformer_block.html#a-linear-layer-forward-and-backward",
        ),
    ] {
        let found = tab.evaluate(&format!(
            "elasticlunr.Index.load(window.search.index)
                .search('{words}', window.search.search_options)
                .map(result => window.search.doc_urls[result.ref])"
        ));
        let found = found.as_array().unwrap();
        let place = found.iter().position(|one| one == url);
        assert!(place.is_some_and(|n| n <= last), "{words}: {found:?}");
    }
}
