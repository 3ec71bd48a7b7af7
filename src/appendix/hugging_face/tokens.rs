//! The tokens of a folder: `tokenizer.json`, written and read.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::s;
use serde_json::{Map, Value, json};

use super::end_token::{END, added_token};
use super::error::{At, Fault, Result, ensure};
use super::{CONFIG, GENERATION, read_config, read_json, wrong};
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
pub struct Imported {
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
pub fn import_characters(folder: &Path) -> Result<Imported> {
    let (tokenizer, ends) = read_characters(folder)?;
    let mut model = super::import(folder)?;
    let GptConfig { vocab_size: rows, .. } = model.config();
    let tokens = tokenizer.vocab_size();
    model.embeddings.token.slice_collapse(s![..tokens, ..]);
    let left_out = rows - tokens - usize::from(ends && rows > tokens);
    Ok(Imported { model, tokenizer, left_out })
}

/// The characters of a folder, and whether the token behind them is our own.
fn read_characters(folder: &Path) -> Result<(CharTokenizer, bool)> {
    let (GptConfig { vocab_size, .. }, _) = read_config(folder)?;
    let path = folder.join(TOKENIZER);
    let json: Map<String, Value> = read_json(&path)?;
    let tokenizer =
        CharTokenizer::from_vocabulary(characters(&json)).at(&path)?;
    let ours = tokenizer_json(&tokenizer, None);
    for part in ["normalizer", "pre_tokenizer", "decoder", "model"] {
        let same = json.get(part) == ours.get(part);
        ensure(same, Fault::Characters { part }).at(&path)?;
    }
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

/// What a folder's `tokenizer.json` describes; for a GPT-2, pairs of bytes that
/// have been merged again and again. With the feature `tokenizers`.
#[cfg(feature = "tokenizers")]
pub struct JsonTokenizer {
    path: std::path::PathBuf,
    tokenizer: tokenizers::Tokenizer,
    only_adds: bool, // to the text, when there are more tokens
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
        let steps = json.get("decoder").map_or(Vec::new(), steps);
        for stop in steps.iter().filter_map(|step| step.get("stop")) {
            // At a token shorter than what is to be stripped, it panics too
            let fits = *stop == 0;
            ensure(fits, wrong("Strip.stop", Some(stop), "0")).at(&path)?;
        }
        let only_adds = only_adds(&steps);
        // A prompt is neither cut nor filled up, whatever the file asks for
        json.retain(|key, _| key != "truncation" && key != "padding");
        let tokenizer: tokenizers::Tokenizer =
            serde_json::from_value(json.into()).at(&path)?;
        let ids = tokenizer.get_vocab(true).into_values();
        let tokens = ids.max().map_or(0, |id| id as usize + 1);
        let fits = (1..=vocab_size).contains(&tokens);
        ensure(fits, Fault::VocabSize { tokens, vocab_size }).at(&path)?;
        Ok(Self { path, tokenizer, only_adds })
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

    /// The text of ids. One that is only a row of the model's table, and no
    /// token, adds nothing.
    ///
    /// # Errors
    /// [`Fault::Tokens`] if they have no text.
    pub fn decode(&self, ids: &[u16]) -> Result<String> {
        let ids: Vec<u32> = ids.iter().map(|&id| id.into()).collect();
        let is_token = |&id| self.tokenizer.id_to_token(id).is_some();
        if !ids.iter().any(is_token) {
            return Ok(String::new()); // some decoders panic at none
        }
        let text = self.tokenizer.decode(&ids, false);
        text.map_err(|error| self.refused(error))
    }

    /// Makes ids into text, one after the other.
    pub fn stream(&self) -> TokenStream<'_> {
        TokenStream { tokenizer: self, ids: Vec::new(), sent: 0 }
    }

    /// Whether bytes before this token can't become a character with it: it is
    /// not a byte itself, which Llama's tokenizers write as `<0xC3>`.
    fn ends_bytes(&self, id: u16) -> bool {
        let token = self.tokenizer.id_to_token(id.into());
        token.is_some_and(|token| !token.starts_with("<0x"))
    }

    fn refused(&self, error: tokenizers::Error) -> super::HuggingFaceError {
        Fault::Tokens { reason: error.to_string() }.at(&self.path)
    }
}

/// The steps of a decoder, one after the other.
#[cfg(feature = "tokenizers")]
fn steps(decoder: &Value) -> Vec<&Value> {
    match decoder["decoders"].as_array() {
        Some(list) => list.iter().flat_map(steps).collect(),
        None => vec![decoder],
    }
}

/// Whether more tokens only ever add to the text: each step looks at one token
/// at a time, or is among the last, which join them.
#[cfg(feature = "tokenizers")]
fn only_adds(steps: &[&Value]) -> bool {
    let mut joined = false;
    steps.iter().all(|step| match step["type"].as_str() {
        Some("Fuse" | "ByteLevel") => !std::mem::replace(&mut joined, true),
        Some("ByteFallback" | "Metaspace" | "Replace" | "WordPiece") => !joined,
        Some("Strip") => true, // at the start
        _ => step.is_null(),
    })
}

/// Text as its tokens come. All that [`push`](Self::push) returned and then
/// [`finish`](Self::finish), joined, is [`JsonTokenizer::decode`] of all the
/// ids.
///
/// A token can end in the middle of a character. Then nothing is returned until
/// the character is whole, or until it is certain that it never will be.
#[cfg(feature = "tokenizers")]
pub struct TokenStream<'a> {
    tokenizer: &'a JsonTokenizer,
    ids: Vec<u16>,
    sent: usize, // bytes of their text
}

#[cfg(feature = "tokenizers")]
impl TokenStream<'_> {
    /// The text that is certain now and was not before; often one word.
    ///
    /// # Errors
    /// [`Fault::Tokens`] if the ids have no text.
    pub fn push(&mut self, id: u16) -> Result<String> {
        self.ids.push(id);
        if !self.tokenizer.only_adds || !self.tokenizer.ends_bytes(id) {
            return Ok(String::new());
        }
        let text = self.tokenizer.decode(&self.ids)?;
        // What bytes become that are no character, or not yet
        let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        Ok(self.send(text))
    }

    /// What was held back, often nothing.
    ///
    /// # Errors
    /// [`Fault::Tokens`] if the ids have no text.
    pub fn finish(mut self) -> Result<String> {
        let text = self.tokenizer.decode(&self.ids)?;
        Ok(self.send(&text))
    }

    fn send(&mut self, text: &str) -> String {
        let new = text.get(self.sent..).unwrap_or_default();
        self.sent += new.len();
        new.to_owned()
    }
}
