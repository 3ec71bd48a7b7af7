//! # Training
//!
//! Batches of random windows, AdamW, a learning rate that rises and falls,
//! gradient clipping, the mean of the weights along the way, the gradient of a
//! batch on several threads, and a loop that reports how it goes.
//!
//! Threads are rayon's: all of them, or those of the pool in which a function
//! is called. Their number never changes a result.
//!
//! To copy this module, bring `gpt` beside it and what it needs, the crate
//! `rayon`, and of `rand` the feature `chacha`.

use std::f64::consts::PI;
use std::fmt;
use std::ops::ControlFlow;

use ndarray::Dimension;
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
use rayon::prelude::*;

use super::gpt::{Gpt, GptConfig, Tensor, TensorName};
use super::orientation::dot;
use super::{Float, Matrix};

// ANCHOR: split
/// The most tokens that [`split`] keeps for validation: enough to tell two
/// losses apart by a hundredth of a nat.
pub const MAX_VALIDATION: usize = 200_000;

/// Cuts a sequence in two: a training set, and a validation set of the last
/// tenth, or of the last [`MAX_VALIDATION`] if that is less. Nothing is
/// shuffled, so no window straddles the cut.
pub fn split<T>(data: &[T]) -> (&[T], &[T]) {
    let validation = data.len().div_ceil(10).min(MAX_VALIDATION);
    data.split_at(data.len() - validation)
}
// ANCHOR_END: split

// ANCHOR: batch
/// Windows of text, and for each position the token that follows it.
///
/// ```
/// use microgpt::training::Batch;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let ids: Vec<u16> = (0..100).collect();
/// let mut rng = ChaCha8Rng::seed_from_u64(1);
/// let batch = Batch::random(&ids, 2, 8, &mut rng)?; // two windows of eight
/// assert_eq!(batch.inputs.len(), 16);
/// assert_eq!(batch.targets[0], batch.inputs[0] + 1);
/// # Ok::<(), microgpt::training::TrainError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `[B·T]`: `B` windows one behind the other.
    pub inputs: Vec<u16>,
    /// `[B·T]`: the same windows, one position later in the text.
    pub targets: Vec<u16>,
    /// Positions in each window, `T`.
    pub t: usize,
}
// ANCHOR_END: batch

// ANCHOR: batch_random
impl Batch {
    /// Cuts `batch_size` windows of `t` positions out of `data`, each starting
    /// anywhere with equal probability. Windows may overlap.
    ///
    /// # Errors
    /// [`TrainError::TooShort`] unless `data` has at least `t + 1` tokens: a
    /// window, and one more to predict.
    pub fn random(
        data: &[u16],
        batch_size: usize,
        t: usize,
        rng: &mut impl Rng,
    ) -> Result<Self, TrainError> {
        let Some(starts) = data.len().checked_sub(t).filter(|&n| n > 0) else {
            let (tokens, needed) = (data.len(), t.saturating_add(1));
            return Err(TrainError::TooShort { tokens, needed });
        };
        let mut inputs = Vec::with_capacity(batch_size * t);
        let mut targets = Vec::with_capacity(batch_size * t);
        for _ in 0..batch_size {
            let start = rng.random_range(0..starts as u64) as usize;
            inputs.extend_from_slice(&data[start..start + t]);
            targets.extend_from_slice(&data[start + 1..start + t + 1]);
        }
        Ok(Self { inputs, targets, t })
    }
}
// ANCHOR_END: batch_random

// ANCHOR: adamw
/// AdamW: steps of a size that hardly depends on the gradient's, and a decay
/// of the weights beside it.
///
/// ```
/// use microgpt::gpt::{Gpt, GptConfig};
/// use microgpt::training::{AdamW, Moments};
///
/// let mut model = Gpt::zeros(GptConfig::quick(2));
/// let mut moments = Moments::new(&model);
/// let mut grad = model.zeros_like();
/// grad.norm.bias[0] = 0.001;
/// AdamW::default().step(&mut moments, &mut model, &grad, 0.1);
/// assert!((model.norm.bias[0] + 0.1).abs() < 1e-5); // one learning rate down
/// ```
///
/// Kingma & Ba (2015), Algorithm 1; Loshchilov & Hutter (2019), Algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// How long the mean gradient remembers, `β₁`.
    pub beta1: Float,
    /// How long the mean square remembers, `β₂`.
    pub beta2: Float,
    /// `ε`, which keeps a parameter without gradient from a division by zero.
    pub epsilon: Float,
    /// `λ`: the fraction of a weight that is lost per unit of learning rate.
    pub weight_decay: Float,
}

