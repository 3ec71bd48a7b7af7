//! Models that leave for `transformers`, and models that come from it.
//!
//! What needs Python is ignored by a plain `cargo test`. With one that has
//! `torch` and `transformers`, or with several:
//! `MICROGPT_PYTHON=python cargo test --test interchange -- --include-ignored`.

mod support;
#[path = "support/trained.rs"]
mod trained;
#[path = "interchange/folders.rs"]
mod folders;
#[path = "interchange/token_files.rs"]
mod token_files;
#[path = "interchange/python.rs"]
mod python;
#[path = "interchange/fields.rs"]
mod fields;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use allocation_counter::measure;
use folders::rename;
use insta::assert_snapshot;
use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::hugging_face::{
    CharacterModel, HuggingFaceError, end_of_text, export, import,
    import_characters,
};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{LrSchedule, TrainConfig, Trainer};
use proptest::prelude::*;
use python::pythons;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde_json::{Value, json};
use support::{Folder, wrap};
#[cfg(feature = "tokenizers")]
use token_files::vocabulary_and_merges;
use trained::trained;

const SONNETS: &str = include_str!("../chapters-code/data/sonnets.txt");

/// Lists of ids of every length up to the window's.
fn random_ids(config: GptConfig, count: usize) -> Vec<Vec<u16>> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let ids = |n| {
        let last = config.vocab_size as u16 - 1;
        let id = |_| rand::RngExt::random_range(&mut rng, 0..=last);
        (0..n).map(id).collect()
    };
    (1..=config.block_size).cycle().take(count).map(ids).collect()
}

/// The largest difference between our logits and the given ones, but for the
/// end token's; NaN, which `max` would pass over, is the largest of all.
fn apart(model: &Gpt, ids: &[Vec<u16>], logits: &Value) -> f64 {
    let theirs: Vec<Vec<Vec<f64>>> =
        serde_json::from_value(logits.clone()).unwrap();
    assert_eq!(theirs.len(), ids.len());
    let mut largest = Vec::new();
    for (ids, theirs) in ids.iter().zip(&theirs) {
        let (ours, _) = model.forward(ids, ids.len());
        let theirs = theirs.iter().flat_map(|row| &row[..ours.ncols()]);
        assert_eq!(theirs.clone().count(), ours.len());
        let pairs = ours.iter().zip(theirs);
        let apart = pairs.map(|(&a, b)| (f64::from(a) - b).abs());
        largest.extend(apart.max_by(f64::total_cmp));
    }
    largest.into_iter().max_by(f64::total_cmp).unwrap()
}

/// The prompt and what the likeliest tokens make of it, to the last position.
fn greedy(model: &Gpt, prompt: &[u16]) -> Vec<u16> {
    let rng = ChaCha8Rng::seed_from_u64(0); // not asked
    let sampler = Sampler::new(0.0, None).unwrap();
    let ids = Generator::new(model, prompt, sampler, rng).unwrap();
    let room = model.config().block_size - prompt.len();
    let ids = ids.take(room).map(Result::unwrap);
    prompt.iter().copied().chain(ids).collect()
}

const FOLDERS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interchange/folders");

/// The folders of `make.py`, but for the one that cannot be loaded.
const LOADED: [&str; 4] =
    ["f32-tokens", "f16-no-head", "bf16-shards", "f32-head-equal"];

