//! `microgpt`: trains character-level GPTs, and generates text with them.
//!
//! A file for each subcommand. Each turns its options into something that is
//! known to be right, and only then works on it.

mod average;
mod checkpoint;
mod dataset;
mod export;
mod generate;
mod generation;
mod import;
mod inspect;
mod interrupt;
mod observer;
mod resume;
mod session;
mod settings;
#[path = "../../../examples/terminal/mod.rs"]
mod terminal;
mod train;

use std::path::Path;
use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};
use indicatif::HumanCount;

/// Keeps the memory that one step frees for the next.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Error = Box<dyn std::error::Error>;

/// Train a small GPT on a text, and generate new text with it.
#[derive(Parser)]
#[command(name = "microgpt", version, max_term_width = 80)]
#[command(disable_help_flag = true, disable_help_subcommand = true)]
struct Program {
    #[command(subcommand)]
    task: Task,
    /// Print help
    #[arg(short, long, global = true, action = ArgAction::HelpShort)]
    help: Option<bool>,
}

#[derive(Subcommand)]
enum Task {
    Train(train::Options),
    Resume(resume::Options),
    Generate(generate::Options),
    Inspect(inspect::Options),
    Export(export::Options),
    Import(import::Options),
    Average(average::Options),
}

fn main() -> ExitCode {
    terminal::run(|| {
        let matches = Program::command().bin_name(program()).get_matches();
        match Program::from_arg_matches(&matches) {
            Ok(Program { task, .. }) => run(task),
            Err(error) => error.exit(),
        }
    })
}

fn run(task: Task) -> Result<ExitCode, Error> {
    match task {
        Task::Train(options) => return options.session()?.run(),
        Task::Resume(options) => return options.session()?.run(),
        Task::Generate(options) => options.job()?.run()?,
        Task::Inspect(options) => options.job()?.run()?,
        Task::Export(options) => options.job()?.run()?,
        Task::Import(options) => options.job()?.run()?,
        Task::Average(options) => options.job()?.run()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What to type to call this program again: as it was called.
fn program() -> &'static str {
    // Cargo tells what it runs which package that is of
    match std::env::var("CARGO_PKG_NAME") {
        Ok(name) if name == env!("CARGO_PKG_NAME") => "cargo microgpt",
        _ => "microgpt",
    }
}

/// So many of something: 1 step, 1,500 steps.
fn counted(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", HumanCount(number as u64))
}

/// A file name, as it has to be typed.
fn typed(path: &Path) -> String {
    let name = shown(path);
    let plain = |c: char| c.is_alphanumeric() || "._-/\\:".contains(c);
    if name.chars().all(plain) { name } else { format!("\"{name}\"") }
}

/// A file name, in a sentence: it may come from a stranger's archive.
fn shown(path: &Path) -> String {
    terminal::visible_line(&path.display().to_string())
}
