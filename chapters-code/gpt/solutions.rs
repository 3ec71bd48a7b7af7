use crate::gpt::Answers;
use double::Matrix;
use double::gpt::{self, Gpt};

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    parameters: 354_823_168, // 51,463,168 + 1,048,576 + 24·12,596,224 + 2,048
    slope: [1.0 / 3.0, 1.0 / 3.0, -2.0 / 3.0],
    first_loss: 11.03, // 10.82 + 1024 · 0.0004 / 2
};
// ANCHOR_END: predict

// ANCHOR: build
/// The loss of one row of scores, in nats, and its slope along each.
pub fn cross_entropy(scores: &[f64], target: usize) -> (f64, Vec<f64>) {
    let largest = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    let mut slope: Vec<f64> =
        scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = slope.iter().sum();
    slope.iter_mut().for_each(|e| *e /= sum);
    slope[target] -= 1.0;
    (largest + sum.ln() - scores[target], slope)
}
// ANCHOR_END: build

// ANCHOR: explore
/// The mean loss of one window whose head is a table of its own, with the
/// gradients of the model and of the head.
pub fn untied(
    model: &Gpt,
    head: &Matrix,
    inputs: &[u16],
    targets: &[u16],
) -> (f64, Gpt, Matrix) {
    let t = inputs.len();
    let (mut x, embeddings) = model.embeddings.forward(inputs, t);
    let mut caches = Vec::new();
    for block in &model.blocks {
        let (y, cache) = block.forward(x, t);
        caches.push(cache);
        x = y;
    }
    let (x, norm) = model.norm.forward(&x);
    let logits = x.dot(&head.t());
    let (loss, dlogits) = gpt::cross_entropy(logits, targets, 1.0 / t as f64);

    let mut grad = model.zeros_like();
    let dhead = dlogits.t().dot(&x);
    let dx = dlogits.dot(head);
    let mut dx = model.norm.backward(&norm, dx, &mut grad.norm);
    for (i, block) in model.blocks.iter().enumerate().rev() {
        dx = block.backward(&caches[i], dx, &mut grad.blocks[i]);
    }
    model.embeddings.backward(&embeddings, &dx, &mut grad.embeddings);
    (loss, grad, dhead)
}
// ANCHOR_END: explore
