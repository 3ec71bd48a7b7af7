//! # Interchange
//!
//! An appendix. A model leaves for `transformers` and for whatever reads its
//! folders, and a GPT-2 comes in: the same numbers under other names.
//!
//! A folder may come from anywhere. Whatever is in it, reading it ends in a
//! model or in an [`InterchangeError`], and takes no more memory than its files
//! warrant.
//!
//! To copy this module, bring `checkpoint` and what it needs, with
//! `Float = f32`; for `JsonTokenizer` also the crate `tokenizers`, behind a
//! feature of that name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ndarray::Dimension;
use safetensors::tensor::Dtype;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::safetensors::{
    FileError, Header, header, is_readable, open, read_numbers, to_bytes,
};
use crate::gpt::{ConfigError, Gpt, GptConfig, Tensor, TensorName};
use crate::orientation::rows;
use crate::tokenization::{CharTokenizer, TokenizerError};
use crate::{Float, Matrix};

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
        _ => (field, "weight"), // a table
    };
    let known = NAMES.iter().find(|(ours, _)| *ours == layer);
    let layer = known.map_or(layer, |(_, theirs)| theirs);
    match block {
        Some(block) => format!("h.{block}.{layer}.{part}"),
        None => format!("{layer}.{part}"),
    }
}
// ANCHOR_END: names

// ANCHOR: files
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const TOKENIZER: &str = "tokenizer.json";

/// What stands before the names above, in files of a model with a head.
const PREFIX: &str = "transformer.";

/// The head, where it is in a file.
const HEAD: &str = "lm_head.weight";
// ANCHOR_END: files

// ANCHOR: export
/// Writes a folder that `transformers` opens: the model, its characters, and
/// how to write with it.
///
/// The folder is made here. If anything fails, nothing of it remains.
///
/// # Errors
/// [`Fault::There`] if `folder` exists, [`Fault::Sizes`] if the vocabulary is
/// not as large as the model's, and [`Fault::Io`].
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
// ANCHOR_END: export

// ANCHOR: write_files
fn write_files(
    folder: &Path,
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), InterchangeError> {
    let at = |name| folder.join(name);
    let failed = |error, path: &Path| Fault::Io("write", error).at(path);
    let path = at(WEIGHTS);
    write_weights(&path, model).map_err(|error| failed(error, &path))?;
    let config = model.config();
    for (path, content) in [
        (at(TOKENIZER), tokenizer_json(tokenizer)),
        (at("tokenizer_config.json"), tokenizer_config(&config)),
        (at("generation_config.json"), generation_config(&config)),
        (at(CONFIG), config_json(&config)), // without it nobody reads the rest
    ] {
        let written = fs::write(&path, format!("{content:#}\n"));
        written.map_err(|error| failed(error, &path))?;
    }
    Ok(())
}

fn write_weights(path: &Path, model: &Gpt) -> io::Result<()> {
    let tensors = model.tensors();
    let name = |tensor: &Tensor<_>| PREFIX.to_owned() + &gpt2_name(tensor.name);
    let named = tensors.iter().map(|tensor| (name(tensor), tensor.clone()));
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let named: Vec<_> = named.collect();
    let header = header(("format", "pt"), &named).map_err(io::Error::other)?;
    out.write_all(&header)?;
    for tensor in tensors {
        out.write_all(&to_bytes(tensor.data))?;
    }
    out.into_inner()?.sync_all()
}
// ANCHOR_END: write_files

// ANCHOR: config_json
/// The sizes, and what is fixed in our model, in GPT-2's words.
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

/// How to write: as the model says, and no further than its positions.
fn generation_config(config: &GptConfig) -> Value {
    json!({
        "do_sample": true,
        "temperature": 1.0,
        "top_k": 0,
        "max_length": config.block_size,
    })
}
// ANCHOR_END: config_json

// ANCHOR: tokenizer_json
/// The characters as a vocabulary of words, each of one character. One that is
/// not in it is an error there, as it is here.
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

