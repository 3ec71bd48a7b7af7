//! The home of a run: its file, its best state beside it, and the lock that
//! keeps other runs out.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{CheckpointError, RunFileError};
use super::{Corpus, load, save};
use crate::safetensors::FileError;
use crate::training::{TrainConfig, Trainer};

/// A file that one run is saved to, and no other.
///
/// Beside `run.safetensors` there is `run.best.safetensors`, the state with the
/// lowest validation loss, and `run.safetensors.lock`.
///
/// ```
/// use microgpt::checkpoint::{Corpus, RunFile};
/// use microgpt::gpt::{Gpt, GptConfig};
/// use microgpt::training::{TrainConfig, Trainer};
///
/// let corpus = Corpus::new("to be, or not to be")?;
/// let model = Gpt::zeros(GptConfig::quick(corpus.tokenizer.vocab_size()));
/// let trainer = Trainer::new(model, TrainConfig::quick())?;
///
/// let name = format!("microgpt-run-{}", std::process::id());
/// let folder = std::env::temp_dir().join(name);
/// std::fs::create_dir_all(&folder)?;
/// let path = folder.join("run.safetensors");
/// RunFile::create(&path, &corpus)?.save(&trainer, true)?;
/// let (file, trainer) = RunFile::resume(&path, &corpus)?;
/// assert_eq!((trainer.step, file.path()), (0, path.as_path()));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RunFile {
    path: PathBuf,
    best: PathBuf,
    corpus: Corpus,
    lock: Lock,
}

impl RunFile {
    /// A home for a new run.
    ///
    /// # Errors
    /// [`RunFileError`] if it would write over something, if another run has
    /// it, or if its name cannot be one of a file.
    pub fn create(path: &Path, corpus: &Corpus) -> Result<Self, RunFileError> {
        let file = Self::claim(path, corpus)?;
        let (path, best) = (file.path.clone(), file.best.clone());
        match (path.exists(), best.exists()) {
            (true, _) => Err(RunFileError::Exists { path }),
            (_, true) => Err(RunFileError::BestExists { path: best }),
            _ => Ok(file),
        }
    }

    /// The run in a file, and its home, if it learns this text.
    ///
    /// # Errors
    /// [`RunFileError`] if there is no such run, if another process has it, or
    /// if what is where its best state will be is not of this run.
    pub fn resume(
        path: &Path,
        corpus: &Corpus,
    ) -> Result<(Self, Trainer), RunFileError> {
        let at =
            |source| RunFileError::Checkpoint { path: path.into(), source };
        fs::metadata(path)
            .map_err(|error| at(FileError::Read(error).into()))?;
        let file = Self::claim(path, corpus)?;
        let (trainer, learned) = load(path).map_err(at)?;
        file.check_text(path, &learned)?;
        file.check_best(&trainer)?;
        Ok((file, trainer))
    }

    /// Locks a file that can be written.
    fn claim(path: &Path, corpus: &Corpus) -> Result<Self, RunFileError> {
        let at =
            |source| RunFileError::Checkpoint { path: path.into(), source };
        if path.extension() == Some("part".as_ref()) {
            return Err(RunFileError::Part { path: path.into() });
        }
        // Beside what is not a file no lock is left
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(at(FileError::NotAFile.into()));
        }
        let lock = lock(path).map_err(at)?;
        let (path, best) = (path.to_owned(), best_path(path));
        Ok(Self { path, best, corpus: corpus.clone(), lock })
    }
}

impl RunFile {
    /// Makes sure that the run in `path` has learned the text of this one.
    ///
    /// # Errors
    /// [`RunFileError::OtherText`].
    pub fn check_text(
        &self,
        path: &Path,
        learned: &Corpus,
    ) -> Result<(), RunFileError> {
        if *learned == self.corpus {
            return Ok(());
        }
        Err(RunFileError::OtherText {
            path: path.to_owned(),
            text: Box::new(self.corpus.clone()),
            learned: Box::new(learned.clone()),
        })
    }

    /// Makes sure that what is where the best state of a run will be is an
    /// earlier one of it.
    fn check_best(&self, run: &Trainer) -> Result<(), RunFileError> {
        // Killed between its two files, a run is an evaluation behind its best
        let TrainConfig { eval_interval, schedule, .. } = *run.config();
        let next = (run.step / eval_interval + 1) * eval_interval;
        let next = next.min(schedule.steps);
        let is_earlier = |(best, corpus): (Trainer, Corpus)| {
            corpus == self.corpus
                && best.config().seed == run.config().seed
                && best.model.config() == run.model.config()
                && (best.best >= run.best || best.step == next)
        };
        if !self.best.exists() || load(&self.best).is_ok_and(is_earlier) {
            return Ok(());
        }
        let (best, path) = (self.best.clone(), self.path.clone());
        Err(RunFileError::ForeignBest { best, path })
    }
}

