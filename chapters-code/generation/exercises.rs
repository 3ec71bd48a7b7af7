use crate::generation::Answers;

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    third: f64::NAN,     // at temperature one half
    second: f64::NAN,    // with top-k 2
    positions: f64::NAN, // for each character, with a window of 256
};
// ANCHOR_END: predict

// ANCHOR: build
/// The fewest of the likeliest ids whose shares reach `p`, with what is then
/// the share of each; `shares` sum to one, and are sorted, the largest first.
pub fn top_p(shares: &[(u16, f64)], p: f64) -> Vec<(u16, f64)> {
    todo!("add up until p is reached; divide by the sum")
}
// ANCHOR_END: build

// ANCHOR: explore
/// How many tokens survive a top-p of 0.9 at temperature `tau`, and how many
/// at temperature 1.
pub fn survivors(scores: &[f64], tau: f64) -> (usize, usize) {
    todo!("softmax twice, count twice")
}
// ANCHOR_END: explore
