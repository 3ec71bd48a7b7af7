//! Small books to try the checks on, with the real book's settings and looks.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// What comes before the redirects, which a sample has no pages for.
pub const MOVED: &str = "# Pages that have moved.";
/// A page with one of each: formulas, figure, table, note, footnote, details.
pub const SAMPLE: &str = include_str!("sample.md");
/// The figure in it.
pub const FIGURE: &str = include_str!("figure.svg");

/// A book in a temporary folder, and the pages built from it.
pub struct Sample {
    folder: TempDir,
    /// What mdBook and mdbook-katex warned of.
    pub warnings: Vec<String>,
}

impl Sample {
    /// Writes the pages (stem and Markdown), lets `edit` change the folder, and
    /// builds.
    pub fn build(pages: &[(&str, &str)], edit: impl Fn(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        let book = root.join("book");
        let real = bookbinder::root();
        let settings = fs::read_to_string(real.join("book.toml"));
        let settings = settings.expect("the book's settings");
        let (settings, _moved) = settings.split_once(MOVED).expect(MOVED);
        write(&root.join("book.toml"), settings);
        copy(&real.join("book/style.css"), &book.join("style.css"));
        copy(&real.join("book/page.js"), &book.join("page.js"));
        copy(&real.join("book/katex"), &book.join("katex"));
        copy(&real.join("book/theme"), &book.join("theme"));
        write(&book.join("figures/figure.svg"), FIGURE);
        let mut summary = String::from("# Summary\n\n");
        for (stem, text) in pages {
            write(&book.join(format!("{stem}.md")), text);
            summary += &format!("- [{stem}]({stem}.md)\n");
        }
        write(&book.join("SUMMARY.md"), &summary);
        edit(root);
        let warnings =
            bookbinder::build(root, &root.join("built")).expect("a book");
        Self { folder, warnings }
    }

    /// Where the pages are.
    pub fn built(&self) -> PathBuf {
        self.folder.path().join("built")
    }
}

fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
}
