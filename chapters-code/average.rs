//! The mean of the weights of several checkpoints of one run, and its loss.
//!
//! `cargo run --example average -- TEXT FILE FILE…`, with the text that the
//! run has learned.

use std::path::Path;
use std::process::ExitCode;

use microgpt::checkpoint::load;
use microgpt::gpt::Gpt;
use microgpt::training::{evaluate, split};

/// Hands the memory of one evaluation to the next.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str =
    "name a text, then the checkpoints of a run that learned it";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or(USAGE)?;
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {path}: {error}"))?;
    let mut mean: Option<Gpt> = None;
    for (file, count) in arguments.zip(1usize..) {
        let named = |error: &dyn std::fmt::Display| format!("{file}: {error}");
        let (trainer, corpus) =
            load(Path::new(&file)).map_err(|e| named(&e))?;
        let ids = corpus.tokenizer.encode(&text).map_err(|e| named(&e))?;
        let (_, validation) = split(&ids);
        let measure =
            |model: &Gpt| evaluate(model, validation).map_err(|e| named(&e));
        let mean = mean.get_or_insert_with(|| trainer.model.clone());
        if mean.config() != trainer.model.config() {
            return Err(named(&"a model of other sizes than the one before"));
        }
        add(mean, &trainer.model, count as f32);
        let (loss, of_mean) = (measure(&trainer.model)?, measure(mean)?);
        let step = trainer.step;
        println!("step {step:>6}  {loss:.4}  mean of {count}  {of_mean:.4}");
    }
    mean.map(drop).ok_or(USAGE.to_owned())
}

// ANCHOR: add
/// Makes the mean of `n - 1` models into that of `n`: `m ← m + (w − m)/n`.
fn add(mean: &mut Gpt, model: &Gpt, n: f32) {
    for (mean, w) in mean.tensors_mut().into_iter().zip(model.tensors()) {
        for (m, w) in mean.data.iter_mut().zip(w.data) {
            *m += (w - *m) / n;
        }
    }
}
// ANCHOR_END: add
