use embeddings::Embeddings;
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn main() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let embeddings = Embeddings::new(2, 3, 2, &mut rng);
    let mut grad = embeddings.clone();
    grad.token.fill(0.0);
    grad.position.fill(0.0);
    let (y, cache) = embeddings.forward(&[0, 1, 0], 3);
    embeddings.backward(&cache, &Matrix::ones(y.dim()), &mut grad);
    // Token 0 twice and token 1 once, in two columns
    println!("{} {}", grad.token.row(0).sum(), grad.token.row(1).sum());
}
