//! One solution for each exercise; the page of solutions quotes them.

pub mod embeddings;
pub mod orientation;
pub mod tokenization;
