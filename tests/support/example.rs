//! An example as a program of its own.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// Builds an example with these features, and says where it is.
pub fn built(example: &str, features: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--example", example])
        .args(["--features", features])
        .arg("--message-format=json")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut messages = lines.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    messages.next_back().expect("the example's path")
}
