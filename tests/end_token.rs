//! The token that an exported model has beside its characters: to fill up, to
//! begin and to end a text, and never to be generated.

mod support;
#[path = "support/trained.rs"]
mod trained;

use std::fs;
use std::path::Path;
use std::process::Command;

use half::{bf16, f16};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::hugging_face::{
    CharacterModel, end_of_text, export, import, import_characters,
};
use microgpt::tokenization::CharTokenizer;
use ndarray::s;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::StandardNormal;
use serde_json::Value;
use support::Folder;
use trained::trained;

/// A model of so many characters, with gains and shifts that are not initial.
fn shaken(tokens: usize, noise: f32) -> (Gpt, CharTokenizer) {
    let text = ('\u{100}'..).take(tokens).collect::<String>();
    let tokenizer = CharTokenizer::new(&text).unwrap();
    let (n_layer, n_head, n_embd, block_size) = (2, 2, 32, 24);
    let vocab_size = tokenizer.vocab_size();
    let config = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut model = Gpt::new(config, &mut rng).unwrap();
    for tensor in model.tensors_mut() {
        let noise = |_| noise * rng.sample::<f32, _>(StandardNormal);
        let noise: Vec<f32> = tensor.data.iter().map(noise).collect();
        tensor.data.iter_mut().zip(noise).for_each(|(x, more)| *x += more);
    }
    (model, tokenizer)
}

/// All windows of a model's length, of ids below `vocab_size`.
fn windows(config: GptConfig) -> Vec<u16> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let id = |_| rng.random_range(0..config.vocab_size as u16);
    (0..64 * config.block_size).map(id).collect()
}

/// The export of a model: its folder, and the model in it, of one row more.
fn exported(model: &Gpt, tokenizer: &CharTokenizer) -> (Folder, Gpt, u16) {
    let folder = Folder::new("end");
    let path = folder.0.join("model");
    let end = export(&path, model, tokenizer).unwrap();
    let ended = import(&path).unwrap();
    (folder, ended, end.expect("an end token"))
}

/// The lowest and the highest of some numbers.
fn range(numbers: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let lowest = numbers.clone().fold(f32::INFINITY, f32::min);
    (lowest, numbers.fold(f32::NEG_INFINITY, f32::max))
}

#[test]
fn its_logit_is_the_same_after_every_text_and_below_all_others() {
    for (model, tokenizer) in [shaken(59, 0.2), trained()] {
        let (_folder, ended, end) = exported(&model, &tokenizer);
        let config = model.config();
        assert_eq!(usize::from(end), config.vocab_size);
        let ids = windows(ended.config()); // the end token is among them
        let (logits, _) = ended.forward(&ids, config.block_size);
        let column = logits.column(end.into());
        let (low, high) = range(column.iter().copied());
        let others = logits.slice(s![.., ..usize::from(end)]);
        let (lowest, _) = range(others.iter().copied());
        println!("end {low} to {high}; the lowest of the others {lowest}");
        // With γ forgotten, it strays over 345
        assert!(high - low < 0.1, "{low} to {high}");
        assert!(lowest - high > 30.0, "{high}, others from {lowest}");
        let expected = lowest_bound(&model) - 30.0;
        // 0.2 off if the bound forgets β or the centering
        assert!((f64::from(high) - expected).abs() < 0.1, "{expected}");
    }
}

/// How low a character's logit can be, over all rows that have no mean and a
/// length of `√C`.
fn lowest_bound(model: &Gpt) -> f64 {
    let (gain, shift) = (&model.norm.weight, &model.norm.bias);
    let lowest = model.embeddings.token.rows().into_iter().map(|row| {
        let v: Vec<f64> = (row.iter().zip(gain))
            .map(|(w, gain)| f64::from(*w) * f64::from(*gain))
            .collect();
        let c = v.len() as f64;
        let mean = v.iter().sum::<f64>() / c;
        let length = v.iter().map(|v| (v - mean).powi(2)).sum::<f64>().sqrt();
        f64::from(row.dot(shift)) - c.sqrt() * length
    });
    lowest.fold(f64::INFINITY, f64::min)
}

#[test]
fn the_logits_of_characters_are_the_same_to_the_bit() {
    let (model, tokenizer) = shaken(59, 0.2);
    let (_folder, ended, _) = exported(&model, &tokenizer);
    let ids = windows(model.config());
    let (ours, _) = model.forward(&ids, 24);
    let (theirs, _) = ended.forward(&ids, 24);
    assert_eq!(ours, theirs.slice(s![.., ..59]));
}

/// Weights of 16 bits, as the folder may be loaded; the arithmetic stays ours.
#[test]
fn in_half_precision_it_is_as_far_below() {
    let to_bf16 = |x: f32| bf16::from_f32(x).to_f32();
    let to_f16 = |x: f32| f16::from_f32(x).to_f32();
    for (model, tokenizer) in [shaken(59, 0.2), trained()] {
        let (_folder, ended, end) = exported(&model, &tokenizer);
        for round in [to_bf16, to_f16] {
            let mut ended = ended.clone();
            for tensor in ended.tensors_mut() {
                tensor.data.iter_mut().for_each(|x| *x = round(*x));
                assert!(tensor.data.iter().all(|x| x.is_finite()));
            }
            let ids = windows(model.config());
            let (logits, _) = ended.forward(&ids, model.config().block_size);
            for mut row in logits.rows().into_iter().map(|row| row.to_vec()) {
                let logit = row.remove(end.into());
                let (_, highest) = range(row.into_iter());
                assert!(highest - logit > 20.0, "{highest}, end {logit}");
            }
        }
    }
}

