//! Chapter 2. Text to integers and back.

use std::error::Error;

use byte_pairs::BytePairs;
use double::tokenization::*;
use first_model::SONNETS;

/// With a text behind the command, only that text, there and back.
fn main() -> Result<(), Box<dyn Error>> {
    let tokenizer = CharTokenizer::new(SONNETS)?;
    if let Some(text) = std::env::args().nth(1) {
        there_and_back(&tokenizer, &text);
        return Ok(());
    }
    there_and_back(&tokenizer, "Shall I compare thee");
    by_hand()?;
    vocabulary(&tokenizer);
    frequencies(&tokenizer)?;
    unknown(&tokenizer);
    other_vocabulary(&tokenizer)?;
    what_is_a_character()?;
    line_ends()?;
    three_merges()?;
    inputs_and_targets(&tokenizer)?;
    experiments::all()
}

mod byte_pairs;
mod experiments;
#[path = "../first_model.rs"]
mod first_model;

/// Five characters, no two of them alike.
fn by_hand() -> Result<(), TokenizerError> {
    println!("[by hand]");
    let tokenizer = CharTokenizer::new("to be")?;
    println!("vocabulary {:?}", tokenizer.vocabulary());
    println!("\"to be\" is {:?}", tokenizer.encode("to be")?);
    println!("\"beet\"  is {:?}", tokenizer.encode("beet")?);
    println!("[1, 2, 2, 0, 3, 4, 2] is {:?}", {
        tokenizer.decode(&[1, 2, 2, 0, 3, 4, 2])?
    });
    Ok(())
}

fn vocabulary(tokenizer: &CharTokenizer) {
    println!("[vocabulary]");
    println!("{} characters, in order:", tokenizer.vocab_size());
    let vocabulary: String = tokenizer.vocabulary().iter().collect();
    println!("{vocabulary:?}");
}

/// A text, character by character, and back.
fn there_and_back(tokenizer: &CharTokenizer, text: &str) {
    println!("[there and back]");
    let back = |ids: Vec<u16>| Ok((tokenizer.decode(&ids)?, ids));
    match tokenizer.encode(text).and_then(back) {
        Ok((back, ids)) => println!("{text:?}\n{ids:?}\n{back:?}"),
        Err(error) => println!("{error}"),
    }
}

/// What the sonnets never wrote.
fn unknown(tokenizer: &CharTokenizer) {
    println!("[unknown]");
    for text in ["Sonnet 18", "naïve café"] {
        match tokenizer.encode(text) {
            Ok(ids) => println!("{text:?} is {ids:?}"),
            Err(error) => println!("{text:?}:\n  {error}"),
        }
    }
    match tokenizer.decode(&[12, 34, 59]) {
        Ok(text) => println!("{text:?}"),
        Err(error) => println!("[12, 34, 59]:\n  {error}"),
    }
}

// ANCHOR: other_vocabulary
/// Ids read with a vocabulary that they were not written with.
fn other_vocabulary(sonnets: &CharTokenizer) -> Result<(), TokenizerError> {
    println!("[other vocabulary]");
    let with_q = CharTokenizer::new(&format!("{SONNETS}Q"))?;
    for (writer, reader, text) in [
        (sonnets, &with_q, "Shall I compare thee"),
        (&with_q, sonnets, "Shall I compare thee"),
        (&with_q, sonnets, "dizzy"),
    ] {
        let ids = writer.encode(text)?;
        let sizes = [writer.vocab_size(), reader.vocab_size()];
        println!("{text:?}, from {} to {}:", sizes[0], sizes[1]);
        match reader.decode(&ids) {
            Ok(read) => println!("  {read:?}"),
            Err(error) => println!("  {error}"),
        }
    }
    Ok(())
}
// ANCHOR_END: other_vocabulary

/// One letter to the eye; so many characters, so many bytes.
fn what_is_a_character() -> Result<(), TokenizerError> {
    println!("[characters]");
    println!("bytes  characters  vocabulary     seen");
    for text in ["e", "é", "e\u{301}", "नि", "🦀"] {
        let tokenizer = CharTokenizer::new(text)?;
        let points: Vec<String> = tokenizer
            .vocabulary()
            .iter()
            .map(|&c| format!("U+{:04X}", u32::from(c)))
            .collect();
        let (bytes, characters) = (text.len(), text.chars().count());
        let points = points.join(" ");
        println!("{bytes:5}  {characters:10}  {points:13}  {text}");
    }
    Ok(())
}

/// The same two lines from two editors.
fn line_ends() -> Result<(), TokenizerError> {
    println!("[line ends]");
    let text = "to be\nor not\n";
    let other = text.replace('\n', "\r\n");
    let tokenizer = CharTokenizer::new(text)?;
    for text in [text, &other] {
        let own = CharTokenizer::new(text)?;
        println!("{text:?}");
        println!("  {} tokens of {}", text.len(), own.vocab_size());
        if let Err(error) = tokenizer.encode(text) {
            println!("  {error}");
        }
    }
    Ok(())
}

/// Which characters the sonnets are made of.
fn frequencies(tokenizer: &CharTokenizer) -> Result<(), TokenizerError> {
    println!("[frequencies]");
    let ids = tokenizer.encode(SONNETS)?;
    let mut counts = vec![0; tokenizer.vocab_size()];
    ids.iter().for_each(|&id| counts[usize::from(id)] += 1);
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&id| std::cmp::Reverse(counts[id]));
    let share = |id: usize| 100.0 * counts[id] as f64 / ids.len() as f64;
    for &id in order.iter().take(5).chain(order.iter().rev().take(3).rev()) {
        let c = tokenizer.vocabulary()[id];
        println!("{c:?} {:>6} times {:5.2} %", counts[id], share(id));
    }
    Ok(())
}

/// Byte-pair encoding, one merge at a time.
fn three_merges() -> Result<(), TokenizerError> {
    println!("[three merges]");
    let line = "Oaths of thy love, thy truth, thy constancy;";
    for merges in 0..=3 {
        let pairs = BytePairs::learn(line, merges)?;
        if let Some(&(pair, count)) = pairs.merges.last() {
            let [a, b] = pair.map(|id| pairs.piece(id));
            println!("{a:?} and {b:?}, {count} times:");
        }
        let ids = pairs.encode(line)?;
        let (tokens, vocabulary) = (ids.len(), pairs.vocab_size());
        println!("  {}", pairs.bracketed(&ids));
        println!("  {tokens} tokens, {vocabulary} in the vocabulary");
    }
    Ok(())
}

// ANCHOR: inputs_and_targets
/// What the model reads, and what it has to predict.
fn inputs_and_targets(sonnets: &CharTokenizer) -> Result<(), TokenizerError> {
    println!("[inputs and targets]");
    let ids = sonnets.encode("Shall I compare thee")?;
    let t = 5;
    let (inputs, targets) = (&ids[..t], &ids[1..t + 1]);
    println!("inputs   {inputs:?}\ntargets  {targets:?}");
    Ok(())
}
// ANCHOR_END: inputs_and_targets
