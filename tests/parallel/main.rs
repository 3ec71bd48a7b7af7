//! One run on several ranks is the same run: on one machine, and between two
//! with addresses of their own.
//!
//! `cargo test --features mpi --test parallel`, where MPI is installed.

use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Builds an example with MPI in it, and returns its path.
fn built(example: &str) -> String {
    let arguments =
        ["build", "--quiet", "--features", "mpi", "--example", example];
    let built =
        Command::new(env!("CARGO")).args(arguments).current_dir(ROOT).status();
    assert!(built.expect("cargo runs").success());
    let target = std::env::var("CARGO_TARGET_DIR");
    let target = target.unwrap_or_else(|_| format!("{ROOT}/target"));
    format!("{target}/debug/examples/{example}")
}

/// `mpirun` with that many ranks; more than there are cores, if need be.
fn mpirun(ranks: usize) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "-n", &ranks.to_string()]);
    // Root must ask for it, as in a container
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1");
    command.env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command
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

#[test]
fn any_number_of_ranks_is_one_process() {
    let program = built("parallel");
    for ranks in [1, 2, 3, 4] {
        let output = mpirun(ranks).arg(&program).output().expect("mpirun");
        let output = text(&output);
        assert!(output.contains(&format!("\n{ranks}, the last on ")));
        assert_equal(&output);
    }
}

#[test]
fn ranks_on_machines_with_addresses_of_their_own_are_one_process() {
    let across = format!("{ROOT}/tests/parallel/across.sh");
    let can =
        Command::new("ip").args(["netns", "add", "microgpt-try"]).status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("skipped: network namespaces need root and iproute2");
        return;
    }
    let _ = Command::new("ip").args(["netns", "del", "microgpt-try"]).status();
    let program = built("parallel");
    for each in ["1", "2"] {
        let run = Command::new(&across).args([each, &program]).output();
        let output = text(&run.expect("the script runs"));
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
