//! Chapter 1. The whole pipeline, top to bottom, on the crate; and beside it
//! the counting models that need no network at all.

use std::error::Error;
use std::ops::ControlFlow;

use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::orientation::{CountModel, ladder, numerical_gradient};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{Event, LrSchedule, TrainConfig, Trainer, split};
use rand::{SeedableRng, rngs::ChaCha8Rng};

const SONNETS: &str = include_str!("data/sonnets.txt");

fn main() -> Result<(), Box<dyn Error>> {
    counting();
    pipeline()
}

/// Text → ids → model → training → text.
fn pipeline() -> Result<(), Box<dyn Error>> {
    // Text to ids, and nine tenths of them to learn from
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(SONNETS)?;
    let (train, validation) = split(&ids);

    // A model that knows nothing
    let config = GptConfig {
        n_layer: 2,
        n_head: 2,
        n_embd: 32,
        block_size: 32,
        vocab_size: tokenizer.vocab_size(),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let model = Gpt::new(config, &mut rng)?;
    println!("a model of {} parameters", model.num_params());

    // Training: 500 steps of 8 windows each
    let steps = 500;
    let schedule = LrSchedule { max_lr: 3e-3, min_lr: 3e-4, warmup: 20, steps };
    let config = TrainConfig {
        batch_size: 8,
        schedule,
        max_norm: 1.0,
        eval_interval: 250,
        seed: 1,
    };
    let mut trainer = Trainer::new(model, config)?;
    trainer.run(train, validation, |_, event| {
        if let Event::Evaluation(e) = event {
            println!("step {:>3}: loss {:.1}", e.step, e.validation_loss);
        }
        ControlFlow::Continue(())
    })?;

    // And text again
    let prompt = tokenizer.encode("\n")?;
    let sampler = Sampler::new(0.8, None)?;
    let ids = Generator::new(&trainer.model, &prompt, sampler, rng)?;
    let ids: Vec<u16> = ids.take(200).collect();
    println!("it writes:\n{}", tokenizer.decode(&ids)?);
    Ok(())
}

/// What can be had by counting which character follows which.
fn counting() {
    let text: Vec<char> = SONNETS.chars().collect();
    let (train, validation) = split(&text);
    println!("the loss ladder of the sonnets, in nats per character:");
    for rung in ladder(train, validation) {
        println!("  {:8}{:.4}", rung.name, rung.loss);
    }

    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for order in [1, 2, 5] {
        let model = CountModel::new(train, &text, order);
        let mut written = vec!['\n'];
        for _ in 0..60 {
            let context = written.len().saturating_sub(order - 1);
            written.push(model.sample(&written[context..], &mut rng));
        }
        let written: String = written[1..].iter().collect();
        println!("counting runs of {order} it writes: {written:?}");
    }

    // A slope, measured: x² at 3, where the derivative is 6
    let slope = numerical_gradient(&[3.0], 1e-2, |x| x[0] * x[0])[0];
    println!("the slope of x² at 3 is {slope:.2}\n");
}
