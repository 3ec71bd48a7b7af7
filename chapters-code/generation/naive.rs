//! The chapter's first versions: a loop without a cache, and top-p.

use double::{Float, gpt::Gpt, orientation::softmax};
use rand::{Rng, RngExt};

// ANCHOR: generate
/// The probability of every character to come next after `ids`.
pub fn predict(model: &Gpt, ids: &[u16]) -> Vec<Float> {
    let block_size = model.embeddings.position.nrows();
    let window = &ids[ids.len().saturating_sub(block_size)..];
    let (logits, _) = model.forward(window, window.len()); // [T, V]
    let mut probs = logits.row(window.len() - 1).to_vec(); // the last row
    softmax(&mut probs);
    probs
}

/// Draws an id with these probabilities.
pub fn draw(probs: &[Float], rng: &mut impl Rng) -> u16 {
    let mut left = rng.random::<f64>();
    for (id, p) in (0..).zip(probs) {
        left -= p;
        if left < 0.0 {
            return id;
        }
    }
    probs.len() as u16 - 1 // the sum was a rounding error below 1
}

/// Predict, sample, append, repeat.
pub fn generate(
    model: &Gpt,
    ids: &mut Vec<u16>,
    length: usize,
    rng: &mut impl Rng,
) {
    for _ in 0..length {
        ids.push(draw(&predict(model, ids), rng));
    }
}
// ANCHOR_END: generate

// ANCHOR: top_p
/// The fewest of the likeliest candidates whose probabilities reach `p`, with
/// the probability that each then has. The candidates are sorted, the likeliest
/// first, as `Sampler::distribution` returns them.
pub fn top_p(candidates: &[(u16, Float)], p: Float) -> Vec<(u16, Float)> {
    let mut kept = Vec::new();
    let mut total = 0.0;
    for &(id, probability) in candidates {
        kept.push((id, probability));
        total += probability;
        if total >= p {
            break;
        }
    }
    kept.iter_mut().for_each(|(_, probability)| *probability /= total);
    kept
}
// ANCHOR_END: top_p
