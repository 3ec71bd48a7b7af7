//! The chapter's functions as you'd write them first: as the formulas read.
//! The crate has them in forms that are faster or safer, and a test compares.

use std::collections::BTreeMap;

use ndarray::Array2;
use rand::{Rng, RngExt};

// ANCHOR: count_pairs
/// For each character, what followed it and how often: the bigram table.
pub type Pairs = BTreeMap<char, BTreeMap<char, u32>>;

/// Counts the pairs of a text.
pub fn count_pairs(text: &[char]) -> Pairs {
    let mut pairs = Pairs::new();
    for pair in text.windows(2) {
        let row = pairs.entry(pair[0]).or_default();
        *row.entry(pair[1]).or_insert(0) += 1;
    }
    pairs
}
// ANCHOR_END: count_pairs

// ANCHOR: generate
/// Draws from a row, each character as often as it was counted.
pub fn sample(row: &BTreeMap<char, u32>, rng: &mut impl Rng) -> char {
    let total: u32 = row.values().sum();
    let mut left = rng.random_range(0..total);
    for (&c, &count) in row {
        if left < count {
            return c;
        }
        left -= count;
    }
    unreachable!("the counts add up to the total")
}

/// Predict, sample, append, repeat.
pub fn generate(
    pairs: &Pairs,
    mut last: char,
    length: usize,
    rng: &mut impl Rng,
) -> String {
    let mut text = String::new();
    for _ in 0..length {
        last = sample(&pairs[&last], rng);
        text.push(last);
    }
    text
}
// ANCHOR_END: generate

// ANCHOR: softmax
/// `pᵢ = exp(zᵢ) / Σⱼ exp(zⱼ)`, as the formula reads.
pub fn softmax(z: &[f32]) -> Vec<f32> {
    let powers: Vec<f32> = z.iter().map(|z| z.exp()).collect();
    let total: f32 = powers.iter().sum();
    powers.iter().map(|power| power / total).collect()
}
// ANCHOR_END: softmax

// ANCHOR: layer
/// `c = a·b`: each row of `a` times each column of `b`.
pub fn product(a: &Array2<f32>, b: &Array2<f32>) -> Array2<f32> {
    let mut c = Array2::zeros((a.nrows(), b.ncols()));
    for i in 0..a.nrows() {
        for j in 0..b.ncols() {
            for k in 0..a.ncols() {
                c[[i, j]] += a[[i, k]] * b[[k, j]];
            }
        }
    }
    c
}

/// One layer of a neural network: weighted sums, then a nonlinearity.
pub fn layer(x: &Array2<f32>, weights: &Array2<f32>) -> Array2<f32> {
    product(x, weights).mapv(|sum| sum.max(0.0))
}
// ANCHOR_END: layer
