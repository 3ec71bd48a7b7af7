//! # Training
//!
//! Batches of random windows, the gradient of a batch on several threads,
//! clipping, AdamW, a learning rate that rises and falls, the mean of the
//! weights along the way, and a loop that reports how it goes.
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

use super::gpt::{Gpt, Tensor, TensorName};
use super::orientation::dot;
use super::{Float, Matrix};

// ANCHOR: split
/// Cuts a sequence in two: the first nine tenths to train on, the rest to
/// validate with. Nothing is shuffled, so no window straddles the cut.
pub fn split<T>(data: &[T]) -> (&[T], &[T]) {
    data.split_at(data.len() - data.len().div_ceil(10))
}
// ANCHOR_END: split

// ANCHOR: batch
/// Windows of text, and for each position the token that follows it.
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

// ANCHOR: shards
/// Into how many shards a batch is cut, at most.
///
/// A shard is what one thread works on, and floats added in another order give
/// another sum. So the shards do not depend on the number of threads, and
/// their gradients are added in a fixed order.
pub const SHARDS: usize = 4;

/// About how many positions of a shard go through the model together.
///
/// Enough to keep a processor's multipliers busy; more would only take more
/// memory, for all that the backward pass has to remember.
pub const PIECE: usize = 512; // positions
// ANCHOR_END: shards

// ANCHOR: sharded
/// The mean loss over a batch; its gradient is left in `grads[0]`.
///
/// Each shard of the batch is worked on by one thread, piece by piece, and has
/// a gradient of its own in `grads`, which grows as needed and should be kept
/// for the next call.
///
/// # Panics
/// As [`Gpt::loss`].
pub fn sharded_loss_and_grad(
    model: &Gpt,
    batch: &Batch,
    grads: &mut Vec<Gpt>,
) -> Float {
    let Batch { inputs, targets, t } = batch;
    assert_eq!(inputs.len(), targets.len(), "one target for each input");
    let shard = (inputs.len() / t).div_ceil(SHARDS).max(1) * t;
    let piece = (PIECE / t).max(1) * t; // whole windows, like a shard
    let shards = inputs.len().div_ceil(shard).max(1);
    grads.resize_with(shards, || model.zeros_like());
    let scale = 1.0 / inputs.len() as Float;
    let losses: Vec<Float> = inputs
        .par_chunks(shard)
        .zip(targets.par_chunks(shard))
        .zip(grads.par_iter_mut())
        .map(|((inputs, targets), grad)| {
            grad.fill_with_zeros();
            let pieces = inputs.chunks(piece).zip(targets.chunks(piece));
            pieces.map(|(x, y)| model.accumulate(x, y, *t, scale, grad)).sum()
        })
        .collect();
    if let Some((first, others)) = grads.split_first_mut() {
        add_in_order(first, others);
    }
    losses.iter().sum()
}
// ANCHOR_END: sharded

