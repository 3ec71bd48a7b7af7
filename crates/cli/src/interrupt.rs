//! Ctrl-C, and the signals by which a system or a terminal ends a program.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::Error;
use crate::terminal::warn;

/// Whether the run is to end after the present step.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on, Ctrl-C ends the run after the present step, and a second one
/// ends the program at once.
pub fn listen() -> Result<(), Error> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        warn(
            "\nfinishing this step, then saving; press Ctrl-C again to quit \
             at once",
        );
    })?;
    Ok(())
}

pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// From now on, the first Ctrl-C ends the program: there is no step to finish.
pub fn stop_waiting() {
    INTERRUPTED.store(true, Ordering::Relaxed);
}
