use crate::orientation::{Losses, Slope};

// ANCHOR: predict
/// Your predictions, in nats.
pub const LOSSES: Losses = Losses {
    hesitant: 1.5 * std::f64::consts::LN_2, // the mean of ln 2 and ln 4
    certain: f64::INFINITY, // one character held to be impossible is enough
};
// ANCHOR_END: predict

// ANCHOR: build
/// `ln pᵢ = zᵢ − ln Σⱼ exp(zⱼ)`, with the largest logit taken out of the sum.
pub fn log_softmax(z: &[f64]) -> Vec<f64> {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|z| (z - largest).exp()).sum();
    let log_sum = largest + sum.ln();
    z.iter().map(|z| z - log_sum).collect()
}
// ANCHOR_END: build

// ANCHOR: explore
/// The one-sided difference `(f(x + h) − f(x)) / h`.
fn one_sided(f: fn(f64) -> f64, x: f64, h: f64) -> f64 {
    (f(x + h) - f(x)) / h
}

/// Ten and a hundred: one error goes like `h`, the other like `h²`.
pub const ONE_SIDED: (Slope, [f64; 2]) = (one_sided, [10.0, 100.0]);
// ANCHOR_END: explore
