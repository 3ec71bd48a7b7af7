//! Chapter 5. The whole model: from ids to a loss, and the gradient of every
//! parameter.

use std::error::Error;

use double::{Float, Matrix, Vector, gpt::*, orientation::*, tokenization::*};
use ndarray::array;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

fn main() -> Result<(), Box<dyn Error>> {
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(SONNETS)?;
    let losses = four_models(&ids)?;
    shapes()?;
    predictions()?;
    p_minus_y();
    sure_and_wrong();
    tied_head()?;
    check()?;
    four_gradients(&losses)?;
    recorded("longer runs", &["right", "silent-attention", "head-only"]);
    fresh::all(&ids)
}

mod fresh;

const SONNETS: &str = include_str!("../data/sonnets.txt");

// ANCHOR: configs
/// Small enough to measure every derivative in a moment.
const TINY: GptConfig = GptConfig {
    n_layer: 2,
    n_head: 2,
    n_embd: 8,
    block_size: 6,
    vocab_size: 11,
};

/// The shape that `cargo run --example shakespeare` trains.
const STANDARD: GptConfig = GptConfig {
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
/// One window: what each position has seen, and what it has to predict.
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
/// Three logits; the second token came.
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

/// The gradient with respect to the logit of the token that came, for two
/// losses, by how probable the model found that token. The vocabulary has two.
fn sure_and_wrong() {
    println!("[sure and wrong]");
    println!("p of what came  cross-entropy  squared error");
    for p in [0.999, 0.9, 0.5, 0.1, 0.001] {
        let z = array![[p, 1.0 - p]].ln();
        let (_, dz) = cross_entropy(z.clone(), &[0], 1.0);
        let squared = numerical_gradient(flat(&z), 1e-5, |z| {
            let mut p = z.to_vec();
            softmax(&mut p);
            (p[0] - 1.0).powi(2) + p[1].powi(2)
        });
        println!("{p:<14}{:15.3}{:15.3}", dz[[0, 0]], squared[0]);
    }
}

/// The smallest model with every number moved by up to 0.3: untrained, it has
/// zeros and ones where mistakes could hide.
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

/// The loss of a model whose look-up and whose head have a table each.
fn loss_of_two_tables(look_up: &Gpt, head: &Matrix) -> Float {
    let (mut x, _) = look_up.embeddings.forward(&INPUTS, 6);
    for block in &look_up.blocks {
        (x, _) = block.forward(x, 6);
    }
    let (x, _) = look_up.norm.forward(&x);
    cross_entropy(product(&x, &head.t()), &TARGETS, 1.0 / 6.0).0
}

// ANCHOR: tied_head
/// The gradient of one row of the token table: through the head alone, through
/// the look-up alone, and what `backward` derives.
fn tied_head() -> Result<(), Box<dyn Error>> {
    println!("[tied head]");
    let model = shaken()?;
    let table = &model.embeddings.token;
    let (_, grad) = model.loss_and_grad(&INPUTS, &TARGETS, 6);
    let show = |part: &str, row: &[Float]| {
        println!("  {part:<11} {:7.4}", array![[row[0], row[1], row[2]]]);
    };
    for (id, what) in [(1, "1, twice in the text"), (7, "7, not in it")] {
        let row = table.row(id).to_vec();
        let head = numerical_gradient(&row, 1e-5, |moved| {
            let mut head = table.clone();
            head.row_mut(id).assign(&Vector::from(moved.to_vec()));
            loss_of_two_tables(&model, &head)
        });
        let look_up = numerical_gradient(&row, 1e-5, |moved| {
            let mut copy = model.clone();
            let moved = Vector::from(moved.to_vec());
            copy.embeddings.token.row_mut(id).assign(&moved);
            loss_of_two_tables(&copy, table)
        });
        println!("token {what}");
        show("as head", &head);
        show("as look-up", &look_up);
        show("derived", &grad.embeddings.token.row(id).to_vec());
    }
    Ok(())
}
// ANCHOR_END: tied_head

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

// ANCHOR: agree
/// Whether a derived gradient is the measured one, up to 1e-7 of its largest
/// entry.
fn agree(derived: &[Float], measured: &[Float]) -> bool {
    let largest = measured.iter().fold(0.0, |a: Float, b| a.max(b.abs()));
    let mut pairs = derived.iter().zip(measured);
    pairs.all(|(a, b)| (a - b).abs() <= 1e-7 * largest)
}
// ANCHOR_END: agree

/// The derived gradient of every tensor against the measured one.
fn check() -> Result<(), Box<dyn Error>> {
    println!("[check]");
    println!("part          tensors  numbers  tensors that agree");
    let model = shaken()?;
    let (_, grad) = model.loss_and_grad(&INPUTS, &TARGETS, 6);
    let (derived, measured) = (grad.tensors(), measured(&model));
    let row = |part: &str| {
        let mut counts = [0; 3];
        for (tensor, measured) in derived.iter().zip(&measured) {
            if tensor.name.to_string().starts_with(part) {
                counts[0] += 1;
                counts[1] += measured.len();
                counts[2] += usize::from(agree(tensor.data, measured));
            }
        }
        let [tensors, numbers, agreeing] = counts;
        println!("{part:<12}{tensors:>9}{numbers:>9}{agreeing:>20}");
    };
    ["embeddings", "blocks.0", "blocks.1", "norm"].into_iter().for_each(row);
    Ok(())
}

/// What is done to a gradient before it is used.
type Fault = fn(&mut Gpt);

// ANCHOR: faults
/// Queries, keys and values learn at double speed.
fn twice_too_large(grad: &mut Gpt) {
    for block in &mut grad.blocks {
        block.attention.qkv.weight *= 2.0;
        block.attention.qkv.bias *= 2.0;
    }
}

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
// ANCHOR_END: faults

/// The four models of the chapter's first lines, the best first.
const MODELS: [(&str, Fault); 4] = [
    ("qkv twice", twice_too_large),
    ("right", right),
    ("no qkv", attention_is_not_learned),
    ("no blocks", blocks_are_not_learned),
];

/// Four hundred steps of gradient descent on eight batches, the gradient
/// spoiled before each; the training loss at every hundredth.
fn descend(ids: &[u16], spoil: Fault) -> Result<Vec<Float>, Box<dyn Error>> {
    let sizes = GptConfig { n_layer: 2, n_head: 2, n_embd: 32, ..STANDARD };
    let mut model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;
    let mut losses = Vec::new();
    for step in 0..=400 {
        if step % 100 == 0 {
            losses.push(model.loss(&ids[..2048], &ids[1..2049], 32));
        }
        let at = step % 8 * 256;
        let (inputs, targets) = (&ids[at..at + 256], &ids[at + 1..at + 257]);
        let (_, mut grad) = model.loss_and_grad(inputs, targets, 32);
        spoil(&mut grad);
        for (w, g) in model.tensors_mut().into_iter().zip(grad.tensors()) {
            w.data.iter_mut().zip(g.data).for_each(|(w, g)| *w -= 0.1 * g);
        }
    }
    Ok(losses)
}

/// Four models as they train, without a word about what is wrong with three.
fn four_models(ids: &[u16]) -> Result<Vec<Vec<Float>>, Box<dyn Error>> {
    println!("[four models]");
    println!("step       0    100    200    300    400");
    let mut all = Vec::new();
    for (letter, (_, spoil)) in ["A", "B", "C", "D"].iter().zip(MODELS) {
        let losses = descend(ids, spoil)?;
        let shown: String =
            losses.iter().map(|loss| format!("{loss:7.2}")).collect();
        println!("{letter}    {shown}");
        all.push(losses);
    }
    Ok(all)
}

/// The same four, and what two questions to their gradients say.
fn four_gradients(losses: &[Vec<Float>]) -> Result<(), Box<dyn Error>> {
    println!("[four gradients]");
    println!("   gradient     step 400   not zero   agree");
    let model = shaken()?;
    let truth = measured(&model);
    for (i, (name, spoil)) in MODELS.into_iter().enumerate() {
        let (_, mut grad) = model.loss_and_grad(&INPUTS, &TARGETS, 6);
        spoil(&mut grad);
        let grad = grad.tensors();
        let moved = grad.iter().filter(|t| t.data.iter().any(|&g| g != 0.0));
        let pairs = grad.iter().zip(&truth);
        let agreeing = pairs.filter(|(t, truth)| agree(t.data, truth));
        println!(
            "{}  {name:<12}{:>9.2}{:>11}{:>8}",
            ["A", "B", "C", "D"][i],
            losses[i].last().unwrap_or(&Float::NAN),
            moved.count(),
            agreeing.count()
        );
    }
    println!("of 28 tensors");
    Ok(())
}

const VARIANTS: &str = include_str!("../../book/records/studies/variants.txt");

/// Rows from the record of longer runs, `cargo run --example variants`.
fn recorded(section: &str, names: &[&str]) {
    println!("[{section}]");
    for line in VARIANTS.lines() {
        let name = line.split_whitespace().next().unwrap_or("");
        if name == "experiment" || names.contains(&name) {
            println!("{line}");
        }
    }
}
