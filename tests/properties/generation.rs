use std::convert::Infallible;

use microgpt::generation as single;
use proptest::prelude::*;
use rand::{RngExt, TryRng};
use single::{GenerationError, Generator, KvCache, Sampler};

use crate::{apart, double_model, model, random_ids, rng};

fn probabilities(
    logits: &[f64],
    temperature: f64,
    top_k: Option<usize>,
) -> Vec<(u16, f64)> {
    let sampler = double::generation::Sampler::new(temperature, top_k).unwrap();
    sampler.distribution(logits)
}

proptest! {
    #[test]
    fn probabilities_are_exponentials_of_scores_over_temperature(
        logits in prop::collection::vec(-8.0..8.0f64, 1..20),
        temperature in 0.1..5.0f64,
    ) {
        let found = probabilities(&logits, temperature, None);
        prop_assert_eq!(found.len(), logits.len());
        let total: f64 = logits.iter().map(|z| (z / temperature).exp()).sum();
        for (id, p) in found {
            let z = logits[usize::from(id)];
            prop_assert!((p - (z / temperature).exp() / total).abs() < 1e-12);
        }
    }

    #[test]
    fn top_k_keeps_exactly_the_k_best_and_their_proportions(
        scores in prop::collection::vec(-3i32..3, 2..20), // many ties
        k in 1usize..20,
    ) {
        let logits: Vec<f64> = scores.iter().map(|&z| f64::from(z)).collect();
        let k = k.min(logits.len());
        let found = probabilities(&logits, 1.0, Some(k));
        // By definition: sort by score, then by id, and cut
        let mut ids: Vec<u16> = (0..logits.len() as u16).collect();
        ids.sort_by_key(|&id| (-scores[usize::from(id)], id));
        let kept: Vec<u16> = found.iter().map(|&(id, _)| id).collect();
        prop_assert_eq!(&kept, &ids[..k]);
        let all = probabilities(&logits, 1.0, None);
        let mass: f64 = all[..k].iter().map(|&(_, p)| p).sum();
        for (one, full) in found.iter().zip(&all) {
            prop_assert!((one.1 - full.1 / mass).abs() < 1e-12);
        }
    }

    #[test]
    fn temperature_zero_takes_the_best_and_the_first_of_equals(
        scores in prop::collection::vec(-3i32..3, 1..20), seed in 0u64..99,
    ) {
        let logits: Vec<f32> = scores.iter().map(|&z| z as f32).collect();
        let best = *scores.iter().max().unwrap();
        let first = scores.iter().position(|&z| z == best).unwrap();
        for top_k in [None, Some(1), Some(3)] {
            let greedy = Sampler::new(0.0, top_k).unwrap();
            let certain = [(first as u16, 1.0)];
            prop_assert_eq!(greedy.distribution(&logits), certain);
            let id = greedy.sample(&logits, &mut rng(seed));
            prop_assert_eq!(usize::from(id), first);
        }
    }
}

#[test]
fn frequencies_match_probabilities() {
    // χ² over five outcomes: four degrees of freedom; above 23.5 once in 10⁴
    let logits = [0.0f32, 1.0, -1.0, 2.0, 0.5, -9.0];
    let draws = 20_000;
    for (temperature, seed) in [(1.0, 1), (0.5, 2), (2.0, 3)] {
        let sampler = Sampler::new(temperature, Some(5)).unwrap();
        let mut counts = [0u32; 6];
        let mut rng = rng(seed);
        for _ in 0..draws {
            counts[usize::from(sampler.sample(&logits, &mut rng))] += 1;
        }
        assert_eq!(counts[5], 0, "beyond top-k");
        let expected = sampler.distribution(&logits);
        let chi_square: f64 = expected
            .iter()
            .map(|&(id, p)| {
                let expected = f64::from(p) * f64::from(draws);
                let off = f64::from(counts[usize::from(id)]) - expected;
                off * off / expected
            })
            .sum();
        assert!(chi_square < 23.5, "temperature {temperature}: {chi_square}");
    }
}

/// Draws the largest number that there is, again and again.
struct Largest;

impl TryRng for Largest {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::MAX)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::MAX)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(u8::MAX);
        Ok(())
    }
}

/// Rounded probabilities may add up to less than the number drawn.
#[test]
fn what_rounding_leaves_goes_to_the_last_candidate() {
    let sampler = Sampler::new(1.0, None).unwrap();
    let mut short = 0;
    for n in 2..100u16 {
        let logits = vec![0.0; usize::from(n)];
        let probs = sampler.distribution(&logits);
        let sum: f64 = probs.iter().map(|&(_, p)| f64::from(p)).sum();
        short += u32::from(sum < Largest.random::<f64>());
        assert_eq!(sampler.sample(&logits, &mut Largest), n - 1);
    }
    assert!(short > 10, "{short} sums fall short of the number drawn");
}

#[test]
fn a_temperature_near_zero_is_greedy_and_not_a_number_too_large() {
    let sampler = Sampler::new(1e-38, None).unwrap();
    let found = sampler.distribution(&[29.0, 30.0, -30.0]);
    assert_eq!(found[0], (1, 1.0)); // 30/1e-38 would be infinite
    assert!(found[1..].iter().all(|&(_, p)| p < 1e-37));
}

#[test]
fn samplers_that_mean_nothing_are_refused() {
    let refused = |temperature, top_k| {
        Sampler::new(temperature, top_k).unwrap_err().to_string()
    };
    assert_eq!(
        refused(-1.0, None),
        "a temperature of -1 has no meaning; give 0 (always the likeliest), or \
         a number above"
    );
    assert!(refused(f32::NAN, None).contains("NaN"));
    assert!(refused(f32::INFINITY, None).contains("inf"));
    assert_eq!(
        refused(1.0, Some(0)),
        "top-k 0 leaves nothing to choose from; at least 1"
    );
}