fn expected(folder: &Path) -> Value {
    let path = folder.join("expected.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Our logits of a folder of `make.py` beside those of `transformers`.
fn compare(folder: &Path) -> (Gpt, f64) {
    let model = import(folder).unwrap();
    let expected = expected(folder);
    let ids: Vec<Vec<u16>> =
        serde_json::from_value(expected["ids"].clone()).unwrap();
    let apart = apart(&model, &ids, &expected["logits"]);
    (model, apart)
}

#[test]
fn imported_models_say_what_transformers_says() {
    for name in LOADED {
        let (model, apart) = compare(&Path::new(FOLDERS).join(name));
        println!("{name}: {} apart by {apart:.1e}", model.num_params());
        // Written down with six decimals. With the two norms of a block in
        // each other's place, which no shape tells, the difference is 2.4
        assert!(apart < 1e-5, "{name}: {apart}");
    }
}

#[cfg(feature = "tokenizers")]
mod tokens {
    use super::*;
    use microgpt::hugging_face::JsonTokenizer;
    use rand::RngExt;

    #[test]
    fn ids_are_those_of_transformers_and_become_the_text_again() {
        let folder = Path::new(FOLDERS).join("f32-tokens");
        let tokenizer = JsonTokenizer::load(&folder).unwrap();
        let expected = expected(&folder);
        let texts = expected["texts"].as_array().unwrap();
        for (text, ids) in texts.iter().zip(0..) {
            let text = text.as_str().unwrap();
            let encoded = tokenizer.encode(text).unwrap();
            assert_eq!(json!(encoded), expected["encoded"][ids]);
            assert_eq!(tokenizer.decode(&encoded).unwrap(), text);
        }
    }

    #[test]
    fn characters_are_read_by_it_as_well() {
        let (folder, text) = (Folder::new("characters"), "to be or not\n");
        let tokenizer = CharTokenizer::new(text).unwrap();
        let vocab_size = tokenizer.vocab_size();
        let config = GptConfig {
            n_layer: 1,
            n_head: 1,
            n_embd: 4,
            block_size: 4,
            vocab_size,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let model = Gpt::new(config, &mut rng).unwrap();
        let path = folder.0.join("model");
        export(&path, &model, &tokenizer).unwrap();
        let json = JsonTokenizer::load(&path).unwrap();
        let ids = json.encode(text).unwrap();
        assert_eq!(ids, tokenizer.encode(text).unwrap());
        assert_eq!(json.decode(&ids).unwrap(), text);
        let said = json.encode("§").unwrap_err().to_string();
        assert!(
            said.contains("tokenizer.json: cannot encode or decode this: "),
            "{said}"
        );
    }

    /// A tokenizer of this decoder, with tokens that such decoders know.
    fn decoding(decoder: &Value) -> (Folder, JsonTokenizer) {
        let bytes = (0..=255).map(|byte| format!("<0x{byte:02X}>"));
        let words =
            ["\u{2581}to", "be", "##ing", "é", "\u{fffd}", " ", "", "</w>"];
        let tokens = bytes.chain(words.map(String::from)).zip(0..);
        let vocab = tokens.map(|(token, id)| (token, Value::from(id)));
        let vocab = Value::Object(vocab.collect());
        let folder = copy("f32-tokens"); // 300 rows, so some have no token
        folder.edit("tokenizer.json", |json| {
            json["decoder"] = decoder.clone();
            json["model"] = json!({
                "type": "WordLevel", "vocab": vocab, "unk_token": "be"
            });
            json["added_tokens"] = json!([]);
        });
        let tokenizer = JsonTokenizer::load(&folder.0).unwrap();
        (folder, tokenizer)
    }

    /// The parts in which a text comes; the last is what was held back.
    fn parts(tokenizer: &JsonTokenizer, ids: &[u16]) -> Vec<String> {
        let mut stream = tokenizer.stream();
        let pushed = ids.iter().map(|&id| stream.push(id).unwrap());
        let mut parts: Vec<String> = pushed.collect();
        parts.push(stream.finish().unwrap());
        parts
    }

    #[test]
    fn what_was_streamed_is_the_whole_decoded() {
        let replace = json!({
            "type": "Replace", "pattern": { "String": "\u{2581}" },
            "content": " "
        });
        let byte_fallback = json!({ "type": "ByteFallback" });
        let fuse = json!({ "type": "Fuse" });
        let strip =
            json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 });
        let sequence = |decoders: &[&Value]| json!({ "type": "Sequence", "decoders": decoders });
        let metaspace = json!({
            "type": "Metaspace", "replacement": "\u{2581}",
            "prepend_scheme": "always", "split": true
        });
        // Whether the text comes as its tokens do, or all of it at the end
        let comes = [
            (true, sequence(&[&replace, &byte_fallback, &fuse, &strip])),
            (true, sequence(&[&byte_fallback, &fuse])),
            (true, sequence(&[&sequence(&[&byte_fallback]), &strip])),
            (true, metaspace),
            (
                true,
                json!({ "type": "WordPiece", "prefix": "##", "cleanup": true }),
            ),
            (
                true,
                json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true }),
            ),
            (true, Value::Null),
            (false, sequence(&[&byte_fallback, &fuse, &replace])),
            (false, json!({ "type": "BPEDecoder", "suffix": "" })),
            (false, json!({ "type": "BPEDecoder", "suffix": "</w>" })),
            (
                false,
                json!({ "type": "CTC", "pad_token": "be", "word_delimiter_token": "é", "cleanup": true }),
            ),
        ];
        let (folder, be) = (copy("f32-tokens"), 257);
        let gpt2 = JsonTokenizer::load(&folder.0).unwrap();
        let comes = comes.map(|(comes, decoder)| {
            let (folder, tokenizer) = decoding(&decoder);
            // A character, and half of one
            for end in [vec![0xc3, 0xa9], vec![0xc3], vec![0xff, 0xff]] {
                let ids = [&[256, be, be], end.as_slice()].concat();
                let parts = parts(&tokenizer, &ids);
                assert_eq!(
                    comes,
                    parts[..3].concat().contains("be"),
                    "{decoder}"
                );
                assert_eq!(parts.concat(), tokenizer.decode(&ids).unwrap());
            }
            (folder, tokenizer)
        });
        let all = comes.iter().map(|(_, tokenizer)| tokenizer).chain([&gpt2]);
        for tokenizer in all {
            for seed in 0..200 {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                // Bytes that lead, bytes that follow, words, and no tokens
                let kinds =
                    [0xc2..0xf5, 0x80..0xc0, 256..264, 290..300, 0..300];
                let ids: Vec<u16> = (0..40)
                    .map(|_| {
                        let kind = rng.random_range(0..kinds.len());
                        rng.random_range(kinds[kind].clone())
                    })
                    .collect();
                let whole = tokenizer.decode(&ids).unwrap();
                assert_eq!(parts(tokenizer, &ids).concat(), whole, "{ids:?}");
            }
        }
    }

    #[test]
    fn a_character_that_the_end_cuts_is_not_lost() {
        let folder = copy("f32-tokens");
        let tokenizer = JsonTokenizer::load(&folder.0).unwrap();
        let ids = tokenizer.encode("a \u{1f339}\u{fffd}").unwrap();
        let text = |ids| parts(&tokenizer, ids).concat();
        assert_eq!(text(&ids), "a \u{1f339}\u{fffd}");
        let rose = tokenizer.encode("\u{1f339}").unwrap();
        for (cut, left) in (1..rose.len()).zip(["\u{fffd}"; 3]) {
            assert_eq!(text(&rose[..cut]), left, "{cut}");
        }
        assert_eq!(text(&[]), "");
    }

    /// `transformers` saves both with the tokenizer, once they have been set.
    #[test]
    fn a_prompt_is_neither_cut_nor_filled_up() {
        let folder = copy("f32-tokens");
        let text = "to be, or not to be";
        let before = JsonTokenizer::load(&folder.0).unwrap().encode(text);
        folder.edit("tokenizer.json", |json| {
            json["truncation"] = json!({
                "direction": "Right", "max_length": 1,
                "strategy": "LongestFirst", "stride": 0
            });
            json["padding"] = json!({
                "strategy": { "Fixed": 1_000_000_000_000_u64 },
                "direction": "Right", "pad_to_multiple_of": null,
                "pad_id": 70000, "pad_type_id": 0, "pad_token": "x"
            });
        });
        let after = JsonTokenizer::load(&folder.0).unwrap().encode(text);
        assert_eq!(after.unwrap(), before.unwrap());
    }

    #[test]
    fn every_other_tokenizer_is_refused_with_a_sentence() {
        let load = |path: &Path| JsonTokenizer::load(path).map(drop);
        const FILE: &str = "tokenizer.json";
        let strip =
            json!({ "type": "Strip", "content": " ", "start": 0, "stop": 1 });
        let damages: [Damage; 8] = [
            ("none", &|folder| fs::remove_file(folder.0.join(FILE)).unwrap()),
            ("no JSON", &|folder| folder.write(FILE, "GPT-2")),
            ("not UTF-8", &|folder| folder.write(FILE, b"\"\xff\"")),
            ("half a character", &|folder| {
                let text = fs::read_to_string(folder.0.join(FILE)).unwrap();
                let text = text.replace("ByteLevel", "\\ud800");
                folder.write(FILE, text);
            }),
            ("text that is changed first", &|folder| {
                folder.edit(FILE, |json| {
                    json["normalizer"] = json!({ "type": "Precompiled" });
                });
            }),
            ("a decoder that panics", &|folder| {
                folder.edit(FILE, |json| {
                    json["decoder"] = json!({
                        "type": "Sequence", "decoders": [strip]
                    });
                });
            }),
            ("another kind", &|folder| {
                folder.edit(FILE, |json| json["model"]["type"] = json!("RNN"));
            }),
            ("a token too many", &|folder| {
                folder.edit(FILE, |json| {
                    json["model"]["vocab"]["word"] = json!(300);
                });
            }),
        ];
        let rows = damages.map(|(what, damage)| {
            let folder = copy("f32-tokens");
            load(&folder.0).expect("a good folder");
            damage(&folder);
            let said = load(&folder.0).expect_err(what).to_string();
            format!("{what}\n{}", wrap(&anywhere(&folder, &said)))
        });
        assert_snapshot!("tokenizers", rows.concat());
    }
}

