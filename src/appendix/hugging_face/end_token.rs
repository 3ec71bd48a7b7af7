//! A token more than there are characters: it ends a text or fills it up, and
//! no model generates it.

use half::f16;
use ndarray::Axis;
use serde_json::{Value, json};

use crate::gpt::{Gpt, GptConfig};
use crate::tokenization::CharTokenizer;
use crate::transformer_block::LayerNorm;
use crate::{Float, Vector};

/// What it is called in GPT-2's own vocabulary.
pub(super) const END: &str = "<|endoftext|>";

/// How `tokenizer.json` lists it.
pub(super) fn added_token(id: u16) -> Value {
    json!({
        "id": id, "content": END, "special": true, "normalized": false,
        "single_word": false, "lstrip": false, "rstrip": false,
    })
}

/// How far its logit is below any other, in nats: `e⁻³⁰` is 1e-13.
const MARGIN: Float = 30.0;

/// The model with the end token's row behind those of the characters, or `None`
/// if it can have none.
pub(super) fn with_end(model: &Gpt, epsilon: Float) -> Option<Gpt> {
    let GptConfig { vocab_size, .. } = model.config();
    if vocab_size == CharTokenizer::MAX_VOCAB_SIZE {
        return None;
    }
    let row = end_row(model, epsilon)?;
    let mut model = model.clone();
    let pushed = model.embeddings.token.push(Axis(0), row.view());
    // Both have the width of the model: γ, β and the rows of the table
    pushed.expect("a row of the table's width");
    Some(model)
}

// ANCHOR: end_row
/// A row whose logit is the same after every text, and `MARGIN` below the
/// lowest that a character can have: `w = c/γ`, so that `w·y = c·Σβ/γ`.
///
/// `None` if `Σβ/γ` is so near zero that in numbers rounded to one part in
/// `1/epsilon` the logit would stray by more than a quarter of the margin.
fn end_row(model: &Gpt, epsilon: Float) -> Option<Vector> {
    let LayerNorm { weight, bias } = &model.norm;
    let shift = bias / weight; // [C]
    let c = (lowest_logit(model) - MARGIN) / shift.sum();
    let row = c / weight; // [C]
    // Its logit is a sum of c·(x̂ + β/γ), and each term is rounded
    let squares = shift.len() as Float + shift.dot(&shift);
    let stray = epsilon * c.abs() * squares.sqrt();
    let finite = row.iter().all(|w| w.abs() < f16::MAX.to_f32());
    (finite && stray < MARGIN / 4.0).then_some(row)
}
// ANCHOR_END: end_row

/// No text gives a character a logit below this. With `v = γ·w`, centered, and
/// `‖x̂‖ ≤ √C`, it is `w·y = v·x̂ + w·β ≥ w·β − √C·‖v‖`.
fn lowest_logit(model: &Gpt) -> Float {
    let LayerNorm { weight, bias } = &model.norm;
    let c = weight.len() as Float;
    let rows = model.embeddings.token.rows().into_iter();
    let lowest = rows.map(|row| {
        let v = &row * weight; // [C]
        let v = &v - v.sum() / c; // x̂ sums to zero
        row.dot(bias) - (c * v.dot(&v)).sqrt()
    });
    lowest.fold(Float::INFINITY, Float::min)
}
