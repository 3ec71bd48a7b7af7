//! What the reader edits.

pub mod block_feed_forward;
pub mod embeddings;
pub mod generation;
pub mod gpt;
pub mod orientation;
pub mod tokenization;
pub mod training;
pub mod transformer_block;
