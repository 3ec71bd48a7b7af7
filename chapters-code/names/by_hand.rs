//! The model of microgpt on matrices, a row for each position, with gradients
//! derived by hand.

use double::Matrix;
use double::orientation::{
    add_product, dot, flat, flat_mut, product, rows, rows_mut, softmax,
};
use ndarray::{Axis, s};

use super::{Model, N_EMBD, N_HEAD};

/// What the backward pass needs of the forward pass.
struct Cache {
    embedded: (Matrix, Vec<f64>), // [T, C], normalized, and 1/√(⟨x²⟩ + ε)
    normed_1: (Matrix, Vec<f64>), // [T, C]
    qkv: [Matrix; 3],             // [T, C] each
    att: Vec<Matrix>,             // [T, T] for each head
    heads: Matrix,                // [T, C]
    normed_2: (Matrix, Vec<f64>), // [T, C]
    hidden: Matrix,               // [T, 4C], after ReLU
    last: Matrix,                 // [T, C]
}

// ANCHOR: norm
/// RMSNorm, `x̂ = x·r` with `r = 1/√(⟨x²⟩ + ε)`; returns both.
fn rms_norm(mut x: Matrix) -> (Matrix, Vec<f64>) {
    let mut scales = Vec::with_capacity(x.nrows());
    for row in rows_mut(&mut x) {
        let scale = 1.0 / (dot(row, row) / row.len() as f64 + 1e-5).sqrt();
        row.iter_mut().for_each(|x| *x *= scale);
        scales.push(scale);
    }
    (x, scales)
}

/// `dx = r·(dy − x̂·⟨dy·x̂⟩)`: LayerNorm's, without the mean.
fn rms_norm_backward((y, scales): &(Matrix, Vec<f64>), dy: Matrix) -> Matrix {
    let mut dx = dy;
    for ((dx, y), scale) in rows_mut(&mut dx).zip(rows(y)).zip(scales) {
        let along = dot(dx, y) / y.len() as f64; // ⟨dy·x̂⟩
        for (dx_j, y_j) in dx.iter_mut().zip(y) {
            *dx_j = scale * (*dx_j - y_j * along);
        }
    }
    dx
}
// ANCHOR_END: norm

/// `x·Wᵀ`: the matrices are `[out, in]`.
fn linear(x: &Matrix, weight: &Matrix) -> Matrix {
    product(x, &weight.t())
}

/// Adds `dyᵀ·x` to `dW`; returns `dx = dy·W`.
fn linear_backward(
    x: &Matrix,
    weight: &Matrix,
    dy: &Matrix,
    grad: &mut Matrix,
) -> Matrix {
    add_product(1.0, &dy.t(), x, grad);
    product(dy, weight)
}

/// Logits `[T, V]` after each token.
fn forward(model: &Model, tokens: &[usize]) -> (Matrix, Cache) {
    let mut x = model.token.select(Axis(0), tokens); // [T, C]
    x += &model.position.slice(s![..tokens.len(), ..]);
    let embedded = rms_norm(x);

    let normed_1 = rms_norm(embedded.0.clone());
    let qkv = [&model.query, &model.key, &model.value]
        .map(|weight| linear(&normed_1.0, weight));
    let (heads, att) = attention(&qkv);
    let x = &embedded.0 + &linear(&heads, &model.output); // [T, C]

    let normed_2 = rms_norm(x.clone());
    let mut hidden = linear(&normed_2.0, &model.up); // [T, 4C]
    hidden.mapv_inplace(|x| x.max(0.0));
    let last = x + linear(&hidden, &model.down); // [T, C]
    let logits = linear(&last, &model.head); // [T, V]
    let cache =
        Cache { embedded, normed_1, qkv, att, heads, normed_2, hidden, last };
    (logits, cache)
}

/// For every head, `A = softmax(q·kᵀ/√D)` up to the diagonal, and `A·v`.
fn attention([q, k, v]: &[Matrix; 3]) -> (Matrix, Vec<Matrix>) {
    let d = N_EMBD / N_HEAD;
    let scale = 1.0 / (d as f64).sqrt();
    let mut y = Matrix::zeros(q.dim()); // [T, C]
    let attend = |i| {
        let head = s![.., i * d..(i + 1) * d]; // [T, D]
        let (q, k, v) = (q.slice(head), k.slice(head), v.slice(head));
        let mut att = product(&q, &k.t()) * scale; // [T, T]
        for (position, mut scores) in att.outer_iter_mut().enumerate() {
            let (past, future) =
                flat_mut(&mut scores).split_at_mut(position + 1);
            softmax(past);
            future.fill(0.0);
        }
        add_product(1.0, &att, &v, &mut y.slice_mut(head));
        att
    };
    let att = (0..N_HEAD).map(attend).collect();
    (y, att)
}

