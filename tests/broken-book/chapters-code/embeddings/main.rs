//! The program imports a module that comes later.

use double::{Matrix, embeddings::*, gpt::*};

fn main() {}
