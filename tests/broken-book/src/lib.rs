//! The modules, not in reading order.

// ANCHOR: modules
pub mod tokenization;
pub mod orientation;
pub mod gpt;
pub mod training;
pub mod appendix;
// ANCHOR_END: modules
