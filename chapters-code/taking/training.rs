use std::error::Error;

use gpt::{Gpt, GptConfig};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use training::{LrSchedule, TrainConfig, Trainer};

fn main() -> Result<(), Box<dyn Error>> {
    let config = GptConfig {
        n_layer: 1,
        n_head: 2,
        n_embd: 8,
        block_size: 4,
        vocab_size: 4,
    };
    let model = Gpt::new(config, &mut ChaCha8Rng::seed_from_u64(1))?;
    let schedule =
        LrSchedule { max_lr: 0.01, min_lr: 0.01, warmup: 0, steps: 10 };
    let config = TrainConfig {
        batch_size: 4,
        schedule,
        seed: 1,
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(model, config)?;
    let data = [0, 1, 2, 3].repeat(10);
    let first = trainer.take_step(&data)?.loss;
    let second = trainer.take_step(&data)?.loss;
    println!("{first:.1} {}", second < first); // about ln 4, then less
    Ok(())
}
