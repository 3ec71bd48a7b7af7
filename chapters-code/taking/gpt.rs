use gpt::{ConfigError, Gpt, GptConfig};
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn main() -> Result<(), ConfigError> {
    let config = GptConfig {
        n_layer: 1,
        n_head: 2,
        n_embd: 8,
        block_size: 4,
        vocab_size: 10,
    };
    let model = Gpt::new(config, &mut ChaCha8Rng::seed_from_u64(1))?;
    let (loss, grad) = model.loss_and_grad(&[1, 2, 3, 4], &[2, 3, 4, 5], 4);
    // About ln 10; and nothing that passed the last LayerNorm has a sum
    println!("{loss:.1} {:.3}", grad.embeddings.position.sum().abs());
    Ok(())
}
