//! The program uses the crate, and so could know every module.

#[path = "../src/gpt.rs"]
mod gpt;

use microgpt::Float;

fn main() {}
