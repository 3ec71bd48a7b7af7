//! Chapter 4. Positions exchange information, and each works on what it has
//! read; and backpropagation through all of it.

use std::ops::Range;

use double::{
    Float, Matrix, Vector, embeddings::*, orientation::*, transformer_block::*,
};
use ndarray::{Axis, array, s};
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn main() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    linear();
    mean_of_the_past();
    look_up();
    score_sizes(&mut rng);
    which_root();
    untrained_scores();
    masks();
    two_positions();
    softmax_backward();
    attention_check(&mut rng);
    symmetries();
    layer_norm();
    layer_norm_backward();
    activation();
    nonlinearity();
    untrained_block::print();
    block_check();
}

#[path = "feed_forward/untrained_block.rs"]
mod untrained_block;

// ANCHOR: linear
/// A linear layer on two rows, forward and backward.
fn linear() {
    println!("[linear]");
    let weight = array![[1.0, 0.0, 2.0], [0.0, 3.0, 1.0]];
    let layer = Linear { weight, bias: array![0.5, 0.5, 0.5] };
    let x = array![[1.0, 2.0], [3.0, 0.0]];
    let (y, cache) = layer.forward(x);
    println!("y =\n{y:.1}");
    let dy = array![[1.0, 0.0, 0.0], [0.0, 0.0, 10.0]];
    let mut grad =
        Linear { weight: Matrix::zeros((2, 3)), bias: Vector::zeros(3) };
    let dx = layer.backward(&cache, &dy, &mut grad);
    println!("dx =\n{dx:.0}\ndW =\n{:.0}\ndb = {:.0}", grad.weight, grad.bias);
}
// ANCHOR_END: linear

// ANCHOR: mean_of_the_past
/// A matrix that takes means: row i of the result is the mean of rows 0 to i.
fn mean_of_the_past() {
    println!("[mean of the past]");
    let x = array![[6.0, 0.0], [0.0, 4.0], [3.0, 5.0]];
    let weights = Matrix::from_shape_fn((3, 3), |(i, j)| {
        if j <= i { 1.0 / (i + 1) as Float } else { 0.0 }
    });
    println!("weights\n{weights:.2}\ntimes x\n{:.2}", weights.dot(&x));
}
// ANCHOR_END: mean_of_the_past

// ANCHOR: look_up
/// A soft look-up: three keys of length one, three values, and a query that
/// grows; at last the third key is doubled.
fn look_up() {
    println!("[soft look-up]");
    let mut k = array![[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]];
    let v = array![[10.0, 0.0], [0.0, 10.0], [5.0, 5.0]];
    let (mut att, mut y) = (Matrix::zeros((1, 3)), Matrix::zeros((1, 2)));
    for (length, third) in
        [(0.0, 1.0), (1.0, 1.0), (3.0, 1.0), (30.0, 1.0), (30.0, 2.0)]
    {
        let q = array![[length, 0.0]];
        k.row_mut(2).assign(&array![0.6 * third, 0.8 * third]);
        attend(&q, &k, &v, &mut att, &mut y);
        println!("query {q:4.1}, third key {:.1}:", k.row(2));
        println!("    attention weights {att:.3}, value {y:.2}");
    }
}
// ANCHOR_END: look_up

/// The size of scores, with and without the root, for entries of variance one.
fn score_sizes(rng: &mut ChaCha8Rng) {
    println!("[score sizes]");
    println!("       variance of     largest of 16 attention weights");
    println!("D      q·k    q·k/√D   of q·k   of q·k/√D");
    for d in [4, 16, 64, 256] {
        let q = normal((400, d), 1.0, rng);
        let k = normal((16, d), 1.0, rng);
        let scores = q.dot(&k.t());
        let variance = scores.mapv(|s| s * s).sum() / scores.len() as Float;
        let root = (d as Float).sqrt();
        let largest = |scale: Float| {
            let mut p = scores.mapv(|s| s * scale);
            p.rows_mut().into_iter().for_each(|mut p| {
                softmax(flat_mut(&mut p));
            });
            let largest = rows(&p).map(max);
            largest.sum::<Float>() / 400.0
        };
        println!(
            "{d:<4}{variance:7.1}  {:6.2}  {:8.2}  {:9.2}",
            variance / d as Float,
            largest(1.0),
            largest(1.0 / root),
        );
    }
}

