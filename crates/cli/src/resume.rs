//! `microgpt resume`: a run is continued, to the bits that it would have had
//! without a stop.

use std::path::{Path, PathBuf};

use clap::Args;
use microgpt::checkpoint::RunFile;
use microgpt::training::{LrSchedule, Trainer};

use crate::Error;
use crate::checkpoint::{create, load, resume, resume_error};
use crate::dataset::Dataset;
use crate::generation::Sampling;
use crate::session::Session;
use crate::settings::{Training, check, setting_error};
use crate::terminal::{start_threads, warn};

/// Continue a run where it was saved, then generate with it
#[derive(Args)]
#[command(after_help = "\
Training goes on as it began, but for what these options change. The sizes of
the model, the seed, the shards and the text stay those of the run.")]
pub struct Options {
    /// The run, a file that `train` or `import` has saved
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The text of the run [default: the sonnets]
    #[arg(long, value_name = "TEXT")]
    data: Option<PathBuf>,
    /// Save to this file from now on [default: RUN]
    #[arg(long, value_name = "NEW")]
    checkpoint: Option<PathBuf>,
    /// Threads; they do not change results [default: cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    training: Training,
    #[command(flatten)]
    sampling: Sampling,
}

impl Options {
    /// The run that they ask for.
    pub fn session(self) -> Result<Session, Error> {
        let threads = start_threads(self.threads)?;
        let mut dataset = Dataset::read(self.data)?;
        let (file, mut trainer) =
            open(&self.run, self.checkpoint.as_deref(), &mut dataset)?;
        let sizes = trainer.model.config();
        let config = self.training.over(*trainer.config(), sizes.block_size);
        check(sizes, &config)?;
        if let Some(steps) = self.training.short_steps.filter(|&n| n > 0)
            && trainer.config().sequence_warmup.steps == 0
        {
            // It would overwrite positions, perhaps of an imported model
            Err(format!(
                "--short-steps {steps}: the run began without shorter \
                 sequences; only a new one can begin with them"
            ))?;
        }
        dataset.check_length(sizes.block_size)?;
        let beginning = dataset.beginning();
        let generation =
            self.sampling.checked(dataset.tokenizer(), beginning)?;
        let before = trainer.config().schedule;
        trainer.reconfigure(config).map_err(setting_error)?;
        if !self.training.names_rate()
            && let Some(jump) = jump(before, config.schedule, trainer.step)
        {
            warn(&format!("warning: {jump}"));
        }
        let (file, resumed) = (Some(file), Some(self.run));
        Ok(Session { dataset, trainer, file, resumed, generation, threads })
    }
}

/// What to say if the learning rate of step `step` is another than before, by
/// more than a tenth; and by which option it would go on smoothly.
fn jump(before: LrSchedule, now: LrSchedule, step: usize) -> Option<String> {
    let (was, is) = (before.at(step), now.at(step));
    if step == 0 || (is - was).abs() <= 0.1 * was {
        return None;
    }
    // A schedule of `LrSchedule::new` is proportional to its top
    let smooth = now.max_lr * (was / is);
    Some(format!(
        "with --steps {}, the learning rate goes from {was:.2e} to {is:.2e} at \
         step {step}; to go on smoothly from {was:.2e}, add --lr {smooth:.2e}",
        now.steps,
    ))
}

/// The run in the file `from`, and where it is to be saved: there, or as a new
/// run in the file `to`. The text takes over the characters of the run.
fn open(
    from: &Path,
    to: Option<&Path>,
    dataset: &mut Dataset,
) -> Result<(RunFile, Trainer), Error> {
    let Some(to) = to.filter(|&to| to != from) else {
        return resume(from, dataset);
    };
    let (trainer, learned) = load(from)?;
    dataset.adopt(&learned)?;
    let file = create(to, &dataset.corpus)?;
    file.check_text(from, &learned).map_err(resume_error)?;
    Ok((file, trainer))
}
