//! Chapter 7: `sample(logits: &[f64], temperature: f64, u: f64) -> usize`, where `u`
//! is a random number, 0 ≤ u < 1, and the ids share that interval in order, each by
//! its probability.

use along::sample;

/// How often each of three ids comes, in a thousand even steps of `u`.
fn counts(logits: [f64; 3], temperature: f64) -> [i32; 3] {
    let mut counts = [0; 3];
    for n in 0..1000 {
        let u = (f64::from(n) + 0.5) / 1000.0;
        counts[sample(&logits, temperature, u)] += 1;
    }
    counts
}

#[test]
fn ids_come_as_often_as_their_probability_says() {
    let logits = [2f64.ln(), 3f64.ln(), 5f64.ln()];
    assert_eq!(counts(logits, 1.0), [200, 300, 500]);
}

#[test]
fn temperature_divides_the_logits() {
    let logits = [2f64.ln(), 3f64.ln(), 5f64.ln()];
    // At one half, probabilities are as the squares 4, 9, 25.
    assert_eq!(counts(logits, 0.5), [105, 237, 658]);
}

#[test]
fn the_impossible_never_comes() {
    let logits = [0.0, f64::NEG_INFINITY, f64::NEG_INFINITY];
    assert_eq!(counts(logits, 1.0), [1000, 0, 0]);
    for u in [0.0, 0.999_999_999_999_999_9] {
        assert_eq!(sample(&logits, 1.0, u), 0);
    }
}

#[test]
fn rounding_never_leaves_the_vocabulary() {
    // Ten times 0.1 is a little less than one, and `u` falls in between.
    let id = sample(&[0.0; 10], 1.0, 1.0 - f64::EPSILON / 2.0);
    assert_eq!(id, 9);
}
