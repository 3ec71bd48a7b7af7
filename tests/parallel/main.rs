//! One run on several ranks is the same run, on one machine and between two with
//! addresses of their own; and when one rank fails, no other waits for it.
//!
//! `cargo test --features mpi --test parallel`, where MPI is installed. `MPIRUN`
//! names the launcher, if it is not `mpirun`, and `MPICC` the compiler, if it is
//! not `mpicc`; both must be of one library, Open MPI or MPICH.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Long enough for any of these jobs on a busy machine; what is still running
/// then is waiting for ever.
const DEADLINE: Duration = Duration::from_secs(120);

fn variable(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.into())
}

fn target() -> String {
    variable("CARGO_TARGET_DIR", &format!("{ROOT}/target"))
}

/// Builds an example with MPI in it, and returns its path.
fn built(example: &str) -> String {
    let arguments =
        ["build", "--quiet", "--features", "mpi", "--example", example];
    let built =
        Command::new(env!("CARGO")).args(arguments).current_dir(ROOT).status();
    assert!(built.expect("cargo runs").success());
    format!("{}/debug/examples/{example}", target())
}

/// Whether the launcher is Open MPI's; if not, it is MPICH's, or like it.
fn is_open_mpi() -> bool {
    let launcher = variable("MPIRUN", "mpirun");
    let version = Command::new(&launcher).arg("--version").output();
    let version = version.unwrap_or_else(|e| panic!("{launcher}: {e}"));
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    // Open MPI 4 calls itself by its run-time environment, if it is not
    // called by the name of mpirun
    ["Open MPI", "OpenRTE"].iter().any(|name| version.contains(name))
}

/// The launcher with that many ranks; more than there are cores, if need be.
fn mpirun(ranks: usize) -> Command {
    let mut command = Command::new(variable("MPIRUN", "mpirun"));
    if is_open_mpi() {
        // Root must ask for it, as in a container
        command.args(["--oversubscribe", "--allow-run-as-root"]);
    }
    command.args(["-n", &ranks.to_string()]);
    command
}

/// Runs a job to its end.
fn finished(command: &mut Command) -> Output {
    command.env("RUST_BACKTRACE", "0").process_group(0);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut job = command.spawn().expect("the launcher runs");
    let (stdout, stderr) = (job.stdout.take(), job.stderr.take());
    let [stdout, stderr] = [read(stdout), read(stderr)];
    let start = Instant::now();
    let mut status = None;
    while status.is_none() && start.elapsed() < DEADLINE {
        thread::sleep(Duration::from_millis(20));
        status = job.try_wait().expect("a child");
    }
    let ended = status.is_some();
    let status: ExitStatus = status.unwrap_or_else(|| {
        // Launchers pass the first on, and are gone after the second
        for signal in ["-TERM", "-KILL"] {
            let group = format!("-{}", job.id());
            let _ = Command::new("kill").args([signal, "--", &group]).status();
            thread::sleep(Duration::from_secs(3));
        }
        job.wait().expect("a child")
    });
    let read = |text: thread::JoinHandle<_>| text.join().expect("a pipe");
    let (stdout, stderr) = (read(stdout), read(stderr));
    let output = Output { status, stdout, stderr };
    assert!(ended, "still running after {DEADLINE:?}: {output:#?}");
    output
}

/// All that comes out of a pipe, while it comes.
fn read<R: Read + Send + 'static>(
    pipe: Option<R>,
) -> thread::JoinHandle<Vec<u8>> {
    let mut pipe = pipe.expect("piped");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("bytes");
        bytes
    })
}

