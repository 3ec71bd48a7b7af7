//! The tokens of a folder: `tokenizer.json`, written and read.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::s;
use serde_json::{Map, Value, json};

use super::GENERATION;
use super::config::{CONFIG, read_config, read_json, wrong};
use super::end_token::{END, added_token};
use super::error::{At, Fault, Result, ensure};
use super::files::find;
use super::token_files::{check_added, check_files};
use crate::gpt::{Gpt, GptConfig};
use crate::tokenization::CharTokenizer;

pub(super) const TOKENIZER: &str = "tokenizer.json";

// ANCHOR: tokenizer_json
/// The characters as a vocabulary of words, each of one character. One that is
/// not in it is an error there, as it is here.
pub(super) fn tokenizer_json(
    tokenizer: &CharTokenizer,
    end: Option<u16>,
) -> Value {
    let ids = tokenizer.vocabulary().iter().zip(0..);
    let ids = ids.map(|(c, id)| (c.to_string(), Value::from(id)));
    let vocabulary: Map<String, Value> = ids.collect();
    json!({
        "version": "1.0",
        "added_tokens": Vec::from_iter(end.map(added_token)),
        "normalizer": null,
        "pre_tokenizer": {
            "type": "Split", "behavior": "Isolated", "invert": false,
            "pattern": { "Regex": r"[\s\S]" },
        },
        "post_processor": null,
        "decoder": { "type": "Fuse" },
        "model": {
            "type": "WordLevel", "vocab": vocabulary,
            "unk_token": "", // in no vocabulary
        },
    })
}
// ANCHOR_END: tokenizer_json

/// A model whose tokens are characters, from a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct CharacterModel {
    /// The model: of its token table, the rows of the characters.
    pub model: Gpt,
    /// The characters.
    pub tokenizer: CharTokenizer,
    /// Rows of the table that are neither a character's nor the end token's of
    /// [`export`](super::export): somebody has added a token, or rounded the
    /// table's size up.
    pub left_out: usize,
}

/// Loads a model of characters from a folder that [`export`](super::export) has
/// written, or that has been saved again since.
///
/// # Errors
/// [`Fault::Characters`] if its tokens are something else,
/// [`Fault::VocabSize`] if the model has not as many; see [`Fault`].
pub fn import_characters(folder: &Path) -> Result<CharacterModel> {
    let (tokenizer, ends) = read_characters(folder)?;
    let mut model = super::import(folder)?;
    let GptConfig { vocab_size: rows, .. } = model.config();
    let tokens = tokenizer.vocab_size();
    model.embeddings.token.slice_collapse(s![..tokens, ..]);
    let left_out = rows - tokens - usize::from(ends && rows > tokens);
    Ok(CharacterModel { model, tokenizer, left_out })
}

/// The characters of a folder, and whether the token behind them is our own.
fn read_characters(folder: &Path) -> Result<(CharTokenizer, bool)> {
    let (GptConfig { vocab_size, .. }, _) = read_config(folder)?;
    let path = find(folder, TOKENIZER)?;
    let json: Map<String, Value> = read_json(&path)?;
    let tokenizer =
        CharTokenizer::from_vocabulary(characters(&json)).at(&path)?;
    check_files(folder, &json, tokenizer.vocabulary())?;
    let ours = tokenizer_json(&tokenizer, None);
    for part in ["normalizer", "pre_tokenizer", "decoder", "model"] {
        let same = json.get(part) == ours.get(part);
        ensure(same, Fault::Characters { part }).at(&path)?;
    }
    check_added(&json, tokenizer.vocabulary()).at(&path)?;
    let tokens = tokenizer.vocab_size();
    let fits = tokens <= vocab_size;
    ensure(fits, Fault::VocabSize { tokens, vocab_size }).at(&path)?;
    let added = json.get("added_tokens").and_then(|added| added.get(0));
    let ends = added
        .is_some_and(|token| token["id"] == tokens && token["content"] == END);
    Ok((tokenizer, ends))
}

/// The tokens of one character, in the order of their ids.
fn characters(json: &Map<String, Value>) -> Vec<char> {
    let model = json.get("model");
    let vocabulary = model.and_then(|model| model.get("vocab")?.as_object());
    let by_id: BTreeMap<_, char> = (vocabulary.into_iter().flatten())
        .filter_map(|(token, id)| Some((id.as_u64(), token.parse().ok()?)))
        .collect();
    by_id.into_values().collect()
}

/// The ids of the tokens that end a text, `eos_token_id`. A generator does not
/// stop at them by itself: `ids.take_while(|id| !ends.contains(id))`.
///
/// `generation_config.json` is asked first, then `config.json`. Where neither
/// has the field, it is GPT-2's own 50,256, as in `transformers`. Ids that the
/// model doesn't have are left out.
///
/// # Errors
/// [`Fault::Setting`] if the field is neither an id, nor a list of ids, nor
/// null; see [`Fault`].
pub fn end_of_text(folder: &Path) -> Result<Vec<u16>> {
    let (GptConfig { vocab_size, .. }, _) = read_config(folder)?;
    for name in [GENERATION, CONFIG] {
        let path = folder.join(name);
        if name == GENERATION && !path.exists() {
            continue;
        }
        let json: Map<String, Value> = read_json(&path)?;
        if let Some(found) = json.get("eos_token_id") {
            return ids(found, vocab_size).at(&path);
        }
    }
    ids(&json!(50_256), vocab_size).at(folder)
}

/// One id, several or none, of which a model of `vocab_size` can have some.
fn ids(found: &Value, vocab_size: usize) -> Result<Vec<u16>, Fault> {
    let list = match found {
        Value::Null => &[],
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let ids: Option<Vec<u64>> = list.iter().map(Value::as_u64).collect();
    let wanted = "a whole number, a list of them, or null";
    let ids = ids.ok_or_else(|| wrong("eos_token_id", Some(found), wanted))?;
    let known = ids.into_iter().filter(|&id| id < vocab_size as u64);
    Ok(known.map(|id| id as u16).collect())
}
