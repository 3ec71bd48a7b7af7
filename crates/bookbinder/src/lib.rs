//! Builds a book as `mdbook build` does, with mdbook and mdbook-katex as
//! libraries: nothing to install, and nothing that is said gets lost.

pub mod chromium;
pub mod epub;
pub mod outline;
mod paper;
pub mod pdf;
mod search;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use mdbook_driver::MDBook;
use mdbook_driver::config::Config;
use mdbook_katex::preprocess::KatexProcessor;
use mdbook_preprocessor::book::Book;
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};
use outline::Outline;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// Where the repository is: the folder with `book.toml`.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2);
    root.expect("two folders down in the repository").to_owned()
}

/// Builds the book whose `book.toml` is in `root` into the folder `dest`.
///
/// Returns the warnings: mdBook and mdbook-katex warn where a reader would see
/// the mistake (a file that is missing, a formula that is wrong), and go on.
///
/// # Errors
/// If there is no book, or no `dest` to be written.
pub fn build(root: &Path, dest: &Path) -> Result<Vec<String>> {
    let config = root.join("book.toml");
    let mut config = Config::from_disk(&config)
        .with_context(|| format!("no book at {}", root.display()))?;
    config.build.build_dir = dest.to_owned();

    let listening = Listening::start()?;
    let mut book = MDBook::load_with_config(root, config)?;
    // Takes the place, and the order, of the program `mdbook-katex`
    book.with_preprocessor(Formulas);
    book.build()?;
    search::index_again(dest)?;
    paper::make_ready(&Outline::of(&book), dest)?;
    Ok(listening.stop())
}

/// mdbook-katex, whose formulas come with the TeX that they were made of, as
/// text. Markdown is still to come: it would take `\,` for a comma, and `\\`
/// for one backslash.
struct Formulas;

impl Preprocessor for Formulas {
    fn name(&self) -> &str {
        KatexProcessor.name()
    }

    fn run(
        &self,
        context: &PreprocessorContext,
        book: Book,
    ) -> mdbook_preprocessor::errors::Result<Book> {
        let mut book = KatexProcessor.run(context, book)?;
        book.for_each_chapter_mut(|chapter| {
            chapter.content = with_literal_tex(&chapter.content);
        });
        Ok(book)
    }
}

/// The same with the backslashes of the TeX in numbers, which Markdown leaves
/// alone, and what it would make pretty: quotes, dashes and dots. Stars and
/// underscores break a formula where mdbook builds it, so they stay as they are,
/// for the tests to see.
fn with_literal_tex(content: &str) -> String {
    const START: &str = "<annotation encoding=\"application/x-tex\">";
    let mut parts = content.split(START);
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (tex, rest) = part.split_once('<').unwrap_or((part, ""));
        all += START;
        for c in tex.chars() {
            if matches!(c, '\\' | '\'' | '"' | '-' | '.') {
                let _ = write!(all, "&#{};", u32::from(c));
            } else {
                all.push(c);
            }
        }
        all.push('<');
        all += rest;
    }
    all
}

/// Writes a file, and on an error nothing.
fn write_whole(file: &Path, bytes: &[u8]) -> Result<()> {
    let part = file.with_extension("part");
    let written =
        fs::write(&part, bytes).and_then(|()| fs::rename(&part, file));
    if written.is_err() {
        // Perhaps it was not even begun
        let _ = fs::remove_file(&part);
    }
    written.with_context(|| format!("{} is not written", file.display()))
}

/// What was warned of since the current build began.
static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// One build at a time, so that each hears its own warnings.
static BUILDING: Mutex<()> = Mutex::new(());

struct Listening(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Listening {
    fn start() -> Result<Self> {
        let guard = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        // The first build of a process appoints the listener for all
        let _ = tracing::subscriber::set_global_default(Listener);
        ensure!(tracing::enabled!(Level::WARN), "warnings would not be heard");
        heard().clear();
        Ok(Self(guard))
    }

    fn stop(self) -> Vec<String> {
        std::mem::take(&mut heard())
    }
}

fn heard() -> MutexGuard<'static, Vec<String>> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps warnings and errors; formulas are set on threads of their own, so it
/// listens to the whole process.
struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span() && *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        heard().push(text.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.0, "{value:?} "),
            name => write!(self.0, "{name}: {value:?} "),
        };
        written.expect("a string takes what is written");
    }
}
