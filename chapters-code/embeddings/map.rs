//! How the map of the characters is made.

use double::Matrix;
use ndarray::{Array1, Axis};

/// The two directions along which the rows of a table differ most, by power
/// iteration: each row's place along them, and the part of the variance that
/// each direction holds.
pub fn principal_components(table: &Matrix) -> [(Vec<f64>, f64); 2] {
    let mean = table.sum_axis(Axis(0)) / table.nrows() as f64;
    let mut x = table - &mean;
    let total = x.pow2().sum();
    [(); 2].map(|()| {
        let mut direction = Array1::ones(x.ncols());
        for _ in 0..1000 {
            direction = x.t().dot(&x.dot(&direction));
            direction /= direction.dot(&direction).sqrt();
        }
        let mut places = x.dot(&direction);
        for (mut row, &place) in x.rows_mut().into_iter().zip(&places) {
            row.scaled_add(-place, &direction);
        }
        // An axis has no sign of its own: the first character goes right
        if places[0] < 0.0 {
            places.mapv_inplace(|place| -place);
        }
        let part = places.dot(&places) / total;
        (places.to_vec(), part)
    })
}

/// How often each id occurs, as a logarithm; one is added to each count.
pub fn log_counts(ids: &[u16], vocab_size: usize) -> Vec<f64> {
    let mut counts = vec![1.0f64; vocab_size];
    for &id in ids {
        counts[usize::from(id)] += 1.0;
    }
    counts.into_iter().map(f64::ln).collect()
}

/// Pearson's correlation of two lists of numbers, from −1 to 1.
pub fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let centered = |x: &[f64]| {
        let x = Array1::from(x.to_vec());
        let mean = x.sum() / x.len() as f64;
        x - mean
    };
    let (a, b) = (centered(a), centered(b));
    a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt()
}