/// Where there can be none, a folder is as it was before there was any.
#[test]
fn a_model_that_can_have_none_leaves_without() {
    let fresh = shaken(59, 0.0);
    let mut no_gain = shaken(59, 0.2);
    no_gain.0.norm.weight[3] = 0.0;
    let mut steep = shaken(59, 0.2); // its entry is none of 16 bits
    (steep.0.norm.weight[3], steep.0.norm.bias[3]) = (1e-4, 0.0);
    let mut balanced = shaken(59, 0.2);
    balanced.0.norm.weight.fill(1.0);
    balanced.0.norm.bias -= balanced.0.norm.bias.sum() / 32.0 - 1e-4;
    let mut all_ids = shaken(1 << 16, 0.0); // no id is left
    all_ids.0.norm.bias.fill(1.0);
    for (model, tokenizer) in [fresh, no_gain, steep, balanced, all_ids] {
        let folder = Folder::new("none");
        let path = folder.0.join("model");
        assert_eq!(export(&path, &model, &tokenizer).unwrap(), None);
        assert_eq!(import(&path).unwrap(), model);
        assert!(end_of_text(&path).unwrap().is_empty());
        let words = fs::read_to_string(path.join("tokenizer.json")).unwrap();
        assert!(words.contains("\"added_tokens\": []"));
    }
}

/// Two shifts of 64 that nearly cancel: the logit, 30 below the others, is a sum
/// of terms that are many times as large, and strays by as many roundings.
#[test]
fn how_far_shifts_may_cancel() {
    let (mut model, tokenizer) = shaken(59, 0.2);
    model.embeddings.token.fill(0.0); // so that every other logit is 0
    model.norm.weight.fill(1.0);
    model.norm.bias.fill(0.0);
    // The stray is 30·√(32 + 2·64²)/512/rest: 5.3 and 10.6, and 7.5 is the most
    for (rest, some) in [(1.0, true), (0.5, false)] {
        (model.norm.bias[0], model.norm.bias[1]) = (64.0, rest - 64.0);
        assert_eq!(model.norm.bias.sum(), rest);
        let folder = Folder::new("cancel");
        let path = folder.0.join("model");
        let end = export(&path, &model, &tokenizer).unwrap();
        assert_eq!(end.is_some(), some, "{rest}");
    }
}

/// A tokenizer that names an end token, beside a model without a row for it.
#[test]
fn a_model_may_have_no_row_for_the_end_that_its_tokenizer_names() {
    let (mut model, tokenizer) = shaken(59, 0.2);
    let (named, ..) = exported(&model, &tokenizer);
    model.norm.weight[3] = 0.0;
    let folder = Folder::new("unnamed");
    let path = folder.0.join("model");
    assert_eq!(export(&path, &model, &tokenizer).unwrap(), None);
    let name = "tokenizer.json";
    fs::copy(named.0.join("model").join(name), path.join(name)).unwrap();
    let back = import_characters(&path).unwrap();
    assert_eq!(back, CharacterModel { model, tokenizer, left_out: 0 });
}

#[test]
fn a_round_trip_gives_the_same_bits() {
    let (model, tokenizer) = shaken(59, 0.2);
    let (folder, ended, end) = exported(&model, &tokenizer);
    let path = folder.0.join("model");
    assert_eq!(ended.config().vocab_size, 60);
    assert_eq!(end_of_text(&path).unwrap(), [end]);
    let back = import_characters(&path).unwrap();
    assert_eq!(back, CharacterModel { model, tokenizer, left_out: 0 });
}

/// Tokens that were added elsewhere, and tables that were rounded up.
#[test]
fn rows_that_are_no_character_s_are_left_out_and_counted() {
    let (model, tokenizer) = shaken(64, 0.2);
    let (few, known) = shaken(59, 0.2);
    let (folder, _, _) = exported(&model, &tokenizer); // of 65 rows
    let (named, ..) = exported(&few, &known);
    let place = |from: &Folder| from.0.join("model/tokenizer.json");
    // Which would name the end token, whether it is there or not
    fs::remove_file(folder.0.join("model/tokenizer_config.json")).unwrap();
    let mut json: Value =
        serde_json::from_slice(&fs::read(place(&named)).unwrap()).unwrap();
    let mut left_out = |added: Value| {
        json["added_tokens"] = added;
        fs::write(place(&folder), json.to_string()).unwrap();
        let back = import_characters(&folder.0.join("model")).unwrap();
        assert_eq!(back.tokenizer, known);
        let table = &back.model.embeddings.token;
        let rows = model.embeddings.token.slice(s![..59, ..]);
        assert_eq!(table, rows);
        assert!(back.model.config().vocab_size == 59);
        back.left_out
    };
    let token = |id: u16, content: &str| serde_json::json!([{ "id": id, "content": content }]);
    assert_eq!(left_out(token(59, "<|endoftext|>")), 5);
    assert_eq!(left_out(token(59, "[PAD]")), 6);
    assert_eq!(left_out(token(60, "<|endoftext|>")), 6);
    assert_eq!(left_out(serde_json::json!([])), 6);
}

#[test]
#[ignore = "needs MICROGPT_PYTHON, with torch, transformers, accelerate"]
fn transformers_pads_and_ends_and_trains_with_it() {
    let named = std::env::var_os("MICROGPT_PYTHON").expect("MICROGPT_PYTHON");
    for python in std::env::split_paths(&named) {
        let (model, tokenizer) = trained();
        let (folder, ..) = exported(&model, &tokenizer);
        let script = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(python);
        command.arg(script.join("tests/interchange/padding.py"));
        let output = command.arg(&folder.0).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{output:?}");
        println!("{said}");
        let CharacterModel { left_out, model: back, .. } =
            import_characters(&folder.0.join("trained")).unwrap();
        assert_eq!((left_out, back.config()), (0, model.config()));
        assert_ne!(back, model);
    }
}
