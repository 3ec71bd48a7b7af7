//! # Interchange
//!
//! An appendix. A model leaves for `transformers`, and whatever reads its
//! folders, and a GPT-2 comes in: the same numbers under other names.
//!
//! A folder may come from anywhere. Whatever is in it, reading it ends in a
//! model or in an [`InterchangeError`], and takes no more memory than its files
//! warrant.
//!
//! To copy this module, bring `tokenization`, `checkpoint` and what they need,
//! with `Float = f32`, and the crates `safetensors`, `serde` (with `derive`)
//! and `serde_json`; for [`JsonTokenizer`] also the crate `tokenizers`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ndarray::Dimension;
use safetensors::tensor::{Dtype, View, serialize_to_file};
use serde_json::{Map, Value, json};

use super::Float;
use super::checkpoint::bytes;
use super::gpt::{Gpt, GptConfig, Tensor, TensorName};
use super::tokenization::CharTokenizer;

// ANCHOR: names
/// What we call a layer, and what GPT-2's files call it.
const NAMES: [(&str, &str); 9] = [
    ("embeddings.token", "wte"),
    ("embeddings.position", "wpe"),
    ("norm_1", "ln_1"),
    ("attention.qkv", "attn.c_attn"),
    ("attention.proj", "attn.c_proj"),
    ("norm_2", "ln_2"),
    ("mlp.up", "mlp.c_fc"),
    ("mlp.down", "mlp.c_proj"),
    ("norm", "ln_f"),
];

/// What GPT-2's files call a tensor: `h.0.attn.c_attn.weight`.
fn gpt2_name(TensorName { block, field }: TensorName) -> String {
    let (layer, part) = match field.rsplit_once('.') {
        Some((layer, part @ ("weight" | "bias"))) => (layer, part),
        _ => (field, "weight"), // the tables are nothing else
    };
    let known = NAMES.iter().find(|(ours, _)| *ours == layer);
    let layer = known.map_or(layer, |(_, theirs)| theirs);
    match block {
        Some(block) => format!("h.{block}.{layer}.{part}"),
        None => format!("{layer}.{part}"),
    }
}
// ANCHOR_END: names

// ANCHOR: export
/// Writes a folder that `transformers` opens: the model, its characters, and
/// how to write with it.
///
/// The folder is made here. If anything fails, nothing of it remains.
///
/// # Errors
/// [`Fault::There`] if `folder` exists, [`Fault::Sizes`] if the model and the
/// vocabulary differ in size, and [`Fault::Io`].
pub fn export(
    folder: &Path,
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), InterchangeError> {
    let (tokens, rows) = (tokenizer.vocab_size(), model.config().vocab_size);
    if tokens != rows {
        return Err(Fault::Sizes(tokens, rows).at(folder));
    }
    if folder.exists() {
        return Err(Fault::There.at(folder));
    }
    let made = fs::create_dir_all(folder);
    made.map_err(|error| Fault::Io("make", error).at(folder))?;
    let written = write_files(folder, model, tokenizer);
    if written.is_err() {
        let _ = fs::remove_dir_all(folder); // give the space back
    }
    written
}

fn write_files(
    folder: &Path,
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), InterchangeError> {
    let path = folder.join(WEIGHTS);
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let tensors = model.tensors().into_iter();
    let named = tensors
        .map(|tensor| (format!("{PREFIX}{}", gpt2_name(tensor.name)), tensor));
    serialize_to_file(named, Some(format), &path)
        .map_err(|error| Fault::Io("write", io::Error::other(error)).at(&path))?;
    let config = model.config();
    for (name, content) in [
        (TOKENIZER, tokenizer_json(tokenizer)),
        ("tokenizer_config.json", tokenizer_config(&config)),
        ("generation_config.json", generation_config(&config)),
        (CONFIG, config_json(&config)), // without it, it is no folder
    ] {
        let path = folder.join(name);
        fs::write(&path, format!("{content:#}\n"))
            .map_err(|error| Fault::Io("write", error).at(&path))?;
    }
    Ok(())
}
// ANCHOR_END: export

// ANCHOR: view
/// A tensor as the crate `safetensors` wants to see it.
impl View for Tensor<&[Float]> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape.slice()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        bytes(self.data).into()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.data)
    }
}
// ANCHOR_END: view

// ANCHOR: config_json
/// The sizes, and all that is fixed in our model, in the words of
/// `transformers`.
fn config_json(config: &GptConfig) -> Value {
    let GptConfig { n_layer, n_head, n_embd, block_size, vocab_size } = config;
    json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "n_layer": n_layer,
        "n_head": n_head,
        "n_embd": n_embd,
        "n_positions": block_size,
        "vocab_size": vocab_size,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": true,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "bos_token_id": null,
        "eos_token_id": null,
        "torch_dtype": "float32",
    })
}
// ANCHOR_END: config_json

// ANCHOR: generation_config
/// How to write: follow the model, and stop where its positions end.
fn generation_config(config: &GptConfig) -> Value {
    json!({
        "do_sample": true,
        "temperature": 1.0,
        "top_k": 0,
        "max_length": config.block_size,
    })
}
// ANCHOR_END: generation_config

// ANCHOR: tokenizer_json
/// The characters as a vocabulary of words of one character each. A character
/// that is not in it is an error there, as it is here.
fn tokenizer_json(tokenizer: &CharTokenizer) -> Value {
    let ids = tokenizer.vocabulary().iter().zip(0..);
    let ids = ids.map(|(c, id)| (c.to_string(), Value::from(id)));
    let vocabulary: Map<String, Value> = ids.collect();
    json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": { "Regex": r"[\s\S]" },
            "behavior": "Isolated",
            "invert": false,
        },
        "post_processor": null,
        "decoder": { "type": "Fuse" },
        "model": {
            "type": "WordLevel",
            "vocab": vocabulary,
            "unk_token": "", // in no vocabulary
        },
    })
}

fn tokenizer_config(config: &GptConfig) -> Value {
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.block_size,
        "clean_up_tokenization_spaces": false,
    })
}
// ANCHOR_END: tokenizer_json

// ANCHOR: files
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const TOKENIZER: &str = "tokenizer.json";

/// What stands before each name, unless the head is left out of the file.
const PREFIX: &str = "transformer.";
// ANCHOR_END: files

// ANCHOR: error
/// What is wrong, and with which file or folder.
#[derive(Debug)]
pub struct InterchangeError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// Why a folder cannot be written, or is no model that we can load.
#[derive(Debug)]
pub enum Fault {
    /// The system refused: to `read`, to `write` or to `make`; and why.
    Io(&'static str, io::Error),
    /// It is there already.
    There,
    /// So many tokens, for a model of so many.
    Sizes(usize, usize),
}
// ANCHOR_END: error

// ANCHOR: fault_at
impl Fault {
    /// This fault, of that file or folder.
    pub fn at(self, path: &Path) -> InterchangeError {
        InterchangeError { path: path.to_owned(), fault: self }
    }
}
// ANCHOR_END: fault_at

// ANCHOR: error_display
impl fmt::Display for InterchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(doing, error) => write!(f, "cannot {doing}: {error}"),
            Self::There => {
                write!(f, "is there already; give another name")
            }
            Self::Sizes(tokens, rows) => write!(
                f,
                "{tokens} tokens, but the model has {rows}; take the \
                 tokenizer that it was trained with"
            ),
        }
    }
}
// ANCHOR_END: error_display

impl std::error::Error for InterchangeError {}
