//! Trains a GPT on Shakespeare's sonnets, or on any text, and lets it write.
//!
//! `cargo run --example shakespeare` needs nothing else: the sonnets are in the
//! program, and the defaults take about a minute on two cores.

#[path = "../examples/terminal/mod.rs"]
mod terminal;

use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::{ArgGroup, Parser, ValueEnum};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use microgpt::checkpoint::{self, Corpus, RunFile, RunFileError, best_path};
use microgpt::generation::{GenerationError, Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::hugging_face::{self, Fault};
use microgpt::orientation::{Rung, ladder};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{
    AdamW, Evaluation, Event, LrSchedule, SequenceWarmup, TrainConfig,
    TrainError, Trainer, split,
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

/// The sizes that are asked for: on top of a preset, or of a model to begin
/// with.
fn sizes(
    options: &Options,
    vocab_size: usize,
    base: Option<&Gpt>,
) -> GptConfig {
    let base = base.map(Gpt::config).unwrap_or(match options.preset {
        Preset::Quick => GptConfig::quick(vocab_size),
        Preset::Standard => GptConfig::standard(vocab_size),
        Preset::Long => GptConfig::long(vocab_size),
    });
    GptConfig {
        n_layer: options.n_layer.unwrap_or(base.n_layer),
        n_head: options.n_head.unwrap_or(base.n_head),
        n_embd: options.n_embd.unwrap_or(base.n_embd),
        block_size: options.block_size.unwrap_or(base.block_size),
        vocab_size,
    }
}

/// The settings that are asked for: on top of a preset, or of a run that goes
/// on.
fn settings(
    options: &Options,
    block_size: usize,
    resumed: Option<&Trainer>,
) -> TrainConfig {
    let preset = match options.preset {
        Preset::Quick => TrainConfig::quick(),
        Preset::Standard => TrainConfig::default(),
        Preset::Long => TrainConfig::long(),
    };
    let mut config = resumed.map_or(preset, |run| *run.config());
    if options.steps.is_some() || options.lr.is_some() {
        let LrSchedule { max_lr, steps, .. } = config.schedule;
        let max_lr = options.lr.unwrap_or(max_lr);
        let steps = options.steps.unwrap_or(steps);
        config.schedule = LrSchedule::new(max_lr, steps);
    }
    if let Some(steps) = options.short_steps
        && steps != config.sequence_warmup.steps
    {
        let length = (block_size / 4).max(1);
        config.sequence_warmup = SequenceWarmup { length, steps };
    }
    let AdamW { weight_decay, .. } = config.optimizer;
    config.optimizer.weight_decay =
        options.weight_decay.unwrap_or(weight_decay);
    config.batch_size = options.batch_size.unwrap_or(config.batch_size);
    config.average = options.average.unwrap_or(config.average);
    config.eval_interval =
        options.eval_interval.unwrap_or(config.eval_interval);
    config.seed = options.seed.unwrap_or(config.seed);
    config
}

/// What is wrong with a setting, under the name of its option.
fn named(error: TrainError) -> Error {
    match error {
        TrainError::Setting { name, value, problem } => {
            let option = name.replace('_', "-");
            format!("--{option} {value}: {problem}").into()
        }
        error => error.into(),
    }
}

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
    let (train, validation) = split(&ids);

    let (resumed, file) = open(options, &corpus)?;
    let imported = match &options.import_hf {
        Some(folder) => Some(begin_with(folder, tokenizer)?),
        None => None,
    };
    let base = resumed.as_ref().map(|run| &run.model).or(imported.as_ref());
    let sizes = sizes(options, tokenizer.vocab_size(), base);
    let config = settings(options, sizes.block_size, resumed.as_ref());
    check(&config, sizes, train.len(), validation.len())?;
    // What can be wrong with the writing is said before the training
    let writing = writing(options, tokenizer, ids[0])?;

    let begun = resumed.is_some();
    let trainer = match resumed {
        Some(mut trainer) => {
            trainer.reconfigure(config).map_err(named)?;
            trainer
        }
        None => {
            let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
            let model = match imported {
                Some(model) => model,
                None => Gpt::new(sizes, &mut rng)?,
            };
            Trainer::new(model, config).map_err(named)?
        }
    };
    writeln!(
        stdout(),
        "corpus    {} characters, {} distinct; {} to train on, {} to validate \
         with",
        HumanCount(ids.len() as u64),
        sizes.vocab_size,
        HumanCount(train.len() as u64),
        HumanCount(validation.len() as u64),
    )?;
    print_model(&trainer, threads)?;
    if let Some(path) = options.resume.as_ref().filter(|_| begun) {
        let (path, step) = (path.display(), trainer.step);
        let step = HumanCount(step as u64);
        writeln!(stdout(), "resumed   {path}, at step {step}")?;
    }
    let rungs = print_ladder(tokenizer, train, validation)?;
    let seed = config.seed;
    let ended = train_model(trainer, file, train, validation, &rungs)?;
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
            Ok(Some((model, tokenizer, TrainConfig::default().seed)))
        }
        (None, Some(path))
            if options.generate
                || options.export_hf.is_some()
                    && options.resume.is_none()
                    && path.exists() =>
        {
            let (trainer, corpus) = load(path)?;
            let seed = trainer.config().seed;
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

fn load(path: &Path) -> Result<(Trainer, Corpus), Error> {
    let name = path.display();
    Ok(checkpoint::load(path).map_err(|error| format!("{name}: {error}"))?)
}

/// The run to go on with, and the file to save it to, if any are named.
fn open(
    options: &Options,
    corpus: &Corpus,
) -> Result<(Option<Trainer>, Option<RunFile>), Error> {
    let (from, to) = (options.resume.as_deref(), options.checkpoint.as_deref());
    if let Some(path) = to.or(from) {
        check_names(path, options)?;
    }
    let explained = |error| explained(error, from.is_some());
    match (from, to) {
        (Some(from), to) if to.is_none_or(|to| to == from) => {
            let (file, trainer) =
                RunFile::resume(from, corpus).map_err(explained)?;
            check_sizes(from, &trainer, options)?;
            Ok((Some(trainer), Some(file)))
        }
        (Some(from), Some(to)) => {
            let file = RunFile::create(to, corpus).map_err(explained)?;
            let (trainer, learned) = load(from)?;
            file.check_text(from, &learned).map_err(explained)?;
            check_sizes(from, &trainer, options)?;
            Ok((Some(trainer), Some(file)))
        }
        (_, Some(to)) => {
            let file = RunFile::create(to, corpus).map_err(explained)?;
            Ok((None, Some(file)))
        }
        (_, None) => Ok((None, None)),
    }
}

/// Makes sure that the run and the exported model have different names.
fn check_names(path: &Path, options: &Options) -> Result<(), Error> {
    let taken = [path, &best_path(path)];
    match &options.export_hf {
        Some(folder) if taken.contains(&folder.as_path()) => Err(format!(
            "{}: will be a file of this run; give another name to --export-hf",
            folder.display()
        ))?,
        _ => Ok(()),
    }
}

/// What is wrong with the file of a run, and which option mends it.
fn explained(error: RunFileError, resumes: bool) -> Error {
    match error {
        RunFileError::Exists { path } => {
            let path = path.display();
            format!(
                "{path} is there already; go on with it by --resume {path}, \
                 or give another name"
            )
        }
        RunFileError::OtherText { .. } => format!("{error}, by --data"),
        RunFileError::ForeignBest { .. } if resumes => {
            format!("{error}, by --checkpoint")
        }
        error => return error.into(),
    }
    .into()
}

/// Refuses sizes other than those of the run to go on with.
fn check_sizes(
    path: &Path,
    trainer: &Trainer,
    options: &Options,
) -> Result<(), Error> {
    let GptConfig { n_layer, n_head, n_embd, block_size, .. } =
        trainer.model.config();
    for (option, asked, saved) in [
        ("--n-layer", options.n_layer, n_layer),
        ("--n-head", options.n_head, n_head),
        ("--n-embd", options.n_embd, n_embd),
        ("--block-size", options.block_size, block_size),
    ] {
        if let Some(asked) = asked.filter(|&asked| asked != saved) {
            let name = path.display();
            Err(format!(
                "{option} {asked}: the model in {name} has {saved}; a size \
                 cannot change"
            ))?;
        }
    }
    Ok(())
}

/// Prints what is in a file.
fn inspect(path: &Path) -> Result<(), Error> {
    let (trainer, corpus) = load(path)?;
    let mut out = stdout().lock();
    let GptConfig { n_layer, n_head, n_embd, block_size, vocab_size } =
        trainer.model.config();
    let TrainConfig { batch_size, schedule, eval_interval, seed, .. } =
        *trainer.config();
    writeln!(
        out,
        "model      n_layer {n_layer}, n_head {n_head}, n_embd {n_embd}, \
         block_size {block_size}, vocab_size {vocab_size}"
    )?;
    let decay = trainer.config().optimizer.weight_decay;
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
    let SequenceWarmup { length, steps } = trainer.config().sequence_warmup;
    if steps > 0 {
        writeln!(
            out,
            "short      windows of {length} characters in the first {steps} steps"
        )?;
    }
    if let Some(average) = &trainer.average {
        let (part, steps) = (trainer.config().average, average.steps);
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

/// Refuses sizes that cannot work before any work is done.
fn check(
    config: &TrainConfig,
    sizes: GptConfig,
    tokens: usize,
    validation: usize,
) -> Result<(), Error> {
    sizes.validate()?;
    config.validate(&sizes).map_err(named)?;
    let needed = sizes.block_size.saturating_add(1);
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
    let gigabytes = config.memory(&sizes) / 1e9;
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

fn print_model(trainer: &Trainer, threads: usize) -> io::Result<()> {
    let (model, config) = (&trainer.model, trainer.config());
    let GptConfig { n_layer, n_head, n_embd, block_size, .. } = model.config();
    let megabytes = config.memory(&model.config()) / 1e6;
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
        HumanCount(config.schedule.steps as u64),
        config.batch_size,
        if threads == 1 { "" } else { "s" },
    )?;
    let SequenceWarmup { length, steps } = config.sequence_warmup;
    if steps > 0 {
        writeln!(
            stdout(),
            "short     the first {} steps with windows of {length} characters, \
             and as many more of them",
            HumanCount(steps as u64),
        )?;
    }
    if config.average > 0.0 {
        writeln!(
            stdout(),
            "average   evaluated is the mean of the weights over the last {} of \
             the steps",
            config.average,
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
    file: Option<RunFile>,
    train: &[u16],
    validation: &[u16],
    rungs: &[Rung],
) -> Result<Ended, Error> {
    if file.is_some() {
        listen()?;
    }
    let TrainConfig { batch_size, schedule, .. } = *trainer.config();
    let bar = bar(schedule.steps);
    let context = trainer.model.config().block_size;
    let tokens = (batch_size * context) as f64;
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
                if steps == 20 && schedule.steps > 100 {
                    let left = schedule.steps.saturating_sub(begun);
                    let all = stepping / 20.0 * left as f64;
                    printed = bar.suspend(|| {
                        writeln!(stdout(), "(the steps take about {all:.0} s)")
                    });
                }
            }
            Event::Evaluation(evaluation) => {
                printed = bar.suspend(|| print_evaluation(&evaluation, rungs));
                let saved = file.as_ref().map(|file| {
                    let best = trainer.best == Some(evaluation.validation_loss);
                    file.save(trainer, best)
                });
                let failed = saved.and_then(Result::err);
                unsaved = failed.map(|error| format!("not saved to {error}"));
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
    if let (Err(error), Some(file)) = (&ended, &file)
        && file.path().exists()
    {
        let path = file.path().display();
        Err(format!("{error}; the last good state is in {path}"))?;
    }
    ended?;
    let interrupted = INTERRUPTED.load(Ordering::Relaxed);
    if let Some(file) = file.filter(|_| interrupted || printed.is_err()) {
        let (step, path) = (trainer.step, file.path().display());
        let said = match file.save(&trainer, false) {
            Ok(()) => format!(
                "\ninterrupted: step {step} is saved to {path}; go on with \
                 --resume {path}"
            ),
            Err(error) => {
                format!("\nerror: interrupted, and not saved to {error}")
            }
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
            schedule.steps
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
