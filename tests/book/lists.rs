//! Laws of the two lists at the end of the book: its terms and its sources.

use crate::library::{Book, resolve};
use crate::page::{Heading, Link, Page};
use crate::{Breach, breach};

const GLOSSARY: &str = "book/glossary.md";
const SOURCES: &str = "book/sources.md";
const INTRODUCTION: &str = "book/introduction.md";

fn page<'a>(book: &'a Book, path: &str) -> Option<&'a Page> {
    book.pages.iter().find(|page| page.path == path)
}

/// What is bold in a text.
fn bold(text: &str) -> impl Iterator<Item = &str> {
    text.split("**").skip(1).step_by(2)
}

/// The entries of the glossary: their lines, and the terms they explain.
fn terms(glossary: &Page) -> Vec<(usize, &str)> {
    let lines = (1..).zip(&glossary.prose);
    let listed = lines.filter(|(_, text)| text.starts_with("- **"));
    listed.filter_map(|(line, text)| Some((line, bold(text).next()?))).collect()
}

/// Every term that a chapter prints bold is in the glossary, in the singular.
/// What ends with a mark, like **Predict.**, is the heading of a paragraph.
pub fn bold_terms_are_in_the_glossary(book: &Book) -> Vec<Breach> {
    let glossary = page(book, GLOSSARY).map_or_else(Vec::new, terms);
    let known = |term: &str| {
        let singular = term.strip_suffix('s').unwrap_or(term);
        glossary.iter().any(|(_, known)| [term, singular].contains(known))
    };
    let mut breaches = Vec::new();
    for link in book.summary.links() {
        let listed = book.summary.lines[link.line - 1].trim_start();
        let path = resolve(&book.summary.path, &link.target);
        let page = path.and_then(|path| page(book, &path));
        let chapter = page.filter(|_| listed.starts_with("- "));
        let words = chapter.map_or_else(Vec::new, Page::words);
        for (line, words) in (1..).zip(&words) {
            let is_term = |text: &&str| {
                !text.ends_with(['.', '?'])
                    && text.contains(char::is_alphabetic)
            };
            for term in bold(words).filter(is_term).filter(|t| !known(t)) {
                let said = format!("`{term}` is not in the glossary; add it");
                let path = resolve(&book.summary.path, &link.target);
                breaches.push(breach(&path.unwrap_or_default(), line, said));
            }
        }
    }
    breaches
}

/// The glossary has each term once, in order, and the sections to which it leads
/// know the term.
pub fn the_glossary_leads_to_its_terms(book: &Book) -> Vec<Breach> {
    let Some(glossary) = page(book, GLOSSARY) else { return Vec::new() };
    let terms = terms(glossary);
    let mut breaches = Vec::new();
    for pair in terms.windows(2) {
        let [(_, before), (line, term)] = pair else { continue };
        if before.to_lowercase() >= term.to_lowercase() {
            let said = format!("`{term}` does not belong after `{before}`");
            breaches.push(breach(GLOSSARY, *line, said));
        }
    }
    for (line, term) in terms {
        let known = |section: &String| {
            section.to_lowercase().contains(&term.to_lowercase())
        };
        let leads = sections_linked(book, glossary, line);
        if leads.is_empty() || !leads.iter().all(known) {
            let said = format!("no section for `{term}`, or one without it");
            breaches.push(breach(GLOSSARY, line, said));
        }
    }
    breaches
}

fn pages_linked<'a>(book: &'a Book, page: &Page, line: usize) -> Vec<&'a Page> {
    let links = page.links().into_iter().filter(|link| link.line == line);
    let file = |target: &str| target.split('#').next().map(str::to_string);
    let targets = links.filter_map(|link| file(&link.target));
    let paths = targets.filter_map(|target| resolve(&page.path, &target));
    paths.filter_map(|path| self::page(book, &path)).collect()
}

/// The words of the sections to which the links in a line lead.
fn sections_linked(book: &Book, page: &Page, line: usize) -> Vec<String> {
    let links = page.links().into_iter().filter(|link| link.line == line);
    let sections = links.map(|link| {
        let (file, id) = link.target.split_once('#').unzip();
        let path = resolve(&page.path, file.unwrap_or(&link.target))?;
        section(self::page(book, &path)?, id)
    });
    sections.map(Option::unwrap_or_default).collect()
}

/// The words of a section with its subsections, or before the second heading of
/// the page.
fn section(page: &Page, id: Option<&str>) -> Option<String> {
    let headings = page.headings();
    let is_it = |h: &Heading| id.is_none_or(|id| h.id.as_deref() == Some(id));
    let first = headings.iter().position(is_it)?;
    let (first, rest) = headings[first..].split_first()?;
    let level = if id.is_some() { first.level } else { usize::MAX };
    let next = rest.iter().find(|heading| heading.level <= level);
    let words = page.words();
    let last = next.map_or(words.len(), |heading| heading.line - 1);
    Some(words[first.line - 1..last].join(" "))
}

