//! The exercises of the book.
//!
//! In the room of each chapter, `exercises.rs` is the reader's to edit. Each
//! exercise has one specification, in `checks.rs`, and two tests that call it:
//! the reader's, ignored until asked for, and that of the solution, in
//! `solutions.rs`, which must always pass.
//!
//! ```sh
//! cargo test --test exercises -- --ignored tokenization_build
//! ```

#![allow(unused_variables)] // the exercises do not use what they are given

#[path = "../chapters-code/orientation/checks.rs"]
mod orientation;
#[path = "../chapters-code/tokenization/checks.rs"]
mod tokenization;
#[path = "../chapters-code/embeddings/checks.rs"]
mod embeddings;
#[path = "../chapters-code/transformer_block/checks.rs"]
mod transformer_block;
#[path = "../chapters-code/transformer_block/feed_forward/checks.rs"]
mod feed_forward;
#[path = "../chapters-code/gpt/checks.rs"]
mod gpt;
#[path = "../chapters-code/training/checks.rs"]
mod training;
#[path = "../chapters-code/generation/checks.rs"]
mod generation;

/// Whether two numbers differ by less than `tolerance`, or are both infinite.
fn close(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= tolerance || found == expected
}

/// Asserts that two numbers are [`close`].
#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let close = close(found, expected, tolerance);
    assert!(close, "{what}: {found}, not {expected}");
}

/// Asserts that a prediction came true. What it should have been stays untold,
/// since the reader may want to try again: there is a hint instead.
#[track_caller]
fn assert_predicted(came_true: bool, hint: &str) {
    assert!(came_true, "not yet: {hint}");
}

/// The reader's test of an exercise, and the solution's.
macro_rules! exercise {
    ($name:ident, $specification:expr, $item:ident) => {
        mod $name {
            #[test]
            #[ignore = "an exercise of the book: edit exercises.rs"]
            fn reader() {
                $specification(super::exercises::$item);
            }

            #[test]
            fn solution() {
                $specification(super::solutions::$item);
            }
        }
    };
}
use exercise;