// ANCHOR: which_root
/// The variance of a score, after each of two roots, with a width of 64 cut
/// into heads.
fn which_root() {
    println!("[which root]");
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    println!("heads   D   q·k   q·k/√D   q·k/√C");
    for n_head in [1, 4, 16] {
        let d = 64 / n_head;
        let q = normal((400, d), 1.0, &mut rng);
        let k = normal((400, d), 1.0, &mut rng);
        let scores = q.dot(&k.t()); // [400, 400]
        let variance = scores.mapv(|s| s * s).sum() / scores.len() as Float;
        let (head, width) = (variance / d as Float, variance / 64.0);
        println!("{n_head:5}{d:4}{variance:6.1}{head:9.2}{width:9.2}");
    }
}
// ANCHOR_END: which_root

/// The standard deviation of a score in an untrained model: `C·s²·√D` without
/// the root, `C·s²` with it, for parameters from `N(0, s²)`.
fn untrained_scores() {
    println!("[untrained scores]");
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    println!("                      q·k            q·k/√D");
    println!("   C    D     expected  measured    measured");
    for (c, n_head) in [(32, 2), (128, 4), (768, 12)] {
        let (d, c_real) = (c / n_head, c as Float);
        let x = normal((300, c), 1.0, &mut rng);
        let (x, _) = LayerNorm::new(c).forward(&x);
        let q = x.dot(&normal((c, d), INIT_STD, &mut rng));
        let k = x.dot(&normal((c, d), INIT_STD, &mut rng));
        let scores = q.dot(&k.t()); // [300, 300]
        let measured = scores.std(0.0);
        let root = (d as Float).sqrt();
        let expected = c_real * INIT_STD * INIT_STD * root;
        let scaled = measured / root;
        println!("{c:4}{d:5}{expected:13.2}{measured:10.2}{scaled:12.3}");
    }
}

/// Masking before the softmax, after it, and after it with the rows rescaled.
fn masks() {
    println!("[mask]");
    let scores = [2.0, 1.0, 5.0, 0.0]; // for the query at position 1
    let mut before = [scores[0], scores[1]];
    softmax(&mut before);
    let mut after = scores;
    softmax(&mut after);
    let left = after[0] + after[1];
    let rescaled = [after[0] / left, after[1] / left];
    println!("before:    {before:.3?}");
    println!("after:     {:.3?}, sum {left:.3}", &after[..2]);
    println!("rescaled:  {rescaled:.3?}");
}

// ANCHOR: two_positions
/// Backpropagation through attention from one query to two positions.
fn two_positions() {
    println!("[two positions]");
    let (q, k, v) = (1.0, [0.0, Float::ln(3.0)], [0.0, 4.0]);
    let mut p = k.map(|k_j| q * k_j);
    softmax(&mut p);
    println!("p = {p:.2?}, y = {:.2}", dot(&p, &v));
    let dy = 1.0;
    let (dv, dp) = (p.map(|p_j| dy * p_j), v.map(|v_j| dy * v_j));
    let mean = dot(&p, &dp);
    let ds = [p[0] * (dp[0] - mean), p[1] * (dp[1] - mean)];
    let (dq, dk) = (dot(&ds, &k), ds.map(|ds_j| q * ds_j));
    println!("dp = {dp:.2?}, their mean {mean:.2}, ds = {ds:.2?}");
    println!("derived:  dq = {dq:.4}, dk = {dk:.4?}, dv = {dv:.4?}");
    let start = [q, k[0], k[1], v[0], v[1]];
    let slope = numerical_gradient(&start, 1e-5, |x| {
        let mut p = [x[0] * x[1], x[0] * x[2]];
        softmax(&mut p);
        dot(&p, &x[3..])
    });
    let (dq, dk, dv) = (slope[0], &slope[1..3], &slope[3..]);
    println!("measured: dq = {dq:.4}, dk = {dk:.4?}, dv = {dv:.4?}");
}
// ANCHOR_END: two_positions

