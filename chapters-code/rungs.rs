//! What a model writes at each rung of the loss ladder, while it trains.
//!
//! `cargo run --example rungs` trains the default model of `shakespeare` on the
//! sonnets; `cargo run --example rungs -- FILE` trains that of
//! `shakespeare --preset long` on a text of your own, which takes an hour. The
//! steps are the same as there, to the bit.

use std::error::Error;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

#[allow(dead_code)] // what only the larger programs need
#[path = "terminal.rs"]
mod terminal;

use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::orientation::{Rung, ladder};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{
    Average, LrSchedule, TrainConfig, Trainer, evaluate, split,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use terminal::finish;

/// Hands the memory of one step to the next without asking the system again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 1337;

fn main() -> ExitCode {
    finish(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).map(PathBuf::from);
    let long = file.is_some();
    let text = match file {
        Some(path) => std::fs::read_to_string(&path).map_err(|error| {
            format!("cannot read {}: {error}", path.display())
        })?,
        None => include_str!("data/sonnets.txt").to_owned(),
    };
    let tokenizer = CharTokenizer::new(&text)?;
    let ids = tokenizer.encode(&text)?;
    let (train, validation) = split(&ids);
    let characters: Vec<char> = text.chars().collect();
    let (counted, scored) = split(&characters);
    let mut rungs = ladder(counted, scored);
    rungs.sort_by(|a, b| b.loss.total_cmp(&a.loss));

    let mut trainer = trainer(long, tokenizer.vocab_size())?;
    let steps = trainer.config.schedule.steps;
    let (mut next, mut passed) = (0, 0);
    loop {
        let step = trainer.step;
        if step == next || step % 500 == 0 || step == steps {
            next = next.max(step + (step / 60 * 10).max(10));
            let loss = evaluate(trainer.result(), validation)?;
            let below = rungs.iter().filter(|rung| loss < rung.loss).count();
            let words = words(below, &rungs);
            writeln!(stdout(), "step {step:>4}  {loss:.4}{words}")?;
            if below > passed || step == 0 || step == steps {
                let text = write(trainer.result(), &tokenizer)?;
                writeln!(stdout(), "  {text:?}")?;
            }
            passed = passed.max(below);
        }
        if step == steps {
            return Ok(());
        }
        trainer.take_step(train)?;
    }
}

/// A run with the settings of `shakespeare`.
fn trainer(long: bool, vocab_size: usize) -> Result<Trainer, Box<dyn Error>> {
    let (n_embd, block_size) = if long { (256, 256) } else { (128, 64) };
    let (batch_size, steps) = if long { (8, 18_000) } else { (16, 1500) };
    let (max_lr, weight_decay) = if long { (2e-3, 2.0) } else { (3e-3, 0.1) };
    let (n_layer, n_head) = (4, 4);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    let model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(SEED))?;
    let (min_lr, warmup) = (max_lr / 10.0, 100);
    let schedule = LrSchedule { max_lr, min_lr, warmup, steps };
    let (max_norm, eval_interval, seed) = (1.0, 500, SEED);
    let config =
        TrainConfig { batch_size, schedule, max_norm, eval_interval, seed };
    let mut trainer = Trainer::new(model, config)?;
    trainer.optimizer.weight_decay = weight_decay;
    trainer.average = Some(Average::new(trainer.model.clone(), 0.1)?);
    Ok(trainer)
}

/// The lowest rung that a loss is below.
fn words(below: usize, rungs: &[Rung]) -> String {
    match below.checked_sub(1).and_then(|last| rungs.get(last)) {
        Some(Rung { name, loss }) => format!("  below {name} ({loss:.3})"),
        None => String::new(),
    }
}

/// A few characters by a model, always from the same dice.
fn write(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<String, Box<dyn Error>> {
    // A text without line breaks begins anywhere
    let prompt = tokenizer.encode("\n").unwrap_or(vec![0]);
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(2); // stream 0 drew the weights, stream 1 the batches
    let ids = Generator::new(model, &prompt, Sampler::new(0.8, None)?, rng)?;
    let ids: Vec<u16> = ids.take(66).collect();
    Ok(tokenizer.decode(&ids)?)
}