/// An entry of the list of sources.
struct Source {
    line: usize,
    /// What links lead to: `- <span id="surname-year">Surname</span>, …`.
    anchor: Option<String>,
    surname: String,
    year: String,
    /// Without what stands behind a colon or in brackets.
    title: String,
    id: Option<String>,
}

impl Source {
    /// `- Surname, rest: *Title* (year), arXiv id.`
    fn new(line: usize, text: &str) -> Option<Self> {
        let text = text.strip_prefix("- ")?;
        let marked = text.strip_prefix("<span id=\"").and_then(|marked| {
            let (anchor, rest) = marked.split_once("\">")?;
            let (surname, rest) = rest.split_once("</span>")?;
            Some((anchor.to_string(), surname, rest))
        });
        let (anchor, surname, rest) = match marked {
            Some((anchor, surname, rest)) => (Some(anchor), surname, rest),
            None => {
                let (surname, rest) = text.split_once([',', ':'])?;
                (None, surname, rest)
            }
        };
        let (_, rest) = rest.split_once('*')?;
        let (title, rest) = rest.split_once('*')?;
        let title = title.split([':', '(']).next()?.trim().to_string();
        let (_, year) = years(rest).into_iter().next()?;
        let id = ids(rest).into_iter().next().map(|(_, id)| id);
        let surname = surname.to_string();
        Some(Self { line, anchor, surname, year, title, id })
    }

    fn is_named(&self, text: &str) -> bool {
        text.contains(&self.surname) || self.is_titled(text)
    }

    fn is_titled(&self, text: &str) -> bool {
        text.contains(&format!("*{}", self.title))
    }
}

/// The years of citations, `(2017)`, `(Name, 2017)` or `[Name, 2017]`, and
/// where they stand.
fn years(text: &str) -> Vec<(usize, String)> {
    let closed = text.char_indices().filter_map(|(end, close)| {
        let (open, alone) = match close {
            ')' => ('(', true),
            ']' => ('[', false),
            _ => return None,
        };
        let year = text.get(end.checked_sub(4)?..end)?;
        let before = text[..end - 4].rfind(open).map(|at| at + 1)?;
        let within = &text[before..end - 4];
        let name = within.starts_with(char::is_uppercase);
        let cites =
            alone && within.is_empty() || name && within.ends_with(", ");
        let recent = year.starts_with("19") || year.starts_with("20");
        let digits = year.bytes().all(|c| c.is_ascii_digit());
        (cites && recent && digits).then(|| (end, year.to_string()))
    });
    closed.collect()
}

/// The numbers behind the word arXiv, and where they stand.
fn ids(text: &str) -> Vec<(usize, String)> {
    let found = text.match_indices("arXiv").map(|(at, word)| {
        let rest = text[at + word.len()..].trim_start_matches([' ', ':']);
        let digits = |c: char| c.is_ascii_digit() || c == '.';
        let id = rest.split(|c| !digits(c)).next().unwrap_or("");
        (at, id.trim_end_matches('.').to_string())
    });
    found.filter(|(_, id)| !id.is_empty()).collect()
}

fn sources(book: &Book) -> Vec<Source> {
    let prose = page(book, SOURCES).map(|page| &page.prose);
    let lines = prose.into_iter().flatten();
    let entries = (1..).zip(lines).map(|(line, text)| Source::new(line, text));
    entries.flatten().collect()
}

/// Where something may be cited: a file, a line, the line and the one before
/// it, and whether it is in a chapter's own list.
fn cited(book: &Book) -> Vec<(&str, usize, String, bool)> {
    let mut lines = Vec::new();
    for page in book.pages.iter().filter(|page| page.path != SOURCES) {
        let mut before = "";
        let mut listed = false;
        for (line, text) in (1..).zip(&page.prose) {
            if text.starts_with('#') {
                listed = text == "## Sources";
            }
            lines.push((&page.path[..], line, join(before, text), listed));
            before = if listed { "" } else { text };
        }
    }
    for (path, text) in book.files_in("src/", ".rs") {
        let mut before = "";
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim_start();
            let doc = text.strip_prefix("///").or(text.strip_prefix("//!"));
            let text = doc.unwrap_or("");
            lines.push((path, line, join(before, text), false));
            before = text;
        }
    }
    lines
}

fn join(before: &str, text: &str) -> String {
    // A citation that ends in the line before is that line's
    let open = before.rfind(')').map_or(before, |at| &before[at + 1..]);
    format!("{open} {text}")
}

/// Whoever is cited, on a page or in a comment of `src`, is in the list, under
/// that year, that title and that number.
pub fn citations_have_their_source(book: &Book) -> Vec<Breach> {
    let sources = sources(book);
    let mut breaches = Vec::new();
    for (path, line, text, listed) in cited(book) {
        for (at, year) in years(&text) {
            let source = sources.iter().any(|source| {
                let title = !listed || source.is_titled(&text[..at]);
                source.year == year && title && source.is_named(&text[..at])
            });
            if !source {
                let said = format!("{SOURCES} has nothing for this of {year}");
                breaches.push(breach(path, line, said));
            }
        }
        for (at, id) in ids(&text) {
            let source = sources.iter().find(|s| s.id.as_ref() == Some(&id));
            if !source.is_some_and(|source| source.is_named(&text[..at])) {
                let said = format!("in {SOURCES}, arXiv {id} is not this");
                breaches.push(breach(path, line, said));
            }
        }
    }
    breaches
}

