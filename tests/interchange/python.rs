//! What only `transformers` can judge. Each test runs for every Python that
//! `MICROGPT_PYTHON` names, as `PATH` names folders: one with version 4 and one
//! with version 5, say, since the two do not always agree.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::*;

/// A Python that has `torch` and `transformers`.
pub struct Python(PathBuf);

/// Those that somebody named.
pub fn pythons() -> Vec<Python> {
    let named = std::env::var_os("MICROGPT_PYTHON").expect(
        "MICROGPT_PYTHON has to name a Python that has torch and \
         transformers, or several, like PATH",
    );
    let pythons: Vec<_> = std::env::split_paths(&named).map(Python).collect();
    assert!(!pythons.is_empty());
    pythons
}

impl Python {
    /// What a script of this folder answers.
    fn run(&self, script: &str, more: &[&OsStr], input: &Value) -> Vec<u8> {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interchange");
        let mut command = Command::new(&self.0);
        command.arg(Path::new(here).join(script)).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_string();
        // What reads nothing may have ended
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        output.stdout
    }

    pub fn ask(&self, script: &str, folder: &Path, input: &Value) -> Value {
        let answer = self.run(script, &[folder.as_os_str()], input);
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let version = |i: usize| answer["versions"][i].as_str().unwrap();
        println!("torch {}, transformers {}", version(0), version(1));
        answer
    }
}

#[test]
#[ignore = "needs MICROGPT_PYTHON, with torch and transformers"]
fn transformers_says_the_same_of_an_exported_model() {
    let (model, tokenizer) = trained();
    let folder = Folder::new("out");
    let path = folder.0.join("model");
    let end = export(&path, &model, &tokenizer).unwrap();
    let ids = random_ids(model.config(), 100);
    let params = import(&path).unwrap().num_params();
    assert_eq!(params, model.num_params() + end.map_or(0, |_| 32), "a row");
    let every = tokenizer.vocabulary().chunks(40);
    let every: Vec<String> = every.map(|part| part.iter().collect()).collect();
    let mut texts = vec!["Shall I compare thee", "\n\n", "  ,  .  'tis ;", "t"];
    texts.extend(every.iter().map(String::as_str));
    let questions = json!({ "ids": ids, "texts": texts });
    for python in pythons() {
        let answers = python.ask("open.py", &path, &questions);
        assert_eq!(answers["parameters"], params);
        let apart = apart(&model, &ids, &answers["logits"]);
        println!("{} prompts: logits at most {apart:.1e} apart", ids.len());
        assert!(apart < 1e-5, "{apart}");
        // With token_type_ids, which version 4 hands on where no file says
        // otherwise, wte[0] is added everywhere, and all texts are others
        assert_eq!(answers["inputs"], json!(["attention_mask", "input_ids"]));
        for (i, text) in texts.iter().enumerate() {
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(answers["encoded"][i], json!(ids));
            assert_eq!(answers["decoded"][i], *text);
            let ours = tokenizer.decode(&greedy(&model, &ids)).unwrap();
            assert_eq!(answers["written"][i], ours);
            println!("both write {ours:?}");
        }
        let strangers = answers["strangers"].as_str().unwrap_or("no error");
        println!("of an unknown character:\n  {strangers}");
        assert!(strangers.contains("UNK"), "{strangers}");
    }
}

#[test]
#[ignore = "needs MICROGPT_PYTHON, with torch and transformers"]
fn fresh_folders_of_transformers_are_imported_too() {
    let folder = Folder::new("in");
    for (python, seed) in pythons().iter().flat_map(|it| [(it, "1"), (it, "2")])
    {
        let more = [folder.0.as_os_str(), OsStr::new(seed)];
        let versions = python.run("make.py", &more, &Value::Null);
        println!("{}", String::from_utf8_lossy(&versions).trim_end());
        for name in LOADED {
            let (_, apart) = compare(&folder.0.join(name));
            println!("seed {seed}, {name}: logits at most {apart:.1e} apart");
            assert!(apart < 1e-5, "{name}: {apart}");
        }
        assert!(import(&folder.0.join("f32-head-other")).is_err());
        #[cfg(feature = "tokenizers")]
        ids_as_expected(&folder.0.join("f32-tokens"));
        fs::remove_dir_all(&folder.0).unwrap();
    }
}

#[cfg(feature = "tokenizers")]
fn ids_as_expected(folder: &Path) {
    let tokenizer = microgpt::hugging_face::JsonTokenizer::load(folder);
    let (tokenizer, expected) = (tokenizer.unwrap(), expected(folder));
    let texts = expected["texts"].as_array().unwrap();
    for (text, ids) in texts.iter().zip(0..) {
        let encoded = tokenizer.encode(text.as_str().unwrap()).unwrap();
        assert_eq!(json!(encoded), expected["encoded"][ids]);
    }
}

