//! Trains a GPT on Shakespeare's sonnets, or on any text, and lets it write.
//!
//! `cargo run --example shakespeare` needs nothing else: the sonnets are in the
//! program, and the defaults take about a minute on two cores.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use microgpt::generation::{GenerationError, Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::orientation::{Rung, ladder};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{
    Evaluation, Event, LrSchedule, PIECE, SHARDS, TrainConfig, TrainError,
    Trainer, split,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// Hands the memory of one step to the next without asking the system again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Train a small GPT on a text, watch it learn, read what it writes.
///
/// Without any option it learns Shakespeare's sonnets in about a minute.
#[derive(Parser)]
#[command(name = "shakespeare", version)]
struct Options {
    /// A text to learn instead of the sonnets (UTF-8)
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// How large a model, and how long to train it
    #[arg(long, value_enum, default_value_t)]
    preset: Preset,

    /// Blocks, one behind the other
    #[arg(long, help_heading = "Model", value_name = "N")]
    n_layer: Option<usize>,
    /// Attention heads in each block; must divide the width
    #[arg(long, help_heading = "Model", value_name = "N")]
    n_head: Option<usize>,
    /// Width: numbers in each character's vector
    #[arg(long, help_heading = "Model", value_name = "N")]
    n_embd: Option<usize>,
    /// Context: characters that the model can look back on
    #[arg(long, help_heading = "Model", value_name = "N")]
    block_size: Option<usize>,

    /// Training steps
    #[arg(long, help_heading = "Training", value_name = "N")]
    steps: Option<usize>,
    /// Highest learning rate; it rises to this, then falls to a tenth of it
    #[arg(long, help_heading = "Training", value_name = "RATE")]
    #[arg(allow_negative_numbers = true)]
    lr: Option<f32>,
    /// Windows of text in each step
    #[arg(long, help_heading = "Training", value_name = "N")]
    batch_size: Option<usize>,
    /// How strongly AdamW pulls the weights towards zero
    #[arg(long, help_heading = "Training", value_name = "RATE")]
    #[arg(allow_negative_numbers = true)]
    weight_decay: Option<f32>,
    /// Steps from one evaluation to the next
    #[arg(long, help_heading = "Training", value_name = "N")]
    eval_interval: Option<usize>,
    /// Where all random numbers start: the same seed gives the same run
    #[arg(long, help_heading = "Training", default_value_t = 1337)]
    seed: u64,
    /// Threads [default: one for each core]; they change the speed, not the run
    #[arg(long, help_heading = "Training", value_name = "N")]
    threads: Option<usize>,

