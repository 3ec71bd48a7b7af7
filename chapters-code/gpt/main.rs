//! Chapter 5. The whole model: from ids to a loss, and back to every weight.

use std::error::Error;

use double::{Float, Matrix, Vector, gpt::*, orientation::*, tokenization::*};
use ndarray::{Axis, Dimension, array};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

fn main() -> Result<(), Box<dyn Error>> {
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(SONNETS)?;
    shapes()?;
    predictions()?;
    p_minus_y();
    tied_head()?;
    first_loss(&ids)?;
    repeats(&ids)?;
    stream(&ids)?;
    alike(&ids)?;
    parameters();
    memory();
    names()?;
    check()?;
    still_trains(&ids)
}

const SONNETS: &str = include_str!("../data/sonnets.txt");

// ANCHOR: configs
/// Small enough to measure every gradient in a moment.
const TINY: GptConfig = GptConfig {
    n_layer: 2,
    n_head: 2,
    n_embd: 8,
    block_size: 6,
    vocab_size: 11,
};

/// The shape that `cargo run --example shakespeare` trains.
const SMALL: GptConfig = GptConfig {
    n_layer: 4,
    n_head: 4,
    n_embd: 128,
    block_size: 64,
    vocab_size: 59,
};

/// The smallest GPT-2.
const GPT_2: GptConfig = GptConfig {
    n_layer: 12,
    n_head: 12,
    n_embd: 768,
    block_size: 1024,
    vocab_size: 50257,
};
// ANCHOR_END: configs

// ANCHOR: shapes
/// Two windows of five ids through the smallest model, shape by shape.
fn shapes() -> Result<(), Box<dyn Error>> {
    println!("[shapes]");
    let model = Gpt::new(TINY, &mut ChaCha8Rng::seed_from_u64(1))?;
    let ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3];
    println!("ids            {:?}", [ids.len()]);
    let (mut x, _) = model.embeddings.forward(&ids, 5);
    println!("embeddings     {:?}", x.shape());
    for (i, block) in model.blocks.iter().enumerate() {
        (x, _) = block.forward(x, 5);
        println!("blocks[{i}]      {:?}", x.shape());
    }
    (x, _) = model.norm.forward(&x);
    println!("norm           {:?}", x.shape());
    let by_hand = product(&x, &model.embeddings.token.t());
    println!("head           {:?}", by_hand.shape());
    let (logits, _) = model.forward(&ids, 5);
    println!("as forward     {}", logits == by_hand);
    Ok(())
}
// ANCHOR_END: shapes

// ANCHOR: predictions
/// What one window asks, and what the answers are.
fn predictions() -> Result<(), Box<dyn Error>> {
    println!("[predictions]");
    let tokenizer = CharTokenizer::new("Shall I compare thee")?;
    let ids = tokenizer.encode("compare t")?;
    let (inputs, targets) = (&ids[..8], &ids[1..]);
    for i in 0..8 {
        let context = tokenizer.decode(&inputs[..=i])?;
        let answer = tokenizer.decode(&targets[i..=i])?;
        println!("{context:>8}  →  {answer:?}");
    }
    Ok(())
}
// ANCHOR_END: predictions

// ANCHOR: p_minus_y
/// Three scores; the token with the second one came.
fn p_minus_y() {
    println!("[p minus y]");
    let z = array![[1.0, 2.0, 5.0]].ln();
    let (loss, dz) = cross_entropy(z.clone(), &[1], 1.0);
    let measured =
        numerical_gradient(flat(&z), 1e-5, |z| softmax(&mut z.to_vec()) - z[1]);
    println!("z         {z:7.4}");
    println!("loss      {loss:.4}, ln 4 = {:.4}", Float::ln(4.0));
    println!("p - y     {dz:7.4}");
    println!("measured  [{measured:7.4?}]");
}
// ANCHOR_END: p_minus_y

/// The smallest model with weights large enough to see something.
fn shaken() -> Result<Gpt, Box<dyn Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut model = Gpt::new(TINY, &mut rng)?;
    for tensor in model.tensors_mut() {
        tensor.data.iter_mut().for_each(|x| *x += rng.random_range(-0.3..0.3));
    }
    Ok(model)
}

