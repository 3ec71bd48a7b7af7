//! # Gradients without derivations
//!
//! An appendix: every gradient once more, found by a machine. A tape writes
//! down each operation on each single number, with its slopes; read backward,
//! it says how the last number depends on every other. On it stands the whole
//! model, rebuilt number by number, so that its gradient can be compared with
//! the derived one.
//!
//! ```
//! use microgpt::scalar_autograd::Tape;
//!
//! let tape = Tape::default();
//! let (a, b) = (tape.leaf(3.0), tape.leaf(4.0));
//! let loss = a * b + a;
//! assert_eq!(loss.backward()[..2], [5.0, 3.0]); // b + 1, and a
//! ```
//!
//! To copy this module, bring `gpt` beside it and what it needs.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Sub};
use std::{f64::consts::PI, ptr};

use crate::Float;
use crate::gpt::Gpt;
use crate::transformer_block::LayerNorm;

// ANCHOR: tape
/// Every number of a computation, in the order in which they were computed.
///
/// One `RefCell` around the whole list lets a [`Var`] write on the tape that it
/// came from, so that formulas can be written as formulas: `a * b + a`.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    nodes: RefCell<Vec<Node>>,
}

/// One number on a tape, and what it was made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// The number.
    pub value: Float,
    /// Up to two numbers it was made from, by their places on the tape, and
    /// its slope along each.
    pub parents: [Option<(usize, Float)>; 2],
}

/// A number that remembers where on which tape it stands.
#[derive(Clone, Copy, Debug)]
pub struct Var<'t> {
    tape: &'t Tape,
    /// Its place on the tape.
    pub index: usize,
    /// The number.
    pub value: Float,
}
// ANCHOR_END: tape

impl Tape {
    /// Writes a number that was made from nothing: a weight, an input.
    pub fn leaf(&self, value: Float) -> Var<'_> {
        self.write(value, [None, None])
    }

    /// All that has been written, as a list of its own.
    pub fn nodes(&self) -> Vec<Node> {
        self.nodes.borrow().clone()
    }

    fn write(
        &self,
        value: Float,
        parents: [Option<(usize, Float)>; 2],
    ) -> Var<'_> {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node { value, parents });
        Var { tape: self, index: nodes.len() - 1, value }
    }
}

// ANCHOR: arithmetic
impl Add for Var<'_> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.and(other, self.value + other.value, [1.0, 1.0])
    }
}

impl Sub for Var<'_> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.and(other, self.value - other.value, [1.0, -1.0])
    }
}

impl Mul for Var<'_> {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let (a, b) = (self.value, other.value);
        self.and(other, a * b, [b, a])
    }
}

impl Div for Var<'_> {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let (a, b) = (self.value, other.value);
        self.and(other, a / b, [1.0 / b, -a / (b * b)])
    }
}
// ANCHOR_END: arithmetic

impl Add<Float> for Var<'_> {
    type Output = Self;

    fn add(self, constant: Float) -> Self {
        self.alone(self.value + constant, 1.0)
    }
}

impl Mul<Float> for Var<'_> {
    type Output = Self;

    fn mul(self, constant: Float) -> Self {
        self.alone(self.value * constant, constant)
    }
}

impl Var<'_> {
    /// `eˣ`, whose slope is itself.
    pub fn exp(self) -> Self {
        let y = self.value.exp();
        self.alone(y, y)
    }

    /// `ln x`, with slope `1/x`.
    pub fn ln(self) -> Self {
        self.alone(self.value.ln(), 1.0 / self.value)
    }

    /// `xⁿ`, with slope `n·xⁿ⁻¹`. The exponent is a constant.
    pub fn powf(self, n: Float) -> Self {
        self.alone(self.value.powf(n), n * self.value.powf(n - 1.0))
    }

    /// `tanh x`, with slope `1 − tanh² x`.
    pub fn tanh(self) -> Self {
        let y = self.value.tanh();
        self.alone(y, 1.0 - y * y)
    }
}

impl Var<'_> {
    /// Writes a number made from this one.
    fn alone(self, value: Float, slope: Float) -> Self {
        self.tape.write(value, [Some((self.index, slope)), None])
    }

    /// Writes a number made from this one and another.
    ///
    /// # Panics
    /// If they stand on two tapes.
    fn and(self, other: Self, value: Float, slopes: [Float; 2]) -> Self {
        assert!(ptr::eq(self.tape, other.tape), "two numbers on two tapes");
        let [a, b] = slopes;
        let parents = [Some((self.index, a)), Some((other.index, b))];
        self.tape.write(value, parents)
    }
}

