mod exercises;
mod solutions;

use crate::{assert_close, assert_predicted, close, exercise};
use double::generation::Sampler;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// The answers asked for.
pub struct Answers {
    /// The third share at temperature one half.
    pub third: f64,
    /// The second share with top-k 2.
    pub second: f64,
    /// Positions that are computed for each character.
    pub positions: f64,
}

fn share(temperature: f64, top_k: Option<usize>, id: u16) -> f64 {
    let scores = [1.0, 3.0, 9.0].map(f64::ln);
    let sampler =
        Sampler::new(temperature, top_k).expect("settings that mean something");
    let shares = sampler.distribution(&scores);
    shares.iter().find(|(other, _)| *other == id).map_or(0.0, |(_, p)| *p)
}

fn predict(answers: Answers) {
    let hint = "third: dividing a logarithm by ½ squares what it is of";
    assert_predicted(close(answers.third, share(0.5, None, 2), 5e-3), hint);
    let hint = "second: who is left, and what do they sum to?";
    assert_predicted(close(answers.second, share(1.0, Some(2), 1), 5e-3), hint);
    // A move reads 128 rows for one character, and 128 follow with one each
    let positions = (128.0 + 128.0) / 129.0;
    let hint = "positions: count from one move of the window to the next";
    assert_predicted(close(answers.positions, positions, 0.05), hint);
}
exercise!(generation_predict, super::predict, ANSWERS);

type TopP = fn(&[(u16, f64)], f64) -> Vec<(u16, f64)>;

fn build(top_p: TopP) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let all = Sampler::new(1.0, None).expect("the model's own shares");
    for n in [1, 2, 5, 59] {
        let scores: Vec<f64> =
            (0..n).map(|_| rng.random_range(-3.0..3.0)).collect();
        let shares = all.distribution(&scores);
        for p in [0.01, 0.3, 0.9, 0.999, 1.0] {
            let kept = top_p(&shares, p);
            assert!(!kept.is_empty(), "nothing is left to choose from");
            let mass: f64 = shares[..kept.len()].iter().map(|s| s.1).sum();
            let before: f64 =
                shares[..kept.len() - 1].iter().map(|s| s.1).sum();
            assert!(mass >= p - 1e-12, "{p} of {n}: {mass} is too little");
            assert!(before < p, "{p} of {n}: one less would have done");
            for (kept, share) in kept.iter().zip(&shares) {
                assert_eq!(kept.0, share.0, "not the likeliest");
                assert_close(kept.1, share.1 / mass, 1e-9, "its share");
            }
        }
    }
    let halves = top_p(&[(0, 0.5), (1, 0.5)], 0.5);
    assert_eq!(halves.len(), 1, "one half is as much as is asked for");
}
exercise!(generation_build, super::build, top_p);

fn explore(survivors: fn(&[f64], f64) -> (usize, usize)) {
    // Halves of halves, in no order: nine tenths need four at temperature 1
    let order = (0..20).map(|i| 7 * i % 20);
    let scores: Vec<f64> = order.map(|i| -f64::from(i) * 2f64.ln()).collect();
    assert_eq!(survivors(&scores, 1.0), (4, 4));
    let (colder, as_it_is) = survivors(&scores, 0.5);
    assert_eq!((colder, as_it_is), (2, 4), "quarters of quarters need two");
    let (hotter, as_it_is) = survivors(&scores, 2.0);
    assert_eq!((hotter, as_it_is), (7, 4), "a factor of 0.71 needs seven");
}
exercise!(generation_explore, super::explore, survivors);
