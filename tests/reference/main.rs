//! Foreign numbers: the same weights and ids give the same logits, losses,
//! gradients and trained weights as PyTorch and `transformers` do.
//!
//! The fixtures were made once, by `make.py`; `README.md` says how and what is
//! in them. No test needs Python.

// `run.rs` is loaded twice on purpose: once for each precision
#![allow(clippy::duplicate_mod)]

/// `run.rs` beside the modules in `f64`.
#[path = "."]
mod in_f64 {
    use double::{Float, gpt, training};
    pub mod run;
}

/// `run.rs` beside the crate itself, in `f32`.
#[path = "."]
mod in_f32 {
    use microgpt::{Float, gpt, training};
    pub mod run;
}

use std::collections::BTreeMap;

use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

/// In `f64`, relative to the largest entry of a tensor. The worst true error is
/// 3e-15. `README.md` has what mistakes make of it: the smallest, PyTorch's
/// `clip_grad_norm_` with its `+ 1e-6`, 9e-8; all others, 1e-5 to 3.
const DOUBLE: f64 = 1e-10;

/// In `f32`. The worst true error is 2e-6, a few roundings. The smallest mistake
/// that can be seen, ε outside LayerNorm's root, makes it 5e-5.
const SINGLE: f64 = 1e-5;

/// For the biases of the keys, in `f64`: see [`take_keys`]. The true error is
/// 6e-11; if biases decayed, it would be 6e-3.
const KEYS: f64 = 1e-8;

/// Windows in a batch, positions in a window, width: all different from each
/// other and from `D = 6`, so that none can stand in for another.
const B: usize = 3;
const T: usize = 8;
const C: usize = 12;

const PLAIN_F64: &[u8] = include_bytes!("plain-f64.safetensors");
const PLAIN_F32: &[u8] = include_bytes!("plain-f32.safetensors");
const GPT2_F64: &[u8] = include_bytes!("gpt2-f64.safetensors");
const GPT2_F32: &[u8] = include_bytes!("gpt2-f32.safetensors");

/// A fixture's tensors, or what ours should agree with them.
type Tensors = BTreeMap<String, Vec<f64>>;

fn open(bytes: &[u8]) -> SafeTensors<'_> {
    SafeTensors::deserialize(bytes).unwrap()
}

/// The numbers of a tensor, each of which is an `f64` without rounding.
fn numbers(file: &SafeTensors, name: &str) -> Vec<f64> {
    let tensor = file.tensor(name).unwrap();
    let data = tensor.data();
    let (by_4, by_8) = (data.as_chunks().0.iter(), data.as_chunks().0.iter());
    match tensor.dtype() {
        Dtype::F32 => by_4.map(|&x| f32::from_le_bytes(x).into()).collect(),
        Dtype::F64 => by_8.map(|&x| f64::from_le_bytes(x)).collect(),
        Dtype::I64 => by_8.map(|&x| i64::from_le_bytes(x) as f64).collect(),
        other => panic!("{name}: {other:?}"),
    }
}

/// The tensors of a file whose names begin with `prefix`.
fn part(file: &SafeTensors, prefix: &str) -> Tensors {
    let names = file.names().into_iter();
    let names = names.filter(|name| name.starts_with(prefix));
    names.map(|name| (name.to_owned(), numbers(file, name))).collect()
}

/// The largest difference between two tensors, divided by the largest entry of
/// the second; NaN, which `max` would pass over, is the largest of all.
fn error(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let largest = theirs.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    assert!(largest > 1e-4, "a tensor that is all zero proves nothing");
    let apart = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    apart.max_by(f64::total_cmp).unwrap() / largest
}

/// Asserts that we found all that they did, and the same.
fn assert_same(what: &str, ours: &Tensors, theirs: &Tensors, tolerance: f64) {
    assert!(ours.keys().eq(theirs.keys()), "{what}: other names");
    let errors = ours.iter().map(|(name, x)| (error(x, &theirs[name]), name));
    let (worst, name) = errors.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    println!("{what}: {worst:.1e} at worst, in {name}");
    assert!(worst < tolerance, "{what}: {name} is {worst:.1e} off");
}