// ANCHOR: import
/// Loads a GPT-2 from a folder of `transformers`: of any size, in one file or
/// in several, its numbers of 32 or of 16 bits.
///
/// # Errors
/// See [`Fault`].
pub fn import(folder: &Path) -> Result<Gpt, InterchangeError> {
    let (config, tied) = read_config(&folder.join(CONFIG))?;
    let mut weights = Weights::open(folder)?;
    weights.check(&config)?;
    let mut model = Gpt::zeros(config);
    for tensor in model.tensors_mut() {
        weights.fill(tensor)?;
    }
    weights.check_head(&model.embeddings.token, tied)?;
    match weights.places.keys().min() {
        Some(name) => Err(weights.fault(name, TensorFault::Unknown)),
        None => Ok(model),
    }
}
// ANCHOR_END: import

// ANCHOR: read_config
/// The sizes, and whether the head is the token table.
fn read_config(path: &Path) -> Result<(GptConfig, bool), InterchangeError> {
    let json: Map<String, Value> = read_json(path)?;
    let size = |name: &'static str| {
        let size = json.get(name).and_then(Value::as_u64);
        let size = size.and_then(|size| usize::try_from(size).ok());
        let fault = || Fault::field(name, json.get(name), "a whole number");
        size.ok_or_else(|| fault().at(path))
    };
    check_kind(&json).map_err(|fault| fault.at(path))?;
    let config = GptConfig {
        n_layer: size("n_layer")?,
        n_head: size("n_head")?,
        n_embd: size("n_embd")?,
        block_size: size("n_positions")?,
        vocab_size: size("vocab_size")?,
    };
    config.validate().map_err(|error| Fault::Config(error).at(path))?;
    let inner = [Value::Null, json!(4 * config.n_embd)];
    one_of(&json, "n_inner", &inner).map_err(|fault| fault.at(path))?;
    let untied = json.get("tie_word_embeddings") == Some(&json!(false));
    Ok((config, !untied))
}
// ANCHOR_END: read_config

// ANCHOR: check_kind
/// Refuses a model that does not compute what ours does.
fn check_kind(json: &Map<String, Value>) -> Result<(), Fault> {
    if !json.contains_key("model_type") {
        return Err(Fault::field("model_type", None, "\"gpt2\""));
    }
    one_of(json, "model_type", &[json!("gpt2")])?;
    let tanh = [json!("gelu_new"), json!("gelu_pytorch_tanh")]; // two names
    one_of(json, "activation_function", &tanh)?;
    one_of(json, "layer_norm_epsilon", &[json!(1e-5)])?;
    one_of(json, "scale_attn_weights", &[json!(true)])?;
    one_of(json, "scale_attn_by_inverse_layer_idx", &[json!(false)])?;
    one_of(json, "add_cross_attention", &[json!(false)])?;
    one_of(json, "tie_word_embeddings", &[json!(true), json!(false)])?;
    one_of(json, "quantization_config", &[Value::Null])
}

/// Refuses another value than these. A field that is not there has the usual.
fn one_of(
    json: &Map<String, Value>,
    name: &'static str,
    wanted: &[Value],
) -> Result<(), Fault> {
    match json.get(name) {
        Some(found) if !wanted.contains(found) => {
            let wanted: Vec<_> = wanted.iter().map(Value::to_string).collect();
            Err(Fault::field(name, Some(found), &wanted.join(" or ")))
        }
        _ => Ok(()),
    }
}
// ANCHOR_END: check_kind

// ANCHOR: weights
/// The tensors of a folder, by their names without [`PREFIX`].
struct Weights {
    list: PathBuf, // what lists them: the one file, or the index of several
    files: Vec<(PathBuf, File)>,
    places: HashMap<String, Place>,
    bytes: u64, // in all files
}

/// Where a tensor lies, and what it is.
struct Place {
    file: usize,
    start: u64,
    dtype: Dtype,
    shape: Vec<usize>,
}

impl Weights {
    /// Reads the headers of all files, and no number yet.
    fn open(folder: &Path) -> Result<Self, InterchangeError> {
        let (list, names) = shards(folder)?;
        let (files, places) = (Vec::new(), HashMap::new());
        let mut weights = Self { list, files, places, bytes: 0 };
        for name in names {
            weights.add(folder.join(name))?;
        }
        Ok(weights)
    }

