use crate::double::Matrix;
use crate::embeddings::{Answers, Products};

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    token: [f64::NAN; 2], // row 7 of the token table's gradient
    position: [f64::NAN; 2], // row 1 of the position table's
    shrinks: f64::NAN,    // from width 64 to 16·64
};
// ANCHOR_END: predict

// ANCHOR: build
/// `X·W`, with `X` the one-hot matrix of the ids.
fn forward(ids: &[u16], table: &Matrix) -> Matrix {
    todo!("Matrix::zeros, ones in their places, and .dot")
}

/// `Xᵀ·dy`, a row for each of `vocab_size` ids.
fn backward(ids: &[u16], dy: &Matrix, vocab_size: usize) -> Matrix {
    todo!("X.t().dot(dy)")
}

pub const PRODUCTS: Products = (forward, backward);
// ANCHOR_END: build

// ANCHOR: explore
/// Sines at even places, cosines at odd ones: a row for each position.
pub fn waves(positions: usize, width: usize) -> Matrix {
    todo!("Matrix::from_shape_fn")
}
// ANCHOR_END: explore
