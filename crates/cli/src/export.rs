//! `microgpt export`: a model for other programs.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::HumanCount;
use microgpt::checkpoint::best_path;
use microgpt::gpt::Gpt;
use microgpt::hugging_face::{export, export_gguf};
use microgpt::tokenization::CharTokenizer;

use crate::checkpoint::load;
use crate::{Error, shown};

/// Write the model of a run for Hugging Face transformers or for llama.cpp
#[derive(Args)]
pub struct Options {
    /// The run, a file that `train` has saved
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The folder to create, for transformers
    #[arg(value_name = "DIR", required_unless_present = "gguf")]
    folder: Option<PathBuf>,
    /// The file to create, for llama.cpp and Ollama
    #[arg(long, value_name = "FILE", conflicts_with = "folder")]
    gguf: Option<PathBuf>,
}

/// A model to export.
pub struct Job {
    model: Gpt,
    tokenizer: CharTokenizer,
    step: usize,
    target: Target,
}

/// Where it goes.
enum Target {
    Folder(PathBuf),
    Gguf(PathBuf),
}

impl Options {
    /// What they ask for.
    pub fn job(self) -> Result<Job, Error> {
        let Self { run, folder, gguf } = self;
        let target = match (folder, gguf) {
            (Some(folder), _) => Target::Folder(folder),
            (None, file) => Target::Gguf(file.ok_or("give DIR or --gguf")?),
        };
        let path = target.path();
        if path == best_path(&run) {
            Err(format!(
                "{}: the best state of the run has this name; give another",
                shown(path)
            ))?;
        }
        let (trainer, corpus) = load(&run)?;
        let (model, step) = (trainer.result().clone(), trainer.step);
        Ok(Job { model, tokenizer: corpus.tokenizer, step, target })
    }
}

impl Target {
    fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::Gguf(path) => path,
        }
    }

    /// Writes the model there; what to do with it.
    fn write(
        &self,
        model: &Gpt,
        tokenizer: &CharTokenizer,
    ) -> Result<String, Error> {
        let name = self.path().display().to_string();
        match self {
            Self::Folder(path) => {
                let open = format!(
                    "open it in Python with \
                     `transformers.AutoModelForCausalLM.from_pretrained\
                     ({name:?})`"
                );
                Ok(match export(path, model, tokenizer)? {
                    Some(_) => open,
                    None => open + WITHOUT_PADDING,
                })
            }
            Self::Gguf(path) => {
                export_gguf(path, model, tokenizer)?;
                let room = model.config().block_size;
                Ok(format!(
                    "open it with llama.cpp; a prompt and its text have room \
                     for {room} characters together"
                ))
            }
        }
    }
}

/// What to do where there is no token to pad with.
const WITHOUT_PADDING: &str = "
trained so little, it has no token for padding; for batches of several texts,
say `tokenizer.pad_token, tokenizer.padding_side = \"\\n\", \"left\"` there";

impl Job {
    pub fn run(self) -> Result<(), Error> {
        let Self { model, tokenizer, step, target } = self;
        let next = target.write(&model, &tokenizer)?;
        let (step, path) = (HumanCount(step as u64), shown(target.path()));
        writeln!(stdout(), "the model of step {step} is in {path}\n{next}")?;
        Ok(())
    }
}
