// All starters of the book are compiled together, so an unfinished one needs
// its `todo!()` back. Their tests are ignored, and run by `-- --ignored` only,
// so that `cargo test` stays green.
//
// The modules of the chapters, in f64, are in `double`: for instance
// `double::gpt::cross_entropy`. A `Matrix` is an ndarray of two axes.
use crate::gpt::{Answers, FreshAnswers};
use double::Matrix;
use double::gpt::Gpt;

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    p_minus_y: [f64::NAN; 3], // three equal logits, the third token came
    predictions: 0,           // in a batch of 12 windows of 64 characters
    tied: 0,                  // rows with a gradient, if the head is tied
    untied: 0,                // in the look-up's table, if it isn't
};
// ANCHOR_END: predict

// ANCHOR: fresh
/// Your predictions about GPT-2 medium before its first step.
pub const FRESH: FreshAnswers = FreshAnswers {
    parameters: 0,
    first_loss: f64::NAN, // two digits after the point
};
// ANCHOR_END: fresh

// ANCHOR: build
/// The loss of one row of logits, in nats, and its gradient.
pub fn cross_entropy(logits: &[f64], target: usize) -> (f64, Vec<f64>) {
    // floats have no max() because of NaN:
    // logits.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    todo!("subtract the largest logit before any exponential")
}
// ANCHOR_END: build

// ANCHOR: explore
/// The mean loss of one window whose head is a table of its own, with the
/// gradients of the model and of the head.
pub fn untied(
    model: &Gpt,
    head: &Matrix,
    inputs: &[u16],
    targets: &[u16],
) -> (f64, Gpt, Matrix) {
    // the products are in double::orientation; the norm and the blocks take
    // their gradient by value, the embeddings by reference
    todo!("up: embeddings, blocks, norm, head; then down again")
}
// ANCHOR_END: explore