    fn fault(&self, name: &str, fault: TensorFault) -> InterchangeError {
        Fault::Tensor(name.to_owned(), fault).at(&self.list)
    }
}
// ANCHOR_END: weights

// ANCHOR: shards
/// The file that lists the tensors, and the names of the files they are in.
fn shards(
    folder: &Path,
) -> Result<(PathBuf, BTreeSet<String>), InterchangeError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let (one, index) = (folder.join(WEIGHTS), folder.join(INDEX));
    if one.exists() || !index.exists() {
        let pickle = folder.join("pytorch_model.bin");
        return match pickle.exists() && !one.exists() {
            true => Err(Fault::Pickle.at(&pickle)),
            false => Ok((one, BTreeSet::from([WEIGHTS.to_owned()]))),
        };
    }
    let Index { weight_map } = read_json(&index)?;
    let names: BTreeSet<String> = weight_map.into_values().collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match names.iter().find(|name| !name.chars().all(plain)) {
        Some(name) => Err(Fault::Outside(name.clone()).at(&index)),
        None => Ok((index, names)),
    }
}
// ANCHOR_END: shards

// ANCHOR: add
impl Weights {
    /// Adds the tensors of a file.
    fn add(&mut self, path: PathBuf) -> Result<(), InterchangeError> {
        let failed = |error| Fault::File(error).at(&path);
        let (mut file, length) = open(&path).map_err(failed)?;
        let Header { bytes, metadata } =
            Header::read(&mut file, length).map_err(failed)?;
        let start = bytes.len() as u64;
        for name in metadata.offset_keys() {
            let Some(info) = metadata.info(&name) else { continue };
            let name = name.strip_prefix(PREFIX).unwrap_or(&name).to_owned();
            let (dtype, shape) = (info.dtype, info.shape.clone());
            let start = start + info.data_offsets.0 as u64;
            let place = Place { file: self.files.len(), start, dtype, shape };
            // The causal mask, which early files hold, is nothing learned
            let mask = [".attn.bias", ".attn.masked_bias"];
            if mask.iter().any(|mask| name.ends_with(mask)) {
                continue;
            }
            if self.places.insert(name.clone(), place).is_some() {
                return Err(self.fault(&name, TensorFault::Twice));
            }
        }
        self.bytes += metadata.data_len() as u64;
        self.files.push((path, file));
        Ok(())
    }
}
// ANCHOR_END: add

// ANCHOR: check
impl Weights {
    /// Refuses sizes for which there is too little in the files, before there
    /// is memory for them.
    fn check(&self, config: &GptConfig) -> Result<(), InterchangeError> {
        let params = config.num_params().unwrap_or(usize::MAX);
        if params as u64 > self.bytes / 2 {
            return Err(Fault::TooFew(params, self.bytes).at(&self.list));
        }
        let first = |block| format!("h.{block}.ln_1.weight");
        let names = (0..config.n_layer).map(first);
        match names.into_iter().find(|name| !self.places.contains_key(name)) {
            Some(name) => Err(self.fault(&name, TensorFault::Missing)),
            None => Ok(()),
        }
    }
}
// ANCHOR_END: check

// ANCHOR: fill
impl Weights {
    /// Reads the numbers of a tensor into its place.
    fn fill(
        &mut self,
        tensor: Tensor<&mut [Float]>,
    ) -> Result<(), InterchangeError> {
        let name = gpt2_name(tensor.name);
        let (path, file, dtype) = self.find(&name, tensor.shape.slice())?;
        read_numbers(file, dtype, tensor.data)
            .map_err(|error| Fault::Io("read", error).at(path))?;
        match tensor.data.iter().all(|x| x.is_finite()) {
            true => Ok(()),
            false => Err(Fault::Tensor(name, TensorFault::NonFinite).at(path)),
        }
    }

