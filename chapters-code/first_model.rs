//! The model of chapter 1, on which later chapters try out what they claim; in
//! double precision, where a run comes out the same on every processor.

#![allow(dead_code)] // no program needs all of it

use std::error::Error;
use std::ops::ControlFlow;

use double::gpt::{Gpt, GptConfig};
use double::tokenization::CharTokenizer;
use double::training::{Event, LrSchedule, TrainConfig, Trainer, split};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// The embedded corpus.
pub const SONNETS: &str = include_str!("data/sonnets.txt");

/// The pipeline's model, untrained.
pub fn untrained(n_layer: usize) -> Result<Gpt, Box<dyn Error>> {
    let (n_head, n_embd, block_size, vocab_size) = (2, 32, 32, 59);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    Ok(Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?)
}

/// A run of so many steps, with the pipeline's settings.
pub fn trainer(
    model: Gpt,
    steps: usize,
    eval_interval: usize,
) -> Result<Trainer, Box<dyn Error>> {
    let (max_lr, min_lr, warmup) = (3e-3, 3e-4, 100);
    let config = TrainConfig {
        batch_size: 8,
        schedule: LrSchedule { max_lr, min_lr, warmup, steps },
        average: 0.0,
        eval_interval,
        seed: 4,
        ..TrainConfig::default()
    };
    Ok(Trainer::new(model, config)?)
}

/// Trains `model`, and returns it with its validation losses.
pub fn train(
    model: Gpt,
    ids: &[u16],
    steps: usize,
    eval_interval: usize,
) -> Result<(Gpt, Vec<f64>), Box<dyn Error>> {
    let (train, validation) = split(ids);
    let mut losses = Vec::new();
    let mut trainer = trainer(model, steps, eval_interval)?;
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
