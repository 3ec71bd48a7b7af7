//! Runs in files: reading them, and what is wrong with one in the words of the
//! command line.

use std::path::Path;

use microgpt::checkpoint::{self, Corpus, RunFile, RunFileError};
use microgpt::training::Trainer;

use crate::dataset::Dataset;
use crate::terminal::memory::check_memory;
use crate::terminal::warn;
use crate::{Error, program, shown, typed};

/// The run in a file, and what it remembers of its text.
pub fn load(path: &Path) -> Result<(Trainer, Corpus), Error> {
    let name = shown(path);
    if let Ok(metadata) = path.metadata() {
        check_memory(metadata.len() as f64)
            .map_err(|problem| format!("{name}: {problem}"))?;
    }
    Ok(checkpoint::load(path).map_err(|error| format!("{name}: {error}"))?)
}

/// A home for a new run.
pub fn create(path: &Path, corpus: &Corpus) -> Result<RunFile, Error> {
    let file = RunFile::create(path, corpus).map_err(create_error)?;
    warn_if_open(&file);
    Ok(file)
}

/// The run in a file, and its home. The text takes over the characters that the
/// run has learned it with, which may be more than it has.
pub fn resume(
    path: &Path,
    dataset: &mut Dataset,
) -> Result<(RunFile, Trainer), Error> {
    let mut found = RunFile::resume(path, &dataset.corpus);
    if let Err(RunFileError::OtherText { learned, .. }) = &found
        && dataset.adopt(learned)?
    {
        found = RunFile::resume(path, &dataset.corpus);
    }
    let (file, run) = found.map_err(resume_error)?;
    warn_if_open(&file);
    Ok((file, run))
}

/// Says if other runs are not kept out of a file.
fn warn_if_open(file: &RunFile) {
    if !file.is_locked() {
        warn(&format!(
            "warning: {}: this file system has no locks; make sure that no \
             other run saves there",
            shown(file.path()),
        ));
    }
}

/// Why a new run cannot have this file, and what to do.
fn create_error(error: RunFileError) -> Error {
    match error {
        RunFileError::Exists { path } => {
            let (name, typed) = (shown(&path), typed(&path));
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
