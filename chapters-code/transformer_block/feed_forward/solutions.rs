use crate::feed_forward::{Answers, RmsNorm};

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    small: [-1.0, 1.0], // only the order of the two is left,
    large: [-1.0, 1.0], // however large they are,
    dx: [0.0, 0.0],     // and a nudge doesn't change the order
};
// ANCHOR_END: predict

// ANCHOR: build
/// One over the root of the mean square.
fn scale(x: &[f64]) -> f64 {
    let squares: f64 = x.iter().map(|x| x * x).sum();
    1.0 / (squares / x.len() as f64 + 1e-5).sqrt()
}

/// `y = gain·x / √(⟨x²⟩ + 1e-5)`.
fn forward(x: &[f64], gain: &[f64]) -> Vec<f64> {
    let scale = scale(x);
    x.iter().zip(gain).map(|(x, gain)| gain * x * scale).collect()
}

/// `dx` and `dgain`: with `x̂ = x·scale` and `g = gain·dy`,
/// `dx = (g − x̂·⟨g·x̂⟩)·scale`.
fn backward(x: &[f64], gain: &[f64], dy: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let scale = scale(x);
    let x_hat: Vec<f64> = x.iter().map(|x| x * scale).collect();
    let g: Vec<f64> = gain.iter().zip(dy).map(|(gain, dy)| gain * dy).collect();
    let along: f64 = g.iter().zip(&x_hat).map(|(g, x)| g * x).sum();
    let along = along / x.len() as f64;
    let pairs = g.iter().zip(&x_hat);
    let dx = pairs.map(|(g, x_hat)| (g - x_hat * along) * scale).collect();
    let dgain = dy.iter().zip(&x_hat).map(|(dy, x_hat)| dy * x_hat).collect();
    (dx, dgain)
}

pub const RMS_NORM: RmsNorm = (forward, backward);
// ANCHOR_END: build

// ANCHOR: explore
/// `x` with a share of its entries dropped, and the mask. An entry is dropped
/// if its random number is below `share`.
pub fn dropout(x: &[f64], share: f64, random: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let keep = 1.0 / (1.0 - share);
    let mask = random.iter().map(|&r| if r < share { 0.0 } else { keep });
    let mask: Vec<f64> = mask.collect();
    (x.iter().zip(&mask).map(|(x, mask)| x * mask).collect(), mask)
}
// ANCHOR_END: explore
