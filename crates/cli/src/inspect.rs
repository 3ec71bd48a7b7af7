//! `microgpt inspect`: what is in the file of a run.

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::Args;
use indicatif::HumanCount;
use microgpt::checkpoint::Corpus;
use microgpt::gpt::GptConfig;
use microgpt::training::{SequenceWarmup, TrainConfig, Trainer};
use ndarray::Dimension;

use crate::checkpoint::load;
use crate::session::percent;
use crate::{Error, counted};

/// Say what is in the file of a run: hyperparameters, losses, weights
#[derive(Args)]
pub struct Options {
    /// The run, a file that `train` has saved
    #[arg(value_name = "RUN")]
    run: PathBuf,
}

/// A run to tell about.
pub struct Job {
    trainer: Trainer,
    corpus: Corpus,
}

impl Options {
    /// What they ask for.
    pub fn job(self) -> Result<Job, Error> {
        let (trainer, corpus) = load(&self.run)?;
        Ok(Job { trainer, corpus })
    }
}

impl Job {
    pub fn run(self) -> Result<(), Error> {
        let GptConfig { n_layer, n_head, n_embd, block_size, vocab_size } =
            self.trainer.model.config();
        let mut out = stdout();
        writeln!(
            out,
            "model       n_layer {n_layer}, n_head {n_head}, n_embd {n_embd}, \
             block_size {block_size}, vocab_size {vocab_size}"
        )?;
        self.print_training()?;
        self.print_losses()?;
        let Corpus { bytes, sha256, tokenizer } = &self.corpus;
        let vocabulary: String = tokenizer.vocabulary().iter().collect();
        let bytes = HumanCount(*bytes);
        writeln!(out, "text        {bytes} bytes, SHA-256 {sha256}")?;
        writeln!(out, "vocabulary  {vocabulary:?}")?;
        let model = &self.trainer.model;
        let params = HumanCount(model.num_params() as u64);
        writeln!(out, "parameters  {params}")?;
        for tensor in model.tensors() {
            let (shape, name) = (tensor.shape.slice().to_vec(), tensor.name);
            writeln!(out, "{:>11} {name} {shape:?}", tensor.data.len())?;
        }
        Ok(())
    }

    fn print_training(&self) -> Result<(), Error> {
        let (trainer, mut out) = (&self.trainer, stdout());
        let config = trainer.config();
        let TrainConfig { batch_size, schedule, seed, .. } = *config;
        let rate = |lr| (f64::from(lr) * 1e9).round() / 1e9; // no 0.00020000001
        writeln!(
            out,
            "training    step {} of {}, batches of {}",
            HumanCount(trainer.step as u64),
            HumanCount(schedule.steps as u64),
            counted(batch_size, "sequence"),
        )?;
        writeln!(
            out,
            "            learning rate {} to {}, weight decay {}, seed {seed}",
            rate(schedule.max_lr),
            rate(schedule.min_lr),
            config.optimizer.weight_decay,
        )?;
        let SequenceWarmup { length, steps } = config.sequence_warmup;
        if steps > 0 {
            writeln!(
                out,
                "            sequences of {} in the first {}",
                counted(length, "character"),
                counted(steps, "step"),
            )?;
        }
        if let Some(average) = &trainer.average {
            writeln!(
                out,
                "            weights averaged over the last {}% of {}",
                percent(config.average),
                counted(average.steps, "step"),
            )?;
        }
        Ok(())
    }

    fn print_losses(&self) -> Result<(), Error> {
        let (trainer, mut out) = (&self.trainer, stdout());
        let best = trainer.best.map(|loss| format!("{loss:.4}"));
        writeln!(
            out,
            "losses      {} on validation at best, evaluated every {}",
            best.as_deref().unwrap_or("none yet"),
            match trainer.config().eval_interval {
                1 => "step".to_owned(),
                steps => counted(steps, "step"),
            },
        )?;
        let (sum, count) = trainer.losses;
        if count > 0 {
            let mean = sum / count as f64;
            let es = if count == 1 { "" } else { "es" };
            writeln!(
                out,
                "            {mean:.4} on average in the {count} batch{es} since \
                 then"
            )?;
        }
        writeln!(out, "            (nats per character)")?;
        Ok(())
    }
}
