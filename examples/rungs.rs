//! What a model writes at each rung of the loss ladder, while it trains.
//!
//! `cargo run --example rungs` trains the model of `shakespeare` on the sonnets;
//! `cargo run --example rungs -- FILE` trains that of
//! `cargo microgpt train --preset long` on a text of your own, which takes an
//! hour. The steps are the same as there, to the bit.

use std::error::Error;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

mod terminal;

use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::orientation::{Rung, ladder};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{TrainConfig, Trainer, evaluate, split};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use terminal::read_text;

/// Hands the memory of one step to the next without asking the system again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 1337;

fn main() -> ExitCode {
    terminal::run(run)
}

fn run() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).map(PathBuf::from);
    let long = file.is_some();
    let text = match file {
        Some(path) => read_text(&path)?,
        None => include_str!("../chapters-code/data/sonnets.txt").to_owned(),
    };
    let tokenizer = CharTokenizer::new(&text)?;
    let ids = tokenizer.encode(&text)?;
    let (train, validation) = split(&ids);
    let characters: Vec<char> = text.chars().collect();
    let (counted, scored) = split(&characters);
    let mut rungs = ladder(counted, scored);
    rungs.sort_by(|a, b| b.loss.total_cmp(&a.loss));

    let mut trainer = trainer(long, tokenizer.vocab_size())?;
    let steps = trainer.config().schedule.steps;
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
    let (sizes, config) = match long {
        true => (GptConfig::long(vocab_size), TrainConfig::long()),
        false => (GptConfig::standard(vocab_size), TrainConfig::default()),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let model = Gpt::new(sizes, &mut rng)?;
    Ok(Trainer::new(model, config)?)
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
    let ids: Vec<u16> = ids.take(66).collect::<Result<_, _>>()?;
    Ok(tokenizer.decode(&ids)?)
}
