//! What can be wrong with a run, or with the file of one.

use std::io;
use std::path::PathBuf;

use safetensors::tensor::Dtype;
use thiserror::Error;

use super::{Corpus, KEY, VERSION};
use crate::gpt::ConfigError;
use crate::safetensors::FileError;
use crate::tokenization::TokenizerError;
use crate::training::TrainError;

/// Why a run cannot be saved or loaded.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried: to `write` or to `lock`.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Not a whole file of tensors.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another run saves to the same file.
    #[error("another run saves there; wait for it, or give another name")]
    Locked,
    /// A safetensors file, but not of a run.
    #[error("a safetensors file, but not of a run: its metadata lack {KEY:?}")]
    NoRecord,
    /// The record is of a version that is not known.
    #[error(
        "format {version}, but this program knows only {VERSION}; load it \
         with the program that wrote it"
    )]
    Version {
        /// Which.
        version: u32,
    },
    /// The record cannot be understood, or is not of a run that can go on.
    #[error("the record is damaged: {reason}")]
    Record {
        /// What is wrong with it.
        reason: String,
    },
    /// The sizes describe no model.
    #[error("the sizes: {0}")]
    Config(#[from] ConfigError),
    /// The characters are no vocabulary.
    #[error("the vocabulary: {0}")]
    Vocabulary(#[from] TokenizerError),
    /// The settings describe no training.
    #[error("the settings: {0}")]
    Training(#[from] TrainError),
    /// A part of a run does not have the shapes of its weights.
    #[error("the {part} has other shapes than the weights")]
    Shapes {
        /// Which part.
        part: &'static str,
    },
    /// A tensor is not one of such a run.
    #[error("tensor {name:?} {fault}")]
    Tensor {
        /// What it is called.
        name: String,
        /// What is wrong with it.
        fault: TensorError,
    },
    /// The header names something twice, or in another order or spelling.
    #[error(
        "the header names something twice, or not in the order in which it \
         is saved"
    )]
    Layout,
    /// The content is not what was saved.
    #[error(
        "the content does not fit its SHA-256: damaged, or changed by hand; \
         take another copy"
    )]
    Digest,
}

/// What is wrong with a tensor of a run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TensorError {
    /// It is not there.
    #[error("is missing")]
    Missing,
    /// It belongs to no run.
    #[error("belongs to no run")]
    Unknown,
    /// It is not of single precision.
    #[error("is of type {found}, not F32")]
    Dtype {
        /// Its type.
        found: Dtype,
    },
    /// It does not have the shape that the sizes give it.
    #[error("has the shape {found:?}, but the sizes say {wanted:?}")]
    Shape {
        /// Its shape.
        found: Vec<usize>,
        /// The shape by the sizes.
        wanted: Vec<usize>,
    },
    /// It holds an infinity, or something that is not a number.
    #[error("holds what is not a finite number")]
    NonFinite,
    /// It is a mean of squares and holds a number below zero.
    #[error("holds a square below zero")]
    Negative,
}

/// Why a file cannot be the home of a run.
#[derive(Debug, Error)]
pub enum RunFileError {
    /// It cannot be read, written or locked.
    #[error("{}: {source}", .path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// Its name is one for files half written.
    #[error(
        "{}: a name that ends in .part is for a file half written, which is \
         removed; give another", .path.display()
    )]
    Part {
        /// The file.
        path: PathBuf,
    },
    /// A new run would write over it.
    #[error("{} is there already; resume it, or give another name", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A new run would write over what is where its best state will be.
    #[error(
        "{} is there already, where the best state of this run will be; move \
         it, or give another name", .path.display()
    )]
    BestExists {
        /// The file.
        path: PathBuf,
    },
    /// The run learns another text.
    #[error(
        "the text is not the one of the run in {}: {text}, not {learned}; \
         give that one", .path.display()
    )]
    OtherText {
        /// The file of the run.
        path: PathBuf,
        /// The text at hand.
        text: Box<Corpus>,
        /// The run's text.
        learned: Box<Corpus>,
    },
    /// What is where the best state of a run will be is not of that run.
    #[error(
        "{} is not an earlier state of the run in {}, whose best will be \
         there; move it, or save the run under another name",
        .best.display(), .path.display()
    )]
    ForeignBest {
        /// The file of the best state.
        best: PathBuf,
        /// The file of the run.
        path: PathBuf,
    },
}
