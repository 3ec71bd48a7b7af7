//! `microgpt train`: a new run.

use std::path::PathBuf;

use clap::Args;
use microgpt::gpt::Gpt;
use microgpt::training::Trainer;
use rand::{SeedableRng, rngs::ChaCha8Rng};

use crate::Error;
use crate::checkpoint::create;
use crate::dataset::Dataset;
use crate::generation::Sampling;
use crate::import::begin_with;
use crate::session::Session;
use crate::settings::{Preset, Sizes, Training, check, setting_error};
use crate::terminal::start_threads;

/// Train a model on a text, then generate with it
#[derive(Args)]
#[command(after_help = Preset::table())]
pub struct Options {
    /// Text to train on, UTF-8 [default: the sonnets]
    #[arg(long, value_name = "TEXT")]
    data: Option<PathBuf>,
    /// quick (seconds), standard (a minute) or long (an hour)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    preset: Preset,
    /// Save the run to this file at each evaluation
    #[arg(long, value_name = "RUN")]
    checkpoint: Option<PathBuf>,
    /// Start from the model in this exported folder
    #[arg(long, value_name = "DIR")]
    #[arg(conflicts_with_all = ["n_layer", "n_head", "n_embd"])]
    #[arg(conflicts_with_all = ["block_size", "short_steps"])]
    from: Option<PathBuf>,
    /// Threads; they do not change results [default: cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    training: Training,
    /// Random seed: same seed, same run [default: 1337]
    #[arg(long, help_heading = "Training", value_name = "N")]
    seed: Option<u64>,
    /// Parts of each batch, and so the most threads that a step can
    /// use; they change the last digits
    #[arg(long, help_heading = "Training", value_name = "N")]
    shards: Option<usize>,
    #[command(flatten)]
    sampling: Sampling,
}

impl Options {
    /// The run that they ask for.
    pub fn session(self) -> Result<Session, Error> {
        let threads = start_threads(self.threads)?;
        let (imported, dataset) = match &self.from {
            Some(folder) => {
                let (model, dataset) = begin_with(folder, self.data)?;
                (Some(model), dataset)
            }
            None => (None, Dataset::read(self.data)?),
        };
        let base = self.preset.sizes(dataset.tokenizer().vocab_size());
        let base = imported.as_ref().map_or(base, Gpt::config);
        let sizes = self.sizes.over(base);
        let mut config =
            self.training.over(self.preset.config(), sizes.block_size);
        config.seed = self.seed.unwrap_or(config.seed);
        config.shards = self.shards.unwrap_or(config.shards);
        check(sizes, &config)?;
        dataset.check_length(sizes.block_size)?;
        let beginning = dataset.beginning();
        let generation =
            self.sampling.checked(dataset.tokenizer(), beginning)?;
        let file = match &self.checkpoint {
            Some(path) => Some(create(path, &dataset.corpus)?),
            None => None,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let model = match imported {
            Some(model) => model,
            None => Gpt::new(sizes, &mut rng)?,
        };
        let trainer = Trainer::new(model, config).map_err(setting_error)?;
        let resumed = None;
        Ok(Session { dataset, trainer, file, resumed, generation, threads })
    }
}
