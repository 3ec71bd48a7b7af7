//! All that is imported here is earlier: `use super::generation` is a comment.

use super::gpt::{Gpt, generation};
use super::training::split as cut;
use super::*;

const TEXT: &str = "super::generation::Generator";