    /// Text for the model to go on from [default: a line break]
    #[arg(long, help_heading = "Writing", value_name = "TEXT")]
    prompt: Option<String>,
    /// Boldness: 0 always writes the likeliest character, 1 follows the model
    #[arg(long, help_heading = "Writing", default_value_t = 0.8)]
    #[arg(allow_negative_numbers = true)]
    temperature: f32,
    /// Choose among only this many likeliest characters [default: all]
    #[arg(long, help_heading = "Writing", value_name = "K")]
    top_k: Option<usize>,
    /// Characters to write
    #[arg(long, help_heading = "Writing", default_value_t = 500)]
    length: usize,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Preset {
    /// A few seconds: a look at the whole, and poor verse
    Quick,
    /// About a minute on two cores
    #[default]
    Standard,
    /// About an hour on two cores; made for a text of a megabyte
    Long,
}

/// What a preset fixes, and single options may change.
struct Recipe {
    n_layer: usize,
    n_head: usize,
    n_embd: usize,
    block_size: usize,
    batch_size: usize,
    steps: usize,
    lr: f32,
    weight_decay: f32,
    eval_interval: usize,
}

#[rustfmt::skip]
fn recipe(options: &Options) -> Recipe {
    let preset = match options.preset {
        Preset::Quick => Recipe {
            n_layer: 2, n_head: 2, n_embd: 64, block_size: 32, batch_size: 16,
            steps: 400, lr: 4e-3, weight_decay: 0.1, eval_interval: 100,
        },
        Preset::Standard => Recipe {
            n_layer: 4, n_head: 4, n_embd: 128, block_size: 64, batch_size: 16,
            steps: 1500, lr: 3e-3, weight_decay: 0.1, eval_interval: 150,
        },
        Preset::Long => Recipe {
            n_layer: 4, n_head: 8, n_embd: 256, block_size: 256, batch_size: 8,
            steps: 8000, lr: 1.5e-3, weight_decay: 0.6, eval_interval: 500,
        },
    };
    Recipe {
        n_layer: options.n_layer.unwrap_or(preset.n_layer),
        n_head: options.n_head.unwrap_or(preset.n_head),
        n_embd: options.n_embd.unwrap_or(preset.n_embd),
        block_size: options.block_size.unwrap_or(preset.block_size),
        batch_size: options.batch_size.unwrap_or(preset.batch_size),
        steps: options.steps.unwrap_or(preset.steps),
        lr: options.lr.unwrap_or(preset.lr),
        weight_decay: options.weight_decay.unwrap_or(preset.weight_decay),
        eval_interval: options.eval_interval.unwrap_or(preset.eval_interval),
    }
}

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<(), Error> {
    let threads = start_threads(options.threads)?;
    let text = read(options)?;
    let tokenizer = CharTokenizer::new(&text)?;
    let ids = tokenizer.encode(&text)?;
    drop(text);
    let (train, validation) = split(&ids);

    let recipe = recipe(options);
    let config = GptConfig {
        n_layer: recipe.n_layer,
        n_head: recipe.n_head,
        n_embd: recipe.n_embd,
        block_size: recipe.block_size,
        vocab_size: tokenizer.vocab_size(),
    };
    check(&recipe, config, train.len(), validation.len())?;
    // What can be wrong with the writing is said before the training
    let prompt = prompt(options, &tokenizer, ids[0])?;
    let sampler = Sampler::new(options.temperature, options.top_k)?;
    let vocab_size = config.vocab_size;
    if let Some(top_k) = options.top_k.filter(|&k| k > vocab_size) {
        Err(GenerationError::TopKTooLarge { top_k, vocab_size })?;
    }

    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let model = Gpt::new(config, &mut rng)?;
    println!(
        "corpus    {} characters, {vocab_size} distinct; {} to train on, {} to \
         validate with",
        HumanCount(ids.len() as u64),
        HumanCount(train.len() as u64),
        HumanCount(validation.len() as u64),
    );
    print_model(&model, &recipe, threads);
    let rungs = print_ladder(&tokenizer, train, validation);
    let model =
        train_model(model, &recipe, options, train, validation, &rungs)?;

    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    rng.set_stream(2); // stream 0 drew the weights, stream 1 the batches
    let ids = Generator::new(&model, &prompt, sampler, rng)?;
    println!();
    if options.prompt.is_some() {
        print!("{}", tokenizer.decode(&prompt)?);
    }
    for id in ids.take(options.length) {
        print!("{}", tokenizer.decode(&[id])?);
        stdout().flush()?;
    }
    println!();
    Ok(())
}

/// Starts the threads that rayon will use, this one among them.
fn start_threads(threads: Option<usize>) -> Result<usize, Error> {
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

/// The text to learn.
fn read(options: &Options) -> Result<String, Error> {
    let Some(path) = &options.data else {
        return Ok(include_str!("data/sonnets.txt").to_owned());
    };
    let name = path.display();
    let bytes = std::fs::read(path)
        .map_err(|error| format!("cannot read {name}: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("{name} is not UTF-8 at byte {at}; convert it to UTF-8 first")
    })?;
    if text.is_empty() {
        Err(format!("{name} is empty; give a text to learn"))?;
    }
    Ok(text)
}

/// Refuses sizes that cannot work before any work is done.
fn check(
    recipe: &Recipe,
    config: GptConfig,
    tokens: usize,
    validation: usize,
) -> Result<(), Error> {
    config.validate()?;
    if recipe.batch_size == 0 {
        Err("--batch-size 0: a step needs at least one window")?;
    }
    if recipe.eval_interval == 0 {
        Err("--eval-interval 0: give a number of steps, at least 1")?;
    }
    if !recipe.lr.is_finite() || recipe.lr <= 0.0 {
        Err(format!("--lr {}: give a number above 0", recipe.lr))?;
    }
    if !recipe.weight_decay.is_finite() || recipe.weight_decay < 0.0 {
        let decay = recipe.weight_decay;
        Err(format!("--weight-decay {decay}: give 0 or a number above"))?;
    }
    let needed = recipe.block_size.saturating_add(1);
    if tokens < needed || validation < 2 {
        let error = TrainError::TooShort { tokens, needed };
        Err(format!("without the tenth kept to validate with, {error}"))?;
    }
    let gigabytes = training_bytes(recipe, config) / 1e9;
    if gigabytes > 1000.0 {
        Err(format!(
            "training at these sizes takes some {gigabytes:.0} GB of memory; \
             choose a smaller model, context or batch"
        ))?;
    }
    Ok(())
}

/// What the model goes on from.
fn prompt(
    options: &Options,
    tokenizer: &CharTokenizer,
    first: u16,
) -> Result<Vec<u16>, Error> {
    match &options.prompt {
        Some(prompt) if prompt.is_empty() => Err(GenerationError::EmptyPrompt)?,
        Some(prompt) => tokenizer
            .encode(prompt)
            .map_err(|error| format!("--prompt: {error}").into()),
        None => Ok(tokenizer.encode("\n").unwrap_or(vec![first])),
    }
}

/// An estimate of the memory that training takes: the weights, two moments and
/// a gradient for each shard, and what the shards in progress keep for their
/// backward pass.
fn training_bytes(recipe: &Recipe, config: GptConfig) -> f64 {
    let params = config.num_params().unwrap_or(usize::MAX) as f64;
    let windows = recipe.batch_size.div_ceil(SHARDS);
    let windows = windows.min((PIECE / config.block_size).max(1)) as f64;
    let shards = recipe.batch_size.min(SHARDS) as f64;
    let working = shards.min(rayon::current_num_threads() as f64);
    let (t, c) = (config.block_size as f64, config.n_embd as f64);
    let block = 18.0 * c + config.n_head as f64 * t; // numbers for a position
    let row = config.n_layer as f64 * block + 2.0 * config.vocab_size as f64;
    let batch = recipe.batch_size as f64 * t; // inputs and targets, 2 bytes each
    4.0 * (params * (3.0 + shards) + working * windows * t * row + batch)
}

fn print_model(model: &Gpt, recipe: &Recipe, threads: usize) {
    let GptConfig { n_layer, n_head, n_embd, block_size, .. } = model.config();
    let megabytes = training_bytes(recipe, model.config()) / 1e6;
    println!(
        "model     {n_layer} layers, {n_head} heads, width {n_embd}, context \
         {block_size}: {} parameters",
        HumanCount(model.num_params() as u64),
    );
    println!(
        "training  {} steps of {} windows of {block_size} characters; \
         {threads} thread{}, about {megabytes:.0} MB",
        HumanCount(recipe.steps as u64),
        recipe.batch_size,
        if threads == 1 { "" } else { "s" },
    );
}

/// Counts, and prints what counting achieves. Of a large text it counts only
/// the two million characters before the cut, and scores 200,000 after it.
fn print_ladder(
    tokenizer: &CharTokenizer,
    train: &[u16],
    validation: &[u16],
) -> Vec<Rung> {
    let characters = |ids: &[u16]| -> Vec<char> {
        ids.iter().map(|&id| tokenizer.vocabulary()[usize::from(id)]).collect()
    };
    let train = &train[train.len().saturating_sub(2_000_000)..];
    let validation = &validation[..validation.len().min(200_000)];
    let rungs = ladder(&characters(train), &characters(validation));
    let words: Vec<String> = rungs
        .iter()
        .map(|Rung { name, loss }| format!("{name} {loss:.3}"))
        .collect();
    let (low, high) = words.split_at(4);
    println!("ladder    {},", low.join(", "));
    println!("          {} nats per character\n", high.join(", "));
    rungs
}

/// Trains, and says how it goes: a bar where there is a terminal, and a line
/// for each evaluation everywhere.
fn train_model(
    model: Gpt,
    recipe: &Recipe,
    options: &Options,
    train: &[u16],
    validation: &[u16],
    rungs: &[Rung],
) -> Result<Gpt, Error> {
    let schedule = LrSchedule {
        max_lr: recipe.lr,
        min_lr: recipe.lr / 10.0,
        warmup: (recipe.steps / 10).min(100),
        steps: recipe.steps,
    };
    let config = TrainConfig {
        batch_size: recipe.batch_size,
        schedule,
        max_norm: 1.0,
        eval_interval: recipe.eval_interval,
        seed: options.seed,
    };
    let mut trainer = Trainer::new(model, config)?;
    trainer.optimizer.weight_decay = recipe.weight_decay;
    let bar = bar(recipe.steps);
    let tokens = (recipe.batch_size * recipe.block_size) as f64;
    let start = Instant::now();
    let (mut stepping, mut since) = (0.0, start); // seconds in steps alone
    trainer.run(train, validation, |_, event| {
        match event {
            Event::Step(report) => {
                stepping += since.elapsed().as_secs_f64();
                let steps = report.step + 1;
                let speed = steps as f64 * tokens / stepping;
                bar.set_position(steps as u64);
                bar.set_message(format!(
                    "loss {:.3}, {speed:.0} characters/s",
                    report.loss
                ));
                if steps == 20 && recipe.steps > 100 {
                    let all = stepping / 20.0 * recipe.steps as f64;
                    bar.suspend(|| {
                        println!("(the steps take about {all:.0} s)")
                    });
                }
            }
            Event::Evaluation(evaluation) => {
                bar.suspend(|| print_evaluation(&evaluation, rungs));
            }
        }
        since = Instant::now();
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    println!(
        "\ntrained in {:.1} s, {:.0} characters/s",
        start.elapsed().as_secs_f64(),
        recipe.steps as f64 * tokens / stepping.max(1e-9),
    );
    Ok(trainer.model)
}

fn bar(steps: usize) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{bar:30} step {pos}/{len}, {msg}, {eta} left";
    let style = ProgressStyle::with_template(style);
    let bar = ProgressBar::new(steps as u64);
    bar.with_style(style.unwrap_or(ProgressStyle::default_bar()))
}

/// One line: the losses, and the lowest rung of the ladder that the model has
/// got below.
fn print_evaluation(evaluation: &Evaluation, rungs: &[Rung]) {
    let Evaluation { step, train_loss, validation_loss } = *evaluation;
    let train = match train_loss {
        Some(loss) => format!("{loss:.4}"),
        None => "     -".to_owned(),
    };
    let passed = rungs
        .iter()
        .filter(|rung| validation_loss < rung.loss)
        .min_by(|a, b| a.loss.total_cmp(&b.loss));
    let passed = match passed {
        Some(rung) => format!("  below {} ({:.3})", rung.name, rung.loss),
        None => String::new(),
    };
    println!(
        "step {step:>5}  train {train}  validation {validation_loss:.4}{passed}"
    );
}