/// From `dY` of [`attention`] to `dQ`, `dK` and `dV`.
fn attention_backward(
    [q, k, v]: &[Matrix; 3],
    att: &[Matrix],
    dy: &Matrix,
) -> [Matrix; 3] {
    let d = N_EMBD / N_HEAD;
    let scale = 1.0 / (d as f64).sqrt();
    let [mut dq, mut dk, mut dv] = [q, k, v].map(|x| Matrix::zeros(x.dim()));
    for (i, att) in att.iter().enumerate() {
        let head = s![.., i * d..(i + 1) * d]; // [T, D]
        let dy = dy.slice(head);
        add_product(1.0, &att.t(), &dy, &mut dv.slice_mut(head));
        let mut ds = product(&dy, &v.slice(head).t()); // dA, [T, T]
        for (p, row) in att.outer_iter().zip(rows_mut(&mut ds)) {
            let p = flat(&p);
            let mean = dot(p, row);
            for (ds_j, p_j) in row.iter_mut().zip(p) {
                *ds_j = p_j * (*ds_j - mean);
            }
        }
        add_product(scale, &ds, &k.slice(head), &mut dq.slice_mut(head));
        add_product(scale, &ds.t(), &q.slice(head), &mut dk.slice_mut(head));
    }
    [dq, dk, dv]
}

/// The mean loss of a name's characters and its end, and the gradient.
///
/// # Panics
/// If the name does not fit the context.
pub fn loss_and_grad(model: &Model, tokens: &[usize]) -> (f64, Model) {
    let (inputs, targets) = (&tokens[..tokens.len() - 1], &tokens[1..]);
    let (mut logits, cache) = forward(model, inputs); // [T, V]
    let t = inputs.len() as f64;
    let mut loss = 0.0;
    for (row, &target) in rows_mut(&mut logits).zip(targets) {
        let score = row[target];
        loss += softmax(row) - score; // −ln p
        row[target] -= 1.0; // p − y
    }
    let grad = backward(model, inputs, &cache, &(logits / t));
    (loss / t, grad)
}

/// The gradient, from that of the logits.
fn backward(
    model: &Model,
    inputs: &[usize],
    cache: &Cache,
    dlogits: &Matrix,
) -> Model {
    let Cache { embedded, normed_1, qkv, att, heads, normed_2, hidden, last } =
        cache;
    let mut grad = Model::zeros(model.vocab_size());
    let mut dx = linear_backward(last, &model.head, dlogits, &mut grad.head);

    let mut dh = linear_backward(hidden, &model.down, &dx, &mut grad.down);
    dh.zip_mut_with(hidden, |dh, &h| *dh *= f64::from(u8::from(h > 0.0)));
    let dh = linear_backward(&normed_2.0, &model.up, &dh, &mut grad.up);
    dx += &rms_norm_backward(normed_2, dh);

    let dh = linear_backward(heads, &model.output, &dx, &mut grad.output);
    let [dq, dk, dv] = attention_backward(qkv, att, &dh);
    let x = &normed_1.0;
    let dh = linear_backward(x, &model.query, &dq, &mut grad.query)
        + linear_backward(x, &model.key, &dk, &mut grad.key)
        + linear_backward(x, &model.value, &dv, &mut grad.value);
    dx += &rms_norm_backward(normed_1, dh);

    let dx = rms_norm_backward(embedded, dx);
    for (i, (&token, row)) in inputs.iter().zip(dx.outer_iter()).enumerate() {
        let mut token = grad.token.row_mut(token);
        token += &row;
        grad.position.row_mut(i).assign(&row);
    }
    grad
}

/// How many numbers the forward pass of a name keeps for the backward pass, its
/// logits among them.
pub fn numbers(model: &Model, tokens: &[usize]) -> usize {
    let (logits, cache) = forward(model, &tokens[..tokens.len() - 1]);
    let Cache { embedded, normed_1, qkv, att, heads, normed_2, hidden, last } =
        cache;
    let norms = [embedded, normed_1, normed_2];
    let norms: usize = norms.iter().map(|(x, r)| x.len() + r.len()).sum();
    let several: usize = qkv.iter().chain(&att).map(Matrix::len).sum();
    let rest = [heads, hidden, last, logits];
    norms + several + rest.iter().map(Matrix::len).sum::<usize>()
}

/// Logits after the last of some tokens.
pub fn last_logits(model: &Model, tokens: &[usize]) -> Vec<f64> {
    let (logits, _) = forward(model, tokens);
    logits.row(tokens.len() - 1).to_vec()
}
