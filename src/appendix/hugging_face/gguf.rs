//! GGUF, the file that llama.cpp runs, and with it Ollama: the sizes, the
//! tokens and the numbers, all in one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ndarray::{ArrayView2, Dimension};

use super::check_vocabulary;
use super::end_token::{END, with_end};
use super::error::{At, Fault, Result, ensure};
use super::weights::rename;
use crate::Float;
use crate::gpt::{Gpt, GptConfig, Tensor};
use crate::safetensors::to_bytes;
use crate::tokenization::CharTokenizer;
use crate::transformer_block::LayerNorm;

/// Every tensor begins at a multiple of so many bytes.
const ALIGNMENT: usize = 32;

/// What we call a layer, and what these files call it.
const NAMES: [(&str, &str); 9] = [
    ("embeddings.token", "token_embd"),
    ("embeddings.position", "position_embd"),
    ("norm_1", "attn_norm"),
    ("attention.qkv", "attn_qkv"),
    ("attention.proj", "attn_output"),
    ("norm_2", "ffn_norm"),
    ("mlp.up", "ffn_up"),
    ("mlp.down", "ffn_down"),
    ("norm", "output_norm"),
];

/// Writes a file that llama.cpp runs. Until it is whole it has another name,
/// which ends in `.part`; if anything fails, nothing of it remains.
///
/// # Errors
/// [`Fault::There`] if `path` exists, [`Fault::VocabSize`] if the vocabulary is
/// not as large as the model's, [`Fault::NoEnd`] if the model can have no end
/// token, which llama.cpp cannot do without, and [`Fault::Write`].
pub fn export_gguf(
    path: &Path,
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<()> {
    check_vocabulary(model, tokenizer).at(path)?;
    let model = with_end(model, Float::EPSILON).ok_or(Fault::NoEnd).at(path)?;
    ensure(!path.exists(), Fault::There).at(path)?;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = write_file(&part, &model, tokenizer);
    let renamed = written.and_then(|()| fs::rename(&part, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&part); // give the space back
    }
    renamed.map_err(Fault::Write).at(path)
}

fn write_file(
    path: &Path,
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(&header(model, tokenizer))?;
    for tensor in model.tensors() {
        write_numbers(&mut out, &tensor)?;
    }
    out.into_inner()?.sync_all()
}

/// Writes the numbers of a tensor. Those of a linear layer come column by
/// column: llama.cpp keeps all weights of one output together.
fn write_numbers(
    out: &mut impl Write,
    tensor: &Tensor<&[Float]>,
) -> io::Result<()> {
    match *tensor.shape.slice() {
        [inputs, outputs] if tensor.name.block.is_some() => {
            let matrix = ArrayView2::from_shape((inputs, outputs), tensor.data);
            // A tensor has as many numbers as its shape says
            for column in matrix.expect("as many numbers").columns() {
                out.write_all(&to_bytes(&column.to_vec()))?;
            }
        }
        _ => out.write_all(&to_bytes(tensor.data))?,
    }
    let bytes = size_of_val(tensor.data);
    out.write_all(&vec![0; bytes.next_multiple_of(ALIGNMENT) - bytes])
}

/// All that comes before the numbers.
fn header(model: &Gpt, tokenizer: &CharTokenizer) -> Vec<u8> {
    let settings = settings(&model.config(), tokenizer);
    let tensors = model.tensors();
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes()); // the version
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((settings.len() as u64).to_le_bytes());
    for (name, value) in settings {
        put_text(&mut bytes, name);
        value.put(&mut bytes);
    }
    let mut offset = 0;
    for tensor in tensors {
        put_tensor(&mut bytes, &tensor, offset);
        offset += size_of_val(tensor.data).next_multiple_of(ALIGNMENT);
    }
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes
}

/// What is known of a tensor: its name, its shape, its type, its place. The
/// length of a row comes first, where we have it last; since the matrix of a
/// linear layer is transposed, its shape is the same in both.
fn put_tensor(bytes: &mut Vec<u8>, tensor: &Tensor<&[Float]>, offset: usize) {
    put_text(bytes, &rename(tensor.name, &NAMES, "blk"));
    let mut shape = tensor.shape.slice().to_vec();
    if tensor.name.block.is_none() {
        shape.reverse();
    }
    bytes.extend((shape.len() as u32).to_le_bytes());
    for size in shape {
        bytes.extend((size as u64).to_le_bytes());
    }
    bytes.extend(0_u32.to_le_bytes()); // F32
    bytes.extend((offset as u64).to_le_bytes());
}

