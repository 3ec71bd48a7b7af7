//! Trains a GPT on Shakespeare's sonnets, or on any text, and lets it write.
//!
//! `cargo run --example shakespeare` needs nothing else: the sonnets are in the
//! program, and the defaults take about a minute on two cores.

mod terminal;

use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::{ArgGroup, Parser, ValueEnum};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use microgpt::checkpoint::{self, CheckpointError, Corpus, Lock};
use microgpt::generation::{GenerationError, Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::hugging_face::{self, Fault};
use microgpt::orientation::{Rung, ladder};
use microgpt::safetensors::FileError;
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{
    Average, Evaluation, Event, LrSchedule, PIECE, SHARDS, ShortWindows,
    TrainConfig, TrainError, Trainer, split,
};
use ndarray::Dimension;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use terminal::{finish, start_threads, visible, warn};

/// Hands the memory of one step to the next without asking the system again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Train a small GPT on a text, watch it learn, read what it writes.
///
/// Without any option it learns Shakespeare's sonnets in about a minute.
#[derive(Parser)]
#[command(name = "shakespeare", version)]
#[command(group = ArgGroup::new("model").multiple(true))]
struct Options {
    /// A text to learn instead of the sonnets (UTF-8)
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// How large a model, and how long to train it
    #[arg(long, value_enum, default_value_t)]
    preset: Preset,

    /// Save the run to this file, at each evaluation and at the end
    #[arg(long, help_heading = "Keeping", value_name = "FILE")]
    #[arg(group = "model")]
    checkpoint: Option<PathBuf>,
    /// Go on with the run in this file, and save to it
    #[arg(long, help_heading = "Keeping", value_name = "FILE")]
    #[arg(conflicts_with = "preset")]
    resume: Option<PathBuf>,
    /// Begin with the model in this folder, as --export-hf writes it
    #[arg(long, help_heading = "Keeping", value_name = "DIR", group = "model")]
    #[arg(conflicts_with_all = ["resume", "n_layer", "n_head", "n_embd"])]
    #[arg(conflicts_with_all = ["block_size", "short_steps"])]
    import_hf: Option<PathBuf>,
    /// Write with the model in --checkpoint or --import-hf, without training
    #[arg(long, help_heading = "Keeping", requires = "model")]
    #[arg(conflicts_with_all = ["resume", "data"])]
    generate: bool,
    /// Write the model to this folder, for `transformers`: the one in
    /// --checkpoint, if that is there, or the one that has been trained
    #[arg(long, help_heading = "Keeping", value_name = "DIR")]
    export_hf: Option<PathBuf>,
    /// Say what is in a file, and do nothing else
    #[arg(long, help_heading = "Keeping", value_name = "FILE")]
    inspect: Option<PathBuf>,

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
    /// Steps at the beginning with windows of a quarter of the context, and
    /// four times as many of them
    #[arg(long, help_heading = "Training", value_name = "N")]
    short_steps: Option<usize>,
    /// How strongly AdamW pulls the weights towards zero
    #[arg(long, help_heading = "Training", value_name = "RATE")]
    #[arg(allow_negative_numbers = true)]
    weight_decay: Option<f32>,
    /// Evaluate, keep and write with the mean of the weights over this last
    /// part of the steps; 0 takes the last weights alone
    #[arg(long, help_heading = "Training", value_name = "PART")]
    #[arg(allow_negative_numbers = true)]
    average: Option<f32>,
    /// Steps from one evaluation to the next
    #[arg(long, help_heading = "Training", value_name = "N")]
    eval_interval: Option<usize>,
    /// Where all random numbers start: the same seed gives the same run
    /// [default: 1337]
    #[arg(long, help_heading = "Training", value_name = "N")]
    seed: Option<u64>,
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
    short_steps: usize,
    lr: f32,
    weight_decay: f32,
    average: f32,
    eval_interval: usize,
}

/// What is asked for: on top of a preset, or of a run that goes on.
fn recipe(
    options: &Options,
    resumed: Option<&Trainer>,
    imported: Option<&Gpt>,
) -> Recipe {
    let mut base = match resumed {
        Some(trainer) => recipe_of(trainer),
        None => preset(options.preset),
    };
    if let Some(model) = imported {
        let GptConfig { n_layer, n_head, n_embd, block_size, .. } =
            model.config();
        base = Recipe { n_layer, n_head, n_embd, block_size, ..base };
    }
    Recipe {
        n_layer: options.n_layer.unwrap_or(base.n_layer),
        n_head: options.n_head.unwrap_or(base.n_head),
        n_embd: options.n_embd.unwrap_or(base.n_embd),
        block_size: options.block_size.unwrap_or(base.block_size),
        batch_size: options.batch_size.unwrap_or(base.batch_size),
        steps: options.steps.unwrap_or(base.steps),
        short_steps: options.short_steps.unwrap_or(base.short_steps),
        lr: options.lr.unwrap_or(base.lr),
        weight_decay: options.weight_decay.unwrap_or(base.weight_decay),
        average: options.average.unwrap_or(base.average),
        eval_interval: options.eval_interval.unwrap_or(base.eval_interval),
    }
}

/// What a run has been trained with so far.
fn recipe_of(trainer: &Trainer) -> Recipe {
    let GptConfig { n_layer, n_head, n_embd, block_size, .. } =
        trainer.model.config();
    let TrainConfig { batch_size, schedule, eval_interval, .. } =
        trainer.config;
    let weight_decay = trainer.optimizer.weight_decay;
    let (steps, lr) = (schedule.steps, schedule.max_lr);
    let average = trainer.average.as_ref().map_or(0.0, |it| it.part);
    let short_steps = trainer.short.map_or(0, |it| it.steps);
    Recipe {
        n_layer,
        n_head,
        n_embd,
        block_size,
        batch_size,
        steps,
        short_steps,
        lr,
        weight_decay,
        average,
        eval_interval,
    }
}

#[rustfmt::skip]
fn preset(preset: Preset) -> Recipe {
    match preset {
        Preset::Quick => Recipe {
            n_layer: 2, n_head: 2, n_embd: 64, block_size: 32, batch_size: 16,
            steps: 400, short_steps: 0, lr: 4e-3, weight_decay: 0.1,
            average: 0.1, eval_interval: 100,
        },
        Preset::Standard => Recipe {
            n_layer: 4, n_head: 4, n_embd: 128, block_size: 64, batch_size: 16,
            steps: 1500, short_steps: 0, lr: 3e-3, weight_decay: 0.1,
            average: 0.1, eval_interval: 150,
        },
        Preset::Long => Recipe {
            n_layer: 4, n_head: 4, n_embd: 256, block_size: 256, batch_size: 8,
            steps: 18_000, short_steps: 0, lr: 2e-3, weight_decay: 2.0,
            average: 0.1, eval_interval: 500,
        },
    }
}

/// The seed of a run for which none is given.
const SEED: u64 = 1337;

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    finish(run(&Options::parse()))
}

