//! `microgpt generate`: a text from a model that has been trained.

use std::path::PathBuf;

use clap::Args;
use microgpt::gpt::Gpt;
use microgpt::hugging_face::end_of_text;
use microgpt::tokenization::CharTokenizer;
use microgpt::training::TrainConfig;

use crate::Error;
use crate::checkpoint::load;
use crate::generation::{Generation, Sampling};
use crate::import::read_folder;
use crate::terminal::start_threads;

/// Generate text with a model that has been trained
#[derive(Args)]
pub struct Options {
    /// A run that `train` has saved, or a folder that `export` has written
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Random seed: same seed, same text [default: the run's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Threads; the text does not depend on them [default: cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Go on after an end-of-text token, eos_token_id of a folder
    #[arg(long)]
    ignore_eos: bool,
    #[command(flatten)]
    sampling: Sampling,
}

/// A text to generate, and with what.
pub struct Job {
    model: Gpt,
    tokenizer: CharTokenizer,
    generation: Generation,
    seed: u64,
}

impl Options {
    /// What they ask for.
    pub fn job(self) -> Result<Job, Error> {
        start_threads(self.threads)?;
        let (model, tokenizer, seed) = if self.run.is_dir() {
            let (model, tokenizer) = read_folder(&self.run)?;
            (model, tokenizer, TrainConfig::default().seed)
        } else {
            let (trainer, corpus) = load(&self.run)?;
            let model = trainer.result().clone();
            (model, corpus.tokenizer, trainer.config().seed)
        };
        let beginning = tokenizer.encode("\n").unwrap_or(vec![0]);
        let mut generation = self.sampling.checked(&tokenizer, beginning)?;
        if self.run.is_dir() && !self.ignore_eos {
            generation.ends = end_of_text(&self.run)?;
        }
        let seed = self.seed.unwrap_or(seed);
        Ok(Job { model, tokenizer, generation, seed })
    }
}

impl Job {
    pub fn run(self) -> Result<(), Error> {
        let Self { model, tokenizer, generation, seed } = self;
        generation.print(&model, &tokenizer, seed)
    }
}
