//! A model to be exported.

use microgpt::gpt::{Gpt, GptConfig};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{LrSchedule, TrainConfig, Trainer};
use rand::{SeedableRng, rngs::ChaCha8Rng};

const SONNETS: &str = include_str!("../../chapters-code/data/sonnets.txt");

/// A small model that has read the sonnets for a moment.
pub fn trained() -> (Gpt, CharTokenizer) {
    let tokenizer = CharTokenizer::new(SONNETS).unwrap();
    let config = GptConfig {
        n_layer: 3,
        n_head: 2,
        n_embd: 32,
        block_size: 48,
        vocab_size: tokenizer.vocab_size(),
    };
    let model = Gpt::new(config, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let schedule =
        LrSchedule { max_lr: 0.01, min_lr: 0.001, warmup: 10, steps: 200 };
    let config = TrainConfig {
        batch_size: 8,
        schedule,
        average: 0.0,
        eval_interval: 1000,
        seed: 1,
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(model, config).unwrap();
    let ids = tokenizer.encode(SONNETS).unwrap();
    for _ in 0..schedule.steps {
        trainer.take_step(&ids).unwrap();
    }
    (trainer.model, tokenizer)
}
