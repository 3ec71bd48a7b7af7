//! How a model is shaped and trained: the options for it, and what they ask
//! for.

use clap::{Args, ValueEnum};
use microgpt::gpt::{ConfigError, GptConfig};
use microgpt::training::{
    AdamW, LrSchedule, SequenceWarmup, TrainConfig, TrainError,
};

use crate::Error;
use crate::terminal::memory::check_memory;

/// A model and its training that go together.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum Preset {
    Quick,
    #[default]
    Standard,
    Long,
}

impl Preset {
    pub fn sizes(self, vocab_size: usize) -> GptConfig {
        match self {
            Self::Quick => GptConfig::quick(vocab_size),
            Self::Standard => GptConfig::standard(vocab_size),
            Self::Long => GptConfig::long(vocab_size),
        }
    }

    pub fn config(self) -> TrainConfig {
        match self {
            Self::Quick => TrainConfig::quick(),
            Self::Standard => TrainConfig::default(),
            Self::Long => TrainConfig::long(),
        }
    }

    /// The numbers of all presets, for the help.
    pub fn table() -> String {
        let heading = "layers heads width context batch shards steps    lr";
        let mut table = format!("Preset  {heading} decay eval-interval\n");
        for preset in Self::value_variants() {
            let name = preset.to_possible_value();
            let name = name.as_ref().map_or("", |name| name.get_name());
            let (sizes, config) = (preset.sizes(1), preset.config());
            table += &format!(
                "{name:8}{:6} {:5} {:5} {:7} {:5} {:6} {:5} {:.3} {:5} {:13}\n",
                sizes.n_layer,
                sizes.n_head,
                sizes.n_embd,
                sizes.block_size,
                config.batch_size,
                config.shards,
                config.schedule.steps,
                config.schedule.max_lr,
                config.optimizer.weight_decay,
                config.eval_interval,
            );
        }
        table
    }
}

/// The options for a new model.
#[derive(Args)]
#[command(next_help_heading = "Model")]
pub struct Sizes {
    /// Transformer blocks
    #[arg(long, value_name = "N")]
    n_layer: Option<usize>,
    /// Attention heads in each block; must divide the width
    #[arg(long, value_name = "N")]
    n_head: Option<usize>,
    /// Width: numbers in the vector of each position
    #[arg(long, value_name = "N")]
    n_embd: Option<usize>,
    /// Context length, in characters
    #[arg(long, value_name = "N")]
    block_size: Option<usize>,
}

impl Sizes {
    /// What they ask for, on top of these.
    pub fn over(&self, base: GptConfig) -> GptConfig {
        GptConfig {
            n_layer: self.n_layer.unwrap_or(base.n_layer),
            n_head: self.n_head.unwrap_or(base.n_head),
            n_embd: self.n_embd.unwrap_or(base.n_embd),
            block_size: self.block_size.unwrap_or(base.block_size),
            vocab_size: base.vocab_size,
        }
    }
}

/// The options for training.
#[derive(Args)]
#[command(next_help_heading = "Training")]
pub struct Training {
    /// Training steps in all
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Peak learning rate; it falls to a tenth of this
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    lr: Option<f32>,
    /// Sequences in each batch
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// First steps with sequences a quarter as long, and four times
    /// as many of them
    #[arg(long, value_name = "N")]
    pub short_steps: Option<usize>,
    /// What AdamW adds to the root of the mean square
    #[arg(long, value_name = "EPS", allow_hyphen_values = true)]
    epsilon: Option<f32>,
    /// Weight decay of AdamW
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    weight_decay: Option<f32>,
    /// Average weights over this last part of the steps; 0 for none,
    /// 0.1 in all presets
    #[arg(long, value_name = "0-1", allow_hyphen_values = true)]
    average: Option<f32>,
    /// Steps from one evaluation to the next
    #[arg(long, value_name = "N")]
    eval_interval: Option<usize>,
}

impl Training {
    /// Whether they ask for a learning rate.
    pub fn names_rate(&self) -> bool {
        self.lr.is_some()
    }

    /// What they ask for, on top of this, for a model of such a context.
    pub fn over(&self, base: TrainConfig, block_size: usize) -> TrainConfig {
        let mut config = base;
        let LrSchedule { max_lr, steps, .. } = base.schedule;
        if self.steps.is_some() || self.lr.is_some() {
            let max_lr = self.lr.unwrap_or(max_lr);
            let steps = self.steps.unwrap_or(steps);
            config.schedule = LrSchedule::new(max_lr, steps);
        }
        if let Some(steps) = self.short_steps
            && steps != base.sequence_warmup.steps
        {
            let length = (block_size / 4).max(1);
            config.sequence_warmup = SequenceWarmup { length, steps };
        }
        let AdamW { epsilon, weight_decay, .. } = &mut config.optimizer;
        *epsilon = self.epsilon.unwrap_or(*epsilon);
        *weight_decay = self.weight_decay.unwrap_or(*weight_decay);
        config.batch_size = self.batch_size.unwrap_or(base.batch_size);
        config.average = self.average.unwrap_or(base.average);
        config.eval_interval = self.eval_interval.unwrap_or(base.eval_interval);
        config
    }
}

/// Refuses what cannot work, or not on this machine.
pub fn check(sizes: GptConfig, config: &TrainConfig) -> Result<(), Error> {
    sizes.validate().map_err(size_error)?;
    config.validate(&sizes).map_err(setting_error)?;
    check_memory(config.memory(&sizes)).map_err(|problem| {
        format!(
            "training at these sizes {problem}; choose a smaller model, \
             context length or batch"
        )
    })?;
    Ok(())
}

/// What is wrong with a size, under the name of its option.
fn size_error(error: ConfigError) -> Error {
    match error {
        ConfigError::Zero(name) => {
            let option = name.replace('_', "-");
            format!("--{option} 0: must be at least 1").into()
        }
        ConfigError::HeadsDoNotDivide { n_head, n_embd } => format!(
            "--n-head {n_head}: so many heads cannot share a width of {n_embd} \
             evenly; choose --n-embd as a multiple of --n-head"
        )
        .into(),
        error => error.into(),
    }
}

/// What is wrong with a setting, under the name of its option.
pub fn setting_error(error: TrainError) -> Error {
    match error {
        TrainError::Setting { name, value, problem } => {
            let option = name.replace('_', "-");
            format!("--{option} {value}: {problem}").into()
        }
        error => error.into(),
    }
}
