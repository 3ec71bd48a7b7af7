mod exercises;
mod solutions;

use crate::{assert_close, assert_predicted, close, exercise};
use double::Matrix;
use double::embeddings::normal;
use double::orientation::{flat, softmax};
use double::transformer_block::attend;
use ndarray::array;
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// The answers asked for.
pub struct Answers {
    /// Row 2 of the attention weights.
    pub attention: [f64; 4],
    /// Row 2 of the output.
    pub output: [f64; 2],
}

fn predict(answers: Answers) {
    let q = Matrix::zeros((4, 2));
    let k = normal((4, 2), 1.0, &mut ChaCha8Rng::seed_from_u64(1));
    let v = array![[9.0, 0.0], [0.0, 9.0], [6.0, 3.0], [1.0, 1.0]];
    let (mut att, mut y) = (Matrix::zeros((4, 4)), Matrix::zeros((4, 2)));
    attend(&q, &k, &v, &mut att, &mut y);
    for (found, expected) in answers.attention.iter().zip(att.row(2)) {
        let hint = "attention: which scores are equal, and how many count?";
        assert_predicted(close(*found, *expected, 1e-2), hint);
    }
    for (found, expected) in answers.output.iter().zip(y.row(2)) {
        let hint = "output: the mean of the values, with these weights";
        assert_predicted(close(*found, *expected, 1e-2), hint);
    }
}
exercise!(transformer_block_predict, super::predict, ANSWERS);

fn build(softmax_backward: fn(&[f64], &[f64]) -> Vec<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for n in [1, 2, 5, 40] {
        let mut p = flat(&normal((1, n), 2.0, &mut rng)).to_vec();
        softmax(&mut p);
        let dp = flat(&normal((1, n), 1.0, &mut rng)).to_vec();
        let ds = softmax_backward(&p, &dp);
        assert_eq!(ds.len(), n, "one derivative for each score");
        for j in 0..n {
            let by_jacobian = (0..n).map(|i| {
                let same = if i == j { 1.0 } else { 0.0 };
                dp[i] * p[i] * (same - p[j])
            });
            assert_close(ds[j], by_jacobian.sum(), 1e-12, "the Jacobian");
        }
        assert_close(ds.iter().sum(), 0.0, 1e-12, "the sum over a row");
    }
}
exercise!(transformer_block_build, super::build, softmax_backward);

/// Attention weights for scores `[T, T]` and a reach, and the first position
/// that can influence position 10 after two layers with a reach of three.
pub type Sliding = (fn(&Matrix, usize) -> Matrix, usize);

fn explore((attention, first): Sliding) {
    let t = 12;
    let scores = normal((t, t), 1.0, &mut ChaCha8Rng::seed_from_u64(1));
    for reach in [1, 3, t] {
        let att = attention(&scores, reach);
        assert_eq!(att.dim(), (t, t));
        for ((i, j), &weight) in att.indexed_iter() {
            let seen = j <= i && i - j < reach;
            assert_eq!(weight > 0.0, seen, "reach {reach}: {j} from {i}");
            let apart = (att[[i, i]] / weight).ln();
            let by_scores = scores[[i, i]] - scores[[i, j]];
            if seen {
                assert_close(apart, by_scores, 1e-9, "in proportion");
            }
        }
        for row in att.rows() {
            assert_close(row.sum(), 1.0, 1e-12, "the sum of a row");
        }
    }
    let once = attention(&scores, 3);
    let twice = once.dot(&once);
    let reach = (0..t).find(|&j| twice[[10, j]] > 0.0);
    let hint = "first: two steps, each of at most reach − 1 back";
    assert_predicted(Some(first) == reach, hint);
}
exercise!(transformer_block_explore, super::explore, SLIDING);