fn run(options: &Options) -> Result<ExitCode, Error> {
    if let Some(path) = &options.inspect {
        inspect(path)?;
        return Ok(ExitCode::SUCCESS);
    }
    let threads = start_threads(options.threads)?;
    if let Some(folder) = &options.export_hf {
        try_folder(folder)?; // before the training, not after it
    }
    if let Some((model, tokenizer, seed)) = finished(options)? {
        let writing = options
            .generate
            .then(|| writing(options, &tokenizer, 0))
            .transpose()?;
        export(options, &model, &tokenizer)?;
        if let Some(writing) = writing {
            let seed = options.seed.unwrap_or(seed);
            write(options, &model, &tokenizer, writing, seed)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let text = read(options)?;
    let corpus = Corpus::new(&text)?;
    let tokenizer = &corpus.tokenizer;
    let ids = tokenizer.encode(&text)?;
    drop(text);
    let (train, validation) = parts(&ids);

    let saving = options.checkpoint.as_deref().or(options.resume.as_deref());
    let _lock = saving.map(|path| claim(path, options)).transpose()?;
    let resumed = match &options.resume {
        Some(path) => Some(resume(path, options, &corpus)?),
        None => None,
    };
    let imported = match &options.import_hf {
        Some(folder) => Some(begin_with(folder, tokenizer)?),
        None => None,
    };
    let recipe = recipe(options, resumed.as_ref(), imported.as_ref());
    let config = GptConfig {
        n_layer: recipe.n_layer,
        n_head: recipe.n_head,
        n_embd: recipe.n_embd,
        block_size: recipe.block_size,
        vocab_size: tokenizer.vocab_size(),
    };
    check(&recipe, config, train.len(), validation.len())?;
    // What can be wrong with the writing is said before the training
    let writing = writing(options, tokenizer, ids[0])?;

    let trainer = match resumed {
        Some(trainer) => again(trainer, &recipe, options)?,
        None => {
            let seed = options.seed.unwrap_or(SEED);
            let fresh =
                || Gpt::new(config, &mut ChaCha8Rng::seed_from_u64(seed));
            trainer(imported.map_or_else(fresh, Ok)?, &recipe, seed)?
        }
    };
    writeln!(
        stdout(),
        "corpus    {} characters, {} distinct; {} to train on, {} to validate \
         with",
        HumanCount(ids.len() as u64),
        config.vocab_size,
        HumanCount(train.len() as u64),
        HumanCount(validation.len() as u64),
    )?;
    print_model(&trainer.model, &recipe, threads)?;
    if let Some(path) = &options.resume {
        let (path, step) = (path.display(), trainer.step);
        let step = HumanCount(step as u64);
        writeln!(stdout(), "resumed   {path}, at step {step}")?;
    }
    let rungs = print_ladder(tokenizer, train, validation)?;
    let seed = options.seed.unwrap_or(trainer.config.seed);
    let saving = saving.map(|path| Saving { path, corpus: &corpus });
    let ended =
        train_model(trainer, &recipe, saving, train, validation, &rungs)?;
    let Some(model) = ended.model else {
        return Ok(ExitCode::from(130));
    };
    // What was lost is said last, and also if nobody reads what is written
    let exported = export(options, &model, tokenizer);
    let written = write(options, &model, tokenizer, writing, seed);
    if let Some(error) = ended.unsaved {
        Err(format!("the end of the run is {error}"))?;
    }
    exported?;
    written?;
    Ok(ExitCode::SUCCESS)
}

/// A model that needs no training, its characters and its seed, if one is asked
/// for.
fn finished(
    options: &Options,
) -> Result<Option<(Gpt, CharTokenizer, u64)>, Error> {
    match (&options.import_hf, &options.checkpoint) {
        (Some(folder), _) if options.generate => {
            let (model, tokenizer) = import(folder)?;
            Ok(Some((model, tokenizer, SEED)))
        }
        (None, Some(path))
            if options.generate
                || options.export_hf.is_some()
                    && options.resume.is_none()
                    && path.exists() =>
        {
            let (trainer, corpus) = load(path)?;
            let seed = trainer.config.seed;
            let model = trainer.result().clone();
            Ok(Some((model, corpus.tokenizer, seed)))
        }
        _ => Ok(None),
    }
}

/// A model of somebody's, and its characters.
fn import(folder: &Path) -> Result<(Gpt, CharTokenizer), Error> {
    let tokenizer = hugging_face::import_characters(folder)?;
    let model = hugging_face::import(folder)?;
    Ok((model, tokenizer))
}

/// The model to begin with, if it knows just the characters of the text.
fn begin_with(folder: &Path, tokenizer: &CharTokenizer) -> Result<Gpt, Error> {
    let (model, known) = import(folder)?;
    if known != *tokenizer {
        Err(format!(
            "the text has {} distinct characters, and they are not the {} of \
             the model in {}; give a text with the same",
            tokenizer.vocab_size(),
            known.vocab_size(),
            folder.display(),
        ))?;
    }
    Ok(model)
}

/// Makes sure that a folder can be made, as long as there is nothing to lose.
fn try_folder(folder: &Path) -> Result<(), Error> {
    if folder.exists() {
        Err(Fault::There.at(folder))?;
    }
    let missing = |it: &&Path| *it != Path::new("") && !it.exists();
    let new: Vec<&Path> = folder.ancestors().take_while(missing).collect();
    std::fs::create_dir_all(folder)
        .and_then(|()| new.into_iter().try_for_each(std::fs::remove_dir))
        .map_err(|error| Fault::Make(error).at(folder))?;
    Ok(())
}

/// Writes the model to a folder, if one was named.
fn export(
    options: &Options,
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Error> {
    if let Some(folder) = &options.export_hf {
        hugging_face::export(folder, model, tokenizer)?;
        let folder = folder.display();
        writeln!(stdout(), "exported  {folder}, for transformers")?;
    }
    Ok(())
}

/// What to go on from, and how.
fn writing(
    options: &Options,
    tokenizer: &CharTokenizer,
    first: u16,
) -> Result<(Vec<u16>, Sampler), Error> {
    let prompt = prompt(options, tokenizer, first)?;
    let sampler = Sampler::new(options.temperature, options.top_k)?;
    let vocab_size = tokenizer.vocab_size();
    if let Some(top_k) = options.top_k.filter(|&k| k > vocab_size) {
        Err(GenerationError::TopKTooLarge { top_k, vocab_size })?;
    }
    Ok((prompt, sampler))
}

/// Lets the model write.
fn write(
    options: &Options,
    model: &Gpt,
    tokenizer: &CharTokenizer,
    (prompt, sampler): (Vec<u16>, Sampler),
    seed: u64,
) -> Result<(), Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(2); // stream 0 drew the weights, stream 1 the batches
    let ids = Generator::new(model, &prompt, sampler, rng)?;
    let mut out = stdout().lock();
    writeln!(out)?;
    if options.prompt.is_some() {
        write!(out, "{}", visible(&tokenizer.decode(&prompt)?))?;
    }
    for id in ids.take(options.length) {
        write!(out, "{}", visible(&tokenizer.decode(&[id])?))?;
        out.flush()?;
    }
    writeln!(out)?;
    Ok(())
}

/// A new run.
fn trainer(model: Gpt, recipe: &Recipe, seed: u64) -> Result<Trainer, Error> {
    let config = TrainConfig {
        batch_size: recipe.batch_size,
        schedule: schedule(recipe),
        max_norm: 1.0,
        eval_interval: recipe.eval_interval,
        seed,
    };
    let mut trainer = Trainer::new(model, config)?;
    trainer.optimizer.weight_decay = recipe.weight_decay;
    trainer.short = short(recipe);
    set_average(&mut trainer, recipe.average)?;
    Ok(trainer)
}

/// Windows of a quarter of the context to begin with, if any are asked for.
fn short(recipe: &Recipe) -> Option<ShortWindows> {
    let (t, steps) = ((recipe.block_size / 4).max(1), recipe.short_steps);
    (steps > 0).then_some(ShortWindows { t, steps })
}

/// Has a run keep the mean of its models, from here on if it kept none.
fn set_average(trainer: &mut Trainer, part: f32) -> Result<(), TrainError> {
    trainer.average = match trainer.average.take() {
        _ if part == 0.0 => None,
        Some(average) => Some(Average { part, ..average }),
        None => Some(Average::new(trainer.model.clone(), part)?),
    };
    Ok(())
}

fn schedule(recipe: &Recipe) -> LrSchedule {
    LrSchedule {
        max_lr: recipe.lr,
        min_lr: recipe.lr / 10.0,
        warmup: (recipe.steps / 10).min(100),
        steps: recipe.steps,
    }
}

/// A run that goes on, with what has been asked to be different.
fn again(
    mut trainer: Trainer,
    recipe: &Recipe,
    options: &Options,
) -> Result<Trainer, Error> {
    trainer.config.batch_size = recipe.batch_size;
    trainer.config.eval_interval = recipe.eval_interval;
    if options.steps.is_some() || options.lr.is_some() {
        trainer.config.schedule = schedule(recipe);
    }
    trainer.optimizer.weight_decay = recipe.weight_decay;
    let (step, steps) = (trainer.step, recipe.short_steps);
    let end = trainer.short.map_or(0, |it| it.steps);
    if steps != end {
        if step > end || step >= steps {
            let had = match end {
                0 => "it has had no short windows".to_owned(),
                _ => format!("its short windows end at step {end}"),
            };
            Err(format!(
                "--short-steps {steps}: the run is at step {step}, and {had}; \
                 an end can be moved only if it is ahead, and stay ahead; \
                 leave the option out"
            ))?;
        }
        trainer.short = short(recipe);
    }
    set_average(&mut trainer, recipe.average)?;
    Ok(trainer)
}

fn load(path: &Path) -> Result<(Trainer, Corpus), Error> {
    let name = path.display();
    Ok(checkpoint::load(path).map_err(|error| format!("{name}: {error}"))?)
}

/// Keeps other runs from saving to `path`, and this run from writing over one
/// that it does not go on with.
fn claim(path: &Path, options: &Options) -> Result<Lock, Error> {
    let name = path.display();
    let resumes = options.resume.as_deref() == Some(path);
    if path.extension() == Some("part".as_ref()) {
        Err(format!(
            "{name}: a name that ends in .part is for a file half written, \
             which is removed; give another"
        ))?;
    }
    let best = checkpoint::best_path(path);
    let taken = [path, &best];
    if let Some(folder) = &options.export_hf
        && taken.contains(&folder.as_path())
    {
        Err(format!(
            "{}: will be a file of this run; give another name to --export-hf",
            folder.display()
        ))?;
    }
    // Beside what is no file no lock is left
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            Err(format!("{name}: {}", FileError::NotAFile))?;
        }
        Err(error) if resumes => Err(format!("{name}: cannot read: {error}"))?,
        _ => {}
    }
    let option = if resumes { "--resume" } else { "--checkpoint" };
    let lock = checkpoint::lock(path)
        .map_err(|error| format!("{option} {name}: {error}"))?;
    if !resumes && path.exists() {
        Err(format!(
            "{name} is there already; go on with it by --resume {name}, or \
             give another name"
        ))?;
    }
    if !resumes && best.exists() {
        Err(format!(
            "{} is there already, where the best state of this run will be; \
             move it, or give another name",
            best.display()
        ))?;
    }
    Ok(lock)
}

