//! Appendix. The gradients once more, by a tape of single numbers.
//!
//! `cargo run --example scalar_autograd` prints what the page shows;
//! `cargo run --example scalar_autograd -- time` times both ways.

use std::error::Error;
use std::time::Instant;

use double::gpt::{Gpt, GptConfig};
use double::scalar_autograd::{Node, Tape, scalar_loss, scalar_loss_and_grad};
use double::tokenization::CharTokenizer;
use double::training::Batch;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::StandardNormal;

const SONNETS: &str = include_str!("../data/sonnets.txt");

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args_os().nth(1).is_some_and(|word| word == "time") {
        return time();
    }
    by_hand();
    mistakes();
    agreement()?;
    size()
}

/// `ℓ = a·b + a`, its tape, and its slopes.
fn by_hand() {
    println!("[three numbers]");
    let tape = Tape::default();
    let a = tape.leaf(3.0);
    let b = tape.leaf(4.0);
    let loss = a * b + a;
    let slopes = loss.backward();
    println!("loss {}", loss.value);
    println!("along a {}, along b {}", slopes[a.index], slopes[b.index]);

    println!("[tape]");
    println!("place  value  made from                 slope of the loss");
    for (i, node) in tape.nodes().iter().enumerate() {
        let made_from: Vec<String> = node
            .parents
            .iter()
            .flatten()
            .map(|(parent, slope)| format!("{parent} (slope {slope})"))
            .collect();
        let made_from = made_from.join(", ");
        println!("{i:5}  {:5}  {made_from:24}  {:>17}", node.value, slopes[i]);
    }
}

/// The same walk, done wrongly in two ways.
fn mistakes() {
    println!("[mistakes]");
    let tape = Tape::default();
    let (a, b) = (tape.leaf(3.0), tape.leaf(4.0));
    let _loss = a * b + a;
    let nodes = tape.nodes();
    let walk = |order: [usize; 4], pass: fn(&mut f64, f64)| {
        let mut grad = [0.0, 0.0, 0.0, 1.0];
        for i in order {
            let Node { parents, .. } = nodes[i];
            for (parent, slope) in parents.into_iter().flatten() {
                let share = grad[i] * slope;
                pass(&mut grad[parent], share);
            }
        }
        format!("along a {}, along b {}", grad[0], grad[1])
    };
    println!("added:      {}", walk([3, 2, 1, 0], |sum, share| *sum += share));
    println!("assigned:   {}", walk([3, 2, 1, 0], |sum, share| *sum = share));
    println!("from ahead: {}", walk([0, 1, 2, 3], |sum, share| *sum += share));
}

/// A model of one layer whose numbers are all different, and one window of
/// the sonnets: inputs and targets.
fn model_and_window(
    n_embd: usize,
    t: usize,
) -> Result<(Gpt, Batch), Box<dyn Error>> {
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let vocab_size = tokenizer.vocab_size();
    let (n_layer, n_head, block_size) = (1, 4, 16);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut model = Gpt::new(sizes, &mut rng)?;
    for tensor in model.tensors_mut() {
        for x in tensor.data {
            *x += 0.1 * rng.sample::<f64, _>(StandardNormal);
        }
    }
    let ids = tokenizer.encode(SONNETS)?;
    let (inputs, targets) = (ids[..t].to_vec(), ids[1..t + 1].to_vec());
    Ok((model, Batch { inputs, targets, t }))
}

/// The loss and every tensor's gradient, found in both ways.
fn agreement() -> Result<(), Box<dyn Error>> {
    println!("[agreement]");
    let (model, Batch { inputs, targets, t }) = model_and_window(16, 16)?;
    let (loss, derived) = model.loss_and_grad(&inputs, &targets, t);
    let (scalar, found) = scalar_loss_and_grad(&model, &inputs, &targets, t);
    println!("loss of the matrices {loss:.6}, of the tape {scalar:.6}");
    println!(
        "gradient                       numbers  apart by less than 1e-12"
    );
    for (a, b) in derived.tensors().iter().zip(found.tensors()) {
        let largest = a.data.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let mut pairs = a.data.iter().zip(b.data);
        let close = pairs.all(|(a, b)| (a - b).abs() < 1e-12 * largest);
        let (name, count) = (a.name.to_string(), a.data.len());
        println!("{name:30} {count:7}  {close}");
    }
    Ok(())
}

/// How many numbers the tape holds, by the width and the window.
fn size() -> Result<(), Box<dyn Error>> {
    println!("[size]");
    println!("width  window  weights  numbers on the tape  for each weight");
    for (n_embd, t) in [(16, 1), (16, 4), (16, 16), (32, 16), (64, 16)] {
        let (model, Batch { inputs, targets, t }) =
            model_and_window(n_embd, t)?;
        let tape = Tape::default();
        scalar_loss(&tape, &model, &inputs, &targets, t);
        let (weights, nodes) = (model.num_params(), tape.nodes().len());
        let each = nodes as f64 / weights as f64;
        println!("{n_embd:5}  {t:6}  {weights:7}  {nodes:19}  {each:15.1}");
    }
    Ok(())
}

/// How long a loss and its gradient take, by the tape and by matrices, and how
/// much memory the tape holds.
fn time() -> Result<(), Box<dyn Error>> {
    println!("width  tape, ms  tape, MB  matrices, ms  ratio");
    for n_embd in [16, 32, 64, 128] {
        let (model, Batch { inputs: x, targets: y, t }) =
            model_and_window(n_embd, 16)?;
        let by_tape = shortest(20, || scalar_loss_and_grad(&model, &x, &y, t));
        let matrices = shortest(400, || model.loss_and_grad(&x, &y, t));
        let tape = Tape::default();
        let numbers = scalar_loss(&tape, &model, &x, &y, t).index + 1;
        let megabytes = (numbers * size_of::<Node>()) as f64 / 1e6;
        let ratio = by_tape / matrices;
        println!(
            "{n_embd:5}  {by_tape:8.1}  {megabytes:8.0}  {matrices:12.3}  \
             {ratio:5.0}"
        );
    }
    Ok(())
}

/// The shortest time of several calls, in milliseconds.
fn shortest(repetitions: usize, mut call: impl FnMut() -> (f64, Gpt)) -> f64 {
    let mut shortest = f64::INFINITY;
    for _ in 0..repetitions {
        let start = Instant::now();
        std::hint::black_box(call());
        shortest = shortest.min(1e3 * start.elapsed().as_secs_f64());
    }
    shortest
}
