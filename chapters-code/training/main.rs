//! Chapter 6. Batches, AdamW, a learning rate that rises and falls.
//!
//! With a word behind it, a study: `cargo run --example training -- repairs`.

use std::{error::Error, ops::ControlFlow};

use double::{Float, gpt::*, tokenization::*, training::*};
use first_model::SONNETS;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(name) = std::env::args().nth(1) {
        return studies::run(&name);
    }
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(SONNETS)?;
    let (train, validation) = split(&ids);
    let model = sgd(first_model::untrained(2)?, train, validation)?;
    experiments::scales(&model, &tokenizer, train)?;
    windows(&tokenizer, train)?;
    coverage(train)?;
    valley();
    first_steps();
    decay_of_two();
    decays()?;
    clipping()?;
    rates();
    noise(train, validation)?;
    by_heart(train, validation)?;
    order();
    experiments::all()
}

mod experiments;
#[path = "../first_model.rs"]
mod first_model;
mod studies;
mod valley;

use valley::{Rule, descend};

// ANCHOR: sgd
/// Stochastic gradient descent.
fn sgd(
    mut model: Gpt,
    train: &[u16],
    validation: &[u16],
) -> Result<Gpt, TrainError> {
    println!("[sgd]");
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for step in 0..=2000 {
        if step % 500 == 0 {
            println!("step {step:>4}  {:.4}", evaluate(&model, validation)?);
        }
        let batch = Batch::random(train, 8, 32, &mut rng)?;
        let (_, grad) = model.loss_and_grad(&batch.inputs, &batch.targets, 32);
        let tensors = model.tensors_mut().into_iter().zip(grad.tensors());
        for (weights, grad) in tensors {
            for (w, g) in weights.data.iter_mut().zip(grad.data) {
                *w -= 0.3 * g;
            }
        }
    }
    Ok(model)
}
// ANCHOR_END: sgd

// ANCHOR: windows
/// Two windows, and what follows each of their characters.
fn windows(
    tokenizer: &CharTokenizer,
    train: &[u16],
) -> Result<(), Box<dyn Error>> {
    println!("[windows]");
    let batch = Batch::random(train, 2, 12, &mut ChaCha8Rng::seed_from_u64(1))?;
    for (x, y) in batch.inputs.chunks(12).zip(batch.targets.chunks(12)) {
        println!("{:?} → {:?}", tokenizer.decode(x)?, tokenizer.decode(y)?);
    }
    Ok(())
}
// ANCHOR_END: windows

// ANCHOR: coverage
/// Draws as many windows as would cover the text once, twice, …, and counts
/// the places that none of them has covered.
fn coverage(train: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[coverage]");
    println!("windows  read as often as  never read  e^-n");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let places: Vec<u16> =
        (0..=u16::MAX).take(train.len().min(60_000)).collect();
    let once = places.len() / 32;
    let mut seen = vec![false; places.len()];
    for n in 1..=5 {
        let batch = Batch::random(&places, once, 32, &mut rng)?;
        batch.inputs.iter().for_each(|&place| seen[usize::from(place)] = true);
        let missed = seen.iter().filter(|seen| !**seen).count();
        let share = 100.0 * missed as f64 / places.len() as f64;
        let law = 100.0 * (-f64::from(n)).exp();
        println!("{:>7}{n:>18}{share:>10.1} %{law:>5.1}", n as usize * once);
    }
    Ok(())
}
// ANCHOR_END: coverage

/// Three numbers, added in two orders.
fn order() {
    println!("[order]");
    println!("(0.1 + 0.2) + 0.3 = {}", (0.1 + 0.2) + 0.3);
    println!("0.1 + (0.2 + 0.3) = {}", 0.1 + (0.2 + 0.3));
}

/// Three ways down the valley, and the third in the valley turned by 45°.
fn valley() {
    println!("[valley]");
    println!(
        "step  plain descent     momentum         Adam             Adam, turned"
    );
    let turned = std::f64::consts::FRAC_PI_4;
    let rules = [Rule::Plain, Rule::Momentum, Rule::Adam];
    let mut paths = rules.map(|rule| descend(rule, 0.0, 400)).to_vec();
    paths.push(descend(Rule::Adam, turned, 400));
    for step in [0, 5, 20, 50, 100, 200, 400] {
        let at = paths.iter().map(|path| path[step]);
        let at = at.map(|[x, y]| format!("{x:7.4} {y:7.4}"));
        println!("{step:>4} {}", at.collect::<Vec<_>>().join("  "));
    }
}

// ANCHOR: first_steps
/// How large the first steps are along a slope that is always one.
fn first_steps() {
    println!("[first steps]");
    println!("step  without correction  with");
    let (mut m, mut v) = (0.0, 0.0);
    for t in 1..=300 {
        m = 0.9 * m + 0.1;
        v = 0.99 * v + 0.01;
        if [1, 2, 5, 10, 20, 50, 100, 300].contains(&t) {
            let plain: Float = m / Float::sqrt(v);
            let mean = m / (1.0 - Float::powi(0.9, t));
            let square = v / (1.0 - Float::powi(0.99, t));
            println!("{t:>4}{plain:>20.3}{:>6.3}", mean / square.sqrt());
        }
    }
}
// ANCHOR_END: first_steps

