//! Chapter 7. From logits to text.

use std::error::Error;

use double::{Float, generation::*, gpt::*, tokenization::*};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use naive::{draw, generate, predict, top_p};

fn main() -> Result<(), Box<dyn Error>> {
    let (_, model, tokenizer) = first_model::trained()?;
    one_by_one(&model, &tokenizer)?;
    experiments::greedy(&model, &tokenizer)?;
    by_hand()?;
    experiments::tail(&model, &tokenizer)?;
    experiments::slip(&model, &tokenizer)?;
    nucleus(&model, &tokenizer)?;
    order()?;
    choices(&model, &tokenizer)?;
    writing(&model, &tokenizer)?;
    experiments::surprise(&model, &tokenizer)?;
    experiments::boldness(&model, &tokenizer)?;
    cached(&model, &tokenizer)?;
    moved(&model, &tokenizer)?;
    work();
    round(&model, &tokenizer)
}

mod experiments;
#[path = "../first_model.rs"]
mod first_model;
mod naive;

/// Characters as a list shows them.
fn visible(text: &str) -> String {
    text.replace('\n', "↵").replace(' ', "␣")
}

/// Six characters, and what there was to choose from.
fn one_by_one(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[one by one]");
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut ids = tokenizer.encode("Shall I ")?;
    for _ in 0..6 {
        let probs = predict(model, &ids);
        let mut order: Vec<u16> = (0..probs.len() as u16).collect();
        let p = |id: u16| probs[usize::from(id)];
        order.sort_by(|&a, &b| p(b).total_cmp(&p(a)));
        print!("{:16}", format!("{:?}", tokenizer.decode(&ids)?));
        for &id in &order[..4] {
            print!("  {} {:.2}", visible(&tokenizer.decode(&[id])?), p(id));
        }
        let id = draw(&probs, &mut rng);
        println!("  →  {}", visible(&tokenizer.decode(&[id])?));
        ids.push(id);
    }
    Ok(())
}

/// Three logits at three temperatures.
fn by_hand() -> Result<(), Box<dyn Error>> {
    println!("[by hand]");
    let logits = [1.0, 2.0, 5.0].map(Float::ln);
    for temperature in [2.0, 1.0, 0.5] {
        let sampler = Sampler::new(temperature, None)?;
        let mut candidates = sampler.distribution(&logits);
        candidates.sort_by_key(|&(id, _)| id);
        let probs: Vec<Float> = candidates.iter().map(|&(_, p)| p).collect();
        println!("temperature {temperature:<3}  {probs:.4?}");
    }
    Ok(())
}

/// What a top-p of 0.9 keeps, where much is possible and where little is.
fn nucleus(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[top-p]");
    for text in ["Shall I ", "Shall I compare th", "Shall I lov"] {
        let logits = KvCache::new(model).extend(&tokenizer.encode(text)?);
        let candidates = Sampler::new(1.0, None)?.distribution(&logits);
        let kept = top_p(&candidates, 0.9);
        let ids: Vec<u16> = kept.iter().map(|&(id, _)| id).collect();
        let kept = visible(&tokenizer.decode(&ids)?);
        println!("{:22}{:2}  {kept}", format!("{text:?}"), ids.len());
    }
    Ok(())
}

/// A temperature and a cut, in both orders.
fn order() -> Result<(), Box<dyn Error>> {
    println!("[order]");
    let logits = [1.0, 2.0, 5.0].map(Float::ln);
    let (cold, as_it_is) = (Sampler::new(0.5, None)?, Sampler::new(1.0, None)?);
    let top_2 = |candidates: &[_]| {
        let logits: Vec<Float> = logarithms(candidates);
        Sampler::new(1.0, Some(2)).map(|top_2| top_2.distribution(&logits))
    };
    let all = as_it_is.distribution(&logits);
    let divided = cold.distribution(&logits);
    let k = [top_2(&divided)?, cold.distribution(&logarithms(&top_2(&all)?))];
    let p = [
        top_p(&divided, 0.8),
        cold.distribution(&logarithms(&top_p(&all, 0.8))),
    ];
    println!("                  top-k 2           top-p 0.8");
    let names = ["temperature, cut", "cut, temperature"];
    for (name, (k, p)) in names.iter().zip(k.iter().zip(&p)) {
        let probs = |candidates: &[(u16, Float)]| -> Vec<Float> {
            candidates.iter().map(|&(_, p)| p).collect()
        };
        println!("{name}  {:.4?}  {:.4?}", probs(k), probs(p));
    }
    Ok(())
}

fn logarithms(candidates: &[(u16, Float)]) -> Vec<Float> {
    candidates.iter().map(|&(_, p)| p.ln()).collect()
}

/// The same logits under several samplers.
fn choices(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[choices]");
    let prompt = tokenizer.encode("Shall I compare th")?;
    let logits = KvCache::new(model).extend(&prompt);
    let with = |temperature, top_k| -> Result<_, GenerationError> {
        Ok(Sampler::new(temperature, top_k)?.distribution(&logits))
    };
    for (name, candidates) in [
        ("temperature 1", with(1.0, None)?),
        ("temperature 0.5", with(0.5, None)?),
        ("temperature 2", with(2.0, None)?),
        ("temperature 0", with(0.0, None)?),
        ("top-k 3", with(1.0, Some(3))?),
        ("top-p 0.9", top_p(&with(1.0, None)?, 0.9)),
    ] {
        print!("{name:<15}");
        for &(id, p) in candidates.iter().take(6) {
            print!("  {} {p:.3}", tokenizer.decode(&[id])?);
        }
        println!();
    }
    Ok(())
}

