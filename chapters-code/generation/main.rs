//! Chapter 7. From scores to text.

use std::{collections::BTreeSet, error::Error, ops::ControlFlow};

use double::{
    Float, generation::*, gpt::*, orientation::*, tokenization::*, training::*,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn main() -> Result<(), Box<dyn Error>> {
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let model = trained(&tokenizer)?;
    by_hand()?;
    choices(&model, &tokenizer)?;
    order()?;
    ties()?;
    tail(&model, &tokenizer)?;
    slip(&model, &tokenizer)?;
    one_by_one(&model, &tokenizer)?;
    greedy(&model, &tokenizer)?;
    surprise(&model, &tokenizer)?;
    writing(&model, &tokenizer)?;
    boldness(&model, &tokenizer)?;
    cached(&model, &tokenizer)?;
    moved(&model, &tokenizer)?;
    work();
    by_position(&model, &tokenizer)?;
    round(&model, &tokenizer)
}

const SONNETS: &str = include_str!("../data/sonnets.txt");

/// The model of chapter 1.
fn trained(tokenizer: &CharTokenizer) -> Result<Gpt, Box<dyn Error>> {
    let ids = tokenizer.encode(SONNETS)?;
    let (n_head, n_embd, block_size) = (2, 32, 32);
    let vocab_size = tokenizer.vocab_size();
    let sizes =
        GptConfig { n_layer: 2, n_head, n_embd, block_size, vocab_size };
    let model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;
    let config = TrainConfig {
        batch_size: 8,
        schedule: LrSchedule::new(3e-3, 2000),
        average: 0.0,
        eval_interval: 2000,
        seed: 4,
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(model, config)?;
    let (train, validation) = split(&ids);
    trainer.run(train, &validation[..65], |_, _| ControlFlow::Continue(()))?;
    Ok(trainer.model)
}

// ANCHOR: by_hand
/// Three scores at three temperatures.
fn by_hand() -> Result<(), Box<dyn Error>> {
    println!("[by hand]");
    let scores = [1.0, 2.0, 5.0].map(Float::ln);
    for temperature in [2.0, 1.0, 0.5] {
        let sampler = Sampler::new(temperature, None)?;
        let mut shares = sampler.distribution(&scores);
        shares.sort_by_key(|&(id, _)| id);
        let shares: Vec<Float> = shares.iter().map(|&(_, p)| p).collect();
        println!("temperature {temperature:<3}  {shares:.4?}");
    }
    println!("and the best two alone:");
    let best = Sampler::new(1.0, Some(2))?.distribution(&scores);
    println!("top-k 2          {best:.4?}");
    Ok(())
}
// ANCHOR_END: by_hand

// ANCHOR: choices
/// The same scores under several samplers.
fn choices(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[choices]");
    let prompt = tokenizer.encode("Shall I compare th")?;
    let scores = KvCache::new(model).extend(&prompt);
    for (temperature, top_k) in
        [(1.0, None), (0.5, None), (2.0, None), (1.0, Some(3)), (0.0, None)]
    {
        let name = match top_k {
            Some(k) => format!("{temperature}, top-k {k}"),
            None => format!("{temperature}"),
        };
        print!("{name:<10}");
        let sampler = Sampler::new(temperature, top_k)?;
        for (id, p) in sampler.distribution(&scores).iter().take(6) {
            print!("  {} {p:.3}", tokenizer.decode(&[*id])?);
        }
        println!();
    }
    Ok(())
}
// ANCHOR_END: choices

/// Temperature and top-k, one after the other, in both orders.
fn order() -> Result<(), Box<dyn Error>> {
    println!("[order]");
    let scores = [1.0, 2.0, 5.0].map(Float::ln);
    let heat = Sampler::new(0.5, None)?;
    let cut = Sampler::new(1.0, Some(2))?;
    for (name, first, second) in
        [("heat, then cut", heat, cut), ("cut, then heat", cut, heat)]
    {
        let between = first.distribution(&scores);
        let shares: Vec<Float> = between.iter().map(|&(_, p)| p.ln()).collect();
        let result = second.distribution(&shares);
        let result: Vec<Float> = result.iter().map(|&(_, p)| p).collect();
        println!("{name}  {result:.4?}");
    }
    Ok(())
}

/// Four tokens, of which three have the same score.
fn ties() -> Result<(), Box<dyn Error>> {
    println!("[ties]");
    let scores = [1.0, 3.0, 3.0, 3.0];
    for top_k in [1, 2, 3] {
        let kept = Sampler::new(1.0, Some(top_k))?.distribution(&scores);
        let ids: Vec<u16> = kept.iter().map(|&(id, _)| id).collect();
        println!("top-k {top_k} keeps {ids:?}");
    }
    println!(
        "temperature 0 takes {}",
        Sampler::new(0.0, None)?.distribution(&scores)[0].0
    );
    Ok(())
}

/// The scores at a place, and the character that came.
type Bet = (Vec<Float>, u16);

/// The scores after each character of the validation part, in windows one
/// behind the other, and the character that came.
fn bets(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<Vec<Bet>, Box<dyn Error>> {
    let ids = tokenizer.encode(SONNETS)?;
    let (_, validation) = split(&ids);
    let mut bets = Vec::new();
    for window in validation.windows(33).step_by(32) {
        let (logits, _) = model.forward(&window[..32], 32);
        let scores = logits.rows().into_iter().map(|row| row.to_vec());
        bets.extend(scores.zip(window[1..].iter().copied()));
    }
    Ok(bets)
}

// ANCHOR: tail
/// What lies outside of the `k` best, on average over the validation part: of
/// the bets, and of the characters that came. And how often a hundred draws in
/// a row stay inside.
fn tail(model: &Gpt, tokenizer: &CharTokenizer) -> Result<(), Box<dyn Error>> {
    println!("[tail]");
    println!("temperature    k  bets outside  came outside  100 inside");
    let bets = bets(model, tokenizer)?;
    for (temperature, k) in [(1.0, 3), (1.0, 10), (1.0, 20), (0.8, 10)] {
        let sampler = Sampler::new(temperature, None)?;
        let (mut bet, mut came, mut inside): (Float, Float, Float) =
            (0.0, 0.0, 0.0);
        for (scores, id) in &bets {
            let order = sampler.distribution(scores);
            let kept: Float = order[..k].iter().map(|&(_, p)| p).sum();
            bet += 1.0 - kept;
            inside += kept.ln();
            came +=
                Float::from(order[k..].iter().any(|(other, _)| other == id));
        }
        let n = bets.len() as Float;
        let inside = (100.0 * inside / n).exp();
        println!(
            "{temperature:<11}{k:5}{:12.1} %{:12.1} %{:10.1} %",
            100.0 * bet / n,
            100.0 * came / n,
            100.0 * inside,
        );
    }
    Ok(())
}
// ANCHOR_END: tail

/// The loss at the characters behind a wrong one: the sixteenth of each window
/// is replaced by what the dice say, if they say one outside of the ten best.
fn slip(model: &Gpt, tokenizer: &CharTokenizer) -> Result<(), Box<dyn Error>> {
    println!("[slip]");
    println!("characters behind it  verse  with a slip");
    let ids = tokenizer.encode(SONNETS)?;
    let (_, validation) = split(&ids);
    let sampler = Sampler::new(1.0, None)?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut losses = [[0.0; 5]; 2];
    let mut slips = 0.0;
    for window in validation.windows(22).step_by(2) {
        let (logits, _) = model.forward(&window[..15], 15);
        let scores = logits.row(14).to_vec();
        let id = sampler.sample(&scores, &mut rng);
        let best = &sampler.distribution(&scores)[..10];
        if best.iter().any(|&(other, _)| other == id) {
            continue;
        }
        slips += 1.0;
        let mut slipped = window.to_vec();
        slipped[15] = id;
        for (text, losses) in [window, &slipped].iter().zip(&mut losses) {
            let (mut logits, _) = model.forward(&text[..20], 20);
            for (n, loss) in losses.iter_mut().enumerate() {
                let mut row = logits.row_mut(15 + n);
                let score = row[usize::from(window[16 + n])];
                *loss += softmax(flat_mut(&mut row)) - score;
            }
        }
    }
    for (n, (verse, slipped)) in losses[0].iter().zip(losses[1]).enumerate() {
        let (verse, slipped) = (verse / slips, slipped / slips);
        println!("{:>20}{verse:7.2}{slipped:13.2}", n + 1);
    }
    Ok(())
}

// ANCHOR: one_by_one
/// Six characters, and what stood to choose from.
fn one_by_one(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[one by one]");
    let sampler = Sampler::new(0.8, None)?;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut ids = tokenizer.encode("Shall I ")?;
    for _ in 0..6 {
        let (logits, _) = model.forward(&ids, ids.len());
        let last = logits.row(ids.len() - 1).to_vec();
        print!("{:14}", format!("{:?}", tokenizer.decode(&ids)?));
        for (id, p) in sampler.distribution(&last).iter().take(4) {
            print!("  {} {p:.2}", tokenizer.decode(&[*id])?);
        }
        let id = sampler.sample(&last, &mut rng);
        println!("  →  {:?}", tokenizer.decode(&[id])?);
        ids.push(id);
    }
    Ok(())
}
// ANCHOR_END: one_by_one

// ANCHOR: greedy
/// What the model writes if it always takes the likeliest, and how surprised it
/// is by that, in nats per character; and by verse that a poet wrote.
fn greedy(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[greedy]");
    let mut cache = KvCache::new(model);
    let follow = Sampler::new(1.0, None)?;
    let mut window = tokenizer.encode("\n")?;
    let (mut text, mut surprise) = (String::new(), 0.0);
    for i in 1..=180 {
        if window.len() > 32 {
            window.drain(..17);
            cache.clear();
        }
        let logits = cache.extend(&window[cache.len()..]);
        let (id, p) = follow.distribution(&logits)[0];
        window.push(id);
        text += &tokenizer.decode(&[id])?;
        surprise -= p.ln() / 60.0;
        if i % 60 == 0 {
            println!("{text:?}  {surprise:.2}");
            (text, surprise) = (String::new(), 0.0);
        }
    }
    let ids = tokenizer.encode(SONNETS)?;
    let (_, validation) = split(&ids);
    let verse = evaluate(model, &validation[..2049])?;
    println!("verse of the validation part: {verse:.2}");
    Ok(())
}
// ANCHOR_END: greedy

// ANCHOR: surprise
/// How surprised the model is by what it writes, in nats per character.
fn surprise(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[surprise]");
    for temperature in [0.0, 0.5, 0.8, 1.0, 1.5] {
        let sampler = Sampler::new(temperature, None)?;
        let text = write(model, tokenizer, sampler, 9000)?;
        let loss = evaluate(model, &tokenizer.encode(&text)?)?;
        println!("written at temperature {temperature:<3}  {loss:.2}");
    }
    let ids = tokenizer.encode(SONNETS)?;
    let (train, validation) = split(&ids);
    println!("verse it has not read       {:.2}", evaluate(model, validation)?);
    println!("verse it has read           {:.2}", evaluate(model, train)?);
    Ok(())
}
// ANCHOR_END: surprise

// ANCHOR: write
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
// ANCHOR_END: write

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

// ANCHOR: boldness
/// How much of what is written are words of the sonnets, and how many of its
/// words are different ones.
fn boldness(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[boldness]");
    println!("temperature  known words  different ones");
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphabetic());
        words.filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
    };
    let known: BTreeSet<String> = words(SONNETS).into_iter().collect();
    for temperature in [0.0, 0.2, 0.5, 0.8, 1.0, 1.5, 2.0] {
        let sampler = Sampler::new(temperature, None)?;
        let text = words(&write(model, tokenizer, sampler, 3000)?);
        let real = text.iter().filter(|word| known.contains(*word)).count();
        let different: BTreeSet<&String> = text.iter().collect();
        let share = |n: usize| 100.0 * n as f64 / text.len() as f64;
        println!(
            "{temperature:<11}{:>11.0} %{:>14.0} %",
            share(real),
            share(different.len())
        );
    }
    Ok(())
}
// ANCHOR_END: boldness

// ANCHOR: cached
/// The scores after every character of a line, with a cache and without.
fn cached(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[cached]");
    let ids = tokenizer.encode("Shall I compare thee to a summer")?;
    let mut cache = KvCache::new(model);
    let mut same = true;
    for n in 1..=ids.len() {
        let scores = cache.extend(&ids[n - 1..n]);
        let (logits, _) = model.forward(&ids[..n], n);
        let mut pairs = scores.iter().zip(logits.row(n - 1));
        same &= pairs.all(|(a, b)| (a - b).abs() < 1e-12);
    }
    println!("{} characters, below 1e-12: {same}", ids.len());
    Ok(())
}
// ANCHOR_END: cached

// ANCHOR: moved
/// The same characters, read at two places: what the model expects next.
fn moved(model: &Gpt, tokenizer: &CharTokenizer) -> Result<(), Box<dyn Error>> {
    println!("[moved]");
    let sampler = Sampler::new(1.0, None)?;
    let whole = tokenizer.encode("compare thee to a summ")?;
    let scores = KvCache::new(model).extend(&whole);
    // The first half is read at its old places, four further on
    let mut late = model.clone();
    let positions = &model.embeddings.position;
    for (n, mut row) in
        late.embeddings.position.rows_mut().into_iter().enumerate()
    {
        if n < 11 {
            row.assign(&positions.row(n + 4));
        }
    }
    let stale = KvCache::new(&late).extend(&whole);
    for (name, scores) in [("read anew", scores), ("kept", stale)] {
        print!("{name:10}");
        for (id, p) in sampler.distribution(&scores).iter().take(5) {
            print!("  {} {p:.3}", tokenizer.decode(&[*id])?);
        }
        println!();
    }
    Ok(())
}
// ANCHOR_END: moved

// ANCHOR: work
/// Positions that go through the model for each character written, when a
/// thousand are, with a window of 64.
fn work() {
    println!("[work]");
    let (length, window) = (1000, 64);
    let anew: usize = (1..=length).map(|n: usize| n.min(window)).sum();
    let by_one = window + (length - window) * window;
    let mut by_half = 0;
    let mut held = 0;
    for _ in 0..length {
        if held == window {
            by_half += window / 2 - 1; // the newer half, once more
            held = window / 2 - 1;
        }
        by_half += 1;
        held += 1;
    }
    for (name, positions) in [
        ("no cache", anew),
        ("a cache, moving by one", by_one),
        ("a cache, moving by half", by_half),
    ] {
        println!("{name:<24}{:6.1}", positions as f64 / length as f64);
    }
}
// ANCHOR_END: work

// ANCHOR: by_position
/// The mean loss at places of the window, over the whole validation part.
fn by_position(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[by position]");
    let ids = tokenizer.encode(SONNETS)?;
    let (_, validation) = split(&ids);
    let mut losses = [0.0; 32];
    let mut windows = 0.0;
    // Windows that overlap by half, so that there are more of them
    for start in (0..validation.len() - 33).step_by(16) {
        let text = &validation[start..start + 33];
        let (mut logits, _) = model.forward(&text[..32], 32);
        for (n, loss) in losses.iter_mut().enumerate() {
            let mut row = logits.row_mut(n);
            let score = row[usize::from(text[n + 1])];
            *loss += softmax(flat_mut(&mut row)) - score;
        }
        windows += 1.0;
    }
    println!("characters of context   loss");
    for (from, to) in
        [(1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 24), (25, 32)]
    {
        let group = &losses[from - 1..to];
        let mean = group.iter().sum::<Float>() / group.len() as Float / windows;
        println!("{:>21}{mean:7.2}", format!("{from} to {to}"));
    }
    Ok(())
}
// ANCHOR_END: by_position

// ANCHOR: round
/// One character, all the way round.
fn round(model: &Gpt, tokenizer: &CharTokenizer) -> Result<(), Box<dyn Error>> {
    println!("[round]");
    let text = "Shall I compare";
    let ids = tokenizer.encode(text)?;
    println!("text      {text:?}");
    println!("ids       {ids:?}");
    let (mut x, _) = model.embeddings.forward(&ids, ids.len());
    println!("vectors   {:?}", x.dim());
    for block in &model.blocks {
        x = block.forward(x, ids.len()).0;
    }
    println!("blocks    {:?}", x.dim());
    let (logits, _) = model.forward(&ids, ids.len());
    let scores = logits.row(ids.len() - 1).to_vec();
    println!("scores    {}, of the last row", scores.len());
    let sampler = Sampler::new(0.8, None)?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let id = sampler.sample(&scores, &mut rng);
    println!("id        {id}");
    println!("text      {:?}", tokenizer.decode(&[id])?);
    let ids = Generator::new(model, &ids, sampler, rng)?;
    let ids: Vec<u16> = ids.take(1000).collect::<Result<_, _>>()?;
    let same = tokenizer.encode(&tokenizer.decode(&ids)?)? == ids;
    println!("a thousand more, decoded and encoded, are the same ids: {same}");
    Ok(())
}
// ANCHOR_END: round
