//! The modules, not in reading order, and a type that no page shows.

// ANCHOR: modules
pub mod tokenization;
pub mod orientation;
pub mod gpt;
pub mod training;
pub mod appendix;
// ANCHOR_END: modules

pub type Float = f32;