// ANCHOR: run_file_save
impl RunFile {
    /// Saves a state of the run, also as the best if it is.
    ///
    /// The best comes first: a run that is killed in between is an evaluation
    /// behind, and comes by its best state once more. Of a run that has no file
    /// yet the latest comes first, so that there is something to resume. Both
    /// are tried, even if one fails.
    ///
    /// # Errors
    /// [`RunFileError::Checkpoint`], of the first that fails.
    pub fn save<G>(
        &self,
        trainer: &Trainer<G>,
        is_best: bool,
    ) -> Result<(), RunFileError> {
        let save_to = |path: &PathBuf| {
            save(path, trainer, &self.corpus).map_err(|source| {
                RunFileError::Checkpoint { path: path.clone(), source }
            })
        };
        match (is_best, self.path.exists()) {
            (false, _) => save_to(&self.path),
            (true, true) => save_to(&self.best).and(save_to(&self.path)),
            (true, false) => save_to(&self.path).and(save_to(&self.best)),
        }
    }

    /// Where the latest state is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the best state is.
    pub fn best(&self) -> &Path {
        &self.best
    }
}
// ANCHOR_END: run_file_save

impl RunFile {
    /// Whether other runs are kept out: not where the file system has no locks.
    pub fn is_locked(&self) -> bool {
        self.lock.is_held()
    }
}

/// `path` with something behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Where the best state of a run is kept: `run.best.safetensors` beside
/// `run.safetensors`.
pub fn best_path(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(".best");
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The file whose [`best_path`] `path` is, if its name says so: one lock is for
/// both.
fn run_of(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    loop {
        let stem = path.with_extension("");
        path = match (path.extension(), stem.extension()) {
            (Some(last), _) if last == "best" => stem,
            (Some(last), Some(best)) if best == "best" => {
                let mut name = stem.file_stem().unwrap_or_default().to_owned();
                name.push(".");
                name.push(last);
                stem.with_file_name(name)
            }
            _ => return path,
        };
    }
}

/// While it lives, no other run gets the lock, if there is one.
#[derive(Debug)]
#[must_use = "other runs are kept out only for as long as it lives"]
pub struct Lock {
    file: Option<File>, // none where the file system has no locks
}

impl Lock {
    /// Whether it keeps other runs out: not where the file system has no locks.
    pub fn is_held(&self) -> bool {
        self.file.is_some()
    }
}

/// Makes sure that no other run saves to `path`, nor to its [`best_path`].
///
/// The lock is on a file of its own, whose name ends in `.lock`, since `path`
/// is replaced at each saving. The system frees it however a run ends. Where a
/// file system has no locks, as some of a network, a run is kept all the same,
/// without such a file, and [`Lock::is_held`] says so.
///
/// # Errors
/// [`CheckpointError::Locked`] if another run has it, and
/// [`CheckpointError::Io`] where no file can be made.
pub fn lock(path: &Path) -> Result<Lock, CheckpointError> {
    let failed = |source| CheckpointError::Io { action: "lock", source };
    let path = beside(&run_of(path), ".lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { file: Some(file) }),
        Err(TryLockError::WouldBlock) => Err(CheckpointError::Locked),
        Err(TryLockError::Error(error)) if has_no_locks(&error) => {
            drop(file); // first, or Windows could not remove it
            let _ = fs::remove_file(path);
            Ok(Lock { file: None })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Whether a lock failed because the file system has none.
pub fn has_no_locks(error: &io::Error) -> bool {
    let codes: &[i32] = match () {
        // ENOLCK, ENOSYS, EOPNOTSUPP
        () if cfg!(any(target_os = "linux", target_os = "android")) => {
            &[37, 38, 95]
        }
        // The same, and ENOTSUP
        () if cfg!(unix) => &[77, 78, 102, 45],
        // ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED
        () if cfg!(windows) => &[1, 50],
        () => &[],
    };
    let code = error.raw_os_error();
    error.kind() == io::ErrorKind::Unsupported
        || code.is_some_and(|code| codes.contains(&code))
}