// ANCHOR: backward
impl Var<'_> {
    /// The slope of this number along every number on its tape, in the order
    /// of the tape.
    ///
    /// Walks the tape from here to its beginning. Whatever a number was used
    /// for stands behind it, so its slope is complete when the walk arrives,
    /// and is passed on: `∂ℓ/∂parent += ∂ℓ/∂node · ∂node/∂parent`.
    ///
    /// Reverse accumulation: Linnainmaa (1976).
    pub fn backward(self) -> Vec<Float> {
        let nodes = self.tape.nodes.borrow();
        let mut grad = vec![0.0; nodes.len()];
        grad[self.index] = 1.0;
        for i in (0..=self.index).rev() {
            if grad[i] == 0.0 {
                continue; // nothing to pass on, however steep the slope
            }
            for (parent, slope) in nodes[i].parents.into_iter().flatten() {
                grad[parent] += grad[i] * slope;
            }
        }
        grad
    }
}
// ANCHOR_END: backward

/// A row of numbers that are all on one tape.
type Row<'t> = Vec<Var<'t>>;

/// `Σᵢ xᵢ`, one after another.
fn sum<'t>(x: &[Var<'t>]) -> Var<'t> {
    x[1..].iter().fold(x[0], |sum, &x| sum + x)
}

/// `Σᵢ aᵢ·bᵢ`.
fn dot<'t>(a: &[Var<'t>], b: &[Var<'t>]) -> Var<'t> {
    let products: Row = a.iter().zip(b).map(|(&a, &b)| a * b).collect();
    sum(&products)
}

/// `a + b`, entry by entry.
fn add<'t>(a: &[Var<'t>], b: &[Var<'t>]) -> Row<'t> {
    a.iter().zip(b).map(|(&a, &b)| a + b).collect()
}

/// One row of `x·W + b`; `weight` is `[in, out]`, row by row.
fn linear<'t>(x: &[Var<'t>], weight: &[Var<'t>], bias: &[Var<'t>]) -> Row<'t> {
    let outputs = bias.len();
    let columns = bias.iter().enumerate();
    let y = columns.map(|(j, &bias)| {
        let column: Row =
            weight.iter().copied().skip(j).step_by(outputs).collect();
        dot(x, &column) + bias
    });
    y.collect()
}

/// One row of [`LayerNorm::forward`]: `γ·(x − μ)/√(σ² + ε) + β`.
fn layer_norm<'t>(
    x: &[Var<'t>],
    weight: &[Var<'t>],
    bias: &[Var<'t>],
) -> Row<'t> {
    let one_over_c = 1.0 / x.len() as Float;
    let mean = sum(x) * one_over_c;
    let centred: Row = x.iter().map(|&x| x - mean).collect();
    let variance = dot(&centred, &centred) * one_over_c;
    let rstd = (variance + LayerNorm::EPSILON).powf(-0.5);
    let learned = weight.iter().zip(bias);
    let y = centred.iter().zip(learned);
    y.map(|(&x, (&weight, &bias))| weight * (x * rstd) + bias).collect()
}

// ANCHOR: softmax
/// `exp(zᵢ) / Σⱼ exp(zⱼ)`. The largest score is subtracted as a constant:
/// it cancels, and so does its slope.
fn softmax<'t>(z: &[Var<'t>]) -> Row<'t> {
    let largest = z.iter().fold(Float::NEG_INFINITY, |a, z| a.max(z.value));
    let powers: Row = z.iter().map(|&z| (z + -largest).exp()).collect();
    let total = sum(&powers);
    powers.iter().map(|&power| power / total).collect()
}
// ANCHOR_END: softmax

// ANCHOR: attention
/// What the last of some positions takes from all of them, head by head; each
/// row of `qkv` holds a position's query, key and value, `[3C]`.
fn attention<'t>(qkv: &[Row<'t>], n_head: usize) -> Row<'t> {
    let last = &qkv[qkv.len() - 1];
    let c = last.len() / 3;
    let d = c / n_head;
    let mut y = Vec::with_capacity(c);
    for left in (0..c).step_by(d) {
        let q = &last[left..left + d];
        let score = |row: &Row<'t>| {
            dot(q, &row[c + left..c + left + d]) * (d as Float).powf(-0.5)
        };
        let scores: Row = qkv.iter().map(score).collect();
        let att = softmax(&scores);
        for column in 2 * c + left..2 * c + left + d {
            let v: Row = qkv.iter().map(|row| row[column]).collect();
            y.push(dot(&att, &v));
        }
    }
    y
}
// ANCHOR_END: attention