/// Makes sure that what stands where the best state of a run will be is an
/// earlier one of it.
fn check_best(
    path: &Path,
    run: &Trainer,
    learns: &Corpus,
) -> Result<(), Error> {
    let best = checkpoint::best_path(path);
    if !best.exists() {
        return Ok(());
    }
    let advice = "move it, or resume under another name with --checkpoint";
    let (name, path) = (best.display(), path.display());
    let (trainer, corpus) = checkpoint::load(&best)
        .map_err(|error| format!("{name}: {error}; {advice}"))?;
    // Killed between its two files, a run is an evaluation behind its best
    let TrainConfig { eval_interval, schedule, .. } = run.config;
    let next = (run.step / eval_interval + 1) * eval_interval;
    let next = next.min(schedule.steps);
    let earlier = trainer.best >= run.best || trainer.step == next;
    if corpus != *learns
        || trainer.config.seed != run.config.seed
        || trainer.model.config() != run.model.config()
        || !earlier
    {
        Err(format!(
            "{name} is not an earlier state of the run in {path}, whose best \
             will be there; {advice}"
        ))?;
    }
    Ok(())
}

/// Loads the run to go on with, if it is about the same text, sizes and seed.
fn resume(
    path: &Path,
    options: &Options,
    corpus: &Corpus,
) -> Result<Trainer, Error> {
    let name = path.display();
    let (trainer, learned) = load(path)?;
    let config = trainer.model.config();
    for (option, asked, saved) in [
        ("--n-layer", options.n_layer, config.n_layer),
        ("--n-head", options.n_head, config.n_head),
        ("--n-embd", options.n_embd, config.n_embd),
        ("--block-size", options.block_size, config.block_size),
    ] {
        if let Some(asked) = asked.filter(|&asked| asked != saved) {
            Err(format!(
                "{option} {asked}: the model in {name} has {saved}; a size \
                 cannot change"
            ))?;
        }
    }
    let saved = trainer.config.seed;
    if let Some(asked) = options.seed.filter(|&asked| asked != saved) {
        Err(format!(
            "--seed {asked}: the run in {name} began with {saved}; it cannot \
             change"
        ))?;
    }
    if learned.tokenizer != corpus.tokenizer {
        Err(format!(
            "the text has {} distinct characters, and they are not the {} of \
             the run in {name}; give the text that it began with, by --data",
            corpus.tokenizer.vocab_size(),
            learned.tokenizer.vocab_size(),
        ))?;
    }
    if learned != *corpus {
        Err(format!(
            "the text has {} bytes and SHA-256 {}, but the run in {name} \
             learns one of {} bytes and SHA-256 {}; give that one, by --data",
            corpus.bytes, corpus.sha256, learned.bytes, learned.sha256,
        ))?;
    }
    if options.checkpoint.as_deref().is_none_or(|to| to == path) {
        check_best(path, &trainer, corpus)?;
    }
    Ok(trainer)
}

