//! An appendix. One run on several ranks against the same run on one.
//!
//! ```sh
//! cargo build --features mpi --example parallel
//! mpirun -n 4 target/debug/examples/parallel
//! ```

use std::error::Error;
use std::time::Instant;

use microgpt::parallel::{self, AllReduce};
use microgpt::training::{Gradients, ShardedGradients};
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};

const SONNETS: &str = include_str!("../data/sonnets.txt");

/// Where the last rank runs, told to the first.
fn last_machine() -> Result<String, Box<dyn Error>> {
    let world = SimpleCommunicator::world();
    let name = mpi::environment::processor_name()?;
    let last = world.process_at_rank(world.size() - 1);
    let mut bytes = name.into_bytes();
    bytes.resize(64, b' ');
    last.broadcast_into(&mut bytes);
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Prints on the first rank.
macro_rules! say {
    ($($what:tt)*) => {
        if SimpleCommunicator::world().rank() == 0 {
            println!($($what)*);
        }
    };
}

fn main() {
    parallel::run(|world| {
        // A rank stands for a machine; here it is one thread
        rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
        let (rank, ranks) = (world.rank(), world.size());
        // One rank's yes is everybody's
        let all = AllReduce::new(world, 4);
        assert!(all.any(rank + 1 == ranks) && !all.any(false));
        let machine = last_machine()?;
        say!("[ranks]\n{ranks}, the last on {machine}");
        equality()?;
        timing()?;
        network();
        Ok(())
    });
}

// ANCHOR: assert_identical
/// Panics on every rank whose numbers differ from those of rank 0 in any bit.
fn assert_identical(numbers: impl Iterator<Item = f64>) {
    let world = SimpleCommunicator::world();
    let mine: Vec<u64> = numbers.map(f64::to_bits).collect();
    let mut first = mine.clone();
    world.process_at_rank(0).broadcast_into(&mut first[..]);
    let rank = world.rank();
    assert!(mine == first, "rank {rank} has other numbers than rank 0");
}
// ANCHOR_END: assert_identical

/// One gradient, by all ranks and by this one alone.
fn equality() -> Result<(), Box<dyn Error>> {
    use double::gpt::{Gpt, GptConfig};
    use double::parallel::AllReduce;
    use double::training::{Batch, Gradients, ShardedGradients};
    let ids: Vec<u16> = SONNETS.bytes().map(|b| u16::from(b % 64)).collect();
    let (n_layer, n_head, n_embd, block_size, vocab_size) = (2, 2, 16, 8, 64);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    let model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;

    say!("[equality]\nwindows  loss apart  gradient apart");
    for windows in [1, 2, 3, 8, 13] {
        let mut rng = ChaCha8Rng::seed_from_u64(windows as u64);
        let batch = Batch::random(&ids, windows, 8, &mut rng)?;
        let mut alone = ShardedGradients::new(4);
        let mut together = AllReduce::new(SimpleCommunicator::world(), 4);
        let (loss, grad) = alone.compute(&model, &batch);
        let (other, sum) = together.compute(&model, &batch);
        let apart = apart(grad, sum);
        say!("{windows:>7}{:12.0e}{apart:16.0e}", (loss - other).abs());
        assert_identical([other].into_iter().chain(numbers(sum)));
    }

    twenty_steps(model, &ids)
}

/// Twenty steps, by all ranks and by this one alone.
fn twenty_steps(
    model: double::gpt::Gpt,
    ids: &[u16],
) -> Result<(), Box<dyn Error>> {
    use double::parallel::AllReduce;
    use double::training::{LrSchedule, TrainConfig, Trainer};
    let config = TrainConfig {
        batch_size: 6,
        schedule: LrSchedule { warmup: 5, ..LrSchedule::new(3e-3, 20) },
        average: 0.0,
        seed: 1,
        ..TrainConfig::default()
    };
    let world = AllReduce::new(SimpleCommunicator::world(), config.shards);
    let mut alone = Trainer::new(model.clone(), config)?;
    let mut together = Trainer::new(model, config)?.with_gradients(world);
    for _ in 0..20 {
        alone.take_step(ids)?;
        together.take_step(ids)?;
    }
    let apart = apart(&alone.model, &together.model);
    say!("after twenty steps the weights are {apart:.0e} apart");
    assert_identical(numbers(&together.model));
    Ok(())
}

/// All numbers of a model, or of its gradient.
fn numbers(model: &double::gpt::Gpt) -> impl Iterator<Item = f64> {
    model.tensors().into_iter().flat_map(|tensor| tensor.data).copied()
}

/// The largest difference, relative to the largest number of its tensor; NaN,
/// which `max` would pass over, is the largest of all.
fn apart(a: &double::gpt::Gpt, b: &double::gpt::Gpt) -> f64 {
    let tensors = a.tensors().into_iter().zip(b.tensors());
    let apart = tensors.flat_map(|(a, b)| {
        let size = a.data.iter().fold(1e-300, |m: f64, x| m.max(x.abs()));
        let pairs = a.data.iter().zip(b.data);
        pairs.map(move |(a, b)| (a - b).abs() / size)
    });
    apart.max_by(f64::total_cmp).unwrap_or(0.0)
}

/// A step of size S, with and without the others, one thread on each rank.
fn timing() -> Result<(), Box<dyn Error>> {
    use microgpt::gpt::{Gpt, GptConfig};
    use microgpt::training::Batch;
    let sizes = GptConfig::standard(65);
    let model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;
    let ids: Vec<u16> = SONNETS.bytes().map(|b| u16::from(b % 64)).collect();
    let batch = Batch::random(&ids, 12, 64, &mut ChaCha8Rng::seed_from_u64(2))?;
    let world = SimpleCommunicator::world();
    let median = |gradients: &mut dyn Gradients| {
        let mut times: Vec<f64> = (0..25)
            .map(|_| {
                world.barrier();
                let start = Instant::now();
                gradients.compute(&model, &batch);
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[12]
    };
    let bytes = 4 * (1 + model.num_params());
    let all = SimpleCommunicator::world();
    let together = median(&mut AllReduce::new(all, 4));
    let alone = median(&mut ShardedGradients::new(4));
    say!("[timing]\nbytes added up in a step  {bytes}");
    say!("gradient of S, together   {together:.1} ms");
    say!("each rank the whole batch {alone:.1} ms");
    Ok(())
}

/// How long the gradient is on its way, and how many tokens a machine must
/// work on in the meantime, at 150 GFLOP/s, for the network not to be what
/// everybody waits for.
fn network() {
    const FLOPS: f64 = 150e9;
    say!("[network]\nparameters  link Gbit/s  seconds  tokens");
    for parameters in [10e6, 124e6, 1.5e9] {
        for gigabits in [1.0, 10.0, 100.0] {
            // A ring sends every number nearly twice, in four bytes
            let seconds = 2.0 * 4.0 * parameters / (gigabits * 1e9 / 8.0);
            // Forward and backward: six operations for each parameter
            let tokens = seconds * FLOPS / (6.0 * parameters);
            let millions = parameters / 1e6;
            say!("{millions:>8} M{gigabits:>13}{seconds:9.2}{tokens:>8.0}");
        }
    }
}
