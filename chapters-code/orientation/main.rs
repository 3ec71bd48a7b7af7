//! Chapter 1. Language models that only count, a gradient that is measured,
//! and the whole pipeline, top to bottom, on the crate.

use std::{error::Error, ops::ControlFlow};

use microgpt::{
    generation::*, gpt::*, orientation::*, tokenization::*, training::*,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn main() -> Result<(), Box<dyn Error>> {
    let text: Vec<char> = SONNETS.chars().collect();
    let mut alphabet = text.clone();
    alphabet.sort_unstable();
    alphabet.dedup();
    let (train, validation) = split(&text);
    by_hand();
    writing(train, &alphabet);
    surprise();
    rungs(train, validation, &alphabet);
    scores();
    slopes();
    descent(train, &alphabet);
    pipeline()
}

const SONNETS: &str = include_str!("../data/sonnets.txt");

/// The smallest table: what followed what in one famous line.
fn by_hand() {
    println!("[by hand]");
    let text: Vec<char> = "to be or not to be".chars().collect();
    let model = CountModel::new(&text, &text, 2);
    for run in ["to", "t ", "tn"] {
        let [before, after] = [0, 1].map(|i| run.chars().nth(i).unwrap_or(' '));
        let p = model.probability(&[before, after]);
        println!("P({after:?} after {before:?}) = {p:.4}");
    }
}

// ANCHOR: writing
/// What models that only count write, one character after another.
fn writing(train: &[char], alphabet: &[char]) {
    println!("[writing by counts]");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for order in [1, 2, 3, 5] {
        let model = CountModel::new(train, alphabet, order);
        let mut written = vec!['\n'];
        for _ in 0..50 {
            let context = written.len().saturating_sub(order - 1);
            written.push(model.sample(&written[context..], &mut rng));
        }
        let written: String = written[1..].iter().collect();
        println!("{order}: {written:?}");
    }
}
// ANCHOR_END: writing

/// How surprising an event is, by its probability.
fn surprise() {
    println!("[surprise]");
    for (name, p) in [("certain", 1.0), ("a coin", 0.5), ("a die", 1.0 / 6.0)] {
        println!("{name:8} p = {p:.4}   -ln p = {:.4}", f64::ln(1.0 / p));
    }
    let p = 1.0 / 59.0;
    println!("{:8} p = {p:.4}   -ln p = {:.4}", "1 of 59", f64::ln(1.0 / p));
}

/// What counting achieves on verse that it has not seen.
fn rungs(train: &[char], validation: &[char], alphabet: &[char]) {
    println!("[ladder]");
    println!("model     nats   choices");
    for rung in ladder(train, validation) {
        println!("{:8}{:.4}  {:5.1}", rung.name, rung.loss, rung.loss.exp());
    }
    println!("[seen and unseen]");
    println!("runs of  seen    unseen");
    for order in [2, 4, 6, 8] {
        let model = CountModel::new(train, alphabet, order);
        let losses = [train, validation].map(|t| model.cross_entropy(t));
        println!("{order}        {:.4}  {:.4}", losses[0], losses[1]);
    }
}

/// Scores to probabilities, and scores that would be too large.
fn scores() {
    println!("[softmax]");
    for scores in [[1.0, 2.0, 3.0], [101.0, 102.0, 103.0]] {
        let mut p = scores;
        let log_sum = softmax(&mut p);
        println!("{scores:?} -> {p:.4?}, log of the sum {log_sum:.4}");
    }
    println!("exp(103) = {}", 103f32.exp());
}

// ANCHOR: slopes
/// Slopes by measurement: of `x³` at 1, and of a loss along three scores.
fn slopes() {
    println!("[slope]");
    for h in [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6] {
        let slope = numerical_gradient(&[1.0], h, |x| x[0] * x[0] * x[0])[0];
        println!("h = {h:e}: {slope:.5}, off by {:.5}", (slope - 3.0).abs());
    }

    println!("[slope of a loss]");
    let scores = [1.0, 2.0, 3.0];
    let loss = |z: &[f32]| softmax(&mut z.to_vec()) - z[0]; // −ln p₀
    let slope = numerical_gradient(&scores, 1e-2, loss);
    let mut p = scores;
    softmax(&mut p);
    println!("p        {p:.3?}");
    println!("slope    {slope:.3?}");
}
// ANCHOR_END: slopes

// ANCHOR: descent
/// Learns how often each character occurs, without counting: walks the scores
/// down a slope that is only ever measured.
fn descent(train: &[char], alphabet: &[char]) {
    println!("[descent]");
    let mut share = vec![0.0; alphabet.len()];
    for c in train {
        let id = alphabet.binary_search(c).unwrap_or(0);
        share[id] += 1.0 / train.len() as f32;
    }
    // Mean surprise: Σ share·(ln Σ exp z − z)
    let loss = |z: &[f32]| {
        let mut p = z.to_vec();
        let log_sum = softmax(&mut p);
        let score: f32 = share.iter().zip(z).map(|(s, z)| s * z).sum();
        log_sum - score
    };
    let mut z = vec![0.0; alphabet.len()];
    for step in 0..=1000 {
        if [0, 1, 10, 100, 1000].contains(&step) {
            println!("step {step:>4}: {:.3} nats", loss(&z));
        }
        let slope = numerical_gradient(&z, 1e-2, loss);
        z.iter_mut().zip(slope).for_each(|(z, slope)| *z -= 5.0 * slope);
    }
    let counted = share.iter().filter(|&&s| s > 0.0);
    let counted: f32 = counted.map(|s| -s * s.ln()).sum();
    println!("by counting: {counted:.3} nats");
}
// ANCHOR_END: descent

// ANCHOR: pipeline
/// Text → ids → model → training → text.
fn pipeline() -> Result<(), Box<dyn Error>> {
    // Text to ids, and nine tenths of them to learn from
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(SONNETS)?;
    let (train, validation) = split(&ids);

    // A model that knows nothing
    let vocab_size = tokenizer.vocab_size();
    let (n_layer, n_head, n_embd, block_size) = (2, 2, 32, 32);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let model = Gpt::new(sizes, &mut rng)?;
    println!("[pipeline]\na model of {} parameters", model.num_params());

    // Training: 2,000 steps of 8 windows each
    let config = TrainConfig {
        batch_size: 8,
        schedule: LrSchedule::new(3e-3, 2000),
        average: 0.0,
        eval_interval: 500,
        seed: 4,
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(model, config)?;
    trainer.run(train, validation, |_, event| {
        if let Event::Evaluation(e) = event {
            println!("step {:>4}: loss {:.1}", e.step, e.validation_loss);
        }
        ControlFlow::Continue(())
    })?;

    // And text again
    let prompt = tokenizer.encode("\n")?;
    let sampler = Sampler::new(0.6, None)?;
    let ids = Generator::new(&trainer.model, &prompt, sampler, rng)?;
    let ids: Vec<u16> = ids.take(200).collect::<Result<_, _>>()?;
    println!("[text again]\n{}", tokenizer.decode(&ids)?);
    Ok(())
}
// ANCHOR_END: pipeline
