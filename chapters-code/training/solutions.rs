use crate::training::{Answers, Moments};
use rand::{Rng, seq::SliceRandom};

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    change: 0.01, // m/√v is −1 at first, whatever the gradient's size
    clipped: [0.6, 0.8],
    rate: 0.001, // halfway down
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
    for (i, (w, g)) in weights.iter_mut().zip(grads).enumerate() {
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.99 * v[i] + 0.01 * g * g;
        let mean = m[i] / (1.0 - 0.9f64.powi(t));
        let square = v[i] / (1.0 - 0.99f64.powi(t));
        *w -= lr * decay * *w + lr * mean / (square.sqrt() + 1e-8);
    }
}
// ANCHOR_END: build

// ANCHOR: explore
/// The starts of one epoch's windows, in shuffled order; none, if the text is
/// too short for a window and its target.
pub fn epoch(length: usize, t: usize, rng: &mut impl Rng) -> Vec<usize> {
    let windows = length.saturating_sub(1) / t;
    let mut starts: Vec<usize> = (0..windows).map(|i| i * t).collect();
    starts.shuffle(rng);
    starts
}
// ANCHOR_END: explore
