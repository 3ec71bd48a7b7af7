//! The tokens of a folder: `tokenizer.json`, written and read.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::{At, Fault, Result, ensure};
use super::{read_config, read_json};
use crate::gpt::GptConfig;
use crate::tokenization::CharTokenizer;

pub(super) const TOKENIZER: &str = "tokenizer.json";

// ANCHOR: tokenizer_json
/// The characters as a vocabulary of words, each of one character. One that is
/// not in it is an error there, as it is here.
pub(super) fn tokenizer_json(tokenizer: &CharTokenizer) -> Value {
    let ids = tokenizer.vocabulary().iter().zip(0..);
    let ids = ids.map(|(c, id)| (c.to_string(), Value::from(id)));
    let vocabulary: Map<String, Value> = ids.collect();
    json!({
        "version": "1.0",
        "added_tokens": [],
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

/// The characters of a folder that [`export`](super::export) has written, or
/// that has been saved again since.
///
/// # Errors
/// [`Fault::Characters`] if its tokens are something else,
/// [`Fault::VocabSize`] if the model has not as many; see [`Fault`].
pub fn import_characters(folder: &Path) -> Result<CharTokenizer> {
    let (GptConfig { vocab_size, .. }, _) = read_config(folder)?;
    let path = folder.join(TOKENIZER);
    let json: Map<String, Value> = read_json(&path)?;
    let tokenizer =
        CharTokenizer::from_vocabulary(characters(&json)).at(&path)?;
    let ours = tokenizer_json(&tokenizer);
    for part in ["normalizer", "pre_tokenizer", "decoder", "model"] {
        let same = json.get(part) == ours.get(part);
        ensure(same, Fault::Characters { part }).at(&path)?;
    }
    let tokens = tokenizer.vocab_size();
    let fits = tokens == vocab_size;
    ensure(fits, Fault::VocabSize { tokens, vocab_size }).at(&path)?;
    Ok(tokenizer)
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

/// What a folder's `tokenizer.json` describes; for a GPT-2, pairs of bytes that
/// have been merged again and again. With the feature `tokenizers`.
#[cfg(feature = "tokenizers")]
pub struct JsonTokenizer {
    path: std::path::PathBuf,
    tokenizer: tokenizers::Tokenizer,
}

#[cfg(feature = "tokenizers")]
impl JsonTokenizer {
    /// Reads it. It may have fewer tokens than the model: some round the size
    /// of their table up.
    ///
    /// # Errors
    /// [`Fault::Json`] if it cannot be understood, [`Fault::Setting`] if it
    /// changes the text before anything else, [`Fault::VocabSize`] if it has
    /// ids that the model has not; see [`Fault`].
    pub fn load(folder: &Path) -> Result<Self> {
        let (GptConfig { vocab_size, .. }, _) = read_config(folder)?;
        let path = folder.join(TOKENIZER);
        let mut json: Map<String, Value> = read_json(&path)?;
        // The crate panics at some normalizers
        super::one_of(&json, "normalizer", &[Value::Null]).at(&path)?;
        // A prompt is neither cut nor filled up, whatever the file asks for
        json.retain(|key, _| key != "truncation" && key != "padding");
        let tokenizer: tokenizers::Tokenizer =
            serde_json::from_value(json.into()).at(&path)?;
        let ids = tokenizer.get_vocab(true).into_values();
        let tokens = ids.max().map_or(0, |id| id as usize + 1);
        let fits = (1..=vocab_size).contains(&tokens);
        ensure(fits, Fault::VocabSize { tokens, vocab_size }).at(&path)?;
        Ok(Self { path, tokenizer })
    }

    /// The ids of a text.
    ///
    /// # Errors
    /// [`Fault::Tokens`] if it knows no ids for some of it.
    pub fn encode(&self, text: &str) -> Result<Vec<u16>> {
        let encoding = self.tokenizer.encode_fast(text, false);
        let encoding = encoding.map_err(|error| self.refused(error))?;
        // Below `vocab_size`, and so of two bytes
        Ok(encoding.get_ids().iter().map(|&id| id as u16).collect())
    }

    /// Makes ids into text, one after the other. A character can take several
    /// tokens, so some bring nothing, and the next more than their own.
    pub fn stream(&self) -> impl FnMut(u16) -> Result<String> + '_ {
        let mut stream = self.tokenizer.decode_stream(false);
        move |id| match stream.step(u32::from(id)) {
            Ok(text) => Ok(text.unwrap_or_default()),
            Err(error) => Err(self.refused(error)),
        }
    }

    fn refused(&self, error: tokenizers::Error) -> super::HuggingFaceError {
        Fault::Tokens { reason: error.to_string() }.at(&self.path)
    }
}