    /// The file of a tensor, at its first number; what is left in `places`
    /// has not been found yet.
    fn find(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<(&Path, &mut File, Dtype), InterchangeError> {
        let Some(place) = self.places.remove(name) else {
            return Err(self.fault(name, TensorFault::Missing));
        };
        let (path, file) = &mut self.files[place.file];
        let fault = |fault| Fault::Tensor(name.to_owned(), fault).at(path);
        if !is_readable(place.dtype) {
            return Err(fault(TensorFault::Dtype(place.dtype)));
        }
        if place.shape != shape {
            let wanted = shape.to_vec();
            return Err(fault(TensorFault::Shape(place.shape, wanted)));
        }
        file.seek(SeekFrom::Start(place.start))
            .map_err(|error| Fault::Io("read", error).at(path))?;
        Ok((path, file, place.dtype))
    }
}
// ANCHOR_END: fill

// ANCHOR: check_head
impl Weights {
    /// Refuses a head that is not the token table once more.
    fn check_head(
        &mut self,
        token: &Matrix,
        tied: bool,
    ) -> Result<(), InterchangeError> {
        if tied && !self.places.contains_key(HEAD) {
            return Ok(());
        }
        let (path, file, dtype) = self.find(HEAD, token.shape())?;
        let mut row = vec![0.0; token.ncols()];
        for token in rows(token) {
            read_numbers(file, dtype, &mut row)
                .map_err(|error| Fault::Io("read", error).at(path))?;
            if row != token {
                let untied = TensorFault::Untied;
                return Err(Fault::Tensor(HEAD.to_owned(), untied).at(path));
            }
        }
        Ok(())
    }
}
// ANCHOR_END: check_head

// ANCHOR: read_json
/// The bytes of a file of text, of a size that such files have.
fn read_text(path: &Path) -> Result<Vec<u8>, InterchangeError> {
    const MOST: u64 = 100_000_000; // bytes
    let (file, length) =
        open(path).map_err(|error| Fault::File(error).at(path))?;
    if length > MOST {
        return Err(Fault::TooLong(length).at(path));
    }
    let mut text = Vec::with_capacity(length as usize);
    file.take(length)
        .read_to_end(&mut text)
        .map_err(|error| Fault::Io("read", error).at(path))?;
    Ok(text)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, InterchangeError> {
    serde_json::from_slice(&read_text(path)?)
        .map_err(|error| Fault::Json(error.to_string()).at(path))
}
// ANCHOR_END: read_json

// ANCHOR: import_characters
/// The characters of a folder that [`export`] has written, or that has been
/// saved again since.
///
/// # Errors
/// [`Fault::Characters`] if its tokens are something else, [`Fault::Sizes`] if
/// the model has not as many; see [`Fault`].
pub fn import_characters(
    folder: &Path,
) -> Result<CharTokenizer, InterchangeError> {
    let (GptConfig { vocab_size, .. }, _) = read_config(&folder.join(CONFIG))?;
    let path = folder.join(TOKENIZER);
    let json: Map<String, Value> = read_json(&path)?;
    let mut characters = BTreeMap::new(); // by their ids
    let vocabulary = json.get("model").and_then(|model| model.get("vocab"));
    for (token, id) in
        vocabulary.and_then(Value::as_object).into_iter().flatten()
    {
        let mut token = token.chars();
        if let (Some(c), None) = (token.next(), token.next()) {
            characters.insert(id.as_u64(), c);
        }
    }
    let characters = characters.into_values().collect();
    let tokenizer = CharTokenizer::from_vocabulary(characters)
        .map_err(|error| Fault::Vocabulary(error).at(&path))?;
    let ours = tokenizer_json(&tokenizer);
    for part in ["normalizer", "pre_tokenizer", "decoder", "model"] {
        if json.get(part) != ours.get(part) {
            return Err(Fault::Characters(part).at(&path));
        }
    }
    match tokenizer.vocab_size() {
        tokens if tokens == vocab_size => Ok(tokenizer),
        tokens => Err(Fault::Sizes(tokens, vocab_size).at(&path)),
    }
}
// ANCHOR_END: import_characters

// ANCHOR: json_tokenizer
/// What a folder's `tokenizer.json` describes; for a GPT-2, pairs of bytes that
/// have been merged again and again.
///
/// With the feature `tokenizers`.
#[cfg(feature = "tokenizers")]
pub struct JsonTokenizer {
    path: PathBuf,
    tokenizer: tokenizers::Tokenizer,
}
// ANCHOR_END: json_tokenizer

// ANCHOR: json_load
#[cfg(feature = "tokenizers")]
impl JsonTokenizer {
    /// Reads it. It may have fewer tokens than the model: some round the size
    /// of their table up.
    ///
    /// # Errors
    /// [`Fault::Json`] if it cannot be understood, [`Fault::Field`] if it
    /// changes the text before anything else, [`Fault::Sizes`] if it has ids
    /// that the model has not; see [`Fault`].
    pub fn load(folder: &Path) -> Result<Self, InterchangeError> {
        let (GptConfig { vocab_size, .. }, _) =
            read_config(&folder.join(CONFIG))?;
        let path = folder.join(TOKENIZER);
        // The crate panics at some of what is no JSON, or no normalizer
        let mut json: Map<String, Value> = read_json(&path)?;
        one_of(&json, "normalizer", &[Value::Null])
            .map_err(|fault| fault.at(&path))?;
        // A prompt is neither cut nor filled up, whatever the file asks for
        json.retain(|key, _| key != "truncation" && key != "padding");
        let failed =
            |error: tokenizers::Error| Fault::Json(error.to_string()).at(&path);
        let tokenizer = Value::from(json).to_string().parse();
        let tokenizer: tokenizers::Tokenizer = tokenizer.map_err(failed)?;
        let ids = tokenizer.get_vocab(true).into_values();
        match ids.max().map_or(0, |id| id as usize + 1) {
            tokens if (1..=vocab_size).contains(&tokens) => {
                Ok(Self { path, tokenizer })
            }
            tokens => Err(Fault::Sizes(tokens, vocab_size).at(&path)),
        }
    }
}
// ANCHOR_END: json_load

// ANCHOR: json_encode
#[cfg(feature = "tokenizers")]
impl JsonTokenizer {
    /// The ids of a text.
    ///
    /// # Errors
    /// [`Fault::Tokens`] if it knows no ids for some of it.
    pub fn encode(&self, text: &str) -> Result<Vec<u16>, InterchangeError> {
        let encoding = self.tokenizer.encode_fast(text, false);
        let encoding = encoding.map_err(|error| self.fault(error))?;
        // Below `vocab_size`, and so of two bytes
        Ok(encoding.get_ids().iter().map(|&id| id as u16).collect())
    }

    /// Makes ids into text, one after the other. A character can take several
    /// tokens, so some bring nothing, and the next more than their own.
    pub fn stream(
        &self,
    ) -> impl FnMut(u16) -> Result<String, InterchangeError> + '_ {
        let mut stream = self.tokenizer.decode_stream(false);
        move |id| match stream.step(u32::from(id)) {
            Ok(text) => Ok(text.unwrap_or_default()),
            Err(error) => Err(self.fault(error)),
        }
    }

    fn fault(&self, error: tokenizers::Error) -> InterchangeError {
        Fault::Tokens(error.to_string()).at(&self.path)
    }
}
// ANCHOR_END: json_encode

// ANCHOR: error
/// What is wrong, and with which file or folder.
#[derive(Debug)]
pub struct InterchangeError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

impl fmt::Display for InterchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.fault)
    }
}

