use crate::transformer_block::{Answers, Windowed};
use double::Matrix;
use double::orientation::softmax;

// ANCHOR: predict
/// No preference among the first three, and nothing for the future.
pub const ANSWERS: Answers = Answers {
    weights: [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 0.0],
    output: [4.0, 4.0],
};
// ANCHOR_END: predict

// ANCHOR: build
/// The slopes along the scores, for `p = softmax(s)` and the slopes along `p`.
pub fn softmax_backward(p: &[f64], dp: &[f64]) -> Vec<f64> {
    let mean: f64 = p.iter().zip(dp).map(|(p, dp)| p * dp).sum();
    p.iter().zip(dp).map(|(p, dp)| p * (dp - mean)).collect()
}
// ANCHOR_END: build

// ANCHOR: explore
/// The weights of one head whose queries look at their last `w` positions.
fn weights(scores: &Matrix, w: usize) -> Matrix {
    let mut a = Matrix::zeros(scores.dim());
    for i in 0..scores.nrows() {
        let seen = (i + 1).saturating_sub(w)..i + 1;
        let mut row = scores.row(i).to_vec();
        softmax(&mut row[seen.clone()]);
        seen.for_each(|j| a[[i, j]] = row[j]);
    }
    a
}

/// Two layers look back twice as far: 10 hears 8, which has heard 6.
pub const WINDOWED: Windowed = (weights, 6);
// ANCHOR_END: explore
