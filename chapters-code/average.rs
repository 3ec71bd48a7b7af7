//! The mean of the weights of several checkpoints of one run, and its loss.
//!
//! `cargo run --example average -- TEXT FILE FILE…`, with the text that the
//! run has learned.

use std::error::Error;
use std::path::Path;

use microgpt::checkpoint::load;
use microgpt::gpt::Gpt;
use microgpt::training::{evaluate, split};

/// Hands the memory of one evaluation to the next.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let text = arguments.next().ok_or("name a text, then its checkpoints")?;
    let text = std::fs::read_to_string(text)?;
    let mut mean: Option<Gpt> = None;
    for (file, count) in arguments.zip(1u8..) {
        let (trainer, corpus) = load(Path::new(&file))?;
        let ids = corpus.tokenizer.encode(&text)?;
        let (_, validation) = split(&ids);
        let loss = evaluate(&trainer.model, validation)?;
        print!("step {:>6}  {loss:.4}", trainer.step);
        let mean = mean.get_or_insert_with(|| trainer.model.clone());
        if mean.config() != trainer.model.config() {
            return Err(format!("{file}: a model of other sizes").into());
        }
        add(mean, &trainer.model, f32::from(count));
        println!("  mean of {count}  {:.4}", evaluate(mean, validation)?);
    }
    Ok(())
}

// ANCHOR: add
/// Makes the mean of `n - 1` models into that of `n`: `m ← m + (w − m)/n`.
fn add(mean: &mut Gpt, model: &Gpt, n: f32) {
    for (mean, w) in mean.tensors_mut().into_iter().zip(model.tensors()) {
        for (m, w) in mean.data.iter_mut().zip(w.data) {
            *m += (w - *m) / n;
        }
    }
}
// ANCHOR_END: add
