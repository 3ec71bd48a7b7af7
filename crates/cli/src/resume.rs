//! `microgpt resume`: a run is continued, to the bits that it would have had
//! without a stop.

use std::path::{Path, PathBuf};

use clap::Args;
use microgpt::checkpoint::RunFile;
use microgpt::training::Trainer;

use crate::Error;
use crate::checkpoint::{create_error, load, resume_error};
use crate::dataset::Dataset;
use crate::generation::Sampling;
use crate::session::Session;
use crate::settings::{Training, check, setting_error};
use crate::terminal::start_threads;

/// Continue a run where it was saved, then generate with it
#[derive(Args)]
#[command(after_help = "\
Training goes on as it began, but for what these options change. The sizes of
the model, the random seed and the text stay those of the run.")]
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
        let dataset = Dataset::read(self.data)?;
        let (file, mut trainer) =
            open(&self.run, self.checkpoint.as_deref(), &dataset)?;
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
        trainer.reconfigure(config).map_err(setting_error)?;
        let (file, resumed) = (Some(file), Some(self.run));
        Ok(Session { dataset, trainer, file, resumed, generation, threads })
    }
}

/// The run in the file `from`, and where it is to be saved: there, or as a new
/// run in the file `to`.
fn open(
    from: &Path,
    to: Option<&Path>,
    dataset: &Dataset,
) -> Result<(RunFile, Trainer), Error> {
    let corpus = &dataset.corpus;
    let Some(to) = to.filter(|&to| to != from) else {
        return RunFile::resume(from, corpus).map_err(resume_error);
    };
    let file = RunFile::create(to, corpus).map_err(create_error)?;
    let (trainer, learned) = load(from)?;
    file.check_text(from, &learned).map_err(resume_error)?;
    Ok((file, trainer))
}