/// What AdamW remembers of the gradients so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// The running mean of the gradient, `m`.
    pub mean: Gpt,
    /// The running mean of its square, `v`.
    pub square: Gpt,
    /// Steps taken.
    pub steps: i32,
}
// ANCHOR_END: adamw

// ANCHOR: adamw_new
impl Default for AdamW {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.1 }
    }
}

impl Moments {
    /// No memory yet, in the shape of `model`.
    pub fn new(model: &Gpt) -> Self {
        Self { mean: model.zeros_like(), square: model.zeros_like(), steps: 0 }
    }
}
// ANCHOR_END: adamw_new

// ANCHOR: adamw_decays
impl AdamW {
    /// Whether a tensor decays: matrices do, and both embedding tables are
    /// matrices; biases and gains, of one dimension, do not.
    pub fn decays<Data>(tensor: &Tensor<Data>) -> bool {
        tensor.shape.ndim() == 2
    }
}
// ANCHOR_END: adamw_decays

// ANCHOR: adamw_step
impl AdamW {
    /// One step: with `g` the gradient, `t` the number of this step and
    /// `λ = 0` for what does not decay,
    ///
    /// - `m ← β₁·m + (1 − β₁)·g`, `v ← β₂·v + (1 − β₂)·g²`
    /// - `w ← w·(1 − η·λ) − η·(m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε)`
    ///
    /// # Panics
    /// If `moments`, `model` and `grad` are not of one shape.
    pub fn step(
        &self,
        moments: &mut Moments,
        model: &mut Gpt,
        grad: &Gpt,
        lr: Float,
    ) {
        let Self { beta1, beta2, epsilon, weight_decay } = *self;
        let Moments { mean, square, steps } = moments;
        *steps += 1;
        let mean_scale = 1.0 / (1.0 - beta1.powi(*steps));
        let square_scale = 1.0 / (1.0 - beta2.powi(*steps));
        let weights = model.tensors_mut().into_par_iter();
        let moments = (mean.tensors_mut(), square.tensors_mut());
        let tensors = weights.zip(grad.tensors()).zip(moments);
        tensors.for_each(|((weight, grad), (mean, square))| {
            assert_eq!(weight.shape, grad.shape, "{}", weight.name);
            assert_eq!(weight.shape, mean.shape, "{}", weight.name);
            let decays = Self::decays(&weight);
            let keep = if decays { 1.0 - lr * weight_decay } else { 1.0 };
            let moments = mean.data.iter_mut().zip(square.data);
            let weights = weight.data.iter_mut().zip(grad.data);
            for ((w, &g), (m, v)) in weights.zip(moments) {
                *m = beta1 * *m + (1.0 - beta1) * g;
                *v = beta2 * *v + (1.0 - beta2) * g * g;
                let scale = (*v * square_scale).sqrt() + epsilon;
                *w = keep * *w - lr * (*m * mean_scale) / scale;
            }
        });
    }
}
// ANCHOR_END: adamw_step

// ANCHOR: schedule
/// The learning rate as a function of the step: a straight rise, then half a
/// period of a cosine down to `min_lr`, where it stays.
///
/// The cosine is Loshchilov & Hutter's (2017), eq. 5, without restarts.
///
/// ```
/// use microgpt::training::LrSchedule;
///
/// let schedule = LrSchedule::new(3e-3, 1500);
/// assert_eq!(schedule.warmup, 100);
/// assert_eq!(schedule.at(100), 3e-3); // the top
/// assert_eq!(schedule.at(1500), 3e-4); // the end
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrSchedule {
    /// The rate at the top, per step.
    pub max_lr: Float,
    /// The rate at the end.
    pub min_lr: Float,
    /// Steps of the rise.
    pub warmup: usize,
    /// The step at which the end is reached.
    pub steps: usize,
}
// ANCHOR_END: schedule

// ANCHOR: schedule_at
impl LrSchedule {
    /// Rises to `max_lr` over a tenth of the steps, or over 100 if that is
    /// less, and falls to a tenth of it.
    pub fn new(max_lr: Float, steps: usize) -> Self {
        let (min_lr, warmup) = (max_lr / 10.0, (steps / 10).min(100));
        Self { max_lr, min_lr, warmup, steps }
    }

    /// The rate of step `step`, which counts from zero.
    pub fn at(&self, step: usize) -> Float {
        if step < self.warmup {
            let share = (step + 1) as Float / (self.warmup + 1) as Float;
            return self.max_lr * share;
        }
        if step >= self.steps {
            return self.min_lr;
        }
        let way =
            (step - self.warmup) as f64 / (self.steps - self.warmup) as f64;
        let share = (0.5 * (1.0 + (PI * way).cos())) as Float;
        self.min_lr + share * (self.max_lr - self.min_lr)
    }
}
// ANCHOR_END: schedule_at

