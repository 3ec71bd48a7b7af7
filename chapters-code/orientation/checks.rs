mod exercises;
mod solutions;

use crate::{assert_close, assert_predicted, close, exercise};
use double::orientation::softmax;

/// The losses asked for, in nats.
pub struct Losses {
    /// One half on the right character half of the time, one quarter else.
    pub hesitant: f64,
    /// Certain and right nine times in ten, certain and wrong once.
    pub certain: f64,
}

fn predict(losses: Losses) {
    let by_definition = |given: &[f64]| {
        given.iter().map(|p| -p.ln()).sum::<f64>() / given.len() as f64
    };
    let hesitant = by_definition(&[0.5, 0.25]);
    assert_predicted(
        close(losses.hesitant, hesitant, 1e-3),
        "the hesitant model's loss is the mean of two surprises, −ln p each",
    );
    let mut given = [1.0; 10];
    given[9] = 0.0;
    let certain = by_definition(&given);
    assert_predicted(
        close(losses.certain, certain, 1e-3),
        "what is −ln 0, and what becomes of a mean with such a number in it?",
    );
}
exercise!(orientation_predict, super::predict, LOSSES);

fn build(log_softmax: fn(&[f64]) -> Vec<f64>) {
    let z = [0.5, -1.0, 2.0, 0.0];
    let mut p = z;
    softmax(&mut p);
    let log_p = log_softmax(&z);
    assert_eq!(log_p.len(), 4, "one number for each logit");
    for (log_p, p) in log_p.iter().zip(p) {
        assert_close(*log_p, p.ln(), 1e-12, "the logarithm of softmax");
    }
    let far = log_softmax(&[1e4, -1e4, 0.0]);
    for (found, expected) in far.iter().zip([0.0, -2e4, -1e4]) {
        assert_close(*found, expected, 1e-9, "logits of ten thousand");
    }
    let shifted = log_softmax(&z.map(|z| z + 1234.5));
    for (a, b) in shifted.iter().zip(&log_p) {
        assert_close(*a, *b, 1e-9, "a shift must not matter");
    }
}
exercise!(orientation_build, super::build, log_softmax);

/// A derivative of `f` at a point, measured with a step.
pub type Slope = fn(f: fn(f64) -> f64, x: f64, h: f64) -> f64;

fn explore((one_sided, shrinks): (Slope, [f64; 2])) {
    let f: fn(f64) -> f64 = |x| x * x * x;
    let by_hand = (1.1f64.powi(3) - 1.0) / 0.1;
    assert_close(one_sided(f, 1.0, 0.1), by_hand, 1e-12, "one-sided, h = 0.1");
    let central: Slope = |f, x, h| (f(x + h) - f(x - h)) / (2.0 * h);
    for (name, slope, shrinks) in
        [("one-sided", one_sided, shrinks[0]), ("central", central, shrinks[1])]
    {
        let error = |h| (slope(f, 1.0, h) - 3.0).abs();
        let factor: f64 = error(1e-2) / error(1e-3);
        assert_predicted(
            close(shrinks, factor, 0.1 * factor),
            &format!(
                "the {name} difference for x³ at 1, h = 0.01 against 0.001"
            ),
        );
    }
}
exercise!(orientation_explore, super::explore, ONE_SIDED);
