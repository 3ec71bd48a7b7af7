//! What the chapter claims about the model of chapter 1, tried out on it.

use std::error::Error;

use double::embeddings::Embeddings;
use double::gpt::Gpt;
use double::tokenization::CharTokenizer;
use double::training::{
    Batch, Gradients, ShardedGradients, TrainError, clip_grad_norm, split,
};
use ndarray::{ArrayRef, Dimension, s};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use crate::first_model::{SONNETS, trained, trainer, untrained};

/// Those on the trained model, in the order of the page.
pub fn all() -> Result<(), Box<dyn Error>> {
    let (_, model, tokenizer) = trained()?;
    let ids = tokenizer.encode(SONNETS)?;
    let (train, _) = split(&ids);
    batch_size(&model, train)?;
    gradient_lengths(train)
}

/// How large the gradient of a weight usually is: the root of its mean square,
/// over 200 batches and all weights of a part.
pub fn scales(
    model: &Gpt,
    tokenizer: &CharTokenizer,
    train: &[u16],
) -> Result<(), Box<dyn Error>> {
    println!("[scales]");
    let (e, z) = (tokenizer.encode("e")?[0], tokenizer.encode("z")?[0]);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut sums = [0.0; 6];
    for _ in 0..200 {
        let batch = Batch::random(train, 8, 32, &mut rng)?;
        let (_, grad) = model.loss_and_grad(&batch.inputs, &batch.targets, 32);
        let Embeddings { token, position } = &grad.embeddings;
        let block = &grad.blocks[0];
        let query = block.attention.qkv.weight.slice(s![.., ..32]);
        let squares = [
            mean_square(&grad.norm.bias),
            mean_square(&token.row(e.into())),
            mean_square(&token.row(z.into())),
            mean_square(position),
            mean_square(&block.mlp.up.weight),
            mean_square(&query),
        ];
        sums.iter_mut().zip(squares).for_each(|(sum, x)| *sum += x / 200.0);
    }
    let names = [
        "last norm, bias",
        "token table, row of e",
        "token table, row of z",
        "position table",
        "block 0, feed-forward up",
        "block 0, queries",
    ];
    for (name, sum) in names.iter().zip(sums) {
        println!("{name:<26}{:.5}", sum.sqrt());
    }
    Ok(())
}

fn mean_square<D: Dimension>(x: &ArrayRef<f64, D>) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64
}

/// How long the gradient of a batch is, by the number of its windows, and how
/// much of that is noise: `mean of length² = G² + ν/B`.
fn batch_size(model: &Gpt, train: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[batch size]");
    println!("windows   length   √(G² + ν/B)");
    let mut gradients = ShardedGradients::new(4);
    let sizes = [1, 8, 64, 512];
    let mut squares = [0.0; 4];
    for (square, windows) in squares.iter_mut().zip(sizes) {
        for seed in 1..=21 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let batch = Batch::random(train, windows, 32, &mut rng)?;
            let (_, grad) = gradients.compute(model, &batch);
            *square += clip_grad_norm(grad, f64::INFINITY).powi(2) / 21.0;
        }
    }
    let noise = (squares[0] - squares[3]) / (1.0 - 1.0 / 512.0); // ν
    let signal = squares[3] - noise / 512.0; // G²
    for (square, windows) in squares.iter().zip(sizes) {
        let law = (signal + noise / windows as f64).sqrt();
        println!("{windows:>7}{:>9.2}{law:>14.2}", square.sqrt());
    }
    println!("G² = {signal:.2}, ν = {noise:.1}, ν/G² = {:.0}", noise / signal);
    Ok(())
}

/// How long a gradient is while the model learns, and how often it's clipped.
fn gradient_lengths(train: &[u16]) -> Result<(), Box<dyn Error>> {
    println!("[gradient length]");
    let mut trainer = trainer(untrained(2)?, 2000, 1000)?;
    println!("     steps  median  longest  above one");
    for part in 0..5 {
        let lengths = (0..400).map(|_| Ok(trainer.take_step(train)?.grad_norm));
        let mut lengths = lengths.collect::<Result<Vec<f64>, TrainError>>()?;
        lengths.sort_by(f64::total_cmp);
        let (median, longest) = (lengths[200], lengths[399]);
        let above = lengths.iter().filter(|&&length| length > 1.0).count();
        let (first, last) = (400 * part, 400 * part + 399);
        println!(
            "{first:>4}–{last:>4}  {median:>7.2}  {longest:>7.2}  {above:>9}"
        );
    }
    Ok(())
}