/// As `generate` of `transformers` decides it.
#[test]
fn the_end_of_a_text_is_what_the_folder_says() {
    let folder = copy("f32-tokens"); // of 300 tokens; both files say 0
    let ends = || end_of_text(&folder.0).unwrap();
    let set = |name, value| {
        folder.edit(name, |json| json["eos_token_id"] = value);
    };
    assert_eq!(ends(), [0]);
    set("config.json", json!(7));
    assert_eq!(ends(), [0], "generation_config.json comes first");
    set("generation_config.json", json!([2, 299, 300, 70_000]));
    assert_eq!(ends(), [2, 299], "several, and two that the model has not");
    set("generation_config.json", Value::Null);
    assert!(ends().is_empty());
    folder.write("generation_config.json", "{}");
    assert_eq!(ends(), [7]);
    fs::remove_file(folder.0.join("generation_config.json")).unwrap();
    assert_eq!(ends(), [7]);
    folder.edit("config.json", |json| {
        json.as_object_mut().unwrap().remove("eos_token_id");
    });
    assert!(ends().is_empty(), "50256 is no token of this model");
    folder.edit("config.json", |json| json["vocab_size"] = json!(50_257));
    assert_eq!(ends(), [50_256]);
    for wrong in [json!("0"), json!(-1), json!(0.5), json!([[0]]), json!({})] {
        set("config.json", wrong);
        let said = refusal(&folder, end_of_text);
        let wanted = "where a whole number, a list of them, or null is wanted";
        assert!(
            said.contains("eos_token_id is ") && said.ends_with(wanted),
            "{said}"
        );
    }
}

