//! Appendix. What the program `names` is compared with: the original's losses,
//! counts of letters, and the same model with parts of this book.
//!
//! `cargo run --example names_studies -- STUDY names.txt` prints a record;
//! studies are `agreement`, `ladder`, `memory`, `noise` and `variants`.

#[path = "mod.rs"]
mod names;
#[path = "../../examples/terminal/mod.rs"]
mod terminal;
mod variants;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use double::orientation::ladder;
use double::scalar_autograd::Node;
use names::{Names, STEPS, Trainer, Way};
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

/// The losses that the original printed, and its names.
fn original() -> (Vec<f64>, Vec<&'static str>) {
    let text = include_str!("../../book/records/training/microgpt-py.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(' '));
    let (names, losses): (Vec<_>, Vec<_>) =
        pairs.partition(|(key, _)| *key == "name");
    let losses = losses.iter().map(|(_, loss)| loss.parse().expect("a loss"));
    (losses.collect(), names.into_iter().map(|(_, name)| name).collect())
}

/// How far each way is from the original.
fn agreement(names: &Names) {
    let (losses, invented) = original();
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
        let mut trainer = Trainer::new(names.clone(), way, 42);
        let found: Vec<f64> = (0..STEPS).map(|_| trainer.take_step()).collect();
        let pairs = || found.iter().zip(&losses);
        let equal = pairs().filter(|(a, b)| a == b).count();
        let four = |x: &f64| format!("{x:.4}");
        let decimals = pairs().filter(|(a, b)| four(a) == four(b)).count();
        let apart = pairs().map(|(a, b)| (a - b).abs());
        let early = apart.clone().take(100).fold(0.0, f64::max);
        let late = apart.fold(0.0, f64::max);
        let same = invented.iter().filter(|&&it| trainer.invent() == it);
        println!(
            "{name:26}  {equal:8}  {decimals:10}  {early:7.1e}  {late:7.1e}  {:5}",
            same.count()
        );
    }
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
    let kept_back: Vec<Vec<usize>> = held_out(&trainer.names)
        .iter()
        .map(|name| trainer.names.tokens(name))
        .collect();
    let count = kept_back.len() as f64;
    println!("            one name   mean of the   {count} names held out");
    println!("step  (as printed)  last hundred   mean   standard deviation");
    let mut losses = Vec::new();
    for step in 1..=STEPS {
        losses.push(trainer.take_step());
        if step % 100 > 0 {
            continue;
        }
        let of_one = |name: &Vec<usize>| {
            Way::ByHand.loss_and_grad(&trainer.model, name).0
        };
        let scored: Vec<f64> = kept_back.iter().map(of_one).collect();
        let mean = scored.iter().sum::<f64>() / count;
        let squares = scored.iter().map(|loss| (loss - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        let (one, hundred) = (losses[step - 1], &losses[step - 100..]);
        let hundred = hundred.iter().sum::<f64>() / 100.0;
        println!(
            "{step:4}  {one:12.4}  {hundred:12.3}  {mean:5.3}   {deviation:.3}"
        );
    }
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
