//! # The transformer block
//!
//! The part that is repeated: attention, where positions exchange information,
//! and a feed-forward network, which works on each position by itself; both
//! behind a LayerNorm, both added to a residual stream that runs past them.
//! Every `forward` keeps what its `backward` needs in a cache, and every
//! `backward` adds to a gradient that has the type of the layer itself. An
//! argument that a function keeps or reuses is taken by value, any other by
//! reference.
//!
//! Rows are positions: a batch of `B` windows of `T` positions is one matrix of
//! `N = B·T` rows.
//!
//! To copy this module, bring `orientation` and `embeddings` beside it, `Float`,
//! `Vector`, `Matrix`, `exp` and `general_mat_mul` from the crate's root, and
//! the crates `ndarray`, `rand` and `rand_distr`.

use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2};

use ndarray::{ArrayRef2, Axis, Zip, s};
use rand::Rng;

use super::embeddings::{INIT_STD, normal};
use super::orientation::{
    add_product, dot, flat, flat_mut, product, rows, rows_mut, set_product,
    softmax, sum,
};
use super::{Float, Matrix, Vector, exp};

// ANCHOR: linear
/// A linear layer: `y = x·W + b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// `W`, `[in, out]`: the layout of GPT-2's files.
    pub weight: Matrix,
    /// `b`, `[out]`.
    pub bias: Vector,
}

/// What [`Linear::backward`] needs: the input.
#[derive(Clone, Debug)]
pub struct LinearCache {
    x: Matrix, // [N, in]
}
// ANCHOR_END: linear

// ANCHOR: linear_new
impl Linear {
    /// Weights from `N(0, std²)`, biases zero.
    pub fn new(
        inputs: usize,
        outputs: usize,
        std: Float,
        rng: &mut impl Rng,
    ) -> Self {
        let weight = normal((inputs, outputs), std, rng);
        Self { weight, bias: Vector::zeros(outputs) }
    }
}
// ANCHOR_END: linear_new

// ANCHOR: linear_forward
impl Linear {
    /// `y = x·W + b`.
    ///
    /// # Shapes
    /// - `x`: `[N, in]`
    /// - returns: `[N, out]`
    ///
    /// # Panics
    /// If `x` does not have `in` columns.
    pub fn forward(&self, x: Matrix) -> (Matrix, LinearCache) {
        let shape = (x.nrows(), self.bias.len());
        let mut y = Matrix::zeros(shape); // [N, out]
        y += &self.bias;
        add_product(1.0, &x, &self.weight, &mut y);
        (y, LinearCache { x })
    }
}
// ANCHOR_END: linear_forward

// ANCHOR: linear_backward
impl Linear {
    /// Adds `xᵀ·dy` to `dW` and `Σₙ dyₙ` to `db`; returns `dx = dy·Wᵀ`.
    ///
    /// # Shapes
    /// - `dy`: `[N, out]`
    /// - returns: `[N, in]`
    pub fn backward(
        &self,
        cache: &LinearCache,
        dy: &Matrix,
        grad: &mut Linear,
    ) -> Matrix {
        add_product(1.0, &cache.x.t(), dy, &mut grad.weight);
        grad.bias += &dy.sum_axis(Axis(0));
        product(dy, &self.weight.t()) // [N, in]
    }
}
// ANCHOR_END: linear_backward

// ANCHOR: tile
/// How many queries [`attend`] works on together.
///
/// The later half of a window's keys is masked for the earlier half of its
/// queries. With tiles of this many queries, most of those products are never
/// computed.
const TILE: usize = 32;
// ANCHOR_END: tile

