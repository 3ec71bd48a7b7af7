//! `microgpt import`: a model from a folder becomes a run.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use clap::Args;
use microgpt::checkpoint::RunFile;
use microgpt::gpt::Gpt;
use microgpt::hugging_face::{CharacterModel, import_characters};
use microgpt::tokenization::{CharTokenizer, TokenizerError};
use microgpt::training::{TrainConfig, Trainer, evaluate};

use crate::checkpoint::create;
use crate::dataset::Dataset;
use crate::settings::{check, setting_error};
use crate::terminal::memory::check_folder;
use crate::terminal::warn;
use crate::{Error, program, shown, typed};

/// Make a run of the model in a folder, to train it further
#[derive(Args)]
#[command(after_help = "\
The run is at step 0, with the training hyperparameters of the standard preset;
the options of `resume` change them.")]
pub struct Options {
    /// The folder, as `export` or Hugging Face transformers writes it; its
    /// tokens must be single characters
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The file to save the run to
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Text to train on, of characters that the model knows
    /// [default: the sonnets]
    #[arg(long, value_name = "TEXT")]
    data: Option<PathBuf>,
}

/// A run to save.
pub struct Job {
    dataset: Dataset,
    trainer: Trainer,
    file: RunFile,
}

impl Options {
    /// What they ask for.
    pub fn job(self) -> Result<Job, Error> {
        let (model, dataset) = begin_with(&self.folder, self.data)?;
        let (sizes, config) = (model.config(), TrainConfig::default());
        check(sizes, &config)?;
        dataset.check_length(sizes.block_size)?;
        let file = create(&self.run, &dataset.corpus)?;
        let trainer = Trainer::new(model, config).map_err(setting_error)?;
        Ok(Job { dataset, trainer, file })
    }
}

impl Job {
    pub fn run(self) -> Result<(), Error> {
        let Self { dataset, trainer, file } = self;
        let (_, validation) = dataset.parts();
        let loss = evaluate(&trainer.model, validation)?;
        if !loss.is_finite() {
            Err("the loss of this model is not finite: its weights are too \
                 large, or damaged; import another")?;
        }
        file.save(&trainer, false)?;
        let (program, run) = (program(), typed(file.path()));
        writeln!(
            stdout(),
            "validation loss {loss:.4} nats per character\n\
             checkpoint saved; train with `{program} resume {run}{}`,\n\
             or generate with `{program} generate {run}`",
            dataset.option(),
        )?;
        Ok(())
    }
}

/// The model in a folder, and its characters.
pub fn read_folder(folder: &Path) -> Result<(Gpt, CharTokenizer), Error> {
    let name = shown(folder);
    check_folder(folder).map_err(|problem| format!("{name}: {problem}"))?;
    let CharacterModel { model, tokenizer, left_out } =
        import_characters(folder)?;
    if left_out > 0 {
        warn(&format!(
            "warning: {name}: rows of the token table that are no character's \
             are left out: {left_out}"
        ));
    }
    Ok((model, tokenizer))
}

/// The model in a folder, and a text of characters that it knows.
pub fn begin_with(
    folder: &Path,
    data: Option<PathBuf>,
) -> Result<(Gpt, Dataset), Error> {
    let (model, known) = read_folder(folder)?;
    let dataset =
        Dataset::read_with(data, known).map_err(|error| match error
            .downcast_ref::<TokenizerError>(
        ) {
            Some(error) => format!(
                "{error}, those of the model in {}; leave out the others, or \
                 give another text, by --data",
                shown(folder),
            )
            .into(),
            None => error,
        })?;
    Ok((model, dataset))
}
