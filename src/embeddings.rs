//! # Embeddings
//!
//! An id becomes a vector: the row of a table that belongs to it, plus the row
//! of a second table that belongs to its position. Both tables are learned.
//!
//! To copy this module, bring `Float` and `Matrix` from the crate's root, and
//! the crates `ndarray`, `rand` and `rand_distr`.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::{Float, Matrix};

// ANCHOR: normal
/// The standard deviation of fresh weights, as in the first GPT.
///
/// Radford et al. (2018), §4.1.
pub const INIT_STD: Float = 0.02;

/// A matrix whose entries are drawn from `N(0, std²)`, row by row.
pub fn normal(shape: (usize, usize), std: Float, rng: &mut impl Rng) -> Matrix {
    Matrix::from_shape_simple_fn(shape, || {
        std * rng.sample::<Float, _>(StandardNormal)
    })
}
// ANCHOR_END: normal

// ANCHOR: embeddings
/// The two tables: what a token is, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// One row for each id, `[V, C]`.
    pub token: Matrix,
    /// One row for each position of a window, `[block_size, C]`.
    pub position: Matrix,
}

/// What the backward pass has to remember: which rows were looked up.
#[derive(Clone, Debug)]
pub struct EmbeddingsCache {
    ids: Vec<u16>, // [N]
    t: usize,      // positions in each window
}
// ANCHOR_END: embeddings

// ANCHOR: embeddings_new
impl Embeddings {
    /// Draws both tables from `N(0, 0.02²)`.
    ///
    /// The published code of GPT-2 draws the positions with 0.01.
    pub fn new(
        vocab_size: usize,
        block_size: usize,
        n_embd: usize,
        rng: &mut impl Rng,
    ) -> Self {
        Self {
            token: normal((vocab_size, n_embd), INIT_STD, rng),
            position: normal((block_size, n_embd), INIT_STD, rng),
        }
    }
}
// ANCHOR_END: embeddings_new

// ANCHOR: embeddings_forward
impl Embeddings {
    /// Looks up and adds: `yₙ = token[idₙ] + position[n mod T]`.
    ///
    /// # Shapes
    /// - `ids`: `[N]`, windows of `t` ids one behind the other
    /// - returns: `[N, C]`, one row for each id
    ///
    /// # Panics
    /// If a window reaches beyond the last position, `t` is zero, or an id is
    /// outside the table.
    pub fn forward(&self, ids: &[u16], t: usize) -> (Matrix, EmbeddingsCache) {
        let mut y = Matrix::zeros((ids.len(), self.token.ncols())); // [N, C]
        for (n, &id) in ids.iter().enumerate() {
            let mut y = y.row_mut(n);
            y += &self.token.row(usize::from(id));
            y += &self.position.row(n % t);
        }
        (y, EmbeddingsCache { ids: ids.to_vec(), t })
    }
}
// ANCHOR_END: embeddings_forward

// ANCHOR: embeddings_backward
impl Embeddings {
    /// Adds each row's gradient to the two rows that it was looked up from.
    ///
    /// A token that occurs twice gets the sum of both gradients; a row that was
    /// never looked up gets nothing. There is no `dx`: ids have no slope.
    ///
    /// # Shapes
    /// - `dy`: `[N, C]`
    ///
    /// # Panics
    /// If `dy` has another shape.
    pub fn backward(
        &self,
        cache: &EmbeddingsCache,
        dy: &Matrix,
        grad: &mut Embeddings,
    ) {
        assert_eq!(dy.dim(), (cache.ids.len(), self.token.ncols()), "dy");
        for (n, &id) in cache.ids.iter().enumerate() {
            let dy = dy.row(n);
            let mut token = grad.token.row_mut(usize::from(id));
            token += &dy;
            let mut position = grad.position.row_mut(n % cache.t);
            position += &dy;
        }
    }
}
// ANCHOR_END: embeddings_backward