// ANCHOR: attend
/// One head of one window: `A = softmax(q·kᵀ/√D)`, `y = A·v`.
///
/// The queries are those of the last `Q` positions: all of them in training,
/// only the newest in generation. The causal mask: a query's row of `A` is the
/// softmax of its scores up to its own position, and zero beyond.
///
/// # Shapes
/// - `q`: `[Q, D]`; `k`, `v`: `[T, D]`, `T ≥ Q`
/// - `att`, for `A`: `[Q, T]`; `y`: `[Q, D]`; both are overwritten
///
/// # Panics
/// If there are more queries than keys, or another shape does not fit.
///
/// Vaswani et al. (2017), §3.2.1.
pub fn attend(
    q: &ArrayRef2<Float>,
    k: &ArrayRef2<Float>,
    v: &ArrayRef2<Float>,
    att: &mut ArrayRef2<Float>,
    y: &mut ArrayRef2<Float>,
) {
    let scale = 1.0 / (q.ncols() as Float).sqrt();
    let first = k.nrows() - q.nrows(); // the position of the first query
    for start in (0..q.nrows()).step_by(TILE) {
        let end = q.nrows().min(start + TILE);
        let (queries, keys) = (s![start..end, ..], s![..first + end, ..]);
        att.slice_mut(s![start..end, first + end..]).fill(0.0);
        let mut tile = att.slice_mut(s![start..end, ..first + end]);
        set_product(scale, &q.slice(queries), &k.slice(keys).t(), &mut tile);
        for (i, mut scores) in tile.outer_iter_mut().enumerate() {
            let position = first + start + i;
            let (past, future) =
                flat_mut(&mut scores).split_at_mut(position + 1);
            softmax(past);
            future.fill(0.0);
        }
        let y = &mut y.slice_mut(queries);
        set_product(1.0, &tile, &v.slice(keys), y);
    }
}
// ANCHOR_END: attend

// ANCHOR: softmax_backward
/// Backpropagation through a softmax, row by row: from `dA` to
/// `dS = A∘(dA − ⟨A, dA⟩)`.
///
/// Where `A` is zero, because of the mask, so is `dS`.
///
/// # Shapes
/// - `att`, `da`, returns: `[Q, T]`
fn softmax_backward(att: &ArrayRef2<Float>, da: Matrix) -> Matrix {
    let mut ds = da;
    for (p, row) in att.outer_iter().zip(rows_mut(&mut ds)) {
        let p = flat(&p);
        let mean = dot(p, row); // of dA, weighted by the probabilities
        for (ds_j, p_j) in row.iter_mut().zip(p) {
            *ds_j = p_j * (*ds_j - mean);
        }
    }
    ds
}
// ANCHOR_END: softmax_backward

// ANCHOR: attend_backward
/// Adds to `dV` the product `Aᵀ·dY`, and, with `dA = dY·Vᵀ` taken back through
/// the softmax to `dS`, to `dQ` and `dK` the products `dS·K/√D` and `dSᵀ·Q/√D`.
///
/// # Shapes
/// - `q`, `k`, `v`, `dy` and the gradients `dq`, `dk`, `dv`: `[T, D]`
/// - `att`: `[T, T]`
#[allow(clippy::too_many_arguments)] // three tensors, and their gradients
fn attend_backward(
    q: &ArrayRef2<Float>,
    k: &ArrayRef2<Float>,
    v: &ArrayRef2<Float>,
    att: &ArrayRef2<Float>,
    dy: &ArrayRef2<Float>,
    dq: &mut ArrayRef2<Float>,
    dk: &mut ArrayRef2<Float>,
    dv: &mut ArrayRef2<Float>,
) {
    let scale = 1.0 / (q.ncols() as Float).sqrt();
    for start in (0..q.nrows()).step_by(TILE) {
        let end = q.nrows().min(start + TILE);
        let (queries, keys) = (s![start..end, ..], s![..end, ..]);
        let tile = att.slice(s![start..end, ..end]);
        let dy = dy.slice(queries);
        add_product(1.0, &tile.t(), &dy, &mut dv.slice_mut(keys));
        let da = product(&dy, &v.slice(keys).t()); // [end − start, end]
        let ds = softmax_backward(&tile, da);
        add_product(scale, &ds, &k.slice(keys), &mut dq.slice_mut(queries));
        add_product(scale, &ds.t(), &q.slice(queries), &mut dk.slice_mut(keys));
    }
}
// ANCHOR_END: attend_backward

