//! Chapter 6. Batches, AdamW, a learning rate that rises and falls.

#[path = "../src/embeddings.rs"]
#[allow(dead_code)]
mod embeddings;
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

use gpt::{Gpt, GptConfig};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use tokenization::CharTokenizer;
use training::{AdamW, Batch, Event, LrSchedule, TrainConfig, Trainer, split};

use ndarray::linalg::general_mat_mul;

type Float = f64;
type Vector = ndarray::Array1<Float>;
type Matrix = ndarray::Array2<Float>;

fn exp(x: Float) -> Float {
    x.exp()
}

fn main() -> Result<(), Box<dyn Error>> {
    let text = include_str!("data/sonnets.txt");
    let tokenizer = CharTokenizer::new(text)?;
    let ids = tokenizer.encode(text)?;
    let (train, validation) = split(&ids);

    // Two windows, and what follows each of their characters
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let batch = Batch::random(train, 2, 12, &mut rng)?;
    for (x, y) in batch.inputs.chunks(12).zip(batch.targets.chunks(12)) {
        println!("{:?} → {:?}", tokenizer.decode(x)?, tokenizer.decode(y)?);
    }

    // Which tensors decay
    let config = GptConfig {
        n_layer: 1,
        n_head: 2,
        n_embd: 16,
        block_size: 16,
        vocab_size: tokenizer.vocab_size(),
    };
    let model = Gpt::new(config, &mut rng)?;
    println!();
    for tensor in model.tensors() {
        let decays = if AdamW::decays(&tensor) { "decays" } else { "-" };
        println!("{:32}{decays}", tensor.name.to_string());
    }

    // The learning rate, and the loss it leads to
    let steps = 200;
    let schedule = LrSchedule { max_lr: 3e-3, min_lr: 3e-4, warmup: 20, steps };
    let config = TrainConfig {
        batch_size: 8,
        schedule,
        max_norm: 1.0,
        eval_interval: 50,
        seed: 1,
    };
    println!();
    let mut trainer = Trainer::new(model, config)?;
    trainer.run(train, validation, |trainer, event| {
        if let Event::Evaluation(evaluation) = event {
            let lr = trainer.config.schedule.at(evaluation.step);
            let loss = evaluation.validation_loss;
            println!("step {:>3}  rate {lr:.4}  loss {loss:.4}", trainer.step);
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}
