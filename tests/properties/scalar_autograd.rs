use std::panic::catch_unwind;

use proptest::prelude::*;
use rand::RngExt;

use crate::{apart, double_model, model, random_ids, rng};
use double::gpt::{Gpt, GptConfig};
use double::orientation::numerical_gradient;
use double::scalar_autograd::{Tape, Var, scalar_loss, scalar_loss_and_grad};

/// For gradients of the whole model, relative to the largest entry of a
/// tensor. The true error was below 2e-13 in 2,000 draws; for mistakes, see
/// below.
const MODEL: f64 = 1e-10;

/// For one operation against the measured slope, where 1e-9 was the worst.
const OPERATION: f64 = 1e-7;

/// A function of two numbers on one tape.
type Operation = for<'t> fn(Var<'t>, Var<'t>) -> Var<'t>;

/// All that the engine can do, and a few things done with it.
const OPERATIONS: [(&str, Operation); 13] = [
    ("a + b", |a, b| a + b),
    ("a − b", |a, b| a - b),
    ("a · b", |a, b| a * b),
    ("a / b", |a, b| a / b),
    ("a + 3 + b", |a, b| a + 3.0 + b),
    ("3 · a + b", |a, b| a * 3.0 + b),
    ("exp", |a, b| (a + b).exp()),
    ("ln", |a, b| (a * b).ln()),
    ("a³ · b", |a, b| a.powf(3.0) * b),
    ("1/√a · b", |a, b| a.powf(-0.5) * b),
    ("tanh", |a, b| (a - b).tanh()),
    ("twice", |a, b| a * b + a),
    ("many times", |a, b| (a * a + b * b) / (a + b) - a.exp() * (b - a).tanh()),
];

/// The value of an operation, and its slopes along both numbers.
fn value_and_slopes(operation: Operation, x: &[f64]) -> (f64, Vec<f64>) {
    let tape = Tape::default();
    let y = operation(tape.leaf(x[0]), tape.leaf(x[1]));
    (y.value, y.backward()[..2].to_vec())
}

/// The errors of the loss and of every tensor, the worst of them.
fn gradients_apart(model: &Gpt, x: &[u16], y: &[u16], t: usize) -> f64 {
    let (loss, derived) = model.loss_and_grad(x, y, t);
    let (scalar, found) = scalar_loss_and_grad(model, x, y, t);
    let mut errors = vec![(loss - scalar).abs() / loss];
    for (a, b) in derived.tensors().into_iter().zip(found.tensors()) {
        let largest = a.data.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        assert!(largest > 1e-9, "{} is zero: nothing is compared", a.name);
        errors.push(apart(a.data, b.data) / largest);
    }
    errors.into_iter().max_by(f64::total_cmp).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_operation_has_the_slope_that_is_measured(
        a in 0.3..2.0f64, b in 0.3..2.0f64,
    ) {
        for (name, operation) in OPERATIONS {
            let (_, slopes) = value_and_slopes(operation, &[a, b]);
            let value = |x: &[f64]| value_and_slopes(operation, x).0;
            let measured = numerical_gradient(&[a, b], 1e-5, value);
            let size = 1.0 + slopes[0].abs().max(slopes[1].abs());
            let error = apart(&slopes, &measured) / size;
            prop_assert!(error < OPERATION, "{}: {:e}", name, error);
        }
    }

    #[test]
    fn a_number_used_twice_gets_both_slopes(a in -3.0..3.0f64, b in -3.0..3.0f64) {
        let slopes = |operation| value_and_slopes(operation, &[a, b]).1;
        prop_assert_eq!(slopes(|a, b| a * b + a), [b + 1.0, a]);
        prop_assert_eq!(slopes(|a, _| a + a), [2.0, 0.0]);
        prop_assert_eq!(slopes(|a, _| a * a), [2.0 * a, 0.0]);
        prop_assert_eq!(slopes(|a, _| a - a), [0.0, 0.0]);
    }

    /// One head and several, one block and several, single positions, several
    /// windows; of eleven tokens some occur twice and some never.
    #[test]
    fn the_derived_gradients_are_those_of_the_tape(
        batch in 1usize..4, t in 1usize..6, n_layer in 1usize..3,
        (n_head, d) in prop::sample::select(
            vec![(1, 3), (1, 6), (2, 2), (2, 4), (3, 2), (4, 1)]
        ),
        spare in 0usize..2, seed in 0u64..1000,
    ) {
        let model = double_model(n_layer, n_head, n_head * d, t + spare, seed);
        let inputs = random_ids(batch * t, 11, seed);
        let targets = random_ids(batch * t, 11, seed + 1);
        let error = gradients_apart(&model, &inputs, &targets, t);
        prop_assert!(error < MODEL, "{:e}", error);
    }
}

