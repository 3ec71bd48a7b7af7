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
//! with `Float = f32`, and the crates `safetensors`, `serde` (with `derive`),
//! `serde_json` (with `float_roundtrip`) and `sha2`.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use ndarray::Dimension;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use safetensors::tensor::{Dtype, Metadata};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use super::safetensors::{FileError, Header, header, open, to_bytes};
use crate::Float;
use crate::gpt::{ConfigError, Gpt, GptConfig, Tensor};
use crate::tokenization::{CharTokenizer, TokenizerError};
use crate::training::{
    AdamW, Average, LrSchedule, ShortWindows, TrainConfig, TrainError, Trainer,
};

// ANCHOR: constants
/// The version of the format that is written. Version 1, which knew no mean of
/// the weights and no short windows, is read as well.
pub const VERSION: u32 = 2;

/// Under which key the record stands in the file's metadata.
pub const KEY: &str = "microgpt";
// ANCHOR_END: constants

// ANCHOR: corpus
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
        Ok(Self {
            tokenizer: CharTokenizer::new(text)?,
            bytes: text.len() as u64,
            sha256: hexadecimal(&Sha256::digest(text)),
        })
    }
}
// ANCHOR_END: corpus

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// ANCHOR: record
/// Everything in a file that is no tensor; JSON, in this order.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    #[serde(with = "Sizes")]
    config: GptConfig,
    vocabulary: String,
    text_bytes: u64,
    text_sha256: String,
    #[serde(with = "Settings")]
    training: TrainConfig,
    optimizer: Optimizer,
    step: usize,
    losses: (f64, usize),
    best: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    average: Option<Mean>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    short: Option<Short>,
    batches: Stream,
    sha256: String,
}
// ANCHOR_END: record

// ANCHOR: record_parts
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Optimizer {
    beta1: Float,
    beta2: Float,
    epsilon: Float,
    weight_decay: Float,
    steps: i32,
}

/// Over which part of the steps, and how many it has seen.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mean {
    part: Float,
    steps: usize,
}

/// Shorter windows: how long, and for how many steps.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Short {
    t: usize,
    steps: usize,
}

/// A random stream, and how many words of it have been used.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    seed: [u8; 32],
    stream: u64,
    position: u128,
}
// ANCHOR_END: record_parts

// ANCHOR: remote
#[derive(Serialize, Deserialize)]
#[serde(remote = "GptConfig", deny_unknown_fields)]
struct Sizes {
    n_layer: usize,
    n_head: usize,
    n_embd: usize,
    block_size: usize,
    vocab_size: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "TrainConfig", deny_unknown_fields)]
struct Settings {
    batch_size: usize,
    #[serde(with = "Schedule")]
    schedule: LrSchedule,
    #[serde(deserialize_with = "null_is_infinite")]
    max_norm: Float,
    eval_interval: usize,
    seed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "LrSchedule", deny_unknown_fields)]
struct Schedule {
    max_lr: Float,
    min_lr: Float,
    warmup: usize,
    steps: usize,
}

/// JSON has no word for infinity, and `serde_json` writes `null`.
fn null_is_infinite<'de, D: Deserializer<'de>>(
    value: D,
) -> Result<Float, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or(Float::INFINITY))
}
// ANCHOR_END: remote

// ANCHOR: record_of
impl Record {
    /// The record of a run, but for its digest.
    fn of(trainer: &Trainer, corpus: &Corpus) -> Self {
        let Trainer { model, optimizer, config, rng, .. } = trainer;
        Self {
            version: VERSION,
            config: model.config(),
            vocabulary: corpus.tokenizer.vocabulary().iter().collect(),
            text_bytes: corpus.bytes,
            text_sha256: corpus.sha256.clone(),
            training: *config,
            optimizer: Optimizer {
                beta1: optimizer.beta1,
                beta2: optimizer.beta2,
                epsilon: optimizer.epsilon,
                weight_decay: optimizer.weight_decay,
                steps: optimizer.steps,
            },
            step: trainer.step,
            losses: trainer.losses,
            best: trainer.best,
            average: trainer.average.as_ref().map(|average| Mean {
                part: average.part,
                steps: average.steps,
            }),
            short: trainer
                .short
                .map(|ShortWindows { t, steps }| Short { t, steps }),
            batches: Stream {
                seed: rng.get_seed(),
                stream: rng.get_stream(),
                position: rng.get_word_pos(),
            },
            sha256: String::new(),
        }
    }
}
// ANCHOR_END: record_of

