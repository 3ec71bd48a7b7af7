//! Chapter 4. Attention, LayerNorm, feed-forward, and what flows back.

#[path = "../src/embeddings.rs"]
#[allow(dead_code)]
mod embeddings;
#[path = "../src/orientation.rs"]
#[allow(dead_code)]
mod orientation;
#[path = "../src/transformer_block.rs"]
#[allow(dead_code)]
mod transformer_block;

use embeddings::normal;
use ndarray::array;
use orientation::{flat, numerical_gradient};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use transformer_block::{Block, LayerNorm, gelu};

use ndarray::linalg::general_mat_mul;

type Float = f64;
type Vector = ndarray::Array1<Float>;
type Matrix = ndarray::Array2<Float>;

fn exp(x: Float) -> Float {
    x.exp()
}

fn main() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);

    // LayerNorm of a spike, and what flows back to it
    let norm = LayerNorm::new(4);
    let x = array![[1.0, 0.0, 0.0, 0.0]];
    let (y, cache) = norm.forward(&x);
    println!("layer norm of {x:.4}\n           is {y:.4}");
    let dy = array![[1.0, 0.0, 0.0, 0.0]];
    let mut grad = LayerNorm::new(4);
    let dx = norm.backward(&cache, dy, &mut grad);
    println!("a wish for more of the spike is worth   {:.4}", largest(&dx));
    let norm = LayerNorm::new(8);
    let (_, cache) = norm.forward(&normal((1, 8), 1.0, &mut rng));
    let dx = norm.backward(&cache, Matrix::ones((1, 8)), &mut norm.clone());
    println!("a wish for more of every entry is worth {:.4}\n", largest(&dx));

    // How large scores are, and why they are divided by √D
    println!("variance of q·k, and of q·k/√D:");
    for d in [4, 16, 64, 256] {
        let q = normal((200, d), 1.0, &mut rng);
        let k = normal((200, d), 1.0, &mut rng);
        let variance = q.dot(&k.t()).mapv(|s| s * s).sum() / 40_000.0;
        println!("  D = {d:<3}  {variance:8.2}  {:.2}", variance / d as Float);
    }

    // GELU lets large numbers through and small ones hardly
    let x = array![[-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0]];
    println!("\ngelu of {x:5.2}\n     is {:5.2}\n", gelu(&x));

    // A whole block: its derived gradient against the measured one
    let block = Block::new(8, 2, 2, &mut rng);
    let x = normal((5, 8), 1.0, &mut rng);
    let dy = normal((5, 8), 1.0, &mut rng);
    let (_, cache) = block.forward(x.clone(), 5);
    let dx = block.backward(&cache, dy.clone(), &mut block.clone());
    let measured = numerical_gradient(flat(&x), 1e-5, |data| {
        let x = Matrix::from_shape_fn((5, 8), |(i, j)| data[8 * i + j]);
        (block.forward(x, 5).0 * &dy).sum()
    });
    let pairs = flat(&dx).iter().zip(&measured);
    let worst = pairs.fold(0.0, |w: Float, (a, b)| w.max((a - b).abs()));
    println!("dx of a block, first row: {:.4}", dx.row(0));
    println!("the measured one differs by less than 1e-8: {}", worst < 1e-8);
}

fn largest(x: &Matrix) -> Float {
    x.iter().fold(0.0, |largest, x| largest.max(x.abs()))
}
