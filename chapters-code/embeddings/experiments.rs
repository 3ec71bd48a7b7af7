//! What the chapter claims about the whole model, tried out on it.

use std::error::Error;

use double::Matrix;
use double::embeddings::{Embeddings, normal};
use double::gpt::Gpt;
use double::orientation::{dot, rows, softmax};
use double::tokenization::CharTokenizer;
use double::training::{evaluate, split};
use ndarray::{Array1, Axis};
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

use crate::first_model::{SONNETS, trained, trainer, untrained};
use crate::map::{correlation, log_counts, principal_components};
use crate::parts;

/// All of them, in the order of the page.
pub fn all() -> Result<(), Box<dyn Error>> {
    let (before, after, tokenizer) = trained()?;
    let ids = tokenizer.encode(SONNETS)?;
    let (train, validation) = split(&ids);
    neighbors(&after, &tokenizer);
    frequency([&before, &after], train, validation);
    capitals(&after, &tokenizer);
    word_order(&tokenizer)?;
    no_positions(&after, validation)?;
    other_positions(train, validation)?;
    position_cosines([&before, &after]);
    loss_by_position(&after, validation);
    trained_apart([&before, &after]);
    zeros(train, validation)
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The tokens whose rows point most nearly the same way.
fn neighbors(model: &Gpt, tokenizer: &CharTokenizer) {
    println!("[neighbors]");
    let table: Vec<&[f64]> = rows(&model.embeddings.token).collect();
    for c in ['a', 'd', 'T', ',', '\n'] {
        let Ok(id) = tokenizer.vocabulary().binary_search(&c) else { continue };
        let near = |other: usize| cosine(table[id], table[other]);
        let mut others: Vec<usize> = (0..59).filter(|&o| o != id).collect();
        others.sort_by(|&a, &b| near(b).total_cmp(&near(a)));
        print!("{:6}", format!("{c:?}"));
        for &other in &others[..4] {
            let name = format!("{:?}", tokenizer.vocabulary()[other]);
            print!("{name:>7} {:.2}", near(other));
        }
        println!();
    }
}

/// What the map's first direction has to do with how frequent a character is.
fn frequency(models: [&Gpt; 2], train: &[u16], validation: &[u16]) {
    println!("[frequency]");
    println!("                                  before   after");
    let maps = models.map(|m| principal_components(&m.embeddings.token));
    let counts = log_counts(train, 59);
    let [before, after] =
        maps.each_ref().map(|[(x, _), _]| correlation(x, &counts));
    println!("x and the log of the frequency   {before:7.2} {after:7.2}");
    let logits = models.map(|model| mean_logits(model, validation));
    let [before, after] =
        [0, 1].map(|i| correlation(&maps[i][0].0, &logits[i]));
    println!("x and the mean logit             {before:7.2} {after:7.2}");
    let [before, after] = maps.each_ref().map(|[(_, x), (_, y)]| (x, y));
    println!(
        "variance along x                 {:7.2} {:7.2}",
        before.0, after.0
    );
    println!(
        "variance along y                 {:7.2} {:7.2}",
        before.1, after.1
    );
}

/// The mean logit of each token over a text.
fn mean_logits(model: &Gpt, ids: &[u16]) -> Vec<f64> {
    let windows = ids.chunks_exact(32);
    let count = (32 * windows.len()) as f64;
    let sums = windows.map(|ids| model.logits(ids, 32).sum_axis(Axis(0)));
    let sum = sums.fold(Array1::zeros(59), |sum: Array1<f64>, x| sum + x);
    (sum / count).to_vec()
}

/// Where the step from one character to another leads from the small letters.
fn capitals(model: &Gpt, tokenizer: &CharTokenizer) {
    println!("[capitals]");
    println!("step    capitals  the right one");
    for (from, to) in
        [('a', 'a'), ('a', 'A'), ('e', 'E'), ('a', 'z'), ('a', 'q'), ('a', 'k')]
    {
        let name =
            if from == to { "none".into() } else { format!("{from} → {to}") };
        let (capitals, right, asked) = step(model, tokenizer, from, to);
        println!(
            "{name:6}  {capitals:2} of {asked}        {right:2} of {asked}"
        );
    }
}

/// Takes the step from each small letter that has a capital, but for the two
/// of the step: in how many cases the nearest row, by the cosine, is that of a
/// capital; in how many it is the letter's own; and the number of cases. The
/// letters of the question do not count as answers.
fn step(
    model: &Gpt,
    tokenizer: &CharTokenizer,
    from: char,
    to: char,
) -> (usize, usize, usize) {
    let table = &model.embeddings.token;
    let known = tokenizer.vocabulary();
    let row = |c| known.binary_search(&c).ok().map(|id| table.row(id));
    let (mut capitals, mut right, mut asked) = (0, 0, 0);
    for small in ('a'..='z').filter(|c| ![from, to].contains(c)) {
        let large = small.to_ascii_uppercase();
        let (Some(x), Some(_)) = (row(small), row(large)) else { continue };
        let (Some(start), Some(end)) = (row(from), row(to)) else { continue };
        let goal = (&x - &start + end).to_vec();
        let near = |c: &char| row(*c).map(|r| cosine(&r.to_vec(), &goal));
        let others = known.iter().filter(|c| ![from, to, small].contains(c));
        let Some(nearest) = others.max_by(|a, b| {
            near(a).unwrap_or(-1.0).total_cmp(&near(b).unwrap_or(-1.0))
        }) else {
            continue;
        };
        asked += 1;
        capitals += usize::from(nearest.is_uppercase());
        right += usize::from(*nearest == large);
    }
    (capitals, right, asked)
}

/// Whether a model tells "cat sat" from "sat cat", at the last `t` of each.
fn word_order(tokenizer: &CharTokenizer) -> Result<(), Box<dyn Error>> {
    println!("[word order]");
    let [a, b] = ["cat sat", "sat cat"].map(|text| tokenizer.encode(text));
    let (a, b) = (a?, b?);
    println!("           with positions  without");
    for n_layer in [1, 2] {
        let mut model = untrained(n_layer)?;
        // Larger weights, so that differences show
        for tensor in model.tensors_mut() {
            tensor.data.iter_mut().for_each(|x| *x *= 10.0);
        }
        let with = difference(&model, &a, &b);
        model.embeddings.position.fill(0.0);
        let without = difference(&model, &a, &b);
        let blocks = if n_layer == 1 { "1 block " } else { "2 blocks" };
        println!("{blocks}   {with:14.3}  {without:7.3}");
    }
    Ok(())
}

// ANCHOR: difference
/// The largest difference between the logits after two texts.
fn difference(model: &Gpt, a: &[u16], b: &[u16]) -> f64 {
    let logits_a = model.logits(a, a.len());
    let logits_b = model.logits(b, b.len());
    let (last_a, last_b) = (a.len() - 1, b.len() - 1);
    let apart = &logits_a.row(last_a) - &logits_b.row(last_b);
    apart.iter().fold(0.0, |most: f64, x| most.max(x.abs()))
}
// ANCHOR_END: difference

/// Takes the positions away from a model that has learned with them.
fn no_positions(model: &Gpt, validation: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[no positions]");
    println!("as trained          {:.3}", evaluate(model, validation)?);
    let mut changed = model.clone();
    changed.embeddings.position.fill(0.0);
    println!("without positions   {:.3}", evaluate(&changed, validation)?);
    let mut order: Vec<usize> = (0..32).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(3));
    for (to, from) in order.into_iter().enumerate() {
        let row = model.embeddings.position.row(from);
        changed.embeddings.position.row_mut(to).assign(&row);
    }
    println!("positions shuffled  {:.3}", evaluate(&changed, validation)?);
    Ok(())
}