#[test]
fn one_token_over_and_over_agrees_too() {
    let model = double_model(1, 2, 6, 5, 3);
    let error = gradients_apart(&model, &[7; 10], &[7; 10], 5);
    assert!(error < MODEL, "{error:e}");
}

/// A model as it is before training, where small differences are large.
#[test]
fn an_untrained_model_agrees_too() {
    let config = GptConfig {
        n_layer: 2,
        n_head: 2,
        n_embd: 8,
        block_size: 6,
        vocab_size: 11,
    };
    let model = Gpt::new(config, &mut rng(1)).unwrap();
    let ids = random_ids(13, 11, 5);
    let error = gradients_apart(&model, &ids[..12], &ids[1..], 6);
    assert!(error < MODEL, "{error:e}");
}

/// Scores whose powers no number could hold, if softmax did not subtract the
/// largest first.
#[test]
fn scores_in_the_thousands_agree_too() {
    let mut model = double_model(1, 1, 4, 4, 1);
    for tensor in model.tensors_mut() {
        if tensor.name.field == "attention.qkv.weight" {
            tensor.data.iter_mut().for_each(|w| *w *= 100.0);
        }
    }
    let ids = random_ids(5, 11, 3);
    let (loss, _) = scalar_loss_and_grad(&model, &ids[..4], &ids[1..], 4);
    assert!((loss - model.loss(&ids[..4], &ids[1..], 4)).abs() < 1e-10);
}

#[test]
fn the_crate_s_own_precision_agrees_to_its_own_digits() {
    let model = model(1, 2, 8, 4, 1);
    let ids = random_ids(9, 11, 2);
    let (x, y) = (&ids[..8], &ids[1..]);
    let (loss, derived) = model.loss_and_grad(x, y, 4);
    let (scalar, found) =
        microgpt::scalar_autograd::scalar_loss_and_grad(&model, x, y, 4);
    assert!((loss - scalar).abs() < 1e-5);
    for (a, b) in derived.tensors().into_iter().zip(found.tensors()) {
        let largest = a.data.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let pairs = a.data.iter().zip(b.data);
        let apart = pairs.map(|(a, b)| (a - b).abs());
        let error = apart.max_by(f32::total_cmp).unwrap();
        assert!(error < 1e-4 * largest, "{}: {error:e}", a.name);
    }
}

/// Mistakes in a gradient, made on purpose: each is seen from afar.
#[test]
fn the_tolerance_stands_between_truth_and_mistake() {
    let model = double_model(1, 2, 8, 5, 2);
    let ids = random_ids(6, 11, 4);
    let (_, grad) = model.loss_and_grad(&ids[..5], &ids[1..], 5);
    let (_, found) = scalar_loss_and_grad(&model, &ids[..5], &ids[1..], 5);
    let error = |wrong: &Gpt| {
        let tensors = wrong.tensors().into_iter().zip(found.tensors());
        let errors = tensors.map(|(a, b)| {
            let largest = b.data.iter().fold(0.0f64, |m, x| m.max(x.abs()));
            apart(a.data, b.data) / largest
        });
        errors.max_by(f64::total_cmp).unwrap()
    };
    // The tied table counted once: what the look-up adds is left out
    let mut once = grad.clone();
    for (i, &id) in ids[..5].iter().enumerate() {
        let mut row = once.embeddings.token.row_mut(usize::from(id));
        row -= &grad.embeddings.position.row(i);
    }
    // 1/√D forgotten on the way back, D = 4
    let mut unscaled = grad.clone();
    let qkv = &mut unscaled.blocks[0].attention.qkv.weight;
    qkv.slice_mut(ndarray::s![.., ..16]).mapv_inplace(|x| 2.0 * x);
    assert!(error(&grad) < MODEL / 100.0);
    assert!(error(&once) > 1e8 * MODEL, "{:e}", error(&once));
    assert!(error(&unscaled) > 1e8 * MODEL, "{:e}", error(&unscaled));
}

