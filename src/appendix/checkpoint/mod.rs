//! # Checkpoints
//!
//! An appendix. A run becomes a file and a file a run: the weights and their
//! mean, both moments of the optimizer, the place in the random stream, and
//! what else the next step depends on. A run that is saved, killed and resumed
//! ends in the same bits as one that never stopped.
//!
//! The file may come from anywhere. Whatever is in it, reading it ends in a run
//! or in a [`CheckpointError`], and takes no more memory than its size warrants.
//!
//! To copy this module, bring `tokenization`, `training` and what they need,
//! `safetensors` and what it needs, and the crates `serde` (with `derive`),
//! `serde_json` (with `float_roundtrip`) and `sha2`.

mod error;
mod record;
mod run_file;

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use ndarray::Dimension;
use safetensors::tensor::{Dtype, Metadata};
use sha2::{Digest, Sha256};

use self::record::Record;
use self::run_file::beside;
use crate::Float;
use crate::gpt::{Gpt, Tensor};
use crate::safetensors::{FileError, Header, header, open, to_bytes};
use crate::tokenization::{CharTokenizer, TokenizerError};
use crate::training::Trainer;

pub use self::error::{CheckpointError, RunFileError, TensorError};
pub use self::run_file::{Lock, RunFile, best_path, has_no_locks, lock};

/// The version of the format.
pub const VERSION: u32 = 1;

/// Under which key the record is in the file's metadata.
pub const KEY: &str = "microgpt";

/// What a run remembers of the text that it learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// Its characters.
    pub tokenizer: CharTokenizer,
    /// Its length, in bytes of UTF-8.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Corpus {
    /// Looks at a text once.
    ///
    /// # Errors
    /// As [`CharTokenizer::new`].
    pub fn new(text: &str) -> Result<Self, TokenizerError> {
        Ok(Self::of(text, CharTokenizer::new(text)?))
    }

    /// The same for a model that knows these characters already, and perhaps
    /// more than the text has.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownCharacters`] for those that it does not know.
    pub fn with_tokenizer(
        text: &str,
        tokenizer: CharTokenizer,
    ) -> Result<Self, TokenizerError> {
        tokenizer.encode(text)?;
        Ok(Self::of(text, tokenizer))
    }

    fn of(text: &str, tokenizer: CharTokenizer) -> Self {
        let sha256 = hexadecimal(&Sha256::digest(text));
        Self { tokenizer, bytes: text.len() as u64, sha256 }
    }

    /// Whether the other is of the same text, be it with other characters.
    pub fn same_text(&self, other: &Self) -> bool {
        (self.bytes, &self.sha256) == (other.bytes, &other.sha256)
    }
}

impl fmt::Display for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokenizer, bytes, sha256 } = self;
        let characters = tokenizer.vocab_size();
        write!(f, "{bytes} bytes, {characters} distinct characters, ")?;
        write!(f, "SHA-256 {sha256}")
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The tensors of a file, in its order, which is that of their names.
fn tensors<G>(trainer: &Trainer<G>) -> Vec<(String, Tensor<&[Float]>)> {
    let Trainer { model, average, moments, .. } = trainer;
    let average = average.iter().map(|it| ("average.", &it.model));
    let parts = average.chain([
        ("", model),
        ("mean.", &moments.mean),
        ("square.", &moments.square),
    ]);
    sorted(parts.map(|(part, tensors)| (part, tensors.tensors())))
}

/// [`tensors`], to be filled.
fn tensors_mut(trainer: &mut Trainer) -> Vec<(String, Tensor<&mut [Float]>)> {
    let Trainer { model, average, moments, .. } = trainer;
    let average = average.iter_mut().map(|it| ("average.", &mut it.model));
    let parts = average.chain([
        ("", model),
        ("mean.", &mut moments.mean),
        ("square.", &mut moments.square),
    ]);
    sorted(parts.map(|(part, tensors)| (part, tensors.tensors_mut())))
}

