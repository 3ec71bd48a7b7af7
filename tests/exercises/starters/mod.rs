//! What the reader edits.

pub mod embeddings;
pub mod orientation;
pub mod tokenization;
