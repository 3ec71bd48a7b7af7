//! The weights of a folder: their names, their files, their numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ndarray::Dimension;
use safetensors::tensor::{Dtype, TensorInfo};
use serde::Deserialize;

use super::config::read_json;
use super::error::{At, Fault, HuggingFaceError, Result, ensure};
use super::files::{find, refuse_adapter};
use crate::gpt::{Gpt, GptConfig, Tensor, TensorName};
use crate::orientation::rows;
use crate::safetensors::{
    FileError, Header, header, is_readable, open, read_numbers, to_bytes,
};
use crate::{Float, Matrix};

/// The file of the weights, if they are in one.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// What we put before every name, as `transformers` does.
const PREFIX: &str = "transformer.";

/// The table, and the head where it is in a file.
const TABLE: &str = "wte.weight";
const HEAD: &str = "lm_head.weight";

/// What programs put before names, or between their parts: PyTorch's `compile`
/// `_orig_mod`, its several processes `module`, Lightning `model`.
const WRAPPERS: [&str; 9] = [
    "transformer",
    "model",
    "module",
    "base_model",
    "state_dict",
    "_orig_mod",
    "_forward_module",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
];

/// A tensor's name without them; none is a part of a name of GPT-2.
fn bare(name: &str) -> String {
    let parts = name.split('.').filter(|part| !WRAPPERS.contains(part));
    parts.collect::<Vec<_>>().join(".")
}

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

/// What files of these names call a tensor: `h.0.attn.c_attn.weight`.
pub(super) fn rename(
    TensorName { block, field }: TensorName,
    names: &[(&str, &str)],
    blocks: &str,
) -> String {
    let (layer, part) = match field.rsplit_once('.') {
        Some((layer, part @ ("weight" | "bias"))) => (layer, part),
        _ => (field, "weight"), // a table
    };
    let known = names.iter().find(|(ours, _)| *ours == layer);
    let layer = known.map_or(layer, |(_, theirs)| theirs);
    match block {
        Some(block) => format!("{blocks}.{block}.{layer}.{part}"),
        None => format!("{layer}.{part}"),
    }
}

/// What GPT-2's files call it.
fn gpt2_name(name: TensorName) -> String {
    rename(name, &NAMES, "h")
}
// ANCHOR_END: names

/// Writes every tensor to one file.
pub(super) fn write_weights(path: &Path, model: &Gpt) -> io::Result<()> {
    let name = |name| format!("{PREFIX}{}", gpt2_name(name));
    let tensors = model.tensors().into_iter();
    let tensors: Vec<_> = tensors.map(|it| (name(it.name), it)).collect();
    let header = header(("format", "pt"), &tensors);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(&header.map_err(io::Error::other)?)?;
    for (_, tensor) in tensors {
        out.write_all(&to_bytes(tensor.data))?;
    }
    out.into_inner()?.sync_all()
}

/// The tensors of a folder that have not been read yet, by GPT-2's names.
pub(super) struct Weights {
    list: PathBuf, // what lists them: the one file, or the index of several
    files: Vec<Shard>,
    tensors: BTreeMap<String, (usize, TensorInfo)>, // with the file's index
}

/// One of the files, and where its numbers start.
struct Shard {
    path: PathBuf,
    file: File,
    start: u64,
}

impl Weights {
    /// Reads the headers of all files, and no number yet. If the head is
    /// `tied` to the table, one of the two names is enough.
    pub(super) fn open(folder: &Path, tied: bool) -> Result<Self> {
        let (list, names) = list_files(folder)?;
        let (files, tensors) = (Vec::new(), BTreeMap::new());
        let mut weights = Self { list, files, tensors };
        for name in names {
            weights.add(folder.join(name))?;
        }
        let tensors = &mut weights.tensors;
        if tied
            && !tensors.contains_key(TABLE)
            && let Some(head) = tensors.remove(HEAD)
        {
            tensors.insert(TABLE.to_owned(), head);
        }
        Ok(weights)
    }

    fn add(&mut self, path: PathBuf) -> Result<()> {
        let (mut file, length) = open(&path).at(&path)?;
        let header = Header::read(&mut file, length).at(&path)?;
        for name in header.metadata.offset_keys() {
            let Some(info) = header.metadata.info(&name) else { continue };
            // Early files hold the causal mask, too
            let masks = [".attn.bias", ".attn.masked_bias"];
            if masks.iter().any(|mask| name.ends_with(mask)) {
                continue;
            }
            let of_adapter = name.contains(".lora_");
            ensure(!of_adapter, Fault::Adapter).at(&path)?;
            let name = bare(&name);
            let place = (self.files.len(), info.clone());
            if self.tensors.insert(name.clone(), place).is_some() {
                return Err(Fault::Twice { name }.at(&self.list));
            }
        }
        let start = header.bytes.len() as u64;
        self.files.push(Shard { path, file, start });
        Ok(())
    }
}

