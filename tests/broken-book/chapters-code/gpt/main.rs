//! The program uses the crate, and so could know every module.

use double::gpt::Gpt;
use microgpt::Float;

fn main() {}
