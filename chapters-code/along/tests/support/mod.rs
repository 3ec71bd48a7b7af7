//! What several judges need.

use along::Matrix;

/// Numbers between -1 and 1 that look random and are always the same.
pub fn numbers(rows: usize, columns: usize, seed: usize) -> Matrix {
    Matrix::from_shape_fn((rows, columns), |(i, j)| {
        let n = (i * columns + j + 1) * 7_919 + seed * 104_729;
        (n as f64 * 0.618_033_988_75).fract() * 2.0 - 1.0
    })
}

// ANCHOR: assert_gradient
/// Compares `grad` with finite differences of `f` at `x`.
pub fn assert_gradient(
    name: &str,
    f: impl Fn(&Matrix) -> f64,
    x: &Matrix,
    grad: &Matrix,
) {
    assert_eq!(grad.dim(), x.dim(), "{name}: its shape");
    let h = 1e-5;
    for ((row, column), &found) in grad.indexed_iter() {
        let at = |nudge: f64| {
            let mut x = x.clone();
            x[[row, column]] += nudge;
            f(&x)
        };
        let measured = (at(h) - at(-h)) / (2.0 * h);
        assert!(
            (found - measured).abs() < 1e-7,
            "{name}[{row}, {column}]: yours is {found:.6}, but nudging that \
             entry gives {measured:.6}"
        );
    }
}
// ANCHOR_END: assert_gradient
