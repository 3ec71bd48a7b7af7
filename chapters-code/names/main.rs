//! Appendix. What the program `names` is compared with: the original's losses,
//! counts of letters, and the same model with parts of this book.
//!
//! `cargo run --example names_studies -- STUDY names.txt` prints a record;
//! studies are `agreement`, `ladder`, `memory`, `noise` and `variants`.

#[path = "mod.rs"]
mod names;
mod original;
#[path = "../../examples/terminal/mod.rs"]
mod terminal;
mod variants;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use double::orientation::ladder;
use double::scalar_autograd::Node;
use names::{Names, STEPS, Trainer, Way};
use original::original;
use variants::{Run, held_out, variants};

fn main() -> ExitCode {
    terminal::run(run)
}

fn run() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [study, file] = words[..] else {
        Err("give a study and a file: agreement names.txt")?
    };
    let names = Names::new(&terminal::read_text(Path::new(file))?)?;
    match study {
        "agreement" => agreement(&names),
        "ladder" => counted(&names),
        "noise" => noise(&names),
        "memory" => memory(&names),
        "variants" => compare(&names),
        _ => Err("studies are agreement, ladder, memory, noise and variants")?,
    }
    Ok(())
}

/// How far each way is from the original.
fn agreement(names: &Names) {
    println!(
        "                                losses equal  largest difference  names"
    );
    println!(
        "way                         all bits  4 decimals   to 100  to 1000  equal"
    );
    for (name, way) in [
        ("the tape, adding as Python", Way::Python),
        ("the tape", Way::Tape),
        ("by hand, on matrices", Way::ByHand),
    ] {
        let trainer = Trainer::new(names.clone(), way, 42);
        println!("{name:26}  {}", beside_the_original(trainer));
    }
}

/// What a training run has in common with that of the original.
fn beside_the_original(mut trainer: Trainer) -> String {
    let (losses, invented) = original();
    let found: Vec<f64> = (0..STEPS).map(|_| trainer.take_step()).collect();
    let pairs = || found.iter().zip(&losses);
    let equal = pairs().filter(|(a, b)| a == b).count();
    let four = |x: &f64| format!("{x:.4}");
    let decimals = pairs().filter(|(a, b)| four(a) == four(b)).count();
    let apart = pairs().map(|(a, b)| (a - b).abs());
    let early = apart.clone().take(100).fold(0.0, f64::max);
    let late = apart.fold(0.0, f64::max);
    let same = invented.iter().filter(|&&it| trainer.invent() == it).count();
    format!("{equal:8}  {decimals:10}  {early:7.1e}  {late:7.1e}  {same:5}")
}

/// The loss ladder of names: what counting achieves on the names held out,
/// after reading as many as the runs do, and after all others.
fn counted(names: &Names) {
    let mut names = names.clone();
    names::python::Random::seed(42).shuffle(&mut names.names);
    let kept_back = held_out(&names);
    let others = &names.names[..names.names.len() - kept_back.len()];
    let text = |names: &[String]| -> Vec<char> {
        names.iter().flat_map(|name| name.chars().chain(['\n'])).collect()
    };
    let counts = [STEPS, 16 * STEPS, others.len()];
    let ladders = counts.map(|n| ladder(&text(&others[..n]), &text(kept_back)));
    println!("{} names are held out; counted on", kept_back.len());
    println!("{:8}  {:>8}  {:>8}  {:>8}", "", counts[0], counts[1], counts[2]);
    for i in 0..ladders[0].len() {
        let [a, b, c] = ladders.each_ref().map(|ladder| ladder[i].loss);
        println!("{:8}  {a:8.4}  {b:8.4}  {c:8.4}", ladders[0][i].name);
    }
}

/// What each way keeps of a forward pass until the backward pass.
fn memory(names: &Names) {
    let trainer = Trainer::new(names.clone(), Way::Tape, 42);
    println!("              on the tape       by hand, on matrices");
    println!("letters    numbers       kB      numbers      kB      ratio");
    for letters in [3, 6, 15] {
        let length = |name: &&String| name.chars().count() == letters;
        let name = trainer.names.names.iter().find(length);
        let tokens = trainer.names.tokens(name.expect("a name so long"));
        let on_tape = names::tape::numbers(&trainer.model, &tokens);
        let by_hand = names::by_hand::numbers(&trainer.model, &tokens);
        let tape_kb = (on_tape * size_of::<Node>()) as f64 / 1e3;
        let hand_kb = (by_hand * size_of::<f64>()) as f64 / 1e3;
        println!(
            "{letters:7}  {on_tape:9}  {tape_kb:7.0}  {by_hand:11}  \
             {hand_kb:6.1}  {:9.0}",
            tape_kb / hand_kb
        );
    }
}

/// What is printed for one name, beside means over many: the last hundred, and
/// those held out, whose losses have the spread of the last column.
fn noise(names: &Names) {
    let mut trainer = Trainer::new(names.clone(), Way::ByHand, 42);
    let count = held_out(&trainer.names).len();
    println!("            one name   mean of the   {count} names held out");
    println!("step  (as printed)  last hundred   mean   standard deviation");
    let mut losses = Vec::new();
    for step in 1..=STEPS {
        losses.push(trainer.take_step());
        if step % 100 == 0 {
            let one = losses[step - 1];
            let (hundred, _) = mean_and_deviation(&losses[step - 100..]);
            let model = &trainer.model;
            let of_one = |name: &String| {
                Way::ByHand.loss_and_grad(model, &trainer.names.tokens(name)).0
            };
            let scored = held_out(&trainer.names).iter().map(of_one);
            let (mean, deviation) =
                mean_and_deviation(&scored.collect::<Vec<_>>());
            println!(
                "{step:4}  {one:12.4}  {hundred:12.3}  {mean:5.3}   \
                 {deviation:.3}"
            );
        }
    }
}

/// The mean of some numbers, and their standard deviation.
fn mean_and_deviation(x: &[f64]) -> (f64, f64) {
    let count = x.len() as f64;
    let mean = x.iter().sum::<f64>() / count;
    let squares = x.iter().map(|x| (x - mean).powi(2));
    (mean, (squares.sum::<f64>() / count).sqrt())
}

/// Every variant with three seeds: its loss on the names held out.
fn compare(names: &Names) {
    const SEEDS: [u32; 3] = [42, 43, 44];
    println!("                     held-out loss with seed   mean   against");
    println!(
        "variant                  42      43      44             microgpt"
    );
    let mut first = None;
    for (name, recipe) in variants() {
        let losses = SEEDS.map(|seed| {
            let mut run = Run::new(recipe, names.clone(), seed);
            for _ in 0..recipe.steps {
                run.take_step();
            }
            run.held_out_loss()
        });
        let original = *first.get_or_insert(losses);
        let mean = losses.iter().sum::<f64>() / 3.0;
        let apart: Vec<String> = losses
            .iter()
            .zip(original)
            .map(|(a, b)| format!("{:+.3}", a - b))
            .collect();
        let [a, b, c] = losses;
        println!(
            "{name:20} {a:7.4} {b:7.4} {c:7.4} {mean:7.3}   {}",
            apart.join(" ")
        );
    }
}
