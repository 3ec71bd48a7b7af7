// All starters of the book are compiled together, so an unfinished one needs
// its `todo!()` back. Their tests are ignored, and run by `-- --ignored` only,
// so that `cargo test` stays green.
use crate::training::{Answers, Moments};
use rand::Rng;

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    change: f64::NAN,       // of the weight, with its sign
    clipped: [f64::NAN; 2], // 6 and 8
    rate: f64::NAN,         // at step 50
};
// ANCHOR_END: predict

// ANCHOR: build
/// One step of AdamW, the `t`-th, counted from one: `m` and `v` are updated,
/// and then the weights. β₁ is 0.9, β₂ 0.99, ε 1e-8.
pub fn step(
    weights: &mut [f64],
    grads: &[f64],
    Moments { m, v }: &mut Moments,
    t: i32,
    lr: f64,
    decay: f64,
) {
    // `m` and `v` are `&mut Vec<f64>`; a power is 0.9f64.powi(t)
    todo!("both averages, corrected; then decay and step, from the old weight")
}
// ANCHOR_END: build

// ANCHOR: explore
/// The starts of one epoch's windows, in shuffled order; none, if the text is
/// too short for a window and its target.
pub fn epoch(length: usize, t: usize, rng: &mut impl Rng) -> Vec<usize> {
    // `use rand::seq::SliceRandom;` brings shuffle; a `usize` below zero panics
    todo!("0, t, 2t, … as long as a target follows; then shuffle")
}
// ANCHOR_END: explore
