//! Laws of the crate as the book describes it: its names and its order.

use std::collections::BTreeSet;

use crate::library::{Book, READING_ORDER};
use crate::source::{heads, identifiers, imports, scrub};
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

/// Where the appendices are.
const APPENDIX: &str = "src/appendix/";

/// The appendix that others may import: what their files look like.
const FORMAT: &str = "safetensors";

/// The appendix that a file belongs to.
fn appendix(path: &str) -> String {
    let path = path.trim_start_matches(APPENDIX).trim_end_matches(".rs");
    path.split('/').next().unwrap_or(path).to_string()
}

/// The names of all of them.
fn appendices(book: &Book) -> BTreeSet<String> {
    let names = book.files_in(APPENDIX, ".rs").map(|(path, _)| appendix(path));
    names.filter(|name| name != "mod").collect()
}

/// A chapter imports only earlier chapters, so that it can be read, and
/// compiled, with nothing but them. An appendix imports chapters, and no other
/// appendix but the format of files.
pub fn reading_order_is_import_order(book: &Book) -> Vec<Breach> {
    let lib = "src/lib.rs";
    let text = scrub(book.files.get(lib).map_or("", |text| text));
    let declared = (1..).zip(text.lines()).filter_map(|(number, line)| {
        let name = line.strip_prefix("pub mod ")?.strip_suffix(';')?;
        Some((number, name))
    });
    let declared: Vec<(usize, &str)> = declared.collect();
    let appendices = appendices(book);
    let later = declared.iter().map(|(_, name)| *name);
    let later = later.filter(|name| !READING_ORDER.contains(name));
    let later = later.chain(appendices.iter().map(|name| &name[..]));
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
    for (own, module) in READING_ORDER.iter().enumerate() {
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
    for (path, text) in book.files_in(APPENDIX, ".rs") {
        let own = appendix(path);
        let other = |name: &String| {
            appendices.contains(name) && *name != own && name != FORMAT
        };
        for (line, name) in imports(text).iter().filter(|it| other(&it.1)) {
            let said = format!(
                "{own} and {name} are appendices; they share {FORMAT} alone"
            );
            breaches.push(breach(path, *line, said));
        }
    }
    // The first chapter's program shows the whole crate at work
    for own in 1..READING_ORDER.len() {
        breaches.extend(program_imports(book, own));
    }
    breaches
}

/// What a chapter's program imports that its reader does not know yet.
fn program_imports(book: &Book, own: usize) -> Vec<Breach> {
    let module = READING_ORDER[own];
    let path = format!("chapters-code/{module}/main.rs");
    let text = scrub(book.files.get(&path).map_or("", |text| text));
    let mut breaches = Vec::new();
    for (at, _) in text.match_indices("double::") {
        let line = 1 + text[..at].matches('\n').count();
        for name in heads(&text[at + "double::".len()..]) {
            if place(&READING_ORDER, name).is_some_and(|at| at > own) {
                let said = format!(
                    "{module} is read before {name}; do without, or move it \
                     to experiments.rs"
                );
                breaches.push(breach(&path, line, said));
            }
        }
    }
    for (line, code) in (1..).zip(text.lines()) {
        if identifiers(code).any(|word| word == "microgpt") {
            let said = "from the second chapter on, programs use `double`";
            breaches.push(breach(&path, line, said));
        }
    }
    breaches
}
