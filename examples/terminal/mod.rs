//! What the programs share that are started by hand: threads, and words for
//! whoever sits at the terminal.

use std::error::Error;
use std::io::{self, Write, stderr};
use std::process::{ExitCode, Termination};

/// Starts the threads that rayon will use, this one among them.
pub fn start_threads(threads: Option<usize>) -> Result<usize, Box<dyn Error>> {
    let available = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = threads.unwrap_or(available);
    if !(1..=1024).contains(&threads) {
        Err(format!("--threads {threads}: give a number from 1 to 1024"))?;
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .build_global()?;
    Ok(threads)
}

/// Whoever reads the output may stop at any time, as `head` does.
fn nobody_reads(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// How a program ends: with what went wrong, unless it is only that nobody reads
/// any more.
pub fn finish(ended: Result<impl Termination, Box<dyn Error>>) -> ExitCode {
    match ended {
        Ok(ended) => ended.report(),
        Err(error) if nobody_reads(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            warn(&format!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Says it to whoever reads the errors, if anybody does.
pub fn warn(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// The text, with what could command a terminal spelled out: it may be a
/// stranger's.
pub fn visible(text: &str) -> String {
    let plain = |c: &char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let spell = |c: char| match plain(&c) {
        true => c.to_string(),
        false => c.escape_default().to_string(),
    };
    text.chars().map(spell).collect()
}
