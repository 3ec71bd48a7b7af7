//! Any five sizes and any settings: an error, or a model and a run.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::training::{
    AdamW, LrSchedule, SequenceWarmup, TrainConfig, Trainer,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

#[derive(Arbitrary, Debug)]
enum Size {
    Small(u8),
    Any(usize),
}

impl From<Size> for usize {
    fn from(size: Size) -> Self {
        match size {
            Size::Small(size) => size.into(),
            Size::Any(size) => size,
        }
    }
}

type Settings =
    (Size, Size, f32, f32, f32, Size, Size, u64, [f32; 5], [Size; 3]);

fuzz_target!(|input: ([Size; 5], Settings, Vec<usize>)| {
    let (sizes, settings, at) = input;
    let [n_layer, n_head, n_embd, block_size, vocab_size] =
        sizes.map(usize::from);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    if let Err(error) = sizes.validate() {
        drop(error.to_string());
        assert!(Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(0)).is_err());
        return;
    }
    let params = sizes.checked_num_params().unwrap();
    if params > 10_000 {
        return;
    }
    let model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    assert_eq!(model.config(), sizes);
    assert_eq!(model.num_params(), params);
    let (
        batch_size,
        eval_interval,
        max_norm,
        max_lr,
        min_lr,
        warmup,
        steps,
        seed,
        [beta1, beta2, epsilon, weight_decay, average],
        [length, short, shards],
    ) = settings;
    let [length, short, shards] = [length, short, shards].map(usize::from);
    let [batch_size, eval_interval, warmup, steps] =
        [batch_size, eval_interval, warmup, steps].map(usize::from);
    let schedule = LrSchedule { max_lr, min_lr, warmup, steps };
    let config = TrainConfig {
        batch_size,
        schedule,
        sequence_warmup: SequenceWarmup { length, steps: short },
        optimizer: AdamW { beta1, beta2, epsilon, weight_decay },
        max_norm,
        average,
        eval_interval,
        shards,
        seed,
    };
    assert!(config.memory(&sizes) > 0.0);
    match Trainer::new(model, config) {
        Err(error) => drop(error.to_string()),
        Ok(_) if warmup < usize::MAX => {
            for step in at {
                let lr = schedule.at(step);
                assert!(lr.is_finite() && lr >= 0.0, "{lr} at {step}");
            }
        }
        Ok(_) => {}
    }
});
