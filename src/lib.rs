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
//!
//! Behind them are the appendices, which import chapters, and of each other
//! only the file format:
//!
//! | module | is for |
//! | --- | --- |
//! | [`safetensors`] | the files that the next two read and write |
//! | [`checkpoint`] | a run as a file |
//! | [`hugging_face`] | a model for `transformers`, and a GPT-2 from it |
//! | [`scalar_autograd`] | the same gradients, found by a tape of scalars |
//! | `parallel` | with the feature `mpi`: one run on many machines |
//! | `bf16` | with the feature `bf16`: large products of half the bits |
//!
//! Three features, all off unless asked for: `mpi` adds `parallel`, and takes an
//! MPI library; `tokenizers` adds `hugging_face::JsonTokenizer`, which reads the
//! tokens of GPT-2; `bf16` rounds the factors of large products to 16 bits, on
//! processors that have an instruction for that (AMX, under Linux).
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
//!     Event, LrSchedule, TrainConfig, Trainer, evaluate, split,
//! };
//! use rand::{SeedableRng, rngs::ChaCha8Rng};
//!
//! let text = "to be, or not to be: that is the question\n".repeat(20);
//! let corpus = Corpus::new(&text)?;
//! let ids = corpus.tokenizer.encode(&text)?;
//! let (train, validation) = split(&ids);
//!
//! let sizes = GptConfig {
//!     n_embd: 16,
//!     block_size: 16,
//!     ..GptConfig::quick(corpus.tokenizer.vocab_size())
//! };
//! let model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;
//! let config = TrainConfig {
//!     batch_size: 8,
//!     schedule: LrSchedule::new(1e-2, 300),
//!     eval_interval: 100,
//!     ..TrainConfig::default()
//! };
//! let mut trainer = Trainer::new(model, config)?;
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
//! let ids: Vec<u16> = ids.take(40).collect::<Result<_, _>>()?;
//! println!("{}", corpus.tokenizer.decode(&ids)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// Not `forbid`: ndarray's slicing macro carries an `allow` of its own, and the
// products of two matrices in `root.rs` and `appendix/bf16.rs` need one.
#![deny(unsafe_code)]

// ANCHOR: modules
pub mod orientation;
pub mod tokenization;
pub mod embeddings;
pub mod transformer_block;
pub mod gpt;
pub mod training;
pub mod generation;
pub mod appendix;
// ANCHOR_END: modules

mod root;

pub use appendix::*;
pub use root::*;

// A name that is imported alone goes before the same name of a glob.
#[cfg(all(feature = "bf16", target_arch = "x86_64", target_os = "linux"))]
pub use appendix::bf16::rounded_mat_mul as general_mat_mul;
