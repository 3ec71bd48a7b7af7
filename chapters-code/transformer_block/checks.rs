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
    /// Row 2 of the weights.
    pub weights: [f64; 4],
    /// Row 2 of the output.
    pub output: [f64; 2],
}

fn predict(answers: Answers) {
    let q = Matrix::zeros((4, 2));
    let k = normal((4, 2), 1.0, &mut ChaCha8Rng::seed_from_u64(1));
    let v = array![[8.0, 0.0], [0.0, 8.0], [4.0, 4.0], [1.0, 1.0]];
    let (mut att, mut y) = (Matrix::zeros((4, 4)), Matrix::zeros((4, 2)));
    attend(&q, &k, &v, &mut att, &mut y);
    for (found, expected) in answers.weights.iter().zip(att.row(2)) {
        let hint = "weights: which scores are equal, and how many count?";
        assert_predicted(close(*found, *expected, 1e-2), hint);
    }
    for (found, expected) in answers.output.iter().zip(y.row(2)) {
        let hint = "output: the mean of the values, under these weights";
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
        assert_eq!(ds.len(), n, "one slope for each score");
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

/// Weights for scores `[T, T]` and a window, and the first of the positions
/// that can influence position 10 after two layers with a window of three.
pub type Windowed = (fn(&Matrix, usize) -> Matrix, usize);

fn explore((weights, first): Windowed) {
    let t = 12;
    let scores = normal((t, t), 1.0, &mut ChaCha8Rng::seed_from_u64(1));
    for w in [1, 3, t] {
        let a = weights(&scores, w);
        assert_eq!(a.dim(), (t, t));
        for ((i, j), &weight) in a.indexed_iter() {
            let seen = j <= i && i - j < w;
            assert_eq!(weight > 0.0, seen, "window {w}: {j} from {i}");
            let apart = (a[[i, i]] / weight).ln();
            let by_scores = scores[[i, i]] - scores[[i, j]];
            if seen {
                assert_close(apart, by_scores, 1e-9, "in proportion");
            }
        }
        for row in a.rows() {
            assert_close(row.sum(), 1.0, 1e-12, "the sum of a row");
        }
    }
    let once = weights(&scores, 3);
    let twice = once.dot(&once);
    let reach = (0..t).find(|&j| twice[[10, j]] > 0.0);
    let hint = "first: two steps, each of at most w − 1 back";
    assert_predicted(Some(first) == reach, hint);
}
exercise!(transformer_block_explore, super::explore, WINDOWED);
