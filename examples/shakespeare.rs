//! Trains a GPT on Shakespeare's sonnets, then generates new text with it.
//!
//! `cargo run --example shakespeare` takes about a minute on two cores.

mod terminal;

use std::io::{Write, stdout};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::orientation::{Rung, ladder};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{
    Evaluation, Event, LrSchedule, TrainConfig, Trainer, split,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// Keeps the memory that one step frees for the next.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Train a small GPT on a text, then generate new text with it.
#[derive(Parser)]
struct Options {
    /// Text to train on, in UTF-8 [default: Shakespeare's sonnets]
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Training steps
    #[arg(long, default_value_t = 1500)]
    steps: usize,
    /// Text to continue [default: a line break]
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// 0 takes the likeliest character, 1 samples from the model's prediction
    #[arg(long, default_value_t = 0.8, allow_hyphen_values = true)]
    temperature: f32,
    /// Sample from the K likeliest characters only [default: all]
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
}

fn main() -> ExitCode {
    terminal::run(|| run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    // Text to ids
    let text = match &options.data {
        Some(path) => terminal::read_text(path)?,
        None => include_str!("../chapters-code/data/sonnets.txt").to_owned(),
    };
    let tokenizer = CharTokenizer::new(&text)?;
    let ids = tokenizer.encode(&text)?;
    let (train, validation) = split(&ids);
    if ids.len() < 100 {
        Err("the text is too short; give at least 100 characters")?;
    }

    // A model with random weights, and how to train it
    let sizes = GptConfig::standard(tokenizer.vocab_size());
    let schedule = LrSchedule::new(3e-3, options.steps);
    let config = TrainConfig { schedule, ..TrainConfig::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let mut trainer = Trainer::new(Gpt::new(sizes, &mut rng)?, config)?;

    // How to generate: what is wrong with that is said now, not in a minute
    let prompt = match &options.prompt {
        Some(prompt) => tokenizer
            .encode(prompt)
            .map_err(|error| terminal::prompt_error(&error, &tokenizer))?,
        None => tokenizer.encode("\n").unwrap_or(vec![ids[0]]),
    };
    let sampler = Sampler::new(options.temperature, options.top_k)?;
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    rng.set_stream(2); // stream 0 drew the weights, stream 1 draws the batches
    Generator::new(&trainer.model, &prompt, sampler, &mut rng)?;

    // The loss ladder: how far counting gets
    let characters: Vec<char> = text.chars().collect();
    let (counted, scored) = split(&characters);
    let rungs = ladder(counted, scored);
    let mut out = stdout();
    writeln!(out, "validation losses of counting, in nats per character:")?;
    for Rung { name, loss } in &rungs {
        writeln!(out, "{name:>9} {loss:.3}")?;
    }
    let params = trainer.model.num_params();
    writeln!(out, "\n{} characters, {params} parameters\n", ids.len())?;

    // Training
    let start = Instant::now();
    trainer.run(train, validation, |_, event| {
        if let Event::Evaluation(evaluation) = event
            && writeln!(out, "{}", line(&evaluation, &rungs)).is_err()
        {
            return ControlFlow::Break(()); // nobody reads it any more
        }
        ControlFlow::Continue(())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let seen = trainer.step * config.batch_size * sizes.block_size;
    let speed = seen as f64 / seconds;
    writeln!(out, "\ntrained in {seconds:.1} s, {speed:.0} characters/s\n")?;

    // Ids to text
    let ids = Generator::new(trainer.result(), &prompt, sampler, rng)?;
    let mut out = terminal::Printer::new(out);
    for id in prompt.into_iter().map(Ok).chain(ids.take(500)) {
        out.print(&tokenizer.decode(&[id?])?)?;
    }
    Ok(out.finish()?)
}

/// Both losses, and the best counting model that this one beats.
fn line(evaluation: &Evaluation, rungs: &[Rung]) -> String {
    let Evaluation { step, train_loss, validation_loss } = *evaluation;
    let train = train_loss.map_or("     -".into(), |loss| format!("{loss:.4}"));
    let beaten = rungs.iter().filter(|rung| validation_loss < rung.loss);
    let best = beaten.min_by(|a, b| a.loss.total_cmp(&b.loss));
    let below = best.map(|it| format!("  below {} ({:.3})", it.name, it.loss));
    let below = below.unwrap_or_default();
    format!(
        "step {step:>5}  train {train}  validation {validation_loss:.4}{below}"
    )
}