#[test]
fn what_was_exported_is_imported_to_the_same_bits() {
    let (model, tokenizer) = trained();
    let folder = Folder::new("round-trip");
    let path = folder.0.join("a/b");
    export(&path, &model, &tokenizer).unwrap();
    let back = import_characters(&path).unwrap();
    assert_eq!(
        back,
        CharacterModel { model: model.clone(), tokenizer, left_out: 0 }
    );
    for text in ["\u{0}\u{7f}\u{85}\r\n\t \"\\", "🦀 नि मे é \u{10ffff}\u{e000}"]
    {
        let tokenizer = CharTokenizer::new(text).unwrap();
        let (vocab_size, path) =
            (tokenizer.vocab_size(), folder.0.join(text.len().to_string()));
        // Tensors of more numbers than are read at a time
        let config = GptConfig { n_embd: 64, vocab_size, ..model.config() };
        let model =
            Gpt::new(config, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        export(&path, &model, &tokenizer).unwrap();
        let back = import_characters(&path).unwrap();
        assert_eq!(back, CharacterModel { model, tokenizer, left_out: 0 });
    }
}

#[test]
fn an_imported_model_goes_on_learning() {
    let model = import(&Path::new(FOLDERS).join("f32-tokens")).unwrap();
    let ids: Vec<u16> = SONNETS.bytes().take(20_000).map(u16::from).collect();
    let schedule =
        LrSchedule { max_lr: 0.01, min_lr: 0.001, warmup: 10, steps: 200 };
    let config = TrainConfig {
        batch_size: 16,
        schedule,
        average: 0.0,
        eval_interval: 200,
        seed: 1,
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(model, config).unwrap();
    let mut losses = Vec::new();
    for _ in 0..schedule.steps {
        losses.push(trainer.take_step(&ids).unwrap().loss);
    }
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    println!("loss {first:.2} before, {last:.2} after");
    // Random weights are worse than ignorance, ln 300; ten bytes that are
    // frequent are most of the text
    assert!(first > 5.7 && last < 2.9, "{first}, then {last}");
}

/// A model that knows three characters, and nothing of them.
fn untrained() -> (Gpt, CharTokenizer) {
    let config = GptConfig {
        n_layer: 1,
        n_head: 1,
        n_embd: 4,
        block_size: 4,
        vocab_size: 3,
    };
    let model = Gpt::new(config, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    (model, CharTokenizer::new("abc").unwrap())
}

/// What is in these files, `transformers` alone can judge, in a test further
/// up that few will run; since it did, not a word has changed.
#[test]
fn the_words_around_the_weights_are_those_that_transformers_read() {
    let (model, tokenizer) = untrained();
    let folder = Folder::new("words");
    let path = folder.0.join("model");
    export(&path, &model, &tokenizer).unwrap();
    let mut words = String::new();
    for name in [
        "config.json",
        "generation_config.json",
        "tokenizer_config.json",
        "tokenizer.json",
    ] {
        let content = fs::read_to_string(path.join(name)).unwrap();
        words += &format!("{name} {content}");
    }
    insta::assert_snapshot!("words", words);
}

/// A copy of a folder of `make.py`, to be damaged.
fn copy(name: &str) -> Folder {
    let copied = Folder::new(name);
    for entry in fs::read_dir(Path::new(FOLDERS).join(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copied.0.join(path.file_name().unwrap())).unwrap();
    }
    copied
}

/// What it is called, and what it does.
type Damage<'a> = (&'a str, &'a dyn Fn(&Folder));

impl Folder {
    fn bytes(&self) -> u64 {
        let entries = fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), content).unwrap();
    }

    fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let path = self.0.join(name);
        let mut json = serde_json::from_slice(&fs::read(&path).unwrap());
        change(json.as_mut().unwrap());
        fs::write(&path, json.unwrap().to_string()).unwrap();
    }

    /// Changes the header and the numbers of `model.safetensors`.
    fn forge(&self, change: impl FnOnce(&mut Value, &mut Vec<u8>)) {
        let path = self.0.join("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        let (length, rest) = bytes.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap());
        let (header, data) = rest.split_at(length as usize);
        let mut header = serde_json::from_slice(header).unwrap();
        let mut data = data.to_vec();
        change(&mut header, &mut data);
        let header = header.to_string();
        let length = (header.len() as u64).to_le_bytes();
        fs::write(&path, [&length, header.as_bytes(), &data].concat()).unwrap();
    }
}

/// What is said of a folder, wherever it is, and on whichever system.
fn anywhere(folder: &Folder, said: &str) -> String {
    let said = said.replace(&folder.0.display().to_string(), "DIR");
    said.replace("DIR\\", "DIR/")
}

/// What is said of a folder that cannot be loaded. To say it takes little
/// memory.
fn refusal<T>(
    folder: &Folder,
    load: impl Fn(&Path) -> Result<T, HuggingFaceError>,
) -> String {
    let mut said = None;
    let memory = measure(|| said = load(&folder.0).err());
    let said = said.expect("it cannot be loaded").to_string();
    let allowed = 8 * folder.bytes() + 10_000;
    assert!(memory.bytes_max <= allowed, "{said}: {memory:?}");
    anywhere(folder, &said)
}

/// What is said of each of these damages of a folder.
fn table(
    name: &str,
    load: impl Fn(&Path) -> Result<(), HuggingFaceError>,
    damages: &[Damage],
) -> String {
    let rows = damages.iter().map(|(what, damage)| {
        let folder = copy(name);
        load(&folder.0).expect("a good folder");
        damage(&folder);
        format!("{what}\n{}", wrap(&refusal(&folder, &load)))
    });
    rows.collect()
}

fn load(folder: &Path) -> Result<(), HuggingFaceError> {
    import(folder).map(|_| ())
}

/// A damage of the configuration.
fn field(name: &'static str, value: Value) -> Box<dyn Fn(&Folder)> {
    Box::new(move |folder| {
        folder.edit("config.json", |json| json[name] = value.clone());
    })
}

#[test]
fn every_other_model_is_refused_with_a_sentence() {
    let gone = |name: &'static str| {
        move |folder: &Folder| {
            let remove = |json: &mut Value| {
                json.as_object_mut().unwrap().remove(name);
            };
            folder.edit("config.json", remove);
        }
    };
    let said = table(
        "f32-tokens",
        load,
        &[
            ("no configuration", &|folder| {
                fs::remove_file(folder.0.join("config.json")).unwrap()
            }),
            ("no JSON", &|folder| {
                folder.write("config.json", "{\"n_layer\": 2")
            }),
            ("no object", &|folder| folder.write("config.json", "[2]")),
            ("deep nesting", &|folder| {
                folder.write("config.json", "[".repeat(9999))
            }),
            ("a terabyte", &|folder| {
                let path = folder.0.join("config.json");
                let file = fs::File::options().write(true).open(path).unwrap();
                file.set_len(1 << 40).unwrap();
            }),
            ("another architecture", &*field("model_type", json!("llama"))),
            ("no architecture", &gone("model_type")),
            ("ReLU", &*field("activation_function", json!("relu"))),
            ("exact GELU", &*field("activation_function", json!("gelu"))),
            ("another epsilon", &*field("layer_norm_epsilon", json!(1e-6))),
            ("another width inside", &*field("n_inner", json!(32))),
            ("scores not scaled", &*field("scale_attn_weights", json!(false))),
            (
                "scaled by layer",
                &*field("scale_attn_by_inverse_layer_idx", json!(true)),
            ),
            ("cross-attention", &*field("add_cross_attention", json!(true))),
            (
                "packed numbers",
                &*field("quantization_config", json!({"bits": 4})),
            ),
            ("no size", &gone("n_layer")),
            ("below zero", &*field("n_layer", json!(-1))),
            ("half a layer", &*field("n_layer", json!(1.5))),
            ("in words", &*field("n_head", json!("four"))),
            ("heads that do not divide", &*field("n_head", json!(3))),
            ("too many tokens", &*field("vocab_size", json!(70_000))),
            ("too wide for memory", &*field("n_embd", json!(1u64 << 60))),
            ("too wide for the file", &*field("n_embd", json!(1600))),
            ("layers without end", &*field("n_layer", json!(1_000_000_000))),
            // Of which each takes more memory than its few numbers
            ("many narrow layers", &|folder| {
                folder.edit("config.json", |json| {
                    json["n_embd"] = json!(1);
                    json["n_head"] = json!(1);
                    json["n_layer"] = json!(900);
                })
            }),
        ],
    );
    assert_snapshot!("configs", said);
}