// ANCHOR: clip_grad_norm
/// Shortens a gradient that is longer than `max_norm` to that length, and
/// returns the length it had: the root of the sum of squares over *all*
/// parameters, so that its direction stays.
///
/// Pascanu, Mikolov & Bengio (2013), §3.2.
pub fn clip_grad_norm(grad: &mut Gpt, max_norm: Float) -> Float {
    let squares: Vec<Float> = grad
        .tensors()
        .into_par_iter()
        .map(|tensor| tensor.data.chunks(1024).map(|x| dot(x, x)).sum())
        .collect();
    let norm = squares.iter().sum::<Float>().sqrt();
    if norm > max_norm {
        let scale = max_norm / norm;
        grad.tensors_mut().into_par_iter().for_each(|tensor| {
            tensor.data.iter_mut().for_each(|x| *x *= scale);
        });
    }
    norm
}
// ANCHOR_END: clip_grad_norm

// ANCHOR: evaluate
/// The mean loss over the whole of `data`, in nats per token.
///
/// Cuts it into windows of `block_size` that follow each other without overlap;
/// the last may be shorter. About [`PIECE`] positions go through the model
/// together. Nothing is drawn at random: the same model and data give the same
/// number.
///
/// # Errors
/// [`TrainError::TooShort`] if there are not two tokens.
///
/// # Panics
/// If a token is outside the model's vocabulary.
pub fn evaluate(model: &Gpt, data: &[u16]) -> Result<f64, TrainError> {
    let Some(last) = data.len().checked_sub(1).filter(|&last| last > 0) else {
        let tokens = data.len();
        return Err(TrainError::TooShort { tokens, needed: 2 });
    };
    let t = model.embeddings.position.nrows();
    let piece = (PIECE / t).max(1) * t; // positions, of whole windows
    let whole = last / t * t;
    let starts = (0..whole).step_by(piece);
    let mut cuts: Vec<usize> = starts.chain([whole, last]).collect();
    cuts.dedup(); // if the last window is whole
    let losses: Vec<f64> = cuts
        .par_windows(2)
        .map(|cut| {
            let inputs = &data[cut[0]..cut[1]];
            let targets = &data[cut[0] + 1..=cut[1]];
            let mean = model.loss(inputs, targets, t.min(inputs.len()));
            f64::from(mean) * inputs.len() as f64
        })
        .collect();
    Ok(losses.iter().sum::<f64>() / last as f64)
}
// ANCHOR_END: evaluate

// ANCHOR: average
/// The mean of the models along the last part of a run, whichever step it has
/// come to.
///
/// After `n` models it is `p/2·(n − 1)` steps old, as a plain mean over the
/// last part `p` would be. A model counts in proportion to about a power of
/// its step, `2/p − 2`.
///
/// Polynomial-decay averaging: Shamir & Zhang (2013), eq. 10.
#[derive(Clone, Debug, PartialEq)]
pub struct Average {
    /// The mean; until the first update, the model that it was given.
    pub model: Gpt,
    /// Models taken in, `n`.
    pub steps: usize,
}
// ANCHOR_END: average

// ANCHOR: average_update
impl Average {
    /// A mean of no model yet, in the shape of `model`.
    pub fn new(model: Gpt) -> Self {
        Self { model, steps: 0 }
    }

    /// Takes in the next model `w`: `a ← a + s·(w − a)` with
    /// `s = (2 − p) / (p·n + 2 − 2p)`.
    ///
    /// `part` is `p`: from 0 for the last model alone to 1 for the plain mean.
    ///
    /// # Panics
    /// If `model` has another shape than the mean.
    pub fn update(&mut self, model: &Gpt, part: Float) {
        self.steps += 1;
        let (p, n) = (part, self.steps as Float);
        let share = (2.0 - p) / (p * n + 2.0 - 2.0 * p);
        let tensors = (self.model.tensors_mut(), model.tensors());
        tensors.into_par_iter().for_each(|(mean, weight)| {
            assert_eq!(mean.shape, weight.shape, "{}", mean.name);
            for (a, w) in mean.data.iter_mut().zip(weight.data) {
                *a += share * (w - *a);
            }
        });
    }
}
// ANCHOR_END: average_update

