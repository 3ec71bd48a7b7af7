//! The search finds the crate's items, each in the section that shows it, and
//! what a learner types, in the section that explains it.

use serde_json::json;

use super::*;

/// The items that have the same stem as another, `evaluate`, or as a term of the
/// glossary, and come behind it, but among the first four.
const BEHIND: &[&str] = &[
    "AdamW",
    "Block",
    "Embeddings",
    "Evaluation",
    "Generator",
    "Gradients",
    "KEY",
    "KvCache",
    "Mlp",
    "Tensor",
    "Vector",
    "normal",
    "split",
];

/// The term that has the same stem as another, `tokenizer`, which comes first.
const TOKEN: &str = "token";

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

/// What a learner types, and the section that explains it: its address, and
/// below it, further in, the searches.
const SEARCHES: &str = include_str!("searches.txt");

/// The searches of `SEARCHES`, each with its section.
fn searches() -> Vec<(String, String)> {
    let mut section = "";
    let mut searches = Vec::new();
    for line in SEARCHES.lines() {
        let Some(typed) = line.strip_prefix("    ") else {
            section = line;
            continue;
        };
        let typed = typed.trim_end_matches(',').split(", ");
        searches.extend(typed.map(|one| (one.to_owned(), section.to_owned())));
    }
    searches
}

/// The terms that are bold in the glossary, each with the link behind it.
fn terms() -> Vec<(String, String)> {
    let file = bookbinder::root().join("book/glossary.md");
    let mut terms = Vec::new();
    for entry in fs::read_to_string(file).unwrap().lines() {
        let Some(entry) = entry.strip_prefix("- ") else { continue };
        let mut rest = entry;
        while let Some((before, after)) = rest.split_once("](") {
            let (link, after) = after.split_once(')').unwrap();
            let bold = before.split("**").skip(1).step_by(2);
            let link = link.replace(".md", ".html");
            terms.extend(bold.map(|term| (term.to_owned(), link.clone())));
            rest = after;
        }
    }
    terms
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

/// The first four results of each search.
fn found(tab: &mut Tab, searches: &[(String, String)]) -> Vec<Vec<String>> {
    let typed: Vec<_> = searches.iter().map(|(typed, _)| typed).collect();
    let found = tab.evaluate(&format!(
        "(typed => {{
            const {{ index, search_options, doc_urls }} = window.search;
            const searcher = elasticlunr.Index.load(index);
            return typed.map(one => searcher.search(one, search_options)
                .slice(0, 4).map(result => doc_urls[result.ref]));
        }})({})",
        json!(typed)
    ));
    serde_json::from_value(found).unwrap()
}

/// The searches that find another section first.
fn missed(tab: &mut Tab, searches: &[(String, String)]) -> Vec<String> {
    let found = found(tab, searches);
    let both = searches.iter().zip(&found);
    let missed = both.filter(|((_, url), found)| found.first() != Some(url));
    let said = |((typed, url), found): (&(String, String), &Vec<String>)| {
        format!("{typed}: {found:?}, not {url}")
    };
    missed.map(said).collect()
}

#[test]
fn who_types_is_led_to_the_section() {
    let Some(mut tab) = open_search() else { return };
    let known = [items(), searches()].concat();
    let bar = "document.getElementById('mdbook-searchbar')";
    for (typed, item) in [
        ("clip_grad_norm", "clip_grad_norm"),
        ("CausalSelfAttention", "CausalSelfAttention"),
        ("LayerNorm::backward", "LayerNorm::backward"),
        ("zeros_like", "Gpt::zeros_like"),
        ("Top-P", "top-p"),
        ("back propagation", "back propagation"),
    ] {
        let wanted = known.iter().find(|(name, _)| name == item);
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
    let mut missed = Vec::new();
    for ((name, url), found) in searches.iter().zip(found(&mut tab, &searches))
    {
        let rank = found.iter().position(|one| one == url);
        let behind = BEHIND.contains(&name.as_str());
        if rank.is_none_or(|rank| (rank > 0) != behind) {
            missed.push(format!("{name}: {found:?}, not {url}"));
        }
    }
    assert!(missed.is_empty(), "{} missed: {missed:#?}", missed.len());
}

#[test]
fn what_a_learner_types_leads_to_the_section_that_explains_it() {
    let Some(mut tab) = open_search() else { return };
    let searches = searches();
    assert!(searches.len() > 250, "{} searches", searches.len());
    let missed = missed(&mut tab, &searches);
    assert!(missed.is_empty(), "{} missed: {missed:#?}", missed.len());
}

#[test]
fn every_term_of_the_glossary_leads_where_its_entry_does() {
    let Some(mut tab) = open_search() else { return };
    let mut terms = terms();
    assert!(terms.len() > 200, "{} terms", terms.len());
    terms.retain(|(term, _)| term != TOKEN);
    let urls = tab.evaluate("window.search.doc_urls");
    let urls: Vec<String> = serde_json::from_value(urls).unwrap();
    for (_, link) in &mut terms {
        // A link to a page leads to its first section
        let page = format!("{link}#");
        let top = urls.iter().find(|url| url.starts_with(&page));
        *link = top.cloned().unwrap_or_else(|| link.clone());
    }
    let missed = missed(&mut tab, &terms);
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
