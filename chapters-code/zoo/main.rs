//! What a mistake, or another architecture, does to the loss.
//!
//! `cargo run --example variants -- NAME` patches a copy of the crate, builds it
//! and trains the small model of chapter 1 with it; `all` in place of a name
//! trains every variant and prints a table; without a name, the variants are
//! listed. The copy contains this file too: there it is run with `train` and
//! a number of blocks.

#[allow(dead_code)]
mod faults;
#[path = "../../examples/terminal/mod.rs"]
mod terminal;
mod workshop;

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use faults::{EXPERIMENTS, FAULTS, Patch};
use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{Event, LrSchedule, TrainConfig, Trainer, split};
use rand::{SeedableRng, rngs::ChaCha8Rng};

const SONNETS: &str = include_str!("../data/sonnets.txt");

/// A name, its patches, and how many blocks deep the model is.
type Variant = (&'static str, &'static [Patch], usize);

fn main() -> ExitCode {
    terminal::run(obey)
}

fn obey() -> Result<(), Box<dyn Error>> {
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|word| word.to_string_lossy().into_owned());
    let arguments: Vec<String> = arguments.collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => list(),
        ["train", n_layer] => train(n_layer.parse()?)?,
        ["all"] => table()?,
        [name] => match variants().find(|variant| variant.0 == name) {
            Some(variant) => check(name, program(variant)?.status()?)?,
            None => Err(format!(
                "there is no variant {name}; without a name, all are listed"
            ))?,
        },
        _ => Err("give one name, or none to see them all")?,
    }
    Ok(())
}

/// Experiments first, then faults.
fn variants() -> impl Iterator<Item = Variant> {
    let experiments = EXPERIMENTS.iter();
    experiments
        .map(|e| (e.name, e.patches, e.n_layer))
        .chain(FAULTS.iter().map(|fault| (fault.name, fault.patches, 2)))
}

fn list() {
    println!("experiments");
    EXPERIMENTS.iter().for_each(|e| println!("  {:20} {}", e.name, e.what));
    println!("faults");
    FAULTS.iter().for_each(|f| println!("  {:20} {}", f.name, f.what));
}

/// What trains with a variant: a patched copy of the crate.
fn program(variant: Variant) -> Result<Command, Box<dyn Error>> {
    let (_, patches, n_layer) = variant;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/variants"); // one, or cargo mixes them up
    workshop::copy(root, &folder, workshop::PROGRAM, patches)?;
    let mut program = Command::new(env!("CARGO"));
    program
        .args(["run", "--quiet", "--example", "variants", "--", "train"])
        .arg(n_layer.to_string())
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env_remove("RUSTFLAGS"); // a fault may well leave a warning
    Ok(program)
}

/// Fails where the program of a variant has: it said why.
fn check(name: &str, status: ExitStatus) -> Result<(), Box<dyn Error>> {
    if !status.success() {
        Err(format!("the variant {name} did not train; see above"))?;
    }
    Ok(())
}

/// Runs every variant and prints its losses.
fn table() -> Result<(), Box<dyn Error>> {
    for (i, variant) in variants().enumerate() {
        let heading = match i {
            0 => "experiment",
            i if i == EXPERIMENTS.len() => "fault",
            _ => "",
        };
        if !heading.is_empty() {
            println!("{heading:20}  step 0     500    1000    1500    2000");
        }
        print!("{:20}", variant.0);
        let output = program(variant)?.stderr(Stdio::inherit()).output()?;
        check(variant.0, output.status)?;
        for line in String::from_utf8(output.stdout)?.lines() {
            if let Some((_, loss)) = line.split_once(": validation ") {
                print!("{loss:>8}");
            }
        }
        println!();
    }
    Ok(())
}

/// The pipeline of chapter 1, `n_layer` blocks deep.
fn train(n_layer: usize) -> Result<(), Box<dyn Error>> {
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(SONNETS)?;
    let (train, validation) = split(&ids);
    let vocab_size = tokenizer.vocab_size();
    let (n_head, n_embd, block_size) = (2, 32, 32);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let model = Gpt::new(sizes, &mut rng)?;
    let config = TrainConfig {
        batch_size: 8,
        schedule: LrSchedule::new(3e-3, 2000),
        average: 0.0,
        eval_interval: 500,
        seed: 4,
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(model, config)?;
    trainer.run(train, validation, |_, event| {
        if let Event::Evaluation(e) = event {
            println!("step {:>4}: validation {:.4}", e.step, e.validation_loss);
        }
        ControlFlow::Continue(())
    })?;
    let prompt = tokenizer.encode("Shall I ")?;
    let sampler = Sampler::new(0.8, None)?;
    let ids = Generator::new(&trainer.model, &prompt, sampler, rng)?;
    let ids: Vec<u16> = ids.take(60).collect::<Result<_, _>>()?;
    println!("Shall I {}", tokenizer.decode(&ids)?);
    Ok(())
}
