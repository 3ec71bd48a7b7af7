//! What the reader edits.

pub mod block_feed_forward;
pub mod embeddings;
pub mod orientation;
pub mod tokenization;
pub mod transformer_block;
