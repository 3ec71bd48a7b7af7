//! The chapters once more, in double precision: the very same files, beside
//! another `Float`. Here differences can be measured to ten digits.

pub use ndarray::linalg::general_mat_mul;

/// Double precision.
pub type Float = f64;
/// A row of numbers.
pub type Vector = ndarray::Array1<Float>;
/// A table of numbers.
pub type Matrix = ndarray::Array2<Float>;

/// `eˣ`.
pub fn exp(x: Float) -> Float {
    x.exp()
}

#[path = "../../../src/embeddings.rs"]
pub mod embeddings;
#[path = "../../../src/generation.rs"]
pub mod generation;
#[path = "../../../src/gpt.rs"]
pub mod gpt;
#[path = "../../../src/orientation.rs"]
pub mod orientation;
#[path = "../../../src/tokenization.rs"]
pub mod tokenization;
#[path = "../../../src/training.rs"]
pub mod training;
#[path = "../../../src/transformer_block.rs"]
pub mod transformer_block;
#[cfg(feature = "mpi")]
#[path = "../../../src/appendix/parallel.rs"]
pub mod parallel;
#[path = "../../../src/appendix/scalar_autograd.rs"]
pub mod scalar_autograd;
