//! Chapter 4. Positions exchange information, and each thinks for itself; and
//! the way back through all of it.

use double::{
    Float, Matrix, Vector, embeddings::*, orientation::*, transformer_block::*,
};
use ndarray::{array, s};
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn main() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    linear();
    mean_of_the_past();
    look_up();
    score_sizes(&mut rng);
    which_root();
    masks();
    softmax_backward();
    attention_check(&mut rng);
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
/// A linear layer on two rows, and its way back.
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
/// A matrix that takes means: row i looks at rows 0 to i alike.
fn mean_of_the_past() {
    println!("[mean of the past]");
    let x = array![[6.0, 0.0], [0.0, 4.0], [3.0, 2.0]];
    let weights = Matrix::from_shape_fn((3, 3), |(i, j)| {
        if j <= i { 1.0 / (i + 1) as Float } else { 0.0 }
    });
    println!("weights\n{weights:.2}\ntimes x\n{:.2}", weights.dot(&x));
}
// ANCHOR_END: mean_of_the_past

// ANCHOR: look_up
/// A dictionary that is asked softly: three keys, three values, one query.
fn look_up() {
    println!("[soft look-up]");
    let k = array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
    let v = array![[10.0, 0.0], [0.0, 10.0], [5.0, 5.0]];
    let query = array![[1.0, 0.0]];
    for volume in [0.0, 1.0, 3.0, 30.0] {
        let q = &query * volume;
        let (mut att, mut y) = (Matrix::zeros((1, 3)), Matrix::zeros((1, 2)));
        attend(&q, &k, &v, &mut att, &mut y);
        println!("query {q:4.1}  weights {att:.3}  value {y:.2}");
    }
}
// ANCHOR_END: look_up

/// How large scores are, with and without the root.
fn score_sizes(rng: &mut ChaCha8Rng) {
    println!("[score sizes]");
    println!("       variance of     the largest of 16 weights");
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
/// A width of 64 cut into heads: what each root leaves of the variance.
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

// ANCHOR: masks
/// The future forbidden before the softmax, and after it.
fn masks() {
    println!("[mask]");
    let scores = [2.0, 1.0, 5.0]; // the query stands at 1, so 5.0 is ahead
    let mut before = [scores[0], scores[1]];
    softmax(&mut before);
    let mut after = scores;
    softmax(&mut after);
    after[2] = 0.0;
    println!("before: {before:.3?}, together {:.3}", before[0] + before[1]);
    println!("after:  {after:.3?}, together {:.3}", after[0] + after[1]);
}
// ANCHOR_END: masks

// ANCHOR: softmax_backward
/// The way back through one softmax, with its Jacobian and without.
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
    println!("Jacobian·dp     = {:.4}", jacobian.dot(&array![0.0, 0.0, 1.0]));
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