// ANCHOR: attention
/// Multi-head causal self-attention: in every head, each position compares its
/// query with the keys of all positions up to its own, and takes the mean of
/// their values, weighted by how well they match.
#[derive(Clone, Debug, PartialEq)]
pub struct CausalSelfAttention {
    /// Heads, `H`.
    pub n_head: usize,
    /// Queries, keys and values of all heads in one product, `[C, 3C]`.
    pub qkv: Linear,
    /// Mixes what the heads found, `[C, C]`.
    pub proj: Linear,
}

/// What [`CausalSelfAttention::backward`] needs.
#[derive(Clone, Debug)]
pub struct AttentionCache {
    qkv_in: LinearCache,
    qkv: Matrix, // [N, 3C]
    att: Matrix, // [B·H·T, T]
    proj_in: LinearCache,
}
// ANCHOR_END: attention

// ANCHOR: attention_new
impl CausalSelfAttention {
    /// Weights from `N(0, 0.02²)`; those of the output, which adds to the
    /// residual stream, from `N(0, proj_std²)`.
    pub fn new(
        n_embd: usize,
        n_head: usize,
        proj_std: Float,
        rng: &mut impl Rng,
    ) -> Self {
        let qkv = Linear::new(n_embd, 3 * n_embd, INIT_STD, rng);
        let proj = Linear::new(n_embd, n_embd, proj_std, rng);
        Self { n_head, qkv, proj }
    }
}
// ANCHOR_END: attention_new

// ANCHOR: attention_forward
impl CausalSelfAttention {
    /// In each window and head, `y = softmax(q·kᵀ/√D)·v`; the heads side by
    /// side, `[N, C]`, then pass through `proj`.
    ///
    /// # Shapes
    /// - `x`: `[N, C]`, windows of `t` rows one behind the other
    /// - returns: `[N, C]`
    ///
    /// # Panics
    /// If `t` does not divide `N`, or the number of heads `C`.
    ///
    /// Vaswani et al. (2017), §3.2.
    pub fn forward(&self, x: Matrix, t: usize) -> (Matrix, AttentionCache) {
        let (n, c) = x.dim();
        assert_eq!(n % t, 0, "attention: {n} rows are no windows of {t}");
        assert_eq!(c % self.n_head, 0, "attention: heads must divide {c}");
        let d = c / self.n_head;
        let (qkv, qkv_in) = self.qkv.forward(x); // [N, 3C]
        let (q, kv) = qkv.view().split_at(Axis(1), c);
        let (k, v) = kv.split_at(Axis(1), c); // [N, C], as q
        let mut att = Matrix::zeros((n * self.n_head, t)); // [B·H·T, T]
        let mut y = Matrix::zeros((n, c)); // [N, C]
        let squares = att.axis_chunks_iter_mut(Axis(0), t); // [T, T] each
        for (i, mut att) in squares.enumerate() {
            let (row, column) = (i / self.n_head * t, i % self.n_head * d);
            let at = s![row..row + t, column..column + d]; // [T, D]
            let (q, k, v) = (q.slice(at), k.slice(at), v.slice(at));
            attend(&q, &k, &v, &mut att, &mut y.slice_mut(at));
        }
        let (y, proj_in) = self.proj.forward(y);
        (y, AttentionCache { qkv_in, qkv, att, proj_in })
    }
}
// ANCHOR_END: attention_forward

