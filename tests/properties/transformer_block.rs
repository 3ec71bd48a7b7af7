use approx::assert_abs_diff_eq;
use microgpt::transformer_block as single;
use ndarray::{Axis, s};
use proptest::prelude::*;

use crate::{apart, orders, rng};
use double::embeddings::normal;
use double::orientation::{flat, flat_mut, product, softmax};
use double::transformer_block::{
    Block, CausalSelfAttention, LayerNorm, Linear, attend, gelu,
};
use double::{Float, Matrix, Vector};
use naive::naive_attention;

#[path = "../../chapters-code/transformer_block/naive.rs"]
mod naive;

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

    /// Replaces all rows of the first window from `edited` on, and compares
    /// those before it, and the other window, bit for bit.
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
    fn layer_norm_passes_no_wish_for_more_of_the_same(
        size in 0.01..10.0f64, seed in 0u64..99,
    ) {
        let norm = LayerNorm::new(12);
        let x = normal((4, 12), size, &mut rng(seed));
        let dy = normal((4, 12), 1.0, &mut rng(seed + 100));
        let (x_hat, cache) = norm.forward(&x);
        let dx = norm.backward(&cache, dy.clone(), &mut LayerNorm::new(12));
        for (i, x_hat) in x_hat.rows().into_iter().enumerate() {
            let (dx, dy) = (dx.row(i), dy.row(i));
            prop_assert!(dx.sum().abs() < 1e-10); // ⟂ the constant direction
            // ⟂ its own, but for the share that ε has in the spread
            let rstd = 1.0 / (x.row(i).var(0.0) + LayerNorm::EPSILON).sqrt();
            let left = dy.dot(&x_hat) * LayerNorm::EPSILON * rstd.powi(3);
            prop_assert!((dx.dot(&x_hat) - left).abs() < 1e-10);
        }
    }

    /// Why the end token of an exported model is never generated.
    #[test]
    fn a_row_of_one_over_the_gains_has_the_same_product_with_every_output(
        c in 2usize..40, size in 0.1..50.0f64, seed in 0u64..99,
    ) {
        let mut rng = rng(seed);
        let mut norm = LayerNorm::new(c);
        norm.weight += &normal((1, c), 0.3, &mut rng).row(0);
        norm.bias += &normal((1, c), 0.3, &mut rng).row(0);
        let row = 5.0 / &norm.weight;
        let same = 5.0 * (&norm.bias / &norm.weight).sum();
        let (y, _) = norm.forward(&normal((9, c), size, &mut rng));
        let scale = row.dot(&row).sqrt() * y.dot(&y.t()).diag().sum().sqrt();
        for y in y.rows() {
            // With w = γ instead of 1/γ, it differs in the first digit
            prop_assert!((y.dot(&row) - same).abs() < 1e-13 * (1.0 + scale));
        }
    }

    /// How low the others can be: `w·y ≥ w·β − √C·‖v‖`, with `v = γ·w`, centered.
    #[test]
    fn no_output_has_a_lower_product_with_a_row_than_its_sphere_allows(
        c in 2usize..40, size in 0.1..50.0f64, seed in 0u64..99,
    ) {
        let mut rng = rng(seed);
        let mut norm = LayerNorm::new(c);
        norm.weight += &normal((1, c), 0.3, &mut rng).row(0);
        norm.bias += &normal((1, c), 0.3, &mut rng).row(0);
        let row = normal((1, c), 1.0, &mut rng).row(0).to_owned();
        let v = &row * &norm.weight;
        let v = &v - v.sum() / c as f64;
        let radius = (c as f64 * v.dot(&v)).sqrt();
        let lowest = row.dot(&norm.bias) - radius;
        let mut x = normal((9, c), size, &mut rng);
        x.row_mut(0).assign(&(&v * -1e6)); // whose output is the lowest
        let (y, _) = norm.forward(&x);
        prop_assert!(y.rows().into_iter().all(|y| y.dot(&row) > lowest - 1e-9));
        prop_assert!(y.row(0).dot(&row) < lowest + 1e-6 * radius);
    }

    #[test]
    fn attention_weights_are_shares_of_the_past(
        t in 1usize..150, newest in 1usize..150, seed in 0u64..99,
    ) {
        let newest = newest.min(t);
        let mut rng = rng(seed);
        let q = normal((newest, 4), 2.0, &mut rng);
        let k = normal((t, 4), 2.0, &mut rng);
        let v = normal((t, 4), 1.0, &mut rng);
        let mut att = Matrix::ones((newest, t)); // all of it is overwritten
        let mut y = Matrix::ones((newest, 4));
        attend(&q, &k, &v, &mut att, &mut y);
        for (i, row) in att.rows().into_iter().enumerate() {
            let past = t - newest + i + 1;
            prop_assert!((row.sum() - 1.0).abs() < 1e-12);
            prop_assert!(row.iter().all(|&share| share >= 0.0));
            prop_assert!(row.iter().skip(past).all(|&share| share == 0.0));
        }
        prop_assert!(apart(flat(&y), flat(&att.dot(&v))) < 1e-12);
    }

    #[test]
    fn attention_in_tiles_is_attention_all_at_once(
        t in 1usize..150, d in 1usize..9, seed in 0u64..99,
    ) {
        let mut rng = rng(seed);
        let [q, k, v] = [2.0, 2.0, 1.0].map(|std| normal((t, d), std, &mut rng));
        let (mut att, mut y) = (Matrix::ones((t, t)), Matrix::ones((t, d)));
        attend(&q, &k, &v, &mut att, &mut y);
        let naive = naive_attention(&q, &k, &v);
        prop_assert!(apart(flat(&y), flat(&naive)) < 1e-12);
    }

    #[test]
    fn turning_queries_and_keys_together_changes_nothing(
        t in 1usize..40, n_head in 1usize..4, seed in 0u64..99,
    ) {
        let (c, d) = (3 * n_head, 3);
        let turns: Vec<Matrix> =
            (0..n_head as u64).map(|h| orthogonal(d, seed + h)).collect();
        let turned = |layer: &CausalSelfAttention| {
            let mut new = layer.clone();
            for (head, turn) in turns.iter().enumerate() {
                for part in [0, c] {
                    let at = part + head * d..part + (head + 1) * d;
                    let w = layer.qkv.weight.slice(s![.., at.clone()]).dot(turn);
                    new.qkv.weight.slice_mut(s![.., at.clone()]).assign(&w);
                    let b = layer.qkv.bias.slice(s![at.clone()]).dot(turn);
                    new.qkv.bias.slice_mut(s![at]).assign(&b);
                }
            }
            new
        };
        let off = asymmetry(&shaken_attention(c, n_head, seed), turned, t);
        prop_assert!(off < 1e-11, "{off:e}");
    }

    #[test]
    fn heads_have_no_order(
        order in (2usize..5).prop_flat_map(orders), t in 1usize..40, seed in 0u64..99,
    ) {
        let (n_head, d) = (order.len(), 3);
        let c = n_head * d;
        let columns = |part: usize| {
            let order = order.iter();
            order.flat_map(move |head| (0..d).map(move |i| part + head * d + i))
        };
        let qkv: Vec<usize> = [0, c, 2 * c].into_iter().flat_map(columns).collect();
        let proj: Vec<usize> = columns(0).collect();
        let reordered = |layer: &CausalSelfAttention| {
            let mut new = layer.clone();
            new.qkv.weight.assign(&layer.qkv.weight.select(Axis(1), &qkv));
            new.qkv.bias = layer.qkv.bias.select(Axis(0), &qkv);
            new.proj.weight = layer.proj.weight.select(Axis(0), &proj);
            new
        };
        let off = asymmetry(&shaken_attention(c, n_head, seed), reordered, t);
        prop_assert!(off < 1e-11, "{off:e}");
    }

    #[test]
    fn a_bias_of_the_keys_changes_nothing(t in 1usize..40, seed in 0u64..99) {
        // It adds to all scores of a query alike, and softmax ignores a shift
        let layer = shaken_attention(6, 2, seed);
        let shifted = |layer: &CausalSelfAttention| {
            let mut new = layer.clone();
            new.qkv.bias.slice_mut(s![6..12]).fill(3.0);
            new
        };
        let (y, dx, grad) = there_and_back(&layer, t);
        let (z, dz, _) = there_and_back(&shifted(&layer), t);
        prop_assert!(apart(flat(&y), flat(&z)) < 1e-11);
        prop_assert!(apart(flat(&dx), flat(&dz)) < 1e-11);
        let slope = grad.qkv.bias.slice(s![6..12]);
        prop_assert!(slope.iter().all(|slope| slope.abs() < 1e-11), "{}", slope);
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

/// Attention whose biases are not zero.
fn shaken_attention(c: usize, n_head: usize, seed: u64) -> CausalSelfAttention {
    let mut rng = rng(seed);
    let mut layer = CausalSelfAttention::new(c, n_head, 0.5, &mut rng);
    layer.qkv.weight = normal((c, 3 * c), 0.5, &mut rng);
    layer.qkv.bias = normal((1, 3 * c), 0.5, &mut rng).remove_axis(Axis(0));
    layer.proj.bias = normal((1, c), 0.5, &mut rng).remove_axis(Axis(0));
    layer
}

/// What a layer makes of two windows: `y`, `dx` and its own gradient.
fn there_and_back(
    layer: &CausalSelfAttention,
    t: usize,
) -> (Matrix, Matrix, CausalSelfAttention) {
    let shape = (2 * t, layer.proj.bias.len());
    let (y, cache) = layer.forward(normal(shape, 1.0, &mut rng(8)), t);
    let zeros = |layer: &Linear| Linear {
        weight: Matrix::zeros(layer.weight.dim()),
        bias: Vector::zeros(layer.bias.len()),
    };
    let (qkv, proj) = (zeros(&layer.qkv), zeros(&layer.proj));
    let mut grad = CausalSelfAttention { n_head: layer.n_head, qkv, proj };
    let dy = normal(shape, 1.0, &mut rng(9));
    let dx = layer.backward(&cache, &dy, &mut grad);
    (y, dx, grad)
}

/// How far a change of the weights that should change no output is from doing
/// so: in `y`, in `dx`, and in the gradient, which should change like the
/// weights.
fn asymmetry(
    layer: &CausalSelfAttention,
    change: impl Fn(&CausalSelfAttention) -> CausalSelfAttention,
    t: usize,
) -> f64 {
    let (y, dx, grad) = there_and_back(layer, t);
    let (z, dz, changed) = there_and_back(&change(layer), t);
    let grad = change(&grad);
    let row = |bias: Vector| bias.insert_axis(Axis(0));
    let pairs = [
        (y, z),
        (dx, dz),
        (grad.qkv.weight, changed.qkv.weight),
        (grad.proj.weight, changed.proj.weight),
        (row(grad.qkv.bias), row(changed.qkv.bias)),
        (row(grad.proj.bias), row(changed.proj.bias)),
    ];
    let off = pairs.iter().map(|(a, b)| apart(flat(a), flat(b)));
    off.max_by(f64::total_cmp).unwrap()
}

/// A rotation, or a reflection: random columns, each made orthogonal to those
/// before it and of length one (Gram & Schmidt).
fn orthogonal(d: usize, seed: u64) -> Matrix {
    let mut q = normal((d, d), 1.0, &mut rng(seed));
    for i in 0..d {
        for j in 0..i {
            let along = q.column(i).dot(&q.column(j));
            let other = q.column(j).to_owned();
            q.column_mut(i).scaled_add(-along, &other);
        }
        let length = q.column(i).dot(&q.column(i)).sqrt();
        q.column_mut(i).mapv_inplace(|x| x / length);
    }
    q
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
        let (found, _) = gelu(x);
        assert!((found - tanh_form).abs() < 1e-12, "{x}: {found}");
    }
    // x·Φ(x) at 1 and −1: Φ(1) = 0.841344746…
    let phi = 0.841_344_746_068_543;
    let at = |x: f64| gelu(x).0;
    assert!(
        (at(1.0) - phi).abs() < 5e-4 && (at(-1.0) + 1.0 - phi).abs() < 5e-4
    );
}

#[test]
fn scores_of_random_queries_and_keys_have_variance_one() {
    // A weight's logarithm is its score, up to one number for the row. Without
    // the root the variance would be D.
    for d in [4usize, 16, 64] {
        let q = normal((300, d), 1.0, &mut rng(1));
        let k = normal((300, d), 1.0, &mut rng(2));
        let mut att = Matrix::zeros((300, 300));
        attend(&q, &k, &k, &mut att, &mut q.clone());
        let variances = (100..300).map(|i| {
            att.slice(s![i, ..=i]).mapv(f64::ln).var(1.0) // the i-th row's past
        });
        let variance = variances.sum::<f64>() / 200.0;
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