// ANCHOR: softmax_backward
/// Backpropagation through a softmax, with its Jacobian and without.
fn softmax_backward() {
    println!("[softmax backward]");
    let mut p = [1.0, 2.0, 3.0];
    softmax(&mut p);
    let dp = [0.0, 0.0, 1.0];
    let jacobian = Matrix::from_shape_fn((3, 3), |(i, j)| {
        let same = if i == j { p[i] } else { 0.0 };
        same - p[i] * p[j]
    });
    println!("p  = {p:.4?}\nJacobian =\n{jacobian:.4}");
    println!("dp·Jacobian      = {:.4}", array![0.0, 0.0, 1.0].dot(&jacobian));
    let mean = dot(&p, &dp);
    let ds: Vec<Float> =
        p.iter().zip(&dp).map(|(p, dp)| p * (dp - mean)).collect();
    println!("p∘(dp − ⟨p, dp⟩) = {ds:.4?}");
}
// ANCHOR_END: softmax_backward

/// Attention's derived gradient against the measured one.
fn attention_check(rng: &mut ChaCha8Rng) {
    println!("[attention check]");
    let mut layer = CausalSelfAttention::new(6, 3, 0.5, rng);
    layer.qkv.weight *= 25.0;
    let (x, dy) = (normal((8, 6), 1.0, rng), normal((8, 6), 1.0, rng));
    let (_, cache) = layer.forward(x.clone(), 4);
    let dx = layer.backward(&cache, &dy, &mut layer.clone());
    let measured = numerical_gradient(flat(&x), 1e-5, |data| {
        let x = Matrix::from_shape_fn((8, 6), |(i, j)| data[6 * i + j]);
        (layer.forward(x, 4).0 * &dy).sum()
    });
    println!("derived:  {:7.4}", dx.row(0));
    println!("measured: {:7.4}", Vector::from(measured[..6].to_vec()));
    println!("largest difference below 1e-8: {}", close(&dx, &measured));
}

/// Changes of the parameters that change no output, each beside one that does.
fn symmetries() {
    println!("[symmetries]");
    println!("{:>48}", "largest change of y");
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut layer = CausalSelfAttention::new(4, 2, 1.0, &mut rng);
    layer.qkv.weight = normal((4, 12), 1.0, &mut rng);
    let x = normal((6, 4), 1.0, &mut rng);
    let (y, _) = layer.forward(x.clone(), 6);
    let change = |what: &str, edit: fn(&mut CausalSelfAttention)| {
        let mut layer = layer.clone();
        edit(&mut layer);
        let (z, _) = layer.forward(x.clone(), 6);
        println!("{what:38}{:10.4}", max(flat(&(z - &y).abs())));
    };
    change("add 3 to every entry of every key", |l| add_3(l, 4..8));
    change("the same with the queries", |l| add_3(l, 0..4));
    change("rotate the queries and the keys", |l| rotate(l, &[0, 2, 4, 6]));
    change("rotate the queries only", |l| rotate(l, &[0, 2]));
    change("swap the heads, in qkv and in proj", |l| {
        swap_heads(l);
        l.proj.weight = l.proj.weight.select(Axis(0), &[2, 3, 0, 1]);
    });
    change("swap the heads, in qkv only", swap_heads);
}

/// Adds 3 to some biases of `qkv`.
fn add_3(layer: &mut CausalSelfAttention, columns: Range<usize>) {
    layer.qkv.bias.slice_mut(s![columns]).iter_mut().for_each(|b| *b += 3.0);
}

/// Rotates pairs of columns of `qkv`, each given by its first, by one radian.
fn rotate(layer: &mut CausalSelfAttention, pairs: &[usize]) {
    let (sin, cos) = Float::sin_cos(1.0);
    let rotation = array![[cos, sin], [-sin, cos]];
    for &first in pairs {
        let columns = s![.., first..first + 2];
        let rotated = layer.qkv.weight.slice(columns).dot(&rotation);
        layer.qkv.weight.slice_mut(columns).assign(&rotated);
    }
}

/// Exchanges two heads of two columns each, in queries, keys and values.
fn swap_heads(layer: &mut CausalSelfAttention) {
    let order = [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9];
    layer.qkv.weight = layer.qkv.weight.select(Axis(1), &order);
}

/// Rounded to `places`, and no zero with a sign.
fn rounded(x: Matrix, places: i32) -> Matrix {
    let unit = 10f64.powi(places);
    x.mapv(|x| (x * unit).round() / unit + 0.0)
}

