//! The first program may.

use microgpt::gpt::Gpt;

fn main() {}