#[test]
fn every_damaged_file_of_weights_is_refused_with_a_sentence() {
    let renamed = |old: &'static str, new: &'static str| {
        move |folder: &Folder| {
            folder.forge(|header, _| {
                let info = header.as_object_mut().unwrap().remove(old);
                header[new] = info.unwrap();
            });
        }
    };
    let info = |name: &'static str, key: &'static str, value: Value| {
        move |folder: &Folder| {
            folder.forge(|header, _| header[name][key] = value.clone());
        }
    };
    let bytes = |change: fn(&mut Vec<u8>)| {
        move |folder: &Folder| {
            let path = folder.0.join("model.safetensors");
            let mut bytes = fs::read(&path).unwrap();
            change(&mut bytes);
            fs::write(&path, bytes).unwrap();
        }
    };
    let bias = "transformer.ln_f.bias";
    let said = table(
        "f32-tokens",
        load,
        &[
            ("no weights", &|folder| {
                fs::remove_file(folder.0.join("model.safetensors")).unwrap();
            }),
            ("a pickle", &|folder| {
                let old = folder.0.join("model.safetensors");
                fs::rename(old, folder.0.join("pytorch_model.bin")).unwrap();
            }),
            ("a folder", &|folder| {
                let path = folder.0.join("model.safetensors");
                fs::remove_file(&path).unwrap();
                fs::create_dir(&path).unwrap();
            }),
            ("empty", &bytes(|bytes| bytes.clear())),
            ("a pointer to the weights", &|folder| {
                let pointer = "version https://git-lfs.github.com/spec/v1\n";
                folder.write("model.safetensors", pointer);
            }),
            ("an absurd header length", &bytes(|bytes| bytes[7] = 0x7f)),
            ("a header beyond the file", &bytes(|bytes| bytes[3] = 1)),
            ("a header that is no JSON", &bytes(|bytes| bytes[8] = b'!')),
            ("cut off", &bytes(|bytes| bytes.truncate(40_000))),
            ("a byte too many", &bytes(|bytes| bytes.push(0))),
            ("a tensor is missing", &renamed(bias, "ln_f.b")),
            ("a layer is missing", &*field("n_layer", json!(3))),
            ("a layer too many", &*field("n_layer", json!(1))),
            ("more positions", &*field("n_positions", json!(13))),
            ("another shape", &info(bias, "shape", json!([4, 4]))),
            ("integers", &info(bias, "dtype", json!("I32"))),
            ("numbers of eight bits", &|folder| {
                folder.forge(|header, _| {
                    header[bias]["dtype"] = json!("F8_E4M3");
                    header[bias]["shape"] = json!([64]);
                })
            }),
            (
                "overlapping tensors",
                &info(bias, "data_offsets", json!([4, 68])),
            ),
            (
                "a tensor twice",
                &renamed("transformer.ln_f.weight", "ln_f.bias"),
            ),
            ("not a number", &|folder| {
                folder.forge(|_, data| {
                    data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
                })
            }),
            (
                "no head where one is promised",
                &*field("tie_word_embeddings", json!(false)),
            ),
        ],
    );
    assert_snapshot!("weights", said);
    let said = refusal(&copy("f32-head-other"), load);
    assert_snapshot!("head", wrap(&said));
}