// ANCHOR: gradients
/// What finds the loss of a batch and its gradient.
pub trait Gradients {
    /// The mean loss over `batch`, in nats per token, and its gradient.
    ///
    /// The models of all calls must have one shape: the gradient's memory is
    /// kept from one call to the next.
    ///
    /// # Panics
    /// As [`Gpt::loss`].
    fn compute(&mut self, model: &Gpt, batch: &Batch) -> (Float, &mut Gpt);
}

/// [`Gradients`] on the threads of one machine (data parallelism).
///
/// A batch is cut into shards, and each shard is worked on by one thread.
/// Floats added in another order give another sum, so the shards do not depend
/// on the number of threads, and their gradients are added in a fixed order. An
/// empty batch has a loss and a gradient of zero.
#[derive(Clone, Debug)]
pub struct ShardedGradients {
    shards: usize,
    grads: Vec<Gpt>, // one for each shard
}
// ANCHOR_END: gradients

// ANCHOR: sharded
/// About how many positions of a shard go through the model together.
///
/// Enough to keep a processor's multipliers busy; more would only take more
/// memory, for all that the backward pass has to remember.
pub const PIECE: usize = 512; // positions

impl ShardedGradients {
    /// For batches that are cut into `shards` shards (at least one), or one for
    /// each window if they have fewer windows.
    pub fn new(shards: usize) -> Self {
        Self { shards: shards.max(1), grads: Vec::new() }
    }
}

impl Gradients for ShardedGradients {
    fn compute(&mut self, model: &Gpt, batch: &Batch) -> (Float, &mut Gpt) {
        let Batch { inputs, targets, t } = batch;
        assert_eq!(inputs.len(), targets.len(), "one target for each input");
        let shard = (inputs.len() / t).div_ceil(self.shards).max(1) * t;
        let piece = (PIECE / t).max(1) * t; // whole windows, like a shard
        let shards = inputs.len().div_ceil(shard).max(1);
        self.grads.resize_with(shards, || model.zeros_like());
        let scale = 1.0 / inputs.len() as Float;
        let shards = self.grads.par_iter_mut().enumerate();
        let losses = shards.map(|(i, grad)| {
            grad.fill_with_zeros();
            let rows = i * shard..inputs.len().min((i + 1) * shard);
            let (inputs, targets) = (&inputs[rows.clone()], &targets[rows]);
            let pieces = inputs.chunks(piece).zip(targets.chunks(piece));
            pieces.map(|(x, y)| model.accumulate(x, y, *t, scale, grad)).sum()
        });
        let losses: Vec<Float> = losses.collect();
        add_in_order(&mut self.grads);
        (losses.iter().sum(), &mut self.grads[0])
    }
}
// ANCHOR_END: sharded

// ANCHOR: add_in_order
/// `grads[0] += grads[1] + grads[2] + …`, each tensor by one thread.
fn add_in_order(grads: &mut [Gpt]) {
    let Some((first, others)) = grads.split_first_mut() else { return };
    let others: Vec<_> = others.iter().map(|other| other.tensors()).collect();
    let sums = first.tensors_mut().into_par_iter().enumerate();
    sums.for_each(|(i, sum)| {
        for other in &others {
            for (sum, term) in sum.data.iter_mut().zip(other[i].data) {
                *sum += term;
            }
        }
    });
}
// ANCHOR_END: add_in_order

// ANCHOR: sequence_warmup
/// Sequence-length warm-up: in the first steps of a run, shorter windows, and
/// as many more of them.
///
/// After the last of these steps the rows of the position table that they
/// reached are repeated to its end, over what was there: so this is for a
/// model that has learned nothing yet.
///
/// Press, Smith & Lewis (2021), staged training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceWarmup {
    /// Positions in each window, from 1 to the model's `block_size`.
    pub length: usize,
    /// Steps that are taken with them; 0 for none.
    pub steps: usize,
}

impl SequenceWarmup {
    /// No step with shorter windows.
    pub const NONE: Self = Self { length: 1, steps: 0 };
}
// ANCHOR_END: sequence_warmup

