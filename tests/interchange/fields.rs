//! What `transformers` reads of a folder's configurations, beside our tables.

use std::collections::{BTreeMap, BTreeSet};

use microgpt::hugging_face::{
    CONFIG_FIELDS, CONFIG_HARMLESS, Role, TOKENIZER_FIELDS, TOKENIZER_HARMLESS,
};
use microgpt::transformer_block::gelu;

use super::*;

/// The names in a table of fields.
fn names(
    roles: &[(Role, &'static str)],
    harmless: &[&'static str],
) -> BTreeSet<&'static str> {
    let rows = roles.iter().map(|(_, names)| names).chain(harmless);
    rows.flat_map(|names| names.split_whitespace()).collect()
}

/// A version that reads a field of a name that no table has fails here.
#[test]
#[ignore = "needs MICROGPT_PYTHON, with torch and transformers"]
fn every_field_that_transformers_reads_is_in_a_table() {
    let folder = Path::new(FOLDERS).join("bf16-shards");
    for python in pythons() {
        let answers = python.ask("fields.py", &folder, &Value::Null);
        let list = |key: &str| -> Vec<String> {
            serde_json::from_value(answers[key].clone()).unwrap()
        };
        let known = names(CONFIG_FIELDS, CONFIG_HARMLESS);
        let read = list("config");
        let new = |name: &&String| !known.contains(name.as_str());
        assert_eq!(read.iter().find(new), None, "of {}", read.len());
        let known = names(TOKENIZER_FIELDS, TOKENIZER_HARMLESS);
        let asked = list("tokenizer");
        let mut new = asked.iter().filter(|name| {
            !name.ends_with("_token") && !known.contains(name.as_str())
        });
        assert_eq!(new.next(), None, "of {}", asked.len());
        println!(
            "{} fields of config.json, {} of tokenizer_config.json",
            read.len(),
            asked.len()
        );
        let aliases: BTreeMap<String, String> =
            serde_json::from_value(answers["aliases"].clone()).unwrap();
        assert_eq!(aliases.len(), 4);
        for (long, short) in &aliases {
            let folder = copy("bf16-shards");
            folder.edit("config.json", |json| {
                json[long] = json[short].as_u64().map(|size| size + 1).into();
            });
            let said = refusal(&folder, import);
            assert!(said.contains(&format!("{short} is ")), "{said}");
            assert!(said.contains(&format!("but {long}, ")), "{said}");
        }
        activations(&answers["activations"]);
    }
}

/// Names for our function are read, and no others. The exact GELU is 4.7e-4
/// from it at the most.
fn activations(answers: &Value) {
    let grid: Vec<f32> =
        serde_json::from_value(answers["grid"].clone()).unwrap();
    for (name, values) in answers["values"].as_object().unwrap() {
        let values: Vec<f32> =
            serde_json::from_value(values.clone()).unwrap_or_default();
        let pairs = grid.iter().zip(&values);
        let apart = pairs.map(|(&x, y)| (gelu(x).0 - y).abs());
        let apart = apart.max_by(f32::total_cmp).unwrap_or(f32::INFINITY);
        let folder = copy("bf16-shards");
        field("activation_function", json!(name))(&folder);
        assert_eq!(import(&folder.0).is_ok(), apart < 1e-5, "{name}");
        if apart < 1e-5 || name == "gelu" {
            println!("{name}: at most {apart:.1e} from our GELU");
        }
    }
}

/// Values for a field, most of them odd.
fn values() -> Vec<Value> {
    let added =
        json!({ "content": "th", "lstrip": true, "__type": "AddedToken" });
    let mut values = vec![Value::Null, json!(true), json!(false), added];
    values.extend([json!(0), json!(2), json!(0.5), json!("th"), json!(["th"])]);
    values.extend([json!({}), json!({ "a": "th" }), json!({ "0": [0] })]);
    values
}

/// Each field of a table with each of the values.
fn edits(
    file: &str,
    names: &BTreeSet<&str>,
) -> Vec<(String, Option<String>, Value)> {
    let edit = |name: &&str| {
        let edit = |value| (file.to_owned(), Some((*name).to_owned()), value);
        values().into_iter().map(edit).collect::<Vec<_>>()
    };
    names.iter().flat_map(edit).collect()
}

/// The folder with an edit as `edits.py` makes it.
fn edited(folder: &Folder, edit: &(String, Option<String>, Value)) {
    let path = folder.0.join(&edit.0);
    match edit {
        (name, None, text) => folder.write(name, text.as_str().unwrap()),
        (name, Some(field), value) => {
            if !path.exists() {
                folder.write(name, "{}");
            }
            folder.edit(name, |json| json[field] = value.clone());
        }
    }
}

/// That a field is harmless is not a belief: whatever `transformers` opens
/// after an edit, we refuse or say the same.
#[test]
#[ignore = "needs MICROGPT_PYTHON, with torch and transformers"]
fn no_value_of_a_field_makes_another_model_of_a_folder() {
    let edits = edits("config.json", &names(CONFIG_FIELDS, CONFIG_HARMLESS));
    let ids = vec![vec![1, 2, 3, 4, 5, 6, 7], vec![39]];
    for python in pythons() {
        let folder = copy("bf16-shards");
        let questions = json!({ "edits": edits, "ids": ids, "texts": [] });
        let answers = python.ask("edits.py", &folder.0, &questions);
        let (mut both, mut theirs, mut largest) = (0, 0, 0.0_f64);
        for (edit, answer) in
            edits.iter().zip(answers["answers"].as_array().unwrap())
        {
            let folder = copy("bf16-shards");
            edited(&folder, edit);
            let logits = &answer["logits"];
            match import(&folder.0) {
                Ok(model) if logits.is_array() => {
                    let apart = apart(&model, &ids, logits);
                    assert!(apart < 1e-5, "{edit:?}: {apart}");
                    (both, largest) = (both + 1, largest.max(apart));
                }
                Ok(_) => {}
                Err(_) => theirs += usize::from(logits.is_array()),
            }
        }
        println!(
            "{} edits of config.json: both open {both}, at most {largest:.1e} \
             apart,\n  and transformers opens {theirs} that we refuse",
            edits.len()
        );
        assert!(both > edits.len() / 3, "{both}");
    }
}

#[cfg(feature = "tokenizers")]
#[test]
#[ignore = "needs MICROGPT_PYTHON, with torch and transformers"]
fn no_value_of_a_field_makes_other_ids_of_a_text() {
    use microgpt::hugging_face::JsonTokenizer;
    let fields = names(TOKENIZER_FIELDS, TOKENIZER_HARMLESS);
    let tokens = ["bos_token", "pad_token", "unk_token", "image_token"];
    let fields = fields.into_iter().chain(tokens).collect();
    let mut edits = edits("tokenizer_config.json", &fields);
    let end = "<|endoftext|>";
    for (file, json) in [
        ("special_tokens_map.json", json!({ "pad_token": "th" })),
        ("special_tokens_map.json", json!({ "pad_token": end })),
        (
            "special_tokens_map.json",
            json!({ "pad_token": { "content": end, "lstrip": true } }),
        ),
        (
            "special_tokens_map.json",
            json!({ "additional_special_tokens": ["be"] }),
        ),
        ("added_tokens.json", json!({ "th": 300 })),
        ("added_tokens.json", json!({ "be": 299 })),
        ("added_tokens.json", json!({ end: 0 })),
    ] {
        edits.push((file.to_owned(), None, json!(json.to_string())));
    }
    let texts = ["to be, or not to be!! <|endoftext|> that is", " the thing\n"];
    for python in pythons() {
        let folder = tokens_of_both();
        let questions = json!({ "edits": edits, "ids": [], "texts": texts });
        let answers = python.ask("edits.py", &folder.0, &questions);
        let (mut both, mut theirs) = (0, 0);
        for (edit, answer) in
            edits.iter().zip(answers["answers"].as_array().unwrap())
        {
            let folder = tokens_of_both();
            edited(&folder, edit);
            let encoded = &answer["encoded"];
            match JsonTokenizer::load(&folder.0) {
                Ok(tokenizer) if encoded.is_array() => {
                    let ours =
                        texts.map(|text| tokenizer.encode(text).unwrap());
                    assert_eq!(json!(ours), *encoded, "{edit:?}");
                    both += 1;
                }
                Ok(_) => {}
                Err(_) => theirs += usize::from(encoded.is_array()),
            }
        }
        println!(
            "{} edits of the tokenizer's files: both open {both}, with the \
             same ids,\n  and transformers opens {theirs} that we refuse",
            edits.len()
        );
        assert!(both > edits.len() / 3, "{both}");
    }
}

/// The folder of tokens, with a class that both versions know.
#[cfg(feature = "tokenizers")]
fn tokens_of_both() -> Folder {
    let folder = copy("f32-tokens");
    folder.edit("tokenizer_config.json", |json| {
        json["tokenizer_class"] = json!("PreTrainedTokenizerFast");
    });
    folder
}
