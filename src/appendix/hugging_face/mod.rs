//! # Hugging Face and GPT-2
//!
//! An appendix. A model leaves for `transformers` and for whatever reads its
//! folders, and a GPT-2 comes in: the same numbers under other names.
//!
//! A folder may come from anywhere. Whatever is in it, reading it ends in a
//! model or in a [`HuggingFaceError`], and takes no more memory than its files
//! warrant.
//!
//! To copy this module, bring `safetensors`, `tokenization` and what they need,
//! and the crate `serde` with `derive`; for `JsonTokenizer` also the crate
//! `tokenizers`, behind a feature of that name.

mod weights;
mod config;
mod fields;
mod files;
mod tokens;
mod token_files;
#[cfg(feature = "tokenizers")]
mod json_tokenizer;
mod end_token;
mod gguf;
mod error;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

pub use self::error::{Fault, HuggingFaceError};
pub use self::fields::{
    CONFIG_FIELDS, CONFIG_HARMLESS, Role, TOKENIZER_FIELDS, TOKENIZER_HARMLESS,
};
pub use self::gguf::export_gguf;
#[cfg(feature = "tokenizers")]
pub use self::json_tokenizer::{JsonTokenizer, TokenStream};
pub use self::tokens::{CharacterModel, end_of_text, import_characters};

use self::config::{CONFIG, read_config};
use self::end_token::{END, with_end};
use self::error::{At, Result, ensure};
use self::tokens::{TOKENIZER, tokenizer_json};
use self::weights::{WEIGHTS, Weights, write_weights};
use crate::gpt::{Gpt, GptConfig};
use crate::safetensors::check_memory;
use crate::tokenization::CharTokenizer;

const GENERATION: &str = "generation_config.json";

/// Writes a folder that `transformers` opens: the model, its characters, and
/// how to generate with it. Returns the id of the end token, which fills up the
/// shorter texts of a batch and is never generated.
///
/// A model can have none if it has hardly been trained; `None` says so.
///
/// The folder is made here. If anything fails, nothing of it remains.
///
/// # Errors
/// [`Fault::There`] if `folder` exists, [`Fault::VocabSize`] if the vocabulary
/// is not as large as the model's, [`Fault::Make`] and [`Fault::Write`].
///
/// ```
/// use microgpt::gpt::{Gpt, GptConfig};
/// use microgpt::hugging_face::{CharacterModel, export, import_characters};
/// use microgpt::tokenization::CharTokenizer;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let tokenizer = CharTokenizer::new("to be or not")?;
/// let (n_layer, n_head, n_embd, block_size) = (1, 1, 4, 8);
/// let vocab_size = tokenizer.vocab_size();
/// let config = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
/// let model = Gpt::new(config, &mut ChaCha8Rng::seed_from_u64(1))?;
///
/// let name = format!("microgpt-export-{}", std::process::id());
/// let folder = std::env::temp_dir().join(name);
/// export(&folder, &model, &tokenizer)?;
/// let back = import_characters(&folder)?;
/// assert_eq!(back, CharacterModel { model, tokenizer, left_out: 0 });
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn export(
    folder: &Path,
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<Option<u16>> {
    check_vocabulary(model, tokenizer).at(folder)?;
    ensure(!folder.exists(), Fault::There).at(folder)?;
    fs::create_dir_all(folder).map_err(Fault::Make).at(folder)?;
    let bf16 = 1.0 / 512.0; // the coarsest numbers that others may take
    let ended = with_end(model, bf16);
    let end = ended.is_some().then_some(tokenizer.vocab_size() as u16);
    let model = ended.as_ref().unwrap_or(model);
    let written = write_files(folder, model, tokenizer, end);
    if written.is_err() {
        let _ = fs::remove_dir_all(folder); // give the space back
    }
    written.map(|()| end)
}

/// Refuses a vocabulary that is not the model's.
fn check_vocabulary(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Fault> {
    let tokens = tokenizer.vocab_size();
    let GptConfig { vocab_size, .. } = model.config();
    ensure(tokens == vocab_size, Fault::VocabSize { tokens, vocab_size })
}

fn write_files(
    folder: &Path,
    model: &Gpt,
    tokenizer: &CharTokenizer,
    end: Option<u16>,
) -> Result<()> {
    let weights = folder.join(WEIGHTS);
    write_weights(&weights, model).map_err(Fault::Write).at(&weights)?;
    let config = model.config();
    for (name, content) in [
        (TOKENIZER, tokenizer_json(tokenizer, end)),
        ("tokenizer_config.json", tokenizer_config(&config, end)),
        (GENERATION, generation_config(&config, tokenizer, end)),
        (CONFIG, config_json(&config, end)), // without it nobody reads the rest
    ] {
        let path = folder.join(name);
        let written = fs::write(&path, format!("{content:#}\n"));
        written.map_err(Fault::Write).at(&path)?;
    }
    Ok(())
}

/// How the library makes a tokenizer of `tokenizer.json`.
fn tokenizer_config(config: &GptConfig, end: Option<u16>) -> Value {
    let end = end.map(|_| END);
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        // Without it, version 4 hands on token_type_ids, and adds wte[0]
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": config.block_size,
        "clean_up_tokenization_spaces": false,
        "bos_token": end, "eos_token": end, "pad_token": end,
        "unk_token": end, // some ask for it; the unknown stay an error
        "padding_side": "left", // the text goes on at the right
        "split_special_tokens": true, // what is typed is characters
    })
}

/// How to generate: as we do, from a line break where there is no prompt.
fn generation_config(
    config: &GptConfig,
    tokenizer: &CharTokenizer,
    end: Option<u16>,
) -> Value {
    let beginning = tokenizer.encode("\n").unwrap_or(vec![0]);
    json!({
        "do_sample": true, "temperature": 1.0, "top_k": 0,
        "max_length": config.block_size,
        "bos_token_id": beginning[0], "eos_token_id": end, "pad_token_id": end,
    })
}

// ANCHOR: config_json
/// The sizes, and what is fixed in our model, in GPT-2's words.
fn config_json(config: &GptConfig, end: Option<u16>) -> Value {
    let GptConfig { n_layer, n_head, n_embd, block_size, vocab_size } = config;
    json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "n_layer": n_layer, "n_head": n_head, "n_embd": n_embd,
        "n_positions": block_size, "n_ctx": block_size,
        "vocab_size": vocab_size,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": true,
        "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
        "bos_token_id": end, "eos_token_id": end, "pad_token_id": end,
        "torch_dtype": "float32",
    })
}
// ANCHOR_END: config_json

// ANCHOR: import
/// Loads a GPT-2 from a folder of `transformers`: of any size, in one file or
/// in several, its numbers of 32 or of 16 bits.
///
/// # Errors
/// See [`Fault`].
pub fn import(folder: &Path) -> Result<Gpt> {
    let (config, tied) = read_config(folder)?;
    let mut weights = Weights::open(folder, tied)?;
    weights.check_types()?;
    weights.check_sizes(&config)?;
    check_memory(config.checked_num_params()).at(folder)?;
    let mut model = Gpt::zeros(config);
    for tensor in model.tensors_mut() {
        weights.fill(tensor)?;
    }
    weights.check_rest(&model.embeddings.token, tied)?;
    Ok(model)
}
// ANCHOR_END: import
