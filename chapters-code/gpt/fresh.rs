//! The second page: a model before its first step.

use std::error::Error;

use double::embeddings::normal;
use double::{Float, Matrix, gpt::*, orientation::*};
use ndarray::{Axis, Dimension};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use crate::{GPT_2, STANDARD, TINY, recorded};

/// All of it, in the order of the page.
pub fn all(ids: &[u16]) -> Result<(), Box<dyn Error>> {
    wrong_first_losses(ids)?;
    first_loss(ids)?;
    repeats(ids)?;
    let faults = ["right", "late-mask", "no-mask", "unshifted-targets"];
    recorded("leaks", &faults);
    fan_in();
    recorded("other sizes", &["right", "init-0.002", "init-0.2"]);
    stream(ids)?;
    alike(ids)?;
    recorded("without the root", &["right-8", "flat-init-8"]);
    parameters();
    memory();
    names()
}

/// How many characters of verse the fresh models read: eight windows.
const N: usize = 512;

fn new(sizes: GptConfig) -> Result<Gpt, Box<dyn Error>> {
    Ok(Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?)
}

// ANCHOR: with_std
/// A fresh model, its matrices scaled to another standard deviation.
fn with_std(mut model: Gpt, std: Float) -> Gpt {
    for tensor in model.tensors_mut() {
        if tensor.shape.ndim() == 2 {
            tensor.data.iter_mut().for_each(|w| *w *= std / 0.02);
        }
    }
    model
}
// ANCHOR_END: with_std

/// What the last block hands to the last norm.
fn top(model: &Gpt, ids: &[u16]) -> Matrix {
    let (mut x, _) = model.embeddings.forward(ids, 64);
    for block in &model.blocks {
        (x, _) = block.forward(x, 64);
    }
    x
}

/// The first loss of a model as it should be, and of some that have a fault.
fn wrong_first_losses(ids: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[wrong first losses]");
    let (inputs, targets) = (&ids[..N], &ids[1..=N]);
    let fresh = new(STANDARD)?;
    let show = |what: &str, loss| println!("{what:<26}{loss:9.3}");
    show("as it should be", fresh.loss(inputs, targets, 64));

    let mut model = fresh.clone();
    model.embeddings.token /= 0.02;
    show("token table from N(0, 1)", model.loss(inputs, targets, 64));
    let large = with_std(fresh.clone(), 1.0);
    show("every matrix from N(0, 1)", large.loss(inputs, targets, 64));

    let x = top(&fresh, inputs);
    let bare = product(&x, &fresh.embeddings.token.t());
    let mean = 1.0 / N as Float;
    show("no last norm", cross_entropy(bare, targets, mean).0);

    let most = 1.0 / Float::sqrt(128.0);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let draw = || rng.random_range(-most..most);
    let head = Matrix::from_shape_simple_fn((59, 128), draw);
    let (x, _) = fresh.norm.forward(&x);
    let logits = product(&x, &head.t());
    show("a larger head of its own", cross_entropy(logits, targets, mean).0);
    show("the inputs as targets", fresh.loss(inputs, inputs, 64));
    let logits = fresh.logits(inputs, 64);
    show("the sum, not the mean", cross_entropy(logits, targets, 1.0).0);
    Ok(())
}

// ANCHOR: first_loss
/// The loss of fresh models on eight windows of verse, by the standard
/// deviation of their weights.
fn first_loss(ids: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[first loss]");
    let uniform = Float::ln(59.0);
    println!("ln 59 = {uniform:.3}");
    println!("std     loss    ln V + C·std²/2");
    for std in [0.002, 0.02, 0.05, 0.1, 0.2, 1.0] {
        let model = with_std(new(STANDARD)?, std);
        let loss = model.loss(&ids[..N], &ids[1..=N], 64);
        let predicted = uniform + 128.0 * std * std / 2.0;
        println!("{std:<6}{loss:7.3}  {predicted:7.3}");
    }
    Ok(())
}
// ANCHOR_END: first_loss

/// What fresh models think of their input coming once more, and what that does
/// to their loss; means over twelve seeds.
fn repeats(ids: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[repeats]");
    let (inputs, targets) = (&ids[..N], &ids[1..=N]);
    let mean = 1.0 / N as Float;
    let mut sums = [0.0; 5];
    for seed in 1..=12 {
        let model = Gpt::new(STANDARD, &mut ChaCha8Rng::seed_from_u64(seed))?;
        let mut logits = model.logits(inputs, 64);
        sums[2] += cross_entropy(logits.clone(), targets, mean).0;
        for (mut z, &id) in logits.rows_mut().into_iter().zip(inputs) {
            let same = usize::from(id);
            let mut p = z.to_vec();
            softmax(&mut p);
            sums[0] += z[same] * mean;
            sums[1] += p[same] * mean;
            z[same] = 0.0;
        }
        sums[3] += cross_entropy(logits, targets, mean).0;
        sums[4] += with_std(model, 0.1).loss(inputs, targets, 64);
    }
    let [logit, chance, loss, without, large] = sums.map(|sum| sum / 12.0);
    let doubles = inputs.iter().zip(targets).filter(|(a, b)| a == b).count();
    println!("logit of the same character again   {logit:.2}");
    println!("its probability                     {chance:.3}");
    println!("one of 59                           {:.3}", 1.0 / 59.0);
    println!("doubled characters in this text     {doubles} of {N}");
    println!("first loss                          {loss:.3}");
    println!("the same with that logit at zero    {without:.3}");
    println!("first loss, every matrix at 0.1     {large:.3}");
    Ok(())
}