impl std::error::Error for InterchangeError {}
// ANCHOR_END: error

// ANCHOR: fault
/// Why a folder cannot be written, or is no model of ours.
#[derive(Debug)]
pub enum Fault {
    /// The system refused: to `read`, to `write` or to `make`; and why.
    Io(&'static str, io::Error),
    /// What was to be made is there already.
    There,
    /// The file is none, or not as long as it should be, or its header is
    /// damaged.
    File(FileError),
    /// So many bytes, for a file of JSON.
    TooLong(u64),
    /// It is no JSON, or not of this kind.
    Json(String),
    /// The named field has a value (or none), where the last is wanted.
    Field(&'static str, Option<String>, String),
    /// The sizes describe no model.
    Config(ConfigError),
    /// The weights are a pickle.
    Pickle,
    /// The index names this file, which is not in the folder.
    Outside(String),
    /// The sizes ask for so many parameters, the files have so many bytes.
    TooFew(usize, u64),
    /// The named tensor is not one of such a model.
    Tensor(String, TensorFault),
    /// So many tokens, for a model of so many.
    Sizes(usize, usize),
    /// The characters are no vocabulary.
    Vocabulary(TokenizerError),
    /// The named part is not that of a tokenizer of characters.
    Characters(&'static str),
    /// The tokenizer refused a text or an id.
    Tokens(String),
}
// ANCHOR_END: fault

// ANCHOR: tensor_fault
/// What is wrong with a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TensorFault {
    /// It is not there.
    Missing,
    /// It is there twice.
    Twice,
    /// It is not of such a model.
    Unknown,
    /// It is of a type that we do not read.
    Dtype(Dtype),
    /// It has the first shape, where the sizes say the second.
    Shape(Vec<usize>, Vec<usize>),
    /// It holds an infinity, or something that is not a number.
    NonFinite,
    /// It is a head with numbers of its own.
    Untied,
}
// ANCHOR_END: tensor_fault

// ANCHOR: fault_at
impl Fault {
    /// This fault, of that file or folder.
    pub fn at(self, path: &Path) -> InterchangeError {
        InterchangeError { path: path.to_owned(), fault: self }
    }

    fn field(name: &'static str, found: Option<&Value>, wanted: &str) -> Self {
        let short =
            |value: &Value| value.to_string().chars().take(60).collect();
        Self::Field(name, found.map(short), wanted.to_owned())
    }
}
// ANCHOR_END: fault_at

// ANCHOR: fault_display
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(doing, error) => write!(f, "cannot {doing}: {error}"),
            Self::There => write!(f, "is there already; give another name"),
            Self::File(error) => write!(f, "{error}"),
            Self::TooLong(bytes) => {
                write!(f, "{bytes} bytes are too many for a file of this name")
            }
            Self::Json(error) => write!(f, "cannot be understood: {error}"),
            Self::Field(name, None, wanted) => {
                write!(f, "{name} is missing, where {wanted} is wanted")
            }
            Self::Field(name, Some(found), wanted) => {
                write!(f, "{name} is {found}, where {wanted} is wanted")
            }
            Self::Config(error) => write!(f, "the sizes: {error}"),
            Self::Pickle => write!(
                f,
                "a pickle, which may do anything when it is opened; have its \
                 owner save it as {WEIGHTS}"
            ),
            Self::Outside(name) => {
                write!(f, "{name:?} is no name of a file in this folder")
            }
            _ => self.fmt_content(f),
        }
    }
}
// ANCHOR_END: fault_display

