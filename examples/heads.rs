//! Where each attention head looks, and what the model loses without it.
//!
//! `cargo run --example heads` trains chapter 1's small model on the sonnets,
//! which takes some seconds; with `-- --data FILE`, on a text of your own.

#[path = "../chapters-code/first_model.rs"]
mod first_model;
#[path = "../chapters-code/transformer_block/heads.rs"]
mod heads;
mod terminal;

use std::error::Error;
use std::io::{self, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use double::gpt::{Gpt, GptConfig};
use double::tokenization::CharTokenizer;
use double::training::{evaluate, split};
use double::{Matrix, Vector};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use heads::{GROUPS, by_distance, induction, mean, weights, without};

/// Measure the attention heads of a small model.
#[derive(Parser)]
struct Options {
    /// Text to train on, in UTF-8 [default: Shakespeare's sonnets]
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

fn main() -> ExitCode {
    terminal::run(|| run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let text = match &options.data {
        Some(path) => terminal::read_text(path)?,
        None => first_model::SONNETS.to_owned(),
    };
    let tokenizer = CharTokenizer::new(&text)?;
    let ids = tokenizer.encode(&text)?;
    let (train, validation) = split(&ids);
    let vocab_size = tokenizer.vocab_size();
    let sizes = GptConfig { vocab_size, ..first_model::untrained(2)?.config() };
    if validation.len() <= sizes.block_size {
        let least = 10 * sizes.block_size + 1;
        Err(format!(
            "the text is too short; give at least {least} characters"
        ))?;
    }
    let model = trained(sizes, train)?;
    let mut out = stdout();
    print_distances(&mut out, &model, validation)?;
    print_cuts(&mut out, &model, validation)
}

/// The model of later chapters' experiments, for a text of any vocabulary.
fn trained(sizes: GptConfig, train: &[u16]) -> Result<Gpt, Box<dyn Error>> {
    let model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;
    let mut trainer = first_model::trainer(model, 2000, 2000)?;
    while trainer.step < trainer.config().schedule.steps {
        trainer.take_step(train)?;
    }
    Ok(trainer.model)
}

/// Where the heads look in the windows of the validation set.
fn print_distances(
    out: &mut impl Write,
    model: &Gpt,
    validation: &[u16],
) -> io::Result<()> {
    let GptConfig { block_size: t, n_head, .. } = model.config();
    let all = mean(validation.chunks_exact(t), |window| {
        weights(model, window).iter().map(by_distance).collect()
    });
    let (first, last) = (t / 2, t - 1);
    writeln!(out, "attention by distance, from queries {first} to {last}:\n")?;
    write!(out, "block  head       0      1      2      3    4–7   8–15")?;
    writeln!(out, "    16+  entropy   e^H")?;
    for (i, row) in all.iter().enumerate() {
        let (block, head) = (i / n_head, i % n_head);
        writeln!(out, "{block:5}  {head:4} {}", line(row))?;
    }
    let even = Matrix::from_shape_fn((t, t), |(i, _)| 1.0 / (i + 1) as f64);
    writeln!(out, "evenly      {}\n", line(&by_distance(&even)))
}

/// A row of the table above.
fn line(row: &Vector) -> String {
    let groups = row.iter().take(GROUPS.len());
    let groups: String = groups.map(|share| format!("{share:7.3}")).collect();
    let entropy = row[GROUPS.len()];
    format!("{groups}  {entropy:7.3}  {:4.1}", entropy.exp())
}

/// The loss without each head, and the head's induction score.
fn print_cuts(
    out: &mut impl Write,
    model: &Gpt,
    validation: &[u16],
) -> Result<(), Box<dyn Error>> {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let (twice, once) =
        (induction(model, true, rng), induction(model, false, rng));
    let whole = evaluate(model, validation)?;
    writeln!(out, "validation loss {whole:.4}; without one head, and the")?;
    writeln!(out, "induction score in strings written twice, and once:\n")?;
    writeln!(out, "block  head    loss     more  twice   once")?;
    let n_head = model.config().n_head;
    for (i, (twice, once)) in twice.iter().zip(&once).enumerate() {
        let (block, head) = (i / n_head, i % n_head);
        let loss = evaluate(&without(model, block, head), validation)?;
        write!(out, "{block:5}  {head:4}  {loss:.4}  {:7.4}", loss - whole)?;
        writeln!(out, "  {:.3}  {:.3}", twice[0], once[0])?;
    }
    Ok(())
}
