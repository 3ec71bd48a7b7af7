//! The file for llama.cpp: what is in it, and that llama.cpp reads it so.

mod support;
#[path = "support/trained.rs"]
mod trained;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::hugging_face::export_gguf;
use microgpt::tokenization::CharTokenizer;
use ndarray::{ArrayView1, ArrayView2};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde_json::{Value, json};
use support::Folder;
use trained::trained;

const SONNETS: &str = include_str!("../chapters-code/data/sonnets.txt");

/// Characters of one to four bytes, seen and unseen, whole and combined.
const AWKWARD: &str = "\u{1}\t\r\n\u{7f}\u{85}\u{a0}\u{ad} !\"'09?AZ[a|z~ÂÃÿ\
                       éüß\u{301}ñ–—…\u{200d}\u{2028}\u{feff}नि你好한€👩🏽🦀\
                       \u{e000}\u{10ffff}Ġ Ċ Ā";

/// A model of a text's characters that have been moved apart.
fn model_of(text: &str) -> (Gpt, CharTokenizer) {
    let tokenizer = CharTokenizer::new(text).unwrap();
    let (n_layer, n_head, n_embd, block_size) = (2, 2, 12, 10);
    let vocab_size = tokenizer.vocab_size();
    let config = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut model = Gpt::new(config, &mut rng).unwrap();
    let numbers = model.tensors_mut().into_iter().flat_map(|it| it.data);
    for (x, i) in numbers.zip(0u16..) {
        *x += f32::from(i % 7) / 10.0;
    }
    (model, tokenizer)
}

/// What is left of a file's bytes, taken piece by piece.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(count);
        self.0 = left;
        taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn usize(&mut self) -> usize {
        u64::from_le_bytes(self.take(8).try_into().unwrap()) as usize
    }

    fn text(&mut self) -> String {
        let length = self.usize();
        String::from_utf8(self.take(length).to_vec()).unwrap()
    }

    fn value(&mut self, kind: u32) -> Value {
        match kind {
            4 | 5 => json!(self.u32()),
            6 => json!(f32::from_bits(self.u32())),
            7 => json!(self.take(1) == [1]),
            8 => json!(self.text()),
            9 => {
                let (kind, count) = (self.u32(), self.usize());
                (0..count).map(|_| self.value(kind)).collect()
            }
            _ => panic!("type {kind}"),
        }
    }
}