// ANCHOR: train_config
/// How to train: all that a run is told before its first step.
///
/// ```
/// use microgpt::gpt::GptConfig;
/// use microgpt::training::{AdamW, TrainConfig};
///
/// let config = TrainConfig { batch_size: 2, ..TrainConfig::default() };
/// let model = GptConfig::standard(65);
/// config.validate(&model)?;
/// println!("about {:.0} MB", config.memory(&model) / 1e6);
///
/// let optimizer = AdamW { beta1: 1.0, ..AdamW::default() };
/// let error = TrainConfig { optimizer, ..config }.validate(&model);
/// let error = error.unwrap_err().to_string();
/// assert_eq!(error, "beta1 1: must be at least 0 and below 1");
/// # Ok::<(), microgpt::training::TrainError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainConfig {
    /// Windows in a batch, `B`.
    pub batch_size: usize,
    /// Learning rate and number of steps.
    pub schedule: LrSchedule,
    /// Shorter windows at the beginning.
    pub sequence_warmup: SequenceWarmup,
    /// How a gradient becomes a step.
    pub optimizer: AdamW,
    /// The longest gradient that is not clipped.
    pub max_norm: Float,
    /// Over which part of the steps so far the weights are averaged, `p`: 0
    /// for the last weights alone, 1 for all of them alike.
    pub average: Float,
    /// Steps from one evaluation to the next.
    pub eval_interval: usize,
    /// Shards of a batch, each for one thread: the most threads that a step can
    /// use. Another number of shards changes the last digits.
    pub shards: usize,
    /// From which the random numbers of the batches follow.
    pub seed: u64,
}
// ANCHOR_END: train_config

// ANCHOR: train_config_presets
/// For [`GptConfig::standard`] and the sonnets.
impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            batch_size: 16,
            schedule: LrSchedule::new(3e-3, 1500),
            sequence_warmup: SequenceWarmup::NONE,
            optimizer: AdamW::default(),
            max_norm: 1.0,
            average: 0.1,
            eval_interval: 150,
            shards: 4, // the most threads for a step
            seed: 1337,
        }
    }
}

impl TrainConfig {
    /// For [`GptConfig::quick`].
    pub fn quick() -> Self {
        let schedule = LrSchedule::new(4e-3, 400);
        Self { schedule, eval_interval: 100, ..Self::default() }
    }

    /// For [`GptConfig::long`]. Up to eight threads can share a step.
    pub fn long() -> Self {
        Self {
            batch_size: 8,
            schedule: LrSchedule::new(2e-3, 18_000),
            optimizer: AdamW { weight_decay: 2.0, ..AdamW::default() },
            eval_interval: 500,
            shards: 8,
            ..Self::default()
        }
    }
}
// ANCHOR_END: train_config_presets

// ANCHOR: train_config_validate
impl TrainConfig {
    /// The most steps, of a run, of its warm-up or between two evaluations, and
    /// the most windows in a batch: sums of two of them fit where counts do.
    pub const MAX_COUNT: usize = (1 << 30) - 1;

    /// The most shards: each has a gradient of its own.
    pub const MAX_SHARDS: usize = 1024;

    /// Refuses settings that cannot work, for a model of these sizes.
    ///
    /// # Errors
    /// [`TrainError::Setting`], with the name of the setting.
    pub fn validate(&self, model: &GptConfig) -> Result<(), TrainError> {
        let LrSchedule { max_lr, min_lr, warmup, steps } = self.schedule;
        let AdamW { beta1, beta2, epsilon, weight_decay } = self.optimizer;
        let most = Self::MAX_COUNT;
        count("batch_size", self.batch_size, 1, most)?;
        count("steps", steps, 0, most)?;
        count("warmup", warmup, 0, most)?;
        not_negative("lr", max_lr)?;
        not_negative("min_lr", min_lr)?;
        let SequenceWarmup { length, steps } = self.sequence_warmup;
        count("short_length", length, 1, model.block_size)?;
        count("short_steps", steps, 0, most)?;
        below_one("beta1", beta1)?;
        below_one("beta2", beta2)?;
        not_negative("epsilon", epsilon)?;
        not_negative("weight_decay", weight_decay)?;
        let norm = self.max_norm;
        check("max_norm", norm, norm > 0.0, "must be above 0")?;
        let part = self.average;
        let is_part = (0.0..=1.0).contains(&part);
        check("average", part, is_part, "must be from 0 to 1")?;
        count("eval_interval", self.eval_interval, 1, most)?;
        count("shards", self.shards, 1, Self::MAX_SHARDS)
    }
}
// ANCHOR_END: train_config_validate

/// A number that must be within bounds.
fn count(
    name: &'static str,
    n: usize,
    least: usize,
    most: usize,
) -> Result<(), TrainError> {
    let wanted = format!("must be from {least} to {most}");
    check(name, n, (least..=most).contains(&n), &wanted)
}

fn not_negative(name: &'static str, x: Float) -> Result<(), TrainError> {
    check(name, x, x.is_finite() && x >= 0.0, "must be a number, not negative")
}

