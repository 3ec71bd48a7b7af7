mod exercises;
mod solutions;

use crate::{assert_close, assert_predicted, close, exercise};
use double::tokenization::CharTokenizer;

/// The answers asked for.
pub struct Answers {
    /// The vocabulary of `banana bread`, in order.
    pub vocabulary: &'static str,
    /// The ids of `bread`.
    pub bread: [u16; 5],
    /// Tokens of `naïve café` (with composed accents): characters, bytes.
    pub tokens: [usize; 2],
}

fn predict(answers: Answers) {
    let tokenizer = CharTokenizer::new("banana bread").unwrap();
    let vocabulary: String = tokenizer.vocabulary().iter().collect();
    assert_predicted(
        answers.vocabulary == vocabulary,
        "every distinct character once, in Unicode's order",
    );
    assert_predicted(
        tokenizer.encode("bread").as_deref() == Ok(&answers.bread),
        "an id is a place in the vocabulary, counted from zero",
    );
    let text = "naïve café";
    assert_predicted(
        answers.tokens == [text.chars().count(), text.len()],
        "UTF-8 writes a character that is not ASCII in two bytes or more",
    );
}
exercise!(tokenization_predict, super::predict, ANSWERS);

/// `encode`, and `decode`, which returns the index of the first byte at which
/// the ids stop being a text (or being bytes).
pub type Bytes = (fn(&str) -> Vec<u16>, fn(&[u16]) -> Result<String, usize>);

fn build((encode, decode): Bytes) {
    for text in ["", "To be", "naïve café", "नि", "🦀🦀", "\0\u{10ffff}"]
    {
        let ids = encode(text);
        assert_eq!(ids.len(), text.len(), "one id for each byte of {text:?}");
        assert!(ids.iter().all(|&id| id < 256), "{text:?}: {ids:?}");
        assert_eq!(decode(&ids), Ok(text.to_string()));
    }
    assert_eq!(encode("é"), [195, 169]);
    let bad: [(&[u16], usize, &str); 6] = [
        (&[72, 105, 195], 2, "half a character"),
        (&[72, 226, 130, 33], 1, "most of a character"),
        (&[255, 72], 0, "no byte of any text"),
        (&[72, 256], 1, "no byte at all"),
        (&[255, 300], 0, "of two bad ids, the first"),
        (&[72, 195, 300], 1, "half a character, then no byte"),
    ];
    for (ids, first, what) in bad {
        assert_eq!(decode(ids), Err(first), "{ids:?}: {what}");
    }
}
exercise!(tokenization_build, super::build, BYTES);

/// Bits per byte from a loss in nats per token, and the number of tokens and
/// bytes; and the answers about Hindi.
pub type Units = (fn(f64, usize, usize) -> f64, f64);

fn explore((bits_per_byte, hindi): Units) {
    let bits = bits_per_byte(std::f64::consts::LN_2, 100, 100);
    assert_close(bits, 1.0, 1e-12, "bits per byte at ln 2 nats per byte");
    let characters = bits_per_byte(1.7, 1000, 1000);
    let pieces = bits_per_byte(3.4, 250, 1000);
    let what = "bits per byte, the first model's over the second's";
    assert_close(characters / pieces, 2.0, 1e-12, what);
    assert_eq!("नि".len() / "नि".chars().count(), 3);
    let (tokens, bytes) = (1000, 3000);
    let per_character = bits_per_byte(1.7, tokens, tokens);
    let per_byte = bits_per_byte(1.7, tokens, bytes);
    assert_predicted(
        close(hindi, per_byte / per_character, 1e-2),
        "the same surprise, over how many times as many bytes?",
    );
}
exercise!(tokenization_explore, super::explore, UNITS);