// ANCHOR: add_in_order
/// `first += others[0] + others[1] + …`, each tensor by one thread.
fn add_in_order(first: &mut Gpt, others: &[Gpt]) {
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

// ANCHOR: clip
/// Shortens a gradient that is longer than `max_norm` to that length, and
/// returns the length it had: the root of the sum of squares over *all*
/// parameters, so that its direction stays.
///
/// Pascanu, Mikolov & Bengio (2013), §3.2.
pub fn clip(grad: &mut Gpt, max_norm: Float) -> Float {
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
// ANCHOR_END: clip

// ANCHOR: adamw
/// AdamW: steps of a size that hardly depends on the gradient's, and a decay
/// of the weights beside it.
///
/// Kingma & Ba (2015), Algorithm 1; Loshchilov & Hutter (2019), Algorithm 2.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    /// How long the mean gradient remembers, `β₁`.
    pub beta1: Float,
    /// How long the mean square remembers, `β₂`.
    pub beta2: Float,
    /// Keeps a parameter without gradient from a division by zero.
    pub epsilon: Float,
    /// `λ`: the share of a weight that is lost per unit of learning rate.
    pub weight_decay: Float,
    /// The running mean of the gradient, `m`.
    pub mean: Gpt,
    /// The running mean of its square, `v`.
    pub square: Gpt,
    /// Steps taken.
    pub steps: i32,
}
// ANCHOR_END: adamw

// ANCHOR: adamw_new
impl AdamW {
    /// `β₁ = 0.9`, `β₂ = 0.99`, `ε = 1e-8`, decay 0.1, and no memory yet.
    pub fn new(model: &Gpt) -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.1,
            mean: model.zeros_like(),
            square: model.zeros_like(),
            steps: 0,
        }
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
    /// If `model` or `grad` has another shape than the model given to
    /// [`new`](AdamW::new).
    pub fn step(&mut self, model: &mut Gpt, grad: &Gpt, lr: Float) {
        self.steps += 1;
        let &mut Self { beta1, beta2, epsilon, weight_decay, steps, .. } = self;
        let mean_scale = 1.0 / (1.0 - beta1.powi(steps));
        let square_scale = 1.0 / (1.0 - beta2.powi(steps));
        let moments = (self.mean.tensors_mut(), self.square.tensors_mut());
        let tensors =
            (model.tensors_mut(), grad.tensors(), moments.0, moments.1);
        tensors.into_par_iter().for_each(|(weight, grad, mean, square)| {
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
    /// Over which part of the steps so far, `p`: from 0 for the last model
    /// alone to 1 for all of them alike.
    pub part: Float,
    /// Models taken in, `n`.
    pub steps: usize,
}
// ANCHOR_END: average

// ANCHOR: average_update
impl Average {
    /// A mean of no model yet, in the shape of `model`.
    ///
    /// # Errors
    /// [`TrainError::Setting`] if `part` is not from 0 to 1.
    pub fn new(model: Gpt, part: Float) -> Result<Self, TrainError> {
        if !(0.0..=1.0).contains(&part) {
            let (name, problem) = ("average", "must be from 0 to 1");
            return Err(TrainError::Setting { name, problem });
        }
        Ok(Self { model, part, steps: 0 })
    }

    /// Takes in the next model `w`: `a ← a + s·(w − a)` with the share
    /// `s = (2 − p) / (p·n + 2 − 2p)`.
    ///
    /// # Panics
    /// If `model` has another shape than the mean.
    pub fn update(&mut self, model: &Gpt) {
        self.steps += 1;
        let (p, n) = (self.part, self.steps as Float);
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

// ANCHOR: evaluate
/// The mean loss over the whole of `data`, in nats per token.
///
/// Cuts it into windows of `block_size` that follow each other without overlap;
/// the last may be shorter. Nothing is drawn at random: the same model and data
/// give the same number.
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
    let (inputs, targets) = (&data[..last], &data[1..]);
    let losses: Vec<f64> = inputs
        .par_chunks(t)
        .zip(targets.par_chunks(t))
        .map(|(inputs, targets)| {
            let mean = model.loss(inputs, targets, inputs.len());
            f64::from(mean) * inputs.len() as f64
        })
        .collect();
    Ok(losses.iter().sum::<f64>() / last as f64)
}
// ANCHOR_END: evaluate

// ANCHOR: train_config
/// How to train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainConfig {
    /// Windows in a batch, `B`.
    pub batch_size: usize,
    /// Learning rate and number of steps.
    pub schedule: LrSchedule,
    /// Longest gradient that is not shortened.
    pub max_norm: Float,
    /// Steps from one evaluation to the next.
    pub eval_interval: usize,
    /// From which the random numbers of the batches follow.
    pub seed: u64,
}
// ANCHOR_END: train_config

// ANCHOR: short_windows
/// For the first steps of a run: shorter windows, and as many more of them.
///
/// After the last of these steps the rows of the position table that they
/// reached are repeated to its end, over what was there: so this is for a
/// model that has learned nothing yet.
///
/// Press, Smith & Lewis (2021), staged training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortWindows {
    /// Positions in each, from 1 to the model's `block_size`.
    pub t: usize,
    /// Steps that are taken with them.
    pub steps: usize,
}
// ANCHOR_END: short_windows

// ANCHOR: trainer
/// A run in progress: everything that the next step depends on, and what it
/// has to show.
#[derive(Debug)]
pub struct Trainer {
    /// The model as it is now.
    pub model: Gpt,
    /// The optimizer with its moments.
    pub optimizer: AdamW,
    /// How to train.
    pub config: TrainConfig,
    /// Steps taken.
    pub step: usize,
    /// The random stream that batches are drawn from.
    pub rng: ChaCha8Rng,
    /// Sum and number of the batches' losses since the last evaluation.
    pub losses: (f64, usize),
    /// The lowest validation loss so far, in nats per token.
    pub best: Option<f64>,
    /// The mean of the models so far, if the caller has asked for one; `None`
    /// at first.
    pub average: Option<Average>,
    /// Shorter windows to begin with, if the caller has asked for them; `None`
    /// at first.
    pub short: Option<ShortWindows>,
    /// What finds the loss and gradient of a batch:
    /// [`sharded_loss_and_grad`], unless many machines share the work.
    pub gradient: fn(&Gpt, &Batch, &mut Vec<Gpt>) -> Float,
    grads: Vec<Gpt>, // one for each shard, kept for its memory
}
// ANCHOR_END: trainer

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

// ANCHOR: train_config_validate
impl TrainConfig {
    /// The most steps, of a run, of its warm-up or between two evaluations, and
    /// the most windows in a batch: sums of two of them fit where counts do.
    pub const MOST: usize = (1 << 30) - 1;

    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// [`TrainError::Setting`], with the name of the setting.
    pub fn validate(&self) -> Result<(), TrainError> {
        let LrSchedule { max_lr, min_lr, warmup, steps } = self.schedule;
        let few = |name, n: usize| (name, "must be at least 1", n == 0);
        let many =
            |name, n: usize| (name, "must be below 2^30", n > Self::MOST);
        let rate = |lr: Float| {
            let wrong = !lr.is_finite() || lr < 0.0;
            ("lr", "must be a number, not negative", wrong)
        };
        let no_norm = self.max_norm.is_nan() || self.max_norm <= 0.0;
        let checks = [
            few("batch_size", self.batch_size),
            many("batch_size", self.batch_size),
            few("eval_interval", self.eval_interval),
            many("eval_interval", self.eval_interval),
            many("warmup", warmup),
            many("steps", steps),
            rate(max_lr),
            rate(min_lr),
            ("max_norm", "must be above 0", no_norm),
        ];
        match checks.into_iter().find(|(_, _, wrong)| *wrong) {
            Some((name, problem, _)) => {
                Err(TrainError::Setting { name, problem })
            }
            None => Ok(()),
        }
    }
}
// ANCHOR_END: train_config_validate

// ANCHOR: trainer_new
impl Trainer {
    /// Prepares a run.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a setting that cannot work.
    pub fn new(model: Gpt, config: TrainConfig) -> Result<Self, TrainError> {
        config.validate()?;
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        rng.set_stream(1); // stream 0 is for the weights
        Ok(Self {
            optimizer: AdamW::new(&model),
            model,
            config,
            step: 0,
            rng,
            losses: (0.0, 0),
            best: None,
            average: None,
            short: None,
            gradient: sharded_loss_and_grad,
            grads: Vec::new(),
        })
    }
}
// ANCHOR_END: trainer_new

// ANCHOR: next_batch
impl Trainer {
    /// Draws the windows of the next step from `data`.
    fn next_batch(&mut self, data: &[u16]) -> Result<Batch, TrainError> {
        let context = self.model.embeddings.position.nrows();
        let short = self.short.filter(|short| self.step < short.steps);
        let t = short.map_or(context, |short| short.t);
        if t == 0 || t > context {
            let (name, problem) = ("short.t", "must be from 1 to block_size");
            return Err(TrainError::Setting { name, problem });
        }
        let windows = self.config.batch_size * context / t;
        Batch::random(data, windows, t, &mut self.rng)
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

// ANCHOR: take_step
impl Trainer {
    /// Draws a batch from `data` and takes one step.
    ///
    /// # Errors
    /// [`TrainError::TooShort`] if `data` has no window;
    /// [`TrainError::Setting`] if short windows do not fit; and
    /// [`TrainError::NonFinite`] if the loss or the gradient is no longer a
    /// number, in which case the model is left as it was.
    ///
    /// # Panics
    /// If a token is outside the model's vocabulary.
    pub fn take_step(
        &mut self,
        data: &[u16],
    ) -> Result<StepReport, TrainError> {
        let TrainConfig { schedule, max_norm, .. } = self.config;
        let batch = self.next_batch(data)?;
        let (model, grads) = (&mut self.model, &mut self.grads);
        let loss = (self.gradient)(model, &batch, grads);
        let grad = &mut grads[0];
        let grad_norm = clip(grad, max_norm);
        if !loss.is_finite() || !grad_norm.is_finite() {
            let tensor = first_non_finite(model).or(first_non_finite(grad));
            return Err(TrainError::NonFinite { step: self.step, tensor });
        }
        let lr = schedule.at(self.step);
        self.optimizer.step(model, grad, lr);
        self.step += 1;
        if let Some(short) = self.short.filter(|it| it.steps == self.step) {
            repeat_positions(&mut model.embeddings.position, short.t);
        }
        if let Some(average) = &mut self.average {
            average.update(model);
        }
        Ok(StepReport { step: self.step - 1, loss, grad_norm, lr })
    }
}
// ANCHOR_END: take_step

// ANCHOR: result
impl Trainer {
    /// What the run has to show: the mean of its models if it keeps one, and
    /// the model as it is now if not.
    pub fn result(&self) -> &Gpt {
        self.average.as_ref().map_or(&self.model, |average| &average.model)
    }
}
// ANCHOR_END: result

// ANCHOR: run
impl Trainer {
    /// Trains to the end of the schedule, and evaluates its result before the
    /// first step, every `eval_interval` steps and after the last.
    ///
    /// `observe` is told of each step and each evaluation, and may break off.
    ///
    /// # Errors
    /// As [`take_step`](Trainer::take_step) and [`evaluate`]; so it panics.
    pub fn run(
        &mut self,
        train: &[u16],
        validation: &[u16],
        mut observe: impl FnMut(&Trainer, Event) -> ControlFlow<()>,
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

// ANCHOR: first_non_finite
/// The first tensor that holds something that is not a finite number.
fn first_non_finite(model: &Gpt) -> Option<TensorName> {
    let mut tensors = model.tensors().into_iter();
    let bad = tensors.find(|tensor| !tensor.data.iter().all(|x| x.is_finite()));
    bad.map(|tensor| tensor.name)
}
// ANCHOR_END: first_non_finite

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
        /// What it has to be.
        problem: &'static str,
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
            Self::Setting { name, problem } => write!(f, "{name} {problem}"),
            Self::NonFinite { step, tensor } => {
                write!(
                    f,
                    "step {step}: the loss or the gradient is not finite"
                )?;
                if let Some(tensor) = tensor {
                    write!(f, "; first in {tensor}")?;
                }
                write!(f, "; train with a smaller learning rate")
            }
        }
    }
}
// ANCHOR_END: train_error_display

impl std::error::Error for TrainError {}
