//! What the early chapters claim about the whole model, tried out on it.
//!
//! The model is that of the pipeline of chapter 1, in double precision, where a
//! run comes out the same on every processor.

use std::error::Error;
use std::ops::ControlFlow;

use double::Matrix;
use double::embeddings::Embeddings;
use double::gpt::{Gpt, GptConfig};
use double::orientation::{CountModel, dot, rows, softmax};
use double::tokenization::CharTokenizer;
use double::training::{
    Batch, Event, Gradients, LrSchedule, ShardedGradients, TrainConfig,
    TrainError, Trainer, clip_grad_norm, evaluate, split,
};
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

/// The embedded corpus.
pub const SONNETS: &str = include_str!("data/sonnets.txt");

#[allow(dead_code)] // the figures are drawn from the same model
fn main() -> Result<(), Box<dyn Error>> {
    renamed_ids()?;
    line_ends();
    no_positions()?;
    other_positions()?;
    let (_, trained, tokenizer) = trained()?;
    positions_at_work(&trained, &tokenizer)?;
    loss_by_place(&trained, &tokenizer)?;
    neighbours(&trained, &tokenizer);
    capitals(&trained, &tokenizer);
    gradient_lengths(&trained, &tokenizer)
}

/// The pipeline's model, untrained.
fn untrained(n_layer: usize) -> Result<Gpt, Box<dyn Error>> {
    let (n_head, n_embd, block_size, vocab_size) = (2, 32, 32, 59);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    Ok(Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?)
}

/// A run of so many steps, with the pipeline's settings.
fn trainer(
    model: Gpt,
    steps: usize,
    eval_interval: usize,
) -> Result<Trainer, Box<dyn Error>> {
    let (max_lr, min_lr, warmup) = (3e-3, 3e-4, 100);
    let config = TrainConfig {
        batch_size: 8,
        schedule: LrSchedule { max_lr, min_lr, warmup, steps },
        average: 0.0,
        eval_interval,
        seed: 4,
        ..TrainConfig::default()
    };
    Ok(Trainer::new(model, config)?)
}

/// Trains `model`, and returns it with its validation losses.
fn train(
    model: Gpt,
    ids: &[u16],
    steps: usize,
    eval_interval: usize,
) -> Result<(Gpt, Vec<f64>), Box<dyn Error>> {
    let (train, validation) = split(ids);
    let mut losses = Vec::new();
    let mut trainer = trainer(model, steps, eval_interval)?;
    trainer.run(train, &validation[..2049], |_, event| {
        if let Event::Evaluation(evaluation) = event {
            losses.push(evaluation.validation_loss);
        }
        ControlFlow::Continue(())
    })?;
    Ok((trainer.model, losses))
}

/// The pipeline's model before and after 2,000 steps.
pub fn trained() -> Result<(Gpt, Gpt, CharTokenizer), Box<dyn Error>> {
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let before = untrained(2)?;
    let ids = tokenizer.encode(SONNETS)?;
    let (after, _) = train(before.clone(), &ids, 2000, 1000)?;
    Ok((before, after, tokenizer))
}

// ANCHOR: renamed_ids
/// Gives every id another's name, and the row of the table with it.
fn renamed_ids() -> Result<(), Box<dyn Error>> {
    println!("[renamed ids]");
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(SONNETS)?;
    let model = untrained(2)?;

    let mut new_name: Vec<u16> = (0..59).collect();
    new_name.shuffle(&mut ChaCha8Rng::seed_from_u64(2));
    let renamed: Vec<u16> =
        ids.iter().map(|&id| new_name[usize::from(id)]).collect();
    let mut other = model.clone();
    for (old, &new) in new_name.iter().enumerate() {
        let row = model.embeddings.token.row(old);
        other.embeddings.token.row_mut(usize::from(new)).assign(&row);
    }

    println!("\"love\" is {:?},", tokenizer.encode("love")?);
    println!("and now   {:?}", {
        let ids = tokenizer.encode("love")?;
        ids.iter().map(|&id| new_name[usize::from(id)]).collect::<Vec<_>>()
    });
    let (_, losses) = train(model, &ids, 200, 100)?;
    let (_, renamed) = train(other, &renamed, 200, 100)?;
    println!("losses     {losses:.6?}\nrenamed    {renamed:.6?}");
    Ok(())
}
// ANCHOR_END: renamed_ids

/// What a second character at the end of each line does to a loss.
fn line_ends() {
    println!("[line ends]");
    let other = SONNETS.replace('\n', "\r\n");
    for (name, text) in [("\\n", SONNETS), ("\\r\\n", &other)] {
        let text: Vec<char> = text.chars().collect();
        let (train, validation) = split(&text);
        let model = CountModel::new(train, &text, 4);
        let loss = model.cross_entropy(validation);
        let tokens = validation.len();
        println!("{name:4}  {tokens} tokens, {loss:.4} nats each");
    }
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

/// How long a gradient is, while the model learns and by the size of a batch.
fn gradient_lengths(
    trained: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[gradient length]");
    let ids = tokenizer.encode(SONNETS)?;
    let (train, _) = split(&ids);
    let mut trainer = trainer(untrained(2)?, 2000, 1000)?;
    println!("     steps  median  longest  above one");
    for part in 0..5 {
        let lengths = (0..400).map(|_| Ok(trainer.take_step(train)?.grad_norm));
        let mut lengths = lengths.collect::<Result<Vec<f64>, TrainError>>()?;
        lengths.sort_by(f64::total_cmp);
        let (median, longest) = (lengths[200], lengths[399]);
        let above = lengths.iter().filter(|&&length| length > 1.0).count();
        let (first, last) = (400 * part, 400 * part + 399);
        println!(
            "{first:>4}–{last:>4}  {median:>7.2}  {longest:>7.2}  {above:>9}"
        );
    }
    println!("afterwards, by the windows in a batch:");
    let mut gradients = ShardedGradients::new(4);
    for windows in [1, 8, 64, 512] {
        let lengths = (1..=21).map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let batch = Batch::random(train, windows, 32, &mut rng)?;
            let (_, grad) = gradients.compute(trained, &batch);
            Ok(clip_grad_norm(grad, f64::INFINITY))
        });
        let mut lengths = lengths.collect::<Result<Vec<f64>, TrainError>>()?;
        lengths.sort_by(f64::total_cmp);
        println!("{windows:>9}  {:>7.2}", lengths[10]);
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