// ANCHOR: decay_of_two
/// Two weights whose slopes are noise, one of size 1 and one of size 0.01: what
/// a thousand steps of decay leave of them, by decoupled decay and by a penalty
/// on the squared weight.
fn decay_of_two() {
    println!("[decay of two]");
    println!("noise  decoupled  penalty");
    let (lr, decay): (Float, Float) = (1e-3, 0.5);
    for size in [1.0, 0.01] {
        let left = [false, true].map(|penalty| {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let (mut w, mut m, mut v): (Float, Float, Float) = (1.0, 0.0, 0.0);
            for t in 1..=1000 {
                let mut g = size * rng.random_range(-1.0..1.0);
                if penalty {
                    g += decay * w;
                } else {
                    w -= lr * decay * w;
                }
                m = 0.9 * m + 0.1 * g;
                v = 0.99 * v + 0.01 * g * g;
                let mean = m / (1.0 - Float::powi(0.9, t));
                let square = v / (1.0 - Float::powi(0.99, t));
                w -= lr * mean / (square.sqrt() + 1e-8);
            }
            w
        });
        println!("{size:<5}{:>11.2}{:>9.2}", left[0], left[1]);
    }
}
// ANCHOR_END: decay_of_two

/// A model of one block, untrained.
fn small(
    n_layer: usize,
    n_embd: usize,
    t: usize,
) -> Result<Gpt, Box<dyn Error>> {
    let (n_head, block_size, vocab_size) = (2, t, 59);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    Ok(Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?)
}

/// Which tensors decay.
fn decays() -> Result<(), Box<dyn Error>> {
    println!("[decays]");
    for tensor in small(1, 16, 16)?.tensors() {
        let decays = if AdamW::decays(&tensor) { "decays" } else { "-" };
        println!("{:32}{decays}", tensor.name.to_string());
    }
    Ok(())
}

// ANCHOR: clipping
/// A gradient of length five in two of its numbers, clipped to one.
fn clipping() -> Result<(), Box<dyn Error>> {
    println!("[clipping]");
    let mut grad = small(1, 16, 16)?.zeros_like();
    grad.norm.bias[0] = 3.0;
    grad.embeddings.token[[7, 2]] = 4.0;
    let length = clip_grad_norm(&mut grad, 1.0);
    let (a, b) = (grad.norm.bias[0], grad.embeddings.token[[7, 2]]);
    println!("length {length}, clipped to ({a:.1}, {b:.1})");
    println!("again:  {:.1}", clip_grad_norm(&mut grad, 1.0));
    Ok(())
}
// ANCHOR_END: clipping

/// The learning rate of the standard run.
fn rates() {
    println!("[rates]");
    let (max_lr, min_lr, warmup, steps) = (3e-3, 3e-4, 100, 1500);
    let schedule = LrSchedule { max_lr, min_lr, warmup, steps };
    for step in [0, 49, 99, 100, 450, 800, 1150, 1499, 5000] {
        println!("step {step:>4}  {:.5}", schedule.at(step));
    }
}

/// The settings of the runs of this program.
fn settings(batch_size: usize, steps: usize) -> TrainConfig {
    let (max_lr, min_lr, warmup) = (3e-3, 3e-4, 20);
    TrainConfig {
        batch_size,
        schedule: LrSchedule { max_lr, min_lr, warmup, steps },
        average: 0.0,
        eval_interval: steps,
        seed: 1,
        ..TrainConfig::default()
    }
}

// ANCHOR: noise
/// The losses of single batches, of a model that stands still.
fn noise(train: &[u16], validation: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[noise]");
    // 2 blocks, 32 wide, windows of 32; batches of 8 windows, 200 steps
    let mut trainer = Trainer::new(small(2, 32, 32)?, settings(8, 200))?;
    trainer.run(train, validation, |_, _| ControlFlow::Continue(()))?;
    let model = trainer.model;
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for batch_size in [1, 8, 64] {
        let mut losses = Vec::new();
        for _ in 0..64 {
            let batch = Batch::random(validation, batch_size, 32, &mut rng)?;
            losses.push(model.loss(&batch.inputs, &batch.targets, 32));
        }
        losses.sort_by(f64::total_cmp);
        let mean = losses.iter().sum::<f64>() / 64.0;
        let squares = losses.iter().map(|x| (x - mean) * (x - mean));
        let spread = (squares.sum::<f64>() / 63.0).sqrt();
        println!(
            "{batch_size:>2} windows: {:.2} to {:.2}, standard deviation \
             {spread:.3}",
            losses[0], losses[63],
        );
    }
    println!("the whole set:   {:.4}", evaluate(&model, validation)?);
    println!("once more:       {:.4}", evaluate(&model, validation)?);
    Ok(())
}
// ANCHOR_END: noise

// ANCHOR: by_heart
/// Two windows' worth of text, over and over.
fn by_heart(train: &[u16], validation: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[by heart]");
    println!("step   the text  validation");
    let few = &train[..65]; // two windows' worth, and one more
    let mut trainer = Trainer::new(small(2, 32, 32)?, settings(8, 600))?;
    for step in 0..=600 {
        if step % 100 == 0 {
            let loss = evaluate(&trainer.model, few)?;
            let other = evaluate(&trainer.model, validation)?;
            println!("{step:>4}{loss:>11.3}{other:>12.3}");
        }
        trainer.take_step(few)?;
    }
    Ok(())
}
// ANCHOR_END: by_heart
