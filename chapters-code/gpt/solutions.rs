use crate::gpt::{Answers, FreshAnswers};
use double::Matrix;
use double::gpt::{self, Gpt};

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    p_minus_y: [1.0 / 3.0, 1.0 / 3.0, -2.0 / 3.0],
    predictions: 768, // one at each position: 12 · 64
    tied: 11,         // every token is a candidate at every position
    untied: 5,        // 3, 1, 4, 5 and 9 were looked up
};
// ANCHOR_END: predict

// ANCHOR: fresh
/// Your predictions about GPT-2 medium before its first step.
pub const FRESH: FreshAnswers = FreshAnswers {
    parameters: 354_823_168, // 51,463,168 + 1,048,576 + 24·12,596,224 + 2,048
    first_loss: 11.03,       // 10.82 + 1024 · 0.0004 / 2
};
// ANCHOR_END: fresh

// ANCHOR: build
/// The loss of one row of logits, in nats, and its gradient.
pub fn cross_entropy(logits: &[f64], target: usize) -> (f64, Vec<f64>) {
    let largest = logits.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    let mut row: Vec<f64> =
        logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|e| *e /= sum); // p
    row[target] -= 1.0; // p − y
    (largest + sum.ln() - logits[target], row)
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
