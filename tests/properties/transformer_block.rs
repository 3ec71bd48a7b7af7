use approx::assert_abs_diff_eq;
use microgpt::transformer_block as single;
use ndarray::{Axis, s};
use proptest::prelude::*;

use crate::double::Matrix;
use crate::double::embeddings::normal;
use crate::double::transformer_block::{
    Block, CausalSelfAttention, LayerNorm, Linear, gelu,
};
use crate::{apart, rng};

fn flat(x: &Matrix) -> &[f64] {
    x.as_slice().unwrap()
}

/// A block in `f32` with weights large enough for every part to matter, and
/// `B·T` rows of input.
fn block_and_input(
    b: usize,
    t: usize,
    c: usize,
    n_head: usize,
) -> (single::Block, microgpt::Matrix) {
    let mut rng = rng(7);
    let mut block = single::Block::new(c, n_head, 2, &mut rng);
    block.attention.qkv.weight *= 20.0;
    block.mlp.up.weight *= 20.0;
    (block, microgpt::embeddings::normal((b * t, c), 1.0, &mut rng))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_later_token_never_changes_an_earlier_output(
        t in 2usize..150, edited in 1usize..150, n_head in 1usize..4, seed in 0u64..99,
    ) {
        let edited = edited % (t - 1) + 1;
        let (block, x) = block_and_input(2, t, 6 * n_head, n_head);
        let mut other = x.clone();
        let noise = microgpt::embeddings::normal((t, 6 * n_head), 3.0, &mut rng(seed));
        for i in edited..t {
            other.row_mut(i).assign(&noise.row(i)); // in the first window
        }
        let (y, _) = block.forward(x, t);
        let (z, _) = block.forward(other, t);
        for i in (0..edited).chain(t..2 * t) {
            prop_assert_eq!(y.row(i), z.row(i)); // bit for bit
        }
        prop_assert_ne!(y.row(edited), z.row(edited));
    }

    #[test]
    fn windows_of_a_batch_do_not_see_each_other(t in 1usize..9, b in 2usize..4) {
        let block = Block::new(8, 2, 2, &mut rng(5));
        let x = normal((b * t, 8), 1.0, &mut rng(6));
        let (all, _) = block.forward(x.clone(), t);
        for i in 0..b {
            let window = s![i * t..(i + 1) * t, ..];
            let (alone, _) = block.forward(x.slice(window).to_owned(), t);
            let together = all.slice(window).to_owned();
            prop_assert!(apart(flat(&alone), flat(&together)) < 1e-12);
        }
    }

    #[test]
    fn layer_norm_forgets_shift_and_size(
        shift in -50.0..50.0f64, size in 0.5..50.0f64, seed in 0u64..99,
    ) {
        let norm = LayerNorm::new(16);
        let x = normal((3, 16), 10.0, &mut rng(seed));
        let (y, _) = norm.forward(&x);
        let (z, _) = norm.forward(&(&x * size + shift));
        // What is left is ε against the variance: 1e-5/(2·100), and 1e-5/(2·25)
        prop_assert!(apart(flat(&y), flat(&z)) < 1e-5);
        for row in y.rows() {
            prop_assert!(row.mean().unwrap().abs() < 1e-12);
            prop_assert!((row.var(0.0) - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn layer_norm_passes_no_wish_for_more_of_the_same(seed in 0u64..99) {
        let norm = LayerNorm::new(12);
        let x = normal((4, 12), 5.0, &mut rng(seed));
        let dy = normal((4, 12), 1.0, &mut rng(seed + 100));
        let (x_hat, cache) = norm.forward(&x);
        let dx = norm.backward(&cache, dy, &mut LayerNorm::new(12));
        for (dx, x_hat) in dx.rows().into_iter().zip(x_hat.rows()) {
            prop_assert!(dx.sum().abs() < 1e-12); // ⟂ the constant direction
            prop_assert!(dx.dot(&x_hat).abs() < 1e-4); // ⟂ its own, up to ε
        }
    }

    #[test]
    fn heads_are_separate_attentions_side_by_side(
        t in 1usize..150, n_head in 1usize..4, seed in 0u64..99,
    ) {
        let d = 4;
        let c = n_head * d;
        let mut layer = CausalSelfAttention::new(c, n_head, 0.5, &mut rng(seed));
        layer.qkv.weight *= 30.0;
        layer.proj.weight = Matrix::eye(c); // what the heads found, unmixed
        let x = normal((2 * t, c), 1.0, &mut rng(seed + 1));
        let qkv = x.dot(&layer.qkv.weight); // biases are zero
        let (y, _) = layer.forward(x, t);
        for (window, head) in (0..2).flat_map(|w| (0..n_head).map(move |h| (w, h))) {
            let rows = window * t..(window + 1) * t;
            let part = |i: usize| i * c + head * d..i * c + (head + 1) * d;
            let columns: Vec<usize> = (0..3).flat_map(part).collect();
            let qkv = qkv.slice(s![rows.clone(), ..]).select(Axis(1), &columns);
            let found = y.slice(s![rows, part(0)]).to_owned();
            prop_assert!(apart(flat(&found), flat(&attention_by_hand(&qkv, d))) < 1e-12);
        }
    }
}

/// Causal attention from its definition, entry by entry, of `[T, 3D]`.
fn attention_by_hand(qkv: &Matrix, d: usize) -> Matrix {
    let t = qkv.nrows();
    let mut y = Matrix::zeros((t, d));
    for i in 0..t {
        let score = |j: usize| -> f64 {
            let products = (0..d).map(|c| qkv[[i, c]] * qkv[[j, d + c]]);
            products.sum::<f64>() / (d as f64).sqrt()
        };
        let total: f64 = (0..=i).map(|j| score(j).exp()).sum();
        for c in 0..d {
            y[[i, c]] = (0..=i)
                .map(|j| score(j).exp() / total * qkv[[j, 2 * d + c]])
                .sum();
        }
    }
    y
}

#[test]
fn layer_norm_of_a_spike_is_the_known_row() {
    let x = ndarray::array![[1.0, 0.0, 0.0, 0.0]];
    let (y, _) = LayerNorm::new(4).forward(&x);
    // Variance 3/16 over four entries (not three), ε inside the root
    let rstd = 1.0 / (0.1875f64 + 1e-5).sqrt();
    assert_abs_diff_eq!(y[[0, 0]], 0.75 * rstd, epsilon = 1e-12);
    assert_abs_diff_eq!(y[[0, 0]], 1.732005, epsilon = 1e-6); // n − 1: 1.5
    assert_abs_diff_eq!(y[[0, 1]], -0.577335, epsilon = 1e-6);
}

#[test]
fn a_constant_row_normalizes_to_zero() {
    let x = Matrix::from_elem((1, 5), 3.0);
    let (y, _) = LayerNorm::new(5).forward(&x);
    assert!(y.iter().all(|&y| y == 0.0));
}

#[test]
fn gelu_is_the_tanh_form_and_near_the_exact_one() {
    for i in -600..=600 {
        let x = f64::from(i) * 0.01;
        let u =
            (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
        let tanh_form = 0.5 * x * (1.0 + u.tanh());
        let found = gelu(&Matrix::from_elem((1, 1), x))[[0, 0]];
        assert!((found - tanh_form).abs() < 1e-12, "{x}: {found}");
    }
    // x·Φ(x) at 1 and −1: Φ(1) = 0.841344746…
    let phi = 0.841_344_746_068_543;
    let at = |x: f64| gelu(&Matrix::from_elem((1, 1), x))[[0, 0]];
    assert!(
        (at(1.0) - phi).abs() < 5e-4 && (at(-1.0) + 1.0 - phi).abs() < 5e-4
    );
}

#[test]
fn scores_of_random_queries_and_keys_have_variance_one() {
    // By 1/√D, whatever D is; by 1/√C it would be 1/H, and without, D
    for d in [4usize, 16, 64] {
        let q = normal((300, d), 1.0, &mut rng(1));
        let k = normal((300, d), 1.0, &mut rng(2));
        let scores = q.dot(&k.t()) / (d as f64).sqrt();
        let variance = scores.mapv(|s| s * s).mean().unwrap();
        assert!((variance - 1.0).abs() < 0.15, "D = {d}: {variance}");
    }
}

#[test]
fn a_single_row_takes_another_path_to_the_same_product() {
    let layer = Linear::new(37, 21, 1.0, &mut rng(1));
    let x = normal((3, 37), 1.0, &mut rng(2));
    let (together, _) = layer.forward(x.clone());
    for (i, row) in together.rows().into_iter().enumerate() {
        let (alone, _) = layer.forward(x.slice(s![i..=i, ..]).to_owned());
        assert!(apart(flat(&alone), row.as_slice().unwrap()) < 1e-12);
    }
}
