use crate::tokenization::{Answers, Bytes, Units};

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    vocabulary: "", // of "banana bread", in order
    bread: [0; 5],  // the ids of "bread"
    tokens: [0, 0], // of "naïve café": characters, bytes
};
// ANCHOR_END: predict

// ANCHOR: build
/// The bytes of a text, as ids.
fn encode(text: &str) -> Vec<u16> {
    todo!("text.bytes()")
}

/// The text again, or the index of the first bad id: above 255, or the start
/// of an invalid UTF-8 sequence.
fn decode(ids: &[u16]) -> Result<String, usize> {
    todo!("the bytes before any id above 255; String::from_utf8")
}

pub const BYTES: Bytes = (encode, decode);
// ANCHOR_END: build

// ANCHOR: explore
/// Bits per byte, from a loss in nats per token.
fn bits_per_byte(loss: f64, tokens: usize, bytes: usize) -> f64 {
    todo!("the formula of the chapter")
}

/// And the loss per byte as a fraction of the loss per character, if every
/// character takes three bytes.
pub const UNITS: Units = (bits_per_byte, f64::NAN);
// ANCHOR_END: explore