#[test]
fn half_precision_has_a_zero_and_knows_infinity() {
    let folder = copy("f16-no-head");
    folder.forge(|_, data| data[..2].fill(0));
    import(&folder.0).expect("zero is a number");
    folder.forge(|_, data| data[..2].copy_from_slice(&[0x00, 0x7c]));
    let said = refusal(&folder, import);
    assert!(said.contains("holds an infinity or NaN"), "{said}");
}

#[test]
fn every_damaged_index_is_refused_with_a_sentence() {
    const INDEX: &str = "model.safetensors.index.json";
    let second = "model-00002-of-00004.safetensors";
    let point = |name: &'static str, file: &'static str| {
        move |folder: &Folder| {
            folder.edit(INDEX, |json| json["weight_map"][name] = json!(file));
        }
    };
    let said = table(
        "bf16-shards",
        load,
        &[
            ("a shard is missing", &|folder| {
                fs::remove_file(folder.0.join(second)).unwrap();
            }),
            ("a shard is cut off", &|folder| {
                let bytes = fs::read(folder.0.join(second)).unwrap();
                folder.write(second, &bytes[..3000]);
            }),
            ("a shard that was not named", &|folder| {
                folder.edit(INDEX, |json| {
                    let map = json["weight_map"].as_object_mut().unwrap();
                    map.retain(|_, file| *file != second);
                });
            }),
            ("the same shard twice", &|folder| {
                fs::copy(folder.0.join(second), folder.0.join("again"))
                    .unwrap();
                point("more", "again")(folder);
            }),
            ("a file elsewhere", &point("more", "../../secret")),
            ("no map", &|folder| folder.write(INDEX, "{}")),
            ("no index", &|folder| folder.write(INDEX, "…")),
        ],
    );
    assert_snapshot!("indices", said);
}

