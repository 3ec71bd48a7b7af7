// A `Matrix` is an ndarray of two axes; `double` has the modules of the
// chapters in f64, for instance `double::orientation::softmax`.
use crate::transformer_block::{Answers, Windowed};
use double::Matrix;

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    weights: [f64::NAN; 4], // row 2
    output: [f64::NAN; 2],  // row 2
};
// ANCHOR_END: predict

// ANCHOR: build
/// The slopes along the scores, for `p = softmax(s)` and the slopes along `p`.
pub fn softmax_backward(p: &[f64], dp: &[f64]) -> Vec<f64> {
    todo!("two lines, no matrix")
}
// ANCHOR_END: build

// ANCHOR: explore
/// The weights of one head whose queries look at their last `w` positions.
fn weights(scores: &Matrix, w: usize) -> Matrix {
    todo!("a softmax over part of each row")
}

/// And the first position that can influence position 10 after two layers.
pub const WINDOWED: Windowed = (weights, usize::MAX);
// ANCHOR_END: explore
