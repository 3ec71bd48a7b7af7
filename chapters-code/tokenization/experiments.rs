//! What the chapter claims about the whole model, tried out on it.

use std::error::Error;

use double::orientation::CountModel;
use double::tokenization::CharTokenizer;
use double::training::split;
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

use crate::byte_pairs::BytePairs;
use crate::first_model::{SONNETS, train, untrained};

/// All of them, in the order of the page.
pub fn all() -> Result<(), Box<dyn Error>> {
    loss_of_line_ends();
    renamed_ids()?;
    subwords()?;
    bits_per_byte()
}

// ANCHOR: renamed_ids
/// Gives every id another's name, and the row of the table with it.
fn renamed_ids() -> Result<(), Box<dyn Error>> {
    println!("[renamed ids]");
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(SONNETS)?;
    let model = untrained(2)?; // two blocks

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
    // 200 steps, with a loss after each hundred
    let (_, losses) = train(model, &ids, 200, 100)?;
    let (_, renamed) = train(other, &renamed, 200, 100)?;
    println!("losses     {losses:.6?}\nrenamed    {renamed:.6?}");
    Ok(())
}
// ANCHOR_END: renamed_ids

/// The surprise of a model of runs of `n` at all of a text, in nats; the first
/// characters are judged by what little is before them.
fn surprise(model: &CountModel, n: usize, text: &[char]) -> f64 {
    let runs = (1..=text.len()).map(|end| &text[end.saturating_sub(n)..end]);
    runs.map(|run| -model.probability(run).ln()).sum()
}

/// What a second character at the end of each line does to a loss.
fn loss_of_line_ends() {
    println!("[loss of line ends]");
    println!("line end  characters  nats each  nats in all");
    let other = SONNETS.replace('\n', "\r\n");
    for (name, text) in [("\\n", SONNETS), ("\\r\\n", &other)] {
        let text: Vec<char> = text.chars().collect();
        let (train, validation) = split(&text);
        let sum = surprise(&CountModel::new(train, &text, 4), 4, validation);
        let characters = validation.len();
        let mean = sum / characters as f64;
        println!("{name:8}  {characters:10}  {mean:9.4}  {sum:11.0}");
    }
}

/// The two parts of the sonnets, as texts.
fn parts() -> [String; 2] {
    let text: Vec<char> = SONNETS.chars().collect();
    let (train, validation) = split(&text);
    [train, validation].map(|part| part.iter().collect())
}

/// What a tokenizer of subwords makes of words, and of one that it never saw.
fn subwords() -> Result<(), Box<dyn Error>> {
    println!("[subwords]");
    let [train, _] = parts();
    let pairs = BytePairs::learn(&train, 1000)?;
    for text in ["Shall I compare thee", "strawberry"] {
        let ids = pairs.encode(text)?;
        println!("{text:?}\n  {}\n  {ids:?}", pairs.bracketed(&ids));
    }
    let (one, two) = (pairs.encode("th")?, pairs.characters.encode("th")?);
    let [a, b] = [&one, &two].map(|ids| pairs.decode(ids));
    println!("{one:?} is {a:?}, and {two:?} is {b:?}");
    Ok(())
}

/// Losses of models that count, on characters and on subwords.
fn bits_per_byte() -> Result<(), Box<dyn Error>> {
    println!("[bits per byte]");
    println!("merges  bytes per token  n  nats per token  bits per byte");
    let parts = parts();
    let bytes = parts[1].len() as f64;
    for merges in [0, 100, 1000] {
        let pairs = BytePairs::learn(&parts[0], merges)?;
        // A count model reads characters; any will do, one for each id
        let character = |id: usize| char::from_u32(0x4e00 + id as u32);
        let all: Vec<char> =
            (0..pairs.vocab_size()).filter_map(character).collect();
        let mut texts: Vec<Vec<char>> = Vec::new();
        for part in &parts {
            let ids = pairs.encode(part)?;
            texts.push(ids.iter().map(|&id| all[usize::from(id)]).collect());
        }
        let [train, validation]: [Vec<char>; 2] = texts.try_into().unwrap();
        let sums = (1..=6).map(|n| {
            let model = CountModel::new(&train, &all, n);
            (surprise(&model, n, &validation), n)
        });
        let best = sums.min_by(|a, b| a.0.total_cmp(&b.0));
        let (sum, n) = best.unwrap_or_default();
        let tokens = validation.len() as f64;
        println!(
            "{merges:6}  {:15.2}  {n}  {:14.3}  {:13.3}",
            bytes / tokens,
            sum / tokens,
            sum / bytes / std::f64::consts::LN_2,
        );
    }
    Ok(())
}
