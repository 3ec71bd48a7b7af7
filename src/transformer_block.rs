//! # The transformer block
//!
//! The part that is repeated: attention, where positions exchange information,
//! and a feed-forward network, where each thinks for itself; both behind a
//! LayerNorm, both added to a stream that runs past them. Every `forward` keeps
//! what its `backward` needs in a cache, and every `backward` adds to a gradient
//! that has the type of the thing itself.
//!
//! Rows are positions: a batch of `B` windows of `T` positions is one matrix of
//! `N = B·T` rows.
//!
//! To copy this module, bring `orientation` and `embeddings` beside it, `Float`,
//! `Vector`, `Matrix`, `exp` and `general_mat_mul` from the crate's root, and
//! the crates `ndarray`, `rand` and `rand_distr`.

use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2};

use ndarray::{ArrayRef2, Axis, s};
use rand::Rng;

use super::embeddings::normal;
use super::orientation::{
    dot, flat, flat_mut, product, rows, rows_mut, softmax, sum,
};
use super::{Float, Matrix, Vector, exp, general_mat_mul};

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
        general_mat_mul(1.0, &x, &self.weight, 1.0, &mut y);
        (y, LinearCache { x })
    }
}
// ANCHOR_END: linear_forward

// ANCHOR: linear_backward
impl Linear {
    /// `dW += xᵀ·dy`, `db += Σₙ dyₙ`, and returns `dx = dy·Wᵀ`.
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
        general_mat_mul(1.0, &cache.x.t(), dy, 1.0, &mut grad.weight);
        grad.bias += &dy.sum_axis(Axis(0));
        product(dy, &self.weight.t()) // [N, in]
    }
}
// ANCHOR_END: linear_backward

// ANCHOR: layer_norm
/// Layer normalization: each row loses its mean and its size, and gets learned
/// ones instead.
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
            let scale = 1.0 / (variance + Self::EPSILON).sqrt();
            row.iter_mut().for_each(|x| *x *= scale);
            rstd.push(scale);
        }
        let y = &x_hat * &self.weight + &self.bias; // [N, C]
        (y, LayerNormCache { x_hat, rstd })
    }
}
// ANCHOR_END: layer_norm_forward

// ANCHOR: layer_norm_backward
impl LayerNorm {
    /// `dγ += Σₙ dy·x̂`, `dβ += Σₙ dy`, and, with `g = dy·γ` and `⟨·⟩` the mean
    /// over a row, returns `dx = (g − ⟨g⟩ − x̂·⟨g·x̂⟩) / σ`.
    ///
    /// The row's mean and its size were divided away, so a gradient that only
    /// asks for more of either is projected out.
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
            let mean = sum(g) / c;
            let along = dot(g, x_hat) / c;
            for (g, x_hat) in g.iter_mut().zip(x_hat) {
                *g = (*g - mean - x_hat * along) * rstd;
            }
        }
        dx
    }
}
// ANCHOR_END: layer_norm_backward

// ANCHOR: attention
/// Multi-head causal self-attention: every position asks all positions up to
/// its own, and takes a weighted mean of what they offer.
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
    t: usize,
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
        let qkv = Linear::new(n_embd, 3 * n_embd, 0.02, rng);
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
        let (qkv, qkv_in) = self.qkv.forward(x); // [N, 3C]
        let mut att = Matrix::zeros((n * self.n_head, t)); // [B·H·T, T]
        let mut y = Matrix::zeros((n, c)); // [N, C]
        let d = c / self.n_head;
        for (i, mut att) in att.axis_chunks_iter_mut(Axis(0), t).enumerate() {
            // Head i mod H of window i div H, and where it lies
            let (row, column) = (i / self.n_head * t, i % self.n_head * d);
            let at = |left| s![row..row + t, left..left + d];
            let parts = [0, c, 2 * c].map(|part| at(part + column));
            let [q, k, v] = parts.map(|part| qkv.slice(part)); // [T, D] each
            attend([&q, &k, &v], &mut att, &mut y.slice_mut(at(column)));
        }
        let (y, proj_in) = self.proj.forward(y);
        (y, AttentionCache { t, qkv_in, qkv, att, proj_in })
    }
}
// ANCHOR_END: attention_forward