/// `length` characters after a line break.
fn write(
    model: &Gpt,
    tokenizer: &CharTokenizer,
    sampler: Sampler,
    length: usize,
) -> Result<String, Box<dyn Error>> {
    let prompt = tokenizer.encode("\n")?;
    let rng = ChaCha8Rng::seed_from_u64(1);
    let ids = Generator::new(model, &prompt, sampler, rng)?;
    let ids: Vec<u16> = ids.take(length).collect::<Result<_, _>>()?;
    Ok(tokenizer.decode(&ids)?)
}

/// Text at four temperatures.
fn writing(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[writing]");
    for temperature in [0.5, 0.8, 1.0, 1.5] {
        let sampler = Sampler::new(temperature, None)?;
        let text = write(model, tokenizer, sampler, 130)?;
        println!("temperature {temperature}:");
        for line in text.lines() {
            let line: Vec<char> = line.chars().collect();
            for part in line.chunks(72) {
                println!("  {}", part.iter().collect::<String>());
            }
        }
    }
    Ok(())
}

/// The logits after every character of a line, and 32 characters generated
/// after a line break: with a cache and without.
fn cached(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[cached]");
    let ids = tokenizer.encode("Shall I compare thee to a summer")?;
    let mut cache = KvCache::new(model);
    let mut same = true;
    for n in 0..ids.len() {
        let with = cache.extend(&ids[n..=n]);
        let (without, _) = model.forward(&ids[..=n], n + 1);
        let mut pairs = with.iter().zip(without.row(n));
        same &= pairs.all(|(a, b)| (a - b).abs() < 1e-12);
    }
    println!("logits differ by less than 1e-12: {same}");
    let with = write(model, tokenizer, Sampler::new(1.0, None)?, 32)?;
    let mut ids = tokenizer.encode("\n")?;
    generate(model, &mut ids, 32, &mut ChaCha8Rng::seed_from_u64(1));
    let without = tokenizer.decode(&ids[1..])?;
    println!("with a cache     {with:?}");
    println!("without a cache  {without:?}");
    Ok(())
}

/// The same characters, read at two places: what the model expects next.
fn moved(model: &Gpt, tokenizer: &CharTokenizer) -> Result<(), Box<dyn Error>> {
    println!("[moved]");
    let sampler = Sampler::new(1.0, None)?;
    let text = tokenizer.encode("compare thee to a summ")?;
    let anew = KvCache::new(model).extend(&text);
    // The first half has the positions from before, four further on
    let mut late = model.clone();
    let rows = late.embeddings.position.rows_mut();
    for (n, mut row) in rows.into_iter().enumerate().take(11) {
        row.assign(&model.embeddings.position.row(n + 4));
    }
    let stale = KvCache::new(&late).extend(&text);
    for (name, logits) in [("read anew", anew), ("kept", stale)] {
        print!("{name:10}");
        for (id, p) in sampler.distribution(&logits).iter().take(5) {
            print!("  {} {p:.3}", tokenizer.decode(&[*id])?);
        }
        println!();
    }
    Ok(())
}

/// Rows that go through the model for each character, when a thousand are
/// generated with a window of 64.
fn work() {
    println!("[work]");
    let (length, window) = (1000, 64);
    let no_cache: usize = (1..=length).map(|n: usize| n.min(window)).sum();
    let by_one = window + (length - window) * window;
    let (mut by_half, mut held) = (0, 0);
    for _ in 0..length {
        if held == window {
            by_half += window / 2 - 1; // the newer half, once more
            held = window / 2 - 1;
        }
        by_half += 1;
        held += 1;
    }
    println!("                          rows a character");
    for (name, rows) in [
        ("no cache", no_cache),
        ("a cache, moved on by one", by_one),
        ("a cache, moved on by half", by_half),
    ] {
        println!("{name:<25}{:17.1}", rows as f64 / length as f64);
    }
}

/// One character, all the way round.
fn round(model: &Gpt, tokenizer: &CharTokenizer) -> Result<(), Box<dyn Error>> {
    println!("[round]");
    let text = "Shall I compare";
    let ids = tokenizer.encode(text)?;
    println!("text     {text:?}");
    println!("ids      {ids:?}");
    let (mut x, _) = model.embeddings.forward(&ids, ids.len());
    println!("vectors  {:?}", x.dim());
    for block in &model.blocks {
        x = block.forward(x, ids.len()).0;
    }
    println!("blocks   {:?}", x.dim());
    let (logits, _) = model.forward(&ids, ids.len());
    let last = logits.row(ids.len() - 1).to_vec();
    println!("logits   {}, of the last row", last.len());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let id = Sampler::new(0.8, None)?.sample(&last, &mut rng);
    println!("id       {id}");
    println!("text     {:?}", tokenizer.decode(&[id])?);
    Ok(())
}