/// A setting's value.
enum Value {
    Number(usize),
    Real(Float),
    Flag(bool),
    Text(&'static str),
    Texts(Vec<String>),
    Kinds(Vec<i32>),
}

impl Value {
    /// Writes its type, then itself; of a list, the type of its items and how
    /// many there are.
    fn put(&self, bytes: &mut Vec<u8>) {
        let mut start = |types: &[u32]| {
            bytes.extend(types.iter().flat_map(|kind| kind.to_le_bytes()));
        };
        match self {
            Self::Number(number) => start(&[4, *number as u32]),
            Self::Real(real) => start(&[6, real.to_bits()]),
            Self::Flag(flag) => {
                start(&[7]);
                bytes.push(u8::from(*flag));
            }
            Self::Text(text) => {
                start(&[8]);
                put_text(bytes, text);
            }
            Self::Texts(texts) => {
                start(&[9, 8]);
                bytes.extend((texts.len() as u64).to_le_bytes());
                texts.iter().for_each(|text| put_text(bytes, text));
            }
            Self::Kinds(kinds) => {
                start(&[9, 5]);
                bytes.extend((kinds.len() as u64).to_le_bytes());
                bytes.extend(kinds.iter().flat_map(|kind| kind.to_le_bytes()));
            }
        }
    }
}

/// The sizes and the tokens, in llama.cpp's words.
fn settings(
    config: &GptConfig,
    tokenizer: &CharTokenizer,
) -> Vec<(&'static str, Value)> {
    use Value::*;
    let GptConfig { n_layer, n_head, n_embd, block_size, .. } = *config;
    let end = tokenizer.vocab_size();
    let mut tokens = byte_tokens(tokenizer);
    let merges = merges(&tokens);
    tokens.push(END.to_owned());
    let (normal, control) = (1, 3);
    let mut kinds = vec![normal; end];
    kinds.push(control);
    vec![
        ("general.architecture", Text("gpt2")),
        ("gpt2.block_count", Number(n_layer)),
        ("gpt2.context_length", Number(block_size)),
        ("gpt2.embedding_length", Number(n_embd)),
        ("gpt2.feed_forward_length", Number(4 * n_embd)),
        ("gpt2.attention.head_count", Number(n_head)),
        ("gpt2.attention.layer_norm_epsilon", Real(LayerNorm::EPSILON)),
        ("tokenizer.ggml.model", Text("gpt2")),
        ("tokenizer.ggml.pre", Text("qwen2")),
        ("tokenizer.ggml.tokens", Texts(tokens)),
        ("tokenizer.ggml.token_type", Kinds(kinds)),
        ("tokenizer.ggml.merges", Texts(merges)),
        ("tokenizer.ggml.bos_token_id", Number(end)),
        ("tokenizer.ggml.eos_token_id", Number(end)),
        ("tokenizer.ggml.padding_token_id", Number(end)),
        ("tokenizer.ggml.add_bos_token", Flag(false)),
    ]
}

/// The characters, byte by byte, and each byte as GPT-2 writes it: as itself
/// where it can be seen, or else as the next character from U+0100.
fn byte_tokens(tokenizer: &CharTokenizer) -> Vec<String> {
    let mut others = '\u{100}'..;
    let shown: Vec<char> = (0..=255)
        .map(|byte| match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
            // The range ends at U+10FFFF, and 68 are asked for
            _ => others.next().expect("68 of them"),
        })
        .collect();
    let bytes = |c: &char| c.to_string().into_bytes().into_iter();
    let token = |c| bytes(c).map(|byte| shown[usize::from(byte)]).collect();
    tokenizer.vocabulary().iter().map(token).collect()
}

/// What puts the bytes of a character together: the first two, then the third
/// to these, then the fourth. The list must not be empty, so it begins with a
/// pair that no text has.
fn merges(tokens: &[String]) -> Vec<String> {
    let mut pairs = BTreeSet::from(["ÿ ÿ".to_owned()]);
    for token in tokens {
        for (at, next) in token.char_indices().skip(1) {
            pairs.insert(format!("{} {next}", &token[..at]));
        }
    }
    pairs.into_iter().collect()
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}