#[test]
#[ignore = "needs MICROGPT_PYTHON, with torch and transformers"]
fn a_gpt2_of_124_million_says_what_transformers_says() {
    for python in pythons() {
        let folder = Folder::new("124m");
        let more = [OsStr::new("make"), folder.0.as_os_str()];
        python.run("gpt2.py", &more, &Value::Null);
        say_the_same_of_gpt2(&folder.0);
    }
}

fn say_the_same_of_gpt2(folder: &Path) {
    let mut model = None;
    let memory = measure(|| model = import(folder).ok());
    let model = model.expect("a model");
    let (expected, weights) = (expected(folder), 4 * model.num_params());
    assert_eq!(model.num_params(), 124_439_808);
    assert_eq!(expected["parameters"], model.num_params());
    let share = memory.bytes_max as f64 / weights as f64;
    println!("loaded in {share:.3} times the memory of the weights");
    assert!(share < 1.01, "{share}");
    let rows: Vec<usize> =
        serde_json::from_value(expected["rows"].clone()).unwrap();
    let ids: Vec<u16> =
        serde_json::from_value(expected["ids"].clone()).unwrap();
    let theirs: Vec<Vec<f32>> =
        serde_json::from_value(expected["logits"].clone()).unwrap();
    let (ours, _) = model.forward(&ids, ids.len());
    let mut largest = Vec::new();
    for (row, theirs) in rows.into_iter().zip(&theirs) {
        assert_eq!(theirs.len(), 50_257);
        let row = ours.row(row);
        let pairs = row.iter().zip(theirs);
        let apart = pairs.map(|(a, b)| (a - b).abs());
        largest.extend(apart.max_by(f32::total_cmp));
    }
    let apart = largest.into_iter().max_by(f32::total_cmp).unwrap();
    println!("{} parameters: {apart:.1e} apart", model.num_params());
    assert!(apart < 1e-4, "{apart}");
}

/// Of a table under its other name, `transformers` 5 makes what we make.
/// Version 4 ends with an error of PyTorch's.
#[test]
#[ignore = "needs MICROGPT_PYTHON, with torch and transformers"]
fn either_name_of_the_table_is_enough() {
    let whole = import(&Path::new(FOLDERS).join("f32-tokens")).unwrap();
    let folder = copy("f32-tokens");
    rename(&folder, |name| {
        name.replace("transformer.wte.weight", "lm_head.weight")
    });
    assert_eq!(import(&folder.0).unwrap(), whole);
    let ids = vec![vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]];
    let edit = ("config.json", "zzz", 0);
    let questions = json!({ "edits": [edit], "ids": ids, "texts": [] });
    for python in pythons() {
        let answers = python.ask("edits.py", &folder.0, &questions);
        match &answers["answers"][0] {
            answer if answer["logits"].is_array() => {
                let apart = apart(&whole, &ids, &answer["logits"]);
                println!("lm_head.weight alone: {apart:.1e} apart");
                assert!(apart < 1e-5, "{apart}");
            }
            answer => println!("lm_head.weight alone: {}", answer["error"]),
        }
    }
}

/// What a sentence tells people to run makes the file that was missing.
#[test]
#[ignore = "needs MICROGPT_PYTHON, with torch and transformers"]
fn the_line_in_the_sentence_makes_the_file() {
    for Python(python) in pythons() {
        let run = |folder: &Folder, said: &str| {
            let (_, line) = said.split_once("python -c \"").expect(said);
            let line = line.strip_suffix('"').expect(said);
            let mut command = Command::new(&python);
            command.args(["-c", line]).current_dir(&folder.0);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{line}: {output:?}");
        };
        let whole = import(&Path::new(FOLDERS).join("f32-tokens")).unwrap();
        for shards in [false, true] {
            let folder = copy("f32-tokens");
            let make = if shards { SHARDS } else { PICKLE };
            run(&folder, &format!("python -c \"{make}\""));
            run(&folder, &refusal(&folder, import));
            assert_eq!(import(&folder.0).unwrap(), whole);
        }
        #[cfg(feature = "tokenizers")]
        {
            use microgpt::hugging_face::JsonTokenizer;
            let folder = vocabulary_and_merges();
            run(&folder, &refusal(&folder, JsonTokenizer::load));
            ids_as_expected(&folder.0);
        }
    }
}

const PICKLE: &str = "
import os, torch
from safetensors.torch import load_file
torch.save(load_file('model.safetensors'), 'pytorch_model.bin')
os.remove('model.safetensors')
";

const SHARDS: &str = "
import json, os, torch
from safetensors.torch import load_file
tensors = load_file('model.safetensors')
places = {}
for i, name in enumerate(tensors):
    place = f'pytorch_model-0000{i % 2 + 1}-of-00002.bin'
    places.setdefault(place, []).append(name)
for place, names in places.items():
    torch.save({name: tensors[name] for name in names}, place)
index = {'metadata': {}, 'weight_map': {n: p for p in places for n in places[p]}}
json.dump(index, open('pytorch_model.bin.index.json', 'w'))
os.remove('model.safetensors')
";
