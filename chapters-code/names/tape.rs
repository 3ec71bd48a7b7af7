//! The model of microgpt on the tape: single numbers, and forward formulas only.

use double::scalar_autograd::{Node, Tape, Var};

use super::{BLOCK_SIZE, Model, N_EMBD, N_HEAD};

/// A row of numbers that are all on one tape.
pub type Row<'t> = Vec<Var<'t>>;

/// `Σᵢ xᵢ`, one after another, as Python's `sum` does.
pub fn sum<'t>(x: &[Var<'t>]) -> Var<'t> {
    x[1..].iter().fold(x[0], |sum, &x| sum + x)
}

/// `Σᵢ aᵢ·bᵢ`.
fn dot<'t>(a: &[Var<'t>], b: &[Var<'t>]) -> Var<'t> {
    let products: Row = a.iter().zip(b).map(|(&a, &b)| a * b).collect();
    sum(&products)
}

/// `a + b`, entry by entry.
pub fn add<'t>(a: &[Var<'t>], b: &[Var<'t>]) -> Row<'t> {
    a.iter().zip(b).map(|(&a, &b)| a + b).collect()
}

/// `W·x`: each row of the matrix times `x`.
pub fn linear<'t>(x: &[Var<'t>], weight: &[Var<'t>]) -> Row<'t> {
    weight.chunks(x.len()).map(|row| dot(row, x)).collect()
}

/// `exp(zᵢ) / Σⱼ exp(zⱼ)`, with the largest score subtracted as a constant.
/// The original divides by multiplying with a power of −1, and so does this.
pub fn softmax<'t>(z: &[Var<'t>]) -> Row<'t> {
    let largest = z.iter().fold(f64::NEG_INFINITY, |a, z| a.max(z.value));
    let powers: Row = z.iter().map(|&z| (z + -largest).exp()).collect();
    let total = sum(&powers);
    powers.iter().map(|&power| power * total.powf(-1.0)).collect()
}

// ANCHOR: norm
/// RMSNorm without a gain: `x / √(⟨x²⟩ + ε)`.
fn rms_norm<'t>(x: &[Var<'t>]) -> Row<'t> {
    let mean_square = dot(x, x) * (1.0 / x.len() as f64);
    let scale = (mean_square + 1e-5).powf(-0.5);
    x.iter().map(|&x| x * scale).collect()
}

/// `max(0, x)`: on the tape, a product with one or with zero.
pub fn relu(x: Var) -> Var {
    x * if x.value > 0.0 { 1.0 } else { 0.0 }
}
// ANCHOR_END: norm

/// What the newest position takes from all so far, head by head.
pub fn attention<'t>(
    query: &[Var<'t>],
    keys: &[Row<'t>],
    values: &[Row<'t>],
) -> Row<'t> {
    let d = N_EMBD / N_HEAD;
    let scale = 1.0 / (d as f64).sqrt();
    let mut y = Vec::with_capacity(N_EMBD);
    for left in (0..N_EMBD).step_by(d) {
        let head = left..left + d;
        let score = |key: &Row<'t>| {
            dot(&query[head.clone()], &key[head.clone()]) * scale
        };
        let scores: Row = keys.iter().map(score).collect();
        let att = softmax(&scores);
        for column in head.clone() {
            let v: Row = values.iter().map(|value| value[column]).collect();
            y.push(dot(&att, &v));
        }
    }
    y
}

/// The model on a tape, and the keys and values of the positions so far.
struct OnTape<'t> {
    matrices: [Row<'t>; 9],
    keys: Vec<Row<'t>>,
    values: Vec<Row<'t>>,
}

impl<'t> OnTape<'t> {
    /// Writes the parameters, matrix after matrix: the first on the tape.
    fn new(tape: &'t Tape, model: &Model) -> Self {
        let matrices = model
            .matrices()
            .map(|matrix| matrix.iter().map(|&w| tape.leaf(w)).collect());
        Self { matrices, keys: Vec::new(), values: Vec::new() }
    }