/// Whether two gradients agree to eight places.
fn close(derived: &Matrix, measured: &[Float]) -> bool {
    let mut pairs = flat(derived).iter().zip(measured);
    pairs.all(|(a, b)| (a - b).abs() < 1e-8)
}

// ANCHOR: layer_norm
/// A row with one spike, normalized; and what another divisor would give.
fn layer_norm() {
    println!("[layer norm]");
    let x = array![[1.0, 0.0, 0.0, 0.0], [100.0, 0.0, 0.0, 0.0]];
    let (y, _) = LayerNorm::new(4).forward(&x);
    println!("{x:.0}\nbecomes\n{y:.6}");
    let row = [0.75, -0.25, -0.25, -0.25];
    let unbiased = (dot(&row, &row) / 3.0).sqrt();
    println!("dividing by C − 1: {:.2?}", row.map(|x| x / unbiased));
}
// ANCHOR_END: layer_norm

// ANCHOR: layer_norm_backward
/// The gradient that reaches the input, for several gradients of the output.
fn layer_norm_backward() {
    println!("[layer norm backward]");
    let norm = LayerNorm::new(4);
    let spike = array![[1.0, 0.0, 0.0, 0.0]];
    let second = array![[0.0, 1.0, 0.0, 0.0]];
    let stairs = array![[2.0, 1.0, 0.0, 0.0]];
    let normalized = norm.forward(&spike).0;
    for (x, name, dy) in [
        (&spike, "(1, 1, 1, 1)", &Matrix::ones((1, 4))),
        (&spike, "y", &normalized),
        (&spike, "(1, 0, 0, 0)", &spike),
        (&spike, "(0, 1, 0, 0)", &second),
        (&stairs, "(1, 0, 0, 0)", &spike),
    ] {
        let (_, cache) = norm.forward(x);
        let dx = norm.backward(&cache, dy.clone(), &mut norm.clone());
        let dx = rounded(dx, 4);
        println!("x {:.0}  dy {name:12}  dx {:7.4}", x.row(0), dx.row(0));
    }
}
// ANCHOR_END: layer_norm_backward

// ANCHOR: activation
/// GELU and its derivative.
fn activation() {
    println!("[gelu]");
    let x = array![[-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0]];
    println!("x          {:6.2}", x.row(0));
    let (y, slope) = (x.map(|&x| gelu(x).0), x.map(|&x| gelu(x).1));
    println!("gelu       {:6.2}", rounded(y, 2).row(0));
    println!("derivative {:6.2}", slope.row(0));
}
// ANCHOR_END: activation

/// Two linear layers with nothing between them are one.
fn nonlinearity() {
    println!("[nonlinearity]");
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let up = normal((2, 8), 1.0, &mut rng);
    let down = normal((8, 2), 1.0, &mut rng);
    let x = array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
    let without = x.dot(&up).dot(&down);
    let with = x.dot(&up).map(|&x| gelu(x).0).dot(&down);
    for (name, y) in [("without", without), ("with GELU", with)] {
        let sum = &y.row(0) + &y.row(1);
        println!(
            "{name:9}  f(1,0) + f(0,1) = {sum:6.2}  f(1,1) = {:6.2}",
            y.row(2)
        );
    }
}

/// A whole block, its derived gradient against the measured one, on rows as
/// small as those of untrained embeddings.
fn block_check() {
    println!("[block check]");
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let block = Block::new(8, 2, 2, &mut rng);
    let x = normal((5, 8), 0.03, &mut rng);
    let dy = normal((5, 8), 1.0, &mut rng);
    let (y, cache) = block.forward(x.clone(), 5);
    let dx = block.backward(&cache, dy.clone(), &mut block.clone());
    let measured = numerical_gradient(flat(&x), 1e-6, |data| {
        let x = Matrix::from_shape_fn((5, 8), |(i, j)| data[8 * i + j]);
        (block.forward(x, 5).0 * &dy).sum()
    });
    println!("x         {:7.4}", x.slice(s![0, ..6]));
    println!("y         {:7.4}", y.slice(s![0, ..6]));
    println!("dy        {:7.4}", dy.slice(s![0, ..6]));
    println!("derived   {:7.4}", dx.slice(s![0, ..6]));
    println!("measured  {:7.4}", Vector::from(measured[..6].to_vec()));
    println!("largest difference below 1e-8: {}", close(&dx, &measured));
}
