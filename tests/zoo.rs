//! A zoo of mistakes: each is put into a copy of the code, where one test must
//! fail. `cargo test --test zoo -- --ignored` takes some minutes.

#[allow(dead_code)] // what only the program `variants` prints
#[path = "../chapters-code/zoo/faults.rs"]
mod faults;
#[path = "../chapters-code/zoo/workshop.rs"]
mod workshop;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use faults::{EXPERIMENTS, FAULTS, Fault, Patch};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn every_patch_still_fits_the_code() {
    let faults = FAULTS.iter().map(|fault| (fault.name, fault.patches));
    let experiments = EXPERIMENTS.iter().map(|e| (e.name, e.patches));
    let mut names = BTreeSet::new();
    for (name, patches) in faults.chain(experiments) {
        assert!(names.insert(name), "{name} stands for two things");
        for (i, patch) in patches.iter().enumerate() {
            let before = patches[..i].iter().filter(|p| p.file == patch.file);
            let text = before
                .fold(read(patch.file), |text, p| workshop::patched(&text, p));
            assert_ne!(workshop::patched(&text, patch), text, "{name}");
        }
    }
}

#[test]
#[should_panic(expected = "stale patch")]
fn a_patch_that_fits_nowhere_is_noticed() {
    let (file, from) = ("src/gpt.rs", "no such words");
    workshop::patched(&read(file), &Patch { file, from, to: "" });
}

/// The hunt and the program `variants` take minutes and are seldom run. That
/// cargo finds its way in what they copy is seen here: it is asked for a target
/// that is not there, and says which are.
#[test]
fn a_copy_of_the_package_is_one_that_cargo_reads() {
    for (name, paths) in [("cage", CAGE), ("program", workshop::PROGRAM)] {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        workshop::copy(root(), &folder, paths, &[]).unwrap();
        let output = Command::new(env!("CARGO"))
            .args(["check", "--offline", "--example", "none"])
            .current_dir(&folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let found = "available example targets:\n    variants\n";
        assert!(said.contains(found), "{name}: {said}");
        assert!(!said.contains("warning"), "{name}: {said}");
    }
}

#[test]
fn the_library_needs_no_crate_that_a_copy_leaves_out() {
    let mut paths = vec![root().join("src")];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).unwrap();
            paths.extend(entries.map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for name in workshop::UNNEEDED {
            assert!(!text.contains(&format!("{name}::")), "src uses {name}");
        }
    }
}

#[test]
fn every_killer_is_a_test_that_there_is() {
    for fault in &FAULTS {
        let (target, test) = fault.killer;
        let (file, test) = match test.split_once("::") {
            Some((module, test)) => (format!("{target}/{module}"), test),
            None => (target.to_string(), test),
        };
        let text = read(&format!("tests/{file}.rs"));
        assert!(text.contains(&format!("fn {test}(")), "{file}: {test}");
    }
}

/// The recorded losses: names, and validation losses at five steps.
fn record() -> Vec<(String, Vec<f64>)> {
    let record = read("book/records/studies/variants.txt");
    let (_, table) = record.split_once("\n\n").unwrap();
    let rows = table.lines().filter(|line| !line.contains("step"));
    rows.map(|row| {
        let mut words = row.split_whitespace();
        let name = words.next().unwrap().to_string();
        (name, words.map(|loss| loss.parse().unwrap()).collect())
    })
    .collect()
}

#[test]
fn the_record_lists_exactly_these_variants() {
    let record = record();
    let listed: Vec<&str> = record.iter().map(|row| &*row.0).collect();
    let faults = FAULTS.iter().map(|fault| fault.name);
    let experiments = EXPERIMENTS.iter().map(|experiment| experiment.name);
    let known: Vec<&str> = experiments.chain(faults).collect();
    assert_eq!(listed, known);
    assert!(record.iter().all(|(_, losses)| losses.len() == 5));
}

/// What the appendix says of the curves. Three faults are in code that these
/// runs do not reach, so they are not counted.
#[test]
fn seven_of_twenty_one_faults_hardly_move_the_loss() {
    let record = record();
    let (_, faults) = record.split_at(EXPERIMENTS.len());
    let right = &record[0].1;
    let reached: Vec<_> = faults.iter().filter(|row| row.1 != *right).collect();
    assert_eq!((faults.len(), reached.len()), (24, 21));
    let last = || reached.iter().map(|row| row.1[4]);
    let near = last().filter(|loss| (loss - right[4]).abs() < 0.03); // nats
    assert_eq!(near.count(), 7);
    assert_eq!(last().filter(|loss| *loss < right[0]).count(), 20);
}