/// Sines at even places and cosines at odd ones: a row for each position.
fn sinusoids(positions: usize, width: usize) -> Matrix {
    Matrix::from_shape_fn((positions, width), |(p, i)| {
        let pair = (i / 2 * 2) as f64 / width as f64;
        let angle = p as f64 / 10000f64.powf(pair);
        if i % 2 == 0 { angle.sin() } else { angle.cos() }
    })
}

/// Trains with tables that stay as they are, and with one that learns.
fn other_positions(
    train: &[u16],
    validation: &[u16],
) -> Result<(), Box<dyn Error>> {
    println!("[other positions]");
    let waves = sinusoids(32, 32);
    println!("positions         loss  token RMS  position RMS");
    for (name, fixed) in [
        ("none", Some(&waves * 0.0)),
        ("sinusoids × 0.02", Some(&waves * 0.02)),
        ("sinusoids × 0.1", Some(&waves * 0.1)),
        ("sinusoids × 1", Some(waves)),
        ("learned", None),
    ] {
        let model = train_with(fixed.as_ref(), train)?;
        let loss = evaluate(&model, validation)?;
        let Embeddings { token, position } = &model.embeddings;
        let rms = |table: &Matrix| table.pow2().mean().unwrap_or(0.0).sqrt();
        let (token, position) = (rms(token), rms(position));
        println!("{name:16} {loss:.3}  {token:9.3}  {position:12.3}");
    }
    Ok(())
}

