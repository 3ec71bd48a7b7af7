//! The program this book follows, microgpt by Andrej Karpathy, in Rust: trains
//! its model on names, one a step, and prints what it prints.
//!
//! `cargo run --example names -- --data names.txt` takes two seconds.

#[path = "../chapters-code/names/mod.rs"]
mod names;
mod terminal;

use std::error::Error;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use names::{Names, STEPS, Trainer, Way};

/// Five names, invented, for a first look.
const FIVE: &str = "tavira\norlen\nmikasu\nbelora\nquinto\n";

/// Train microgpt on names, one a step, then invent twenty.
#[derive(Parser)]
struct Options {
    /// Names to train on, one on each line [default: five invented ones]
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Find gradients by formulas for matrices, not by the tape
    #[arg(long)]
    by_hand: bool,
}

fn main() -> ExitCode {
    terminal::run(|| run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let names = match &options.data {
        Some(path) => Names::new(&terminal::read_text(path)?)
            .map_err(|error| format!("{}: {error}", path.display()))?,
        None => Names::new(FIVE)?,
    };
    let way = if options.by_hand { Way::ByHand } else { Way::Tape };
    let mut trainer = Trainer::new(names, way, 42);

    let mut out = stdout();
    writeln!(out, "num docs: {}", trainer.names.names.len())?;
    writeln!(out, "vocab size: {}", trainer.names.vocab_size())?;
    writeln!(out, "num params: {}", trainer.model.num_params())?;
    for step in 1..=STEPS {
        let loss = trainer.take_step();
        writeln!(out, "step {step:4} / {STEPS:4} | loss {loss:.4}")?;
    }
    writeln!(out, "\n--- inference (new, hallucinated names) ---")?;
    for sample in 1..=20 {
        let name = terminal::visible_line(&trainer.invent());
        writeln!(out, "sample {sample:2}: {name}")?;
    }
    Ok(())
}
