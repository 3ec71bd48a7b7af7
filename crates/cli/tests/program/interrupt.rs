//! People who press Ctrl-C, close the terminal, or stop reading.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::*;

/// Sends a signal: `INT` is Ctrl-C, `TERM` what a system sends before it stops,
/// `HUP` what a terminal sends when it is closed.
fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// Undoes what ignores signals around the tests, such as a shell that runs them
/// in the background; elsewhere than on Linux nothing can.
fn plain(starter: &[&str]) -> Command {
    let env = ["env", "--default-signal=HUP,INT,TERM"];
    let env = env.iter().filter(|_| cfg!(target_os = "linux"));
    let mut words = env.chain(starter).chain(&[PROGRAM]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

fn start(folder: &Folder, arguments: &str) -> Child {
    plain(&[])
        .args(command(folder, arguments).get_args())
        .current_dir(&folder.0)
        .env_remove("CARGO_PKG_NAME")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

const FIRST: &str =
    "finishing this step, then saving; press Ctrl-C again to quit at once";

#[test]
fn an_interrupted_run_is_saved_and_says_how_to_continue() {
    let folder = Folder::new("interrupt");
    for (name, file) in [("INT", "a"), ("TERM", "b"), ("HUP", "c")] {
        let run = format!(
            "{TINY} --steps 100000000 --eval-interval 100000 --checkpoint {file}"
        );
        let child = start(&folder, &run);
        wait_for(&folder, file);
        std::thread::sleep(Duration::from_millis(50));
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{name}: {output:?}");
        let step = step(&folder, file);
        assert!(step > 0);
        let said = format!(
            "\n{FIRST}\n\ninterrupted: step {step} is saved to {file}; continue \
             with `microgpt resume {file} --data text.txt`\n"
        );
        assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
    }
}

/// A run that nothing ends but a signal, started by this command, once it has
/// made its file.
fn start_under(folder: &Folder, starter: &[&str], file: &str) -> Child {
    let run = format!(
        "{TINY} --steps 100000000 --eval-interval 100000 --checkpoint {file}"
    );
    let mut child = plain(starter)
        .args(command(folder, &run).get_args())
        .current_dir(&folder.0)
        .env_remove("CARGO_PKG_NAME")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !folder.0.join(file).exists() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended early");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(50));
    child
}

/// The first signals cost it nothing; the last one ends it, saved.
fn only_the_last_ends_it(folder: &Folder, mut child: Child, signals: &[&str]) {
    let (last, ignored) = signals.split_last().unwrap();
    for name in ignored.repeat(2) {
        signal(&child, name);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(child.try_wait().unwrap(), None, "ended by {name}");
    }
    signal(&child, last);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with("--data text.txt`\n"), "{said}");
    assert_eq!(said.matches(FIRST).count(), 1, "{said}");
    assert!(step(folder, "a") > 0);
    let _ = std::fs::remove_file(folder.0.join("a"));
    let _ = std::fs::remove_file(folder.0.join("a.best"));
}

/// `nohup` ignores HUP, and a shell INT and QUIT for what is in the background.
#[test]
fn what_was_ignored_at_the_start_does_not_end_the_run() {
    let folder = Folder::new("ignored");
    let child = start_under(&folder, &["nohup"], "a");
    only_the_last_ends_it(&folder, child, &["HUP", "TERM"]);
    for signals in [
        &["INT", "HUP"][..],
        &["TERM", "INT"],
        &["HUP", "INT", "TERM"],
        &["TERM", "HUP", "INT"],
    ] {
        let (_, ignored) = signals.split_last().unwrap();
        let trap = format!("trap '' {}; exec \"$0\" \"$@\"", ignored.join(" "));
        let child = start_under(&folder, &["sh", "-c", &trap], "a");
        only_the_last_ends_it(&folder, child, signals);
    }
}

/// Where the system does not list them, as on macOS, a shell finds out.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs strace"]
fn what_is_ignored_is_found_without_proc() {
    let folder = Folder::new("no-proc");
    let hide = "trap '' HUP; exec strace -D -f -o trace -P /proc/self/status \
                -e inject=open,openat:error=ENOENT \"$0\" \"$@\"";
    let child = start_under(&folder, &["sh", "-c", hide], "a");
    only_the_last_ends_it(&folder, child, &["HUP", "TERM"]);
    let trace = String::from_utf8(content(&folder, "trace")).unwrap();
    assert!(trace.contains("ENOENT") && trace.contains("INJECTED"), "{trace}");
}

/// The steps take minutes, so that whoever ends it is not the end of a step.
#[test]
fn a_second_ctrl_c_leaves_at_once_and_the_file_as_it_is() {
    let folder = Folder::new("impatient");
    let run = "train --data text.txt --n-layer 4 --n-head 4 --n-embd 512 \
               --block-size 256 --batch-size 1024 --steps 9 --checkpoint a";
    let mut child = start(&folder, run);
    wait_for(&folder, "a");
    let before = content(&folder, "a");
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, "INT");
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = said.find_map(|line| line.ok().filter(|line| !line.is_empty()));
    assert_eq!(line.as_deref(), Some(FIRST));
    let start = Instant::now();
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let seconds = start.elapsed().as_secs_f64();
    assert!(seconds < 5.0, "{seconds} s are not at once");
    assert!(said.next().is_none(), "it said more");
    assert!(content(&folder, "a") == before);
}

/// When the run is over there is no step to finish, and one press is enough.
#[test]
fn ctrl_c_ends_generation_at_once() {
    let folder = Folder::new("generation");
    let tiny = TINY.replace("--length 5", "--length 1000000000");
    let mut child = start(&folder, &format!("{tiny} --steps 3 --checkpoint a"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("trained in")));
    let reader = std::thread::spawn(move || for _ in lines {});
    std::thread::sleep(Duration::from_millis(50));
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    reader.join().unwrap();
    assert_eq!(step(&folder, "a"), 3);
}

/// Reads what the program prints up to a line that begins like this, and no
/// further. The program ends well all the same; returns what it says.
fn leave(folder: &Folder, arguments: &str, last: &str) -> String {
    let mut child = start(folder, arguments);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with(last) {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended early");
    }
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// As in `microgpt train … | head`: quietly, and with the run saved.
#[test]
fn a_reader_who_leaves_ends_the_run_and_costs_no_step() {
    let folder = Folder::new("head");
    let run = format!("{TINY} --steps 100000000 --eval-interval 10");
    assert_eq!(leave(&folder, &run, "corpus"), "");
    assert_eq!(leave(&folder, &run, "step    20"), "");
    let kept = format!("{run} --checkpoint a");
    let said = leave(&folder, &kept, "step    20");
    let step = step(&folder, "a");
    assert!(step >= 20);
    let expected = format!(
        "\ninterrupted: step {step} is saved to a; continue with `microgpt \
         resume a --data text.txt`\n"
    );
    assert_eq!(said, expected);
    // In the middle of a text, and of what is in a file
    let generate = "generate a --length 1000000000";
    assert_eq!(leave(&folder, generate, "\n"), "");
    assert_eq!(leave(&folder, "inspect a", "model"), "");
}