#[test]
fn what_a_number_was_made_from_stands_before_it() {
    let model = double_model(2, 2, 4, 3, 1);
    let tape = Tape::default();
    let loss = scalar_loss(&tape, &model, &[1, 2, 1], &[2, 1, 4], 3);
    let nodes = tape.nodes();
    assert_eq!(loss.index, nodes.len() - 1);
    for (i, node) in nodes.iter().enumerate() {
        let made_from = node.parents.iter().flatten();
        made_from.for_each(|&(parent, _)| assert!(parent < i));
        let leaf = node.parents == [None, None];
        assert_eq!(leaf, i < model.num_params(), "weights come first");
    }
}

#[test]
fn what_was_not_used_has_no_slope_however_steep() {
    let tape = Tape::default();
    let (a, b) = (tape.leaf(0.0), tape.leaf(2.0));
    let dead_end = a.ln(); // −∞, with an infinite slope
    let loss = a * b;
    let later = loss * 5.0;
    let slopes = loss.backward();
    assert_eq!(slopes, [2.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!((dead_end.index, later.index), (2, 4));
}

/// By recursion, a chain of this length would need as many frames.
#[test]
fn a_chain_of_a_million_links_is_no_deeper_than_one_of_three() {
    let tape = Tape::default();
    let x = tape.leaf(0.5);
    let y = (0..1_000_000).fold(x, |y, _| y + x);
    assert_eq!(y.backward()[x.index], 1_000_001.0);
}

#[test]
fn a_sum_over_random_tapes_is_the_sum_of_the_slopes() {
    let mut rng = rng(9);
    let tape = Tape::default();
    let mut all: Vec<Var> =
        (0..5).map(|_| tape.leaf(rng.random_range(0.5..1.5))).collect();
    for _ in 0..200 {
        let mut draw = || all[rng.random_range(0..all.len())];
        let (a, b) = (draw(), draw());
        all.push((a * 0.3 + b * 0.6).tanh() + 0.2);
    }
    let [a, b] = [all[150], all[199]];
    let (da, db) = (a.backward(), b.backward());
    let both = (a + b).backward();
    for i in 0..5 {
        assert!((both[i] - da[i] - db[i]).abs() < 1e-12);
    }
}

#[test]
fn what_cannot_be_computed_is_refused() {
    let model = double_model(1, 1, 4, 3, 1);
    let refused = |x: &[u16], y: &[u16], t: usize| {
        let (model, x, y) = (model.clone(), x.to_vec(), y.to_vec());
        catch_unwind(move || scalar_loss_and_grad(&model, &x, &y, t)).is_err()
    };
    assert!(!refused(&[1, 2, 3], &[2, 3, 4], 3));
    assert!(refused(&[1, 2, 3], &[2, 3], 3)); // a target is missing
    assert!(refused(&[1, 2, 3], &[2, 3, 4], 2)); // half a window
    assert!(refused(&[1; 4], &[2; 4], 4)); // longer than block_size
    assert!(refused(&[1, 2, 11], &[2, 3, 4], 3)); // no such id
    let two_tapes = catch_unwind(|| {
        let (one, other) = (Tape::default(), Tape::default());
        (one.leaf(1.0) + other.leaf(1.0)).value
    });
    assert!(two_tapes.is_err());
}