/// What the cache is measured against: the whole window through the model, and
/// the last row of the logits.
fn uncached(model: &double::gpt::Gpt, ids: &[u16]) -> Vec<f64> {
    let (logits, _) = model.forward(ids, ids.len());
    logits.row(ids.len() - 1).to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cached_logits_equal_uncached_ones_however_the_text_is_cut(
        cuts in prop::collection::vec(1usize..=4, 1..=4), seed in 0u64..99,
    ) {
        let model = double_model(2, 2, 8, 300, seed);
        let cuts: Vec<usize> = cuts.iter().map(|n| n * n * n).collect(); // to 64
        let ids = random_ids(cuts.iter().sum(), 11, seed);
        let mut cache = double::generation::KvCache::new(&model);
        prop_assert!(cache.is_empty());
        let mut read = 0;
        for cut in cuts {
            let logits = cache.extend(&ids[read..read + cut]);
            read += cut;
            prop_assert_eq!(cache.len(), read);
            prop_assert!(!cache.is_empty());
            prop_assert!(apart(&logits, &uncached(&model, &ids[..read])) < 1e-12);
        }
        cache.clear();
        let again = cache.extend(&ids[..1]);
        prop_assert!(apart(&again, &uncached(&model, &ids[..1])) < 1e-12);
    }

    #[test]
    fn cached_and_uncached_generation_write_the_same(
        prompt in 1usize..12, block_size in 1usize..9, seed in 0u64..99,
    ) {
        use double::generation::{Generator, Sampler};
        let model = double_model(2, 2, 8, block_size, seed);
        let prompt = random_ids(prompt, 11, seed);
        let sampler = Sampler::new(0.9, Some(7)).unwrap();
        let found: Vec<u16> = Generator::new(&model, &prompt, sampler, rng(seed))
            .unwrap()
            .take(4 * block_size + 3)
            .map(Result::unwrap)
            .collect();
        prop_assert_eq!(found.len(), 4 * block_size + 3);
        // The same rule without a cache: when the window is full, keep half
        let mut rng = rng(seed);
        let mut window = prompt[prompt.len().saturating_sub(block_size)..].to_vec();
        for &found in &found {
            if window.len() > block_size {
                window.drain(..window.len() - block_size.div_ceil(2));
            }
            let logits = uncached(&model, &window);
            let id = sampler.sample(&logits, &mut rng);
            prop_assert_eq!(found, id);
            window.push(id);
        }
    }
}

#[test]
fn single_precision_agrees_to_five_digits() {
    let model = model(3, 2, 16, 24, 5);
    let ids = random_ids(24, 11, 5);
    let mut cache = KvCache::new(&model);
    for n in 1..=24 {
        let cached = cache.extend(&ids[n - 1..n]);
        let (logits, _) = model.forward(&ids[..n], n);
        let pairs = cached.iter().zip(logits.row(n - 1));
        let apart = pairs.map(|(a, b)| (a - b).abs());
        let worst = apart.max_by(f32::total_cmp).unwrap();
        assert!(worst < 1e-5, "after {n}: {worst:e}");
    }
}

/// Weights so large that the logits overflow, at every sampler: at once, and when
/// asked again. Without the check it is an id, and a text of blanks.
#[test]
fn a_prediction_that_is_not_finite_is_an_error_and_no_token() {
    for (temperature, top_k) in [(0.0, None), (0.8, None), (2.0, Some(3))] {
        for weight in [3e38, f32::INFINITY, f32::NAN] {
            let mut model = model(1, 1, 4, 4, 1);
            let sampler = Sampler::new(temperature, top_k).unwrap();
            let all = Generator::new(&model, &[3], sampler, rng(1)).unwrap();
            assert!(all.take(20).all(|id| id.is_ok_and(|id| id < 11)));
            model.norm.weight.fill(weight);
            let all = Generator::new(&model, &[3, 1], sampler, rng(1)).unwrap();
            let said = Err(GenerationError::NonFinite);
            assert!(all.take(20).all(|id| id == said), "{weight}");
        }
    }
    let mut model = model(1, 1, 4, 4, 1); // one position alone is at fault
    model.embeddings.position.row_mut(3).fill(f32::NAN);
    let sampler = Sampler::new(0.8, None).unwrap();
    let all = Generator::new(&model, &[3], sampler, rng(1)).unwrap();
    let good = all.take(20).take_while(Result::is_ok).count();
    assert_eq!(good, 3);
}

#[test]
fn prompts_that_cannot_be_read_are_refused() {
    let model = model(1, 1, 4, 4, 1);
    let sampler = Sampler::new(1.0, None).unwrap();
    let refused = |prompt: &[u16], sampler| {
        Generator::new(&model, prompt, sampler, rng(1)).unwrap_err()
    };
    assert_eq!(refused(&[], sampler), GenerationError::EmptyPrompt);
    let error = refused(&[3, 11], sampler);
    assert_eq!(
        error.to_string(),
        "the prompt holds id 11, but the model knows 11 tokens, ids 0 to 10"
    );
    let wide = Sampler::new(1.0, Some(12)).unwrap();
    assert_eq!(
        refused(&[3], wide).to_string(),
        "top-k 12 is above the 11 tokens there are; leave it out to keep them \
         all"
    );
    let all = Sampler::new(1.0, Some(11)).unwrap();
    assert!(Generator::new(&model, &[3], all, rng(1)).is_ok());
}
