//! The sizes of a model, and whether it is one of ours: `config.json`.

use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::error::{At, Fault, Result, ensure, plain};
use super::fields::{CONFIG_FIELDS, check};
use super::files::find;
use crate::gpt::GptConfig;
use crate::safetensors::{FileError, open};

pub(super) const CONFIG: &str = "config.json";

/// The sizes in a folder, and whether the head is the token table.
pub(super) fn read_config(folder: &Path) -> Result<(GptConfig, bool)> {
    let path = find(folder, CONFIG)?;
    let json = read_json(&path)?;
    parse_config(&json).at(&path)
}

fn parse_config(json: &Map<String, Value>) -> Result<(GptConfig, bool), Fault> {
    if !json.contains_key("model_type") {
        return Err(wrong("model_type", None, "\"gpt2\""));
    }
    check(json, CONFIG_FIELDS)?;
    let config = GptConfig {
        n_layer: size(json, "n_layer", "num_hidden_layers")?,
        n_head: size(json, "n_head", "num_attention_heads")?,
        n_embd: size(json, "n_embd", "hidden_size")?,
        block_size: size(json, "n_positions", "max_position_embeddings")?,
        vocab_size: size(json, "vocab_size", "vocab_size")?,
    };
    config.validate()?;
    let inner = 4 * config.n_embd;
    match json.get("n_inner") {
        Some(found) if !found.is_null() && *found != inner => {
            let wanted = format!("null or {inner}");
            Err(wrong("n_inner", Some(found), &wanted))
        }
        _ => {
            Ok((config, json.get("tie_word_embeddings") != Some(&json!(false))))
        }
    }
}

/// A size, which has two names. Where both are there, `transformers` takes the
/// long one, so they have to agree.
fn size(
    json: &Map<String, Value>,
    name: &'static str,
    long: &'static str,
) -> Result<usize, Fault> {
    let (name, found) = match (json.get(name), json.get(long)) {
        (Some(short), Some(other)) if short != other => {
            let (found, other) = (shown(short), shown(other));
            return Err(Fault::Disagree { name, found, long, other });
        }
        (None, Some(other)) => (long, Some(other)),
        (found, _) => (name, found),
    };
    let size = found.and_then(|found| found.as_u64()?.try_into().ok());
    size.ok_or_else(|| wrong(name, found, "a whole number"))
}

pub(super) fn wrong(
    name: &'static str,
    found: Option<&Value>,
    wanted: &str,
) -> Fault {
    let found = found.map_or("missing".to_owned(), shown);
    Fault::Setting { name, found, wanted: wanted.to_owned() }
}

/// The beginning of a value.
fn shown(value: &Value) -> String {
    plain(value).chars().take(60).collect()
}

/// Reads a file of JSON, if it is no longer than such files are.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    const MOST: u64 = 100_000_000; // bytes
    let (file, bytes) = open(path).at(path)?;
    ensure(bytes <= MOST, Fault::TooLong { bytes }).at(path)?;
    let mut text = Vec::with_capacity(bytes as usize);
    let read = file.take(bytes).read_to_end(&mut text);
    read.map_err(FileError::Read).at(path)?;
    serde_json::from_slice(&text).at(path)
}
