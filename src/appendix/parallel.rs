//! # One run on many machines
//!
//! An appendix. Every machine holds the whole model and draws the same batch;
//! each works on its windows alone, and one all-reduce adds the gradients up.
//! From there on all of them do the same.
//!
//! The machines are the ranks of an MPI program (`mpirun -n 4 …`). Call
//! [`mpi::initialize`] first, keep what it returns, and set
//! `trainer.gradient = loss_and_grad`.
//!
//! To copy this module, bring `training` and what it needs, and the crate `mpi`.

use std::ops::Range;

use mpi::collective::SystemOperation;
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

use crate::Float;
use crate::gpt::Gpt;
use crate::training::{Batch, sharded_loss_and_grad};

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

// ANCHOR: loss_and_grad
/// [`sharded_loss_and_grad`] of the whole batch, found by all ranks together:
/// each passes in the same model and the same batch, works on its
/// [`part`] of the windows, and gets back the same loss, and the same gradient
/// in `grads[0]`.
///
/// With `nᵣ` of the batch's `N` rows on rank `r`, whose mean loss is `ℓᵣ`, the
/// loss is `Σᵣ nᵣ/N·ℓᵣ`, and the gradient the same sum of gradients.
///
/// # Panics
/// As `Gpt::loss`; and if MPI has not been initialized.
pub fn loss_and_grad(
    model: &Gpt,
    batch: &Batch,
    grads: &mut Vec<Gpt>,
) -> Float {
    let world = SimpleCommunicator::world();
    let (rank, ranks) = (world.rank() as usize, world.size() as usize);
    let windows = part(batch.inputs.len() / batch.t, rank, ranks);
    let rows = windows.start * batch.t..windows.end * batch.t;
    let mine = contribution(model, batch, rows, grads);
    let mut sum = vec![0.0; mine.len()];
    world.all_reduce_into(&mine, &mut sum, SystemOperation::sum());

    let mut rest = &sum[1..];
    for tensor in grads[0].tensors_mut() {
        let (slopes, others) = rest.split_at(tensor.data.len());
        tensor.data.copy_from_slice(slopes);
        rest = others;
    }
    sum[0]
}
// ANCHOR_END: loss_and_grad

// ANCHOR: contribution
/// What some rows of a batch add to its loss and, behind it, to the slopes of
/// the tensors one after the other.
fn contribution(
    model: &Gpt,
    batch: &Batch,
    rows: Range<usize>,
    grads: &mut Vec<Gpt>,
) -> Vec<Float> {
    let mut numbers = Vec::with_capacity(1 + model.num_params());
    if rows.is_empty() {
        grads.resize_with(1, || model.zeros_like());
        numbers.resize(1 + model.num_params(), 0.0);
        return numbers;
    }
    let share = rows.len() as Float / batch.inputs.len() as Float;
    let part = Batch {
        inputs: batch.inputs[rows.clone()].to_vec(),
        targets: batch.targets[rows].to_vec(),
        t: batch.t,
    };
    numbers.push(share * sharded_loss_and_grad(model, &part, grads));
    for tensor in grads[0].tensors() {
        numbers.extend(tensor.data.iter().map(|slope| share * slope));
    }
    numbers
}
// ANCHOR_END: contribution

// ANCHOR: any
/// Whether one rank at least says yes. All must ask.
pub fn any(yes: bool) -> bool {
    let mut answer = 0u8;
    let world = SimpleCommunicator::world();
    world.all_reduce_into(&u8::from(yes), &mut answer, SystemOperation::max());
    answer > 0
}
// ANCHOR_END: any
