//! Runs in files: reading them, and what is wrong with one in the words of the
//! command line.

use std::path::Path;

use microgpt::checkpoint::{self, Corpus, RunFileError};
use microgpt::training::Trainer;

use crate::{Error, program, typed};

/// The run in a file, and what it remembers of its text.
pub fn load(path: &Path) -> Result<(Trainer, Corpus), Error> {
    let name = path.display();
    Ok(checkpoint::load(path).map_err(|error| format!("{name}: {error}"))?)
}

/// Why a new run cannot have this file, and what to do.
pub fn create_error(error: RunFileError) -> Error {
    match error {
        RunFileError::Exists { path } => {
            let (name, typed) = (path.display(), typed(&path));
            format!(
                "{name} is there already; continue it with `{} resume \
                 {typed}`, or give another name",
                program(),
            )
            .into()
        }
        error => error.into(),
    }
}

/// Why a run cannot be continued from a file, and what to do.
pub fn resume_error(error: RunFileError) -> Error {
    match error {
        RunFileError::OtherText { .. } => format!("{error}, by --data").into(),
        RunFileError::ForeignBest { .. } => {
            format!("{error}, by --checkpoint").into()
        }
        error => create_error(error),
    }
}
