//! What the chapter claims about the model of chapter 1, tried out on it.

use std::error::Error;

use double::gpt::Gpt;
use double::tokenization::CharTokenizer;
use double::training::{
    Batch, Gradients, ShardedGradients, TrainError, clip_grad_norm, split,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use crate::first_model::{SONNETS, trained, trainer, untrained};

/// All of them, in the order of the page.
pub fn all() -> Result<(), Box<dyn Error>> {
    let (_, model, tokenizer) = trained()?;
    gradient_lengths(&model, &tokenizer)
}

/// How long a gradient is, while the model learns and by the size of a batch.
fn gradient_lengths(
    trained: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<(), Box<dyn Error>> {
    println!("[gradient length]");
    let ids = tokenizer.encode(SONNETS)?;
    let (train, _) = split(&ids);
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
    println!("afterwards, by the windows in a batch:");
    let mut gradients = ShardedGradients::new(4);
    for windows in [1, 8, 64, 512] {
        let lengths = (1..=21).map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let batch = Batch::random(train, windows, 32, &mut rng)?;
            let (_, grad) = gradients.compute(trained, &batch);
            Ok(clip_grad_norm(grad, f64::INFINITY))
        });
        let mut lengths = lengths.collect::<Result<Vec<f64>, TrainError>>()?;
        lengths.sort_by(f64::total_cmp);
        println!("{windows:>9}  {:>7.2}", lengths[10]);
    }
    Ok(())
}
