//! The laws that every chapter's code obeys, on inputs nobody chose.
//!
//! What must hold to the bit is tested on the crate itself, in `f32`; what must
//! hold up to rounding, on the same files compiled in `f64`.

mod embeddings;
mod generation;
mod gpt;
mod orientation;
mod scalar_autograd;
mod tokenization;
mod training;
mod transformer_block;

use proptest::prelude::{Just, Strategy};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::StandardNormal;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Ids below `vocab_size`, with repeats.
fn random_ids(n: usize, vocab_size: u16, seed: u64) -> Vec<u16> {
    let mut rng = rng(seed);
    (0..n).map(|_| rng.random_range(0..vocab_size)).collect()
}

/// The numbers below `n` in any order.
fn orders(n: usize) -> impl Strategy<Value = Vec<usize>> {
    Just((0..n).collect::<Vec<usize>>()).prop_shuffle()
}

/// A small model in `f32` whose biases and gains are not the initial zeros and
/// ones.
fn model(
    n_layer: usize,
    n_head: usize,
    n_embd: usize,
    block_size: usize,
    seed: u64,
) -> microgpt::gpt::Gpt {
    let config = microgpt::gpt::GptConfig {
        n_layer,
        n_head,
        n_embd,
        block_size,
        vocab_size: 11,
    };
    let mut rng = rng(seed);
    let mut model = microgpt::gpt::Gpt::new(config, &mut rng).unwrap();
    for tensor in model.tensors_mut() {
        for x in tensor.data {
            *x += 0.2 * rng.sample::<f32, _>(StandardNormal);
        }
    }
    model
}

/// The same, in `f64`.
fn double_model(
    n_layer: usize,
    n_head: usize,
    n_embd: usize,
    block_size: usize,
    seed: u64,
) -> double::gpt::Gpt {
    let config = double::gpt::GptConfig {
        n_layer,
        n_head,
        n_embd,
        block_size,
        vocab_size: 11,
    };
    let mut rng = rng(seed);
    let mut model = double::gpt::Gpt::new(config, &mut rng).unwrap();
    for tensor in model.tensors_mut() {
        for x in tensor.data {
            *x += 0.2 * rng.sample::<f64, _>(StandardNormal);
        }
    }
    model
}

/// The largest difference between two lists of numbers of the same length; NaN,
/// which `max` would pass over, is the largest of all.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    apart.max_by(f64::total_cmp).unwrap_or(0.0)
}

/// The largest difference between two models.
fn models_apart(a: &double::gpt::Gpt, b: &double::gpt::Gpt) -> f64 {
    let tensors = a.tensors().into_iter().zip(b.tensors());
    let apart = tensors.map(|(a, b)| apart(a.data, b.data));
    apart.max_by(f64::total_cmp).unwrap_or(0.0)
}
