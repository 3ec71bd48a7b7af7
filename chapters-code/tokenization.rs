//! Chapter 2. Text to integers and back.

#[allow(dead_code)]
#[path = "../src/tokenization.rs"]
mod tokenization;

use tokenization::{CharTokenizer, TokenizerError};

const SONNETS: &str = include_str!("data/sonnets.txt");

fn main() -> Result<(), TokenizerError> {
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let vocabulary: String = tokenizer.vocabulary().iter().collect();
    println!("{} characters: {vocabulary:?}", tokenizer.vocab_size());

    // A line of verse, character by character
    let line = "Shall I compare thee";
    let ids = tokenizer.encode(line)?;
    for (c, id) in line.chars().zip(&ids) {
        print!("{c}:{id} ");
    }
    println!("\nand back: {:?}", tokenizer.decode(&ids)?);

    // What the sonnets never wrote
    for text in ["Sonnet № 18", "naïve"] {
        match tokenizer.encode(text) {
            Ok(ids) => println!("{text:?} is {ids:?}"),
            Err(error) => println!("{text:?}: {error}"),
        }
    }

    // One letter to the eye, one or two characters, two or three bytes
    for text in ["e", "é", "e\u{301}", "नि"] {
        let tokenizer = CharTokenizer::new(text)?;
        println!(
            "{text}: {} bytes, {} characters, vocabulary {:?}",
            text.len(),
            text.chars().count(),
            tokenizer.vocabulary(),
        );
    }
    Ok(())
}
