//! # Safetensors
//!
//! An appendix, and what the two about files have in common: the format. Eight
//! bytes say how long the header is; the header, in JSON, says of each tensor
//! what it is called, its type, its shape, and where it lies; then come the
//! numbers, one tensor behind the other.
//!
//! To copy this module, bring `gpt` and what it needs, with `Float = f32`, and
//! the crates `half`, `safetensors`, `serde_json` and `thiserror`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use half::{bf16, f16};
use ndarray::Dimension;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use thiserror::Error;

use crate::Float;
use crate::gpt::Tensor;

/// The longest header that a safetensors file may have, in bytes.
const MAX_HEADER: u64 = 100_000_000;

/// Why something is not a whole file of tensors.
#[derive(Debug, Error)]
pub enum FileError {
    /// A folder, a device or a pipe.
    #[error("not a file; give the name of a file")]
    NotAFile,
    /// The system refused.
    #[error("cannot read: {0}")]
    Read(#[source] io::Error),
    /// The file ends too early.
    #[error("cut off: {length} bytes of {needed}; take another copy")]
    CutOff {
        /// Bytes there are.
        length: u64,
        /// Bytes that were announced.
        needed: u64,
    },
    /// The file goes on behind its last tensor.
    #[error("{length} bytes where {needed} were announced; take another copy")]
    TooLong {
        /// Bytes there are.
        length: u64,
        /// Bytes that were announced.
        needed: u64,
    },
    /// The first eight bytes announce a header that is too long.
    #[error("not a safetensors file: it {}", instead(*.header))]
    NotSafetensors {
        /// The header's length, as announced.
        header: u64,
    },
    /// The system has no memory for the numbers, or not for this process.
    #[error("takes {:.1} GB of memory, which cannot be had here", *.bytes / 1e9)]
    Memory {
        /// Bytes that its numbers take.
        bytes: f64,
    },
    /// The header is no list of tensors one behind the other.
    #[error("the header is damaged: {reason}")]
    Header {
        /// What is wrong with it.
        reason: String,
    },
}

/// What a file is that has no header of a length that can be.
fn instead(header: u64) -> String {
    match str::from_utf8(&header.to_le_bytes()) {
        Ok("version ") => "is a pointer of Git LFS; fetch the file itself \
                           with `git lfs pull`"
            .to_owned(),
        Ok(text) if !text.contains(char::is_control) => {
            format!("begins with the text {text:?}")
        }
        _ => format!("would begin with a header of {header} bytes"),
    }
}

/// Refuses to make so many numbers (more than can be counted, if `None`) when
/// the system, asked for their memory, doesn't give it. Without asking, the
/// program would end there.
///
/// # Errors
/// [`FileError::Memory`].
pub fn check_memory(numbers: Option<usize>) -> Result<(), FileError> {
    let numbers = numbers.unwrap_or(usize::MAX);
    let asked = Vec::<Float>::new().try_reserve_exact(numbers);
    let bytes = numbers as f64 * size_of::<Float>() as f64;
    asked.map_err(|_| FileError::Memory { bytes })
}

/// What comes before the numbers: the length of the header, and the header,
/// with spaces behind it so that the numbers start at a multiple of eight
/// bytes.
///
/// # Errors
/// [`FileError::Header`] if it is longer than the format allows.
pub fn header(
    (key, value): (&str, &str),
    tensors: &[(String, Tensor<&[Float]>)],
) -> Result<Vec<u8>, FileError> {
    let damaged = |reason: String| FileError::Header { reason };
    let mut end = 0;
    let infos = tensors.iter().map(|(name, tensor)| {
        let start = end;
        end += size_of_val(tensor.data);
        let shape = tensor.shape.slice().to_vec();
        let data_offsets = (start, end);
        let info = TensorInfo { dtype: Dtype::F32, shape, data_offsets };
        (name.clone(), info)
    });
    let extra = HashMap::from([(key.to_owned(), value.to_owned())]);
    let metadata = Metadata::new(Some(extra), infos.collect())
        .map_err(|error| damaged(error.to_string()))?;
    let mut header = vec![0; 8];
    let json = serde_json::to_vec(&metadata);
    header.extend(json.map_err(|error| damaged(error.to_string()))?);
    header.resize(header.len().next_multiple_of(8), b' ');
    let length = (header.len() - 8) as u64;
    if length > MAX_HEADER {
        let most = MAX_HEADER;
        return Err(damaged(format!("{length} bytes, and {most} are allowed")));
    }
    header[..8].copy_from_slice(&length.to_le_bytes());
    Ok(header)
}

/// Numbers as bytes, the lowest first.
pub fn to_bytes(numbers: &[Float]) -> Vec<u8> {
    let mut bytes = vec![0; size_of_val(numbers)];
    for (four, x) in bytes.chunks_exact_mut(4).zip(numbers) {
        four.copy_from_slice(&x.to_le_bytes());
    }
    bytes
}

/// Opens a file, and says how long it is.
///
/// # Errors
/// [`FileError::NotAFile`] and [`FileError::Read`].
pub fn open(path: &Path) -> Result<(File, u64), FileError> {
    // Ask before opening: to open a pipe is to wait for somebody
    if !fs::metadata(path).map_err(FileError::Read)?.is_file() {
        return Err(FileError::NotAFile);
    }
    let file = File::open(path).map_err(FileError::Read)?;
    let length = file.metadata().map_err(FileError::Read)?.len();
    Ok((file, length))
}

/// What comes before the numbers of a file.
#[derive(Debug)]
pub struct Header {
    /// All of it, as it is in the file.
    pub bytes: Vec<u8>,
    /// What it says.
    pub metadata: Metadata,
}

impl Header {
    /// Reads the header of a file of `length` bytes, and makes sure that its
    /// tensors fill the rest of the file.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn read(
        source: &mut impl Read,
        length: u64,
    ) -> Result<Self, FileError> {
        let Some(room) = length.checked_sub(8) else {
            return Err(FileError::CutOff { length, needed: 8 });
        };
        let mut first = [0; 8];
        source.read_exact(&mut first).map_err(FileError::Read)?;
        let header = u64::from_le_bytes(first);
        if header > MAX_HEADER {
            return Err(FileError::NotSafetensors { header });
        }
        if header > room {
            return Err(FileError::CutOff { length, needed: 8 + header });
        }
        let mut bytes = first.to_vec();
        bytes.resize(8 + header as usize, 0);
        source.read_exact(&mut bytes[8..]).map_err(FileError::Read)?;
        let metadata: Metadata = serde_json::from_slice(&bytes[8..])
            .map_err(|error| FileError::Header { reason: error.to_string() })?;
        let tensors = metadata.data_len() as u64;
        match (8 + header).saturating_add(tensors) {
            needed if needed > length => {
                Err(FileError::CutOff { length, needed })
            }
            needed if needed < length => {
                Err(FileError::TooLong { length, needed })
            }
            _ => Ok(Self { bytes, metadata }),
        }
    }
}

/// Whether [`read_numbers`] knows a type.
pub fn is_readable(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16)
}

/// Reads as many numbers as there is room for, a few thousand at a time.
///
/// # Errors
/// Those of `source`, and [`io::ErrorKind::Unsupported`] for a type other than
/// `F32`, `F16` and `BF16`.
pub fn read_numbers(
    source: &mut impl Read,
    dtype: Dtype,
    numbers: &mut [Float],
) -> io::Result<()> {
    let mut buffer = [0; 1 << 15];
    let width = if dtype == Dtype::F32 { 4 } else { 2 };
    for numbers in numbers.chunks_mut(buffer.len() / 4) {
        let bytes = &mut buffer[..width * numbers.len()];
        source.read_exact(bytes)?;
        for (x, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(width)) {
            *x = match (dtype, bytes) {
                (Dtype::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
                (Dtype::F16, &[a, b]) => f16::from_le_bytes([a, b]).to_f32(),
                (Dtype::BF16, &[a, b]) => bf16::from_le_bytes([a, b]).to_f32(),
                _ => return Err(io::ErrorKind::Unsupported.into()),
            };
        }
    }
    Ok(())
}
