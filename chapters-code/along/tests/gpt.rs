//! Chapter 5: `loss_and_grad(logits: &Matrix, targets: &[usize]) -> (f64, Matrix)`,
//! the mean cross-entropy over the rows.

mod support;

use along::{Matrix, loss_and_grad};
use support::{assert_gradient, numbers};

#[test]
fn a_uniform_guess_costs_the_logarithm_of_the_vocabulary() {
    let (loss, _) = loss_and_grad(&Matrix::zeros((3, 59)), &[0, 7, 58]);
    assert!((loss - 59f64.ln()).abs() < 1e-12, "{loss} instead of ln 59");
}

#[test]
fn a_confident_mistake_has_a_finite_loss() {
    let mut logits = Matrix::zeros((1, 2));
    logits[[0, 0]] = 1000.0;
    let (loss, _) = loss_and_grad(&logits, &[1]);
    assert!((loss - 1000.0).abs() < 1e-9, "{loss} instead of 1000");
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let (logits, targets) = (numbers(4, 5, 1), [3, 0, 4, 0]);
    let (_, grad) = loss_and_grad(&logits, &targets);
    let loss = |logits: &Matrix| loss_and_grad(logits, &targets).0;
    assert_gradient("the logits' gradient", loss, &logits, &grad);
    for row in grad.rows() {
        assert!(row.sum().abs() < 1e-12, "a row of p - y adds up to zero");
    }
}
