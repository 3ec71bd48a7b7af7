//! What the chapter claims about the whole model, tried out on it.

use std::error::Error;

use double::Matrix;
use double::embeddings::Embeddings;
use double::gpt::Gpt;
use double::orientation::{dot, rows, softmax};
use double::tokenization::CharTokenizer;
use double::training::{evaluate, split};
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

use crate::first_model::{SONNETS, trained, trainer, untrained};

/// All of them, in the order of the page.
pub fn all() -> Result<(), Box<dyn Error>> {
    let (_, model, tokenizer) = trained()?;
    neighbours(&model, &tokenizer);
    capitals(&model, &tokenizer);
    no_positions()?;
    positions_at_work(&model, &tokenizer)?;
    other_positions()?;
    loss_by_place(&model, &tokenizer)
}

// ANCHOR: no_positions
/// Whether a model tells "cat sat" from "sat cat", at the last `t` of each.
fn no_positions() -> Result<(), Box<dyn Error>> {
    println!("[no positions]");
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let texts = ["cat sat", "sat cat"];
    for (n_layer, with) in [(1, true), (1, false), (2, true), (2, false)] {
        let mut model = untrained(n_layer)?;
        // Larger weights, so that differences show
        for tensor in model.tensors_mut() {
            tensor.data.iter_mut().for_each(|x| *x *= 10.0);
        }
        if !with {
            model.embeddings.position.fill(0.0);
        }
        let mut last = Vec::new();
        for text in texts {
            let (logits, _) = model.forward(&tokenizer.encode(text)?, 7);
            last.push(logits.row(6).to_owned());
        }
        let apart = (&last[0] - &last[1]).mapv(f64::abs);
        let apart = apart.iter().fold(0.0, |a: f64, &b| a.max(b));
        let with = if with { "with" } else { "without" };
        println!("blocks: {n_layer}, {with:7} positions: differ by {apart:.3}");
    }
    Ok(())
}
// ANCHOR_END: no_positions

/// Sines at even places and cosines at odd ones: a row for each position.
fn waves(positions: usize, width: usize) -> Matrix {
    Matrix::from_shape_fn((positions, width), |(p, i)| {
        let pair = (i / 2 * 2) as f64 / width as f64;
        let angle = p as f64 / 10000f64.powf(pair);
        if i % 2 == 0 { angle.sin() } else { angle.cos() }
    })
}

// ANCHOR: other_positions
/// Trains with tables that stay as they are, and with one that learns.
fn other_positions() -> Result<(), Box<dyn Error>> {
    println!("[other positions]");
    let ids = CharTokenizer::new(SONNETS)?.encode(SONNETS)?;
    let (train, validation) = split(&ids);
    let waves = waves(32, 32);
    println!("positions      loss   token  position");
    for (name, kept) in [
        ("none", Some(&waves * 0.0)),
        ("waves of 0.02", Some(&waves * 0.02)),
        ("waves of 0.1", Some(&waves * 0.1)),
        ("waves of 1", Some(waves)),
        ("learned", None),
    ] {
        let mut trainer = trainer(untrained(2)?, 1000, 1000)?;
        for _ in 0..1000 {
            put(&kept, &mut trainer.model);
            trainer.take_step(train)?;
        }
        put(&kept, &mut trainer.model);
        let loss = evaluate(&trainer.model, validation)?;
        let Embeddings { token, position } = &trainer.model.embeddings;
        let size = |table: &Matrix| table.pow2().mean().unwrap_or(0.0).sqrt();
        let (token, position) = (size(token), size(position));
        println!("{name:14} {loss:.3}  {token:.3}  {position:8.3}");
    }
    Ok(())
}

/// Puts back the table of positions, if one is to be kept.
fn put(kept: &Option<Matrix>, model: &mut Gpt) {
    if let Some(table) = kept {
        model.embeddings.position.assign(table);
    }
}
// ANCHOR_END: other_positions

