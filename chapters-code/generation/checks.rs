mod exercises;
#[allow(dead_code)] // the page's loop is checked by what its program prints
mod naive;
mod solutions;

use crate::{assert_close, assert_predicted, close, exercise};
use double::generation::Sampler;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// The answers asked for.
pub struct Answers {
    /// The third probability at temperature one half.
    pub third: f64,
    /// The second probability with top-k 2.
    pub second: f64,
    /// Rows that are computed for each character.
    pub rows: f64,
}

fn probability(temperature: f64, top_k: Option<usize>, id: u16) -> f64 {
    let logits = [1.0, 3.0, 9.0].map(f64::ln);
    let sampler =
        Sampler::new(temperature, top_k).expect("settings that make sense");
    let candidates = sampler.distribution(&logits);
    candidates.iter().find(|(other, _)| *other == id).map_or(0.0, |(_, p)| *p)
}

fn predict(answers: Answers) {
    let third = probability(0.5, None, 2);
    let hint = "third: dividing a logarithm by ½ squares what it is of";
    assert_predicted(close(answers.third, third, 5e-3), hint);
    let second = probability(1.0, Some(2), 1);
    let hint = "second: which are left, and what do they sum to?";
    assert_predicted(close(answers.second, second, 5e-3), hint);
    // A move reads 128 rows for one character, and 128 follow with one each
    let rows = (128.0 + 128.0) / 129.0;
    let hint = "rows: count from one move of the window to the next";
    assert_predicted(close(answers.rows, rows, 0.05), hint);
}
exercise!(generation_predict, super::predict, ANSWERS);

/// Candidates of random logits, and how many.
fn random_candidates() -> impl Iterator<Item = Vec<(u16, f64)>> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let sampler = Sampler::new(1.0, None).expect("the model's own");
    [1, 2, 5, 59].into_iter().map(move |n| {
        let logits = (0..n).map(|_| rng.random_range(-3.0..3.0));
        sampler.distribution(&logits.collect::<Vec<f64>>())
    })
}

/// What is kept are the first candidates, in their proportions.
fn assert_renormalized(kept: &[(u16, f64)], candidates: &[(u16, f64)]) {
    let total: f64 = candidates[..kept.len()].iter().map(|c| c.1).sum();
    for (kept, candidate) in kept.iter().zip(candidates) {
        assert_eq!(kept.0, candidate.0, "not the likeliest");
        assert_close(kept.1, candidate.1 / total, 1e-9, "its probability");
    }
}

/// The `top_p` of the page.
#[test]
fn top_p_keeps_the_fewest_that_reach_p() {
    for candidates in random_candidates() {
        for p in [0.01, 0.3, 0.9, 0.999] {
            let kept = naive::top_p(&candidates, p);
            let sum =
                |n: usize| -> f64 { candidates[..n].iter().map(|c| c.1).sum() };
            let n = kept.len();
            assert!(n == candidates.len() || sum(n) >= p, "too little");
            assert!(sum(n - 1) < p, "one less would have done");
            assert_renormalized(&kept, &candidates);
        }
    }
    let halves = naive::top_p(&[(0, 0.5), (1, 0.5)], 0.5);
    assert_eq!(halves, [(0, 1.0)], "one half is as much as is asked for");
}

type MinP = fn(&[(u16, f64)], f64) -> Vec<(u16, f64)>;

fn build(min_p: MinP) {
    for candidates in random_candidates() {
        for fraction in [0.0, 0.01, 0.1, 0.5, 1.0] {
            let kept = min_p(&candidates, fraction);
            let limit = fraction * candidates[0].1;
            let expected = candidates.iter().filter(|c| c.1 >= limit).count();
            assert_eq!(kept.len(), expected, "kept with {fraction}");
            assert_renormalized(&kept, &candidates);
        }
    }
    let equal = [(0, 0.5), (1, 0.5)];
    assert_eq!(min_p(&equal, 1.0), equal, "both are the likeliest");
}
exercise!(generation_build, super::build, min_p);

fn explore(survivors: fn(&[f64], f64) -> (usize, usize)) {
    // Halves of halves, in no order: nine tenths need four at temperature 1
    let order = (0..20).map(|i| 7 * i % 20);
    let logits: Vec<f64> = order.map(|i| -f64::from(i) * 2f64.ln()).collect();
    assert_eq!(survivors(&logits, 1.0), (4, 4));
    let (colder, as_it_is) = survivors(&logits, 0.5);
    assert_eq!((colder, as_it_is), (2, 4), "quarters of quarters need two");
    let (hotter, as_it_is) = survivors(&logits, 2.0);
    assert_eq!((hotter, as_it_is), (7, 4), "a factor of 0.71 needs seven");
}
exercise!(generation_explore, super::explore, survivors);