fn below_one(name: &'static str, x: Float) -> Result<(), TrainError> {
    let holds = (0.0..1.0).contains(&x);
    check(name, x, holds, "must be at least 0 and below 1")
}

fn check(
    name: &'static str,
    value: impl fmt::Display,
    holds: bool,
    wanted: &str,
) -> Result<(), TrainError> {
    if holds {
        return Ok(());
    }
    let (value, problem) = (value.to_string(), wanted.to_owned());
    Err(TrainError::Setting { name, value, problem })
}

// ANCHOR: max_threads
impl TrainConfig {
    /// The most threads that a step on windows of full length has work for, one
    /// for each shard: twelve windows in eight shards are two in each of six.
    pub fn max_threads(&self) -> usize {
        let in_a_shard = self.batch_size.div_ceil(self.shards.max(1));
        self.batch_size.div_ceil(in_a_shard.max(1))
    }
}
// ANCHOR_END: max_threads

impl TrainConfig {
    /// About how many bytes of memory training takes, on the threads of the
    /// present pool: the weights, perhaps their mean, two moments and a gradient
    /// for each shard; and what the shards in progress keep for their backward
    /// pass.
    pub fn memory(&self, model: &GptConfig) -> f64 {
        let GptConfig { n_layer, n_head, n_embd, block_size, vocab_size } =
            *model;
        let params = model.checked_num_params().unwrap_or(usize::MAX) as f64;
        let models = if self.average > 0.0 { 4.0 } else { 3.0 };
        // While windows are shorter, there are more of them
        let SequenceWarmup { length, steps } = self.sequence_warmup;
        let shortest = if steps > 0 { length } else { block_size };
        let tokens = self.batch_size.saturating_mul(block_size);
        let shards = (tokens / shortest.max(1)).min(self.shards);
        let windows = self.batch_size.div_ceil(self.shards.max(1));
        let piece = windows.min((PIECE / block_size.max(1)).max(1));
        let threads = shards.min(rayon::current_num_threads()) as f64;
        let positions = piece as f64 * block_size as f64;
        let c = n_embd as f64;
        let block = 16.0 * c + n_head as f64 * block_size as f64 + 2.0; // its cache
        let working = 8.0 * c; // and, of one block, the gradients in between
        let head = 2.0 * c + 2.0 * vocab_size as f64;
        let row = n_layer as f64 * block + working + head;
        let numbers =
            params * (models + shards as f64) + threads * positions * row;
        numbers * size_of::<Float>() as f64
    }
}

// ANCHOR: trainer
/// A run in progress: everything that the next step depends on, and what the
/// run has to show.
///
/// ```
/// use microgpt::gpt::{Gpt, GptConfig};
/// use microgpt::training::{TrainConfig, Trainer};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(1);
/// let model = Gpt::new(GptConfig::quick(4), &mut rng)?;
/// let mut trainer = Trainer::new(model, TrainConfig::quick())?;
/// let report = trainer.take_step(&[0, 1, 2, 3].repeat(20))?;
/// assert_eq!((report.step, trainer.step), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Trainer<G = ShardedGradients> {
    /// The model as it is now.
    pub model: Gpt,
    /// What the optimizer remembers.
    pub moments: Moments,
    /// The mean of the models so far, if the settings ask for one.
    pub average: Option<Average>,
    /// Steps taken.
    pub step: usize,
    /// The random stream that batches are sampled from.
    pub rng: ChaCha8Rng,
    /// Sum and number of the batches' losses since the last evaluation.
    pub losses: (f64, usize),
    /// The lowest validation loss so far, in nats per token.
    pub best: Option<f64>,
    /// What finds the gradient of a batch.
    pub gradients: G,
    config: TrainConfig,
}
// ANCHOR_END: trainer

// ANCHOR: trainer_new
impl Trainer {
    /// Prepares a run.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a setting that cannot work.
    pub fn new(model: Gpt, config: TrainConfig) -> Result<Self, TrainError> {
        config.validate(&model.config())?;
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        rng.set_stream(1); // stream 0 is for the weights
        Ok(Self {
            moments: Moments::new(&model),
            average: (config.average > 0.0)
                .then(|| Average::new(model.clone())),
            step: 0,
            rng,
            losses: (0.0, 0),
            best: None,
            gradients: ShardedGradients::new(config.shards),
            config,
            model,
        })
    }

    /// The same run, with its gradients found by something else.
    pub fn with_gradients<G: Gradients>(self, gradients: G) -> Trainer<G> {
        let Self { model, moments, average, step, rng, .. } = self;
        let Self { losses, best, config, .. } = self;
        Trainer {
            model,
            moments,
            average,
            step,
            rng,
            losses,
            best,
            gradients,
            config,
        }
    }
}
// ANCHOR_END: trainer_new