// ANCHOR: positions_at_work
/// Takes the positions away from a model that has learned with them.
fn positions_at_work(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[positions at work]");
    let ids = tokenizer.encode(SONNETS)?;
    let (_, validation) = split(&ids);
    let validation = &validation[..2049];
    let loss = evaluate(model, validation)?;
    println!("as trained              {loss:.3}");
    let mut zeroed = model.clone();
    zeroed.embeddings.position.fill(0.0);
    println!("no positions            {:.3}", evaluate(&zeroed, validation)?);
    let mut shuffled = model.clone();
    let mut order: Vec<usize> = (0..32).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(3));
    for (to, from) in order.into_iter().enumerate() {
        let row = model.embeddings.position.row(from);
        shuffled.embeddings.position.row_mut(to).assign(&row);
    }
    println!("positions shuffled      {:.3}", evaluate(&shuffled, validation)?);
    Ok(())
}
// ANCHOR_END: positions_at_work

/// The mean loss at each place of a window, over the validation part.
fn loss_by_place(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[loss by place]");
    let ids = tokenizer.encode(SONNETS)?;
    let (_, validation) = split(&ids);
    let mut sums = [0.0; 32];
    let windows = validation.windows(33).step_by(4);
    let count = windows.len() as f64;
    for window in windows {
        let (mut logits, _) = model.forward(&window[..32], 32);
        for (place, mut z) in logits.rows_mut().into_iter().enumerate() {
            let target = z[usize::from(window[place + 1])];
            let Some(z) = z.as_slice_mut() else { continue };
            sums[place] += softmax(z) - target;
        }
    }
    for place in [0, 1, 2, 3, 7, 15, 31] {
        let seen = place + 1;
        println!("place {place:2}, {seen:2} seen: {:.3}", sums[place] / count);
    }
    Ok(())
}

/// The tokens whose rows point most nearly the same way.
fn neighbours(model: &Gpt, tokenizer: &CharTokenizer) {
    println!("[neighbours]");
    let table: Vec<&[f64]> = rows(&model.embeddings.token).collect();
    let cosine = |a: usize, b: usize| {
        let (a, b) = (table[a], table[b]);
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    for c in ['a', 'd', 'T', ',', '\n'] {
        let Ok(id) = tokenizer.vocabulary().binary_search(&c) else { continue };
        let mut others: Vec<usize> = (0..59).filter(|&o| o != id).collect();
        others.sort_by(|&a, &b| cosine(id, b).total_cmp(&cosine(id, a)));
        print!("{:6}", format!("{c:?}"));
        for &other in &others[..4] {
            let name = format!("{:?}", tokenizer.vocabulary()[other]);
            print!("{name:>7} {:.2}", cosine(id, other));
        }
        println!();
    }
}

/// Where the step from `a` to `A` leads from the other small letters.
fn capitals(model: &Gpt, tokenizer: &CharTokenizer) {
    println!("[capitals]");
    let table = &model.embeddings.token;
    let known = tokenizer.vocabulary();
    let row = |c| known.binary_search(&c).ok().map(|id| table.row(id));
    let (Some(small_a), Some(large_a)) = (row('a'), row('A')) else { return };
    let (mut asked, mut capitals, mut right, mut near) = (0, 0, 0, 0);
    for small in 'b'..='z' {
        let large = small.to_ascii_uppercase();
        let (Some(x), Some(_)) = (row(small), row(large)) else { continue };
        let end = &x - &small_a + large_a;
        let cosine = |c| {
            row(c).map_or(-1.0, |r| {
                r.dot(&end) / (r.dot(&r) * end.dot(&end)).sqrt()
            })
        };
        let others = known.iter().filter(|c| !['a', 'A', small].contains(c));
        let mut others: Vec<char> = others.copied().collect();
        others.sort_by(|&a, &b| cosine(b).total_cmp(&cosine(a)));
        asked += 1;
        capitals += usize::from(others[0].is_uppercase());
        right += usize::from(others[0] == large);
        near += usize::from(others[..3].contains(&large));
    }
    println!("the nearest is a capital:  {capitals} of {asked}");
    println!("it is the right one:       {right} of {asked}");
    println!("the right one among three: {near} of {asked}");
}
