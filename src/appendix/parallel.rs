//! # One run on many machines
//!
//! An appendix. Every machine holds the whole model and samples the same batch;
//! each works on its windows alone, and one all-reduce adds the gradients up.
//! From there on all of them do the same.
//!
//! The machines are the ranks of an MPI program (`mpirun -n 4 …`). Let [`run`]
//! call what each of them does, and give the trainer an [`AllReduce`]:
//!
//! ```no_run
//! use microgpt::gpt::{Gpt, GptConfig};
//! use microgpt::parallel::{self, AllReduce};
//! use microgpt::training::{TrainConfig, Trainer};
//!
//! parallel::run(|world| {
//!     let model = Gpt::zeros(GptConfig::quick(65)); // better: one seed for all
//!     let config = TrainConfig::quick();
//!     let gradients = AllReduce::new(world, config.shards);
//!     let trainer = Trainer::new(model, config)?.with_gradients(gradients);
//!     Ok(())
//! });
//! ```
//!
//! To copy this module, bring `training` and what it needs, and the crates `mpi`
//! and `thiserror`.

use std::any::Any;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::Duration;

use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

use crate::Float;
use crate::gpt::Gpt;
use crate::training::{Batch, Gradients, ShardedGradients};

// ANCHOR: part
/// The windows, of `windows` in all, that rank `rank` of `ranks` works on: as
/// many for each, or one more for the first few.
///
/// # Panics
/// If `ranks` is zero.
pub fn part(windows: usize, rank: usize, ranks: usize) -> Range<usize> {
    let start =
        |rank: usize| rank * (windows / ranks) + rank.min(windows % ranks);
    start(rank)..start(rank + 1)
}
// ANCHOR_END: part

// ANCHOR: agree
/// Asks whether all ranks are about to do the same, `what`, with the same
/// `data`: a sum that one of them stays away from is never finished.
///
/// # Panics
/// On all ranks, if they are not.
fn agree(world: &impl Communicator, what: &str, data: impl Hash) {
    let mut hasher = DefaultHasher::new();
    (what, data).hash(&mut hasher);
    let hash = hasher.finish();
    let (mine, mut largest) = ([hash, !hash], [0; 2]);
    world.all_reduce_into(&mine, &mut largest, SystemOperation::max());
    // The largest `!hash` is that of the smallest hash
    assert!(
        largest == mine,
        "this rank {what}, but another does something else, or has other data"
    );
}
// ANCHOR_END: agree

// ANCHOR: all_reduce
/// [`Gradients`] of the whole batch, found by all ranks together.
///
/// Each passes in the same model and the same batch, works on its [`part`] of
/// the windows, and gets back the same loss and the same gradient. With `nᵣ` of
/// the batch's `N` rows on rank `r`, whose mean loss is `ℓᵣ`, the loss is
/// `Σᵣ nᵣ/N·ℓᵣ`, and the gradient the same sum of gradients.
///
/// All ranks panic if the sizes of their models or the tokens of their batches
/// differ, or if one of them does something else. That weights are the same is
/// not checked.
#[derive(Debug)]
pub struct AllReduce<C> {
    world: C,
    local: ShardedGradients,
    mine: Vec<Float>, // this rank's loss and gradient
    sum: Vec<Float>,  // everyone's
}

impl<C: Communicator> AllReduce<C> {
    /// For the ranks of `world`, each of which cuts its part of a batch into
    /// `shards` shards.
    pub fn new(world: C, shards: usize) -> Self {
        let local = ShardedGradients::new(shards);
        Self { world, local, mine: Vec::new(), sum: Vec::new() }
    }

    /// Whether one rank at least says yes. All must ask, or all panic.
    pub fn any(&self, yes: bool) -> bool {
        agree(&self.world, "asks a question", ());
        let (yes, mut any) = (u8::from(yes), 0u8);
        self.world.all_reduce_into(&yes, &mut any, SystemOperation::max());
        any > 0
    }
}
// ANCHOR_END: all_reduce

// ANCHOR: all_reduce_compute
impl<C: Communicator> Gradients for AllReduce<C> {
    fn compute(&mut self, model: &Gpt, batch: &Batch) -> (Float, &mut Gpt) {
        let Self { world, local, mine, sum } = self;
        let (n, t) = (batch.inputs.len(), batch.t);
        let what = format!("adds {} derivatives", model.num_params());
        agree(world, &what, (&batch.inputs, &batch.targets, t));
        let (rank, ranks) = (world.rank() as usize, world.size() as usize);
        let windows = part(n / t, rank, ranks);
        let rows = windows.start * t..windows.end * t;
        let my_batch = Batch {
            inputs: batch.inputs[rows.clone()].to_vec(),
            targets: batch.targets[rows.clone()].to_vec(),
            t,
        };
        let (loss, grad) = local.compute(model, &my_batch);
        let share = rows.len() as Float / n as Float;
        mine.clear();
        mine.push(share * loss);
        for tensor in grad.tensors() {
            mine.extend(tensor.data.iter().map(|slope| share * slope));
        }
        sum.resize(mine.len(), 0.0);
        world.all_reduce_into(&mine[..], &mut sum[..], SystemOperation::sum());
        let mut rest = &sum[1..];
        for tensor in grad.tensors_mut() {
            let (ours, others) = rest.split_at(tensor.data.len());
            tensor.data.copy_from_slice(ours);
            rest = others;
        }
        (sum[0], grad)
    }
}
// ANCHOR_END: all_reduce_compute

/// The MPI library allows no threads beside the one that calls it.
#[derive(Debug, thiserror::Error)]
#[error(
    "this MPI library provides {provided:?} threading, but a thread pool beside \
     it needs Funneled; use a library that was built with support for threads"
)]
pub struct NoThreads {
    /// What it allows.
    pub provided: Threading,
}

/// What a panic said.
fn message(panic: &dyn Any) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

// ANCHOR: run
/// Starts MPI, runs `program` on this rank, and returns when all ranks have.
///
/// A rank that panics or returns an error prints what was wrong and ends the
/// job on all ranks, with status 1: the others would wait for it forever. An
/// MPI library that allows no threads is such an error, [`NoThreads`].
///
/// `program` calls MPI on the thread it is called on, and on no other; what it
/// computes may use any number of them.
///
/// # Panics
/// If MPI has been started before.
pub fn run(
    program: impl FnOnce(SimpleCommunicator) -> Result<(), Box<dyn Error>>,
) {
    let started = mpi::initialize_with_threading(Threading::Funneled);
    // Dropped at the very end, because that waits for all other ranks
    // None only if it was started before, which the documentation forbids
    let (universe, provided) = started.expect("MPI starts once in a process");
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        if provided < Threading::Funneled {
            Err(NoThreads { provided })?;
        }
        let world = universe.world();
        program(universe.world())
            .inspect(|()| agree(&world, "has finished", ()))
    }));
    let failure = match result {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(panic) => format!("panicked: {}", message(&*panic)),
    };
    abort(universe.world(), &failure)
}
// ANCHOR_END: run

/// Prints why this rank failed, and ends the job on all ranks.
fn abort(world: SimpleCommunicator, failure: &str) -> ! {
    let (rank, ranks) = (world.rank(), world.size());
    // In one piece, and without `eprintln!`, which panics if nobody reads it
    let line = format!("rank {rank} of {ranks} failed: {failure}\n");
    let _ = io::stderr().write_all(line.as_bytes());
    // MPICH's launcher may drop what it has not read before the job ends
    thread::sleep(Duration::from_secs(1));
    world.abort(1)
}