// ANCHOR: fault_content
impl Fault {
    fn fmt_content(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew(params, bytes) => write!(
                f,
                "{bytes} bytes of tensors, but {CONFIG} describes {params} \
                 parameters, which take 2 each at least"
            ),
            Self::Tensor(name, fault) => write!(f, "tensor {name:?} {fault}"),
            Self::Sizes(tokens, rows) => write!(
                f,
                "{tokens} tokens, but the model has {rows}; take the \
                 tokenizer that it was trained with"
            ),
            Self::Vocabulary(error) => write!(f, "the characters: {error}"),
            Self::Characters(part) => write!(
                f,
                "{part} is not that of a tokenizer of characters; the example \
                 gpt2 reads others"
            ),
            Self::Tokens(error) => write!(f, "cannot do this: {error}"),
            _ => Ok(()),
        }
    }
}
// ANCHOR_END: fault_content

impl std::error::Error for Fault {}

// ANCHOR: tensor_fault_display
impl fmt::Display for TensorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "is missing"),
            Self::Twice => write!(f, "is there twice"),
            Self::Unknown => {
                write!(f, "has no place in a model of the sizes in {CONFIG}")
            }
            Self::Dtype(found) => {
                write!(f, "is of type {found}, not F32, F16 or BF16")
            }
            Self::Shape(found, wanted) => write!(
                f,
                "has the shape {found:?}, but the sizes in {CONFIG} say \
                 {wanted:?}"
            ),
            Self::NonFinite => write!(f, "holds what is not a finite number"),
            Self::Untied => write!(
                f,
                "differs from wte.weight; our models have one table for both, \
                 and a head of its own cannot be loaded"
            ),
        }
    }
}
// ANCHOR_END: tensor_fault_display

impl std::error::Error for TensorFault {}