// ANCHOR: attention_backward
impl CausalSelfAttention {
    /// The same from the last step to the first: `proj`, every head of every
    /// window, `qkv`.
    ///
    /// # Shapes
    /// - `dy`: `[N, C]`
    /// - returns: `[N, C]`
    pub fn backward(
        &self,
        cache: &AttentionCache,
        dy: &Matrix,
        grad: &mut CausalSelfAttention,
    ) -> Matrix {
        let AttentionCache { qkv_in, qkv, att, proj_in } = cache;
        let dy = self.proj.backward(proj_in, dy, &mut grad.proj); // dY: [N, C]
        let ((n, c), t) = (dy.dim(), att.ncols());
        let d = c / self.n_head;
        let (q, kv) = qkv.view().split_at(Axis(1), c);
        let (k, v) = kv.split_at(Axis(1), c); // [N, C], as q
        let mut dqkv = Matrix::zeros((n, 3 * c)); // [N, 3C]
        let (mut dq, dkv) = dqkv.view_mut().split_at(Axis(1), c);
        let (mut dk, mut dv) = dkv.split_at(Axis(1), c); // [N, C], as dq
        for (i, att) in att.axis_chunks_iter(Axis(0), t).enumerate() {
            let (row, column) = (i / self.n_head * t, i % self.n_head * d);
            let at = s![row..row + t, column..column + d]; // [T, D]
            attend_backward(
                &q.slice(at),
                &k.slice(at),
                &v.slice(at),
                &att,
                &dy.slice(at),
                &mut dq.slice_mut(at),
                &mut dk.slice_mut(at),
                &mut dv.slice_mut(at),
            );
        }
        self.qkv.backward(qkv_in, &dqkv, &mut grad.qkv)
    }
}
// ANCHOR_END: attention_backward

// ANCHOR: layer_norm
/// Layer normalization: each row loses its mean and its standard deviation, and
/// gets learned ones instead.
///
/// ```
/// use microgpt::transformer_block::LayerNorm;
///
/// let row = ndarray::array![[1.0, 0.0, 0.0, 0.0]];
/// let (y, _) = LayerNorm::new(4).forward(&row);
/// assert!((y[[0, 0]] - 3f32.sqrt()).abs() < 1e-3);
/// assert!(y.sum().abs() < 1e-6);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    /// The gain `γ`, `[C]`.
    pub weight: Vector,
    /// The shift `β`, `[C]`.
    pub bias: Vector,
}

/// What [`LayerNorm::backward`] needs: the normalized rows and `1/σ`.
#[derive(Clone, Debug)]
pub struct LayerNormCache {
    x_hat: Matrix,    // [N, C]
    rstd: Vec<Float>, // [N]
}
// ANCHOR_END: layer_norm

// ANCHOR: layer_norm_new
impl LayerNorm {
    /// `ε`, which keeps a constant row from a division by zero.
    pub const EPSILON: Float = 1e-5;

    /// Gains one, shifts zero.
    pub fn new(n_embd: usize) -> Self {
        Self { weight: Vector::ones(n_embd), bias: Vector::zeros(n_embd) }
    }
}
// ANCHOR_END: layer_norm_new

// ANCHOR: layer_norm_forward
impl LayerNorm {
    /// `x̂ = (x − μ) / √(σ² + ε)` and `y = γ·x̂ + β`, row by row, with `μ` and
    /// `σ²` the mean and the variance (over `C`, not `C − 1`) of the row.
    ///
    /// # Shapes
    /// - `x`: `[N, C]`
    /// - returns: `[N, C]`
    ///
    /// # Panics
    /// If `x` does not have `C` columns, or is not stored row by row.
    ///
    /// Ba, Kiros & Hinton (2016), §3.
    pub fn forward(&self, x: &Matrix) -> (Matrix, LayerNormCache) {
        let mut x_hat = x.clone(); // [N, C]
        let mut rstd = Vec::with_capacity(x.nrows());
        for row in rows_mut(&mut x_hat) {
            let c = row.len() as Float;
            let mean = sum(row) / c;
            row.iter_mut().for_each(|x| *x -= mean);
            let variance = dot(row, row) / c;
            let one_over_std = 1.0 / (variance + Self::EPSILON).sqrt();
            row.iter_mut().for_each(|x| *x *= one_over_std);
            rstd.push(one_over_std);
        }
        let y = &x_hat * &self.weight + &self.bias; // [N, C]
        (y, LayerNormCache { x_hat, rstd })
    }
}
// ANCHOR_END: layer_norm_forward