#[test]
fn logits_loss_and_every_gradient_are_pytorch_s() {
    let (double, single) = (open(PLAIN_F64), open(PLAIN_F32));
    let ours = in_f64::run::one_pass_of_plain(&double);
    assert_same("pass, f64", &ours, &part(&double, "pass."), DOUBLE);
    let ours = in_f32::run::one_pass_of_plain(&single);
    assert_same("pass, f32", &ours, &part(&single, "pass."), SINGLE);
}

#[test]
fn the_model_is_gpt_2_of_transformers() {
    let (double, single) = (open(GPT2_F64), open(GPT2_F32));
    let ours = in_f64::run::one_pass_of_gpt2(&double);
    assert_same("GPT-2, f64", &ours, &part(&double, "pass."), DOUBLE);
    let ours = in_f32::run::one_pass_of_gpt2(&single);
    assert_same("GPT-2, f32", &ours, &part(&single, "pass."), SINGLE);
}

/// Takes the biases of the keys out of the weights after ten steps.
///
/// Their gradient is zero: such a bias adds to all scores of a query alike, and
/// softmax ignores that. What is found instead is rounding, and AdamW divides it
/// by its own size, as far as `ε = 1e-8` lets it. In `f64` it is 7e-18, and
/// hardly anything comes of it. In `f32` it is 9e-9, and each step goes as far
/// as the last bit says: 7e-3 apart after ten, of biases up to 0.7. No logit
/// feels it.
fn take_keys(weights: &mut Tensors) -> Tensors {
    let mut keys = Tensors::new();
    for (name, x) in weights {
        if name.starts_with("steps.") && name.ends_with("qkv.bias") {
            keys.insert(name.clone(), x.drain(C..2 * C).collect());
        }
    }
    keys
}

#[test]
fn ten_steps_of_training_are_pytorch_s() {
    let (double, single) = (open(PLAIN_F64), open(PLAIN_F32));
    let mut theirs = part(&double, "steps.");
    let clipped = theirs["steps.norms"].iter().filter(|&&norm| norm > 1.0);
    assert_eq!(clipped.count(), 7); // of ten

    let mut ours = in_f64::run::ten_steps_of_plain(&double);
    let keys = (take_keys(&mut ours), take_keys(&mut theirs));
    assert_same("ten steps, f64", &ours, &theirs, DOUBLE);
    assert_same("keys, f64", &keys.0, &keys.1, KEYS);

    let mut ours = in_f32::run::ten_steps_of_plain(&single);
    let mut theirs = part(&single, "steps.");
    let keys = (take_keys(&mut ours), take_keys(&mut theirs));
    assert_same("ten steps, f32", &ours, &theirs, SINGLE);
    // No step is longer than the rate, wherever it goes: Kingma & Ba, §2.1
    let longest: f64 = theirs["steps.rates"].iter().sum();
    for (name, x) in keys.0.iter().chain(&keys.1) {
        let name = name.replace("steps.", "given.");
        let start = numbers(&single, &name);
        let moved = x.iter().zip(&start[C..2 * C]).map(|(a, b)| (a - b).abs());
        assert!(moved.max_by(f64::total_cmp).unwrap() < longest, "{name}");
    }
}

#[test]
fn the_fixtures_are_those_of_the_readme() {
    let readme = include_str!("README.md");
    for (name, bytes) in [
        ("plain-f64.safetensors", PLAIN_F64),
        ("plain-f32.safetensors", PLAIN_F32),
        ("gpt2-f64.safetensors", GPT2_F64),
        ("gpt2-f32.safetensors", GPT2_F32),
    ] {
        let digest = Sha256::digest(bytes);
        let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        assert!(readme.contains(&format!("{hex}  {name}")), "{name}: {hex}");
    }
}
