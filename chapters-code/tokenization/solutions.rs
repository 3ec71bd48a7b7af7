use crate::tokenization::{Answers, Bytes, Units};

// ANCHOR: predict
/// Your predictions.
pub const ANSWERS: Answers = Answers {
    vocabulary: " abdenr", // the space comes first
    bread: [2, 6, 4, 1, 3],
    tokens: [10, 12], // ï and é take two bytes each
};
// ANCHOR_END: predict

// ANCHOR: build
/// The bytes of a text, as ids.
fn encode(text: &str) -> Vec<u16> {
    text.bytes().map(u16::from).collect()
}

/// The text again, or the index of the first bad id: above 255, or the start
/// of an invalid UTF-8 sequence, whichever comes first.
fn decode(ids: &[u16]) -> Result<String, usize> {
    let bytes = ids.iter().map_while(|&id| u8::try_from(id).ok());
    let text = String::from_utf8(bytes.collect())
        .map_err(|error| error.utf8_error().valid_up_to())?;
    if text.len() < ids.len() { Err(text.len()) } else { Ok(text) }
}

pub const BYTES: Bytes = (encode, decode);
// ANCHOR_END: build

// ANCHOR: explore
/// Bits per byte, from a loss in nats per token.
fn bits_per_byte(loss: f64, tokens: usize, bytes: usize) -> f64 {
    loss / std::f64::consts::LN_2 * tokens as f64 / bytes as f64
}

/// A third: the same surprise, spread over three times as many bytes.
pub const UNITS: Units = (bits_per_byte, 1.0 / 3.0);
// ANCHOR_END: explore
