//! What a book consists of, for its title page and its tables of contents.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mdbook_driver::MDBook;
use mdbook_driver::book::BookItem;

/// A book's title and its pages, in reading order.
pub struct Outline {
    /// Its title.
    pub title: String,
    /// What it is, in a line.
    pub description: String,
    /// Who wrote it.
    pub authors: Vec<String>,
    /// Its language, as `en`.
    pub language: String,
    /// Where it is written.
    pub source: PathBuf,
    /// The parts of its summary; the first is what comes before any heading.
    pub parts: Vec<Part>,
}

/// What stands under one heading of the summary, or behind a rule.
#[derive(Default)]
pub struct Part {
    /// The heading; a rule has none.
    pub title: Option<String>,
    /// Its pages.
    pub pages: Vec<Page>,
}

/// A page of the book.
pub struct Page {
    /// Its number (`4.1`), if it has one.
    pub number: Option<String>,
    /// Its name in the summary.
    pub name: String,
    /// Where it lies in the built book: `appendix/bf16.html`.
    pub path: String,
}

impl Outline {
    /// Reads the settings and the summary of the book in `root`.
    ///
    /// # Errors
    /// If there is no book.
    pub fn read(root: &Path) -> Result<Self> {
        let book = MDBook::load(root)
            .with_context(|| format!("no book at {}", root.display()))?;
        Ok(Self::of(&book))
    }

    /// What a loaded book consists of.
    pub(crate) fn of(book: &MDBook) -> Self {
        let mut parts = vec![Part::default()];
        for item in book.iter() {
            match item {
                BookItem::Chapter(chapter) => {
                    // A page without a file is a name for later
                    let Some(path) = &chapter.path else { continue };
                    let path = path.with_extension("html");
                    let number = chapter.number.as_ref();
                    let number = number.map(ToString::to_string);
                    let page = Page {
                        number: number.map(|n| n.trim_matches('.').into()),
                        name: chapter.name.clone(),
                        path: path.to_string_lossy().replace('\\', "/"),
                    };
                    parts.last_mut().expect("one").pages.push(page);
                }
                BookItem::PartTitle(title) => {
                    let title = Some(title.clone());
                    parts.push(Part { title, pages: Vec::new() });
                }
                BookItem::Separator => parts.push(Part::default()),
            }
        }
        parts.retain(|part| !part.pages.is_empty());
        let settings = &book.config.book;
        Self {
            title: settings.title.clone().unwrap_or_default(),
            description: settings.description.clone().unwrap_or_default(),
            authors: settings.authors.clone(),
            language: settings.language.clone().unwrap_or_default(),
            source: book.source_dir(),
            parts,
        }
    }

    /// All pages, in reading order.
    pub fn pages(&self) -> impl Iterator<Item = &Page> {
        self.parts.iter().flat_map(|part| &part.pages)
    }
}
