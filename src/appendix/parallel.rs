//! # One run on many machines
//!
//! An appendix. Every machine holds the whole model and samples the same batch;
//! each works on its windows alone, and one all-reduce adds the gradients up.
//! From there on all of them do the same.
//!
//! The machines are the ranks of an MPI program (`mpirun -n 4 …`). Call
//! [`mpi::initialize`] first, keep what it returns, and give the trainer an
//! [`AllReduce`]:
//!
//! ```no_run
//! use microgpt::gpt::{Gpt, GptConfig};
//! use microgpt::parallel::AllReduce;
//! use microgpt::training::{TrainConfig, Trainer};
//!
//! let universe = mpi::initialize().ok_or("MPI is running already")?;
//! let model = Gpt::zeros(GptConfig::quick(65)); // better: the same seed on all
//! let config = TrainConfig::quick();
//! let gradients = AllReduce::new(universe.world(), config.shards);
//! let trainer = Trainer::new(model, config)?.with_gradients(gradients);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To copy this module, bring `training` and what it needs, and the crate `mpi`.

use std::ops::Range;

use mpi::collective::SystemOperation;
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

// ANCHOR: all_reduce
/// [`Gradients`] of the whole batch, found by all ranks together.
///
/// Each passes in the same model and the same batch, works on its [`part`] of
/// the windows, and gets back the same loss and the same gradient. With `nᵣ` of
/// the batch's `N` rows on rank `r`, whose mean loss is `ℓᵣ`, the loss is
/// `Σᵣ nᵣ/N·ℓᵣ`, and the gradient the same sum of gradients.
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

    /// Whether one rank at least says yes. All must ask.
    pub fn any(&self, yes: bool) -> bool {
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
        let (rank, ranks) = (world.rank() as usize, world.size() as usize);
        let windows = part(batch.inputs.len() / batch.t, rank, ranks);
        let rows = windows.start * batch.t..windows.end * batch.t;
        let my_batch = Batch {
            inputs: batch.inputs[rows.clone()].to_vec(),
            targets: batch.targets[rows.clone()].to_vec(),
            t: batch.t,
        };
        let (loss, grad) = local.compute(model, &my_batch);
        let share = rows.len() as Float / batch.inputs.len() as Float;
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
