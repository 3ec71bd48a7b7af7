//! Chapter 5. The whole model: sizes, the first loss, every gradient.

#[path = "../src/embeddings.rs"]
#[allow(dead_code)]
mod embeddings;
#[path = "../src/gpt.rs"]
#[allow(dead_code)]
mod gpt;
#[path = "../src/orientation.rs"]
#[allow(dead_code)]
mod orientation;
#[path = "../src/transformer_block.rs"]
#[allow(dead_code)]
mod transformer_block;

use gpt::{ConfigError, Gpt, GptConfig};
use orientation::numerical_gradient;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use ndarray::linalg::general_mat_mul;

type Float = f64;
type Vector = ndarray::Array1<Float>;
type Matrix = ndarray::Array2<Float>;

fn exp(x: Float) -> Float {
    x.exp()
}

fn main() -> Result<(), ConfigError> {
    // How many numbers a model learns
    #[rustfmt::skip]
    let sizes = [
        ("tiny", GptConfig { n_layer: 2, n_head: 2, n_embd: 8, block_size: 6, vocab_size: 11 }),
        ("sonnets", GptConfig { n_layer: 4, n_head: 4, n_embd: 128, block_size: 64, vocab_size: 59 }),
        ("GPT-2", GptConfig { n_layer: 12, n_head: 12, n_embd: 768, block_size: 1024, vocab_size: 50257 }),
    ];
    for (name, config) in &sizes {
        println!("{name:8}{:>12} parameters", config.num_params().unwrap_or(0));
    }

    // An untrained model gives every token the same chance
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let model = Gpt::new(sizes[1].1, &mut rng)?;
    let mut draw = |n, below| -> Vec<u16> {
        (0..n).map(|_| rng.random_range(0..below)).collect()
    };
    let (inputs, targets) = (draw(256, 59), draw(256, 59));
    let loss = model.loss(&inputs, &targets, 64);
    println!("\nfirst loss {loss:.4}; ln 59 = {:.4}\n", (59.0 as Float).ln());

    // Every tensor's gradient, against the measured one
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut model = Gpt::new(sizes[0].1, &mut rng)?;
    for tensor in model.tensors_mut() {
        tensor.data.iter_mut().for_each(|x| *x += rng.random_range(-0.3..0.3));
    }
    let (inputs, targets) = ([3, 1, 4, 1, 5, 9], [1, 4, 1, 5, 9, 2]);
    let (_, grad) = model.loss_and_grad(&inputs, &targets, 6);
    for (i, tensor) in grad.tensors().iter().enumerate() {
        let mut model = model.clone();
        let start = model.tensors()[i].data.to_vec();
        let measured = numerical_gradient(&start, 1e-5, |data| {
            model.tensors_mut()[i].data.copy_from_slice(data);
            model.loss(&inputs, &targets, 6)
        });
        let pairs = tensor.data.iter().zip(&measured);
        let worst = pairs.fold(0.0, |w: Float, (a, b)| w.max((a - b).abs()));
        let agree = if worst < 1e-7 { "agrees" } else { "DIFFERS" };
        let name = tensor.name.to_string();
        println!("{name:32}{:>8}  {agree}", format!("{:?}", tensor.data.len()));
    }
    Ok(())
}
