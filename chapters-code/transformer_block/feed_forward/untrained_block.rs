//! What an untrained block adds to the residual stream, and to its gradient.

use double::{
    Float, Matrix, embeddings::*, orientation::*, transformer_block::*,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// Sizes of the standard model.
const N_EMBD: usize = 128;
const N_HEAD: usize = 4;
const N_LAYER: usize = 4;
const T: usize = 64;

// ANCHOR: adds
/// What the two parts of a block add to a stream `x`, and the sum; what their
/// backward passes add to a gradient `dy`, and the sum.
fn adds(block: &Block, x: &Matrix, dy: &Matrix) -> [Matrix; 5] {
    let (y, cache) = block.forward(x.clone(), T);
    let (h, _) = block.norm_1.forward(x);
    let (attention, _) = block.attention.forward(h, T);
    let feed_forward = &y - x - &attention;
    let dx = block.backward(&cache, dy.clone(), &mut block.clone());
    [attention, feed_forward, y, &dx - dy, dx]
}
// ANCHOR_END: adds

/// The root of the mean square.
fn size(x: &Matrix) -> Float {
    let x = flat(x);
    (dot(x, x) / x.len() as Float).sqrt()
}

/// For the stream as the embeddings make it, and for rows of size one.
pub fn print() {
    println!("[untrained block]");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let embeddings = Embeddings::new(59, T, N_EMBD, &mut rng);
    let block = Block::new(N_EMBD, N_HEAD, N_LAYER, &mut rng);
    let ids: Vec<u16> = (0..4 * T).map(|_| rng.random_range(0..59)).collect();
    let (stream, _) = embeddings.forward(&ids, T);
    let ones = normal(stream.dim(), 1.0, &mut rng);
    let dy = normal(stream.dim(), 1.0, &mut rng);
    println!("size of                stream  rows of size one");
    let columns = [&stream, &ones].map(|x| {
        let [attention, feed_forward, y, added, dx] = adds(&block, x, &dy);
        [x, &attention, &feed_forward, &y, &dy, &added, &dx].map(size)
    });
    let forward = ["x", "+ attention", "+ feed-forward", "= y"];
    let backward = ["dy", "+ from both parts", "= dx"];
    let names = forward.into_iter().chain(backward);
    for (i, name) in names.enumerate() {
        println!("{name:20}{:9.4}{:18.4}", columns[0][i], columns[1][i]);
    }
}