#[test]
fn other_tokens_than_characters_are_refused_with_a_sentence() {
    let tokens = |folder: &Folder| {
        let bytes =
            fs::read(Path::new(FOLDERS).join("f32-tokens/tokenizer.json"));
        folder.write("tokenizer.json", bytes.unwrap());
    };
    let (model, tokenizer) = untrained();
    let damages: [Damage; 8] = [
        ("none", &|folder| {
            fs::remove_file(folder.0.join("tokenizer.json")).unwrap()
        }),
        ("no JSON", &|folder| folder.write("tokenizer.json", "abc")),
        ("zeros, as many as may be read", &|folder| {
            let path = folder.0.join("tokenizer.json");
            fs::File::create(path).unwrap().set_len(100_000_000).unwrap();
        }),
        ("no characters", &|folder| {
            folder.edit("tokenizer.json", |json| {
                json["model"]["vocab"] = json!({})
            })
        }),
        ("pairs of bytes", &tokens),
        ("lower case first", &|folder| {
            folder.edit("tokenizer.json", |json| {
                json["normalizer"] = json!({"type": "Lowercase"})
            })
        }),
        ("words", &|folder| {
            folder.edit("tokenizer.json", |json| {
                json["model"]["vocab"]["word"] = json!(3)
            })
        }),
        ("a character more", &|folder| {
            folder.edit("tokenizer.json", |json| {
                json["model"]["vocab"]["d"] = json!(3)
            })
        }),
    ];
    let rows = damages.map(|(what, damage)| {
        let folder = Folder::new(&format!("characters-{}", what.len()));
        fs::remove_dir(&folder.0).unwrap();
        export(&folder.0, &model, &tokenizer).unwrap();
        damage(&folder);
        format!("{what}\n{}", wrap(&refusal(&folder, import_characters)))
    });
    assert_snapshot!("characters", rows.concat());
}