/// A file's settings, and its tensors: the shape, row length first, and where
/// the numbers begin.
struct Read {
    settings: Value,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

/// Reads a file as its specification says, in so far as ours go.
fn read(path: &Path) -> Read {
    let file = fs::read(path).unwrap();
    let mut bytes = Bytes(&file);
    assert_eq!(bytes.take(4), b"GGUF");
    assert_eq!(bytes.u32(), 3, "the version");
    let (tensors, settings) = (bytes.usize(), bytes.usize());
    let setting = |_| {
        let (name, kind) = (bytes.text(), bytes.u32());
        (name, bytes.value(kind))
    };
    let settings = (0..settings).map(setting).collect();
    let info = |_| {
        let (name, dimensions) = (bytes.text(), bytes.u32());
        let shape: Vec<_> = (0..dimensions).map(|_| bytes.usize()).collect();
        assert_eq!(bytes.u32(), 0, "F32");
        (name, shape, bytes.usize())
    };
    let infos: Vec<_> = (0..tensors).map(info).collect();
    let start = (file.len() - bytes.0.len()).next_multiple_of(32);
    let data = &file[start..];
    let (mut tensors, mut end) = (BTreeMap::new(), 0);
    for (name, shape, offset) in infos {
        assert_eq!(offset, end, "one behind the other, at multiples of 32");
        let count = shape.iter().product::<usize>();
        end = (offset + 4 * count).next_multiple_of(32);
        let four = data[offset..][..4 * count].chunks_exact(4);
        let numbers = four.map(|x| f32::from_le_bytes(x.try_into().unwrap()));
        tensors.insert(name, (shape, numbers.collect()));
    }
    assert_eq!(data.len(), end, "nothing behind the last");
    Read { settings, tensors }
}

fn exported(model: &Gpt, tokenizer: &CharTokenizer) -> (Folder, Read) {
    let folder = Folder::new("gguf");
    let path = folder.0.join("model.gguf");
    export_gguf(&path, model, tokenizer).unwrap();
    let read = read(&path);
    (folder, read)
}

#[test]
fn the_settings_are_those_that_llama_cpp_asks_for() {
    let (model, tokenizer) = model_of("aé\n to\u{1f339}");
    let (_folder, Read { settings, .. }) = exported(&model, &tokenizer);
    let expected = json!({
        "general.architecture": "gpt2",
        "gpt2.block_count": 2,
        "gpt2.context_length": 10,
        "gpt2.embedding_length": 12,
        "gpt2.feed_forward_length": 48,
        "gpt2.attention.head_count": 2,
        "gpt2.attention.layer_norm_epsilon": 1e-5_f32,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens":
            ["Ċ", "Ġ", "a", "o", "t", "Ã©", "ðŁĮ¹", "<|endoftext|>"],
        "tokenizer.ggml.token_type": [1, 1, 1, 1, 1, 1, 1, 3],
        "tokenizer.ggml.merges": ["Ã ©", "ð Ł", "ðŁ Į", "ðŁĮ ¹", "ÿ ÿ"],
        "tokenizer.ggml.bos_token_id": 7,
        "tokenizer.ggml.eos_token_id": 7,
        "tokenizer.ggml.padding_token_id": 7,
        "tokenizer.ggml.add_bos_token": false,
    });
    assert_eq!(settings, expected, "{settings:#}");
}

#[test]
fn the_tensors_are_ours_and_those_of_linear_layers_transposed() {
    let (model, tokenizer) = model_of("to be\n");
    let (_folder, Read { mut tensors, .. }) = exported(&model, &tokenizer);
    let mut check = |name: &str, shape: &[usize], numbers: Vec<f32>| {
        let (found, theirs) = tensors.remove(name).expect(name);
        assert_eq!((found.as_slice(), theirs), (shape, numbers), "{name}");
    };
    let vector = |x: &ArrayView1<f32>| x.to_vec();
    let linear = |x: &ArrayView2<f32>| x.t().iter().copied().collect();
    let (c, position) = (12, &model.embeddings.position);
    check("position_embd.weight", &[c, 10], position.iter().copied().collect());
    check("output_norm.weight", &[c], vector(&model.norm.weight.view()));
    check("output_norm.bias", &[c], vector(&model.norm.bias.view()));
    for (i, block) in model.blocks.iter().enumerate() {
        for (name, norm) in
            [("attn_norm", &block.norm_1), ("ffn_norm", &block.norm_2)]
        {
            let name = format!("blk.{i}.{name}");
            let (weight, bias) = (norm.weight.view(), norm.bias.view());
            check(&format!("{name}.weight"), &[c], vector(&weight));
            check(&format!("{name}.bias"), &[c], vector(&bias));
        }
        for (name, layer) in [
            ("attn_qkv", &block.attention.qkv),
            ("attn_output", &block.attention.proj),
            ("ffn_up", &block.mlp.up),
            ("ffn_down", &block.mlp.down),
        ] {
            let name = format!("blk.{i}.{name}");
            let (weight, bias) = (layer.weight.view(), layer.bias.view());
            let weight_name = format!("{name}.weight");
            check(
                &weight_name,
                &[weight.nrows(), weight.ncols()],
                linear(&weight),
            );
            check(&format!("{name}.bias"), &[bias.len()], vector(&bias));
        }
    }
    let (shape, table) = tensors.remove("token_embd.weight").unwrap();
    assert_eq!(shape, [c, 7], "six characters and the end token");
    let characters = model.embeddings.token.iter().copied();
    assert!(table[..6 * c].iter().copied().eq(characters));
    assert!(tensors.is_empty(), "{:?}", tensors.keys());
}

#[test]
fn no_file_is_written_over_and_none_is_left_half() {
    let (folder, (model, tokenizer)) = (Folder::new("gguf"), model_of("ab"));
    let there = folder.0.join("there");
    fs::write(&there, "kept").unwrap();
    let fresh = Gpt::new(model.config(), &mut ChaCha8Rng::seed_from_u64(1));
    let (free, below) = (folder.0.join("free"), there.join("below"));
    let other = CharTokenizer::new("abc").unwrap();
    let refused = [
        (&there, &model, &tokenizer, "there: is there already; give another"),
        (&below, &model, &tokenizer, "below: cannot write: "),
        (&free, &model, &other, "free: 3 tokens, but the model has 2; "),
        (&free, fresh.as_ref().unwrap(), &tokenizer, "trained too little"),
    ];
    for (path, model, tokenizer, said) in refused {
        let error = export_gguf(path, model, tokenizer).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(fs::read(&there).unwrap(), b"kept");
    let names = fs::read_dir(&folder.0).unwrap();
    assert_eq!(names.count(), 1, "only what was there");
}

/// A disk that is full before the file is whole.
#[test]
#[cfg(target_os = "linux")]
fn what_could_not_be_written_is_taken_away() {
    let (folder, (model, tokenizer)) = (Folder::new("gguf"), model_of("ab"));
    let part = folder.0.join("full.part");
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let path = folder.0.join("full");
    let said = export_gguf(&path, &model, &tokenizer).unwrap_err();
    assert!(said.to_string().contains("cannot write: "), "{said}");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

/// What llama.cpp answers about a model.
fn ask(model: &Gpt, tokenizer: &CharTokenizer, questions: &Value) -> Value {
    let modules = std::env::var_os("MICROGPT_LLAMA").expect("MICROGPT_LLAMA");
    let (folder, _) = exported(model, tokenizer);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("node");
    command.arg(here.join("tests/interchange/llama.mjs")).arg(modules);
    command.arg(folder.0.join("model.gguf"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let questions = questions.to_string();
    child.stdin.take().unwrap().write_all(questions.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs node, and MICROGPT_LLAMA, a node_modules with node-llama-cpp"]
fn llama_cpp_says_the_same() {
    let (model, tokenizer) = trained();
    let texts = [SONNETS, "  ,  .  'tis ; don't  ?\n\n  ", "Shall I", "\n"];
    let ids = texts.map(|text| tokenizer.encode(text).unwrap());
    let prompts = ids[1..].iter().map(|ids| {
        let (room, ids) = (model.config().block_size - ids.len(), json!(ids));
        json!([ids, room])
    });
    let prompts: Vec<_> = prompts.collect();
    let questions = json!({ "texts": texts, "prompts": prompts });
    let answers = ask(&model, &tokenizer, &questions);
    assert_eq!(answers["ends"], json!([tokenizer.vocab_size()]));
    assert_eq!(answers["contextSize"], model.config().block_size);
    for (i, (text, ids)) in texts.iter().zip(&ids).enumerate() {
        assert_eq!(answers["encoded"][i], json!(ids));
        assert_eq!(answers["decoded"][i], *text);
    }
    println!("the same ids of {} characters", SONNETS.chars().count());
    for (i, prompt) in ids[1..].iter().enumerate() {
        let sampler = Sampler::new(0.0, None).unwrap();
        let rng = ChaCha8Rng::seed_from_u64(0); // not asked
        let ours = Generator::new(&model, prompt, sampler, rng).unwrap();
        let room = model.config().block_size - prompt.len();
        let ours: Vec<u16> = ours.take(room).map(Result::unwrap).collect();
        assert_eq!(answers["written"][i], json!(ours));
        println!("both write {:?}", tokenizer.decode(&ours).unwrap());
    }
}

#[test]
#[ignore = "needs node, and MICROGPT_LLAMA, a node_modules with node-llama-cpp"]
fn llama_cpp_reads_every_character_and_drops_the_unknown() {
    let (model, tokenizer) = model_of(AWKWARD);
    let vocabulary: Vec<char> = tokenizer.vocabulary().to_vec();
    let backwards: String = vocabulary.iter().rev().collect();
    let doubled = vocabulary.iter().flat_map(|&c| [c, c, ' ', c]);
    let texts = [AWKWARD.to_owned(), backwards, doubled.collect()];
    let mut asked = texts.to_vec();
    // The first bytes of the unknown are those of characters that it knows
    asked.extend(["aêz", "‐a", "a🦁z", "§", "aQz"].map(String::from));
    let questions = json!({ "texts": asked, "prompts": [] });
    let answers = ask(&model, &tokenizer, &questions);
    for (i, text) in texts.iter().enumerate() {
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(answers["encoded"][i], json!(ids), "{text:?}");
        assert_eq!(answers["decoded"][i], *text);
    }
    for (i, left) in ["az", "a", "az", "", "az"].iter().enumerate() {
        assert_eq!(answers["decoded"][texts.len() + i], *left);
    }
}
