use std::error::Error;

use generation::{Generator, Sampler};
use gpt::{Gpt, GptConfig};
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn main() -> Result<(), Box<dyn Error>> {
    let config = GptConfig {
        n_layer: 1,
        n_head: 2,
        n_embd: 8,
        block_size: 4,
        vocab_size: 4,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut model = Gpt::new(config, &mut rng)?;
    // The head sees ones everywhere, and token 2 answers to them
    model.fill_with_zeros();
    model.norm.bias.fill(1.0);
    model.embeddings.token.row_mut(2).fill(1.0);
    let sampler = Sampler::new(0.0, None)?;
    let ids = Generator::new(&model, &[0, 1], sampler, rng)?.take(6);
    println!("{:?}", ids.collect::<Result<Vec<u16>, _>>()?);
    Ok(())
}
