mod exercises;
mod solutions;

use crate::{assert_close, assert_predicted, close, exercise};
use double::Matrix;
use double::embeddings::normal;
use double::gpt::{self, Gpt, GptConfig};
use double::orientation::{flat, numerical_gradient};
use ndarray::array;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// The answers asked for.
pub struct Answers {
    /// Of GPT-2 medium.
    pub parameters: usize,
    /// Three equal scores, the third token came.
    pub slope: [f64; 3],
    /// Of GPT-2 medium as it is drawn.
    pub first_loss: f64,
}

fn predict(answers: Answers) {
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
    let (_, slope) = gpt::cross_entropy(array![[7.0, 7.0, 7.0]], &[2], 1.0);
    for (answer, slope) in answers.slope.iter().zip(&slope) {
        let hint = "slope: equal scores have equal shares; then p − y";
        assert_predicted(close(*answer, *slope, 5e-3), hint);
    }
    let (v, c) = (f64::from(50257), f64::from(1024));
    let loss = v.ln() + c * 0.02 * 0.02 / 2.0;
    let hint = "first loss: ignorance, and what the spread of scores adds";
    assert_predicted(close(answers.first_loss, loss, 0.01), hint);
}
exercise!(gpt_predict, super::predict, ANSWERS);

type CrossEntropy = fn(&[f64], usize) -> (f64, Vec<f64>);

fn build(cross_entropy: CrossEntropy) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for v in [1, 2, 7, 59] {
        let scores: Vec<f64> =
            (0..v).map(|_| rng.random_range(-4.0..4.0)).collect();
        let target = v / 2;
        let (loss, slope) = cross_entropy(&scores, target);
        let sum: f64 = scores.iter().map(|z| z.exp()).sum();
        let minus_ln_p = -(scores[target].exp() / sum).ln();
        assert_close(loss, minus_ln_p, 1e-12, "-ln p");
        assert_close(slope.iter().sum(), 0.0, 1e-12, "the slope's sum");
        let measured =
            numerical_gradient(&scores, 1e-5, |z| cross_entropy(z, target).0);
        for (slope, measured) in slope.iter().zip(&measured) {
            assert_close(*slope, *measured, 1e-8, "the slope");
        }
    }
    let (loss, slope) = cross_entropy(&[1e4, -1e4], 1);
    assert_eq!((loss, slope), (2e4, vec![1.0, -1.0]), "sure, and wrong");
    let (loss, slope) = cross_entropy(&[-1e4, -1e4], 0);
    assert_close(loss, 2f64.ln(), 1e-9, "two equal scores, far below zero");
    assert_close(slope[0], -0.5, 1e-9, "their slope");
}
exercise!(gpt_build, super::build, cross_entropy);

type Untied = fn(&Gpt, &Matrix, &[u16], &[u16]) -> (f64, Gpt, Matrix);

fn explore(untied: Untied) {
    let (inputs, targets) = ([0, 1, 0, 3], [1, 0, 3, 5]);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (n_layer, n_head, n_embd, block_size, vocab_size) = (2, 2, 4, 4, 6);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    let mut model = Gpt::new(sizes, &mut rng).expect("six numbers that fit");
    for tensor in model.tensors_mut() {
        tensor.data.iter_mut().for_each(|x| *x += rng.random_range(-0.3..0.3));
    }

    // Two tables: every slope is the one that is measured
    let head = normal((6, 4), 0.5, &mut rng);
    let (_, grad, dhead) = untied(&model, &head, &inputs, &targets);
    assert_eq!(dhead.dim(), head.dim(), "the head's slope");
    let measured = numerical_gradient(flat(&head), 1e-5, |data| {
        let head = Matrix::from_shape_vec((6, 4), data.to_vec());
        untied(&model, &head.expect("as before"), &inputs, &targets).0
    });
    for (slope, measured) in flat(&dhead).iter().zip(&measured) {
        assert_close(*slope, *measured, 1e-7, "the head");
    }
    let mut moved = model.clone();
    for (i, tensor) in grad.tensors().iter().enumerate() {
        let start = model.tensors()[i].data.to_vec();
        let measured = numerical_gradient(&start, 1e-5, |data| {
            moved.tensors_mut()[i].data.copy_from_slice(data);
            untied(&moved, &head, &inputs, &targets).0
        });
        moved.tensors_mut()[i].data.copy_from_slice(&start);
        for (slope, measured) in tensor.data.iter().zip(&measured) {
            assert_close(*slope, *measured, 1e-7, &tensor.name.to_string());
        }
    }

    // A head of zeros scores all tokens alike, whatever the model thinks
    let zeros = Matrix::zeros((6, 4));
    let (loss, ..) = untied(&model, &zeros, &inputs, &targets);
    assert_close(loss, 6f64.ln(), 1e-12, "the loss with a head of zeros");

    // One table in both places: the tied model, whose slope is the sum
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
