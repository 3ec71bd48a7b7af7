//! Chapter 3. An id becomes a vector, and a position another.
//!
//! The modules are compiled here in `f64`: a few lines like these choose the
//! type for a module that is carried into another crate.

use std::error::Error;

use double::{Float, Matrix, embeddings::*, orientation::*};
use ndarray::array;
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn main() -> Result<(), Box<dyn Error>> {
    look_up();
    backward();
    check();
    taking_apart();
    experiments::all()
}

mod experiments;
#[path = "../first_model.rs"]
mod first_model;
mod map;

// ANCHOR: look_up
/// Three tokens, two numbers each, three positions; the positions add nothing.
fn small() -> Embeddings {
    Embeddings {
        token: array![[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]],
        position: Matrix::zeros((3, 2)),
    }
}

/// A look-up is a product with one-hot rows.
fn look_up() {
    println!("[look-up]");
    let layer = small();
    let ids = [2, 0, 2];
    let (y, _) = layer.forward(&ids, 3);
    println!("ids 2 0 2, looked up:\n{y:.1}");
    let one_hot = Matrix::from_shape_fn((3, 3), |(n, id)| {
        if usize::from(ids[n]) == id { 1.0 } else { 0.0 }
    });
    let same = one_hot.dot(&layer.token) == y;
    println!("the one-hot product is the same: {same}");
}
// ANCHOR_END: look_up

// ANCHOR: backward
/// The gradients of a token that is used twice add.
fn backward() {
    println!("[backward]");
    let layer = small();
    let (_, cache) = layer.forward(&[2, 0, 2], 3);
    let dy = array![[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]];
    let mut grad = zeros_like(&layer);
    layer.backward(&cache, &dy, &mut grad);
    println!("gradient of the token table:\n{:.0}", grad.token);
    println!("gradient of the position table:\n{:.0}", grad.position);
}
// ANCHOR_END: backward

fn zeros_like(layer: &Embeddings) -> Embeddings {
    Embeddings {
        token: Matrix::zeros(layer.token.dim()),
        position: Matrix::zeros(layer.position.dim()),
    }
}

/// The derived gradient against the measured one.
fn check() {
    println!("[check]");
    let rng = &mut ChaCha8Rng::seed_from_u64(2);
    let layer = Embeddings::new(5, 4, 3, rng);
    let ids = [3, 1, 3, 3, 0, 1, 4, 4]; // two windows of four
    let dy = normal((8, 3), 1.0, rng);
    let (_, cache) = layer.forward(&ids, 4);
    let mut grad = zeros_like(&layer);
    layer.backward(&cache, &dy, &mut grad);
    let measured = numerical_gradient(flat(&layer.token), 1e-5, |data| {
        let mut layer = layer.clone();
        flat_mut(&mut layer.token).copy_from_slice(data);
        (layer.forward(&ids, 4).0 * &dy).sum()
    });
    println!("row 3, which three places use");
    println!("  derived:  {:.4}", grad.token.row(3));
    println!("  measured: {:.4?}", &measured[9..12]);
    println!("row 2, which no place uses");
    println!("  derived:  {:.4}", grad.token.row(2));
    println!("  measured: {:.4?}", &measured[6..9]);
    let pairs = flat(&grad.token).iter().zip(&measured);
    let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, Float::max);
    println!("largest difference below 1e-9: {}", apart < 1e-9);
}

/// Whether a token and a position can be told from their sum.
fn taking_apart() {
    println!("[taking apart]");
    println!("width  cosine (RMS)  1/√width  token found  position found");
    for c in [2, 8, 32, 128, 512] {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        let [cosine, token, position] = parts(&Embeddings::new(59, 64, c, rng));
        let expected = 1.0 / (c as Float).sqrt();
        println!(
            "{c:>5}  {cosine:12.3}  {expected:8.3}  {token:9.1} %  \
             {position:12.1} %"
        );
    }
}

/// For every token at every position: the root mean square of the cosine
/// between the two rows; how often the row of the token table nearest to their
/// sum is the token's, in per cent; and how often the position's is.
fn parts(layer: &Embeddings) -> [Float; 3] {
    let tokens: Vec<&[Float]> = rows(&layer.token).collect();
    let positions: Vec<&[Float]> = rows(&layer.position).collect();
    let nearest = |y: &[Float], rows: &[&[Float]]| {
        let distance = |row: &[Float]| -> Float {
            row.iter().zip(y).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        (0..rows.len())
            .min_by(|&i, &j| distance(rows[i]).total_cmp(&distance(rows[j])))
    };
    let (mut squares, mut found) = (0.0, [0.0; 2]);
    for (i, a) in tokens.iter().enumerate() {
        for (j, b) in positions.iter().enumerate() {
            let product = dot(a, b);
            squares += product * product / (dot(a, a) * dot(b, b));
            let y: Vec<Float> = a.iter().zip(*b).map(|(a, b)| a + b).collect();
            found[0] += Float::from(nearest(&y, &tokens) == Some(i));
            found[1] += Float::from(nearest(&y, &positions) == Some(j));
        }
    }
    let pairs = (tokens.len() * positions.len()) as Float;
    let [token, position] = found.map(|n| 100.0 * n / pairs);
    [(squares / pairs).sqrt(), token, position]
}
