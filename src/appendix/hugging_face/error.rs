//! What can be wrong with a folder, and the sentence for it.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::Dtype;
use thiserror::Error;

use super::files::{ADAPTER, SAVE_AGAIN};
use crate::gpt::ConfigError;
use crate::safetensors::FileError;
use crate::tokenization::TokenizerError;

/// What is wrong, and with which file or folder.
#[derive(Debug, Error)]
#[error("{path}: {fault}")]
pub struct HuggingFaceError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// Why a folder cannot be written, or holds no model of ours.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "a variant's sentence names its fields")]
pub enum Fault {
    /// The folder exists.
    #[error("is there already; give another name")]
    There,
    /// The system refused to make the folder.
    #[error("cannot make: {0}")]
    Make(io::Error),
    /// The system refused to write the file.
    #[error("cannot write: {0}")]
    Write(io::Error),
    /// The file cannot be read, or is not a whole file.
    #[error("{}", plain(.0))]
    File(#[from] FileError),
    /// So many `bytes`, for a file of JSON.
    #[error("{bytes} bytes are too many for a file of this name")]
    TooLong { bytes: u64 },
    /// The file is not JSON, or not of this kind.
    #[error("cannot be understood: {}", plain(.0))]
    Json(#[from] serde_json::Error),
    /// The setting `name` has the value `found`, and not one that is `wanted`.
    #[error("{name} is {found}, where {wanted} is wanted")]
    Setting { name: &'static str, found: String, wanted: String },
    /// The sizes describe no model.
    #[error("the sizes: {0}")]
    Config(#[from] ConfigError),
    /// The size `name` is also there by its `long` name, with another value.
    #[error(
        "{name} is {found}, but {long}, which is the same, is {other}; one of \
         them is wrong, and the folder doesn't say which"
    )]
    Disagree {
        name: &'static str,
        found: String,
        long: &'static str,
        other: String,
    },
    /// Not the file `wanted`, but one that was `found` in its place.
    #[error("no {wanted} here, but {found:?}, {todo}")]
    Instead { wanted: &'static str, found: String, todo: &'static str },
    /// An adapter is beside the weights.
    #[error("{ADAPTER}")]
    Adapter,
    /// The index names a file, `name`, that is not in the folder.
    #[error("{name:?} is not the name of a file in this folder")]
    Outside { name: String },
    /// The files have so few `bytes` of tensors for so many `params`.
    #[error(
        "{bytes} bytes of tensors, but config.json describes {params} \
         parameters, which take 2 each at least"
    )]
    TooFew { bytes: usize, params: usize },
    /// No file has the tensor `name`.
    #[error("tensor {name:?} is missing")]
    Missing { name: String },
    /// No file has the tensor `name`, but one whose name ends in it.
    #[error(
        "tensor {name:?} is missing, but {found:?} is here; save the weights \
         without what is before this name"
    )]
    Prefix { name: String, found: String },
    /// Two files have the tensor `name`.
    #[error("tensor {name:?} is there twice")]
    Twice { name: String },
    /// The tensor `name` is not one of such a model.
    #[error(
        "tensor {name:?} has no place in a model of the sizes in config.json"
    )]
    Unknown { name: String },
    /// The tensor `name` is of a type, `found`, that we do not read.
    #[error(
        "tensor {name:?} is of type {found}, not F32, F16 or BF16; have it \
         saved as one of these"
    )]
    Dtype { name: String, found: Dtype },
    /// The tensor `name` has the shape `found`, and not the one `wanted`.
    #[error(
        "tensor {name:?} has the shape {found:?}, but the sizes in \
         config.json say {wanted:?}"
    )]
    Shape { name: String, found: Vec<usize>, wanted: Vec<usize> },
    /// The tensor `name` holds a number that is not finite.
    #[error("tensor {name:?} holds an infinity or NaN; take another copy")]
    NonFinite { name: String },
    /// The head has numbers of its own.
    #[error(
        "lm_head.weight differs from wte.weight; our models have one table \
         for both, and a head of its own cannot be loaded"
    )]
    Untied,
    /// So many `tokens`, for a model of another `vocab_size`.
    #[error(
        "{tokens} tokens, but the model has {vocab_size}; take the tokenizer \
         that it was trained with"
    )]
    VocabSize { tokens: usize, vocab_size: usize },
    /// The last LayerNorm is so near its beginning that no row of the token
    /// table has a logit that is low after every text.
    #[error(
        "the model has been trained too little for an end token (its last \
         shifts, over its gains, add up to nearly 0), and llama.cpp needs \
         one; train it further"
    )]
    NoEnd,
    /// The characters are no vocabulary.
    #[error("the characters: {0}")]
    Vocabulary(#[from] TokenizerError),
    /// This `part` is not that of a tokenizer of characters.
    #[error(
        "{part} is not that of a tokenizer of characters; the example gpt2 \
         reads others"
    )]
    Characters { part: &'static str },
    /// The file names a `token` that the tokenizer doesn't have, or has with
    /// other flags.
    #[error(
        "the token {token:?} is not the same among the added_tokens of \
         tokenizer.json; to have both say the same, {SAVE_AGAIN}"
    )]
    Token { token: String },
    /// The tokenizer puts tokens around each text.
    #[error(
        "post_processor puts tokens around each prompt, which is not done \
         here; set it to null, and write them into the prompt"
    )]
    Around,
    /// The text has a `token` whose id the model has no row for.
    #[error(
        "{token:?} has the id {id}, but the model has only {vocab_size} rows; \
         leave it out, or give the model a row with resize_token_embeddings"
    )]
    Beyond { token: String, id: u32, vocab_size: usize },
    /// The tokenizer refused a text or an id, for this `reason`.
    #[error("cannot encode or decode this: {}", plain(.reason))]
    Tokens { reason: String },
}

impl Fault {
    /// This fault, of that file or folder.
    pub fn at(self, path: &Path) -> HuggingFaceError {
        HuggingFaceError { path: path.to_owned(), fault: self }
    }
}

pub(super) type Result<T, E = HuggingFaceError> = std::result::Result<T, E>;

/// Says which file or folder a result is about: `open(path).at(path)?`.
pub(super) trait At<T> {
    fn at(self, path: &Path) -> Result<T>;
}

impl<T, E: Into<Fault>> At<T> for Result<T, E> {
    fn at(self, path: &Path) -> Result<T> {
        self.map_err(|error| error.into().at(path))
    }
}

/// What came from a file, so that it cannot command a terminal, and is no
/// longer than some lines.
pub(super) fn plain(text: &impl Display) -> String {
    let mut spelled = String::new();
    for c in text.to_string().chars().take(300) {
        match c.escape_debug() {
            escaped if escaped.len() > 1 && !"\"'\\".contains(c) => {
                spelled.extend(escaped)
            }
            _ => spelled.push(c),
        }
    }
    spelled
}

/// The fault, unless the condition holds.
pub(super) fn ensure(holds: bool, fault: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault) }
}