// ANCHOR: train_with
/// Trains for 1,000 steps; a fixed table is put back before each of them.
fn train_with(
    fixed: Option<&Matrix>,
    train: &[u16],
) -> Result<Gpt, Box<dyn Error>> {
    // A model of two blocks, for 1,000 steps
    let mut trainer = trainer(untrained(2)?, 1000, 1000)?;
    let put_back = |model: &mut Gpt| {
        if let Some(table) = fixed {
            model.embeddings.position.assign(table);
        }
    };
    for _ in 0..1000 {
        put_back(&mut trainer.model);
        trainer.take_step(train)?;
    }
    put_back(&mut trainer.model);
    Ok(trainer.model)
}
// ANCHOR_END: train_with

/// The mean cosine between positions that are so far apart.
fn position_cosines(models: [&Gpt; 2]) {
    println!("[position cosines]");
    println!("apart by      1      2      4      8     16     24     31");
    for (name, model) in ["before  ", "after   "].into_iter().zip(models) {
        let table: Vec<&[f64]> = rows(&model.embeddings.position).collect();
        print!("{name}");
        for apart in [1, 2, 4, 8, 16, 24, 31] {
            let pairs = table.iter().zip(&table[apart..]);
            let sum: f64 = pairs.map(|(a, b)| cosine(a, b)).sum();
            print!("{:7.2}", sum / (32 - apart) as f64);
        }
        println!();
    }
}

/// The mean loss at each position of a window.
fn loss_by_position(model: &Gpt, validation: &[u16]) {
    println!("[loss by position]");
    let (mut sums, mut squares) = ([0.0; 32], [0.0; 32]);
    let windows = validation.windows(33).step_by(4);
    let count = windows.len() as f64;
    for window in windows {
        let mut logits = model.logits(&window[..32], 32);
        for (position, mut z) in logits.rows_mut().into_iter().enumerate() {
            let target = z[usize::from(window[position + 1])];
            let Some(z) = z.as_slice_mut() else { continue };
            let loss = softmax(z) - target;
            sums[position] += loss;
            squares[position] += loss * loss;
        }
    }
    println!("position  characters seen  loss   give or take");
    for position in [0, 1, 2, 3, 7, 15, 31] {
        let (seen, loss) = (position + 1, sums[position] / count);
        let variance = squares[position] / count - loss * loss;
        let error = (variance / count).sqrt(); // of the mean
        println!("{position:8}  {seen:15}  {loss:.3}  {error:.3}");
    }
}

/// Whether the sums in a trained model can be taken apart, and those of random
/// rows of the same sizes.
fn trained_apart([before, after]: [&Gpt; 2]) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut like = |table: &Matrix| {
        let size = table.mapv(|x| x * x).mean().unwrap_or(0.0).sqrt();
        normal(table.dim(), size, &mut rng)
    };
    let Embeddings { token, position } = &after.embeddings;
    let random = Embeddings { token: like(token), position: like(position) };
    println!("[trained apart]");
    println!("              cosine (RMS)  token found  position found");
    for (name, layer) in [
        ("untrained", &before.embeddings),
        ("trained", &after.embeddings),
        ("random sizes", &random),
    ] {
        let [cosine, token, position] = parts(layer);
        println!("{name:12}  {cosine:12.3}  {token:9.1} %  {position:12.1} %");
    }
}

/// Trains models whose tables begin with zeros.
fn zeros(train: &[u16], validation: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[zeros]");
    println!("zeros in   first gradient  loss before  after 1,000 steps");
    for (name, tokens, positions) in [
        ("neither", false, false),
        ("positions", false, true),
        ("tokens", true, false),
        ("both", true, true),
    ] {
        let mut model = untrained(2)?;
        if tokens {
            model.embeddings.token.fill(0.0);
        }
        if positions {
            model.embeddings.position.fill(0.0);
        }
        let mut trainer = trainer(model, 1000, 1000)?;
        let before = evaluate(&trainer.model, validation)?;
        let first = trainer.take_step(train)?.grad_norm;
        for _ in 1..1000 {
            trainer.take_step(train)?;
        }
        let after = evaluate(&trainer.model, validation)?;
        println!("{name:9}  {first:14.3}  {before:11.3}  {after:17.3}");
    }
    Ok(())
}
