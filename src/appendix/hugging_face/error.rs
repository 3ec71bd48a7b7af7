//! What can be wrong with a folder, and the sentence for it.

use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::Dtype;
use thiserror::Error;

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
    #[error(transparent)]
    File(#[from] FileError),
    /// So many `bytes`, for a file of JSON.
    #[error("{bytes} bytes are too many for a file of this name")]
    TooLong { bytes: u64 },
    /// The file is not JSON, or not of this kind.
    #[error("cannot be understood: {0}")]
    Json(#[from] serde_json::Error),
    /// The setting `name` has the value `found`, and not one that is `wanted`.
    #[error("{name} is {found}, where {wanted} is wanted")]
    Setting { name: &'static str, found: String, wanted: String },
    /// The sizes describe no model.
    #[error("the sizes: {0}")]
    Config(#[from] ConfigError),
    /// The weights are a pickle.
    #[error("a pickle, which can run code; have it saved as model.safetensors")]
    Pickle,
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
    /// Two files have the tensor `name`.
    #[error("tensor {name:?} is there twice")]
    Twice { name: String },
    /// The tensor `name` is not one of such a model.
    #[error(
        "tensor {name:?} has no place in a model of the sizes in config.json"
    )]
    Unknown { name: String },
    /// The tensor `name` is of a type, `found`, that we do not read.
    #[error("tensor {name:?} is of type {found}, not F32, F16 or BF16")]
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
    /// The tokenizer refused a text or an id, for this `reason`.
    #[error("cannot encode or decode this: {reason}")]
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

/// The fault, unless the condition holds.
pub(super) fn ensure(holds: bool, fault: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault) }
}
