//! A run, trained to its end or until somebody stops it, and then a text from
//! it.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::HumanCount;
use microgpt::checkpoint::RunFile;
use microgpt::gpt::GptConfig;
use microgpt::orientation::Rung;
use microgpt::training::{SequenceWarmup, TrainConfig, TrainError, Trainer};

use crate::checkpoint::load;
use crate::dataset::Dataset;
use crate::generation::Generation;
use crate::interrupt::{self, interrupted};
use crate::observer::{Observed, Observer};
use crate::terminal::processor::rounds_to_bf16;
use crate::terminal::warn;
use crate::{Error, counted, program, shown, typed};

/// A run that is ready to be trained.
pub struct Session {
    pub dataset: Dataset,
    pub trainer: Trainer,
    /// Where the run is saved.
    pub file: Option<RunFile>,
    /// What the run has been resumed from.
    pub resumed: Option<PathBuf>,
    /// What to generate at the end.
    pub generation: Generation,
    pub threads: usize,
}

/// How training has ended.
enum Ended {
    Interrupted,
    Finished { unsaved: Option<String> },
}

impl Session {
    /// Trains, then generates.
    pub fn run(mut self) -> Result<ExitCode, Error> {
        self.dataset.print()?;
        self.print_model()?;
        self.print_checkpoint()?;
        let rungs = self.dataset.print_ladder()?;
        let unsaved = match self.train(&rungs)? {
            Ended::Interrupted => return Ok(ExitCode::from(130)),
            Ended::Finished { unsaved } => unsaved,
        };
        let Self { dataset, trainer, generation, .. } = self;
        let (model, seed) = (trainer.result(), trainer.config().seed);
        let generated = generation.print(model, dataset.tokenizer(), seed);
        // What was lost is said last, and also if nobody reads the text
        if let Some(error) = unsaved {
            Err(format!("the end of the run is {error}"))?;
        }
        generated?;
        Ok(ExitCode::SUCCESS)
    }

    /// Prints what is going to be trained, and how.
    fn print_model(&self) -> Result<(), Error> {
        let (trainer, mut out) = (&self.trainer, stdout());
        let sizes = trainer.model.config();
        let GptConfig { n_layer, n_head, n_embd, block_size, .. } = sizes;
        writeln!(
            out,
            "model       {}, {}, width {n_embd}, context {block_size}: {}",
            counted(n_layer, "layer"),
            counted(n_head, "head"),
            counted(trainer.model.num_params(), "parameter"),
        )?;
        let config = trainer.config();
        writeln!(
            out,
            "training    {} of {} of {}\n\
             {:12}on {}, in about {:.0} MB of memory",
            counted(config.schedule.steps, "step"),
            counted(config.batch_size, "sequence"),
            counted(block_size, "character"),
            "",
            counted(self.threads, "thread"),
            config.memory(&sizes) / 1e6,
        )?;
        let (threads, used) = (self.threads, config.max_threads());
        if threads > used {
            let shards = counted(used, "shard");
            writeln!(
                out,
                "            a step uses {used} of them: its batch has {shards}"
            )?;
        }
        for line in extras(config) {
            writeln!(out, "            {line}")?;
        }
        Ok(())
    }

    /// Prints where the run is saved, and what it continues.
    fn print_checkpoint(&self) -> Result<(), Error> {
        let mut out = stdout();
        match &self.file {
            Some(file) => {
                let name = shown(file.path());
                writeln!(out, "checkpoint  {name}, at each evaluation")?;
            }
            None => writeln!(
                out,
                "checkpoint  none; to keep the model, add --checkpoint \
                 run.safetensors"
            )?,
        }
        if let Some(path) = &self.resumed {
            let step = HumanCount(self.trainer.step as u64);
            writeln!(out, "resumed     {}, at step {step}", shown(path))?;
        }
        Ok(())
    }

