use crate::embeddings::{Answers, Products};
use double::Matrix;

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    token: [9.0, 12.0],   // the three rows add up
    position: [3.0, 4.0], // each position was used once
    both: Some(false),    // every gradient is zero, and stays zero
    only_token: Some(true),
    only_position: Some(true),
};
// ANCHOR_END: predict

// ANCHOR: build
/// A row for each id, one in the id's column and zero elsewhere, `[N, V]`.
fn one_hot(ids: &[u16], vocab_size: usize) -> Matrix {
    let mut x = Matrix::zeros((ids.len(), vocab_size));
    for (n, &id) in ids.iter().enumerate() {
        x[[n, usize::from(id)]] = 1.0;
    }
    x
}

/// `X·W`: `[N, V]` times `[V, C]`.
fn forward(x: &Matrix, table: &Matrix) -> Matrix {
    x.dot(table)
}

/// `Xᵀ·dy`: `[V, N]` times `[N, C]`.
fn backward(x: &Matrix, dy: &Matrix) -> Matrix {
    x.t().dot(dy)
}

pub const PRODUCTS: Products = (one_hot, forward, backward);
// ANCHOR_END: build

// ANCHOR: explore
/// Sines in even columns, cosines in odd ones: a row for each position.
pub fn sinusoids(positions: usize, width: usize) -> Matrix {
    Matrix::from_shape_fn((positions, width), |(p, i)| {
        let pair = (i / 2 * 2) as f64 / width as f64;
        let angle = p as f64 / 10000f64.powf(pair);
        if i % 2 == 0 { angle.sin() } else { angle.cos() }
    })
}
// ANCHOR_END: explore
