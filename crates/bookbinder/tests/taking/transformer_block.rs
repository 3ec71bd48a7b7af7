use embeddings::normal;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use transformer_block::Block;

fn main() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let block = Block::new(4, 2, 1, &mut rng);
    let (_, cache) = block.forward(normal((3, 4), 1.0, &mut rng), 3);
    let mut grad = block.clone();
    let dx = block.backward(&cache, Matrix::ones((3, 4)), &mut grad);
    // What comes back through a LayerNorm sums to zero: the stream's remains
    println!("{:.3}", dx.sum());
}