impl<G> Trainer<G> {
    /// How the run is trained.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// Goes on with other settings.
    ///
    /// The seed and the shards stay as they are. The end of the run can move to
    /// no step that has been taken. The end of a sequence-length warm-up can
    /// move only while it is ahead, and to where it is ahead. A mean of the
    /// models that is new begins here.
    ///
    /// # Errors
    /// [`TrainError::Setting`]; then nothing has changed.
    pub fn reconfigure(
        &mut self,
        config: TrainConfig,
    ) -> Result<(), TrainError> {
        config.validate(&self.model.config())?;
        let (old, step) = (self.config, self.step);
        let fixed = |was: u64| format!("the run began with {was}; keep it");
        let TrainConfig { seed, shards, .. } = config;
        check("seed", seed, seed == old.seed, &fixed(old.seed))?;
        let same = shards == old.shards;
        check("shards", shards, same, &fixed(old.shards as u64))?;
        let end = config.schedule.steps;
        let problem = format!("the run is at step {step}; give at least that");
        let holds = end >= step || end == old.schedule.steps;
        check("steps", end, holds, &problem)?;
        let had = old.sequence_warmup.steps;
        let wanted = config.sequence_warmup.steps;
        let ahead = step <= had && step < wanted;
        let same = config.sequence_warmup == old.sequence_warmup;
        let end = match had {
            0 => "it has had no short windows".to_owned(),
            end => format!("its short windows end at step {end}"),
        };
        let problem = format!(
            "the run is at step {step}, and {end}; an end can be moved only \
             if it is ahead, and stay ahead"
        );
        check("short_steps", wanted, same || ahead, &problem)?;
        self.average = match self.average.take() {
            _ if config.average == 0.0 => None,
            None => Some(Average::new(self.model.clone())),
            average => average,
        };
        self.config = config;
        Ok(())
    }
}

// ANCHOR: next_batch
impl<G> Trainer<G> {
    /// Samples the windows of the next step from `data`.
    fn next_batch(&mut self, data: &[u16]) -> Result<Batch, TrainError> {
        let TrainConfig { batch_size, sequence_warmup, .. } = self.config;
        let context = self.model.embeddings.position.nrows();
        let short = self.step < sequence_warmup.steps;
        let t = if short { sequence_warmup.length } else { context };
        Batch::random(data, batch_size * context / t, t, &mut self.rng)
    }
}
// ANCHOR_END: next_batch

// ANCHOR: repeat_positions
/// Fills the rows from `t` on, which no window of `t` positions has reached,
/// with copies of those before: `row[p] = row[p mod t]`.
fn repeat_positions(table: &mut Matrix, t: usize) {
    for p in t..table.nrows() {
        let earlier = table.row(p - t).to_owned();
        table.row_mut(p).assign(&earlier);
    }
}
// ANCHOR_END: repeat_positions

// ANCHOR: step_report
/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The number of the step, from zero.
    pub step: usize,
    /// The batch's mean loss before the step, in nats per token.
    pub loss: Float,
    /// The gradient's length before clipping.
    pub grad_norm: Float,
    /// The learning rate.
    pub lr: Float,
}
// ANCHOR_END: step_report

// ANCHOR: take_step
impl<G: Gradients> Trainer<G> {
    /// Samples a batch from `data` and takes one step.
    ///
    /// # Errors
    /// [`TrainError::TooShort`] if `data` has no window, and
    /// [`TrainError::NonFinite`] if the loss or the gradient is no longer a
    /// number, in which case the model is left as it was.
    ///
    /// # Panics
    /// If a token is outside the model's vocabulary.
    pub fn take_step(
        &mut self,
        data: &[u16],
    ) -> Result<StepReport, TrainError> {
        let config = self.config;
        let batch = self.next_batch(data)?;
        let model = &mut self.model;
        let (loss, grad) = self.gradients.compute(model, &batch);
        let grad_norm = clip_grad_norm(grad, config.max_norm);
        if !loss.is_finite() || !grad_norm.is_finite() {
            let tensor = first_non_finite(model).or(first_non_finite(grad));
            return Err(TrainError::NonFinite { step: self.step, tensor });
        }
        let lr = config.schedule.at(self.step);
        config.optimizer.step(&mut self.moments, model, grad, lr);
        self.step += 1;
        let SequenceWarmup { length, steps } = config.sequence_warmup;
        if self.step == steps {
            repeat_positions(&mut model.embeddings.position, length);
        }
        if let Some(average) = &mut self.average {
            average.update(model, config.average);
        }
        Ok(StepReport { step: self.step - 1, loss, grad_norm, lr })
    }
}
// ANCHOR_END: take_step