/// The file that lists the tensors, and the names of the files they are in.
fn list_files(folder: &Path) -> Result<(PathBuf, BTreeSet<String>)> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    refuse_adapter(folder)?;
    let index = folder.join("model.safetensors.index.json");
    if folder.join(WEIGHTS).exists() || !index.exists() {
        let single = find(folder, WEIGHTS)?;
        return Ok((single, BTreeSet::from([WEIGHTS.to_owned()])));
    }
    let Index { weight_map } = read_json(&index)?;
    let names: BTreeSet<String> = weight_map.into_values().collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match names.iter().find(|name| !name.chars().all(plain)) {
        Some(name) => Err(Fault::Outside { name: name.clone() }.at(&index)),
        None => Ok((index, names)),
    }
}

// ANCHOR: check_sizes
impl Weights {
    /// Refuses sizes for which there is too little in the files, before there
    /// is memory for them.
    pub(super) fn check_sizes(&self, config: &GptConfig) -> Result<()> {
        let params = config.checked_num_params().unwrap_or(usize::MAX);
        let places = self.tensors.values().map(|(_, info)| info.data_offsets);
        let bytes = places.map(|(start, end)| end - start).sum();
        let enough = params <= bytes / 2;
        ensure(enough, Fault::TooFew { bytes, params }).at(&self.list)?;
        for block in 0..config.n_layer {
            let name = format!("h.{block}.ln_1.weight");
            if !self.tensors.contains_key(&name) {
                return Err(self.missing(&name));
            }
        }
        Ok(())
    }
}
// ANCHOR_END: check_sizes

impl Weights {
    /// Refuses numbers of a type that we do not read.
    pub(super) fn check_types(&self) -> Result<()> {
        for (name, (file, TensorInfo { dtype, .. })) in &self.tensors {
            let fault = Fault::Dtype { name: name.clone(), found: *dtype };
            ensure(is_readable(*dtype), fault).at(&self.files[*file].path)?;
        }
        Ok(())
    }

    /// Reads the numbers of a tensor into its place.
    pub(super) fn fill(&mut self, tensor: Tensor<&mut [Float]>) -> Result<()> {
        let name = gpt2_name(tensor.name);
        let (shard, dtype) = self.find(&name, tensor.shape.slice())?;
        shard.read(dtype, tensor.data)?;
        let finite = tensor.data.iter().all(|x| x.is_finite());
        ensure(finite, Fault::NonFinite { name }).at(&shard.path)
    }

    /// Says that a tensor is missing, and what may be it under another name.
    fn missing(&self, name: &str) -> HuggingFaceError {
        let end = format!(".{name}");
        let mut names = self.tensors.keys();
        let fault = match names.find(|other| other.ends_with(&end)) {
            Some(found) => {
                Fault::Prefix { name: name.to_owned(), found: found.clone() }
            }
            None => Fault::Missing { name: name.to_owned() },
        };
        fault.at(&self.list)
    }

    /// Takes a tensor off the list: its file, at its first number.
    fn find(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<(&mut Shard, Dtype)> {
        let Some((name, (file, info))) = self.tensors.remove_entry(name) else {
            return Err(self.missing(name));
        };
        let shard = &mut self.files[file];
        let TensorInfo { dtype, shape: found, data_offsets: (start, _) } = info;
        if found != shape {
            let wanted = shape.to_vec();
            return Err(Fault::Shape { name, found, wanted }.at(&shard.path));
        }
        let start = SeekFrom::Start(shard.start + start as u64);
        let sought = shard.file.seek(start).map_err(FileError::Read);
        sought.at(&shard.path)?;
        Ok((shard, dtype))
    }

    /// Refuses what is left over, but for a copy of the token table.
    pub(super) fn check_rest(
        mut self,
        table: &Matrix,
        tied: bool,
    ) -> Result<()> {
        if !tied || self.tensors.contains_key(HEAD) {
            let (shard, dtype) = self.find(HEAD, table.shape())?;
            let mut row = vec![0.0; table.ncols()];
            for token in rows(table) {
                shard.read(dtype, &mut row)?;
                ensure(row == token, Fault::Untied).at(&shard.path)?;
            }
        }
        match self.tensors.into_keys().next() {
            Some(name) => Err(Fault::Unknown { name }.at(&self.list)),
            None => Ok(()),
        }
    }
}

impl Shard {
    /// Reads the next numbers of the file.
    fn read(&mut self, dtype: Dtype, numbers: &mut [Float]) -> Result<()> {
        let read = read_numbers(&mut self.file, dtype, numbers);
        read.map_err(FileError::Read).at(&self.path)
    }
}
