//! Everything in the file of a run that is not a tensor.

use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde::{Deserialize, Deserializer, Serialize};

use super::error::CheckpointError;
use super::{Corpus, VERSION};
use crate::Float;
use crate::gpt::{Gpt, GptConfig};
use crate::safetensors::check_memory;
use crate::tokenization::CharTokenizer;
use crate::training::{
    AdamW, LrSchedule, SequenceWarmup, TrainConfig, Trainer,
};

// ANCHOR: record
/// What is not a tensor; JSON, in this order. There is no record but of a run
/// that can go on.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    version: u32,
    #[serde(with = "Sizes")]
    model: GptConfig,
    vocabulary: String,
    text_bytes: u64,
    text_sha256: String,
    #[serde(with = "Settings")]
    training: TrainConfig,
    step: usize,
    moments: i32,   // steps that they have seen
    average: usize, // models that it has seen
    losses: (f64, usize),
    best: Option<f64>,
    batches: Stream,
    /// Of the record without this, and of the tensors.
    pub sha256: String,
}

/// A random stream, and how many words of it have been used.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    seed: [u8; 32],
    stream: u64,
    position: u128,
}
// ANCHOR_END: record

#[derive(Serialize, Deserialize)]
#[serde(remote = "GptConfig", deny_unknown_fields)]
struct Sizes {
    n_layer: usize,
    n_head: usize,
    n_embd: usize,
    block_size: usize,
    vocab_size: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "TrainConfig", deny_unknown_fields)]
struct Settings {
    batch_size: usize,
    #[serde(with = "Schedule")]
    schedule: LrSchedule,
    #[serde(with = "Warmup")]
    sequence_warmup: SequenceWarmup,
    #[serde(with = "Optimizer")]
    optimizer: AdamW,
    #[serde(deserialize_with = "null_is_infinite")]
    max_norm: Float,
    average: Float,
    eval_interval: usize,
    shards: usize,
    seed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "LrSchedule", deny_unknown_fields)]
struct Schedule {
    max_lr: Float,
    min_lr: Float,
    warmup: usize,
    steps: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SequenceWarmup", deny_unknown_fields)]
struct Warmup {
    length: usize,
    steps: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AdamW", deny_unknown_fields)]
struct Optimizer {
    beta1: Float,
    beta2: Float,
    epsilon: Float,
    weight_decay: Float,
}

/// JSON has no word for infinity, and `serde_json` writes `null`.
fn null_is_infinite<'de, D: Deserializer<'de>>(
    value: D,
) -> Result<Float, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or(Float::INFINITY))
}

fn damaged(reason: impl ToString) -> CheckpointError {
    CheckpointError::Record { reason: reason.to_string() }
}

impl Record {
    /// The record of a run, but for its digest.
    pub fn new<G>(
        trainer: &Trainer<G>,
        corpus: &Corpus,
    ) -> Result<Self, CheckpointError> {
        let rng = &trainer.rng;
        let record = Self {
            version: VERSION,
            model: trainer.model.config(),
            vocabulary: corpus.tokenizer.vocabulary().iter().collect(),
            text_bytes: corpus.bytes,
            text_sha256: corpus.sha256.clone(),
            training: *trainer.config(),
            step: trainer.step,
            moments: trainer.moments.steps,
            average: trainer.average.as_ref().map_or(0, |it| it.steps),
            losses: trainer.losses,
            best: trainer.best,
            batches: Stream {
                seed: rng.get_seed(),
                stream: rng.get_stream(),
                position: rng.get_word_pos(),
            },
            sha256: String::new(),
        };
        record.check()?;
        Ok(record)
    }

    /// Reads a record, if it is of a version that is known.
    pub fn parse(json: &str) -> Result<Self, CheckpointError> {
        #[derive(Deserialize)]
        struct Any {
            version: u32,
        }
        let Any { version } = serde_json::from_str(json).map_err(damaged)?;
        if version != VERSION {
            return Err(CheckpointError::Version { version });
        }
        let record: Self = serde_json::from_str(json).map_err(damaged)?;
        record.check()?;
        Ok(record)
    }
}

impl Record {
    /// Refuses numbers with which no run can go on.
    fn check(&self) -> Result<(), CheckpointError> {
        self.model.validate()?;
        self.training.validate(&self.model)?;
        let count = |n: usize| n <= TrainConfig::MAX_COUNT;
        let finite = |loss: f64| loss.is_finite();
        let hexadecimal = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        let digest = &self.text_sha256;
        let checks = [
            ("step", count(self.step)),
            ("moments", usize::try_from(self.moments).is_ok_and(count)),
            ("average", count(self.average)),
            ("losses", finite(self.losses.0) && count(self.losses.1)),
            ("best", self.best.is_none_or(finite)),
            ("batches.position", self.batches.position < 1 << 68),
            ("text_sha256", digest.len() == 64),
            ("text_sha256", digest.chars().all(hexadecimal)),
        ];
        if let Some((name, _)) = checks.into_iter().find(|(_, holds)| !holds) {
            return Err(damaged(format!("no run can have its {name}")));
        }
        let characters = self.tokenizer()?.vocab_size();
        let vocab_size = self.model.vocab_size;
        if characters != vocab_size {
            return Err(damaged(format!(
                "{characters} characters where the sizes say {vocab_size}"
            )));
        }
        Ok(())
    }

    fn tokenizer(&self) -> Result<CharTokenizer, CheckpointError> {
        let vocabulary = self.vocabulary.chars().collect();
        Ok(CharTokenizer::from_vocabulary(vocabulary)?)
    }
}

impl Record {
    /// The run of a record, with tensors yet to be filled, if `bytes` of them
    /// are as many as it needs.
    pub fn restore(
        &self,
        bytes: usize,
    ) -> Result<(Trainer, Corpus), CheckpointError> {
        let params = self.model.checked_num_params().unwrap_or(usize::MAX);
        let each = if self.training.average > 0.0 { 16 } else { 12 };
        if params > bytes / each {
            return Err(damaged(format!(
                "{params} parameters of {each} bytes each, in {bytes} bytes"
            )));
        }
        check_memory(Some(params * each / size_of::<Float>()))?;
        let tokenizer = self.tokenizer()?;
        let mut trainer = Trainer::new(Gpt::zeros(self.model), self.training)?;
        trainer.step = self.step;
        trainer.moments.steps = self.moments;
        if let Some(average) = &mut trainer.average {
            average.steps = self.average;
        }
        trainer.losses = self.losses;
        trainer.best = self.best;
        trainer.rng = ChaCha8Rng::from_seed(self.batches.seed);
        trainer.rng.set_stream(self.batches.stream);
        trainer.rng.set_word_pos(self.batches.position);
        let sha256 = self.text_sha256.clone();
        Ok((trainer, Corpus { tokenizer, bytes: self.text_bytes, sha256 }))
    }
}
