//! The book and everything it quotes, read once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::page::{Include, Page, Part};
use crate::source::{anchored, marks};

/// The chapters, in the order in which they are read and imported.
pub const READING_ORDER: [&str; 7] = [
    "orientation",
    "tokenization",
    "embeddings",
    "transformer_block",
    "gpt",
    "training",
    "generation",
];

/// The miniature book that breaks the laws.
pub const BROKEN: &str = "broken-book";

/// Something that a law lets pass: the page, the first line of the block or
/// the number, and why.
pub type Exception = (&'static str, &'static str, &'static str);

pub struct Allowed {
    /// Rust that is typed.
    pub rust: &'static [Exception],
    /// Outputs that are typed.
    pub outputs: &'static [Exception],
    /// Excerpts that are longer than others may be.
    pub long: &'static [Exception],
    /// Numbers in prose that an output on the page prints too.
    pub numbers: &'static [Exception],
}

pub struct Book {
    /// Every file that matters, by its path from the root.
    pub files: BTreeMap<String, String>,
    pub summary: Page,
    pub pages: Vec<Page>,
    pub allowed: Allowed,
}

impl Book {
    pub fn read(root: &Path, allowed: Allowed) -> Self {
        let mut files = BTreeMap::new();
        for path in [
            "book",
            "src",
            "chapters-code",
            "crates/cli",
            "examples",
            "tests",
            ".cargo",
            "Cargo.toml",
        ] {
            read_into(&mut files, root, path);
        }
        let page = |path: &str| Page::new(path, &files[path]);
        let is_page = |path: &&String| {
            let name = path.strip_prefix("book/").unwrap_or("/");
            let name = name.strip_prefix("appendix/").unwrap_or(name);
            name.ends_with(".md") && !name.contains('/') && name != "SUMMARY.md"
        };
        let pages = files.keys().filter(is_page).map(|path| page(path));
        let pages = pages.collect();
        let summary = page("book/SUMMARY.md");
        Self { files, summary, pages, allowed }
    }

    /// Whether a module's page is linked from the summary.
    pub fn is_written(&self, module: &str) -> bool {
        let page = format!("{module}.md");
        self.summary.links().iter().any(|link| link.target == page)
    }

    /// The chapters whose pages are.
    pub fn written(&self) -> Vec<&'static str> {
        let mut chapters = READING_ORDER.to_vec();
        chapters.retain(|chapter| self.is_written(chapter));
        chapters
    }

    /// The files of a kind under a folder, with their contents.
    pub fn files_in(
        &self,
        folder: &str,
        extension: &str,
    ) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter().map(|(p, text)| (&p[..], &text[..]));
        files.filter(move |(path, _)| {
            path.starts_with(folder) && path.ends_with(extension)
        })
    }

    /// The numbered lines that an include brings to its page, or why it brings
    /// nothing that should be there.
    pub fn excerpt(
        &self,
        page: &Page,
        include: &Include,
    ) -> Result<Vec<(usize, &str)>, String> {
        let path = resolve(&page.path, &include.target);
        let text = path.and_then(|path| self.files.get(&path));
        let Some(text) = text else {
            return Err(format!("there is no file {}", include.target));
        };
        let lines = (1..).zip(text.lines());
        let lines: Vec<(usize, &str)> = match &include.part {
            Part::Anchor(name) => return anchored(text, name),
            Part::Whole => lines.collect(),
            Part::Lines(first, last) => {
                let length = text.lines().count();
                let last = last.unwrap_or(length);
                if *first == 0 || *first > last || last > length {
                    return Err(format!("the file has {length} lines"));
                }
                lines.take(last).skip(first - 1).collect()
            }
        };
        let marks = marks(text);
        match marks.iter().find(|m| lines.iter().any(|(n, _)| *n == m.line)) {
            Some(mark) => Err(format!("it shows the anchor `{}`", mark.name)),
            None => Ok(lines),
        }
    }

    /// Every line of a source that stands in a block of some page.
    pub fn shown(&self) -> BTreeSet<(String, usize)> {
        let mut shown = BTreeSet::new();
        for page in &self.pages {
            for include in page.includes.iter().filter(|i| i.fence.is_some()) {
                let path = resolve(&page.path, &include.target);
                let excerpt = self.excerpt(page, include).unwrap_or_default();
                for (line, _) in excerpt {
                    shown.extend(path.clone().map(|path| (path, line)));
                }
            }
        }
        shown
    }
}

/// Reads a file, or all files of a folder, but for the broken book.
fn read_into(files: &mut BTreeMap<String, String>, root: &Path, path: &str) {
    if let Ok(entries) = fs::read_dir(root.join(path)) {
        for entry in entries {
            let name = entry.expect("a readable folder").file_name();
            let name = name.to_str().expect("a name in UTF-8");
            if name != BROKEN {
                read_into(files, root, &format!("{path}/{name}"));
            }
        }
    } else if let Ok(bytes) = fs::read(root.join(path)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        files.insert(path.to_string(), text);
    }
}

/// Where a target leads that is written in `page`, from the root; nowhere, if
/// that is outside of the repository.
pub fn resolve(page: &str, target: &str) -> Option<String> {
    let mut path: Vec<&str> = page.split('/').collect();
    path.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                path.pop()?;
            }
            part => path.push(part),
        }
    }
    Some(path.join("/"))
}
