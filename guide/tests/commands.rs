//! Every command that the README or a page tells a reader to type, typed.
//!
//! `cargo test --package guide --test commands -- --nocapture` prints how long
//! each took.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// What is not run here, and why. A command is meant by how it begins.
const ELSEWHERE: [(&str, &str); 16] = [
    ("cargo install", "some minutes; the book is built with the same crates"),
    ("mdbook serve", "serves until it is stopped"),
    ("cargo book", "the other tests of this package build the book"),
    ("cargo bench", "measures for minutes; records in book/runs"),
    ("curl", "needs a network"),
    ("mv input.txt", "needs what was downloaded"),
    ("cargo run --example shakespeare -- --data", "needs a text; records"),
    ("cargo test --test zoo -- --ignored", "minutes; the page has its result"),
    ("cargo run --example variants --", "minutes; records in book/runs"),
    ("cargo run --example rungs", "a minute and more; a record in book/runs"),
    ("cargo test", "is what runs before this"),
    ("cargo run --manifest-path fuzz", "fuzzing; records in book/runs"),
    ("cargo +nightly fuzz", "needs another compiler; records in book/runs"),
    ("apt-get", "changes the machine"),
    ("cargo build --features mpi", "needs an MPI library"),
    ("mpirun", "needs an MPI library"),
];

/// How a command should end.
enum End {
    /// Well.
    Success,
    /// With a failed test: an exercise that nobody has solved.
    Unsolved,
    /// It is not run here.
    Elsewhere,
}

fn end(command: &str) -> End {
    if command.contains("--test exercises -- --ignored") {
        return End::Unsolved;
    }
    let elsewhere =
        ELSEWHERE.iter().any(|(start, _)| command.starts_with(start));
    if elsewhere { End::Elsewhere } else { End::Success }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The lines of all blocks of shell, each with the page it was first seen on.
fn commands() -> BTreeMap<String, String> {
    let mut pages = vec![root().join("README.md")];
    let entries = std::fs::read_dir(root().join("book")).expect("the book");
    let entries = entries.map(|entry| entry.expect("a readable folder").path());
    pages
        .extend(entries.filter(|path| path.extension() == Some("md".as_ref())));
    pages.sort();
    let mut commands = BTreeMap::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a page in UTF-8");
        let name = page.file_name().expect("a name").to_string_lossy();
        let mut shell = false;
        for line in text.lines() {
            if line.starts_with("```") {
                shell = !shell && line == "```sh";
            } else if shell {
                let command = line.split(" #").next().unwrap_or("").trim();
                let command = command.to_string();
                commands.entry(command).or_insert(name.to_string());
            }
        }
    }
    commands
}

/// Runs a command as a reader does, in the root of the repository.
fn type_in(command: &str) -> (bool, String) {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(root());
    let output = shell.output().expect("a shell");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
#[cfg_attr(windows, ignore = "the commands are written for a Unix shell")]
fn every_command_of_every_page_works() {
    let commands = commands();
    assert!(commands.len() > 20, "{commands:?}");
    let mut problems = String::new();
    for (command, page) in &commands {
        let start = Instant::now();
        let problem = match end(command) {
            End::Elsewhere => continue,
            End::Success => {
                let (success, said) = type_in(command);
                (!success).then_some(said)
            }
            End::Unsolved => {
                let (success, said) = type_in(command);
                let asked = said.contains("::reader ... FAILED");
                (success || !asked).then_some(said)
            }
        };
        println!("{:6.1} s  {command}", start.elapsed().as_secs_f64());
        if let Some(said) = problem {
            problems += &format!("{page}: {command}\n{said}\n");
        }
    }
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn every_exception_is_still_needed() {
    let commands = commands();
    for (start, why) in ELSEWHERE {
        let used = commands.keys().any(|command| command.starts_with(start));
        assert!(used, "`{start}` ({why}) is on no page; take it out");
    }
}
