//! The whole way, from a text to new text, on the sonnets: a smaller model than
//! that of the example `shakespeare`, and none of its options.
//!
//! `microgpt.rs` beside it is this program and the modules that it uses, in one
//! file; a test writes it.

use std::error::Error;
use std::ops::ControlFlow;

use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{Event, TrainConfig, Trainer, split};
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn main() -> Result<(), Box<dyn Error>> {
    // Text to ids
    let text = include_str!("../chapters-code/data/sonnets.txt");
    let tokenizer = CharTokenizer::new(text)?;
    let ids = tokenizer.encode(text)?;
    let (train, validation) = split(&ids);

    // A model that knows nothing
    let config = TrainConfig { average: 0.0, ..TrainConfig::quick() };
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let sizes = GptConfig::quick(tokenizer.vocab_size());
    let model = Gpt::new(sizes, &mut rng)?;
    println!("{} parameters\n", model.num_params());

    // Training
    let mut trainer = Trainer::new(model, config)?;
    trainer.run(train, validation, |_, event| {
        if let Event::Evaluation(now) = event {
            let train = now.train_loss.map(|loss| format!("{loss:.4}"));
            let train = train.unwrap_or("     -".to_owned());
            let validation = now.validation_loss;
            let step = now.step;
            println!(
                "step {step:>5}  train {train}  validation {validation:.4}"
            );
        }
        ControlFlow::Continue(())
    })?;

    // Ids to text
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    rng.set_stream(2); // stream 0 drew the weights, stream 1 the batches
    let prompt = tokenizer.encode("\n")?;
    let sampler = Sampler::new(0.6, None)?;
    let written = Generator::new(&trainer.model, &prompt, sampler, rng)?;
    let written: Vec<u16> = written.take(200).collect::<Result<_, _>>()?;
    println!("\n{}", tokenizer.decode(&written)?);
    Ok(())
}
