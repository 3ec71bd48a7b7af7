//! Generating text: the options for it, and what they ask for.

use std::io::{Write, stdout};

use clap::Args;
use microgpt::generation::{GenerationError, Generator, Sampler};
use microgpt::gpt::Gpt;
use microgpt::tokenization::CharTokenizer;
use rand::{SeedableRng, rngs::ChaCha8Rng};

use crate::Error;
use crate::terminal::{Printer, prompt_error};

/// The options for generating.
#[derive(Args)]
#[command(next_help_heading = "Generation")]
pub struct Sampling {
    /// Text to continue [default: a line break]
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// 0: always the likeliest character; 1: as predicted
    #[arg(long, value_name = "T", default_value_t = 0.8)]
    #[arg(allow_hyphen_values = true)]
    temperature: f32,
    /// Sample from the K likeliest characters [default: all]
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Characters to generate
    #[arg(long, value_name = "N", default_value_t = 500)]
    length: usize,
}

/// A text to generate.
pub struct Generation {
    prompt: Vec<u16>,
    shows_prompt: bool,
    sampler: Sampler,
    length: usize,
    /// The text ends before one of these.
    pub ends: Vec<u16>,
}

impl Sampling {
    /// What they ask for; a model that is given no prompt continues
    /// `beginning`.
    pub fn checked(
        self,
        tokenizer: &CharTokenizer,
        beginning: Vec<u16>,
    ) -> Result<Generation, Error> {
        let shows_prompt = self.prompt.is_some();
        let prompt = match self.prompt {
            Some(text) if text.is_empty() => Err(GenerationError::EmptyPrompt)?,
            Some(text) => tokenizer
                .encode(&text)
                .map_err(|error| prompt_error(&error, tokenizer))?,
            None => beginning,
        };
        let sampler = Sampler::new(self.temperature, self.top_k)?;
        let vocab_size = tokenizer.vocab_size();
        if let Some(top_k) = self.top_k.filter(|&k| k > vocab_size) {
            Err(GenerationError::TopKTooLarge { top_k, vocab_size })?;
        }
        let (length, ends) = (self.length, Vec::new());
        Ok(Generation { prompt, shows_prompt, sampler, length, ends })
    }
}

impl Generation {
    /// Generates the text, and prints each character as it comes.
    pub fn print(
        self,
        model: &Gpt,
        tokenizer: &CharTokenizer,
        seed: u64,
    ) -> Result<(), Error> {
        let Self { prompt, shows_prompt, sampler, length, ends } = self;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(2); // stream 0 drew the weights, stream 1 the batches
        let ids = Generator::new(model, &prompt, sampler, rng)?;
        let mut out = stdout().lock();
        writeln!(out)?;
        let mut out = Printer::new(out);
        if shows_prompt {
            out.print(&tokenizer.decode(&prompt)?)?;
        }
        for id in ids.take(length) {
            match id {
                Ok(id) if ends.contains(&id) => break,
                Ok(id) => out.print(&tokenizer.decode(&[id])?)?,
                Err(error) => {
                    out.finish()?; // after what has been generated
                    return Err(error.into());
                }
            }
        }
        out.finish()?;
        Ok(())
    }
}