// ANCHOR: layer_norm_backward
impl LayerNorm {
    /// Adds `Σₙ dy·x̂` to `dγ` and `Σₙ dy` to `dβ`; with `g = γ·dy` and `⟨·⟩`
    /// the mean over a row, returns `dx = (g − ⟨g⟩ − x̂·⟨g·x̂⟩) / σ`.
    ///
    /// A normalized row always has the same mean and the same length, so the
    /// parts of a gradient that would change either are removed.
    pub fn backward(
        &self,
        cache: &LayerNormCache,
        dy: Matrix,
        grad: &mut LayerNorm,
    ) -> Matrix {
        grad.weight += &(&dy * &cache.x_hat).sum_axis(Axis(0));
        grad.bias += &dy.sum_axis(Axis(0));
        let mut dx = dy * &self.weight; // g, [N, C]
        let normalized = rows(&cache.x_hat).zip(&cache.rstd);
        for (g, (x_hat, rstd)) in rows_mut(&mut dx).zip(normalized) {
            let c = g.len() as Float;
            let mean = sum(g) / c; // ⟨g⟩
            let along = dot(g, x_hat) / c; // ⟨g·x̂⟩
            for (g_j, x_hat_j) in g.iter_mut().zip(x_hat) {
                *g_j = (*g_j - mean - x_hat_j * along) * rstd;
            }
        }
        dx
    }
}
// ANCHOR_END: layer_norm_backward

// ANCHOR: gelu
/// `2√(2/π)`.
const SQRT_8_OVER_PI: Float = (FRAC_2_SQRT_PI * SQRT_2) as Float;
/// The weight of the cubic term.
const CUBIC: Float = 0.044715;

/// GELU of a number, in its tanh form, and its derivative there.
///
/// With `u = √(2/π)·(x + 0.044715·x³)`, GELU is `x·(1 + tanh u)/2`. The second
/// factor, the gate, is the same as `g = 1/(1 + e⁻²ᵘ)`. So `y = x·g`, and
/// `dy/dx = g + x·g·(1 − g)·2u′` with `u′ = √(2/π)·(1 + 3·0.044715·x²)`.
///
/// GPT-2's activation. The exact GELU, `x·Φ(x)`, differs from it by less than
/// 5e-4 everywhere.
///
/// Hendrycks & Gimpel (2016), §2.
#[inline]
pub fn gelu(x: Float) -> (Float, Float) {
    let two_u = SQRT_8_OVER_PI * (x + CUBIC * x * x * x);
    let two_du = SQRT_8_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
    let g = 1.0 / (1.0 + exp(-two_u));
    (x * g, g + x * g * (1.0 - g) * two_du)
}
// ANCHOR_END: gelu

// ANCHOR: mlp
/// The feed-forward network: four times as wide, GELU, as wide as before.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    /// `[C, 4C]`.
    pub up: Linear,
    /// `[4C, C]`.
    pub down: Linear,
}

/// What [`Mlp::backward`] needs.
#[derive(Clone, Debug)]
pub struct MlpCache {
    up_in: LinearCache,
    slope: Matrix, // of GELU, [N, 4C]
    down_in: LinearCache,
}
// ANCHOR_END: mlp

// ANCHOR: mlp_new
impl Mlp {
    /// Weights from `N(0, 0.02²)`; those of `down`, which adds to the residual
    /// stream, from `N(0, proj_std²)`.
    pub fn new(n_embd: usize, proj_std: Float, rng: &mut impl Rng) -> Self {
        let up = Linear::new(n_embd, 4 * n_embd, INIT_STD, rng);
        let down = Linear::new(4 * n_embd, n_embd, proj_std, rng);
        Self { up, down }
    }
}
// ANCHOR_END: mlp_new

// ANCHOR: mlp_forward
impl Mlp {
    /// `y = down(gelu(up(x)))`.
    ///
    /// # Shapes
    /// - `x`: `[N, C]`
    /// - returns: `[N, C]`
    pub fn forward(&self, x: Matrix) -> (Matrix, MlpCache) {
        let (mut h, up_in) = self.up.forward(x); // [N, 4C]
        let mut slope = Matrix::zeros(h.dim()); // [N, 4C]
        Zip::from(&mut h).and(&mut slope).for_each(|h, slope| {
            (*h, *slope) = gelu(*h);
        });
        let (y, down_in) = self.down.forward(h); // [N, C]
        (y, MlpCache { up_in, slope, down_in })
    }
}
// ANCHOR_END: mlp_forward

