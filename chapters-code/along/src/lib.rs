//! Yours to write: one function a chapter.

/// A table of numbers.
pub type Matrix = ndarray::Array2<f64>;