// ANCHOR: first_non_finite
/// The first tensor that holds something that is not a finite number.
fn first_non_finite(model: &Gpt) -> Option<TensorName> {
    let mut tensors = model.tensors().into_iter();
    let bad = tensors.find(|tensor| !tensor.data.iter().all(|x| x.is_finite()));
    bad.map(|tensor| tensor.name)
}
// ANCHOR_END: first_non_finite

// ANCHOR: result
impl<G> Trainer<G> {
    /// What the run has to show: the mean of its models if it keeps one, and
    /// the model as it is now if not.
    pub fn result(&self) -> &Gpt {
        self.average.as_ref().map_or(&self.model, |average| &average.model)
    }
}
// ANCHOR_END: result

// ANCHOR: evaluation
/// What one evaluation found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Steps taken so far.
    pub step: usize,
    /// The mean of the batches' losses since the last evaluation, in nats per
    /// token; `None` before the first step.
    pub train_loss: Option<f64>,
    /// The loss of the run's [`result`](Trainer::result) over the whole
    /// validation split, in nats per token.
    pub validation_loss: f64,
}
// ANCHOR_END: evaluation

// ANCHOR: event
/// What an observer of [`Trainer::run`] is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// A step has been taken.
    Step(StepReport),
    /// The validation split has been scored.
    Evaluation(Evaluation),
}
// ANCHOR_END: event

// ANCHOR: run
impl<G: Gradients> Trainer<G> {
    /// Trains to the end of the schedule, and evaluates its result before the
    /// first step, every `eval_interval` steps and after the last. `observe` is
    /// told of each step and each evaluation, and may break off.
    ///
    /// # Errors
    /// As [`take_step`](Trainer::take_step) and [`evaluate`]. It panics where
    /// they do.
    pub fn run(
        &mut self,
        train: &[u16],
        validation: &[u16],
        mut observe: impl FnMut(&Self, Event) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        loop {
            let finished = self.step >= self.config.schedule.steps;
            if finished || self.step.is_multiple_of(self.config.eval_interval) {
                let validation_loss = evaluate(self.result(), validation)?;
                let (sum, count) = std::mem::take(&mut self.losses);
                let train_loss = (count > 0).then(|| sum / count as f64);
                let best = self.best.unwrap_or(validation_loss);
                self.best = Some(best.min(validation_loss));
                let event = Event::Evaluation(Evaluation {
                    step: self.step,
                    train_loss,
                    validation_loss,
                });
                if observe(self, event).is_break() || finished {
                    return Ok(());
                }
            }
            let report = self.take_step(train)?;
            let (sum, count) = self.losses;
            self.losses = (sum + f64::from(report.loss), count + 1);
            if observe(self, Event::Step(report)).is_break() {
                return Ok(());
            }
        }
    }
}
// ANCHOR_END: run

// ANCHOR: train_error
/// Why a run cannot start or go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainError {
    /// There is less data than one window and its target.
    TooShort {
        /// Tokens there are.
        tokens: usize,
        /// Tokens there must be.
        needed: usize,
    },
    /// A setting cannot work.
    Setting {
        /// Which.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it has to be, or why it cannot be that.
        problem: String,
    },
    /// The loss or its gradient is infinite or not a number.
    NonFinite {
        /// The step that was not taken, from zero.
        step: usize,
        /// The first tensor of the model, or else of the gradient, that is
        /// not finite; `None` if only the loss or the gradient's length is
        /// not.
        tensor: Option<TensorName>,
    },
}
// ANCHOR_END: train_error

// ANCHOR: train_error_display
impl fmt::Display for TrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { tokens, needed } => write!(
                f,
                "the data has {tokens} tokens, but one window and what follows \
                 it take {needed}; give more text or a smaller block_size"
            ),
            Self::Setting { name, value, problem } => {
                write!(f, "{name} {value}: {problem}")
            }
            Self::NonFinite { step, tensor } => {
                write!(
                    f,
                    "step {step}: the loss or the gradient is not finite"
                )?;
                if let Some(tensor) = tensor {
                    write!(f, "; first in {tensor}")?;
                }
                match step {
                    0 => write!(f, "; begin with another model"),
                    _ => write!(f, "; train with a smaller learning rate"),
                }
            }
        }
    }
}
// ANCHOR_END: train_error_display

impl std::error::Error for TrainError {}