    /// Reads one more token; returns the logits of the one after it.
    fn logits(&mut self, token: usize) -> Row<'t> {
        let [tokens, positions, head, query, key, value, output, up, down] =
            &self.matrices;
        let row = |i: usize| i * N_EMBD..(i + 1) * N_EMBD;
        let place = self.keys.len();
        let x = rms_norm(&add(&tokens[row(token)], &positions[row(place)]));

        let h = rms_norm(&x);
        self.keys.push(linear(&h, key));
        self.values.push(linear(&h, value));
        let h = attention(&linear(&h, query), &self.keys, &self.values);
        let x = add(&linear(&h, output), &x);

        let h = linear(&rms_norm(&x), up);
        let h: Row = h.into_iter().map(relu).collect();
        let x = add(&linear(&h, down), &x);
        linear(&x, head)
    }

    /// The mean of `−ln p[next]` over a name's characters and its end.
    fn loss(&mut self, tokens: &[usize]) -> Var<'t> {
        let pairs = tokens.windows(2);
        let losses = pairs.map(|pair| {
            let p = softmax(&self.logits(pair[0]));
            p[pair[1]].ln() * -1.0
        });
        let losses: Row = losses.collect();
        sum(&losses) * (1.0 / losses.len() as f64)
    }
}

/// The loss of a name between its marks, and the gradient.
///
/// # Panics
/// If the name does not fit the context.
pub fn loss_and_grad(model: &Model, tokens: &[usize]) -> (f64, Model) {
    assert!(tokens.len() <= BLOCK_SIZE + 1, "it does not fit");
    let tape = Tape::default();
    let loss = OnTape::new(&tape, model).loss(tokens);
    (loss.value, poured(model, &loss.backward()))
}

/// The same, with each sum of the backward pass in the order in which the
/// original adds.
///
/// # Panics
/// As [`loss_and_grad`].
pub fn loss_and_grad_as_python(
    model: &Model,
    tokens: &[usize],
) -> (f64, Model) {
    assert!(tokens.len() <= BLOCK_SIZE + 1, "it does not fit");
    let tape = Tape::default();
    let loss = OnTape::new(&tape, model).loss(tokens);
    let nodes = tape.nodes();
    let mut order = Vec::with_capacity(nodes.len());
    visit(loss.index, &nodes, &mut vec![false; nodes.len()], &mut order);
    let mut grad = vec![0.0; nodes.len()];
    grad[loss.index] = 1.0;
    for i in order.into_iter().rev() {
        for (parent, slope) in nodes[i].parents.into_iter().flatten() {
            grad[parent] += slope * grad[i];
        }
    }
    (loss.value, poured(model, &grad))
}

/// A depth-first topological sort: what a number was made from, then it.
fn visit(i: usize, nodes: &[Node], seen: &mut [bool], order: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[i], true) {
        return;
    }
    for (parent, _) in nodes[i].parents.into_iter().flatten() {
        visit(parent, nodes, seen, order);
    }
    order.push(i);
}

/// The first slopes of a tape, as the gradient of the model that began it.
fn poured(model: &Model, slopes: &[f64]) -> Model {
    let mut grad = Model::zeros(model.vocab_size());
    let numbers = grad.matrices_mut().into_iter().flat_map(|m| m.iter_mut());
    numbers.zip(slopes).for_each(|(number, slope)| *number = *slope);
    grad
}

/// How many numbers the tape of a name holds.
pub fn numbers(model: &Model, tokens: &[usize]) -> usize {
    let tape = Tape::default();
    OnTape::new(&tape, model).loss(tokens).index + 1
}

/// Logits after the last of some tokens.
pub fn last_logits(model: &Model, tokens: &[usize]) -> Vec<f64> {
    let tape = Tape::default();
    let mut model = OnTape::new(&tape, model);
    let rows = tokens.iter().map(|&token| model.logits(token));
    let last = rows.last().expect("a token to begin with");
    last.iter().map(|z| z.value).collect()
}
