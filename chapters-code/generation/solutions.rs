use super::naive::top_p;
use crate::generation::Answers;
use double::generation::Sampler;

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    third: 81.0 / 91.0, // 1, 9 and 81
    second: 0.25,       // 3 of 3 + 9
    rows: 2.0,          // 128 again for one character, then 128 for 128
};
// ANCHOR_END: predict

// ANCHOR: build
/// The candidates whose probability is at least `fraction` of the largest, with
/// the probability that each then has. The candidates are sorted, the likeliest
/// first, and their probabilities sum to one.
pub fn min_p(candidates: &[(u16, f64)], fraction: f64) -> Vec<(u16, f64)> {
    let limit = fraction * candidates[0].1;
    let kept = candidates.iter().take_while(|(_, p)| *p >= limit);
    let total: f64 = kept.clone().map(|(_, p)| p).sum();
    kept.map(|&(id, p)| (id, p / total)).collect()
}
// ANCHOR_END: build

// ANCHOR: explore
/// How many candidates a top-p of 0.9 keeps at temperature `tau`, and how many
/// at temperature 1.
pub fn survivors(logits: &[f64], tau: f64) -> (usize, usize) {
    let count = |temperature: f64| {
        let sampler = Sampler::new(temperature, None).expect("above zero");
        top_p(&sampler.distribution(logits), 0.9).len()
    };
    (count(tau), count(1.0))
}
// ANCHOR_END: explore
