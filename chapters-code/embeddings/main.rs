//! Chapter 3. An id becomes a vector, and a position another.
//!
//! The modules are compiled here in `f64`: whoever carries one into another
//! crate chooses the type by a few lines like these.

use std::error::Error;

use double::{Float, Matrix, embeddings::*, orientation::*, tokenization::*};
use ndarray::{array, concatenate, s};
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn main() -> Result<(), Box<dyn Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    look_up();
    directions(&mut rng);
    cat_sat(&mut rng)?;
    adding(&mut rng);
    way_back();
    check(&mut rng);
    experiments::all()
}

mod experiments;
#[path = "../first_model.rs"]
mod first_model;

/// Three tokens, two numbers each, three positions.
fn small() -> Embeddings {
    Embeddings {
        token: array![[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]],
        position: array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]],
    }
}

// ANCHOR: look_up
/// A look-up is a product with rows that are one in one place.
fn look_up() {
    println!("[look-up]");
    let layer = small();
    let ids = [2, 0, 2];
    let (looked_up, _) = layer.forward(&ids, 3);
    println!("ids 2 0 2, looked up:\n{looked_up:.1}");
    let one_hot = Matrix::from_shape_fn((3, 3), |(n, id)| {
        Float::from(u8::from(usize::from(ids[n]) == id))
    });
    println!("as rows of zeros and a one:\n{one_hot:.0}");
    let product = one_hot.dot(&layer.token) + &layer.position;
    println!("the product is the same: {}", product == looked_up);
}
// ANCHOR_END: look_up

/// How nearly at right angles random vectors stand.
fn directions(rng: &mut ChaCha8Rng) {
    println!("[random directions]");
    println!("width  typical cosine  1/√width");
    for c in [4, 16, 64, 256, 1024] {
        let x = normal((100, c), 0.02, rng);
        let mut sum_of_squares = 0.0;
        for (i, a) in rows(&x).enumerate() {
            for b in rows(&x).take(i) {
                let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
                sum_of_squares += cosine * cosine;
            }
        }
        let typical = (sum_of_squares / (50.0 * 99.0)).sqrt();
        println!("{c:>5}  {typical:14.3}  {:8.3}", 1.0 / (c as Float).sqrt());
    }
}

// ANCHOR: cat_sat
/// Without positions, an order is not to be seen.
fn cat_sat(rng: &mut ChaCha8Rng) -> Result<(), TokenizerError> {
    println!("[cat sat]");
    let tokenizer = CharTokenizer::new("cat sat")?;
    let ids = ["cat sat", "sat cat"].map(|text| tokenizer.encode(text));
    let [cat_sat, sat_cat] = ids;
    let (cat_sat, sat_cat) = (cat_sat?, sat_cat?);
    let mut layer = Embeddings::new(5, 7, 3, rng);
    let apart = |layer: &Embeddings| {
        let (a, _) = layer.forward(&cat_sat, 7);
        let (b, _) = layer.forward(&sat_cat, 7);
        let c = (&a.row(0) - &b.row(4)).mapv(Float::abs).sum(); // the c's
        let all = (a.sum_axis(ndarray::Axis(0)) - b.sum_axis(ndarray::Axis(0)))
            .mapv(Float::abs)
            .sum(); // the seven vectors together, in no order
        (c, all)
    };
    let (c, all) = apart(&layer);
    println!("with positions:    the c moves by {c:.4}, the sum by {all:.4}");
    layer.position.fill(0.0);
    let (c, all) = apart(&layer);
    println!("without positions: the c moves by {c:.4}, the sum by {all:.4}");
    Ok(())
}
// ANCHOR_END: cat_sat

/// A sum through one matrix is two vectors side by side through two.
fn adding(rng: &mut ChaCha8Rng) {
    println!("[adding]");
    let token = normal((1, 4), 1.0, rng);
    let position = normal((1, 4), 1.0, rng);
    let w = normal((4, 3), 1.0, rng);
    let sum = (&token + &position).dot(&w);
    let (Ok(beside), Ok(doubled)) = (
        concatenate(ndarray::Axis(1), &[token.view(), position.view()]),
        concatenate(ndarray::Axis(0), &[w.view(), w.view()]),
    ) else {
        unreachable!("the shapes fit");
    };
    println!("added, then one W:     {sum:.4}");
    println!("side by side, W twice: {:.4}", beside.dot(&doubled));
    // Against a matrix that has two halves of its own
    let token_part = normal((8, 3), 1.0, rng);
    let top = token_part.slice(s![..4, ..]);
    let bottom = token_part.slice(s![4.., ..]);
    let apart = token.dot(&top) + position.dot(&bottom);
    println!("two different halves:  {apart:.4}");
}

// ANCHOR: way_back
/// Gradients of a repeated token add.
fn way_back() {
    println!("[way back]");
    let layer = small();
    let mut grad = small();
    flat_mut(&mut grad.token).fill(0.0);
    flat_mut(&mut grad.position).fill(0.0);
    let (_, cache) = layer.forward(&[2, 0, 2], 3);
    let dy = array![[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]];
    layer.backward(&cache, &dy, &mut grad);
    println!("gradient of the token table:\n{:.0}", grad.token);
    println!("gradient of the position table:\n{:.0}", grad.position);
}
// ANCHOR_END: way_back

/// The derived gradient against the measured one.
fn check(rng: &mut ChaCha8Rng) {
    println!("[check]");
    let layer = Embeddings::new(5, 4, 3, rng);
    let mut grad = layer.clone();
    flat_mut(&mut grad.token).fill(0.0);
    flat_mut(&mut grad.position).fill(0.0);
    let ids = [3, 1, 3, 3, 0, 1, 4, 4]; // two windows of four
    let dy = normal((8, 3), 1.0, rng);
    let (_, cache) = layer.forward(&ids, 4);
    layer.backward(&cache, &dy, &mut grad);
    let measured = numerical_gradient(flat(&layer.token), 1e-5, |data| {
        let mut layer = layer.clone();
        flat_mut(&mut layer.token).copy_from_slice(data);
        (layer.forward(&ids, 4).0 * &dy).sum()
    });
    println!("derived, row 3 of the token table: {:.4}", grad.token.row(3));
    println!("measured:                          {:.4?}", &measured[9..12]);
    println!("row 2, which no id named:          {:.4}", grad.token.row(2));
    let mut pairs = flat(&grad.token).iter().zip(&measured);
    let close = pairs.all(|(a, b)| (a - b).abs() < 1e-8);
    println!("largest difference below 1e-8: {close}");
}