/// GELU as it is usually written, `x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2`.
fn gelu(x: Var) -> Var {
    let u = (x + x.powf(3.0) * 0.044715) * (2.0 / PI).sqrt() as Float;
    x * (u.tanh() + 1.0) * 0.5
}

/// [`Block::forward`](super::transformer_block::Block::forward) for one window.
///
/// There is no mask: position `i` is shown the rows up to its own.
fn block<'t>(weights: &[Row<'t>; 12], heads: usize, x: &mut [Row<'t>]) {
    #[rustfmt::skip]
    let [
        norm_1, shift_1, qkv, qkv_bias, proj, proj_bias,
        norm_2, shift_2, up, up_bias, down, down_bias,
    ] = weights;
    let normed = x.iter().map(|x| layer_norm(x, norm_1, shift_1));
    let qkv: Vec<Row> = normed.map(|h| linear(&h, qkv, qkv_bias)).collect();
    for (i, x) in x.iter_mut().enumerate() {
        let h = attention(&qkv[..=i], heads);
        *x = add(x, &linear(&h, proj, proj_bias));
        let h = layer_norm(x, norm_2, shift_2);
        let h = linear(&h, up, up_bias);
        let h: Row = h.iter().map(|&h| gelu(h)).collect();
        *x = add(x, &linear(&h, down, down_bias));
    }
}

/// [`Gpt::forward`] for one window: a row of scores for each of its ids.
fn logits<'t>(weights: &[Row<'t>], heads: usize, ids: &[u16]) -> Vec<Row<'t>> {
    let [token, position, blocks @ .., norm, shift] = weights else {
        panic!("a model has two tables, blocks and a norm");
    };
    let c = norm.len();
    let token: Vec<&[Var]> = token.chunks(c).collect(); // [V, C]
    let rows = ids.iter().zip(position.chunks(c));
    let mut x: Vec<Row> =
        rows.map(|(&id, place)| add(token[usize::from(id)], place)).collect();
    for weights in blocks.as_chunks::<12>().0 {
        block(weights, heads, &mut x);
    }
    let normed = x.iter().map(|x| layer_norm(x, norm, shift));
    normed.map(|x| token.iter().map(|row| dot(&x, row)).collect()).collect()
}

/// [`Gpt::loss`] on a tape: the mean of `−ln p[target]`, in nats per token.
///
/// The model's parameters are written first, in the order of
/// [`Gpt::tensors`].
///
/// # Panics
/// If the numbers of inputs and targets differ, are zero, or are no windows of
/// `t`, if `t` is above `block_size`, or an id is not below `vocab_size`.
pub fn scalar_loss<'t>(
    tape: &'t Tape,
    model: &Gpt,
    inputs: &[u16],
    targets: &[u16],
    t: usize,
) -> Var<'t> {
    let config = model.config();
    assert!(t <= config.block_size, "no window of {t} fits");
    assert_eq!(inputs.len(), targets.len(), "one target for each input");
    assert_eq!(inputs.len() % t, 0, "inputs are no windows of {t}");
    let on_tape = |data: &[Float]| data.iter().map(|&w| tape.leaf(w)).collect();
    let tensors = model.tensors();
    let weights: Vec<Row> = tensors.iter().map(|w| on_tape(w.data)).collect();
    let scores = inputs
        .chunks(t)
        .flat_map(|window| logits(&weights, config.n_head, window));
    let right: Row = scores
        .zip(targets)
        .map(|(z, &target)| softmax(&z)[usize::from(target)].ln())
        .collect();
    sum(&right) * (-1.0 / right.len() as Float)
}

/// What [`Gpt::loss_and_grad`] returns, with no derivation in it.
///
/// # Panics
/// As [`scalar_loss`].
pub fn scalar_loss_and_grad(
    model: &Gpt,
    inputs: &[u16],
    targets: &[u16],
    t: usize,
) -> (Float, Gpt) {
    let tape = Tape::default();
    let loss = scalar_loss(&tape, model, inputs, targets, t);
    let mut slopes = loss.backward().into_iter();
    let mut grad = model.zeros_like();
    for tensor in grad.tensors_mut() {
        for (weight, slope) in tensor.data.iter_mut().zip(&mut slopes) {
            *weight = slope;
        }
    }
    (loss.value, grad)
}
