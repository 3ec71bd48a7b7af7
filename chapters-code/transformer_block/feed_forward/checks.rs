mod exercises;
mod solutions;

use crate::{assert_close, assert_predicted, close, exercise};
use double::embeddings::normal;
use double::orientation::{flat, numerical_gradient};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// The answers asked for.
pub struct Answers {
    /// What becomes of (3, 5).
    pub small: [f64; 2],
    /// What becomes of (30, 50).
    pub large: [f64; 2],
    /// The gradient of (3, 5), if that of the output is (1, 0).
    pub dx: [f64; 2],
}

fn predict(answers: Answers) {
    let norm = |x: [f64; 2]| {
        let mean = (x[0] + x[1]) / 2.0;
        let std =
            (((x[0] - mean).powi(2) + (x[1] - mean).powi(2)) / 2.0).sqrt();
        x.map(|x| (x - mean) / std)
    };
    let hint =
        "small: take the mean off, then divide by the standard deviation";
    assert_predicted(answers.small == norm([3.0, 5.0]), hint);
    let hint = "large: ten times the row has ten times the standard deviation";
    assert_predicted(answers.large == norm([30.0, 50.0]), hint);
    let dx = numerical_gradient(&[3.0, 5.0], 1e-5, |x| norm([x[0], x[1]])[0]);
    for (answer, dx) in answers.dx.iter().zip(dx) {
        let hint = "dx: which normalized rows of two are there?";
        assert_predicted(close(*answer, dx, 1e-6), hint);
    }
}
exercise!(feed_forward_predict, super::predict, ANSWERS);

/// RMSNorm of a row with a gain, and its backward pass: `dx` and `dgain`.
pub type RmsNorm = (
    fn(x: &[f64], gain: &[f64]) -> Vec<f64>,
    fn(x: &[f64], gain: &[f64], dy: &[f64]) -> (Vec<f64>, Vec<f64>),
);

fn build((forward, backward): RmsNorm) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let y = forward(&[3.0, 4.0], &[1.0, 2.0]);
    let root = (12.5f64 + 1e-5).sqrt();
    assert_close(y[0], 3.0 / root, 1e-12, "the first");
    assert_close(y[1], 8.0 / root, 1e-12, "the second, with its gain");
    for n in [1, 2, 7] {
        let [x, gain, dy] = [1.0, 0.5, 1.0]
            .map(|std| flat(&normal((1, n), std, &mut rng)).to_vec());
        let weighted = |y: Vec<f64>| -> f64 {
            y.iter().zip(&dy).map(|(y, dy)| y * dy).sum()
        };
        let (dx, dgain) = backward(&x, &gain, &dy);
        assert_eq!(
            (dx.len(), dgain.len()),
            (n, n),
            "a derivative for each number"
        );
        let measured =
            numerical_gradient(&x, 1e-5, |x| weighted(forward(x, &gain)));
        for (derived, measured) in dx.iter().zip(&measured) {
            assert_close(*derived, *measured, 1e-7, "dx");
        }
        let measured =
            numerical_gradient(&gain, 1e-5, |gain| weighted(forward(&x, gain)));
        for (derived, measured) in dgain.iter().zip(&measured) {
            assert_close(*derived, *measured, 1e-7, "dgain");
        }
    }
}
exercise!(feed_forward_build, super::build, RMS_NORM);

/// Dropout with a given share, for given random numbers between 0 and 1: the
/// output and the mask, each entry of which `dy` is multiplied with.
pub type Dropout =
    fn(x: &[f64], share: f64, random: &[f64]) -> (Vec<f64>, Vec<f64>);

fn explore(dropout: Dropout) {
    use rand::RngExt;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let x: Vec<f64> =
        (0..100_000).map(|_| rng.random_range(1.0..3.0)).collect();
    let random: Vec<f64> = x.iter().map(|_| rng.random()).collect();
    let (y, mask) = dropout(&x, 0.25, &random);
    assert_eq!((y.len(), mask.len()), (x.len(), x.len()), "as many as came");
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    assert_close(mean(&y), mean(&x), 0.02, "the mean");
    for (i, mask) in mask.iter().enumerate() {
        assert_eq!(*mask == 0.0, random[i] < 0.25, "which ones are dropped");
        assert_close(y[i], x[i] * mask, 1e-12, "the mask that was used");
    }
    let (same, _) = dropout(&x, 0.0, &random);
    assert!(same == x, "at share 0 nothing is dropped, and all stays as it is");
}
exercise!(feed_forward_explore, super::explore, dropout);
