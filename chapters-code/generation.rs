//! Chapter 7. From scores to text.

#[path = "../src/embeddings.rs"]
#[allow(dead_code)]
mod embeddings;
#[path = "../src/generation.rs"]
#[allow(dead_code)]
mod generation;
#[path = "../src/gpt.rs"]
#[allow(dead_code)]
mod gpt;
#[path = "../src/orientation.rs"]
#[allow(dead_code)]
mod orientation;
#[path = "../src/tokenization.rs"]
#[allow(dead_code)]
mod tokenization;
#[path = "../src/training.rs"]
#[allow(dead_code)]
mod training;
#[path = "../src/transformer_block.rs"]
#[allow(dead_code)]
mod transformer_block;

use std::error::Error;
use std::ops::ControlFlow;

use generation::{Generator, KvCache, Sampler};
use gpt::{Gpt, GptConfig};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use tokenization::CharTokenizer;
use training::{LrSchedule, TrainConfig, Trainer, split};

use ndarray::linalg::general_mat_mul;

type Float = f64;
type Vector = ndarray::Array1<Float>;
type Matrix = ndarray::Array2<Float>;

fn exp(x: Float) -> Float {
    x.exp()
}

fn main() -> Result<(), Box<dyn Error>> {
    let tokenizer = CharTokenizer::new(include_str!("data/sonnets.txt"))?;
    let model = trained(&tokenizer)?;

    // The same scores under three temperatures, and cut to the five likeliest
    let prompt = tokenizer.encode("When I do count the cloc")?;
    let scores = KvCache::new(&model).extend(&model, &prompt);
    println!("after \"… the cloc\":");
    for (temperature, top_k) in
        [(0.5, None), (1.0, None), (2.0, None), (1.0, Some(5)), (0.0, None)]
    {
        let sampler = Sampler::new(temperature, top_k)?;
        print!("temperature {temperature}, top-k {top_k:?}: ");
        for (id, p) in sampler.distribution(&scores).iter().take(6) {
            print!("{:?} {p:.3}  ", tokenizer.decode(&[*id])?);
        }
        println!();
    }

    // With the cache and without it, the same scores
    let (logits, _) = model.forward(&prompt, prompt.len());
    let last = logits.row(prompt.len() - 1);
    let apart = scores.iter().zip(last).map(|(a, b)| (a - b).abs());
    let worst = apart.fold(0.0, Float::max);
    println!(
        "\ncached and uncached differ by less than 1e-12: {}",
        worst < 1e-12
    );

    // Text, at three temperatures
    for temperature in [0.0, 0.8, 1.5] {
        let rng = ChaCha8Rng::seed_from_u64(1);
        let sampler = Sampler::new(temperature, None)?;
        let ids = Generator::new(&model, &prompt, sampler, rng)?;
        let ids: Vec<u16> = ids.take(120).collect();
        let text = tokenizer.decode(&ids)?;
        println!(
            "\ntemperature {temperature}:\nWhen I do count the cloc{text}"
        );
    }
    Ok(())
}

/// A small model after 400 steps on the sonnets.
fn trained(tokenizer: &CharTokenizer) -> Result<Gpt, Box<dyn Error>> {
    let ids = tokenizer.encode(include_str!("data/sonnets.txt"))?;
    let config = GptConfig {
        n_layer: 2,
        n_head: 2,
        n_embd: 32,
        block_size: 32,
        vocab_size: tokenizer.vocab_size(),
    };
    let model = Gpt::new(config, &mut ChaCha8Rng::seed_from_u64(1))?;
    let steps = 400;
    let schedule = LrSchedule { max_lr: 3e-3, min_lr: 3e-4, warmup: 20, steps };
    let config = TrainConfig {
        batch_size: 8,
        schedule,
        max_norm: 1.0,
        eval_interval: steps,
        seed: 1,
    };
    let mut trainer = Trainer::new(model, config)?;
    let (train, validation) = split(&ids);
    trainer.run(train, validation, |_, _| ControlFlow::Continue(()))?;
    Ok(trainer.model)
}
