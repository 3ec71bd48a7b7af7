//! Laws of the crate as the book describes it: its names and its order.

use std::collections::BTreeSet;

use crate::library::{Book, READING_ORDER};
use crate::source::{identifiers, imports, scrub};
use crate::{Breach, breach};

/// Every name in a column `code` of the notation page is a name in `src`.
pub fn notation_names_are_in_the_code(book: &Book) -> Vec<Breach> {
    let path = "book/notation.md";
    let Some(page) = book.pages.iter().find(|page| page.path == path) else {
        return Vec::new();
    };
    let code: Vec<String> =
        book.files_in("src/", ".rs").map(|(_, text)| scrub(text)).collect();
    let known: BTreeSet<&str> =
        code.iter().flat_map(|text| identifiers(text)).collect();
    let mut breaches = Vec::new();
    let mut columns: Option<Vec<bool>> = None;
    for (number, line) in (1..).zip(&page.lines) {
        if !line.starts_with('|') {
            columns = None;
            continue;
        }
        let cells = line.replace("\\|", " ");
        let cells = cells.split('|').map(str::trim);
        let Some(columns) = &columns else {
            columns = Some(cells.map(|head| head == "code").collect());
            continue;
        };
        let cells = cells.zip(columns).filter(|(_, is_code)| **is_code);
        for cell in cells.map(|(cell, _)| cell) {
            let spans = cell.split('`').skip(1).step_by(2);
            for name in spans.flat_map(identifiers) {
                if !known.contains(name) {
                    let said = format!("`{name}` is no name in src; mend it");
                    breaches.push(breach(path, number, said));
                }
            }
        }
    }
    breaches
}

/// The place of a module in reading order; what is no module has none.
fn place(order: &[&str], name: &str) -> Option<usize> {
    order.iter().position(|module| *module == name)
}

/// A chapter imports only earlier chapters, so that it can be read, and
/// compiled, with nothing but them.
pub fn reading_order_is_import_order(book: &Book) -> Vec<Breach> {
    let lib = "src/lib.rs";
    let text = scrub(book.files.get(lib).map_or("", |text| text));
    let declared = (1..).zip(text.lines()).filter_map(|(number, line)| {
        let name = line.strip_prefix("pub mod ")?.strip_suffix(';')?;
        Some((number, name))
    });
    let declared: Vec<(usize, &str)> = declared.collect();
    let later = declared.iter().map(|(_, name)| *name);
    let later = later.filter(|name| !READING_ORDER.contains(name));
    let order: Vec<&str> = READING_ORDER.into_iter().chain(later).collect();

    let mut breaches = Vec::new();
    for pair in declared.windows(2) {
        let [(_, before), (line, name)] = pair else { continue };
        if place(&order, before) > place(&order, name) {
            let said =
                format!("{name} is read before {before}; declare it first");
            breaches.push(breach(lib, *line, said));
        }
    }
    for (own, module) in order.iter().enumerate() {
        let path = format!("src/{module}.rs");
        let text = book.files.get(&path).map_or("", |text| text);
        for (line, name) in imports(text) {
            if place(&order, &name).is_some_and(|at| at > own) {
                let said = format!(
                    "{module} comes before {name} and cannot import it"
                );
                breaches.push(breach(&path, line, said));
            }
        }
    }
    // The first chapter's program shows the whole crate at work
    for own in 1..READING_ORDER.len() {
        breaches.extend(program_imports(book, own));
    }
    breaches
}

/// What a chapter's program compiles that its reader does not know yet.
fn program_imports(book: &Book, own: usize) -> Vec<Breach> {
    let module = READING_ORDER[own];
    let path = format!("chapters-code/{module}.rs");
    let text = book.files.get(&path).map_or("", |text| text);
    let mut breaches = Vec::new();
    for ((line, raw), code) in (1..).zip(text.lines()).zip(scrub(text).lines())
    {
        let compiled =
            raw.split_once("../src/").filter(|_| code.starts_with("#[path"));
        let name = compiled.and_then(|(_, file)| file.split_once(".rs"));
        let known = |name: &str| READING_ORDER[..=own].contains(&name);
        if let Some((name, _)) = name.filter(|(name, _)| !known(name)) {
            let said =
                format!("{module} is read before {name}; compile it without");
            breaches.push(breach(&path, line, said));
        }
        if identifiers(code).any(|word| word == "microgpt") {
            let said =
                "the crate has every module; compile the known ones by #[path]";
            breaches.push(breach(&path, line, said));
        }
    }
    breaches
}