fn sorted<'a, D>(
    parts: impl Iterator<Item = (&'a str, Vec<Tensor<D>>)>,
) -> Vec<(String, Tensor<D>)> {
    let named = parts.flat_map(|(part, tensors)| {
        let name = move |x: &Tensor<D>| format!("{part}{}", x.name);
        tensors.into_iter().map(move |tensor| (name(&tensor), tensor))
    });
    let mut named: Vec<_> = named.collect();
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    named
}

// ANCHOR: sealed_header
/// What comes before the numbers in the file of a run, if [`load`] would take
/// the run: its record, with the digest of everything, and its tensors.
fn sealed_header<G>(
    trainer: &Trainer<G>,
    corpus: &Corpus,
) -> Result<Vec<u8>, CheckpointError> {
    check_shapes(trainer)?;
    let record = Record::new(trainer, corpus)?;
    let mut json = serde_json::to_string(&record).map_err(|error| {
        CheckpointError::Record { reason: error.to_string() }
    })?;
    let tensors = tensors(trainer);
    let mut hash = Sha256::new_with_prefix(&json);
    for (name, tensor) in &tensors {
        check_numbers(tensor.data, name)?;
        hash.update(to_bytes(tensor.data));
    }
    // The digest comes last: before the `"}` that the record ends with
    json.insert_str(json.len() - 2, &hexadecimal(&hash.finalize()));
    Ok(header((KEY, &json), &tensors)?)
}
// ANCHOR_END: sealed_header

/// Refuses a run whose parts are not of the shapes of its weights.
fn check_shapes<G>(trainer: &Trainer<G>) -> Result<(), CheckpointError> {
    let Trainer { model, moments, average, .. } = trainer;
    let averages = trainer.config().average > 0.0;
    let shapes = |part: &Gpt| -> Vec<_> {
        part.tensors().into_iter().map(|x| (x.name, x.shape)).collect()
    };
    let fits = |part: &Gpt| shapes(part) == shapes(model);
    let average_fits = match average {
        Some(average) => averages && fits(&average.model),
        None => !averages,
    };
    let parts = [
        ("mean", fits(&moments.mean)),
        ("square", fits(&moments.square)),
        ("average", average_fits),
    ];
    match parts.into_iter().find(|(_, fits)| !fits) {
        Some((part, _)) => Err(CheckpointError::Shapes { part }),
        None => Ok(()),
    }
}

/// Writes a run.
///
/// The same run gives the same bytes.
///
/// # Errors
/// Those of `out`, and what [`load`] would say if it would refuse the run: then
/// nothing has been written.
pub fn write<G>(
    trainer: &Trainer<G>,
    corpus: &Corpus,
    out: &mut impl Write,
) -> Result<(), CheckpointError> {
    let header = sealed_header(trainer, corpus)?;
    write_all(&header, trainer, out).map_err(cannot_write)
}

fn write_all<G>(
    header: &[u8],
    trainer: &Trainer<G>,
    out: &mut impl Write,
) -> io::Result<()> {
    out.write_all(header)?;
    for (_, tensor) in tensors(trainer) {
        out.write_all(&to_bytes(tensor.data))?;
    }
    Ok(())
}

fn cannot_write(source: io::Error) -> CheckpointError {
    CheckpointError::Io { action: "write", source }
}

/// Saves a run, so that `path` is at any time either the old file or the new.
///
/// The new one is written beside it, under a name that ends in `.part` and with
/// the old one's permissions, handed to the disk, and only then renamed.
///
/// # Errors
/// [`FileError::NotAFile`] if `path` is a folder or a device, and those of
/// [`write()`]. What was at `path` is still there.
pub fn save<G>(
    path: &Path,
    trainer: &Trainer<G>,
    corpus: &Corpus,
) -> Result<(), CheckpointError> {
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return Err(FileError::NotAFile.into());
    }
    let header = sealed_header(trainer, corpus)?;
    let part = beside(path, ".part");
    let permissions = old.map(|old| old.permissions());
    let written = write_part(&part, permissions, &header, trainer);
    let renamed = written.and_then(|()| fs::rename(&part, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&part); // give the space back
    }
    renamed.map_err(cannot_write)?;
    // The name, too, has to reach the disk; not every system can say so
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = File::open(folder.unwrap_or(Path::new(".")));
    let _ = folder.and_then(|folder| folder.sync_all());
    Ok(())
}

