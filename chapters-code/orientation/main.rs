//! Chapter 1. Language models that only count, gradients that are measured, and
//! the whole pipeline, top to bottom, on the crate.

use std::{error::Error, ops::ControlFlow};

use microgpt::{
    generation::*, gpt::*, orientation::*, tokenization::*, training::*,
};
use ndarray::array;
use rand::{SeedableRng, rngs::ChaCha8Rng};

mod naive;

fn main() -> Result<(), Box<dyn Error>> {
    let text: Vec<char> = SONNETS.chars().collect();
    let mut alphabet = text.clone();
    alphabet.sort_unstable();
    alphabet.dedup();
    let (train, validation) = split(&text);
    bigrams(train);
    writing(train, &alphabet);
    by_hand();
    surprise();
    seen_and_unseen(train, validation, &alphabet);
    rungs(train, validation);
    logits();
    step_sizes();
    gradient_of_a_loss();
    descent(train, &alphabet);
    layer();
    walk()?;
    pipeline()
}

const SONNETS: &str = include_str!("../data/sonnets.txt");

/// The bigram table of one famous line, and text from that of the sonnets.
fn bigrams(train: &[char]) {
    println!("[one line]");
    let line: Vec<char> = "to be or not to be".chars().collect();
    for (before, row) in naive::count_pairs(&line) {
        println!("{before:?} is followed by {row:?}");
    }
    println!("[bigram text]");
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let pairs = naive::count_pairs(train);
    println!("{}", naive::generate(&pairs, '\n', 200, &mut rng).trim_end());
}

/// The same with longer contexts, one character after another.
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

/// Smoothed probabilities in that line.
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

/// How surprising an event is, by its probability.
fn surprise() {
    println!("[surprise]");
    for (name, p) in [("certain", 1.0), ("a coin", 0.5), ("a die", 1.0 / 6.0)] {
        println!("{name:8} p = {p:.4}   -ln p = {:.4}", f64::ln(1.0 / p));
    }
    let p = 1.0 / 59.0;
    println!("{:8} p = {p:.4}   -ln p = {:.4}", "1 of 59", f64::ln(1.0 / p));
}

/// Tables of counts on what they have counted, and on what they have not.
fn seen_and_unseen(train: &[char], validation: &[char], alphabet: &[char]) {
    println!("[seen and unseen]");
    println!("model   training set  validation set");
    for order in [2, 4, 6, 8] {
        let model = CountModel::new(train, alphabet, order);
        let losses = [train, validation].map(|t| model.cross_entropy(t));
        println!("{order}-gram  {:12.4}  {:14.4}", losses[0], losses[1]);
    }
}

/// What counting achieves on verse that it has not seen.
fn rungs(train: &[char], validation: &[char]) {
    println!("[ladder]");
    println!("model     nats   choices");
    for rung in ladder(train, validation) {
        println!("{:8}{:.4}  {:5.1}", rung.name, rung.loss, rung.loss.exp());
    }
}

/// Logits to probabilities, and logits that are too large for the formula.
fn logits() {
    println!("[softmax]");
    for logits in [[1.0, 2.0, 3.0], [101.0, 102.0, 103.0]] {
        println!("naive: {logits:?} -> {:.4?}", naive::softmax(&logits));
    }
    println!("exp(103) = {}", 103f32.exp());
    let mut p = [101.0, 102.0, 103.0];
    let log_sum = softmax(&mut p);
    println!("crate: [101.0, 102.0, 103.0] -> {p:.4?}");
    println!("       and the logarithm of the sum, {log_sum:.4}");
}

/// The derivative of `x³` at 1, measured with smaller and smaller steps.
fn step_sizes() {
    println!("[slope]");
    for h in [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6] {
        let slope = numerical_gradient(&[1.0], h, |x| x[0] * x[0] * x[0])[0];
        println!("h = {h:e}: {slope:.5}, off by {:.5}", (slope - 3.0).abs());
    }
}

// ANCHOR: gradient_of_a_loss
/// How the loss `−ln p₀` changes with each of three logits.
fn gradient_of_a_loss() {
    println!("[gradient of a loss]");
    let logits = [1.0, 2.0, 3.0];
    // −ln p₀: what `softmax` returns is the logarithm of its sum
    let loss = |z: &[f32]| softmax(&mut z.to_vec()) - z[0];
    let gradient = numerical_gradient(&logits, 1e-2, loss);
    let mut p = logits;
    softmax(&mut p);
    println!("p         {p:.3?}");
    println!("gradient  {gradient:.3?}");
}
// ANCHOR_END: gradient_of_a_loss

// ANCHOR: descent
/// Learns how often each character occurs, without counting, from gradients
/// that are measured.
fn descent(train: &[char], alphabet: &[char]) {
    println!("[descent]");
    let mut share = vec![0.0; alphabet.len()];
    for c in train {
        let id = alphabet.binary_search(c).unwrap_or(0);
        share[id] += 1.0 / train.len() as f32;
    }
    // Cross-entropy: Σ share·(ln Σ exp z − z)
    let loss = |z: &[f32]| {
        let log_sum = softmax(&mut z.to_vec());
        let logit: f32 = share.iter().zip(z).map(|(s, z)| s * z).sum();
        log_sum - logit
    };
    let learning_rate = 5.0;
    let mut z = vec![0.0; alphabet.len()];
    for step in 0..=1000 {
        if [0, 1, 10, 100, 1000].contains(&step) {
            println!("step {step:>4}: {:.3} nats", loss(&z));
        }
        let gradient = numerical_gradient(&z, 1e-2, loss);
        for (z, slope) in z.iter_mut().zip(gradient) {
            *z -= learning_rate * slope;
        }
    }
    let counted = share.iter().filter(|&&s| s > 0.0);
    let counted: f32 = counted.map(|s| -s * s.ln()).sum();
    println!("by counting: {counted:.3} nats");
}
// ANCHOR_END: descent

/// Two inputs through a layer of three neurons.
fn layer() {
    println!("[layer]");
    let x = array![[1.0, 2.0]];
    let weights = array![[1.0, 3.0, -1.0], [0.0, 1.0, 0.25]];
    println!("weighted sums  {}", naive::product(&x, &weights));
    println!("outputs        {}", naive::layer(&x, &weights));
}

/// Two characters on their way through a model that hasn't learned yet.
fn walk() -> Result<(), Box<dyn Error>> {
    println!("[walk]");
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let vocab_size = tokenizer.vocab_size();
    let (n_layer, n_head, n_embd, block_size) = (2, 2, 32, 32);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    let model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;
    let ids = tokenizer.encode("Sh")?;
    let (mut x, _) = model.embeddings.forward(&ids, 2);
    println!("text           {:?}", "Sh");
    println!("ids            {ids:?}");
    println!("vectors        {:?}", x.shape());
    for block in &model.blocks {
        (x, _) = block.forward(x, 2);
        println!("after a block  {:?}", x.shape());
    }
    let mut logits = model.logits(&ids, 2);
    println!("logits         {:?}", logits.shape());
    let p = rows_mut(&mut logits).next_back().ok_or("there are two rows")?;
    softmax(p);
    let a = usize::from(tokenizer.encode("a")?[0]);
    println!("probability    {:.3} for 'a' after \"Sh\"", p[a]);
    Ok(())
}

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