// ANCHOR: mlp_backward
impl Mlp {
    /// The same three steps, from the last to the first.
    pub fn backward(
        &self,
        cache: &MlpCache,
        dy: &Matrix,
        grad: &mut Mlp,
    ) -> Matrix {
        let dh = self.down.backward(&cache.down_in, dy, &mut grad.down);
        let dh = dh * &cache.slope; // [N, 4C]
        self.up.backward(&cache.up_in, &dh, &mut grad.up)
    }
}
// ANCHOR_END: mlp_backward

// ANCHOR: block
/// One block: `x + attention(norm_1(x))`, then `x + mlp(norm_2(x))`.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Before attention.
    pub norm_1: LayerNorm,
    /// Where positions exchange information.
    pub attention: CausalSelfAttention,
    /// Before the feed-forward network.
    pub norm_2: LayerNorm,
    /// Which works on each position by itself.
    pub mlp: Mlp,
}

/// What [`Block::backward`] needs: the caches of its four parts.
#[derive(Clone, Debug)]
pub struct BlockCache {
    norm_1: LayerNormCache,
    attention: AttentionCache,
    norm_2: LayerNormCache,
    mlp: MlpCache,
}
// ANCHOR_END: block

// ANCHOR: block_new
impl Block {
    /// A fresh block for a model of `n_layer` of them.
    ///
    /// Each block adds twice to the residual stream, so the two layers that do
    /// start smaller by a factor of `√(2·n_layer)`: then the variance at the
    /// top does not depend on how many blocks there are.
    ///
    /// Radford et al. (2019), §2.3.
    pub fn new(
        n_embd: usize,
        n_head: usize,
        n_layer: usize,
        rng: &mut impl Rng,
    ) -> Self {
        let proj_std = INIT_STD / (2.0 * n_layer as Float).sqrt();
        Self {
            norm_1: LayerNorm::new(n_embd),
            attention: CausalSelfAttention::new(n_embd, n_head, proj_std, rng),
            norm_2: LayerNorm::new(n_embd),
            mlp: Mlp::new(n_embd, proj_std, rng),
        }
    }
}
// ANCHOR_END: block_new

// ANCHOR: block_forward
impl Block {
    /// `x ← x + attention(norm_1(x))`, then `x ← x + mlp(norm_2(x))`.
    ///
    /// # Shapes
    /// - `x`: `[N, C]`, windows of `t` rows one behind the other
    /// - returns: `[N, C]`
    ///
    /// Pre-norm, as in Radford et al. (2019), §2.3.
    pub fn forward(&self, x: Matrix, t: usize) -> (Matrix, BlockCache) {
        let (h, norm_1) = self.norm_1.forward(&x);
        let (h, attention) = self.attention.forward(h, t);
        let x = x + &h;
        let (h, norm_2) = self.norm_2.forward(&x);
        let (h, mlp) = self.mlp.forward(h);
        let x = x + &h;
        (x, BlockCache { norm_1, attention, norm_2, mlp })
    }
}
// ANCHOR_END: block_forward

// ANCHOR: block_backward
impl Block {
    /// [`forward`](Block::forward), read from the bottom: a gradient that
    /// reaches a sum goes into both of its terms.
    pub fn backward(
        &self,
        cache: &BlockCache,
        dy: Matrix,
        grad: &mut Block,
    ) -> Matrix {
        let BlockCache { norm_1, attention, norm_2, mlp } = cache;
        let dh = self.mlp.backward(mlp, &dy, &mut grad.mlp);
        let dx = dy + &self.norm_2.backward(norm_2, dh, &mut grad.norm_2);
        let dh = self.attention.backward(attention, &dx, &mut grad.attention);
        dx + &self.norm_1.backward(norm_1, dh, &mut grad.norm_1)
    }
}
// ANCHOR_END: block_backward
