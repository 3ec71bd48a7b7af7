//! Attention as its formula reads: one head of one window, all at once.

use ndarray::s;

use super::{Float, Matrix, flat_mut, product, softmax};

// ANCHOR: naive_attention
/// `softmax(q·kᵀ/√D)·v`, with the causal mask.
///
/// # Shapes
/// - `q`, `k`, `v`, returns: `[T, D]`
pub fn naive_attention(q: &Matrix, k: &Matrix, v: &Matrix) -> Matrix {
    let mut att = product(q, &k.t()) / (q.ncols() as Float).sqrt(); // [T, T]
    for (i, mut row) in att.outer_iter_mut().enumerate() {
        row.slice_mut(s![i + 1..]).fill(Float::NEG_INFINITY); // Mask the future
        softmax(flat_mut(&mut row));
    }
    product(&att, v) // [T, D]
}
// ANCHOR_END: naive_attention
