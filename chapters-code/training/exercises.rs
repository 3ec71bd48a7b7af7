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
    todo!("both averages, corrected; then the step and the decay")
}
// ANCHOR_END: build

// ANCHOR: explore
/// The starts of one epoch's windows, in shuffled order.
pub fn epoch(length: usize, t: usize, rng: &mut impl Rng) -> Vec<usize> {
    todo!("0, t, 2t, … as long as a target follows; then shuffle")
}
// ANCHOR_END: explore
