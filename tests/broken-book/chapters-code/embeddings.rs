//! The program compiles a module that comes later.

#[path = "../src/embeddings.rs"]
mod embeddings;
#[path = "../src/gpt.rs"]
mod gpt;

fn main() {}
