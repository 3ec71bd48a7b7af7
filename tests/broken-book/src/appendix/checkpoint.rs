//! An appendix that imports a chapter and the shared format: sound.

use super::safetensors::header;
use crate::gpt::Gpt;
