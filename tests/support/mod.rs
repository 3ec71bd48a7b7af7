//! What the tests of files share: a folder that is gone when they are, and a
//! narrow page to print on.

#![allow(dead_code)] // few tests need all of it

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder of the test's own, gone when dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("microgpt-{}-{number}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The text with no line longer than 72 characters, but for long words; what
/// the system itself says is left out, since each has other words.
pub fn wrap(text: &str) -> String {
    let text = without_system(text);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + word.len() < 72 {
            *line += &format!(" {word}");
        } else {
            lines.push(word.to_string());
        }
    }
    lines.iter().map(|line| format!("    {line}\n")).collect()
}

/// `x: No such file or directory (os error 2)` as `x: (the system says why)`.
fn without_system(text: &str) -> String {
    let Some((before, after)) = text.split_once(" (os error ") else {
        return text.to_owned();
    };
    let (before, _) = before.rsplit_once(": ").unwrap();
    let (_, after) = after.split_once(')').unwrap();
    format!("{before}: (the system says why){after}")
}