const INPUTS: [u16; 6] = [3, 1, 4, 1, 5, 9];
const TARGETS: [u16; 6] = [1, 4, 1, 5, 9, 2];

// ANCHOR: tied_head
/// The slope along one row of the token table: through the head alone, through
/// the look-up alone, and what the model says.
fn tied_head() -> Result<(), Box<dyn Error>> {
    println!("[tied head]");
    let model = shaken()?;
    let loss = |looked_up: &Gpt, head: &Matrix| {
        let (mut x, _) = looked_up.embeddings.forward(&INPUTS, 6);
        for block in &looked_up.blocks {
            (x, _) = block.forward(x, 6);
        }
        let (x, _) = looked_up.norm.forward(&x);
        let logits = product(&x, &head.t());
        cross_entropy(logits, &TARGETS, 1.0 / 6.0).0
    };
    let (_, grad) = model.loss_and_grad(&INPUTS, &TARGETS, 6);
    for (id, what) in [(1, "1, twice in the text"), (7, "7, not in it")] {
        let mut copy = model.clone();
        let row = model.embeddings.token.row(id).to_vec();
        let measure = |row: &[Float]| array![[row[0], row[1], row[2]]];
        let head = numerical_gradient(&row, 1e-5, |moved| {
            let mut head = model.embeddings.token.clone();
            head.row_mut(id).assign(&Vector::from(moved.to_vec()));
            loss(&model, &head)
        });
        let look_up = numerical_gradient(&row, 1e-5, |moved| {
            let moved = Vector::from(moved.to_vec());
            copy.embeddings.token.row_mut(id).assign(&moved);
            loss(&copy, &model.embeddings.token)
        });
        println!("token {what}");
        println!("  as head     {:7.4}", measure(&head));
        println!("  as look-up  {:7.4}", measure(&look_up));
        let derived = grad.embeddings.token.row(id).to_vec();
        println!("  derived     {:7.4}", measure(&derived));
    }
    Ok(())
}
// ANCHOR_END: tied_head

/// An untrained model, its matrices drawn with a spread of `std`.
fn drawn_with(std: Float) -> Result<Gpt, Box<dyn Error>> {
    let mut model = Gpt::new(SMALL, &mut ChaCha8Rng::seed_from_u64(1))?;
    for tensor in model.tensors_mut() {
        if tensor.shape.ndim() == 2 {
            tensor.data.iter_mut().for_each(|w| *w *= std / 0.02);
        }
    }
    Ok(model)
}

// ANCHOR: first_loss
/// The loss of untrained models on eight windows of verse, by how large their
/// weights were drawn.
fn first_loss(ids: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[first loss]");
    let uniform = Float::ln(59.0);
    println!("ln 59 = {uniform:.3}");
    println!("std     loss    ln V + C·std²/2");
    for std in [0.002, 0.02, 0.05, 0.1, 0.2, 1.0] {
        let loss = drawn_with(std)?.loss(&ids[..512], &ids[1..513], 64);
        let predicted = uniform + 128.0 * std * std / 2.0;
        println!("{std:<6}{loss:7.3}  {predicted:7.3}");
    }
    Ok(())
}
// ANCHOR_END: first_loss

/// What an untrained model thinks of its input coming once more.
fn repeats(ids: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[repeats]");
    let (mut logits, _) = drawn_with(0.02)?.forward(&ids[..512], 64);
    let rows = logits.rows_mut().into_iter().zip(ids);
    let (mut score, mut chance) = (0.0, 0.0);
    for (mut z, &id) in rows {
        score += z[usize::from(id)] / 512.0;
        softmax(flat_mut(&mut z));
        chance += z[usize::from(id)] / 512.0;
    }
    println!("the same again: score {score:.2}, probability {chance:.3}");
    println!("any of 59                   probability {:.3}", 1.0 / 59.0);
    Ok(())
}

/// The mean square of the stream at the end of untrained models.
fn stream(ids: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[stream]");
    println!("blocks  all weights 0.02  projections 0.02/√(2L)");
    for n_layer in [1, 2, 4, 8, 16] {
        let ends = [false, true].map(|scaled| {
            let sizes = GptConfig { n_layer, ..SMALL };
            let mut model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;
            let (mut x, _) = model.embeddings.forward(&ids[..512], 64);
            for block in &mut model.blocks {
                if !scaled {
                    let root = (2.0 * n_layer as Float).sqrt();
                    block.attention.proj.weight *= root;
                    block.mlp.down.weight *= root;
                }
                (x, _) = block.forward(x, 64);
            }
            Ok::<_, Box<dyn Error>>(x.mapv(|x| x * x).mean().unwrap_or(0.0))
        });
        let [plain, scaled] = ends;
        println!("{n_layer:>6}{:18.4}{:24.4}", plain?, scaled?);
    }
    Ok(())
}