// ANCHOR: attention_backward
impl CausalSelfAttention {
    /// Back through the output projection, then every head, then `qkv`.
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
        let AttentionCache { t, qkv_in, qkv, att, proj_in } = cache;
        let dy = self.proj.backward(proj_in, dy, &mut grad.proj); // [N, C]
        let (n, c) = dy.dim();
        let mut dqkv = Matrix::zeros((n, 3 * c)); // [N, 3C]
        let d = c / self.n_head;
        for (i, att) in att.axis_chunks_iter(Axis(0), *t).enumerate() {
            let (row, column) = (i / self.n_head * t, i % self.n_head * d);
            let at = |left| s![row..row + t, left..left + d];
            let parts = [0, c, 2 * c].map(|part| at(part + column));
            let [q, k, v] = parts.map(|part| qkv.slice(part)); // [T, D] each
            let [dq, dk, dv] = parts;
            let (mut dq, mut dk, mut dv) = dqkv.multi_slice_mut((dq, dk, dv));
            let dy = dy.slice(at(column)); // [T, D]
            let dqkv = [&mut *dq, &mut *dk, &mut *dv];
            attend_backward([&q, &k, &v], &att, &dy, dqkv);
        }
        self.qkv.backward(qkv_in, &dqkv, &mut grad.qkv)
    }
}
// ANCHOR_END: attention_backward

// ANCHOR: block_size
/// How many queries are worked on together in [`attend`].
///
/// The later half of a window's keys is of no use to the earlier half of its
/// queries. In blocks of this many, most of those products are never formed.
const BLOCK: usize = 32;
// ANCHOR_END: block_size

// ANCHOR: attend
/// One head looking at one window: `A = softmax(q·kᵀ/√D)`, `y = A·v`.
///
/// The queries are those of the last positions that there are keys of: all of
/// them in training, only the newest when text is generated. A query's row of
/// `A` is the softmax of its scores up to its own position, and zero beyond:
/// the future does not take part.
///
/// # Shapes
/// - `q`, `y`: `[Q, D]`; `k`, `v`: `[T, D]`, `T ≥ Q`
/// - `att`: `[Q, T]`; all zero when it comes
///
/// # Panics
/// If there are more queries than keys, or another shape does not fit.
///
/// Vaswani et al. (2017), §3.2.1.
pub fn attend(
    [q, k, v]: [&ArrayRef2<Float>; 3],
    att: &mut ArrayRef2<Float>,
    y: &mut ArrayRef2<Float>,
) {
    let scale = 1.0 / (q.ncols() as Float).sqrt();
    let old = k.nrows() - q.nrows();
    for start in (0..q.nrows()).step_by(BLOCK) {
        let end = q.nrows().min(start + BLOCK);
        let (queries, keys) = (s![start..end, ..], s![..old + end, ..]);
        let mut att = att.slice_mut(s![start..end, ..old + end]);
        let (q, k, v) = (q.slice(queries), k.slice(keys), v.slice(keys));
        general_mat_mul(scale, &q, &k.t(), 0.0, &mut att);
        for (i, mut scores) in att.outer_iter_mut().enumerate() {
            let scores = flat_mut(&mut scores);
            let (past, future) = scores.split_at_mut(old + start + i + 1);
            softmax(past);
            future.fill(0.0);
        }
        general_mat_mul(1.0, &att, &v, 0.0, &mut y.slice_mut(queries));
    }
}
// ANCHOR_END: attend