/// The mean square of what a fresh linear layer makes of inputs whose mean
/// square is one.
fn fan_in() {
    println!("[fan in]");
    println!("width   std 0.02   1/√width   std 1/√width");
    for c in [32, 128, 768] {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let x = normal((256, c), 1.0, &mut rng);
        let root = 1.0 / (c as Float).sqrt();
        let [fixed, scaled] = [0.02, root].map(|std| {
            let w = normal((c, c), std, &mut rng);
            mean_square(&product(&x, &w))
        });
        println!("{c:<5}{fixed:11.3}{root:11.3}{scaled:15.3}");
    }
}

fn mean_square(x: &Matrix) -> Float {
    x.mapv(|x| x * x).mean().unwrap_or(0.0)
}

/// A fresh model whose projections into the stream are as large as all other
/// matrices.
fn flat_init(n_layer: usize) -> Result<Gpt, Box<dyn Error>> {
    let mut model = new(GptConfig { n_layer, ..STANDARD })?;
    let root = (2.0 * n_layer as Float).sqrt();
    for block in &mut model.blocks {
        block.attention.proj.weight *= root;
        block.mlp.down.weight *= root;
    }
    Ok(model)
}

/// The mean square of the stream at the top of fresh models.
fn stream(ids: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[stream]");
    println!("blocks  all weights 0.02  projections 0.02/√(2L)");
    for n_layer in [1, 2, 4, 8, 16] {
        let flat = top(&flat_init(n_layer)?, &ids[..N]);
        let scaled = top(&new(GptConfig { n_layer, ..STANDARD })?, &ids[..N]);
        let [flat, scaled] = [flat, scaled].map(|x| mean_square(&x));
        println!("{n_layer:>6}{flat:18.4}{scaled:24.4}");
    }
    Ok(())
}

/// What the two halves of a block add, in sixteen blocks without the root.
fn alike(ids: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[alike]");
    println!("block  stream  of it shared  attention adds  feed-forward");
    let model = flat_init(16)?;
    let (mut x, _) = model.embeddings.forward(&ids[..N], 64);
    for (i, block) in model.blocks.iter().enumerate() {
        let (h, _) = block.norm_1.forward(&x);
        let (attended, _) = block.attention.forward(h, 64);
        let middle = &x + &attended;
        let (h, _) = block.norm_2.forward(&middle);
        let (fed, _) = block.mlp.forward(h);
        if [0, 1, 3, 7, 15].contains(&i) {
            let mean = x.mean_axis(Axis(0)).unwrap_or_default();
            let shared = mean.mapv(|x| x * x).mean().unwrap_or(0.0);
            let percent = 100.0 * shared / mean_square(&x);
            let sizes = [&x, &attended, &fed].map(mean_square);
            let [stream, attention, mlp] = sizes;
            println!(
                "{i:>5}{stream:8.4}{percent:13.0}%{attention:16.4}{mlp:14.4}"
            );
        }
        x = middle + fed;
    }
    Ok(())
}

/// Where the parameters are.
fn parameters() {
    println!("[parameters]");
    println!("                tiny  standard        GPT-2");
    let row = |what: &str, count: fn(GptConfig) -> usize| {
        let [tiny, standard, gpt_2] = [TINY, STANDARD, GPT_2].map(count);
        println!("{what:<12}{tiny:>8}{standard:>10}{gpt_2:>13}");
    };
    row("blocks L", |size| size.n_layer);
    row("width C", |size| size.n_embd);
    row("context T", |size| size.block_size);
    row("vocabulary V", |size| size.vocab_size);
    println!();
    row("tokens", |size| size.vocab_size * size.n_embd);
    row("positions", |size| size.block_size * size.n_embd);
    row("attention", |size| size.n_layer * 4 * size.n_embd * size.n_embd);
    row("feed-forward", |size| size.n_layer * 8 * size.n_embd * size.n_embd);
    row("biases", |size| size.n_layer * 9 * size.n_embd);
    row("norms", |size| (size.n_layer * 4 + 2) * size.n_embd);
    row("all", |size| size.checked_num_params().unwrap_or(0));
}

/// What the caches of one window hold, in numbers.
fn memory() {
    println!("[memory]");
    println!("              standard         GPT-2");
    let row = |what: &str, count: fn(GptConfig) -> usize| {
        let [standard, gpt_2] = [STANDARD, GPT_2].map(count);
        println!("{what:<12}{standard:>10}{gpt_2:>14}");
    };
    row("parameters", |size| size.checked_num_params().unwrap_or(0));
    row("blocks", |size| {
        let one = 16 * size.n_embd + size.n_head * size.block_size + 2;
        size.n_layer * size.block_size * one
    });
    row("of these, A", |size| {
        size.n_layer * size.n_head * size.block_size * size.block_size
    });
    row("logits", |size| size.block_size * size.vocab_size);
}

/// The first and the last tensors of the list.
fn names() -> Result<(), Box<dyn Error>> {
    println!("[names]");
    let model = new(TINY)?;
    let tensors = model.tensors();
    for (i, tensor) in tensors.iter().enumerate() {
        if i < 5 || i + 2 > tensors.len() {
            println!(
                "{:<32}{:?}",
                tensor.name.to_string(),
                tensor.shape.slice()
            );
        } else if i == 5 {
            println!("…");
        }
    }
    println!("{} tensors, {} numbers", tensors.len(), model.num_params());
    Ok(())
}
