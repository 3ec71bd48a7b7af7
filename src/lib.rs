//! A character-level GPT with GPT-2's architecture, hand-derived gradients and
//! no framework: the crate that the book *MicroGPT in Rust* is made of.
//!
//! The modules are the chapters. Each imports only those before it, so reading
//! order is import order:
//!
//! | module | adds |
//! | --- | --- |
//! | [`orientation`] | softmax, cross-entropy, counting models, the numerical gradient |
//! | [`tokenization`] | text to ids and back |
//! | [`embeddings`] | ids to vectors, with their positions |
//! | [`transformer_block`] | attention, feed-forward, LayerNorm, and their gradients |
//! | [`gpt`] | the whole model: ids to logits, loss and gradient |
//! | [`training`] | batches, AdamW, the learning-rate schedule, the loop |
//! | [`generation`] | sampling, the key-value cache, streams of text |
//! | [`checkpoint`] | an appendix: a run as a file |
//! | [`interchange`] | an appendix: a model for `transformers`, and a GPT-2 from it |
//! | [`scalar_autograd`] | an appendix: the same gradients, found by a tape of scalars |
//! | `parallel` | with the feature `mpi`: one run on many machines |
//!
//! Two features, both off unless asked for: `mpi` adds `parallel`, and takes an
//! MPI library; `tokenizers` adds `interchange::JsonTokenizer`, which reads the
//! tokens of GPT-2.
//!
//! The five items below are all that a module needs from this file. Whoever
//! carries a module into another crate declares them beside it; `general_mat_mul`
//! can then be ndarray's own.
//!
//! A whole run: a text, a model, training, a file, and new text. The generators
//! are those of the crate `rand`, version 0.10, with its feature `chacha`. A profile
//! belongs to the program that is built: without `opt-level = 3` in yours, all of
//! this is many times slower.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use microgpt::checkpoint::{self, Corpus};
//! use microgpt::generation::{Generator, Sampler};
//! use microgpt::gpt::{Gpt, GptConfig};
//! use microgpt::training::{
//!     Average, Event, LrSchedule, TrainConfig, Trainer, evaluate, split,
//! };
//! use rand::{SeedableRng, rngs::ChaCha8Rng};
//!
//! let text = "to be, or not to be: that is the question\n".repeat(20);
//! let corpus = Corpus::new(&text)?;
//! let ids = corpus.tokenizer.encode(&text)?;
//! let (train, validation) = split(&ids);
//!
//! let config = GptConfig {
//!     n_layer: 2,
//!     n_head: 2,
//!     n_embd: 16,
//!     block_size: 16,
//!     vocab_size: corpus.tokenizer.vocab_size(),
//! };
//! let model = Gpt::new(config, &mut ChaCha8Rng::seed_from_u64(1))?;
//! let schedule =
//!     LrSchedule { max_lr: 1e-2, min_lr: 1e-3, warmup: 10, steps: 300 };
//! let config = TrainConfig {
//!     batch_size: 8,
//!     schedule,
//!     max_norm: 1.0,
//!     eval_interval: 100,
//!     seed: 2,
//! };
//! let mut trainer = Trainer::new(model, config)?;
//! let mean = Average::new(trainer.model.clone(), 0.1)?; // of the last tenth
//! trainer.average = Some(mean);
//! trainer.run(train, validation, |_, event| {
//!     if let Event::Evaluation(now) = event {
//!         println!("step {}: {:.3}", now.step, now.validation_loss);
//!     }
//!     ControlFlow::Continue(())
//! })?;
//!
//! let name = format!("microgpt-{}.safetensors", std::process::id());
//! let path = std::env::temp_dir().join(name);
//! checkpoint::save(&path, &trainer, &corpus)?;
//! let (trainer, corpus) = checkpoint::load(&path)?;
//! # std::fs::remove_file(&path)?;
//! let model = trainer.result();
//! assert!(evaluate(model, validation)? < 0.5); // nats; a guess has 2.8
//!
//! let prompt = corpus.tokenizer.encode("to be")?;
//! let rng = ChaCha8Rng::seed_from_u64(3);
//! let ids = Generator::new(model, &prompt, Sampler::new(0.8, None)?, rng)?;
//! let ids: Vec<u16> = ids.take(40).collect();
//! println!("{}", corpus.tokenizer.decode(&ids)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// Not `forbid`: ndarray's slicing macro carries an `allow` of its own, and
// `general_mat_mul` below needs one.
#![deny(unsafe_code)]

// ANCHOR: modules
pub mod orientation;
pub mod tokenization;
pub mod embeddings;
pub mod transformer_block;
pub mod gpt;
pub mod training;
pub mod generation;
pub mod checkpoint; // an appendix, as are the next
pub mod interchange;
pub mod scalar_autograd;
#[cfg(feature = "mpi")]
pub mod parallel;
// ANCHOR_END: modules

