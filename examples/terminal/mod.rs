//! What the programs that people start by hand share: reading a text, starting
//! threads, and ending with a sentence.

#![allow(dead_code)] // few programs need all of it

pub mod memory;
pub mod processor;

use std::error::Error;
use std::io::{self, Write, stderr};
use std::path::Path;
use std::process::{ExitCode, Termination};

use microgpt::tokenization::{CharTokenizer, TokenizerError, unseen};

use processor::check_processor;

/// The text in a file.
pub fn read_text(path: &Path) -> Result<String, Box<dyn Error>> {
    let name = path.display();
    let bytes = std::fs::read(path)
        .map_err(|error| format!("cannot read {name}: {error}"))?;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        Err(format!("{name} is UTF-16; convert it to UTF-8 first"))?;
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("{name} is not UTF-8 at byte {at}; convert it to UTF-8 first")
    })?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
        warn(&format!(
            "{name} begins with a byte-order mark (U+FEFF), which is left out"
        ));
    }
    if text.is_empty() {
        Err(format!("{name} is empty; give a text to train on"))?;
    }
    Ok(text)
}

/// What is wrong with a prompt, and what to do.
pub fn prompt_error(error: &TokenizerError, known: &CharTokenizer) -> String {
    let mut said = format!(
        "--prompt: {error}, those that the model knows; use only these"
    );
    let TokenizerError::UnknownCharacters { unknown, .. } = error else {
        return said;
    };
    let is_mark = |c: char| {
        unseen(c).is_some_and(|what| what.starts_with("a combining mark"))
    };
    let marks = known.vocabulary().iter().find(|&&c| is_mark(c));
    let composed = |c: char| c.is_alphabetic() && !c.is_ascii() && !is_mark(c);
    if let Some(&mark) = marks
        && unknown.iter().any(|&(c, _)| composed(c))
    {
        said += &format!(
            "; it knows U+{:04X}, a combining mark: its text is in decomposed \
             form, so give the prompt in NFD",
            u32::from(mark),
        );
    }
    said
}

/// Starts the threads that rayon will use, this one among them.
pub fn start_threads(threads: Option<usize>) -> Result<usize, Box<dyn Error>> {
    let available = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = threads.unwrap_or(available);
    if !(1..=1024).contains(&threads) {
        Err(format!("--threads {threads}: give a number from 1 to 1024"))?;
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .build_global()?;
    Ok(threads)
}

/// Whether an error is only that whatever reads the output has stopped, as
/// `head` does.
fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A program, from its start to its end: with what went wrong, unless it is
/// only that nobody reads the output any more.
pub fn run<T: Termination>(
    program: impl FnOnce() -> Result<T, Box<dyn Error>>,
) -> ExitCode {
    check_processor();
    match program() {
        Ok(ended) => ended.report(),
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            warn(&format!("error: {}", visible_line(&error.to_string())));
            ExitCode::from(2)
        }
    }
}

/// Prints a line where errors go, if anybody reads them.
pub fn warn(text: &str) {
    let _ = writeln!(stderr(), "{}", visible(text));
}

/// The text, with what could command a terminal spelled out, since it may be a
/// stranger's: control characters, but for the ends of lines and tabs, and those
/// that turn the direction of writing. A pipe gets the same as a terminal: most
/// pipes end at one.
///
/// A carriage return is left where it ends a line together with a line break;
/// alone it would go back, and let later text hide what was printed.
pub fn visible(text: &str) -> String {
    let unwanted = |c: char| c.is_control() && c != '\n' && c != '\t';
    let lines = text.split("\r\n").map(|line| spelled(line, unwanted));
    lines.collect::<Vec<_>>().join("\r\n")
}

/// Prints generated text as it comes, made [`visible`].
pub struct Printer<W> {
    out: W,
    held: bool, // a carriage return, until it is known what follows
}

impl<W: Write> Printer<W> {
    /// Prints where `out` leads.
    pub fn new(out: W) -> Self {
        Self { out, held: false }
    }

    /// Prints more of the text, at once.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        let held = if self.held { "\r" } else { "" };
        let text = format!("{held}{text}");
        let now = text.strip_suffix('\r');
        self.held = now.is_some();
        write!(self.out, "{}", visible(now.unwrap_or(&text)))?;
        self.out.flush()
    }

    /// Ends the last line.
    pub fn finish(mut self) -> io::Result<()> {
        let held = if self.held { "\r" } else { "" };
        writeln!(self.out, "{}", visible(held))
    }
}

/// As [`visible`], and on one line: for names, and for what is wrong with them.
pub fn visible_line(text: &str) -> String {
    spelled(text, char::is_control)
}

fn spelled(text: &str, unwanted: impl Fn(char) -> bool) -> String {
    let spell = |c: char| match unwanted(c) || turns(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(spell).collect()
}

/// Whether it turns the direction of writing (Unicode's Bidi_Control), or is an
/// end of a line to some terminals only.
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
