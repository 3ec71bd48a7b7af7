//! Chapter 4: `attend(q: &Matrix, k: &Matrix, v: &Matrix) -> Matrix` and
//! `attend_backward(q, k, v, dy: &Matrix) -> [Matrix; 3]`, with one head, one
//! window and the causal mask.

mod support;

use along::{Matrix, attend, attend_backward};
use ndarray::array;
use support::{assert_gradient, numbers};

#[test]
fn the_second_position_mixes_both_values() {
    let (q, k) = (array![[1.0], [1.0]], array![[0.0], [3f64.ln()]]);
    let y = attend(&q, &k, &array![[0.0], [4.0]]);
    let wanted = array![[0.0], [3.0]];
    assert!(
        (&y - &wanted).iter().all(|d| d.abs() < 1e-12),
        "{y} is not {wanted}"
    );
}

#[test]
fn scores_are_divided_by_the_root_of_the_width() {
    // Four times ln(3)/2, divided by two, is ln 3.
    let q = Matrix::ones((2, 4));
    let mut k = Matrix::zeros((2, 4));
    k.row_mut(1).fill(3f64.ln() / 2.0);
    let y = attend(&q, &k, &array![[0.0], [4.0]]);
    assert!((y[[1, 0]] - 3.0).abs() < 1e-12, "{} instead of 3", y[[1, 0]]);
}

#[test]
fn no_position_sees_the_future() {
    let (q, mut k, mut v) =
        (numbers(5, 2, 1), numbers(5, 2, 2), numbers(5, 2, 3));
    let before = attend(&q, &k, &v);
    k.row_mut(3).fill(9.0);
    v.row_mut(3).fill(9.0);
    let after = attend(&q, &k, &v);
    for t in 0..3 {
        assert_eq!(before.row(t), after.row(t), "position {t} saw position 3");
    }
    assert_ne!(before.row(3), after.row(3), "position 3 doesn't see itself");
}

#[test]
fn the_gradients_are_those_of_finite_differences() {
    let (q, k, v) = (numbers(5, 2, 1), numbers(5, 2, 2), numbers(5, 3, 3));
    let dy = numbers(5, 3, 4);
    let [dq, dk, dv] = attend_backward(&q, &k, &v, &dy);
    let loss = |y: Matrix| (y * &dy).sum();
    assert_gradient("dq", |q| loss(attend(q, &k, &v)), &q, &dq);
    assert_gradient("dk", |k| loss(attend(&q, k, &v)), &k, &dk);
    assert_gradient("dv", |v| loss(attend(&q, &k, v)), &v, &dv);
}
