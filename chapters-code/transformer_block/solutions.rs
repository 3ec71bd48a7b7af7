use crate::transformer_block::{Answers, Sliding};
use double::Matrix;
use double::orientation::softmax;

// ANCHOR: predict
/// Equal scores for the first three, and the fourth is masked.
pub const ANSWERS: Answers = Answers {
    attention: [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 0.0],
    output: [5.0, 4.0],
};
// ANCHOR_END: predict

// ANCHOR: build
/// The gradient `ds`, for `p = softmax(s)` and the gradient `dp`.
pub fn softmax_backward(p: &[f64], dp: &[f64]) -> Vec<f64> {
    let mean: f64 = p.iter().zip(dp).map(|(p, dp)| p * dp).sum();
    p.iter().zip(dp).map(|(p, dp)| p * (dp - mean)).collect()
}
// ANCHOR_END: build

// ANCHOR: explore
/// The attention weights of a head whose queries see their last `reach`
/// positions, themselves included.
fn sliding_attention(scores: &Matrix, reach: usize) -> Matrix {
    let mut att = Matrix::zeros(scores.dim());
    for i in 0..scores.nrows() {
        let seen = (i + 1).saturating_sub(reach)..i + 1;
        let mut row = scores.row(i).to_vec();
        softmax(&mut row[seen.clone()]);
        seen.for_each(|j| att[[i, j]] = row[j]);
    }
    att
}

/// Two layers look back twice as far: 10 reads 8, which has read 6.
pub const SLIDING: Sliding = (sliding_attention, 6);
// ANCHOR_END: explore
