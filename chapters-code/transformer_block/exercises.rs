// All starters of the book are compiled together, so an unfinished one needs
// its `todo!()` back. Their tests are ignored, and run by `-- --ignored` only,
// so that `cargo test` stays green.
//
// A `Matrix` is an ndarray of two axes, and `x[[row, column]]` one entry of it;
// `double` has the modules of the chapters in f64.
use crate::transformer_block::{Answers, Sliding};
use double::Matrix;

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    attention: [f64::NAN; 4], // row 2
    output: [f64::NAN; 2],    // row 2
};
// ANCHOR_END: predict

// ANCHOR: build
/// The gradient `ds`, for `p = softmax(s)` and the gradient `dp`.
pub fn softmax_backward(p: &[f64], dp: &[f64]) -> Vec<f64> {
    todo!("two lines, no matrix")
}
// ANCHOR_END: build

// ANCHOR: explore
/// The attention weights of a head whose queries see their last `reach`
/// positions, themselves included.
fn sliding_attention(scores: &Matrix, reach: usize) -> Matrix {
    // double::orientation::softmax overwrites a slice; row(i).to_vec() copies a
    // row; saturating_sub stops at zero
    todo!("a softmax over part of each row")
}

/// And the first position that can influence position 10 after two layers.
pub const SLIDING: Sliding = (sliding_attention, usize::MAX);
// ANCHOR_END: explore
