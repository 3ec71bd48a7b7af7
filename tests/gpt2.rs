//! The example `gpt2`: where its text ends. It is compiled here, which takes too
//! long for what tries mistakes in the code.

#[path = "support/example.rs"]
mod example;
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use example::built;
use microgpt::generation::{Generator, Sampler};
use microgpt::hugging_face::{JsonTokenizer, import};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde_json::{Value, json};
use support::Folder;

#[test]
fn the_example_stops_where_the_text_ends() {
    let folder = Folder::new("gpt2");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let from = here.join("tests/interchange/folders/f32-tokens");
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(from.join(name), folder.0.join(name)).unwrap();
    }
    let program = built("gpt2", "tokenizers");
    let run = |more: &[&str]| {
        let mut command = Command::new(&program);
        command.args(["--prompt", "to be", "--temperature", "0"]);
        command.args(["--length", "8", "--model"]).arg(&folder.0).args(more);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let tokenizer = JsonTokenizer::load(&folder.0).unwrap();
    let prompt = tokenizer.encode("to be").unwrap();
    let model = import(&folder.0).unwrap();
    let sampler = Sampler::new(0.0, None).unwrap();
    let rng = ChaCha8Rng::seed_from_u64(0); // not asked
    let ids = Generator::new(&model, &prompt, sampler, rng).unwrap();
    let all: Vec<u16> = ids.take(8).map(Result::unwrap).collect();
    let shown = |ids: &[u16]| {
        let text = tokenizer.decode(ids).unwrap();
        format!("to be{}\n", text.replace('\r', "\\u{d}"))
    };
    let ends: Value = json!({ "eos_token_id": [299, all[3]] });
    let place = folder.0.join("generation_config.json");
    fs::write(place, ends.to_string()).unwrap();
    let count = all.iter().position(|id| *id == all[3]).unwrap();
    let (text, said) = run(&[]);
    assert_eq!(text, shown(&all[..count]));
    assert!(said.contains(&format!("\n{count} tokens, ")), "{said}");
    let (text, said) = run(&["--ignore-eos"]);
    assert_eq!(text, shown(&all));
    assert!(said.contains("\n8 tokens, "), "{said}");
}
