//! The whole way, from a text to new text, on the sonnets: the preset `quick`
//! of the example `shakespeare` without its options.
//!
//! `microgpt.rs` beside it is this program and the modules that it uses, in one
//! file; a test writes it.

use std::error::Error;
use std::ops::ControlFlow;

use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{Event, LrSchedule, TrainConfig, Trainer, split};
use rand::{SeedableRng, rngs::ChaCha8Rng};

const SEED: u64 = 1337;

fn main() -> Result<(), Box<dyn Error>> {
    // Text to ids
    let text = include_str!("data/sonnets.txt");
    let tokenizer = CharTokenizer::new(text)?;
    let ids = tokenizer.encode(text)?;
    let (train, validation) = split(&ids);

    // A model that knows nothing
    let config = GptConfig {
        n_layer: 2,
        n_head: 2,
        n_embd: 64,
        block_size: 32,
        vocab_size: tokenizer.vocab_size(),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let model = Gpt::new(config, &mut rng)?;
    println!("{} parameters\n", model.num_params());

    // Training
    let schedule =
        LrSchedule { max_lr: 4e-3, min_lr: 4e-4, warmup: 40, steps: 400 };
    let config = TrainConfig {
        batch_size: 16,
        schedule,
        max_norm: 1.0,
        eval_interval: 100,
        seed: SEED,
    };
    let mut trainer = Trainer::new(model, config)?;
    trainer.optimizer.weight_decay = 0.1;
    trainer.run(train, validation, |_, event| {
        if let Event::Evaluation(now) = event {
            let train = now.train_loss.map(|loss| format!("{loss:.4}"));
            let train = train.unwrap_or("     -".to_owned());
            let validation = now.validation_loss;
            let step = now.step;
            println!(
                "step {step:>5}  train {train}  validation {validation:.4}"
            );
        }
        ControlFlow::Continue(())
    })?;

    // Ids to text
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(2); // stream 0 drew the weights, stream 1 the batches
    let prompt = tokenizer.encode("\n")?;
    let sampler = Sampler::new(0.8, None)?;
    let written = Generator::new(&trainer.model, &prompt, sampler, rng)?;
    let written: Vec<u16> = written.take(200).collect();
    println!("\n{}", tokenizer.decode(&written)?);
    Ok(())
}
