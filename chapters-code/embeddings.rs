//! Chapter 3. An id becomes a vector, and a position another.
//!
//! The modules are compiled here in `f64`: whoever carries one into another
//! crate chooses the type by a few lines like these.

#[path = "../src/embeddings.rs"]
#[allow(dead_code)]
mod embeddings;
#[path = "../src/orientation.rs"]
#[allow(dead_code)]
mod orientation;
#[path = "../src/tokenization.rs"]
#[allow(dead_code)]
mod tokenization;

use embeddings::Embeddings;
use orientation::{flat, flat_mut, numerical_gradient};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use tokenization::{CharTokenizer, TokenizerError};

use ndarray::linalg::general_mat_mul;

type Float = f64;
type Matrix = ndarray::Array2<Float>;

fn exp(x: Float) -> Float {
    x.exp()
}

fn main() -> Result<(), TokenizerError> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);

    // A look-up is a product with rows that are one in one place
    let layer = Embeddings::new(5, 4, 3, &mut rng);
    let one_hot = Matrix::from_shape_fn((4, 5), |(n, id)| {
        f64::from(u8::from([2, 0, 2, 4][n] == id))
    });
    let product = one_hot.dot(&layer.token) + &layer.position;
    let (looked_up, _) = layer.forward(&[2, 0, 2, 4], 4);
    println!("ids 2 0 2 4, looked up:\n{looked_up:.4}");
    println!("the same as a product: {}\n", looked_up == product);

    // Without positions, an order is not to be seen
    let tokenizer = CharTokenizer::new("acst ")?;
    let cat = tokenizer.encode("cat sat")?;
    let sat = tokenizer.encode("sat cat")?;
    let mut layer = Embeddings::new(5, 7, 3, &mut rng);
    let mean = |layer: &Embeddings, ids: &[u16]| {
        layer.forward(ids, 7).0.mean_axis(ndarray::Axis(0))
    };
    let differ = |layer: &Embeddings| -> Float {
        let means = mean(layer, &cat).zip(mean(layer, &sat));
        means.map_or(0.0, |(a, b)| (a - b).map(|x| x.abs()).sum())
    };
    let row = |layer: &Embeddings, ids: &[u16], i: usize| {
        layer.forward(ids, 7).0.row(i).to_owned()
    };
    let moved = &row(&layer, &cat, 0) - &row(&layer, &sat, 4);
    println!("c at 0 and c at 4 differ by {moved:.4}");
    layer.position.fill(0.0);
    let moved = &row(&layer, &cat, 0) - &row(&layer, &sat, 4);
    println!("without positions        by {moved:.4}");
    println!("and the two sentences by {:.4}\n", differ(&layer));

    // Gradients of a repeated token add
    let layer = Embeddings::new(5, 3, 2, &mut rng);
    let dy = ndarray::array![[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]];
    let mut grad = layer.clone();
    flat_mut(&mut grad.token).fill(0.0);
    flat_mut(&mut grad.position).fill(0.0);
    let (_, cache) = layer.forward(&[3, 1, 3], 3);
    layer.backward(&cache, &dy, &mut grad);
    println!("ids 3 1 3, gradient of the token table:\n{:.4}", grad.token);
    let measured = numerical_gradient(flat(&layer.token), 1e-5, |data| {
        let mut layer = layer.clone();
        flat_mut(&mut layer.token).copy_from_slice(data);
        (layer.forward(&[3, 1, 3], 3).0 * &dy).sum()
    });
    let apart = flat(&grad.token).iter().zip(&measured);
    let worst = apart.fold(0.0, |w: Float, (a, b)| w.max((a - b).abs()));
    println!("the measured one differs by less than 1e-8: {}", worst < 1e-8);
    Ok(())
}
