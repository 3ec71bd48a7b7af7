//! What the tests share: the program, at work in a folder.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use microgpt::checkpoint::{self, Corpus};
use microgpt::training::Trainer;

#[path = "../../../../tests/support/mod.rs"]
mod folder;

pub use folder::{Folder, wrap};

/// What the file `text.txt` has ten times.
pub const TEXT: &str = "to be, or not to be: that is the question\n";

/// To train a tiny model.
pub const TINY: &str = "train --data text.txt --n-layer 1 --n-head 1 \
                        --n-embd 8 --block-size 8 --batch-size 2 --length 5";

/// The program itself, not cargo, so that a signal reaches it.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_microgpt");

/// The program in a folder, where there is a text.
pub fn command(folder: &Folder, arguments: &str) -> Command {
    std::fs::write(folder.0.join("text.txt"), TEXT.repeat(10)).unwrap();
    let mut command = Command::new(PROGRAM);
    let arguments = arguments.split(' ').filter(|word| !word.is_empty());
    command.current_dir(&folder.0).args(arguments).stdin(Stdio::null());
    command.env_remove("CARGO_PKG_NAME"); // as if nothing to do with cargo
    command
}

pub fn output(folder: &Folder, arguments: &str) -> Output {
    command(folder, arguments).output().unwrap()
}

/// What it prints.
pub fn succeed(folder: &Folder, arguments: &str) -> String {
    let output = output(folder, arguments);
    assert!(output.status.success(), "{arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Why it refuses, before it begins to work.
pub fn refusal(folder: &Folder, arguments: &str) -> String {
    let output = output(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments}: {output:?}");
    assert!(output.stdout.is_empty(), "{arguments} began to work");
    String::from_utf8(output.stderr).unwrap()
}

pub fn start(folder: &Folder, arguments: &str) -> Child {
    let mut command = command(folder, arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub fn content(folder: &Folder, name: &str) -> Vec<u8> {
    std::fs::read(folder.0.join(name)).unwrap()
}

pub fn wait_for(folder: &Folder, name: &str) {
    while !folder.0.join(name).exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn load(folder: &Folder, name: &str) -> (Trainer, Corpus) {
    checkpoint::load(&folder.0.join(name)).unwrap()
}

pub fn step(folder: &Folder, name: &str) -> usize {
    load(folder, name).0.step
}

pub fn save(path: &Path, trainer: &Trainer, corpus: &Corpus) {
    std::fs::write(path, bytes(trainer, corpus)).unwrap();
}

pub fn bytes(trainer: &Trainer, corpus: &Corpus) -> Vec<u8> {
    let mut bytes = Vec::new();
    checkpoint::write(trainer, corpus, &mut bytes).unwrap();
    bytes
}