/// What chapter 4 says of post-norm.
#[test]
fn post_norm_pauses_only_with_small_weights() {
    let record = record();
    let losses = |name: &str| {
        let mut rows = record.iter();
        rows.find(|row| row.0 == name).unwrap().1.clone()
    };
    let (pre, post) = (losses("init-0.2-8"), losses("post-norm-0.2-8"));
    assert!(losses("post-norm-8")[1] > 3.1); // nats: the unigram rung
    assert!(post[1] < 2.3);
    assert!((pre[4] - post[4]).abs() < 0.01);
}

/// What the tests need.
const CAGE: &[&str] = &[
    "src",
    "crates/double",
    "tests/gradients.rs",
    "tests/properties",
    "chapters-code/data",
    "chapters-code/transformer_block/naive.rs",
    "chapters-code/zoo",
    "examples/terminal",
];

/// A copy of it, in a folder of its own.
struct Cage(PathBuf);

impl Cage {
    /// Puts the patched code into the cage.
    fn fill(&self, patches: &[Patch]) {
        workshop::copy(root(), &self.0, CAGE, patches).unwrap();
    }

    /// Runs tests of one target; returns whether they pass and what is said.
    fn run(&self, target: &str, tests: &[&str]) -> (bool, String) {
        let modules: Vec<&str> =
            tests.iter().filter_map(|t| Some(t.split_once("::")?.0)).collect();
        let wanted = |line: &str| {
            let module =
                line.strip_prefix("mod ").and_then(|l| l.strip_suffix(';'));
            module.is_none_or(|m| m == "double" || modules.contains(&m))
        };
        // Fewer modules compile faster
        if target == "properties" {
            let main = read("tests/properties/main.rs");
            let main: Vec<&str> = main.lines().filter(|l| wanted(l)).collect();
            let path = self.0.join("tests/properties/main.rs");
            workshop::write(&path, &main.join("\n")).unwrap();
        }
        let output = Command::new(env!("CARGO"))
            .args(["test", "--test", target, "--", "--exact"])
            .args(tests)
            .current_dir(&self.0)
            .env("CARGO_TARGET_DIR", self.0.join("target"))
            .env_remove("RUSTFLAGS") // a fault may well leave a warning
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }
}

#[test]
#[ignore = "compiles the tests anew for each fault, which takes minutes"]
fn every_fault_makes_its_killer_fail() {
    let cage = Cage(Path::new(env!("CARGO_TARGET_TMPDIR")).join("zoo"));
    for target in ["gradients", "properties"] {
        let killers = FAULTS.iter().filter(|f| f.killer.0 == target);
        let killers: BTreeSet<&str> = killers.map(|f| f.killer.1).collect();
        let killers: Vec<&str> = killers.into_iter().collect();
        cage.fill(&[]);
        let (passed, said) = cage.run(target, &killers);
        assert!(passed, "without any fault:\n{said}");
        let all = format!("{} passed; 0 failed", killers.len());
        assert!(said.contains(&all), "without any fault:\n{said}");
    }
    let caught = FAULTS.iter().map(|fault| is_caught(&cage, fault));
    let caught: Vec<bool> = caught.collect();
    assert!(caught.iter().all(|&caught| caught), "see above");
}

// ANCHOR: is_caught
/// Whether a fault's killer is compiled, runs, and fails by an assertion.
fn is_caught(cage: &Cage, fault: &Fault) -> bool {
    let start = Instant::now();
    let (target, test) = fault.killer;
    cage.fill(fault.patches);
    let (_, said) = cage.run(target, &[test]);
    let asserted = |line: &str| {
        line.contains("panicked at tests/") && !line.contains("/src/")
    };
    let caught = said.contains(&format!("test {test} ... FAILED"))
        && said.lines().any(asserted);
    let verdict = if caught { "caught by" } else { "ESCAPED" };
    let seconds = start.elapsed().as_secs_f64();
    println!("{:20} {seconds:5.1} s  {verdict} {test}", fault.name);
    if !caught {
        println!("{said}");
    }
    caught
}
// ANCHOR_END: is_caught