fn text(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The differences that the program prints: six rows, one or two in each.
fn differences(output: &str) -> Vec<f64> {
    let (_, rest) = output.split_once("[equality]").expect("a section");
    let (equality, _) = rest.split_once("[timing]").expect("another");
    let words = equality.split_whitespace().filter(|word| word.contains('e'));
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The sums are the same but for the order in which they are added. Divided by
/// the number of ranks, parts that are not equal give 0.08 and more.
fn assert_equal(output: &str) {
    let differences = differences(output);
    assert_eq!(differences.len(), 11, "{output}");
    assert!(differences.iter().all(|&apart| apart < 1e-12), "{output}");
}

/// Besides, every rank of the program panics if its sums or its weights differ
/// from those of rank 0 in any bit; then the job doesn't end well.
#[test]
fn any_number_of_ranks_is_one_process() {
    let program = built("parallel");
    for ranks in [1, 2, 3, 4] {
        let output = text(&finished(mpirun(ranks).arg(&program)));
        assert!(output.contains(&format!("\n{ranks}, the last on ")));
        assert_equal(&output);
    }
}

#[test]
#[ignore = "needs root, the network namespaces of Linux, and Open MPI"]
fn ranks_on_machines_with_addresses_of_their_own_are_one_process() {
    let across = format!("{ROOT}/tests/parallel/across.sh");
    let program = built("parallel");
    for each in ["1", "2"] {
        let output = finished(Command::new(&across).args([each, &program]));
        let output = text(&output);
        assert!(output.contains("the last on microgpt-there"), "{output}");
        assert_equal(&output);
        // Twenty-five sums of size S went through the cable, and not much more
        let (_, bytes) = output.rsplit_once("cable: ").expect("a count");
        let bytes = bytes.trim_end_matches(" bytes\n").parse::<f64>();
        let expected = 25.0 * 4.0 * 809_857.0;
        let sent = bytes.expect("a number") / expected;
        assert!((1.0..1.1).contains(&sent), "{sent} of {expected}");
    }
}

/// Asserts that a job whose last rank fails like that ends, not well, and that
/// each of these is among what it says of it.
fn assert_ends(ranks: usize, how: &str, says: &[&str]) {
    let program = built("parallel_failures");
    let output = finished(mpirun(ranks).args([&program, how]));
    assert!(!output.status.success(), "{output:#?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    for part in says {
        assert!(errors.contains(part), "no {part:?} in:\n{errors}");
    }
}

#[test]
fn a_job_in_which_nothing_fails_ends_well() {
    let program = built("parallel_failures");
    for ranks in [1, 2, 3, 4] {
        let output = finished(mpirun(ranks).arg(&program));
        let steps = text(&output).lines().count();
        assert_eq!(steps, 3 * ranks, "{output:#?}");
    }
}

#[test]
fn a_panic_on_one_rank_ends_all() {
    for ranks in [2, 3, 4] {
        let who = format!("rank {} of {ranks} failed: panicked: ", ranks - 1);
        let whole = format!("{who}a panic before the first step\n");
        assert_ends(ranks, "panic", &[&whole]);
    }
}

#[test]
fn an_error_on_one_rank_ends_all() {
    for ranks in [2, 3, 4] {
        let who = format!("rank {} of {ranks} failed: ", ranks - 1);
        let whole = format!("{who}the data has 10 tokens");
        assert_ends(ranks, "short", &[&whole]);
    }
}

/// The model panics in a thread of the pool, which must not call MPI. The unknown
/// id is in a window of rank 1.
#[test]
fn a_panic_in_a_thread_of_the_gradient_ends_all() {
    let says = ["thread '<unnamed>'", "rank 1 of 3 failed: panicked: assert"];
    assert_ends(3, "id", &says);
}

#[test]
fn a_panic_in_drop_ends_all() {
    let says = "rank 2 of 3 failed: panicked: a panic while something is drop";
    assert_ends(3, "drop", &[says]);
}

/// Rust itself ends a process that panics while it panics: the launcher notices.
#[test]
fn a_panic_while_another_is_unwinding_ends_all() {
    let says = ["a panic, and another one follows", "a panic while something"];
    assert_ends(3, "drop-twice", &says);
}

#[test]
fn a_rank_that_is_killed_ends_all() {
    assert_ends(3, "KILL", &[]);
}

/// With which status depends: that of MPICH's launcher may be the rank's, 0.
#[test]
fn a_rank_that_exits_ends_all() {
    let program = built("parallel_failures");
    let output = finished(mpirun(3).args([&program, "exit"]));
    assert!(output.stdout.is_empty(), "a step was taken: {output:#?}");
}

/// Each rank says what it was about to do.
#[test]
fn ranks_that_do_not_do_the_same_all_end() {
    for how in ["steps", "model", "batch", "data"] {
        let last = match how {
            "steps" => "this rank has finished",
            "model" => "this rank adds 28576 derivatives",
            _ => "this rank adds 106304 derivatives",
        };
        let first = "rank 0 of 3 failed: panicked: this rank adds 106304 deriv";
        let last = format!("rank 2 of 3 failed: panicked: {last}, but another");
        assert_ends(3, how, &[first, &last]);
    }
}

#[test]
fn mpi_is_not_started_twice() {
    let says = "rank 1 of 2 failed: panicked: MPI starts once in a process";
    assert_ends(2, "twice", &[says]);
}

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "lays a library over another, in the way of Linux"
)]
fn an_mpi_library_without_threads_is_refused() {
    let library = format!("{}/no_threads.so", target());
    let source = format!("{ROOT}/tests/parallel/no_threads.c");
    let mut compiler = Command::new(variable("MPICC", "mpicc"));
    compiler.args(["-shared", "-fPIC", "-o", &library, &source]);
    assert!(compiler.status().expect("mpicc runs").success());
    let program = built("parallel_failures");
    let preload = format!("LD_PRELOAD={library}");
    let output = finished(mpirun(2).args(["env", &preload, &program]));
    assert!(!output.status.success(), "{output:#?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    let says = "failed: this MPI library provides Single threading, but";
    for rank in 0..2 {
        let says = format!("rank {rank} of 2 {says}");
        assert!(errors.contains(&says), "{output:#?}");
    }
}
