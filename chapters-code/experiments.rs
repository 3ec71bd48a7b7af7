//! What the early chapters claim about the whole model, tried out on it.
//!
//! The model is that of the pipeline of chapter 1, in double precision, where a
//! run comes out the same on every processor.

#[path = "../tests/double/mod.rs"]
pub mod double;

use std::error::Error;
use std::ops::ControlFlow;

use double::gpt::{Gpt, GptConfig};
use double::orientation::{dot, rows};
use double::tokenization::CharTokenizer;
use double::training::{
    Event, LrSchedule, TrainConfig, Trainer, evaluate, split,
};
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

/// The embedded corpus.
pub const SONNETS: &str = include_str!("data/sonnets.txt");

#[allow(dead_code)] // the figures are drawn from the same model
fn main() -> Result<(), Box<dyn Error>> {
    renamed_ids()?;
    no_positions()?;
    let (_, trained, tokenizer) = trained()?;
    positions_at_work(&trained, &tokenizer)?;
    neighbours(&trained, &tokenizer);
    Ok(())
}

/// The pipeline's model, untrained.
fn untrained(n_layer: usize) -> Result<Gpt, Box<dyn Error>> {
    let (n_head, n_embd, block_size, vocab_size) = (2, 32, 32, 59);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    Ok(Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?)
}

/// Trains `model`, and returns it with its validation losses.
fn train(
    model: Gpt,
    ids: &[u16],
    steps: usize,
    eval_interval: usize,
) -> Result<(Gpt, Vec<f64>), Box<dyn Error>> {
    let (max_lr, min_lr, warmup) = (3e-3, 3e-4, 100);
    let schedule = LrSchedule { max_lr, min_lr, warmup, steps };
    let (batch_size, max_norm, seed) = (8, 1.0, 4);
    let config =
        TrainConfig { batch_size, schedule, max_norm, eval_interval, seed };
    let (train, validation) = split(ids);
    let mut losses = Vec::new();
    let mut trainer = Trainer::new(model, config)?;
    trainer.run(train, &validation[..2049], |_, event| {
        if let Event::Evaluation(evaluation) = event {
            losses.push(evaluation.validation_loss);
        }
        ControlFlow::Continue(())
    })?;
    Ok((trainer.model, losses))
}

/// The pipeline's model before and after 2,000 steps.
pub fn trained() -> Result<(Gpt, Gpt, CharTokenizer), Box<dyn Error>> {
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let before = untrained(2)?;
    let ids = tokenizer.encode(SONNETS)?;
    let (after, _) = train(before.clone(), &ids, 2000, 1000)?;
    Ok((before, after, tokenizer))
}

// ANCHOR: renamed_ids
/// Gives every id another's name, and the row of the table with it.
fn renamed_ids() -> Result<(), Box<dyn Error>> {
    println!("[renamed ids]");
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(SONNETS)?;
    let model = untrained(2)?;

    let mut new_name: Vec<u16> = (0..59).collect();
    new_name.shuffle(&mut ChaCha8Rng::seed_from_u64(2));
    let renamed: Vec<u16> =
        ids.iter().map(|&id| new_name[usize::from(id)]).collect();
    let mut other = model.clone();
    for (old, &new) in new_name.iter().enumerate() {
        let row = model.embeddings.token.row(old);
        other.embeddings.token.row_mut(usize::from(new)).assign(&row);
    }

    println!("\"love\" is {:?},", tokenizer.encode("love")?);
    println!("and now   {:?}", {
        let ids = tokenizer.encode("love")?;
        ids.iter().map(|&id| new_name[usize::from(id)]).collect::<Vec<_>>()
    });
    let (_, losses) = train(model, &ids, 200, 100)?;
    let (_, renamed) = train(other, &renamed, 200, 100)?;
    println!("losses     {losses:.6?}\nrenamed    {renamed:.6?}");
    Ok(())
}
// ANCHOR_END: renamed_ids

// ANCHOR: no_positions
/// Whether a model tells "cat sat" from "sat cat", at the last `t` of each.
fn no_positions() -> Result<(), Box<dyn Error>> {
    println!("[no positions]");
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let texts = ["cat sat", "sat cat"];
    for (n_layer, with) in [(1, true), (1, false), (2, true), (2, false)] {
        let mut model = untrained(n_layer)?;
        // Larger weights, so that differences show
        for tensor in model.tensors_mut() {
            tensor.data.iter_mut().for_each(|x| *x *= 10.0);
        }
        if !with {
            model.embeddings.position.fill(0.0);
        }
        let mut last = Vec::new();
        for text in texts {
            let (logits, _) = model.forward(&tokenizer.encode(text)?, 7);
            last.push(logits.row(6).to_owned());
        }
        let apart = (&last[0] - &last[1]).mapv(f64::abs);
        let apart = apart.iter().fold(0.0, |a: f64, &b| a.max(b));
        let with = if with { "with" } else { "without" };
        println!("blocks: {n_layer}, {with:7} positions: differ by {apart:.3}");
    }
    Ok(())
}
// ANCHOR_END: no_positions

// ANCHOR: positions_at_work
/// Takes the positions away from a model that has learned with them.
fn positions_at_work(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[positions at work]");
    let ids = tokenizer.encode(SONNETS)?;
    let (_, validation) = split(&ids);
    let validation = &validation[..2049];
    let loss = evaluate(model, validation)?;
    println!("as trained              {loss:.3}");
    let mut zeroed = model.clone();
    zeroed.embeddings.position.fill(0.0);
    println!("no positions            {:.3}", evaluate(&zeroed, validation)?);
    let mut shuffled = model.clone();
    let mut order: Vec<usize> = (0..32).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(3));
    for (to, from) in order.into_iter().enumerate() {
        let row = model.embeddings.position.row(from);
        shuffled.embeddings.position.row_mut(to).assign(&row);
    }
    println!("positions shuffled      {:.3}", evaluate(&shuffled, validation)?);
    Ok(())
}
// ANCHOR_END: positions_at_work

/// The tokens whose rows point most nearly the same way.
fn neighbours(model: &Gpt, tokenizer: &CharTokenizer) {
    println!("[neighbours]");
    let table: Vec<&[f64]> = rows(&model.embeddings.token).collect();
    let cosine = |a: usize, b: usize| {
        let (a, b) = (table[a], table[b]);
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    for c in ['a', 'd', 'T', ',', '\n'] {
        let Ok(id) = tokenizer.vocabulary().binary_search(&c) else { continue };
        let mut others: Vec<usize> = (0..59).filter(|&o| o != id).collect();
        others.sort_by(|&a, &b| cosine(id, b).total_cmp(&cosine(id, a)));
        print!("{:6}", format!("{c:?}"));
        for &other in &others[..4] {
            let name = format!("{:?}", tokenizer.vocabulary()[other]);
            print!("{name:>7} {:.2}", cosine(id, other));
        }
        println!();
    }
}
