//! An appendix. A run in which something is wrong on the last rank alone.
//!
//! ```sh
//! cargo build --features mpi --example parallel_failures
//! mpirun -n 3 target/debug/examples/parallel_failures panic
//! ```

use std::error::Error;
use std::process::{self, Command};

use microgpt::gpt::{Gpt, GptConfig};
use microgpt::parallel::{self, AllReduce};
use microgpt::training::{TrainConfig, Trainer};
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// What is dropped with a panic.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("a panic while something is dropped");
    }
}

fn main() {
    parallel::run(|world| {
        let last = world.rank() + 1 == world.size();
        let how = std::env::args().nth(1).unwrap_or_default();
        // The data of all ranks are the same, or they would notice
        train(world, if last || how == "id" { &how } else { "" })
    });
}

/// Three steps of a small model, with what `how` names wrong in them.
fn train(world: SimpleCommunicator, how: &str) -> Result<(), Box<dyn Error>> {
    let mut sizes = GptConfig::quick(65);
    let mut config = TrainConfig::quick();
    let mut ids: Vec<u16> = (0..1000).map(|i| i % 65).collect();
    let mut steps = 3;
    let mut seed = 1;
    let _fragile = how.starts_with("drop").then(|| Fragile);
    match how {
        "" | "drop" => {}
        "panic" => panic!("a panic before the first step"),
        "drop-twice" => panic!("a panic, and another one follows"),
        // Found by the trainer, which returns an error
        "short" => ids.truncate(10),
        // Found by the model, in a thread that computes a gradient, on a rank
        // whose windows have it
        "id" => ids[500] = 65,
        "model" => sizes.n_embd = 32,
        "batch" => config.batch_size = 3,
        "data" => ids.truncate(500),
        "steps" => steps = 2,
        "twice" => parallel::run(|_| Ok(())),
        "exit" => process::exit(0),
        "seed" => seed = 2,
        "KILL" | "STOP" => {
            let signal = format!("-{how}");
            let id = process::id().to_string();
            Command::new("kill").args([signal, id]).status()?;
        }
        _ => Err(format!("{how:?} is not known"))?,
    }
    let rank = world.rank();
    let gradients = AllReduce::new(world, config.shards);
    let model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(seed))?;
    let mut trainer = Trainer::new(model, config)?.with_gradients(gradients);
    for _ in 0..steps {
        let loss = trainer.take_step(&ids)?.loss;
        println!("rank {rank}: loss {loss:.4}");
    }
    Ok(())
}
