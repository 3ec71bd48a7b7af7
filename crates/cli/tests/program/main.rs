//! The program as its users have it: on odd texts, on full disks, with people
//! who press Ctrl-C, and killed.

mod average;
#[cfg(unix)]
mod disk;
mod exchange;
mod foreign;
mod help;
#[cfg(unix)]
mod interrupt;
mod kill;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod processor;
#[cfg(target_os = "linux")]
mod progress;
mod resume;
mod settings;
mod support;
#[path = "../../../../examples/terminal/mod.rs"]
mod terminal;
mod train;
