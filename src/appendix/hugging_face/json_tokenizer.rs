//! Any tokenizer of a folder, with the crate `tokenizers`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use super::config::{read_config, read_json, wrong};
use super::error::{At, Fault, HuggingFaceError, Result, ensure};
use super::files::find;
use super::token_files::check_files;
use super::tokens::TOKENIZER;
use crate::gpt::GptConfig;

/// What a folder's `tokenizer.json` describes; for a GPT-2, pairs of bytes that
/// have been merged again and again. With the feature `tokenizers`.
pub struct JsonTokenizer {
    path: PathBuf,
    tokenizer: Tokenizer,
    vocab_size: usize, // the model's
    only_adds: bool,   // to the text, when there are more tokens
}

impl JsonTokenizer {
    /// Reads it. It may have fewer tokens than the model: some round the size
    /// of their table up. Tokens that were added to it may have no row.
    ///
    /// # Errors
    /// [`Fault::Json`] if it cannot be understood, [`Fault::Setting`] if it
    /// changes the text before anything else, or not always in the same way,
    /// [`Fault::VocabSize`] if it has ids that the model has not; see
    /// [`Fault`].
    pub fn load(folder: &Path) -> Result<Self> {
        let (GptConfig { vocab_size, .. }, _) = read_config(folder)?;
        let path = find(folder, TOKENIZER)?;
        let mut json: Map<String, Value> = read_json(&path)?;
        let config = check_files(folder, &json, &[])?;
        let only_adds = check_parts(&json).at(&path)?;
        // A prompt is neither cut nor filled up, whatever the file asks for
        json.retain(|key, _| key != "truncation" && key != "padding");
        let mut tokenizer: Tokenizer =
            serde_json::from_value(json.into()).at(&path)?;
        let split = config.get("split_special_tokens");
        tokenizer.set_encode_special_tokens(split == Some(&Value::Bool(true)));
        let ids = tokenizer.get_vocab(false).into_values();
        let tokens = ids.max().map_or(0, |id| id as usize + 1);
        let fits = (1..=vocab_size).contains(&tokens);
        ensure(fits, Fault::VocabSize { tokens, vocab_size }).at(&path)?;
        Ok(Self { path, tokenizer, vocab_size, only_adds })
    }

    /// The ids of a text.
    ///
    /// # Errors
    /// [`Fault::Tokens`] if it knows no ids for some of it, [`Fault::Beyond`] if
    /// the model has no row for one.
    pub fn encode(&self, text: &str) -> Result<Vec<u16>> {
        let encoding = self.tokenizer.encode_fast(text, false);
        let encoding = encoding.map_err(|error| self.refused(error))?;
        encoding.get_ids().iter().map(|&id| self.row(id)).collect()
    }

    /// The row of an id, if the model has it; such a number has two bytes.
    fn row(&self, id: u32) -> Result<u16> {
        let vocab_size = self.vocab_size;
        let token = || self.tokenizer.id_to_token(id).unwrap_or_default();
        match usize::try_from(id) {
            Ok(row) if row < vocab_size => Ok(id as u16),
            _ => {
                Err(Fault::Beyond { token: token(), id, vocab_size }
                    .at(&self.path))
            }
        }
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

    fn refused(&self, error: tokenizers::Error) -> HuggingFaceError {
        Fault::Tokens { reason: error.to_string() }.at(&self.path)
    }
}

/// Refuses what makes the crate panic, and says whether more tokens only ever
/// add to the text.
fn check_parts(json: &Map<String, Value>) -> Result<bool, Fault> {
    match json.get("normalizer") {
        None | Some(Value::Null) => {}
        found => return Err(wrong("normalizer", found, "null")),
    }
    let steps = json.get("decoder").map_or(Vec::new(), steps);
    for stop in steps.iter().filter_map(|step| step.get("stop")) {
        // At a token shorter than what is to be stripped, it panics too
        ensure(*stop == 0, wrong("Strip.stop", Some(stop), "0"))?;
    }
    Ok(only_adds(&steps))
}

/// The steps of a decoder, one after the other.
fn steps(decoder: &Value) -> Vec<&Value> {
    match decoder["decoders"].as_array() {
        Some(list) => list.iter().flat_map(steps).collect(),
        None => vec![decoder],
    }
}

/// Whether more tokens only ever add to the text: each step looks at one token
/// at a time, or is among the last, which join them.
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
pub struct TokenStream<'a> {
    tokenizer: &'a JsonTokenizer,
    ids: Vec<u16>,
    sent: usize, // bytes of their text
}

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
