use crate::generation::Answers;
use double::generation::Sampler;

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    third: 81.0 / 91.0, // 1, 9 and 81
    second: 0.25,       // 3 of 3 + 9
    positions: 2.0,     // once new, and once again after a move
};
// ANCHOR_END: predict

// ANCHOR: build
/// The fewest of the likeliest ids whose shares reach `p`, with what is then
/// the share of each; `shares` sum to one, and are sorted, the largest first.
pub fn top_p(shares: &[(u16, f64)], p: f64) -> Vec<(u16, f64)> {
    let mut kept = Vec::new();
    let mut mass = 0.0;
    for &(id, share) in shares {
        if mass >= p {
            break;
        }
        mass += share;
        kept.push((id, share));
    }
    kept.iter_mut().for_each(|(_, share)| *share /= mass);
    kept
}
// ANCHOR_END: build

// ANCHOR: explore
/// How many tokens survive a top-p of 0.9 at temperature `tau`, and how many
/// at temperature 1.
pub fn survivors(scores: &[f64], tau: f64) -> (usize, usize) {
    let count = |temperature: f64| {
        let sampler = Sampler::new(temperature, None).expect("above zero");
        top_p(&sampler.distribution(scores), 0.9).len()
    };
    (count(tau), count(1.0))
}
// ANCHOR_END: explore