/// Prints what is in a file.
fn inspect(path: &Path) -> Result<(), Error> {
    let (trainer, corpus) = load(path)?;
    let mut out = stdout().lock();
    let GptConfig { n_layer, n_head, n_embd, block_size, vocab_size } =
        trainer.model.config();
    let TrainConfig { batch_size, schedule, eval_interval, seed, .. } =
        trainer.config;
    writeln!(
        out,
        "model      n_layer {n_layer}, n_head {n_head}, n_embd {n_embd}, \
         block_size {block_size}, vocab_size {vocab_size}"
    )?;
    let decay = trainer.optimizer.weight_decay;
    let rate = |lr| (f64::from(lr) * 1e9).round() / 1e9; // no 0.00020000001
    writeln!(
        out,
        "step       {} of {}, batches of {batch_size} windows, rate {} to {}, \
         decay {decay}, seed {seed}",
        trainer.step,
        schedule.steps,
        rate(schedule.max_lr),
        rate(schedule.min_lr),
    )?;
    if let Some(ShortWindows { t, steps }) = trainer.short {
        writeln!(
            out,
            "short      windows of {t} characters in the first {steps} steps"
        )?;
    }
    if let Some(Average { part, steps, .. }) = &trainer.average {
        writeln!(
            out,
            "average    of the weights over the last {part} of {steps} steps"
        )?;
    }
    let loss = |loss: Option<f64>| {
        loss.map_or("none yet".to_owned(), |loss| format!("{loss:.4}"))
    };
    let (sum, count) = trainer.losses;
    writeln!(
        out,
        "losses     best on validation {}, mean of the last {count} batches \
         {}; evaluated every {eval_interval} steps",
        loss(trainer.best),
        loss((count > 0).then(|| sum / count as f64)),
    )?;
    writeln!(
        out,
        "text       {} bytes, SHA-256 {}",
        corpus.bytes, corpus.sha256
    )?;
    let vocabulary: String = corpus.tokenizer.vocabulary().iter().collect();
    writeln!(out, "vocabulary {vocabulary:?}")?;
    writeln!(
        out,
        "parameters {}",
        HumanCount(trainer.model.num_params() as u64)
    )?;
    for tensor in trainer.model.tensors() {
        let (shape, name) = (tensor.shape.slice().to_vec(), tensor.name);
        writeln!(out, "{:>10} {name} {shape:?}", tensor.data.len())?;
    }
    Ok(())
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

// ANCHOR: parts
/// The most characters that are kept to validate with.
const MOST: usize = 200_000;

/// What to train on, and what to validate with: the last tenth, but no more
/// than is enough to tell two losses apart by a hundredth of a nat.
fn parts(ids: &[u16]) -> (&[u16], &[u16]) {
    let (train, validation) = split(ids);
    ids.split_at(train.len() + validation.len().saturating_sub(MOST))
}
// ANCHOR_END: parts

/// Refuses sizes that cannot work before any work is done.
fn check(
    recipe: &Recipe,
    config: GptConfig,
    tokens: usize,
    validation: usize,
) -> Result<(), Error> {
    config.validate()?;
    for (option, count) in [
        ("--batch-size", recipe.batch_size),
        ("--steps", recipe.steps),
        ("--short-steps", recipe.short_steps),
        ("--eval-interval", recipe.eval_interval),
    ] {
        if count > TrainConfig::MOST {
            let most = HumanCount(TrainConfig::MOST as u64);
            Err(format!("{option} {count}: give a number up to {most}"))?;
        }
    }
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
    if !(0.0..=1.0).contains(&recipe.average) {
        let average = recipe.average;
        Err(format!("--average {average}: give a part, from 0 to 1"))?;
    }
    let needed = recipe.block_size.saturating_add(1);
    if tokens < needed {
        let error = TrainError::TooShort { tokens, needed };
        Err(format!("without the tenth kept to validate with, {error}"))?;
    }
    if validation < 2 {
        Err(
            "of the tenth kept to validate with, a loss takes two characters; \
             give more text",
        )?;
    }
    let gigabytes = training_bytes(recipe, config) / 1e9;
    if gigabytes > memory() {
        Err(format!(
            "training at these sizes takes some {gigabytes:.0} GB of memory; \
             choose a smaller model, context or batch"
        ))?;
    }
    Ok(())
}

/// The gigabytes of memory of this machine, or a thousand where it is not known.
fn memory() -> f64 {
    let known = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = known.strip_prefix("MemTotal:").unwrap_or_default();
    let kilobytes = total.split_whitespace().next().map(str::parse::<f64>);
    match kilobytes {
        Some(Ok(kilobytes)) => kilobytes * 1024.0 / 1e9,
        _ => 1000.0,
    }
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

/// An estimate of the memory that training takes: the weights and perhaps their
/// mean, two moments and a gradient for each shard, and what the shards in
/// progress keep for their backward pass.
fn training_bytes(recipe: &Recipe, config: GptConfig) -> f64 {
    let params = config.num_params().unwrap_or(usize::MAX) as f64;
    let windows = recipe.batch_size.div_ceil(SHARDS);
    let windows = windows.min((PIECE / config.block_size).max(1)) as f64;
    let times = if recipe.short_steps > 0 { 4 } else { 1 };
    let most = recipe.batch_size.saturating_mul(times);
    let shards = most.min(SHARDS) as f64;
    let working = shards.min(rayon::current_num_threads() as f64);
    let (t, c) = (config.block_size as f64, config.n_embd as f64);
    let block = 18.0 * c + config.n_head as f64 * t; // numbers for a position
    let row = config.n_layer as f64 * block + 2.0 * config.vocab_size as f64;
    let batch = recipe.batch_size as f64 * t; // inputs and targets, 2 bytes each
    let models = if recipe.average > 0.0 { 4.0 } else { 3.0 };
    4.0 * (params * (models + shards) + working * windows * t * row + batch)
}

fn print_model(model: &Gpt, recipe: &Recipe, threads: usize) -> io::Result<()> {
    let GptConfig { n_layer, n_head, n_embd, block_size, .. } = model.config();
    let megabytes = training_bytes(recipe, model.config()) / 1e6;
    writeln!(
        stdout(),
        "model     {n_layer} layers, {n_head} heads, width {n_embd}, context \
         {block_size}: {} parameters",
        HumanCount(model.num_params() as u64),
    )?;
    writeln!(
        stdout(),
        "training  {} steps of {} windows of {block_size} characters; \
         {threads} thread{}, about {megabytes:.0} MB",
        HumanCount(recipe.steps as u64),
        recipe.batch_size,
        if threads == 1 { "" } else { "s" },
    )?;
    if let Some(ShortWindows { t, steps }) = short(recipe) {
        writeln!(
            stdout(),
            "short     the first {} steps with windows of {t} characters, and as \
             many more of them",
            HumanCount(steps as u64),
        )?;
    }
    if recipe.average > 0.0 {
        writeln!(
            stdout(),
            "average   evaluated is the mean of the weights over the last {} of \
             the steps",
            recipe.average,
        )?;
    }
    Ok(())
}

/// Counts, and prints what counting achieves. Of a large text it counts only
/// the two million characters before the cut.
fn print_ladder(
    tokenizer: &CharTokenizer,
    train: &[u16],
    validation: &[u16],
) -> io::Result<Vec<Rung>> {
    let characters = |ids: &[u16]| -> Vec<char> {
        ids.iter().map(|&id| tokenizer.vocabulary()[usize::from(id)]).collect()
    };
    let train = &train[train.len().saturating_sub(2_000_000)..];
    let rungs = ladder(&characters(train), &characters(validation));
    let words: Vec<String> = rungs
        .iter()
        .map(|Rung { name, loss }| format!("{name} {loss:.3}"))
        .collect();
    let (low, high) = words.split_at(4);
    writeln!(stdout(), "ladder    {},", low.join(", "))?;
    writeln!(stdout(), "          {} nats per character\n", high.join(", "))?;
    Ok(rungs)
}

/// Trains, and says how it goes: a bar where there is a terminal, and a line
/// for each evaluation everywhere.
fn train_model(
    mut trainer: Trainer,
    recipe: &Recipe,
    saving: Option<Saving>,
    train: &[u16],
    validation: &[u16],
    rungs: &[Rung],
) -> Result<Ended, Error> {
    if saving.is_some() {
        listen()?;
    }
    let bar = bar(recipe.steps);
    let tokens = (recipe.batch_size * recipe.block_size) as f64;
    let start = Instant::now();
    let begun = trainer.step;
    let (mut unsaved, mut printed) = (None, Ok(()));
    let (mut stepping, mut since) = (0.0, start); // seconds in steps alone
    let ended = trainer.run(train, validation, |trainer, event| {
        match event {
            Event::Step(report) => {
                stepping += since.elapsed().as_secs_f64();
                let steps = report.step + 1 - begun;
                let speed = steps as f64 * tokens / stepping;
                bar.set_position(report.step as u64 + 1);
                bar.set_message(format!(
                    "loss {:.3}, {speed:.0} characters/s",
                    report.loss
                ));
                if steps == 20 && recipe.steps > 100 {
                    let left = recipe.steps.saturating_sub(begun);
                    let all = stepping / 20.0 * left as f64;
                    printed = bar.suspend(|| {
                        writeln!(stdout(), "(the steps take about {all:.0} s)")
                    });
                }
            }
            Event::Evaluation(evaluation) => {
                printed = bar.suspend(|| print_evaluation(&evaluation, rungs));
                let saved = saving.as_ref().map(|saving| {
                    let best = trainer.best == Some(evaluation.validation_loss);
                    saving.save(trainer, best)
                });
                unsaved = saved.and_then(Result::err);
                if let Some(error) = &unsaved {
                    bar.suspend(|| {
                        warn(&format!("warning: {error}; training goes on"))
                    });
                }
            }
        }
        since = Instant::now();
        match INTERRUPTED.load(Ordering::Relaxed) || printed.is_err() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    bar.finish_and_clear();
    if let (Err(error), Some(Saving { path, .. })) = (&ended, &saving)
        && path.exists()
    {
        let path = path.display();
        Err(format!("{error}; the last good state is in {path}"))?;
    }
    ended?;
    let interrupted = INTERRUPTED.load(Ordering::Relaxed);
    if let Some(saving) = saving.filter(|_| interrupted || printed.is_err()) {
        let (step, path) = (trainer.step, saving.path.display());
        let said = match saving.save(&trainer, false) {
            Ok(()) => format!(
                "\ninterrupted: step {step} is saved to {path}; go on with \
                 --resume {path}"
            ),
            Err(error) => format!("\nerror: interrupted, and {error}"),
        };
        warn(&said);
    }
    printed?; // somebody has stopped reading
    if interrupted {
        return Ok(Ended { model: None, unsaved: None });
    }
    INTERRUPTED.store(true, Ordering::Relaxed); // no step to finish any more
    let steps = trainer.step - begun;
    if steps == 0 {
        let step = trainer.step;
        writeln!(
            stdout(),
            "\nnothing left to train: this is step {step} of {}; a larger \
             --steps goes on",
            recipe.steps
        )?;
    } else {
        writeln!(
            stdout(),
            "\ntrained in {:.1} s, {:.0} characters/s",
            start.elapsed().as_secs_f64(),
            steps as f64 * tokens / stepping,
        )?;
    }
    Ok(Ended { model: Some(trainer.result().clone()), unsaved })
}

/// How a run ended: with a model, unless somebody interrupted it.
struct Ended {
    model: Option<Gpt>,
    unsaved: Option<String>,
}

/// Where to save to, and what is saved with each state.
struct Saving<'a> {
    path: &'a Path,
    corpus: &'a Corpus,
}

impl Saving<'_> {
    /// Saves a state, also as the best if it is.
    fn save(&self, trainer: &Trainer, best: bool) -> Result<(), String> {
        let save = |path: &Path| {
            let failed = |error: CheckpointError| {
                format!("not saved to {}: {error}", path.display())
            };
            checkpoint::save(path, trainer, self.corpus).map_err(failed)
        };
        let best_path = checkpoint::best_path(self.path);
        let files = match (best, self.path.exists()) {
            (false, _) => vec![self.path],
            // Killed in between, a run comes by its best state once more
            (true, true) => vec![&best_path, self.path],
            (true, false) => vec![self.path, &best_path],
        };
        let errors = files.into_iter().filter_map(|path| save(path).err());
        let errors: Vec<String> = errors.collect(); // all are tried
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }
}

/// Whether the run shall end after the step that is being taken.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// On Ctrl-C, ends the run after the step; on the second, at once.
fn listen() -> Result<(), Error> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        warn("\nfinishing the step; once more to leave at once");
    })?;
    Ok(())
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
fn print_evaluation(evaluation: &Evaluation, rungs: &[Rung]) -> io::Result<()> {
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
    writeln!(
        stdout(),
        "step {step:>5}  train {train}  validation {validation_loss:.4}{passed}"
    )
}