// ANCHOR: attend_backward
/// `dV = Aᵀ·dY` and `dA = dY·Vᵀ`; through the softmax, row by row,
/// `dS = A∘(dA − ⟨A, dA⟩)`; then `dQ = dS·K/√D` and `dK = dSᵀ·Q/√D`.
///
/// Where `A` is zero, beyond the diagonal, so is `dS`.
///
/// # Shapes
/// - `q`, `k`, `v`, `dy` and their gradients: `[T, D]`; `dk` and `dv` all zero
///   when they come
/// - `att`: `[T, T]`
fn attend_backward(
    [q, k, v]: [&ArrayRef2<Float>; 3],
    att: &ArrayRef2<Float>,
    dy: &ArrayRef2<Float>,
    [dq, dk, dv]: [&mut ArrayRef2<Float>; 3],
) {
    let scale = 1.0 / (q.ncols() as Float).sqrt();
    for start in (0..q.nrows()).step_by(BLOCK) {
        let end = q.nrows().min(start + BLOCK);
        let (queries, keys) = (s![start..end, ..], s![..end, ..]);
        let att = att.slice(s![start..end, ..end]);
        let (q, k, v) = (q.slice(queries), k.slice(keys), v.slice(keys));
        let dy = dy.slice(queries);
        general_mat_mul(1.0, &att.t(), &dy, 1.0, &mut dv.slice_mut(keys));
        let mut ds = product(&dy, &v.t()); // dA, [end − start, end]
        for (att, ds) in att.outer_iter().zip(rows_mut(&mut ds)) {
            let att = flat(&att);
            let mean = dot(att, ds); // the mean of dA under the weights A
            for (att, ds) in att.iter().zip(ds) {
                *ds = att * (*ds - mean);
            }
        }
        general_mat_mul(scale, &ds, &k, 0.0, &mut dq.slice_mut(queries));
        general_mat_mul(scale, &ds.t(), &q, 1.0, &mut dk.slice_mut(keys));
    }
}
// ANCHOR_END: attend_backward

// ANCHOR: gate
/// `1/(1 + e⁻²ᵘ)` with `u = √(2/π)·(x + 0.044715·x³)`: the share of `x` that
/// GELU lets through. It equals `(1 + tanh u) / 2`, as most write it.
#[inline]
fn gate(x: Float) -> Float {
    1.0 / (1.0 + exp(-TWO_ROOT_TWO_OVER_PI * (x + CUBIC * x * x * x)))
}

/// `2√(2/π)`.
const TWO_ROOT_TWO_OVER_PI: Float = (FRAC_2_SQRT_PI * SQRT_2) as Float;
/// The weight of the cubic term.
const CUBIC: Float = 0.044715;
// ANCHOR_END: gate

// ANCHOR: gelu
/// GELU in its tanh form, and its slope.
///
/// `y = x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2`. The slope is all that the
/// way back will need: `dy/dx = g + x·g·(1 − g)·2u′`, with `g` the gate and
/// `u′ = √(2/π)·(1 + 3·0.044715·x²)`.
///
/// # Shapes
/// - `x`: `[N, C]`
/// - returns: `y` and the slopes, `[N, C]` each
///
/// GPT-2's activation. The exact GELU, `x·Φ(x)`, differs from it by less than
/// 5e-4 everywhere.
///
/// Hendrycks & Gimpel (2016), §2.
pub fn gelu(x: Matrix) -> (Matrix, Matrix) {
    let mut slope = x; // the memory of x
    let y = slope.map_mut(|slope| {
        let x = *slope;
        let g = gate(x);
        let inner = TWO_ROOT_TWO_OVER_PI * (1.0 + 3.0 * CUBIC * x * x); // 2u′
        *slope = g + x * g * (1.0 - g) * inner;
        x * g
    });
    (y, slope)
}
// ANCHOR_END: gelu

// ANCHOR: mlp
/// The feed-forward network: widen four times, bend, narrow again.
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
        let up = Linear::new(n_embd, 4 * n_embd, 0.02, rng);
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
        let (h, up_in) = self.up.forward(x); // [N, 4C]
        let (h, slope) = gelu(h);
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
    /// Where each position thinks for itself.
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
    /// start smaller by `√(2·n_layer)`: then the stream's variance does not
    /// grow with depth.
    ///
    /// Radford et al. (2019), §2.3.
    pub fn new(
        n_embd: usize,
        n_head: usize,
        n_layer: usize,
        rng: &mut impl Rng,
    ) -> Self {
        let proj_std = 0.02 / (2.0 * n_layer as Float).sqrt();
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
        dx: Matrix,
        grad: &mut Block,
    ) -> Matrix {
        let BlockCache { norm_1, attention, norm_2, mlp } = cache;
        let dh = self.mlp.backward(mlp, &dx, &mut grad.mlp);
        let dx = dx + &self.norm_2.backward(norm_2, dh, &mut grad.norm_2);
        let dh = self.attention.backward(attention, &dx, &mut grad.attention);
        dx + &self.norm_1.backward(norm_1, dh, &mut grad.norm_1)
    }
}
// ANCHOR_END: block_backward
