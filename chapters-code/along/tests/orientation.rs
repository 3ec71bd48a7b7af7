//! Chapter 1: `softmax(z: &[f64]) -> Vec<f64>`.

use along::softmax;

fn assert_close(z: &[f64], wanted: &[f64]) {
    let found = softmax(z);
    let close = found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(close, "softmax of {z:?} should be {wanted:?}; yours is {found:?}");
}

#[test]
fn logits_become_probabilities() {
    assert_close(&[0.0, 3f64.ln()], &[0.25, 0.75]);
    assert_close(&[2.0], &[1.0]);
    let sum: f64 = softmax(&[0.3, -2.0, 5.0, 1.0]).iter().sum();
    assert!((sum - 1.0).abs() < 1e-12, "the probabilities add up to {sum}");
}

#[test]
fn only_differences_matter() {
    assert_close(&[7.0, 7.0 + 3f64.ln()], &[0.25, 0.75]);
}

#[test]
fn large_logits_do_not_overflow() {
    assert_close(&[1000.0, 1000.0, 0.0], &[0.5, 0.5, 0.0]);
    assert_close(&[-1000.0, -1000.0], &[0.5, 0.5]);
}

#[test]
fn what_is_impossible_stays_impossible() {
    assert_close(&[0.0, f64::NEG_INFINITY, 0.0], &[0.5, 0.0, 0.5]);
}