/// Every source is listed with its title and year, in order, and leads to
/// pages which cite it.
pub fn sources_lead_to_their_citations(book: &Book) -> Vec<Breach> {
    let Some(page) = page(book, SOURCES) else { return Vec::new() };
    let sources = sources(book);
    let mut breaches = Vec::new();
    for (line, text) in (1..).zip(&page.prose) {
        let known = sources.iter().any(|source| source.line == line);
        if text.starts_with("- ") && !known {
            let said = "write it as `- Surname, …: *Title* (year), arXiv id`";
            breaches.push(breach(SOURCES, line, said));
        }
    }
    for pair in sources.windows(2) {
        let key = |source: &Source| {
            (source.surname.to_lowercase(), source.year.clone())
        };
        if key(&pair[0]) > key(&pair[1]) {
            let said = format!("{} belongs further up", pair[1].surname);
            breaches.push(breach(SOURCES, pair[1].line, said));
        }
    }
    let cited = cited(book);
    for source in &sources {
        let cites = |page: &Page| {
            cited.iter().filter(|(path, ..)| *path == page.path).any(|at| {
                let years = years(&at.2);
                let year = years.iter().any(|(_, year)| *year == source.year);
                year && source.is_named(&at.2)
            })
        };
        let leads = pages_linked(book, page, source.line);
        if leads.is_empty() || !leads.iter().all(|page| cites(page)) {
            let said = format!(
                "no page for {} ({}), or one that does not cite it",
                source.surname, source.year
            );
            breaches.push(breach(SOURCES, source.line, said));
        }
    }
    breaches
}

/// A source stands where it is used, too: each page that the list names for it
/// links to its entry from its text, and again from its own list, if it has
/// one.
pub fn sources_are_cited_where_they_are_used(book: &Book) -> Vec<Breach> {
    let Some(list) = page(book, SOURCES) else { return Vec::new() };
    let mut breaches = Vec::new();
    for source in sources(book) {
        let Some(anchor) = &source.anchor else {
            let said = "give it an id: `- <span id=\"surname-year\">Surname<…`";
            breaches.push(breach(SOURCES, source.line, said));
            continue;
        };
        for page in pages_linked(book, list, source.line) {
            let own = page.headings();
            let own = own.iter().find(|h| h.level == 2 && h.text == "Sources");
            let own = own.map_or(usize::MAX, |heading| heading.line);
            let to = |link: &Link| {
                let target = link.target.split_once('#');
                target.is_some_and(|(file, fragment)| {
                    let path = resolve(&page.path, file);
                    path.as_deref() == Some(SOURCES) && fragment == anchor
                })
            };
            let links = page.links();
            let lines = || links.iter().filter(|l| to(l)).map(|l| l.line);
            let text = lines().any(|line| line < own);
            let listed = own == usize::MAX || lines().any(|line| line > own);
            if !text || !listed {
                let place = if text { "its own list" } else { "its text" };
                let said = format!(
                    "no link to sources.md#{anchor} from {place}; put it where \
                     the source is used"
                );
                breaches.push(breach(&page.path, own.min(1), said));
            }
        }
    }
    breaches
}

/// Experiments are numbered in reading order, and the introduction lists each.
pub fn experiments_are_listed(book: &Book) -> Vec<Breach> {
    let Some(list) = page(book, INTRODUCTION) else { return Vec::new() };
    let links = list.links();
    let mut breaches = Vec::new();
    let mut last = (0, 0); // the chapter and the experiment before
    for link in book.summary.links() {
        let path = resolve(&book.summary.path, &link.target);
        let page = path.and_then(|path| page(book, &path));
        for heading in page.map_or_else(Vec::new, Page::headings) {
            let path = format!("book/{}", link.target);
            let at = |said| breach(&path, heading.line, said);
            let Some(title) = heading.text.strip_prefix("Experiment ") else {
                continue;
            };
            let number = title.split(':').next().unwrap_or("");
            let parts = number.split_once('.').unwrap_or_default();
            let this = [parts.0, parts.1].map(|part| part.parse().unwrap_or(0));
            let this = (this[0], this[1]);
            let follows = match this.0 == last.0 {
                true => this.1 == last.1 + 1,
                false => this.0 > last.0 && this.1 == 1,
            };
            if !follows {
                let said = format!("{number} does not follow {last:?}");
                breaches.push(at(said));
            }
            last = this;
            let id = heading.id.as_deref().unwrap_or_default();
            let target = format!("{}#{id}", link.target);
            if !links.iter().any(|link| link.target == target) {
                let said = format!("the introduction does not link {target}");
                breaches.push(at(said));
            }
        }
    }
    breaches
}
