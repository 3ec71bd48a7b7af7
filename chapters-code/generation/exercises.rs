// All starters of the book are compiled together, so an unfinished one needs
// its `todo!()` back. Their tests are ignored, and run by `-- --ignored` only,
// so that `cargo test` stays green.
use crate::generation::Answers;

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    third: f64::NAN,  // at temperature one half
    second: f64::NAN, // with top-k 2
    rows: f64::NAN,   // for each character, with a window of 256
};
// ANCHOR_END: predict

// ANCHOR: build
/// The candidates whose probability is at least `fraction` of the largest, with
/// the probability that each then has. The candidates are sorted, the likeliest
/// first, and their probabilities sum to one.
pub fn min_p(candidates: &[(u16, f64)], fraction: f64) -> Vec<(u16, f64)> {
    todo!("find the limit; keep what reaches it; divide by the sum")
}
// ANCHOR_END: build

// ANCHOR: explore
/// How many candidates a top-p of 0.9 keeps at temperature `tau`, and how many
/// at temperature 1.
pub fn survivors(logits: &[f64], tau: f64) -> (usize, usize) {
    // the sampler in f64 is double::generation::Sampler
    todo!("two samplers, two cuts")
}
// ANCHOR_END: explore
