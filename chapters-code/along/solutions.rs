//! The functions of "Build along", as one might write them. They aren't the
//! book's: those are faster, and say more about what they refuse.

use ndarray::{Array2, Axis};

/// A table of numbers.
pub type Matrix = Array2<f64>;

/// Chapter 1. The probabilities that logits stand for.
pub fn softmax(z: &[f64]) -> Vec<f64> {
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = z.iter().map(|z| (z - max).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

/// Chapter 2. The ids of a text's characters, or the first unknown one.
pub fn encode(text: &str, vocab: &[char]) -> Result<Vec<usize>, char> {
    let id = |c| vocab.iter().position(|&known| known == c).ok_or(c);
    text.chars().map(id).collect()
}

/// Chapter 3. Adds each row of `dy` to the row of the table that it came from.
pub fn embed_backward(ids: &[usize], dy: &Matrix, d_table: &mut Matrix) {
    for (&id, dy) in ids.iter().zip(dy.rows()) {
        let mut row = d_table.row_mut(id);
        row += &dy;
    }
}

/// `softmax(q·kᵀ/√D)`, each row over the keys up to its own position.
fn attention_probabilities(q: &Matrix, k: &Matrix) -> Matrix {
    let scores = q.dot(&k.t()) / (q.ncols() as f64).sqrt();
    let mut p = Matrix::zeros(scores.dim());
    for (i, (s, mut p)) in
        scores.rows().into_iter().zip(p.rows_mut()).enumerate()
    {
        for (p, value) in p.iter_mut().zip(softmax(&s.to_vec()[..=i])) {
            *p = value;
        }
    }
    p
}

/// Chapter 4. Causal attention, one head.
pub fn attend(q: &Matrix, k: &Matrix, v: &Matrix) -> Matrix {
    attention_probabilities(q, k).dot(v)
}

/// Chapter 4. The gradients of `q`, `k` and `v`.
pub fn attend_backward(
    q: &Matrix,
    k: &Matrix,
    v: &Matrix,
    dy: &Matrix,
) -> [Matrix; 3] {
    let p = attention_probabilities(q, k);
    let dp = dy.dot(&v.t());
    let mean = (&p * &dp).sum_axis(Axis(1)).insert_axis(Axis(1));
    let ds = &p * &(dp - mean) / (q.ncols() as f64).sqrt();
    [ds.dot(k), ds.t().dot(q), p.t().dot(dy)]
}

/// Chapter 5. The mean cross-entropy of the targets, and its gradient.
pub fn loss_and_grad(logits: &Matrix, targets: &[usize]) -> (f64, Matrix) {
    let n = targets.len() as f64;
    let (mut loss, mut grad) = (0.0, Matrix::zeros(logits.dim()));
    for ((z, &y), mut dz) in
        logits.rows().into_iter().zip(targets).zip(grad.rows_mut())
    {
        let p = softmax(&z.to_vec());
        let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = max + z.iter().map(|z| (z - max).exp()).sum::<f64>().ln();
        loss += (log_sum - z[y]) / n;
        for (j, dz) in dz.iter_mut().enumerate() {
            *dz = (p[j] - f64::from(u8::from(j == y))) / n;
        }
    }
    (loss, grad)
}

/// Chapter 6. One step of AdamW, the `t`-th, counted from one.
pub fn adamw(
    w: &mut [f64],
    g: &[f64],
    m: &mut [f64],
    v: &mut [f64],
    t: i32,
    lr: f64,
) {
    let (beta1, beta2, epsilon, decay) = (0.9f64, 0.99f64, 1e-8, 0.1);
    for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
        *m = beta1 * *m + (1.0 - beta1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        let mean = *m / (1.0 - beta1.powi(t));
        let square = *v / (1.0 - beta2.powi(t));
        *w -= lr * (mean / (square.sqrt() + epsilon) + decay * *w);
    }
}

/// Chapter 7. The id at which the running sum of probabilities passes `u`.
pub fn sample(logits: &[f64], temperature: f64, u: f64) -> usize {
    let scaled: Vec<f64> = logits.iter().map(|z| z / temperature).collect();
    let p = softmax(&scaled);
    let mut sum = 0.0;
    for (id, p) in p.iter().enumerate() {
        sum += p;
        if u < sum {
            return id;
        }
    }
    // The sum may end a rounding below one.
    p.iter().rposition(|&p| p > 0.0).unwrap_or(0)
}
