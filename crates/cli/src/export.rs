//! `microgpt export`: a model for other programs.

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::Args;
use indicatif::HumanCount;
use microgpt::checkpoint::best_path;
use microgpt::gpt::Gpt;
use microgpt::hugging_face;
use microgpt::tokenization::CharTokenizer;

use crate::checkpoint::load;
use crate::{Error, shown};

/// Write the model of a run to a folder for Hugging Face transformers
#[derive(Args)]
pub struct Options {
    /// The run, a file that `train` has saved
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The folder to create
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// A model to export.
pub struct Job {
    model: Gpt,
    tokenizer: CharTokenizer,
    step: usize,
    folder: PathBuf,
}

impl Options {
    /// What they ask for.
    pub fn job(self) -> Result<Job, Error> {
        let Self { run, folder } = self;
        if folder == best_path(&run) {
            Err(format!(
                "{}: the best state of the run has this name; give another",
                shown(&folder)
            ))?;
        }
        let (trainer, corpus) = load(&run)?;
        let (model, step) = (trainer.result().clone(), trainer.step);
        Ok(Job { model, tokenizer: corpus.tokenizer, step, folder })
    }
}

impl Job {
    pub fn run(self) -> Result<(), Error> {
        let Self { model, tokenizer, step, folder } = self;
        let end = hugging_face::export(&folder, &model, &tokenizer)?;
        writeln!(
            stdout(),
            "the model of step {} is in {}\nopen it in Python with \
             `transformers.AutoModelForCausalLM.from_pretrained({folder:?})`{}",
            HumanCount(step as u64),
            shown(&folder),
            if end.is_some() { "" } else { WITHOUT_PADDING },
            folder = folder.display().to_string(),
        )?;
        Ok(())
    }
}

/// What to do where there is no token to pad with.
const WITHOUT_PADDING: &str = "
trained so little, it has no token for padding; for batches of several texts,
say `tokenizer.pad_token, tokenizer.padding_side = \"\\n\", \"left\"` there";
