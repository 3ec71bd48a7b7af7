//! The example `shakespeare`, and the others that run for long or read what is
//! a reader's own: bad input, and readers who leave.

mod support;
#[path = "support/example.rs"]
mod example;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use example::built;
use insta::assert_snapshot;
use support::{Folder, wrap};

/// The example in a folder, with what it is asked for.
fn shakespeare(folder: &Folder, arguments: &[&str]) -> Output {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program: &Path = PROGRAM.get_or_init(|| built("shakespeare", ""));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&folder.0).stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
fn the_example_trains_and_generates_where_there_is_no_terminal() {
    let folder = Folder::new("example");
    let arguments = ["--steps", "2", "--prompt", "Shall I "];
    let output = shakespeare(&folder, &arguments);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert!(output.stderr.is_empty());
    assert!(!printed.contains(['\u{1b}', '\r']), "control codes");
    for part in [
        "  uniform 4.078\n  unigram 3.113\n   bigram 2.383\n  trigram 1.963\n",
        "   4-gram 1.755\n   5-gram 1.764\n   6-gram 1.877\n",
        "\n94657 characters, 809088 parameters\n",
        "step     0  train      -  validation 4.12",
        "step     2  train ",
        "  below ",
        "trained in ",
    ] {
        assert!(printed.contains(part), "no {part:?} in:\n{printed}");
    }
    let (_, generated) = printed.split_once("\nShall I ").unwrap();
    assert_eq!(generated.strip_suffix('\n').unwrap().chars().count(), 500);
}

#[test]
fn without_a_step_the_example_generates_with_random_weights() {
    let folder = Folder::new("random");
    std::fs::write(folder.0.join("text.txt"), "to be ".repeat(20)).unwrap();
    let arguments = ["--data", "text.txt", "--steps", "0", "--top-k", "1"];
    let output = shakespeare(&folder, &arguments);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    // It has no line break, so its first character is continued
    let (_, generated) = printed.rsplit_once("\n\n").unwrap();
    assert!(generated.starts_with('t'), "{generated}");
    assert_eq!(generated.chars().count(), 1 + 500 + 1);
}

#[test]
fn bad_input_is_refused_with_a_sentence() {
    let folder = Folder::new("bad");
    std::fs::write(folder.0.join("latin.txt"), b"abc\xe9def").unwrap();
    std::fs::write(folder.0.join("empty.txt"), b"").unwrap();
    std::fs::write(folder.0.join("short.txt"), "ab".repeat(35)).unwrap();
    std::fs::create_dir(folder.0.join("folder")).unwrap();
    let refusal = |arguments: &[&str]| {
        let output = shakespeare(&folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{arguments:?} began to work");
        String::from_utf8(output.stderr).unwrap()
    };
    for path in ["no/such/file.txt", "folder"] {
        let error = refusal(&["--data", path]);
        let said = format!("error: cannot read {path}: ");
        assert!(error.starts_with(&said), "{error}");
    }
    let rows = [
        ["--data", "latin.txt"],
        ["--data", "empty.txt"],
        ["--data", "short.txt"],
        ["--steps", "2000000000"],
        ["--prompt", "O Zeus § 42"],
        ["--prompt", ""],
        ["--temperature", "-0.5"],
        ["--temperature", "nan"],
        ["--top-k", "0"],
        ["--top-k", "60"],
    ];
    let rows = rows.map(|arguments| {
        let error = refusal(&arguments);
        format!("{}\n{}", arguments.join(" "), wrap(error.trim_end()))
    });
    assert_snapshot!("bad_input", rows.concat());
    // What the parser of the command line refuses by itself
    for arguments in [["--steps", "1e3"], ["--colour", "red"]] {
        assert!(refusal(&arguments).starts_with("error: "));
    }
}

#[test]
fn the_long_programs_say_what_is_wrong_and_let_a_reader_leave() {
    for program in ["shakespeare", "rungs", "counting"] {
        let path = built(program, "");
        let run = |arguments: &[&str]| {
            let mut command = Command::new(&path);
            command.args(arguments).stdin(Stdio::null());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let option = (program == "shakespeare").then_some("--data");
        let missing: Vec<&str> =
            option.into_iter().chain(["no/text"]).collect();
        let output = run(&missing).wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.starts_with("error: cannot read no/text: "), "{error}");
        assert_eq!(output.status.code(), Some(2), "{error}");
        let mut left = run(&[]);
        drop(left.stdout.take());
        let output = left.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}