/// What the two halves of a block add, in sixteen blocks without the root.
fn alike(ids: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[alike]");
    println!("block  stream  of it shared  attention adds  feed-forward");
    let sizes = GptConfig { n_layer: 16, ..SMALL };
    let mut model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;
    let size = |x: &Matrix| x.mapv(|x| x * x).mean().unwrap_or(0.0);
    let (mut x, _) = model.embeddings.forward(&ids[..512], 64);
    for (i, block) in model.blocks.iter_mut().enumerate() {
        block.attention.proj.weight *= Float::sqrt(32.0);
        block.mlp.down.weight *= Float::sqrt(32.0);
        let (h, _) = block.norm_1.forward(&x);
        let (heard, _) = block.attention.forward(h, 64);
        let middle = &x + &heard;
        let (h, _) = block.norm_2.forward(&middle);
        let (thought, _) = block.mlp.forward(h);
        if [0, 1, 3, 7, 15].contains(&i) {
            let mean = x.mean_axis(Axis(0)).unwrap_or_default();
            let shared = mean.mapv(|x| x * x).mean().unwrap_or(0.0);
            let (all, heard) = (size(&x), size(&heard));
            println!(
                "{i:>5}{all:8.4}{:11.0} %{heard:16.4}{:14.4}",
                100.0 * shared / all,
                size(&thought)
            );
        }
        x = middle + thought;
    }
    Ok(())
}

// ANCHOR: parameters
/// Where the parameters are.
fn parameters() {
    println!("[parameters]");
    println!("                tiny     small        GPT-2");
    let row = |what: &str, count: fn(GptConfig) -> usize| {
        let [tiny, small, gpt_2] = [TINY, SMALL, GPT_2].map(count);
        println!("{what:<12}{tiny:>8}{small:>10}{gpt_2:>13}");
    };
    row("tokens", |size| size.vocab_size * size.n_embd);
    row("positions", |size| size.block_size * size.n_embd);
    row("attention", |size| size.n_layer * 4 * size.n_embd * size.n_embd);
    row("feed-forward", |size| size.n_layer * 8 * size.n_embd * size.n_embd);
    row("biases", |size| size.n_layer * 9 * size.n_embd);
    row("norms", |size| (size.n_layer * 4 + 2) * size.n_embd);
    row("together", |size| size.checked_num_params().unwrap_or(0));
}
// ANCHOR_END: parameters

// ANCHOR: memory
/// What the caches of one window hold, in numbers.
fn memory() {
    println!("[memory]");
    println!("                 small         GPT-2");
    let row = |what: &str, count: fn(GptConfig) -> usize| {
        let [small, gpt_2] = [SMALL, GPT_2].map(count);
        println!("{what:<12}{small:>10}{gpt_2:>14}");
    };
    row("weights", |size| size.checked_num_params().unwrap_or(0));
    row("blocks", |size| {
        let one = 16 * size.n_embd + size.n_head * size.block_size + 2;
        size.n_layer * size.block_size * one
    });
    row("of these, A", |size| {
        size.n_layer * size.n_head * size.block_size * size.block_size
    });
    row("logits", |size| size.block_size * size.vocab_size);
}
// ANCHOR_END: memory