    fn train(&mut self, rungs: &[Rung]) -> Result<Ended, Error> {
        if self.file.is_some() {
            interrupt::listen()?;
        }
        let begun = self.trainer.step;
        let (train, validation) = self.dataset.parts();
        let (file, scored) = (self.file.as_ref(), validation.len());
        let mut observer = Observer::new(&self.trainer, file, rungs, scored);
        let ended = self
            .trainer
            .run(train, validation, |run, event| observer.observe(run, event));
        let observed = observer.finish(self.trainer.step);
        ended.map_err(|error| self.with_last_state(error))?;
        let interrupted = interrupted();
        if interrupted || observed.printed.is_err() {
            self.save_interrupted();
        }
        if interrupted && observed.printed.is_ok() {
            return Ok(Ended::Interrupted);
        }
        interrupt::stop_waiting();
        let unsaved = observed.unsaved.clone();
        self.print_end(begun, observed)?;
        Ok(Ended::Finished { unsaved })
    }

    /// What has gone wrong, and what there is to resume: a state from which a
    /// step has been taken, and not the one at fault, which may be saved, too.
    fn with_last_state(&self, error: TrainError) -> Error {
        let (Some(file), TrainError::NonFinite { step, .. }) =
            (&self.file, &error)
        else {
            return error.into();
        };
        let is_good = |path: &&Path| {
            load(path).is_ok_and(|(saved, _)| saved.step < *step)
        };
        let path = file.path();
        match [path, file.best()].into_iter().find(is_good) {
            Some(good) => {
                let good = shown(good);
                format!("{error}; the last good state is in {good}").into()
            }
            None if path.exists() => {
                let path = shown(path);
                format!("{error}; in {path} is this state, and none before it")
                    .into()
            }
            None => error.into(),
        }
    }

    /// Saves a run in between two evaluations.
    fn save_interrupted(&self) {
        let Some(file) = &self.file else { return };
        let (step, path) = (self.trainer.step, shown(file.path()));
        warn(&match file.save(&self.trainer, false) {
            Ok(()) => format!(
                "\ninterrupted: step {step} is saved to {path}; continue with \
                 `{} resume {}{}`",
                program(),
                typed(file.path()),
                self.dataset.option(),
            ),
            Err(error) => {
                format!("\nerror: interrupted, and not saved to {error}")
            }
        });
    }

    /// Prints what has been done, and what comes next.
    fn print_end(&self, begun: usize, observed: Observed) -> Result<(), Error> {
        observed.printed?; // nobody reads on
        let (step, mut out) = (self.trainer.step, stdout());
        let steps = self.trainer.config().schedule.steps;
        match step - begun {
            0 => writeln!(
                out,
                "\nnothing left to train: this is step {step} of {steps}; to \
                 train longer, resume with a larger --steps"
            )?,
            _ => writeln!(
                out,
                "\ntrained in {:.1} s, {:.0} characters/s",
                observed.seconds, observed.speed
            )?,
        }
        if let (Some(file), None) = (&self.file, observed.unsaved) {
            writeln!(
                out,
                "checkpoint saved; generate more with `{} generate {}`",
                program(),
                typed(file.path()),
            )?;
        }
        Ok(())
    }
}

/// What not every run does.
fn extras(config: &TrainConfig) -> Vec<String> {
    let mut lines = Vec::new();
    let SequenceWarmup { length, steps } = config.sequence_warmup;
    if steps > 0 {
        lines.push(format!(
            "shorter sequences in the first {}: {}, and as many more of them",
            counted(steps, "step"),
            counted(length, "character"),
        ));
    }
    if config.average > 0.0 {
        lines.push(format!(
            "the weights averaged over the last {}% of the steps",
            percent(config.average),
        ));
    }
    if rounds_to_bf16() {
        lines.push("the factors of large products rounded to bf16".to_owned());
    }
    lines
}

/// A part in percent: 0.1 is 10, and not 10.000000149.
pub fn percent(part: f32) -> f32 {
    (part * 1000.0).round() / 10.0
}
