//! What a short context costs: a GPT and tables of counts, all judged by the
//! same characters.
//!
//! `cargo run --example context` trains the model of `shakespeare` on the
//! sonnets, which takes a minute; `cargo run --example context -- FILE` trains
//! one with a context of 128 on a text of your own, which takes several.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

#[path = "counting.rs"]
#[allow(dead_code)] // its `main` is not ours
mod counting;

use counting::KneserNey;
use counting::terminal::{self, read_text};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::orientation::{CountModel, rows_mut, softmax};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{LrSchedule, TrainConfig, Trainer, evaluate, split};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// Hands the memory of one step to the next without asking the system again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    terminal::run(run)
}

fn run() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).map(PathBuf::from);
    let longer = file.is_some();
    let text = match file {
        Some(path) => read_text(&path)?,
        None => include_str!("../chapters-code/data/sonnets.txt").to_owned(),
    };
    let tokenizer = CharTokenizer::new(&text)?;
    let ids = tokenizer.encode(&text)?;
    let (train, validation) = split(&ids);

    let mut trainer = trainer(longer, tokenizer.vocab_size())?;
    while trainer.step < trainer.config().schedule.steps {
        trainer.take_step(train)?;
    }
    let model = trainer.result();
    let t = model.embeddings.position.nrows();
    let mut out = stdout();
    let whole = evaluate(model, validation)?;
    writeln!(out, "the whole validation set, by `evaluate`: {whole:.4}\n")?;

    let judged = validation.len().saturating_sub(t);
    writeln!(out, "its {judged} characters with at least {t} before them:\n")?;
    writeln!(out, "GPT, windows of {t:<3}   sees        loss")?;
    for stride in [t, t / 2, t / 4, t / 8] {
        let name = match t - stride {
            0 => "end to end".to_owned(),
            overlap => format!("overlapping by {overlap}"),
        };
        let sees = format!("{} to {t}", t - stride + 1);
        let loss = overlapping(model, validation, stride);
        writeln!(out, "{name:21} {sees:10} {loss:.4}")?;
    }

    let text: Vec<char> = text.chars().collect();
    let (train, validation) = split(&text);
    let characters: BTreeSet<char> = text.iter().copied().collect();
    let vocabulary: Vec<char> = characters.into_iter().collect();
    writeln!(out, "\ncounting              sees  Witten–Bell  Kneser–Ney")?;
    for order in 2..=8 {
        let old = CountModel::new(train, &vocabulary, order);
        let new = KneserNey::new(train, vocabulary.len(), order);
        let old = counted(validation, t, |run| old.probability(run));
        let new = counted(validation, t, |run| new.probability(run));
        let (name, sees) = (format!("{order}-gram"), order - 1);
        writeln!(out, "{name:21} {sees:<4}  {old:>11.4}  {new:>10.4}")?;
    }
    Ok(())
}

/// The runs of the loss ladder's figure: on the sonnets, or on a longer text.
fn trainer(longer: bool, vocab_size: usize) -> Result<Trainer, Box<dyn Error>> {
    let (mut sizes, mut config) =
        (GptConfig::standard(vocab_size), TrainConfig::default());
    if longer {
        sizes.block_size = 128;
        config.schedule = LrSchedule::new(4e-3, 2000);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    Ok(Trainer::new(Gpt::new(sizes, &mut rng)?, config)?)
}

// ANCHOR: overlapping
/// The mean loss over the tokens that have a whole window before them.
///
/// A window begins every `stride` tokens, and only its last `stride`
/// predictions count. So each token is judged once, by a model that sees at
/// least `t − stride + 1` tokens before it. This is strided evaluation.
fn overlapping(model: &Gpt, data: &[u16], stride: usize) -> f64 {
    let t = model.embeddings.position.nrows();
    let last = data.len() - 1; // what has no successor is no input
    let (mut sum, mut count) = (0.0, 0);
    for start in (0..).step_by(stride) {
        let inputs = &data[start..last.min(start + t)];
        let mut logits = model.logits(inputs, inputs.len()); // [T, V]
        // Each row with the place of the token that it predicts: of the last
        // `stride`, those with a whole window of text before them
        let rows = rows_mut(&mut logits).zip(start + 1..);
        for (row, place) in rows.skip(t - stride).filter(|row| row.1 >= t) {
            let logit = row[usize::from(data[place])];
            sum += f64::from(softmax(row) - logit); // −ln p
            count += 1;
        }
        if start + t >= last {
            break;
        }
    }
    sum / f64::from(count)
}
// ANCHOR_END: overlapping

/// The mean of `−ln P` over the characters with at least `t` before them.
fn counted(
    text: &[char],
    t: usize,
    probability: impl Fn(&[char]) -> f64,
) -> f64 {
    let losses = (t..text.len()).map(|i| -probability(&text[i - 7..=i]).ln());
    losses.sum::<f64>() / text.len().saturating_sub(t) as f64
}