// ANCHOR: names
/// The first and the last tensors of the list.
fn names() -> Result<(), Box<dyn Error>> {
    println!("[names]");
    let model = Gpt::new(TINY, &mut ChaCha8Rng::seed_from_u64(1))?;
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
// ANCHOR_END: names

// ANCHOR: measured
/// The gradient of every tensor of `model`, measured.
fn measured(model: &Gpt) -> Vec<Vec<Float>> {
    let mut moved = model.clone();
    let measure = |i: usize| {
        let start = model.tensors()[i].data.to_vec();
        let gradient = numerical_gradient(&start, 1e-5, |data| {
            moved.tensors_mut()[i].data.copy_from_slice(data);
            moved.loss(&INPUTS, &TARGETS, 6)
        });
        moved.tensors_mut()[i].data.copy_from_slice(&start);
        gradient
    };
    (0..model.tensors().len()).map(measure).collect()
}
// ANCHOR_END: measured

/// Whether a derived gradient is the measured one, to seven digits.
fn agree(derived: &[Float], measured: &[Float]) -> bool {
    let size = measured.iter().fold(0.0, |a: Float, b| a.max(b.abs()));
    let mut pairs = derived.iter().zip(measured);
    pairs.all(|(a, b)| (a - b).abs() <= 1e-7 * size.max(1e-3))
}

fn check() -> Result<(), Box<dyn Error>> {
    println!("[check]");
    let model = shaken()?;
    let (_, grad) = model.loss_and_grad(&INPUTS, &TARGETS, 6);
    for (tensor, measured) in grad.tensors().iter().zip(measured(&model)) {
        let verdict =
            if agree(tensor.data, &measured) { "agrees" } else { "DIFFERS" };
        let name = tensor.name.to_string();
        println!("{name:<32}{:>4}  {verdict}", measured.len());
    }
    Ok(())
}

/// What is done to a gradient before it is used.
type Fault = fn(&mut Gpt);

// ANCHOR: faults
/// Nothing wrong.
fn right(_: &mut Gpt) {}

/// Queries, keys and values learn nothing.
fn attention_is_not_learned(grad: &mut Gpt) {
    for block in &mut grad.blocks {
        block.attention.qkv.weight.fill(0.0);
        block.attention.qkv.bias.fill(0.0);
    }
}

/// Nothing in the blocks learns.
fn blocks_are_not_learned(grad: &mut Gpt) {
    for tensor in grad.tensors_mut() {
        if tensor.name.block.is_some() {
            tensor.data.fill(0.0);
        }
    }
}

/// Queries, keys and values learn at double speed.
fn twice_too_large(grad: &mut Gpt) {
    for block in &mut grad.blocks {
        block.attention.qkv.weight *= 2.0;
        block.attention.qkv.bias *= 2.0;
    }
}
// ANCHOR_END: faults

// ANCHOR: descend
/// Four hundred steps downhill, the gradient spoiled at each; the loss now and
/// then.
fn descend(ids: &[u16], spoil: Fault) -> Result<Gpt, Box<dyn Error>> {
    let sizes = GptConfig { n_layer: 2, n_head: 2, n_embd: 32, ..SMALL };
    let mut model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;
    for step in 0..=400 {
        let at = step % 8 * 256;
        let (inputs, targets) = (&ids[at..at + 256], &ids[at + 1..at + 257]);
        let (loss, mut grad) = model.loss_and_grad(inputs, targets, 32);
        if step % 100 == 0 {
            print!("{loss:7.2}");
        }
        spoil(&mut grad);
        for (w, g) in model.tensors_mut().into_iter().zip(grad.tensors()) {
            w.data.iter_mut().zip(g.data).for_each(|(w, g)| *w -= 0.1 * g);
        }
    }
    Ok(model)
}
// ANCHOR_END: descend

/// Four gradients, three of them wrong: do they train, and who sees it?
fn still_trains(ids: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[still trains]");
    println!("step              0    100    200    300    400   moved  agree");
    let faults: [(&str, Fault); 4] = [
        ("right", right),
        ("no qkv", attention_is_not_learned),
        ("no blocks", blocks_are_not_learned),
        ("qkv twice", twice_too_large),
    ];
    let tiny = shaken()?;
    let truth = measured(&tiny);
    for (name, spoil) in faults {
        print!("{name:<12}");
        descend(ids, spoil)?;
        let (_, mut grad) = tiny.loss_and_grad(&INPUTS, &TARGETS, 6);
        spoil(&mut grad);
        let grad = grad.tensors();
        let moved = grad.iter().filter(|t| t.data.iter().any(|&g| g != 0.0));
        let pairs = grad.iter().zip(&truth);
        let agreeing = pairs.filter(|(t, truth)| agree(t.data, truth));
        println!("{:8}{:7}", moved.count(), agreeing.count());
    }
    println!("of 28 tensors");
    Ok(())
}
