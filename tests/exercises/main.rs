//! The exercises of the book.
//!
//! The files in `starters` are the reader's to edit. Each exercise has one
//! specification, below, and two tests that call it: the reader's, ignored
//! until asked for, and that of the solution, which must always pass.
//!
//! ```sh
//! cargo test --test exercises -- --ignored tokenization_build
//! ```

#![allow(unused_variables)] // the starters do not use what they are given

mod solutions;
mod starters;

mod block_feed_forward;
mod embeddings;
mod generation;
mod gpt;
mod orientation;
mod tokenization;
mod training;
mod transformer_block;

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
    ($name:ident, $specification:expr, $chapter:ident :: $item:ident) => {
        mod $name {
            #[test]
            #[ignore = "an exercise of the book: edit tests/exercises/starters"]
            fn reader() {
                $specification(crate::starters::$chapter::$item);
            }

            #[test]
            fn solution() {
                $specification(crate::solutions::$chapter::$item);
            }
        }
    };
}
use exercise;
