//! Files around `tokenizer.json` that change ids, and some that change none.

use super::*;

/// A folder of characters, as `export` writes it.
fn characters() -> Folder {
    let (model, tokenizer) = untrained();
    let folder = Folder::new("characters");
    fs::remove_dir(&folder.0).unwrap();
    export(&folder.0, &model, &tokenizer).unwrap();
    folder
}

/// A field of `tokenizer_config.json`.
fn token_field(name: &'static str, value: Value) -> Box<dyn Fn(&Folder)> {
    Box::new(move |folder| {
        folder.edit("tokenizer_config.json", |json| json[name] = value.clone())
    })
}

#[test]
fn characters_that_are_named_as_tokens_are_characters_still() {
    let folder = characters();
    token_field("pad_token", json!("a"))(&folder);
    folder.edit("tokenizer.json", |json| {
        // What transformers 5 writes where there was nothing
        json["post_processor"] = json!({
            "type": "TemplateProcessing", "special_tokens": {},
            "single": [{ "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [],
        });
        json["added_tokens"] = json!([{ "id": 0, "content": "a" }]);
    });
    let back = import_characters(&folder.0).unwrap();
    assert_eq!(back.tokenizer, untrained().1);
}

#[test]
fn what_changes_the_ids_of_characters_is_refused() {
    let damages: [Damage; 5] = [
        ("no tokenizer, but a vocabulary", &|folder| {
            fs::remove_file(folder.0.join("tokenizer.json")).unwrap();
            folder.write("vocab.json", "{}");
            folder.write("merges.txt", "");
        }),
        ("a token at each end", &|folder| {
            folder.edit("tokenizer.json", |json| {
                json["post_processor"] = json!({
                    "type": "BertProcessing", "sep": ["a", 0], "cls": ["b", 1]
                })
            })
        }),
        ("a token that takes blanks", &|folder| {
            folder.edit("tokenizer.json", |json| {
                json["added_tokens"] =
                    json!([{ "id": 0, "content": "a", "lstrip": true }]);
            })
        }),
        ("characters in one token", &|folder| {
            folder.edit("tokenizer.json", |json| {
                json["added_tokens"] = json!([{ "id": 1, "content": "ab" }]);
            })
        }),
        (
            "a token that only one file has",
            &*token_field("pad_token", json!("ab")),
        ),
    ];
    let rows = damages.map(|(what, damage)| {
        let folder = characters();
        import_characters(&folder.0).expect("a good folder");
        damage(&folder);
        format!("{what}\n{}", wrap(&refusal(&folder, import_characters)))
    });
    assert_snapshot!("characters_and_more", rows.concat());
}

/// The tokens as the slow tokenizers of `transformers` kept them.
#[cfg(feature = "tokenizers")]
pub fn vocabulary_and_merges() -> Folder {
    let folder = copy("f32-tokens");
    let text = fs::read_to_string(folder.0.join("tokenizer.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    folder.write("vocab.json", json["model"]["vocab"].to_string());
    let merges = json["model"]["merges"].as_array().unwrap();
    let mut lines = String::from("#version: 0.2\n");
    for merge in merges {
        let pair = merge.as_array().unwrap();
        let part = |i: usize| pair[i].as_str().unwrap();
        lines += &format!("{} {}\n", part(0), part(1));
    }
    folder.write("merges.txt", lines);
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        fs::remove_file(folder.0.join(name)).unwrap();
    }
    folder
}

#[cfg(feature = "tokenizers")]
mod tokens {
    use super::*;
    use microgpt::hugging_face::JsonTokenizer;

    const END: &str = "<|endoftext|>";

    /// A part of `tokenizer.json`.
    fn part(name: &'static str, value: Value) -> Box<dyn Fn(&Folder)> {
        Box::new(move |folder| {
            folder.edit("tokenizer.json", |json| json[name] = value.clone())
        })
    }

    #[test]
    fn what_changes_ids_beside_the_tokenizer_is_refused_by_name() {
        let template = json!({
            "type": "TemplateProcessing", "pair": [],
            "single": [
                { "SpecialToken": { "id": END, "type_id": 0 } },
                { "Sequence": { "id": "A", "type_id": 0 } },
            ],
            "special_tokens": {
                END: { "id": END, "ids": [0], "tokens": [END] }
            },
        });
        let unknown = json!({
            "type": "TemplateProcessing", "pair": [], "special_tokens": {},
            "single": [{ "SpecialToken": { "id": "gone", "type_id": 0 } }],
        });
        let strips = json!({ "content": END, "lstrip": true });
        let map = "special_tokens_map.json";
        let damages: [Damage; 13] = [
            ("a blank first", &*token_field("add_prefix_space", json!(true))),
            ("a blank first, as one file says", &|folder| {
                folder.edit("tokenizer.json", |json| {
                    json["pre_tokenizer"]["add_prefix_space"] = json!(true);
                })
            }),
            (
                "another class",
                &*token_field("tokenizer_class", json!("LlamaTokenizer")),
            ),
            ("lower case", &*token_field("do_lower_case", json!(true))),
            ("a token first", &*token_field("add_bos_token", json!(true))),
            (
                "another file",
                &*token_field("tokenizer_file", json!("/tmp/t.json")),
            ),
            ("a token more", &*token_field("pad_token", json!("[PAD]"))),
            (
                "tokens more",
                &*token_field("additional_special_tokens", json!(["to"])),
            ),
            (
                "a token that takes blanks",
                &*token_field("added_tokens_decoder", json!({ "0": strips })),
            ),
            ("a token of a map", &|folder| {
                folder.write(map, r#"{"cls_token": "be"}"#)
            }),
            ("an old list", &|folder| {
                folder.write("added_tokens.json", r#"{"be": 300}"#)
            }),
            ("words split by chance", &|folder| {
                folder.edit("tokenizer.json", |json| {
                    json["model"]["dropout"] = json!(0.5);
                })
            }),
            ("a token before each text", &*part("post_processor", template)),
        ];
        let load = JsonTokenizer::load;
        let rows = damages.map(|(what, damage)| {
            let folder = copy("f32-tokens");
            damage(&folder);
            format!("{what}\n{}", wrap(&refusal(&folder, load)))
        });
        assert_snapshot!("tokens", rows.concat());
        // One that the crate would panic at
        let folder = copy("f32-tokens");
        part("post_processor", unknown)(&folder);
        let said = refusal(&folder, load);
        assert!(said.contains("post_processor puts tokens"), "{said}");
    }

    #[test]
    fn what_changes_no_id_passes() {
        let text = "to be, or not to be!! <|endoftext|> that";
        let tokens = |folder: &Folder| {
            JsonTokenizer::load(&folder.0).unwrap().encode(text).unwrap()
        };
        let before = tokens(&copy("f32-tokens"));
        let whole = json!({
            "content": END, "lstrip": false, "normalized": false,
            "rstrip": false, "single_word": false, "special": true,
        });
        for (name, value) in [
            ("padding_side", json!("left")),
            ("model_max_length", json!(1024)),
            ("clean_up_tokenization_spaces", json!(true)),
            ("add_prefix_space", json!(false)),
            ("add_bos_token", json!(false)),
            ("tokenizer_class", json!("GPT2Tokenizer")),
            ("pad_token", json!(END)),
            ("pad_token", whole.clone()),
            ("added_tokens_decoder", json!({ "0": whole })),
            ("chat_template", json!("{{ messages }}")),
        ] {
            let folder = copy("f32-tokens");
            token_field(name, value)(&folder);
            assert_eq!(tokens(&folder), before, "{name}");
        }
    }

    /// `t.pad_token = "[PAD]"` without `resize_token_embeddings`.
    #[test]
    fn a_token_beyond_the_table_is_refused_where_it_is_used() {
        let folder = copy("f32-tokens");
        let before = JsonTokenizer::load(&folder.0).unwrap().encode("to be");
        folder.edit("tokenizer.json", |json| {
            let mut pad = json["added_tokens"][0].clone();
            pad["content"] = json!("[PAD]");
            pad["id"] = json!(300);
            json["added_tokens"].as_array_mut().unwrap().push(pad);
        });
        token_field("pad_token", json!("[PAD]"))(&folder);
        let tokenizer = JsonTokenizer::load(&folder.0).unwrap();
        assert_eq!(tokenizer.encode("to be").unwrap(), before.unwrap());
        let said = tokenizer.encode("to [PAD]").unwrap_err().to_string();
        assert!(
            said.ends_with(
                "\"[PAD]\" has the id 300, but the model has only 300 rows; \
                 leave it out, or give the model a row with \
                 resize_token_embeddings"
            ),
            "{said}"
        );
    }

    #[test]
    fn a_vocabulary_with_merges_is_told_how_to_become_a_tokenizer() {
        let folder = vocabulary_and_merges();
        let said = refusal(&folder, JsonTokenizer::load);
        assert_eq!(
            said,
            "DIR/tokenizer.json: no tokenizer.json here, but \"merges.txt\", \
             from which it can be made; run in the folder: python -c \"from \
             transformers import AutoTokenizer as T; \
             T.from_pretrained('.').save_pretrained('.')\""
        );
    }
}