// ANCHOR: tensors
/// The tensors of a file, in its order, which is that of their names.
fn tensors(trainer: &Trainer) -> Vec<(String, Tensor<&[Float]>)> {
    let Trainer { model, average, optimizer, .. } = trainer;
    let average = average.iter().map(|it| ("average.", &it.model));
    let parts = average.chain([
        ("", model),
        ("mean.", &optimizer.mean),
        ("square.", &optimizer.square),
    ]);
    sorted(parts.map(|(part, tensors)| (part, tensors.tensors())))
}

/// [`tensors`], to be filled.
fn tensors_mut(trainer: &mut Trainer) -> Vec<(String, Tensor<&mut [Float]>)> {
    let Trainer { model, average, optimizer, .. } = trainer;
    let average = average.iter_mut().map(|it| ("average.", &mut it.model));
    let parts = average.chain([
        ("", model),
        ("mean.", &mut optimizer.mean),
        ("square.", &mut optimizer.square),
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
// ANCHOR_END: tensors

// ANCHOR: write
/// Writes a run.
///
/// The same run gives the same bytes.
///
/// # Errors
/// Those of `out`.
pub fn write(
    trainer: &Trainer,
    corpus: &Corpus,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut record = Record::of(trainer, corpus);
    let mut hash = Sha256::new_with_prefix(serde_json::to_vec(&record)?);
    for (_, tensor) in tensors(trainer) {
        hash.update(to_bytes(tensor.data));
    }
    record.sha256 = hexadecimal(&hash.finalize());
    let json = serde_json::to_string(&record)?;
    let header = header((KEY, &json), &tensors(trainer));
    out.write_all(&header.map_err(io::Error::other)?)?;
    for (_, tensor) in tensors(trainer) {
        out.write_all(&to_bytes(tensor.data))?;
    }
    Ok(())
}
// ANCHOR_END: write

// ANCHOR: save
/// Saves a run, so that `path` is at any time either the old file or the new.
///
/// The new one is written beside it, under a name that ends in `.part` and with
/// the old one's permissions, handed to the disk, and only then renamed.
///
/// # Errors
/// [`FileError::NotAFile`] if `path` is a folder or a device,
/// [`CheckpointError::Io`], and what [`load`] would say if it would refuse the
/// run. What was at `path` is still there.
pub fn save(
    path: &Path,
    trainer: &Trainer,
    corpus: &Corpus,
) -> Result<(), CheckpointError> {
    if fs::metadata(path).is_ok_and(|old| !old.is_file()) {
        return Err(FileError::NotAFile.into());
    }
    check_run(trainer, corpus)?;
    let part = beside(path, ".part");
    let permissions = fs::metadata(path).map(|old| old.permissions()).ok();
    let written = write_part(&part, permissions, trainer, corpus);
    let renamed = written.and_then(|()| fs::rename(&part, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&part); // give the space back
    }
    renamed.map_err(|error| CheckpointError::Io("write", error))?;
    // The name, too, has to reach the disk; not every system can say so
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = File::open(folder.unwrap_or(Path::new(".")));
    let _ = folder.and_then(|folder| folder.sync_all());
    Ok(())
}

// ANCHOR_END: save

// ANCHOR: check_run
/// Asks of a run what [`load`] will ask of its file.
fn check_run(
    trainer: &Trainer,
    corpus: &Corpus,
) -> Result<(), CheckpointError> {
    let Trainer { model, optimizer, average, .. } = trainer;
    let parts = [("mean", &optimizer.mean), ("square", &optimizer.square)];
    let average = average.iter().map(|it| ("average", &it.model));
    let shapes = |part: &Gpt| -> Vec<_> {
        part.tensors().into_iter().map(|x| (x.name, x.shape)).collect()
    };
    for (name, part) in average.chain(parts) {
        if shapes(part) != shapes(model) {
            return fail(ContentError::Shapes(name));
        }
    }
    let json = serde_json::to_string(&Record::of(trainer, corpus));
    let json = json.map_err(|error| ContentError::Record(error.to_string()))?;
    header((KEY, &json), &tensors(trainer))?; // is it too long?
    let record = Record::parse(&json)?;
    record.tokenizer(usize::MAX)?; // and its numbers and sizes
    record.training.validate()?;
    for (name, tensor) in tensors(trainer) {
        check_numbers(tensor.data, name)?;
    }
    Ok(())
}
// ANCHOR_END: check_run

// ANCHOR: write_part
fn write_part(
    part: &Path,
    permissions: Option<Permissions>,
    trainer: &Trainer,
    corpus: &Corpus,
) -> io::Result<()> {
    let _ = fs::remove_file(part); // of a run that was killed
    let file = OpenOptions::new().write(true).create_new(true).open(part)?;
    // Before there is anything to be read
    let _ = permissions.map(|permissions| file.set_permissions(permissions));
    let mut out = BufWriter::with_capacity(1 << 20, file);
    write(trainer, corpus, &mut out)?;
    out.into_inner()?.sync_all()
}
// ANCHOR_END: write_part

// ANCHOR: names
/// `path` with something behind it.
fn beside(path: &Path, suffix: &str) -> PathBuf {
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
// ANCHOR_END: names

// ANCHOR: lock
/// While it lives, no other run gets the lock.
#[derive(Debug)]
#[must_use = "other runs are kept out only for as long as it lives"]
pub struct Lock {
    _file: File,
}

/// Makes sure that no other run saves to `path`, nor to its [`best_path`].
///
/// The lock is on a file of its own, whose name ends in `.lock`, since `path`
/// is replaced at each saving. The system frees it however a run ends.
///
/// # Errors
/// [`CheckpointError::Locked`] if another run has it, and
/// [`CheckpointError::Io`] where no file can be made.
pub fn lock(path: &Path) -> Result<Lock, CheckpointError> {
    let open = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(beside(&run_of(path), ".lock"));
    let failed = |error| CheckpointError::Io("lock", error);
    let file = open.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(CheckpointError::Locked),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
// ANCHOR_END: lock

// ANCHOR: load
/// Loads a run from a file.
///
/// # Errors
/// See [`CheckpointError`].
pub fn load(path: &Path) -> Result<(Trainer, Corpus), CheckpointError> {
    let (file, length) = open(path)?;
    read(file, length)
}
// ANCHOR_END: load

// ANCHOR: read
/// Reads a run from `length` bytes, each of them once.
///
/// # Errors
/// See [`CheckpointError`].
pub fn read(
    mut source: impl Read,
    length: u64,
) -> Result<(Trainer, Corpus), CheckpointError> {
    let Header { bytes: found, metadata } = Header::read(&mut source, length)?;
    let needed = metadata.data_len();
    let json = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
    let json = json.ok_or(CheckpointError::NoRecord)?;
    let record = Record::parse(json)?;
    let (mut trainer, corpus) = record.restore(needed)?;
    check_tensors(&metadata, &trainer)?;
    if header((KEY, json), &tensors(&trainer))? != found {
        return fail(ContentError::Layout);
    }
    // As it was before the digest was put in, letter by letter
    let unsigned = json.replacen(&record.sha256, "", 1);
    let mut hash = Sha256::new_with_prefix(unsigned);
    for (name, tensor) in tensors_mut(&mut trainer) {
        let mut bytes = vec![0; size_of_val(tensor.data)];
        source.read_exact(&mut bytes).map_err(FileError::Read)?;
        hash.update(&bytes);
        fill(tensor.data, &bytes, name)?;
    }
    if hexadecimal(&hash.finalize()) != record.sha256 {
        return fail(ContentError::Digest);
    }
    Ok((trainer, corpus))
}
// ANCHOR_END: read

// ANCHOR: parse
impl Record {
    /// Reads the record, if it is of a version that is known.
    fn parse(json: &str) -> Result<Self, CheckpointError> {
        #[derive(Deserialize)]
        struct Any {
            version: u32,
        }
        let failed =
            |error: serde_json::Error| ContentError::Record(error.to_string());
        let Any { version } = serde_json::from_str(json).map_err(failed)?;
        if !(1..=VERSION).contains(&version) {
            return Err(CheckpointError::Version(version));
        }
        Ok(serde_json::from_str(json).map_err(failed)?)
    }
}
// ANCHOR_END: parse

// ANCHOR: tokenizer
impl Record {
    /// The characters of a record, if it is that of a run and if `bytes` of
    /// tensors are as many as it needs.
    fn tokenizer(
        &self,
        bytes: usize,
    ) -> Result<CharTokenizer, CheckpointError> {
        self.check()?;
        let vocabulary: Vec<char> = self.vocabulary.chars().collect();
        let (characters, config) = (vocabulary.len(), self.config);
        let tokenizer = CharTokenizer::from_vocabulary(vocabulary)?;
        if characters != config.vocab_size {
            let vocab_size = config.vocab_size;
            return fail(ContentError::Characters(characters, vocab_size));
        }
        config.validate()?;
        let params = config.num_params().unwrap_or(usize::MAX);
        let each = if self.average.is_some() { 16 } else { 12 };
        if params > bytes / each {
            return fail(ContentError::TooFew(params, bytes, each));
        }
        Ok(tokenizer)
    }
}
// ANCHOR_END: tokenizer

// ANCHOR: restore
impl Record {
    /// The run of a record, with tensors yet to be filled, if it is a run and
    /// if `bytes` of tensors are as many as it needs.
    fn restore(
        &self,
        bytes: usize,
    ) -> Result<(Trainer, Corpus), CheckpointError> {
        let (tokenizer, config) = (self.tokenizer(bytes)?, self.config);
        let mut rng = ChaCha8Rng::from_seed(self.batches.seed);
        rng.set_stream(self.batches.stream);
        rng.set_word_pos(self.batches.position);
        let mut trainer = Trainer::new(Gpt::zeros(config), self.training)?;
        if let Some(Mean { part, steps }) = self.average {
            let average = Average::new(Gpt::zeros(config), part)?;
            trainer.average = Some(Average { steps, ..average });
        }
        trainer.short =
            self.short.map(|Short { t, steps }| ShortWindows { t, steps });
        self.set_optimizer(&mut trainer.optimizer);
        (trainer.step, trainer.rng) = (self.step, rng);
        (trainer.losses, trainer.best) = (self.losses, self.best);
        let sha256 = self.text_sha256.clone();
        Ok((trainer, Corpus { tokenizer, bytes: self.text_bytes, sha256 }))
    }
}
// ANCHOR_END: restore

// ANCHOR: set_optimizer
impl Record {
    fn set_optimizer(&self, optimizer: &mut AdamW) {
        optimizer.beta1 = self.optimizer.beta1;
        optimizer.beta2 = self.optimizer.beta2;
        optimizer.epsilon = self.optimizer.epsilon;
        optimizer.weight_decay = self.optimizer.weight_decay;
        optimizer.steps = self.optimizer.steps;
    }
}
// ANCHOR_END: set_optimizer

// ANCHOR: check
impl Record {
    /// Refuses numbers with which no run can go on. JSON has no infinities.
    fn check(&self) -> Result<(), CheckpointError> {
        let Optimizer { beta1, beta2, epsilon, steps, .. } = self.optimizer;
        let TrainConfig { batch_size, schedule, eval_interval, .. } =
            self.training;
        let count = |n: usize| n <= TrainConfig::MOST;
        let hexadecimal = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        let digest = &self.text_sha256;
        let digest = digest.len() == 64 && digest.chars().all(hexadecimal);
        let (average, short) = (self.average.as_ref(), self.short);
        let is_part = |part: Float| (0.0..=1.0).contains(&part);
        let fits = |t: usize| (1..=self.config.block_size).contains(&t);
        let checks = [
            ("batch_size", count(batch_size)),
            ("eval_interval", count(eval_interval)),
            ("schedule.warmup", count(schedule.warmup)),
            ("schedule.steps", count(schedule.steps)),
            ("step", count(self.step)),
            ("optimizer.steps", steps >= 0 && count(steps as usize)),
            ("optimizer.beta1", (0.0..1.0).contains(&beta1)),
            ("optimizer.beta2", (0.0..1.0).contains(&beta2)),
            ("optimizer.epsilon", epsilon >= 0.0),
            ("losses", count(self.losses.1)),
            ("average", self.version > 1 || average.is_none()),
            ("average.part", average.is_none_or(|it| is_part(it.part))),
            ("average.steps", average.is_none_or(|it| count(it.steps))),
            ("short", self.version > 1 || short.is_none()),
            ("short.t", short.is_none_or(|it| fits(it.t))),
            ("short.steps", short.is_none_or(|it| count(it.steps))),
            ("batches.position", self.batches.position < 1 << 68),
            ("text_sha256", digest),
        ];
        match checks.into_iter().find(|(_, holds)| !holds) {
            Some((name, _)) => fail(ContentError::Number(name)),
            None => Ok(()),
        }
    }
}
// ANCHOR_END: check

// ANCHOR: check_tensors
/// Refuses a file that has not the tensors of this run and no others.
fn check_tensors(
    metadata: &Metadata,
    trainer: &Trainer,
) -> Result<(), CheckpointError> {
    let wanted = tensors(trainer);
    for (name, tensor) in &wanted {
        let Some(info) = metadata.info(name) else {
            return fail(ContentError::Tensor(
                name.clone(),
                TensorError::Missing,
            ));
        };
        let (name, found) = (name.clone(), info.shape.clone());
        let wanted = tensor.shape.slice().to_vec();
        if info.dtype != Dtype::F32 {
            return fail(ContentError::Tensor(
                name,
                TensorError::Dtype(info.dtype),
            ));
        }
        if found != wanted {
            return fail(ContentError::Tensor(
                name,
                TensorError::Shape(found, wanted),
            ));
        }
    }
    let known = |name: &String| wanted.iter().any(|(known, _)| known == name);
    if metadata.tensors().len() > wanted.len() {
        let unknown = metadata.offset_keys().into_iter().find(|x| !known(x));
        return fail(ContentError::Tensor(
            unknown.unwrap_or_default(),
            TensorError::Unknown,
        ));
    }
    Ok(())
}
// ANCHOR_END: check_tensors

// ANCHOR: fill
/// Fills a tensor, if its numbers can be ones of a run.
fn fill(
    data: &mut [Float],
    bytes: &[u8],
    name: String,
) -> Result<(), CheckpointError> {
    for (x, four) in data.iter_mut().zip(bytes.chunks_exact(4)) {
        *x = Float::from_le_bytes([four[0], four[1], four[2], four[3]]);
    }
    check_numbers(data, name)
}

/// Refuses numbers that no tensor of this name can have.
fn check_numbers(data: &[Float], name: String) -> Result<(), CheckpointError> {
    if name.starts_with("square.") && data.iter().any(|x| *x < 0.0) {
        return fail(ContentError::Tensor(name, TensorError::Negative));
    }
    match data.iter().all(|x| x.is_finite()) {
        true => Ok(()),
        false => fail(ContentError::Tensor(name, TensorError::NonFinite)),
    }
}
// ANCHOR_END: fill

// ANCHOR: error
/// Why a run cannot be saved or loaded.
#[derive(Debug)]
pub enum CheckpointError {
    /// The system refused: to `write` or to `lock`; and why.
    Io(&'static str, io::Error),
    /// No whole file of tensors.
    File(FileError),
    /// Another run saves to the same file.
    Locked,
    /// A safetensors file, but not of a run.
    NoRecord,
    /// The version (given) is above [`VERSION`], or zero.
    Version(u32),
    /// A run, but something in it cannot be.
    Content(ContentError),
}
// ANCHOR_END: error

// ANCHOR: content
/// What is wrong inside of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentError {
    /// The record cannot be understood.
    Record(String),
    /// The named number of the record is none that a run can have.
    Number(&'static str),
    /// The sizes describe no model.
    Config(ConfigError),
    /// The characters are no vocabulary.
    Vocabulary(TokenizerError),
    /// The settings describe no training.
    Training(TrainError),
    /// So many characters, where the sizes say so many.
    Characters(usize, usize),
    /// A model of so many parameters, in so many bytes, where each takes so
    /// many.
    TooFew(usize, usize, usize),
    /// The named part of a run has other shapes than its weights.
    Shapes(&'static str),
    /// The named tensor is not one of such a run.
    Tensor(String, TensorError),
    /// The header names something twice, or in another order or spelling.
    Layout,
    /// The content is not that which was saved.
    Digest,
}
// ANCHOR_END: content

// ANCHOR: tensor_error
/// What is wrong with a tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TensorError {
    /// It is not there.
    Missing,
    /// It belongs to no run.
    Unknown,
    /// It is not of single precision, but of this type.
    Dtype(Dtype),
    /// It has the first shape, where the sizes say the second.
    Shape(Vec<usize>, Vec<usize>),
    /// It holds an infinity, or something that is not a number.
    NonFinite,
    /// It is a mean of squares and holds a number below zero.
    Negative,
}
// ANCHOR_END: tensor_error

/// A fault in the content, as the result of reading it.
fn fail<T>(error: ContentError) -> Result<T, CheckpointError> {
    Err(CheckpointError::Content(error))
}

// ANCHOR: error_from
impl From<ContentError> for CheckpointError {
    fn from(error: ContentError) -> Self {
        Self::Content(error)
    }
}

impl From<FileError> for CheckpointError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<ConfigError> for CheckpointError {
    fn from(error: ConfigError) -> Self {
        Self::Content(ContentError::Config(error))
    }
}

impl From<TokenizerError> for CheckpointError {
    fn from(error: TokenizerError) -> Self {
        Self::Content(ContentError::Vocabulary(error))
    }
}

impl From<TrainError> for CheckpointError {
    fn from(error: TrainError) -> Self {
        Self::Content(ContentError::Training(error))
    }
}
// ANCHOR_END: error_from

// ANCHOR: error_display
impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(doing, error) => write!(f, "cannot {doing}: {error}"),
            Self::File(error) => write!(f, "{error}"),
            Self::Locked => write!(
                f,
                "another run saves there; wait for it, or give another name"
            ),
            Self::NoRecord => write!(
                f,
                "a safetensors file, but not of a run: its metadata lack \
                 {KEY:?}"
            ),
            Self::Version(version) => write!(
                f,
                "format {version}, but this program knows only 1 to {VERSION}; \
                 load it with the program that wrote it"
            ),
            Self::Content(error) => write!(f, "{error}"),
        }
    }
}
// ANCHOR_END: error_display

impl std::error::Error for CheckpointError {}

// ANCHOR: error_content
impl fmt::Display for ContentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(error) => write!(f, "the record is damaged: {error}"),
            Self::Number(name) => {
                write!(f, "no run can have the {name} of the record")
            }
            Self::Config(error) => write!(f, "the sizes: {error}"),
            Self::Vocabulary(error) => write!(f, "the vocabulary: {error}"),
            Self::Training(error) => write!(f, "the settings: {error}"),
            Self::Characters(characters, vocab_size) => write!(
                f,
                "a vocabulary of {characters} characters where the sizes say \
                 {vocab_size}"
            ),
            Self::TooFew(params, bytes, each) => write!(
                f,
                "{bytes} bytes of tensors for {params} parameters, which take \
                 {each} each"
            ),
            Self::Shapes(part) => {
                write!(f, "the {part} has other shapes than the weights")
            }
            Self::Tensor(name, error) => write!(f, "tensor {name:?} {error}"),
            Self::Layout => write!(
                f,
                "the header names something twice, or not in the order in \
                 which it is saved"
            ),
            Self::Digest => write!(
                f,
                "the content does not fit its SHA-256: damaged, or changed by \
                 hand; take another copy"
            ),
        }
    }
}
// ANCHOR_END: error_content

// ANCHOR: tensor_error_display
impl fmt::Display for TensorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "is missing"),
            Self::Unknown => write!(f, "belongs to no run"),
            Self::Dtype(found) => write!(f, "is of type {found}, not F32"),
            Self::Shape(found, wanted) => write!(
                f,
                "has the shape {found:?}, but the sizes say {wanted:?}"
            ),
            Self::NonFinite => write!(f, "holds what is not a finite number"),
            Self::Negative => write!(f, "holds a square below zero"),
        }
    }
}
// ANCHOR_END: tensor_error_display

impl std::error::Error for ContentError {}

impl std::error::Error for TensorError {}
