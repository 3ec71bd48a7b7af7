//! What a run prints and saves while it trains.

use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use microgpt::checkpoint::RunFile;
use microgpt::orientation::Rung;
use microgpt::training::{Evaluation, Event, StepReport, TrainConfig, Trainer};

use crate::interrupt::interrupted;
use crate::terminal::warn;

/// Follows a run: a bar where there is a terminal, and everywhere a line for
/// each evaluation, after which the run is saved.
pub struct Observer<'a> {
    bar: ProgressBar,
    file: Option<&'a RunFile>,
    rungs: &'a [Rung],
    begun: usize, // the step at which the program took the run over
    steps: usize, // those of the whole run
    eval_interval: usize,
    characters_per_step: usize,
    characters_per_evaluation: usize,
    start: Instant,
    since: Instant,           // of the last event
    stepping: f64,            // seconds in steps alone
    evaluating: (f64, usize), // seconds in evaluations, and how many
    printed: io::Result<()>,
    unsaved: Option<String>,
}

/// What is left when the run has ended.
pub struct Observed {
    /// Seconds.
    pub seconds: f64,
    /// Characters per second of training alone.
    pub speed: f64,
    /// Whether everything could be printed.
    pub printed: io::Result<()>,
    /// Why the last state could not be saved, if so.
    pub unsaved: Option<String>,
}

impl<'a> Observer<'a> {
    /// For a run that is to be saved to this file, and is evaluated on so many
    /// characters.
    pub fn new(
        trainer: &Trainer,
        file: Option<&'a RunFile>,
        rungs: &'a [Rung],
        validation: usize,
    ) -> Self {
        let config = trainer.config();
        let TrainConfig { batch_size, schedule, eval_interval, .. } = *config;
        let context = trainer.model.config().block_size;
        let start = Instant::now();
        Self {
            bar: bar(schedule.steps),
            file,
            rungs,
            begun: trainer.step,
            steps: schedule.steps,
            eval_interval,
            characters_per_step: batch_size * context,
            characters_per_evaluation: validation,
            start,
            since: start,
            stepping: 0.0,
            evaluating: (0.0, 0),
            printed: Ok(()),
            unsaved: None,
        }
    }

    /// Takes in an event; breaks the run off if it has been interrupted, or if
    /// nobody reads what is printed.
    pub fn observe(
        &mut self,
        trainer: &Trainer,
        event: Event,
    ) -> ControlFlow<()> {
        match event {
            Event::Step(report) => self.step(report),
            Event::Evaluation(evaluation) => {
                self.evaluation(trainer, evaluation);
                let (seconds, count) = self.evaluating;
                let spent = self.since.elapsed().as_secs_f64();
                self.evaluating = (seconds + spent, count + 1);
            }
        }
        self.since = Instant::now();
        match interrupted() || self.printed.is_err() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn step(&mut self, report: StepReport) {
        self.stepping += self.since.elapsed().as_secs_f64();
        let step = report.step + 1;
        let taken = step - self.begun;
        let (loss, speed) = (report.loss, self.speed(taken));
        let left = self.left(step);
        let time = HumanDuration(Duration::from_secs_f64(left));
        self.bar.set_position(step as u64);
        self.bar.set_message(format!(
            "loss {loss:.3}, {speed:.0} characters/s, {time:#} left"
        ));
        if taken == 20 && self.steps - self.begun > 100 {
            let seconds = self.start.elapsed().as_secs_f64() + left;
            self.printed = self.bar.suspend(|| {
                writeln!(stdout(), "(the steps take about {seconds:.0} s)")
            });
        }
    }

    /// About how many seconds are left after so many steps of the run, with the
    /// evaluations. The bar does not know at which step the program took over.
    fn left(&self, step: usize) -> f64 {
        let per_step = self.stepping / (step - self.begun) as f64;
        let per_evaluation = match self.evaluating {
            // A step takes three times as long for each character
            (_, 0) => {
                let characters = self.characters_per_evaluation as f64;
                per_step * characters / self.characters_per_step as f64 / 3.0
            }
            (seconds, count) => seconds / count as f64,
        };
        let passed = (step - 1) / self.eval_interval; // that of `step` is not
        let last = usize::from(!self.steps.is_multiple_of(self.eval_interval));
        let evaluations = self.steps / self.eval_interval - passed + last;
        let steps = self.steps.saturating_sub(step) as f64;
        steps * per_step + evaluations as f64 * per_evaluation
    }

    fn evaluation(&mut self, trainer: &Trainer, evaluation: Evaluation) {
        let line = line(&evaluation, self.rungs);
        self.printed = self.bar.suspend(|| writeln!(stdout(), "{line}"));
        let Some(file) = self.file else { return };
        let is_best = trainer.best == Some(evaluation.validation_loss);
        let saved = file.save(trainer, is_best);
        self.unsaved = saved.err().map(|error| format!("not saved to {error}"));
        if let Some(error) = &self.unsaved {
            let warning = format!("warning: {error}; training goes on");
            self.bar.suspend(|| warn(&warning));
        }
    }

    /// Characters per second in so many steps.
    fn speed(&self, steps: usize) -> f64 {
        (steps * self.characters_per_step) as f64 / self.stepping
    }

    /// Clears the bar away, after so many steps of the run.
    pub fn finish(self, step: usize) -> Observed {
        self.bar.finish_and_clear();
        Observed {
            seconds: self.start.elapsed().as_secs_f64(),
            speed: self.speed(step - self.begun),
            printed: self.printed,
            unsaved: self.unsaved,
        }
    }
}

fn bar(steps: usize) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{bar:30} step {pos}/{len}, {msg}";
    let style = ProgressStyle::with_template(style);
    let bar = ProgressBar::new(steps as u64);
    bar.with_style(style.unwrap_or(ProgressStyle::default_bar()))
}

/// Both losses, and the best counting model that this one beats.
fn line(evaluation: &Evaluation, rungs: &[Rung]) -> String {
    let Evaluation { step, train_loss, validation_loss } = *evaluation;
    let train = match train_loss {
        Some(loss) => format!("{loss:.4}"),
        None => "     -".to_owned(),
    };
    let beaten = rungs.iter().filter(|rung| validation_loss < rung.loss);
    let best = beaten.min_by(|a, b| a.loss.total_cmp(&b.loss));
    let below = best.map(|it| format!("  below {} ({:.3})", it.name, it.loss));
    let below = below.unwrap_or_default();
    format!(
        "step {step:>5}  train {train}  validation {validation_loss:.4}{below}"
    )
}
