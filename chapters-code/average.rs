//! The mean of the weights of several checkpoints of one run, and its loss.
//!
//! `cargo run --example average -- TEXT FILE FILE…`, with the text that the
//! run has learned.

use std::error::Error;
use std::fmt::Display;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

#[path = "../examples/terminal/mod.rs"]
mod terminal;

use microgpt::checkpoint::{Corpus, load};
use microgpt::gpt::Gpt;
use microgpt::training::{Average, evaluate, split};
use terminal::finish;

/// Hands the memory of one evaluation to the next.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str =
    "name a text, then the checkpoints of a run that learned it";

fn main() -> ExitCode {
    finish(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut paths = std::env::args_os().skip(1).map(PathBuf::from);
    let path = paths.next().ok_or(USAGE)?;
    let unread = |error| format!("cannot read {}: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(unread)?;
    let given = Corpus::new(&text)?;
    let ids = given.tokenizer.encode(&text)?;
    let (_, validation) = split(&ids);
    let mut mean: Option<Average> = None;
    for file in paths {
        let named =
            |error: &dyn Display| format!("{}: {error}", file.display());
        let (trainer, learned) = load(&file).map_err(|e| named(&e))?;
        if learned != given {
            Err(named(&"learned another text; name that one"))?;
        }
        let measure =
            |model: &Gpt| evaluate(model, validation).map_err(|e| named(&e));
        let model = &trainer.model;
        let average = mean.get_or_insert_with(|| Average::new(model.clone()));
        if average.model.config() != model.config() {
            Err(named(&"a model of other sizes than the one before"))?;
        }
        average.update(model, 1.0); // the plain mean
        let (loss, of_mean) = (measure(model)?, measure(&average.model)?);
        let (step, count) = (trainer.step, average.steps);
        writeln!(
            stdout(),
            "step {step:>6}  {loss:.4}  mean of {count}  {of_mean:.4}"
        )?;
    }
    mean.ok_or(USAGE)?;
    Ok(())
}
