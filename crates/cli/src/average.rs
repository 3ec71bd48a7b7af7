//! `microgpt average`: the mean of the weights of several states of a run, and
//! its loss.

use std::fmt::Display;
use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::Args;
use microgpt::checkpoint::load;
use microgpt::gpt::Gpt;
use microgpt::training::{Average, evaluate};

use crate::dataset::Dataset;
use crate::{Error, shown};

/// Compare the weights of several checkpoints of a run with their mean
#[derive(Args)]
#[command(after_help = "\
Prints a line for each file: its step, the validation loss of its model, how
many models have been averaged so far, and the validation loss of their mean,
in nats per character. The models are those of the last step, not averages.")]
pub struct Options {
    /// The files, copies that were made while a run was training
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The text of the run [default: the sonnets]
    #[arg(long, value_name = "TEXT")]
    data: Option<PathBuf>,
}

/// Models to compare. Each is read when its turn comes: together they may take
/// more memory than there is.
pub struct Job {
    dataset: Dataset,
    runs: Vec<PathBuf>,
}

impl Options {
    /// What they ask for.
    pub fn job(self) -> Result<Job, Error> {
        Ok(Job { dataset: Dataset::read(self.data)?, runs: self.runs })
    }
}

impl Job {
    pub fn run(mut self) -> Result<(), Error> {
        let mut mean: Option<Average> = None;
        for run in self.runs {
            let named =
                |error: &dyn Display| format!("{}: {error}", shown(&run));
            let (trainer, learned) = load(&run).map_err(|e| named(&e))?;
            if !self.dataset.adopt(&learned)? {
                Err(named(&"of another text; give that one, by --data"))?;
            }
            let (_, validation) = self.dataset.parts();
            let measure = |model: &Gpt| {
                evaluate(model, validation).map_err(|e| named(&e))
            };
            let model = &trainer.model;
            let mean = mean.get_or_insert_with(|| Average::new(model.clone()));
            if mean.model.config() != model.config() {
                Err(named(&"a model of other sizes than the one before"))?;
            }
            mean.update(model, 1.0); // the plain mean
            let (loss, of_mean) = (measure(model)?, measure(&mean.model)?);
            let (step, count) = (trainer.step, mean.steps);
            writeln!(
                stdout(),
                "step {step:>6}  {loss:.4}  mean of {count}  {of_mean:.4}"
            )?;
        }
        Ok(())
    }
}
