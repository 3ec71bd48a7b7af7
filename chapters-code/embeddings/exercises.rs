//! Yours to edit. The starters of all chapters are compiled together: one that
//! isn't finished needs its `todo!()` back before another can be tested. The
//! tests are ignored until asked for, so `cargo test` passes all the while.

use crate::embeddings::{Answers, Products};
use double::Matrix;

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    token: [f64::NAN; 2], // row 7 of the token table's gradient
    position: [f64::NAN; 2], // row 1 of the position table's
    // Starting from zeros in these tables, does a model learn? Some(true)?
    both: None,
    only_token: None,
    only_position: None,
};
// ANCHOR_END: predict

// ANCHOR: build
/// A row for each id, one in the id's column and zero elsewhere, `[N, V]`.
fn one_hot(ids: &[u16], vocab_size: usize) -> Matrix {
    // An entry is x[[row, column]], and both are usize: usize::from(id)
    todo!("Matrix::zeros((rows, columns)), and ones in their places")
}

/// `X·W`: `[N, V]` times `[V, C]`.
fn forward(x: &Matrix, table: &Matrix) -> Matrix {
    todo!("a.dot(b) is the product of two matrices, with b a reference")
}

/// `Xᵀ·dy`: `[V, N]` times `[N, C]`.
fn backward(x: &Matrix, dy: &Matrix) -> Matrix {
    todo!("x.t() has the rows of x as its columns")
}

pub const PRODUCTS: Products = (one_hot, forward, backward);
// ANCHOR_END: build

// ANCHOR: explore
/// Sines in even columns, cosines in odd ones: a row for each position.
pub fn sinusoids(positions: usize, width: usize) -> Matrix {
    todo!("Matrix::from_shape_fn((positions, width), |(p, column)| …)")
}
// ANCHOR_END: explore
