use embeddings::normal;
use orientation::{flat, numerical_gradient};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use transformer_block::Block;

fn main() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let block = Block::new(4, 2, 1, &mut rng); // width, heads, blocks
    let mut random = || normal((3, 4), 1.0, &mut rng);
    let (x, dy) = (random(), random()); // three positions

    // A loss whose gradient with respect to the block's output is `dy`
    let loss = |x: &[Float]| {
        let x = Matrix::from_shape_fn((3, 4), |(i, j)| x[4 * i + j]);
        (block.forward(x, 3).0 * &dy).sum()
    };
    let h = Float::EPSILON.cbrt();
    let measured = numerical_gradient(flat(&x), h, loss);

    let (_, cache) = block.forward(x, 3);
    let derived = block.backward(&cache, dy.clone(), &mut block.clone());
    let pairs = flat(&derived).iter().zip(&measured);
    let agree = pairs.filter(|(a, b)| (*a - *b).abs() < 100.0 * h * h).count();
    println!("{agree} of 12 derivatives agree with measured ones");
}
