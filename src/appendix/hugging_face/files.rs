//! The files of a folder, and what else may be where one of them is wanted.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{At, Fault, Result};

/// What a name has in it that is there instead of the weights or of the whole
/// folder, and what to do about it. The first that fits is told.
const WHOLE: &[(&str, &str)] = &[
    ("adapter_", ADAPTER),
    ("_fsdp", "parts of FSDP; join them with `accelerate merge-weights`"),
    ("global_step", "parts of DeepSpeed; join them with its zero_to_fp32.py"),
    (".h5", "of TensorFlow; let transformers 4 save it, with from_tf=True"),
    (".msgpack", "of Flax; let transformers 4 save it, with from_flax=True"),
    (".gguf", "of llama.cpp; let transformers save it, with gguf_file=…"),
    (".onnx", "for ONNX; take the folder that it was made from"),
];

/// Instead of `model.safetensors` alone.
const WEIGHTS: &[(&str, &str)] = &[
    ("pytorch_model", PICKLE),
    ("model-0", "a part; fetch model.safetensors.index.json, their list"),
    (".safetensors", "another name; call the file model.safetensors"),
    (".bin", LOOSE),
    (".ckpt", LOOSE),
    (".pt", LOOSE),
];

/// Instead of `config.json`.
const FOLDERS: &[(&str, &str)] = &[
    ("checkpoint-", "a folder of its own; give that one"),
    ("snapshots", "as in the Hub's cache; give the folder in it"),
];

/// Instead of `tokenizer.json`.
const TOKENS: &[(&str, &str)] = &[
    ("vocab.bpe", "OpenAI's name; call it merges.txt, encoder.json vocab.json"),
    ("merges.txt", SAVE),
    ("vocab", SAVE),
    (".model", SAVE),
];

pub(super) const ADAPTER: &str = "an adapter, which changes the weights of \
    another model; merge the two, with merge_and_unload of PEFT, and save the \
    whole model";

const PICKLE: &str = "a pickle, which can run code; if you trust it, run in \
    the folder: python -c \"from transformers import GPT2LMHeadModel as M; \
    M.from_pretrained('.').save_pretrained('.')\"";

const LOOSE: &str = "a pickle, which can run code; if you trust it, open it \
    with torch.load and save its tensors with safetensors.torch.save_file";

const SAVE: &str = "from which it can be made; run in the folder: python -c \
    \"from transformers import AutoTokenizer as T; \
    T.from_pretrained('.').save_pretrained('.')\"";

pub(super) const SAVE_AGAIN: &str = "run in the folder: python -c \
    \"from transformers import AutoTokenizer as T; \
    T.from_pretrained('.').save_pretrained('.')\"";

/// The path of a file that has to be there.
///
/// # Errors
/// [`Fault::Instead`] if something else is there that people take for it.
pub(super) fn find(folder: &Path, wanted: &'static str) -> Result<PathBuf> {
    let path = folder.join(wanted);
    if path.exists() {
        return Ok(path);
    }
    let tables = match wanted {
        "config.json" => [FOLDERS, WHOLE],
        "tokenizer.json" => [TOKENS, &[]],
        _ => [WHOLE, WEIGHTS],
    };
    let names = names(folder);
    for (part, todo) in tables.into_iter().flatten() {
        if let Some(found) = names.iter().find(|name| name.contains(part)) {
            let found = found.clone();
            return Err(Fault::Instead { wanted, found, todo }).at(&path);
        }
    }
    Ok(path) // to open it will say what is the matter
}

/// Refuses an adapter beside the weights: `transformers` would apply it.
pub(super) fn refuse_adapter(folder: &Path) -> Result<()> {
    let mut names = names(folder).into_iter();
    match names.find(|name| name.starts_with("adapter_")) {
        Some(name) => Err(Fault::Adapter).at(&folder.join(name)),
        None => Ok(()),
    }
}

/// What is in a folder, in the order of the alphabet.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    let mut names: Vec<_> = names.flat_map(|it| it.into_string()).collect();
    names.sort();
    names
}