fn write_part<G>(
    part: &Path,
    permissions: Option<Permissions>,
    header: &[u8],
    trainer: &Trainer<G>,
) -> io::Result<()> {
    let _ = fs::remove_file(part); // of a run that was killed
    let file = OpenOptions::new().write(true).create_new(true).open(part)?;
    // Before there is anything to be read
    let _ = permissions.map(|permissions| file.set_permissions(permissions));
    let mut out = BufWriter::with_capacity(1 << 20, file);
    write_all(header, trainer, &mut out)?;
    out.into_inner()?.sync_all()
}

/// Loads a run from a file.
///
/// # Errors
/// See [`CheckpointError`].
pub fn load(path: &Path) -> Result<(Trainer, Corpus), CheckpointError> {
    let (file, length) = open(path)?;
    read(file, length)
}

// ANCHOR: read
/// Reads a run from `length` bytes, each of them once.
///
/// # Errors
/// See [`CheckpointError`].
pub fn read(
    mut source: impl Read,
    length: u64,
) -> Result<(Trainer, Corpus), CheckpointError> {
    let found = Header::read(&mut source, length)?;
    let metadata = &found.metadata;
    let json = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
    let json = json.ok_or(CheckpointError::NoRecord)?;
    let record = Record::parse(json)?;
    let (mut trainer, corpus) = record.restore(metadata.data_len())?;
    check_tensors(metadata, &trainer)?;
    if header((KEY, json), &tensors(&trainer))? != found.bytes {
        return Err(CheckpointError::Layout);
    }
    // As it was before the digest was put in, letter by letter
    let unsealed = json.replacen(&record.sha256, "", 1);
    let mut hash = Sha256::new_with_prefix(unsealed);
    for (name, tensor) in tensors_mut(&mut trainer) {
        let mut bytes = vec![0; size_of_val(tensor.data)];
        source.read_exact(&mut bytes).map_err(FileError::Read)?;
        hash.update(&bytes);
        for (x, four) in tensor.data.iter_mut().zip(bytes.chunks_exact(4)) {
            *x = Float::from_le_bytes([four[0], four[1], four[2], four[3]]);
        }
        check_numbers(tensor.data, &name)?;
    }
    if hexadecimal(&hash.finalize()) != record.sha256 {
        return Err(CheckpointError::Digest);
    }
    Ok((trainer, corpus))
}
// ANCHOR_END: read

/// Refuses a file that does not have the tensors of this run and no others.
fn check_tensors(
    metadata: &Metadata,
    trainer: &Trainer,
) -> Result<(), CheckpointError> {
    let ours = tensors(trainer);
    for (name, tensor) in &ours {
        let wanted = tensor.shape.slice().to_vec();
        let fault = match metadata.info(name) {
            None => TensorError::Missing,
            Some(info) if info.dtype != Dtype::F32 => {
                TensorError::Dtype { found: info.dtype }
            }
            Some(info) if info.shape != wanted => {
                TensorError::Shape { found: info.shape.clone(), wanted }
            }
            Some(_) => continue,
        };
        return Err(CheckpointError::Tensor { name: name.clone(), fault });
    }
    let known = |name: &String| ours.iter().any(|(known, _)| known == name);
    match metadata.offset_keys().into_iter().find(|name| !known(name)) {
        Some(name) => {
            Err(CheckpointError::Tensor { name, fault: TensorError::Unknown })
        }
        None => Ok(()),
    }
}

/// Refuses numbers that no tensor of this name can have.
fn check_numbers(data: &[Float], name: &str) -> Result<(), CheckpointError> {
    let negative = name.starts_with("square.") && data.iter().any(|x| *x < 0.0);
    let fault = match data.iter().all(|x| x.is_finite()) {
        true if !negative => return Ok(()),
        true => TensorError::Negative,
        false => TensorError::NonFinite,
    };
    Err(CheckpointError::Tensor { name: name.to_owned(), fault })
}
