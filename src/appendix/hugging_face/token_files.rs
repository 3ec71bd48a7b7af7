//! What the files around `tokenizer.json` say about tokens.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::config::{CONFIG, read_json, wrong};
use super::error::{At, Fault, Result, ensure};
use super::fields::{TOKENIZER_FIELDS, check};
use super::tokens::TOKENIZER;

type Object = Map<String, Value>;

/// Refuses a folder in which something changes ids and is not in
/// `tokenizer.json`, or is there and not done here. Each of `characters` is a
/// token, whether it was added or not. Returns what `tokenizer_config.json`
/// says.
pub(super) fn check_files(
    folder: &Path,
    tokenizer: &Object,
    characters: &[char],
) -> Result<Object> {
    check_chance(tokenizer).at(&folder.join(TOKENIZER))?;
    let read = |name: &str| -> Result<Object> {
        let path = folder.join(name);
        if path.exists() { read_json(&path) } else { Ok(Map::new()) }
    };
    let mut config = read("tokenizer_config.json")?;
    if !config.contains_key("tokenizer_class") {
        let class = read(CONFIG)?.remove("tokenizer_class");
        config.extend(class.map(|class| ("tokenizer_class".to_owned(), class)));
    }
    let config_path = folder.join("tokenizer_config.json");
    check(&config, TOKENIZER_FIELDS).at(&config_path)?;
    check_prefix(&config, tokenizer).at(&config_path)?;

    let known = Known { tokenizer, characters };
    known.check(named(&config)).at(&config_path)?;
    let map = "special_tokens_map.json";
    known.check(named(&read(map)?)).at(&folder.join(map))?;
    let added: Vec<Value> =
        read("added_tokens.json")?.into_iter().map(|it| it.0.into()).collect();
    let path = folder.join("added_tokens.json");
    known.check(added.iter().collect()).at(&path)?;
    Ok(config)
}

/// Refuses tokens that were added to characters and change the ids of others:
/// they take the blanks beside them, or are a row of several characters.
pub(super) fn check_added(
    tokenizer: &Object,
    characters: &[char],
) -> Result<(), Fault> {
    let known = Known { tokenizer, characters };
    let fits = known.added().all(|token| {
        let beyond = |id| id >= characters.len() as u64;
        let beyond = token["id"].as_u64().is_some_and(beyond);
        let takes = flag(token, "lstrip") || flag(token, "rstrip");
        !takes && (beyond || known.is_character(token))
    });
    ensure(fits, Fault::Characters { part: "added_tokens" })
}

/// Refuses a tokenizer that splits words by chance, or adds tokens to each text.
fn check_chance(tokenizer: &Object) -> Result<(), Fault> {
    let dropout = tokenizer.get("model").and_then(|it| it.get("dropout"));
    let none =
        dropout.is_none_or(|it| it.is_null() || it.as_f64() == Some(0.0));
    ensure(none, wrong("model.dropout", dropout, "null"))?;
    let adds = tokenizer.get("post_processor").is_some_and(|it| !keeps_ids(it));
    ensure(!adds, Fault::Around)
}

/// Whether a post-processor leaves ids as they are.
fn keeps_ids(step: &Value) -> bool {
    match step["type"].as_str() {
        Some("ByteLevel") => true,
        Some("Sequence") => {
            let steps = step["processors"].as_array();
            steps.is_some_and(|steps| steps.iter().all(keeps_ids))
        }
        Some("TemplateProcessing") => {
            let pieces = step["single"].as_array().map(Vec::as_slice);
            matches!(pieces, Some([piece]) if piece["Sequence"]["id"] == "A")
        }
        _ => step.is_null(),
    }
}

/// Refuses two opinions about a blank before the text. Of the two files, one
/// version of `transformers` believes this one, the next that one.
fn check_prefix(config: &Object, tokenizer: &Object) -> Result<(), Fault> {
    const NAME: &str = "add_prefix_space";
    let cutter = tokenizer.get("pre_tokenizer");
    let Some(wanted) = cutter.and_then(|cutter| cutter.get(NAME)) else {
        return Ok(());
    };
    let found = config.get(NAME);
    let same = found.unwrap_or(&json!(false)) == wanted;
    let wanted = format!("{wanted}, as in tokenizer.json,");
    ensure(same, wrong(NAME, found, &wanted))
}

/// The tokens that a configuration names.
fn named(config: &Object) -> Vec<&Value> {
    let mut named = Vec::new();
    for (key, value) in config {
        match value {
            token if key.ends_with("_token") => named.push(token),
            Value::Array(list) if LISTS.contains(&&**key) => named.extend(list),
            Value::Object(map) if LISTS.contains(&&**key) => {
                named.extend(map.values())
            }
            _ => {}
        }
    }
    named.retain(|token| token.is_string() || token.is_object());
    named
}

/// The fields that hold several tokens.
const LISTS: [&str; 4] = [
    "added_tokens_decoder",
    "additional_special_tokens",
    "extra_special_tokens",
    "model_specific_special_tokens",
];

/// The tokens that are found in a text before anything else.
struct Known<'a> {
    tokenizer: &'a Object,
    characters: &'a [char],
}

impl Known<'_> {
    /// Refuses the first that is not known.
    fn check(&self, named: Vec<&Value>) -> Result<(), Fault> {
        match named.into_iter().find(|token| !self.has(token)) {
            Some(token) => {
                let token = content(token).unwrap_or_default().to_owned();
                Err(Fault::Token { token })
            }
            None => Ok(()),
        }
    }

    fn has(&self, token: &Value) -> bool {
        let flags = FLAGS.map(|name| flag(token, name));
        let same = |added: &Value| {
            let same_flags = FLAGS.map(|name| flag(added, name)) == flags;
            content(added) == content(token)
                && (token.is_string() || same_flags)
        };
        self.added().any(same)
            || self.is_character(token) && flags == [false; 3]
    }

    fn added(&self) -> impl Iterator<Item = &Value> {
        let added = self.tokenizer.get("added_tokens");
        added.and_then(Value::as_array).into_iter().flatten()
    }

    fn is_character(&self, token: &Value) -> bool {
        let character = content(token).and_then(|text| text.parse().ok());
        character.is_some_and(|c| self.characters.contains(&c))
    }
}

/// What changes where a token is found.
const FLAGS: [&str; 3] = ["lstrip", "rstrip", "single_word"];

fn flag(token: &Value, name: &str) -> bool {
    token[name] == true
}

/// The text of a token, which is written with its flags or without.
fn content(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}
