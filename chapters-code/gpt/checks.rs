mod exercises;
mod solutions;

use crate::{assert_close, assert_predicted, close, exercise};
use double::Matrix;
use double::embeddings::normal;
use double::gpt::{self, Gpt, GptConfig};
use double::orientation::{flat, numerical_gradient};
use ndarray::{ArrayView1, array};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// The answers asked for on the chapter's first page.
pub struct Answers {
    /// Three equal logits, the third token came.
    pub p_minus_y: [f64; 3],
    /// In a batch of 12 windows of 64 characters.
    pub predictions: usize,
    /// Rows of the token table with a gradient, from 3, 1, 4, 1, 5, 9.
    pub tied: usize,
    /// The same in the look-up's table, if the head has one of its own.
    pub untied: usize,
}

fn predict(answers: Answers) {
    let (_, dz) = gpt::cross_entropy(array![[7.0, 7.0, 7.0]], &[2], 1.0);
    for (answer, dz) in answers.p_minus_y.iter().zip(&dz) {
        let hint = "p − y: equal logits have equal probabilities";
        assert_predicted(close(*answer, *dz, 5e-3), hint);
    }
    let sizes = GptConfig { block_size: 64, ..GptConfig::quick(11) };
    let model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1));
    let model = model.expect("sizes that fit");
    let logits = model.logits(&[0; 12 * 64], 64);
    let hint = "predictions: count the rows of the logits";
    assert_predicted(answers.predictions == logits.nrows(), hint);
    let (inputs, targets) = ([3, 1, 4, 1, 5, 9], [1, 4, 1, 5, 9, 2]);
    let rows = |table: &Matrix| {
        let is_zero = |row: &ArrayView1<f64>| row.iter().all(|&g| g == 0.0);
        table.rows().into_iter().filter(|row| !is_zero(row)).count()
    };
    let (_, grad) = model.loss_and_grad(&inputs, &targets, 6);
    let hint = "tied: whose logits are there at every position?";
    assert_predicted(answers.tied == rows(&grad.embeddings.token), hint);
    let table = model.embeddings.token.clone();
    let (_, grad, _) = solutions::untied(&model, &table, &inputs, &targets);
    let hint = "untied: which rows were looked up?";
    assert_predicted(answers.untied == rows(&grad.embeddings.token), hint);
}
exercise!(gpt_predict, super::predict, ANSWERS);

/// The answers asked for on the second, about GPT-2 medium.
pub struct FreshAnswers {
    /// How many it has.
    pub parameters: usize,
    /// In nats per token.
    pub first_loss: f64,
}

fn fresh(answers: FreshAnswers) {
    let medium = GptConfig {
        n_layer: 24,
        n_head: 16,
        n_embd: 1024,
        block_size: 1024,
        vocab_size: 50257,
    };
    let hint = "parameters: two tables, the blocks, the last norm";
    assert_predicted(
        Some(answers.parameters) == medium.checked_num_params(),
        hint,
    );
    let (v, c) = (f64::from(50257), f64::from(1024));
    let loss = v.ln() + c * 0.02 * 0.02 / 2.0;
    let hint = "first loss: ln V, and what the logits' variance adds";
    assert_predicted(close(answers.first_loss, loss, 0.01), hint);
}
exercise!(gpt_fresh_predict, super::fresh, FRESH);

type CrossEntropy = fn(&[f64], usize) -> (f64, Vec<f64>);

fn build(cross_entropy: CrossEntropy) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for v in [1, 2, 7, 59] {
        let logits: Vec<f64> =
            (0..v).map(|_| rng.random_range(-4.0..4.0)).collect();
        let target = v / 2;
        let (loss, dz) = cross_entropy(&logits, target);
        let sum: f64 = logits.iter().map(|z| z.exp()).sum();
        let minus_ln_p = -(logits[target].exp() / sum).ln();
        assert_close(loss, minus_ln_p, 1e-12, "-ln p");
        assert_close(dz.iter().sum(), 0.0, 1e-12, "the gradient's sum");
        let measured =
            numerical_gradient(&logits, 1e-5, |z| cross_entropy(z, target).0);
        for (dz, measured) in dz.iter().zip(&measured) {
            assert_close(*dz, *measured, 1e-8, "the gradient");
        }
    }
    let (loss, dz) = cross_entropy(&[1e4, -1e4], 1);
    assert_eq!((loss, dz), (2e4, vec![1.0, -1.0]), "sure, and wrong");
    let (loss, dz) = cross_entropy(&[-1e4, -1e4], 0);
    assert_close(loss, 2f64.ln(), 1e-9, "two equal logits, far below zero");
    assert_close(dz[0], -0.5, 1e-9, "their gradient");
}
exercise!(gpt_build, super::build, cross_entropy);

type Untied = fn(&Gpt, &Matrix, &[u16], &[u16]) -> (f64, Gpt, Matrix);

fn explore(untied: Untied) {
    let (inputs, targets) = ([0, 1, 0, 3], [1, 0, 3, 5]);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (n_layer, n_head, n_embd, block_size, vocab_size) = (2, 2, 4, 4, 6);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    let mut model = Gpt::new(sizes, &mut rng).expect("sizes that fit");
    for tensor in model.tensors_mut() {
        tensor.data.iter_mut().for_each(|x| *x += rng.random_range(-0.3..0.3));
    }

    // Two tables: every derivative is the one that is measured
    let head = normal((6, 4), 0.5, &mut rng);
    let (_, grad, dhead) = untied(&model, &head, &inputs, &targets);
    assert_eq!(dhead.dim(), head.dim(), "the head's gradient");
    let measured = numerical_gradient(flat(&head), 1e-5, |data| {
        let head = Matrix::from_shape_vec((6, 4), data.to_vec());
        untied(&model, &head.expect("as before"), &inputs, &targets).0
    });
    for (derived, measured) in flat(&dhead).iter().zip(&measured) {
        assert_close(*derived, *measured, 1e-7, "the head");
    }
    let mut moved = model.clone();
    for (i, tensor) in grad.tensors().iter().enumerate() {
        let start = model.tensors()[i].data.to_vec();
        let measured = numerical_gradient(&start, 1e-5, |data| {
            moved.tensors_mut()[i].data.copy_from_slice(data);
            untied(&moved, &head, &inputs, &targets).0
        });
        moved.tensors_mut()[i].data.copy_from_slice(&start);
        for (derived, measured) in tensor.data.iter().zip(&measured) {
            assert_close(*derived, *measured, 1e-7, &tensor.name.to_string());
        }
    }

    // A head of zeros gives all tokens the same logit, whatever the model thinks
    let zeros = Matrix::zeros((6, 4));
    let (loss, ..) = untied(&model, &zeros, &inputs, &targets);
    assert_close(loss, 6f64.ln(), 1e-12, "the loss with a head of zeros");

    // One table in both places: the tied model, whose gradient is the sum
    let table = model.embeddings.token.clone();
    let (loss, grad, dhead) = untied(&model, &table, &inputs, &targets);
    let (tied_loss, tied) = model.loss_and_grad(&inputs, &targets, 4);
    assert_close(loss, tied_loss, 1e-12, "the loss of the tied model");
    let sum = &grad.embeddings.token + &dhead;
    for (sum, tied) in sum.iter().zip(&tied.embeddings.token) {
        assert_close(*sum, *tied, 1e-12, "the tied table");
    }
}
exercise!(gpt_explore, super::explore, untied);
