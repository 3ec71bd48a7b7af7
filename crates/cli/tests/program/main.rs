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
mod memory;
#[cfg(target_os = "linux")]
mod progress;
mod resume;
mod settings;
mod support;
mod train;
