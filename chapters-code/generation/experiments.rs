//! What sampling does to a text, measured.

use std::{collections::BTreeSet, error::Error};

use double::{
    Float, generation::*, gpt::*, orientation::*, tokenization::*, training::*,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use crate::{first_model::SONNETS, write};

/// What the model writes if it always takes the likeliest character.
pub fn greedy(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[greedy]");
    let text = write(model, tokenizer, Sampler::new(0.0, None)?, 180)?;
    let text: Vec<char> = text.chars().collect();
    for line in text.chunks(60) {
        println!("{:?}", line.iter().collect::<String>());
    }
    Ok(())
}

/// The logits at a position, and the character that came.
type Prediction = (Vec<Float>, u16);

/// At every position of the validation set, in windows that follow each other.
fn predictions(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<Vec<Prediction>, Box<dyn Error>> {
    let ids = tokenizer.encode(SONNETS)?;
    let (_, validation) = split(&ids);
    let mut found = Vec::new();
    for window in validation.windows(33).step_by(32) {
        let (logits, _) = model.forward(&window[..32], 32);
        let logits = logits.rows().into_iter().map(|row| row.to_vec());
        found.extend(logits.zip(window[1..].iter().copied()));
    }
    Ok(found)
}

/// What is not among the `k` likeliest, on average over the validation set: of
/// the probability, and of the characters that came. And how often a hundred
/// samples in a row are all among them.
pub fn tail(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[tail]");
    println!("temperature    k  predicted     came  100 in a row inside");
    let all = predictions(model, tokenizer)?;
    let n = all.len() as Float;
    for (temperature, k) in [(1.0, 3), (1.0, 10), (1.0, 20), (0.8, 10)] {
        let sampler = Sampler::new(temperature, None)?;
        let (mut predicted, mut came, mut inside) = (0.0, 0.0, 0.0);
        for (logits, id) in &all {
            let candidates = sampler.distribution(logits);
            let kept: Float = candidates[..k].iter().map(|&(_, p)| p).sum();
            predicted += (1.0 - kept) / n;
            inside += kept.ln() / n;
            if candidates[k..].iter().any(|(other, _)| other == id) {
                came += 1.0 / n;
            }
        }
        let [predicted, came, inside] =
            [predicted, came, (100.0 * inside).exp()].map(|p| 100.0 * p);
        print!("{temperature:<11}{k:5}{predicted:10.1}%{came:8.1}%");
        println!("{inside:20.1}%");
    }
    Ok(())
}

/// The loss after a wrong character: the sixteenth of each window is replaced
/// by a sample, if that is not among the ten likeliest.
pub fn slip(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[slip]");
    let ids = tokenizer.encode(SONNETS)?;
    let (_, validation) = split(&ids);
    let sampler = Sampler::new(1.0, None)?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut losses = [[0.0; 5]; 2];
    let mut slips = 0;
    for window in validation.windows(22).step_by(2) {
        let (logits, _) = model.forward(&window[..15], 15);
        let logits = logits.row(14).to_vec();
        let id = sampler.sample(&logits, &mut rng);
        let likeliest = &sampler.distribution(&logits)[..10];
        if likeliest.iter().any(|&(other, _)| other == id) {
            continue;
        }
        slips += 1;
        let mut slipped = window.to_vec();
        slipped[15] = id;
        for (text, losses) in [window, &slipped].iter().zip(&mut losses) {
            let (mut logits, _) = model.forward(&text[..20], 20);
            for (n, loss) in losses.iter_mut().enumerate() {
                let mut row = logits.row_mut(15 + n);
                let logit = row[usize::from(window[16 + n])];
                *loss += softmax(flat_mut(&mut row)) - logit;
            }
        }
    }
    println!("{slips} windows    as written  after a slip");
    for (n, (verse, slipped)) in losses[0].iter().zip(losses[1]).enumerate() {
        let later = format!("character {}", n + 1);
        let slips = Float::from(slips);
        println!("{later:11}{:14.2}{:14.2}", verse / slips, slipped / slips);
    }
    Ok(())
}

/// The loss of the model on what it has generated, in nats per character.
pub fn surprise(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[surprise]");
    for temperature in [0.0, 0.5, 0.8, 1.0, 1.5] {
        let sampler = Sampler::new(temperature, None)?;
        let text = write(model, tokenizer, sampler, 9000)?;
        let loss = evaluate(model, &tokenizer.encode(&text)?)?;
        println!("generated at temperature {temperature:<3}  {loss:.2}");
    }
    let ids = tokenizer.encode(SONNETS)?;
    let (train, validation) = split(&ids);
    println!(
        "validation set                {:.2}",
        evaluate(model, validation)?
    );
    println!("training set                  {:.2}", evaluate(model, train)?);
    Ok(())
}

/// How many of the generated words are words of the sonnets, and how many are
/// different from each other.
pub fn boldness(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[boldness]");
    println!("temperature  known words  different words");
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphabetic());
        words.filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
    };
    let known: BTreeSet<String> = words(SONNETS).into_iter().collect();
    for temperature in [0.0, 0.2, 0.5, 0.8, 1.0, 1.5, 2.0] {
        let sampler = Sampler::new(temperature, None)?;
        let text = words(&write(model, tokenizer, sampler, 3000)?);
        let hits = text.iter().filter(|word| known.contains(*word)).count();
        let different: BTreeSet<&String> = text.iter().collect();
        let percent = |n: usize| 100.0 * n as f64 / text.len() as f64;
        let (hits, different) = (percent(hits), percent(different.len()));
        println!("{temperature:<11}{hits:12.0}%{different:16.0}%");
    }
    Ok(())
}