#[test]
fn nothing_is_written_over_and_nothing_half_is_left() {
    let (folder, (model, tokenizer)) = (Folder::new("there"), untrained());
    let again = |path: &Path| export(path, &model, &tokenizer).map(drop);
    assert_eq!(
        refusal(&folder, again),
        "DIR: is there already; give another name"
    );
    folder.write("file", "");
    let below = folder.0.join("file/model");
    let said = export(&below, &model, &tokenizer).unwrap_err().to_string();
    assert!(said.contains("file/model: cannot make: "), "{said}");
    let other = CharTokenizer::new("abcd").unwrap();
    let said = export(&folder.0.join("a"), &model, &other).unwrap_err();
    assert!(said.to_string().contains("4 tokens, but the model has 3"));
    assert!(!folder.0.join("a").exists());
}

/// Of a path, Linux takes 4,095 bytes: enough for this folder, and too few for
/// a file in it.
#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_cannot_be_filled_is_not_left() {
    let (folder, (model, tokenizer)) = (Folder::new("deep"), untrained());
    let mut path = folder.0.clone();
    while path.as_os_str().len() < 4095 - 10 {
        let left = 4095 - 5 - path.as_os_str().len();
        path.push("d".repeat(left.min(200)));
    }
    let said = export(&path, &model, &tokenizer).unwrap_err().to_string();
    assert!(said.contains("model.safetensors: cannot write: "), "{said}");
    assert!(path.parent().unwrap().exists());
    assert!(!path.exists());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// In a tensor noise is weights; elsewhere it is an error, or harmless.
    #[test]
    fn noise_takes_no_memory_and_stops_nobody(
        name in prop::sample::select(vec![
            ("f32-tokens", "config.json"),
            ("f32-tokens", "model.safetensors"),
            ("f32-tokens", "tokenizer.json"),
            ("f32-tokens", "tokenizer_config.json"),
            ("bf16-shards", "model.safetensors.index.json"),
            ("bf16-shards", "model-00002-of-00004.safetensors"),
        ]),
        start in 0.0..1.0f64,
        noise in prop::collection::vec(any::<u8>(), 1..8),
        header in any::<bool>(),
    ) {
        let folder = copy(name.0);
        let mut bytes = fs::read(folder.0.join(name.1)).unwrap();
        let end = if header { bytes.len().min(3000) } else { bytes.len() };
        let start = (start * end as f64) as usize;
        for (byte, noise) in bytes[start..].iter_mut().zip(&noise) {
            *byte = *noise;
        }
        folder.write(name.1, bytes);
        let mut loaded = None;
        let memory = measure(|| loaded = Some(import(&folder.0)));
        prop_assert!(memory.bytes_max <= 8 * folder.bytes() + 10_000);
        let characters = import_characters(&folder.0);
        prop_assert!(characters.is_err());
        #[cfg(feature = "tokenizers")]
        if let Ok(tokenizer) =
            microgpt::hugging_face::JsonTokenizer::load(&folder.0)
        {
            let ids = tokenizer.encode("Shall I compare thee?\n").unwrap_or_default();
            let mut stream = tokenizer.stream();
            ids.iter().for_each(|&id| drop(stream.push(id)));
        }
    }
}