use gemm_common::Parallelism;
use ndarray::{ArrayRef2, Axis};

// ANCHOR: types
/// The number that everything is made of. The tests compile the same modules
/// once more with `f64` here, where gradients can be checked to ten digits.
pub type Float = f32;

/// A row of numbers, `[C]`.
pub type Vector = ndarray::Array1<Float>;

/// A table of numbers, `[N, C]`: one row per position.
pub type Matrix = ndarray::Array2<Float>;
// ANCHOR_END: types

// ANCHOR: exp
/// `eˣ`, in a form that the compiler can do for many `x` at once.
///
/// With `n` the integer nearest to `x/ln 2` and `r = x − n·ln 2`, so that
/// `|r| ≤ ln 2 / 2`, we have `eˣ = 2ⁿ·eʳ`: the first factor is written straight
/// into the exponent bits, the second is a polynomial of degree six. `ln 2` is
/// subtracted in two parts, so that `r` keeps its last digits.
///
/// Relative error below 3e-7, a few units in the last place, between ±87, a
/// little before `f32` ends. Beyond, the result is that of ±87; `NaN` stays.
///
/// The splitting: Cody & Waite (1980), ch. 6.
#[inline]
pub fn exp(x: Float) -> Float {
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding it rounds to an integer
    const LN_2_HIGH: f32 = 355.0 / 512.0; // ln 2 in nine bits
    const LN_2_LOW: f32 = -2.121_944_4e-4; // the rest of ln 2
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    // The low bits of `shifted` hold n: move them to where exponents live
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()))
}
// ANCHOR_END: exp

// ANCHOR: general_mat_mul
/// `c ← α·a·b + β·c`, where nearly all the time of training goes.
///
/// ndarray's function of this name, faster. One row times a large matrix takes
/// as long as the matrix takes to come from memory, and two threads can fetch
/// more than one: they share its columns.
///
/// # Shapes
/// - `a`: `[M, K]`, `b`: `[K, N]`, `c`: `[M, N]`, each with any strides
///
/// # Panics
/// If the shapes do not fit.
pub fn general_mat_mul(
    alpha: Float,
    a: &ArrayRef2<Float>,
    b: &ArrayRef2<Float>,
    beta: Float,
    c: &mut ArrayRef2<Float>,
) {
    const FAR: usize = 1 << 19; // numbers, more than a core keeps at hand
    let ((m, k), n) = (a.dim(), b.ncols());
    assert_eq!(b.nrows(), k, "general_mat_mul: a and b do not fit");
    assert_eq!(c.dim(), (m, n), "general_mat_mul: c does not fit");
    if m > 1 || n < 2 || k * n < FAR {
        return multiply(alpha, a, b, beta, c);
    }
    let (b, other_b) = b.view().split_at(Axis(1), n / 2);
    let (mut c, mut other_c) = c.view_mut().split_at(Axis(1), n / 2);
    rayon::join(
        || general_mat_mul(alpha, a, &b, beta, &mut c),
        || general_mat_mul(alpha, a, &other_b, beta, &mut other_c),
    );
}
// ANCHOR_END: general_mat_mul

// ANCHOR: multiply
/// The same on one thread.
///
/// Multiplying matrices is an art of its own (blocks that fit the caches,
/// copied into the order in which a kernel for one kind of processor wants
/// them); the crate `gemm` practises it.
#[allow(unsafe_code)]
fn multiply(
    alpha: Float,
    a: &ArrayRef2<Float>,
    b: &ArrayRef2<Float>,
    beta: Float,
    c: &mut ArrayRef2<Float>,
) {
    let ((m, k), n) = (a.dim(), b.ncols());
    let strides = |x: &ArrayRef2<Float>| (x.strides()[0], x.strides()[1]);
    let ((a_row, a_column), (b_row, b_column)) = (strides(a), strides(b));
    let (c_row, c_column) = strides(c);
    let product = gemm_f32::gemm::f32::get_gemm_fn();
    // SAFETY: pointers, strides and (checked) shapes are those of three arrays
    // borrowed for the length of the call, `c` alone for writing.
    unsafe {
        // `gemm` prefers columns: cᵀ = bᵀ·aᵀ
        #[rustfmt::skip]
        product(
            n, m, k,
            c.as_mut_ptr(), c_row, c_column, beta != 0.0,
            b.as_ptr(), b_row, b_column,
            a.as_ptr(), a_row, a_column,
            beta, alpha, false, false, false, Parallelism::None,
        );
    }
}
// ANCHOR_END: multiply
