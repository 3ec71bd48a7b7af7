// All starters of the book are compiled together, so an unfinished one needs
// its `todo!()` back. Their tests are ignored, and run by `-- --ignored` only,
// so that `cargo test` stays green.
use crate::feed_forward::{Answers, RmsNorm};

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    small: [f64::NAN; 2], // LayerNorm of (3, 5)
    large: [f64::NAN; 2], // of (30, 50)
    dx: [f64::NAN; 2],    // for the row (3, 5) and dy = (1, 0)
};
// ANCHOR_END: predict

// ANCHOR: build
/// `y = gain·x / √(⟨x²⟩ + 1e-5)`.
fn forward(x: &[f64], gain: &[f64]) -> Vec<f64> {
    todo!("no mean is subtracted")
}

/// `dx` and `dgain`.
fn backward(x: &[f64], gain: &[f64], dy: &[f64]) -> (Vec<f64>, Vec<f64>) {
    todo!("one direction is removed, not two")
}

pub const RMS_NORM: RmsNorm = (forward, backward);
// ANCHOR_END: build

// ANCHOR: explore
/// `x` with a share of its entries dropped, and the mask. An entry is dropped
/// if its random number is below `share`.
pub fn dropout(x: &[f64], share: f64, random: &[f64]) -> (Vec<f64>, Vec<f64>) {
    todo!("the mask is 0 or 1/(1 - share)")
}
// ANCHOR_END: explore
