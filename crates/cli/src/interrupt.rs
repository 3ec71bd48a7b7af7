//! Ctrl-C, and the signals by which a system or a terminal ends a program.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::Error;
use crate::terminal::warn;

/// Whether the run is to end after the present step.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on, Ctrl-C ends the run after the present step, and a second one
/// ends the program at once.
///
/// A signal that was ignored when the program started stays ignored: `nohup`
/// ignores that a terminal is closed, and a shell ignores Ctrl-C for what it
/// runs in the background.
pub fn listen() -> Result<(), Error> {
    listen_to_system()
}

fn interrupt() {
    if interrupted() {
        std::process::exit(130);
    }
    // Held until this is said: a short step is over sooner than a sentence, and
    // the program must not end before it.
    let _stderr = std::io::stderr().lock();
    INTERRUPTED.store(true, Ordering::Relaxed);
    warn(
        "\nfinishing this step, then saving; press Ctrl-C again to quit at \
         once",
    );
}

#[cfg(unix)]
fn listen_to_system() -> Result<(), Error> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut heard = vec![SIGINT, SIGTERM, SIGHUP];
    heard.retain(|&signal| !ignored(signal));
    let mut signals = Signals::new(heard)?;
    let wait = move || signals.forever().for_each(|_| interrupt());
    std::thread::Builder::new().spawn(wait)?;
    Ok(())
}

#[cfg(not(unix))]
fn listen_to_system() -> Result<(), Error> {
    Ok(ctrlc::set_handler(interrupt)?)
}

/// Whether this program ignores a signal.
#[cfg(unix)]
fn ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status");
    let status = status.unwrap_or_default(); // only Linux has it
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    match mask.map(|mask| u64::from_str_radix(mask.trim(), 16)) {
        Some(Ok(mask)) => mask & (1 << (signal - 1)) != 0,
        _ => survived(signal),
    }
}

/// Whether a shell survives a signal: what a program ignores, those that it
/// starts ignore as well.
#[cfg(unix)]
fn survived(signal: i32) -> bool {
    let kill = format!("kill -{signal} $$");
    let status = std::process::Command::new("sh").args(["-c", &kill]).status();
    status.is_ok_and(|status| status.success())
}

pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// From now on, the first Ctrl-C ends the program: there is no step to finish.
pub fn stop_waiting() {
    INTERRUPTED.store(true, Ordering::Relaxed);
}
