//! The example at work, as its users have it: on odd texts, on full disks, with
//! people who press Ctrl-C, and killed.

mod support;

#[cfg(unix)]
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

use insta::assert_snapshot;
use microgpt::checkpoint::{self, Corpus};
use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::Gpt;
use microgpt::training::{
    Event, SequenceWarmup, TrainConfig, Trainer, evaluate, split,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde_json::Value;
use support::{Folder, wrap};

const TEXT: &str = "to be, or not to be: that is the question\n";

fn bytes(trainer: &Trainer, corpus: &Corpus) -> Vec<u8> {
    let mut bytes = Vec::new();
    checkpoint::write(trainer, corpus, &mut bytes).unwrap();
    bytes
}

/// The program itself, not cargo, so that a signal reaches it.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| built("shakespeare"))
}

/// Builds an example, and says where it is.
fn built(example: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--example", example])
        .arg("--message-format=json")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut messages = lines.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    messages.next_back().expect("the example's path")
}

const TINY: &str = "--n-layer 1 --n-head 1 --n-embd 8 --block-size 8 \
                    --batch-size 2 --length 5";

/// The example at work in a folder, on a text that is in it.
fn command(folder: &Folder, arguments: &str) -> Command {
    std::fs::write(folder.0.join("text.txt"), TEXT.repeat(10)).unwrap();
    let mut command = Command::new(program());
    let arguments = arguments.split(' ').filter(|word| !word.is_empty());
    command.current_dir(&folder.0).args(arguments).stdin(Stdio::null());
    command
}

fn output(folder: &Folder, arguments: &str) -> Output {
    command(folder, arguments).output().unwrap()
}

fn succeed(folder: &Folder, arguments: &str) -> String {
    let output = output(folder, arguments);
    assert!(output.status.success(), "{arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn refusal(folder: &Folder, arguments: &str) -> String {
    let output = output(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn content(folder: &Folder, name: &str) -> Vec<u8> {
    std::fs::read(folder.0.join(name)).unwrap()
}

fn start(folder: &Folder, arguments: &str) -> Child {
    let mut command = command(folder, arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Fifty runs killed at fifty moments, saving after each step: each goes on
/// where the last was killed, and the end is that of a run left in peace.
#[test]
fn a_run_killed_fifty_times_ends_in_the_same_bytes() {
    let folder = Folder::new("kill");
    let common = format!("--data text.txt {TINY} --steps 1000000");
    let common = format!("{common} --average 0.5");
    let first = format!("{common} --eval-interval 1 --checkpoint a");
    let mut random = 12345u64;
    let (mut kills, mut step) = (0, 0);
    while kills < 50 {
        let exists = folder.0.join("a").exists();
        let again = "--data text.txt --resume a --length 5";
        let mut child = start(&folder, if exists { again } else { &first });
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis(15 + (random >> 33) % 100));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), None, "{output:?}"); // by the signal
        kills += 1;
        if folder.0.join("a").exists() {
            let (trainer, _) = checkpoint::load(&folder.0.join("a")).unwrap();
            assert!(trainer.step >= step, "{} after {step}", trainer.step);
            step = trainer.step;
        }
    }
    assert!(step > 0, "nothing was ever saved");
    eprintln!("{kills} kills, {step} steps");
    // The same in one go
    let (killed, corpus) = checkpoint::load(&folder.0.join("a")).unwrap();
    let ids = corpus.tokenizer.encode(&TEXT.repeat(10)).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(killed.config().seed);
    let model = Gpt::new(killed.model.config(), &mut rng).unwrap();
    let mut straight = Trainer::new(model, *killed.config()).unwrap();
    let (train, validation) = split(&ids);
    let enough = |trainer: &Trainer, event| match event {
        Event::Evaluation(_) if trainer.step == step => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    straight.run(train, validation, enough).unwrap();
    assert!(bytes(&straight, &corpus) == content(&folder, "a"));
}

#[test]
fn the_program_resumes_to_the_same_bytes_on_one_thread_and_on_two() {
    let folder = Folder::new("resume");
    let common = format!("--data text.txt {TINY} --steps 3000 --average 0.2");
    let common = format!("{common} --short-steps 2500");
    for threads in [1, 2] {
        let run = format!("--eval-interval 10 --threads {threads}");
        succeed(&folder, &format!("{common} {run} --checkpoint a{threads}"));
        let cut = format!("{common} {run} --checkpoint b{threads}");
        let mut child = start(&folder, &cut);
        let name = format!("b{threads}");
        wait_for(&folder, &name);
        while step(&folder, &name) < 100 {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(step(&folder, &name) < 3000, "too late");
        let other = 3 - threads;
        let rest = format!("--resume b{threads} --threads {other} --length 5");
        succeed(&folder, &format!("--data text.txt {rest}"));
    }
    let straight = content(&folder, "a1");
    for other in ["a2", "b1", "b2"] {
        assert!(content(&folder, other) == straight, "{other} is not a1");
    }
    assert!(content(&folder, "a1.best") == content(&folder, "b2.best"));
}

/// Beside a checkpoint stand files of its run. What somebody names is not one
/// of them, and what is wrong is said before anything is made.
#[test]
fn no_name_is_taken_for_two_things() {
    let folder = Folder::new("names");
    let run = format!("--data text.txt {TINY} --steps 4 --eval-interval 2");
    let part = refusal(&folder, &format!("{run} --checkpoint a.part"));
    assert!(part.contains("give another"), "{part}");
    for export in ["a", "a.best"] {
        let both = format!("--checkpoint a --export-hf {export}");
        let both = refusal(&folder, &format!("{run} {both}"));
        assert!(both.contains("--export-hf"), "{both}");
        assert!(!folder.0.join("a").exists(), "before the training");
    }
    succeed(&folder, &format!("{run} --checkpoint a"));
    succeed(&folder, &format!("{run} --checkpoint b"));
    let late = "--checkpoint a --generate --export-hf out --prompt \u{1}";
    assert!(refusal(&folder, late).contains("--prompt"));
    assert!(!folder.0.join("out").exists(), "before the export");
    let other = "--resume a --steps 8 --checkpoint b --export-hf out";
    let other = refusal(&folder, &format!("--data text.txt {other}"));
    assert!(other.contains("b is there already"), "{other}");
}

/// Sends a signal: `INT` is Ctrl-C, `TERM` what a system sends before it stops,
/// `HUP` what a terminal sends when it is closed.
#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

fn wait_for(folder: &Folder, name: &str) {
    while !folder.0.join(name).exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn step(folder: &Folder, name: &str) -> usize {
    checkpoint::load(&folder.0.join(name)).unwrap().0.step
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_is_saved_and_says_how_to_go_on() {
    let folder = Folder::new("interrupt");
    let common = format!("--data text.txt {TINY} --steps 100000000");
    for (name, file) in [("INT", "a"), ("TERM", "b"), ("HUP", "c")] {
        let run =
            format!("{common} --eval-interval 100000 --checkpoint {file}");
        let child = start(&folder, &run);
        wait_for(&folder, file);
        std::thread::sleep(Duration::from_millis(50));
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{name}: {output:?}");
        let step = step(&folder, file);
        assert!(step > 0);
        let said = format!(
            "\nfinishing the step; once more to leave at once\n\ninterrupted: \
             step {step} is saved to {file}; go on with --resume {file}\n"
        );
        assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
    }
}

/// The steps take minutes, so that whoever ends it is not the end of a step.
#[cfg(unix)]
#[test]
fn a_second_ctrl_c_leaves_at_once_and_the_file_as_it_is() {
    let folder = Folder::new("impatient");
    let run = "--data text.txt --n-layer 4 --n-head 4 --n-embd 512 \
               --block-size 256 --batch-size 1024 --steps 9 --checkpoint a";
    let mut child = start(&folder, run);
    wait_for(&folder, "a");
    let before = content(&folder, "a");
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, "INT");
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = said.find_map(|line| line.ok().filter(|line| !line.is_empty()));
    let expected = "finishing the step; once more to leave at once";
    assert_eq!(line.as_deref(), Some(expected));
    let start = Instant::now();
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let seconds = start.elapsed().as_secs_f64();
    assert!(seconds < 5.0, "{seconds} s are not at once");
    assert!(said.next().is_none(), "it said more");
    assert!(content(&folder, "a") == before);
}

/// When the run is over there is no step to finish, and one press is enough.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_writing_at_once() {
    let folder = Folder::new("writing");
    let tiny = TINY.replace("--length 5", "--length 1000000000");
    let run = format!("--data text.txt {tiny} --steps 3 --checkpoint a");
    let mut child = start(&folder, &run);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("trained in")));
    let reader = std::thread::spawn(move || for _ in lines {});
    std::thread::sleep(Duration::from_millis(50));
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    reader.join().unwrap();
    assert_eq!(step(&folder, "a"), 3);
}

/// As in `shakespeare … | head`: quietly, and with the run saved.
#[cfg(unix)]
#[test]
fn a_reader_who_leaves_ends_the_run_and_costs_no_step() {
    let folder = Folder::new("head");
    let run =
        format!("--data text.txt {TINY} --steps 100000000 --eval-interval 10");
    let leave = |arguments: &str, last: &str| {
        let mut child = start(&folder, arguments);
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
    };
    assert_eq!(leave(&run, "corpus"), "");
    assert_eq!(leave(&run, "step    20"), "");
    let said = leave(&format!("{run} --checkpoint a"), "step    20");
    let step = step(&folder, "a");
    assert!(step >= 20);
    assert_eq!(
        said,
        format!(
            "\ninterrupted: step {step} is saved to a; go on with --resume a\n"
        )
    );
    // In the middle of what it writes, and of what is in a file
    let write = "--checkpoint a --generate --length 1000000000";
    assert_eq!(leave(write, "\n"), "");
    assert_eq!(leave("--inspect a", "model"), "");
}

/// A device that is always full stands for a log on a full disk.
#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error_and_costs_no_step() {
    let folder = Folder::new("log");
    let run = format!("--data text.txt {TINY} --steps 50 --checkpoint a");
    let succeeded = succeed(&folder, &run);
    assert!(succeeded.contains("trained in"));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = command(&folder, "--data text.txt --resume a --length 9");
    let output = command.stdout(full.unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("o space left"), "{error}");
    assert_eq!(step(&folder, "a"), 50);
}

#[test]
fn a_run_with_nothing_left_says_so() {
    let folder = Folder::new("nothing");
    let run = format!("--data text.txt {TINY} --steps 3 --checkpoint a");
    succeed(&folder, &run);
    let before = content(&folder, "a");
    let printed = succeed(&folder, "--data text.txt --resume a --length 5");
    assert!(
        printed.contains(
            "\nnothing left to train: this is step 3 of 3; a larger --steps \
             goes on\n"
        ),
        "{printed}"
    );
    assert!(!printed.contains("trained in"), "{printed}");
    assert!(content(&folder, "a") == before);
}

/// What the program asks the system to flush and to rename, in order.
#[cfg(target_os = "linux")]
fn trace(folder: &Folder, arguments: &str) -> Option<String> {
    let traced = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,rename,renameat,renameat2"])
        .arg(program())
        .args(command(folder, arguments).get_args())
        .current_dir(&folder.0)
        .output();
    let traced = traced.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(traced.stderr).unwrap())
}

/// What the system was asked for, in order. The power cannot be cut in a test;
/// that it may be cut follows from the order.
#[cfg(target_os = "linux")]
#[test]
fn the_content_reaches_the_disk_before_the_name_does() {
    let folder = Folder::new("order");
    let run = format!("--data text.txt {TINY} --steps 0 --checkpoint a");
    succeed(&folder, &run);
    let Some(traced) = trace(&folder, "--data text.txt --resume a --length 5")
    else {
        return eprintln!("skipped: strace is not to be had");
    };
    let lines: Vec<&str> = traced.lines().collect();
    let at = |words: &str| {
        let found = lines.iter().rposition(|line| line.contains(words));
        found.unwrap_or_else(|| panic!("no {words} in {traced}"))
    };
    let folder = folder.0.file_name().unwrap().to_str().unwrap();
    let part = at("/a.part>)");
    let renamed = at("\"a.part\", ");
    let named = at(&format!("/{folder}>)"));
    assert!([part, named].iter().all(|&at| lines[at].contains("fsync(")));
    assert!(part < renamed && renamed < named, "{traced}");
}

/// A run begins with its own file, and from then on its best comes first: what
/// is killed in between goes on from the older of the two, and meets the same
/// best once more.
#[cfg(target_os = "linux")]
#[test]
fn the_best_is_saved_before_the_run_but_for_the_first_time() {
    let folder = Folder::new("first");
    let run = format!(
        "--data text.txt {TINY} --steps 1 --eval-interval 1 --average 0 \
         --checkpoint a"
    );
    let Some(traced) = trace(&folder, &run) else {
        return eprintln!("skipped: strace is not to be had");
    };
    let traced = traced.lines().filter(|line| !line.contains("fsync("));
    let names = traced.filter_map(|line| line.split('"').nth(1));
    let names: Vec<&str> = names.collect();
    let both = ["a.part", "a.best.part", "a.best.part", "a.part"];
    assert_eq!(names[..4], both, "{names:?}");
}

#[test]
fn two_runs_never_save_to_one_file() {
    let folder = Folder::new("lock");
    let run =
        format!("--data text.txt {TINY} --steps 100000000 --checkpoint a");
    let mut child = start(&folder, &run);
    wait_for(&folder, "a.best");
    let refused = [
        refusal(&folder, &run),
        refusal(&folder, "--data text.txt --resume a"),
        // Its best state is its own as well
        refusal(&folder, "--data text.txt --resume a.best"),
    ];
    child.kill().unwrap();
    child.wait().unwrap();
    for (error, path) in refused.into_iter().zip(["a", "a", "a.best"]) {
        assert_eq!(
            error,
            format!(
                "error: {path}: another run saves there; wait for it, or give \
                 another name\n"
            )
        );
    }
}

#[test]
fn what_does_not_fit_a_run_is_refused_with_both_values() {
    let folder = Folder::new("refused");
    let common = format!("--data text.txt {TINY}");
    let first = format!("{common} --steps 2 --lr 2e-3 --checkpoint a");
    succeed(&folder, &first);
    std::fs::write(folder.0.join("longer.txt"), TEXT.repeat(11)).unwrap();
    std::fs::write(folder.0.join("other.txt"), "abc\n".repeat(50)).unwrap();
    let before = content(&folder, "a");
    let rows = [
        "--data text.txt --resume a --n-embd 16",
        "--data text.txt --resume a --seed 1",
        "--data text.txt --resume a --short-steps 9",
        "--data longer.txt --resume a",
        "--data other.txt --resume a",
        "--data text.txt --resume a --steps 2000000000",
        "--data text.txt --resume a --eval-interval 3000000000",
        "--data text.txt --short-steps 5000000000",
        "--data text.txt --checkpoint a",
        "--data text.txt --checkpoint .",
        "--data text.txt --checkpoint text.txt/a",
        "--data text.txt --export-hf text.txt/hf",
        "--data text.txt --resume text.txt",
        "--inspect nothing",
        "--inspect .",
    ];
    let rows = rows.map(|arguments| {
        let error = refusal(&folder, arguments);
        format!("{arguments}\n{}", wrap(error.trim_end()))
    });
    assert_snapshot!("refusals", rows.concat());
    assert!(content(&folder, "a") == before);
    let inspected = succeed(&folder, "--inspect a");
    assert!(inspected.contains("block_size 8, vocab_size 16\n"), "{inspected}");
    assert!(inspected.contains("rate 0.002 to 0.0002, "), "{inspected}");
    let written = succeed(&folder, "--checkpoint a --generate --length 7");
    assert_eq!(written.chars().count(), 1 + 7 + 1);
}

/// Where the best state of a run will be, something else may be already.
#[test]
fn a_run_writes_over_no_best_but_its_own() {
    let folder = Folder::new("best");
    let run = format!("--data text.txt {TINY} --steps 3");
    std::fs::write(folder.0.join("a.best"), "mine").unwrap();
    let error = refusal(&folder, &format!("{run} --checkpoint a"));
    assert!(error.starts_with("error: a.best is there already"), "{error}");
    assert!(content(&folder, "a.best") == b"mine");

    succeed(&folder, &format!("{run} --checkpoint b"));
    succeed(&folder, &format!("{run} --checkpoint c --seed 5"));
    let [own, other] = ["b.best", "c.best"].map(|name| content(&folder, name));
    for other in [other.as_slice(), b"mine"] {
        std::fs::write(folder.0.join("b.best"), other).unwrap();
        let on = "--data text.txt --resume b --steps 5 --length 5";
        let error = refusal(&folder, on);
        assert!(error.contains("b.best"), "{error}");
        assert!(error.contains("move it, or "), "{error}");
        assert!(content(&folder, "b.best") == other);
        succeed(&folder, &format!("{on} --checkpoint d"));
        for file in ["d", "d.best"] {
            std::fs::remove_file(folder.0.join(file)).unwrap();
        }
    }
    std::fs::write(folder.0.join("b.best"), &own).unwrap();
    let on = "--data text.txt --resume b --steps 5 --length 5";
    succeed(&folder, &format!("{on} --checkpoint b"));

    // Of the same beginning, but farther on
    let best = "--data text.txt --resume b.best --steps 90 --length 5";
    succeed(&folder, best);
    let farther = content(&folder, "b.best");
    let error = refusal(&folder, "--data text.txt --resume b --steps 6");
    assert!(error.contains("b.best is not an earlier state"), "{error}");
    assert!(content(&folder, "b.best") == farther);

    // Of another text, and of other sizes
    std::fs::write(folder.0.join("more.txt"), TEXT.repeat(11)).unwrap();
    succeed(&folder, &run.replace("text.txt", "more.txt --checkpoint e"));
    let wide = run.replace("--n-embd 8", "--n-embd 4 --checkpoint f");
    succeed(&folder, &wide);
    for other in ["e.best", "f.best"] {
        let other = content(&folder, other);
        std::fs::write(folder.0.join("c.best"), &other).unwrap();
        let error = refusal(&folder, "--data text.txt --resume c --steps 6");
        assert!(error.contains("c.best is not an earlier state"), "{error}");
        assert!(content(&folder, "c.best") == other);
    }
}

#[test]
fn a_model_is_exported_into_a_new_folder_and_over_none() {
    let folder = Folder::new("export");
    let run = format!("--data text.txt {TINY} --steps 2 --export-hf");
    succeed(&folder, &format!("{run} new/hf"));
    assert!(folder.0.join("new/hf/model.safetensors").exists());
    std::fs::create_dir(folder.0.join("empty")).unwrap();
    for there in ["new/hf", "empty"] {
        let error = refusal(&folder, &format!("{run} {there}"));
        assert!(error.contains("is there already"), "{error}");
        assert!(folder.0.join(there).exists());
    }
    // Where nothing comes of it, nothing is left
    refusal(&folder, &format!("{run} other/hf --top-k 1000"));
    assert!(!folder.0.join("other").exists());
}

/// A name so long that there is none for the best state: the run is kept.
#[cfg(unix)]
#[test]
fn a_best_that_cannot_be_saved_costs_a_warning_and_not_the_run() {
    let folder = Folder::new("long-name");
    let name = "a".repeat(246); // a name has 255 bytes at most
    let run = format!("--data text.txt {TINY} --steps 3 --checkpoint {name}");
    let output = output(&folder, &run);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(".best: cannot write: "), "{error}");
    assert_eq!(output.status.code(), Some(2), "{error}");
    let (trainer, _) = checkpoint::load(&folder.0.join(&name)).unwrap();
    assert_eq!(trainer.step, 3);
}

/// The programs that run for long, or read what is a reader's own.
#[test]
fn the_other_programs_say_what_is_wrong_and_let_a_reader_leave() {
    let average = built("average");
    let output = Command::new(average).arg("no/text").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.starts_with("error: cannot read no/text: "), "{error}");
    for program in ["rungs", "counting"] {
        let program = built(program);
        let run = |argument: Option<&str>| {
            let mut command = Command::new(&program);
            command.args(argument).stdin(Stdio::null());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let output = run(Some("no/text")).wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.starts_with("error: cannot read no/text: "));
        assert_eq!(output.status.code(), Some(2), "{error}");
        let mut left = run(None);
        drop(left.stdout.take());
        let output = left.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn a_run_that_explodes_keeps_its_last_good_state() {
    let folder = Folder::new("explode");
    let run = format!(
        "--data text.txt {TINY} --lr 1e38 --steps 50 --eval-interval 1 \
         --checkpoint a"
    );
    let error = refusal(&folder, &run);
    assert!(
        error.contains("the loss or the gradient is not finite; first in ")
    );
    let advice = "train with a smaller learning rate; the last good state";
    assert!(error.contains(advice), "{error}");
    checkpoint::load(&folder.0.join("a")).unwrap();
}

/// As root on Linux a disk of 64 kB can be had, where the first file fits and
/// the second, beside it, does not.
#[test]
fn a_full_disk_costs_a_warning_and_no_file() {
    let folder = Folder::new("full");
    let disk = folder.0.join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(&disk)
        .output();
    if !mount.is_ok_and(|output| output.status.success()) {
        return eprintln!("skipped: a small disk takes root, and Linux");
    }
    let run = format!(
        "--data text.txt {TINY} --steps 4 --eval-interval 2 --checkpoint disk/a"
    );
    let filler = vec![0; 18_000];
    let full = std::fs::write(disk.join("filler"), filler);
    let output = output(&folder, &run);
    let (loaded, left) = (
        checkpoint::load(&disk.join("a")),
        ["a.part", "a.best.part"].iter().any(|part| disk.join(part).exists()),
    );
    let _ = Command::new("umount").arg(&disk).status();
    full.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("training goes on"), "{error}");
    assert!(error.contains("o space left"), "{error}");
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(loaded.is_ok(), "{loaded:?}");
    assert!(!left, "the part is still there");
}

/// A disk that cannot be written to, as root on Linux; a folder that cannot,
/// elsewhere.
#[cfg(unix)]
#[test]
fn in_a_read_only_folder_a_run_can_be_read_and_not_kept() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("read-only");
    let common = format!("--data text.txt {TINY} --steps 3");
    let disk = folder.0.join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = |arguments: &[&str]| {
        let mount = Command::new("mount").args(arguments).arg(&disk).output();
        mount.is_ok_and(|output| output.status.success())
    };
    let mounted = mount(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
    succeed(&folder, &format!("{common} --checkpoint disk/a"));
    let mode = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&disk, mode).unwrap();
    };
    if mounted {
        assert!(mount(&["-o", "remount,ro"]));
    } else {
        mode(0o555);
    }
    let closed = std::fs::write(disk.join("probe"), "").is_err();
    let outputs = [
        format!("{common} --checkpoint disk/b"),
        "--checkpoint disk/a --generate --length 5".to_owned(),
        "--inspect disk/a".to_owned(),
    ]
    .map(|arguments| output(&folder, &arguments));
    let _ = Command::new("umount").arg(&disk).output();
    if !mounted {
        mode(0o755);
    }
    if !closed {
        return eprintln!("skipped: root, and no disk of its own to be had");
    }
    let [kept, written, inspected] = outputs;
    assert_eq!(kept.status.code(), Some(2), "{kept:?}");
    assert!(kept.stdout.is_empty(), "it began to work: {kept:?}");
    let error = String::from_utf8(kept.stderr).unwrap();
    let said = "error: disk/b: cannot lock: ";
    assert!(error.starts_with(said), "{error}");
    assert!(written.status.success(), "{written:?}");
    assert!(inspected.status.success(), "{inspected:?}");
}

/// The last tenth, and of a long text the end of it.
#[test]
fn of_a_long_text_200_000_characters_are_kept_to_validate_with() {
    let folder = Folder::new("long");
    for (length, parts) in [
        (1_000_000, "900,000 to train on, 100,000 to validate with"),
        (2_100_000, "1,900,000 to train on, 200,000 to validate with"),
    ] {
        let text = "abcdefghi\n".repeat(length / 10);
        std::fs::write(folder.0.join("long.txt"), text).unwrap();
        let said =
            succeed(&folder, &format!("--data long.txt --steps 0 {TINY}"));
        assert!(said.contains(parts), "{said}");
    }
}

/// Any text will do, however odd: it is learned, saved, gone on with and
/// written. What is no text, or too little, is refused.
#[test]
fn any_text_is_learned_however_odd() {
    let folder = Folder::new("corpora");
    let megabyte = "to be, or not to be; ".repeat(50_000);
    let many: String = ('\u{4e00}'..).take(3000).collect();
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("one distinct character", "a".repeat(400).into()),
        ("one line", "to be or not ".repeat(30).into()),
        ("a megabyte without a line break", megabyte.into()),
        ("nothing but line breaks", "\n".repeat(400).into()),
        ("CRLF", "to be\r\nor not\r\n".repeat(30).into()),
        (
            "a byte-order mark",
            format!("\u{feff}{}", "to be or not ".repeat(30)).into(),
        ),
        ("emoji", "🦀 to 👩‍👩‍👧 be 🏳️‍🌈 ".repeat(30).into()),
        ("Devanagari", "धृतराष्ट्र उवाच । ".repeat(30).into()),
        ("three thousand characters", many.repeat(2).into()),
        ("empty", vec![]),
        ("one character", b"a".into()),
        ("too short", b"0123456789".into()),
        ("not UTF-8", b"to be \xff".into()),
    ];
    let rows = rows.into_iter().map(|(name, text)| {
        std::fs::write(folder.0.join("odd.txt"), text).unwrap();
        for file in ["a", "a.best"] {
            let _ = std::fs::remove_file(folder.0.join(file));
        }
        format!("{name}\n{}", learn(&folder))
    });
    assert_snapshot!("corpora", rows.collect::<String>());
}

/// Three steps, two more after a resume, and a text: what each printed.
fn learn(folder: &Folder) -> String {
    let common = format!("--data odd.txt {TINY} --steps");
    let output = output(folder, &format!("{common} 3 --checkpoint a"));
    if !output.status.success() {
        assert!(!folder.0.join("a").exists());
        return wrap(String::from_utf8(output.stderr).unwrap().trim_end());
    }
    let printed = String::from_utf8(output.stdout).unwrap();
    let resumed =
        succeed(folder, "--data odd.txt --resume a --steps 5 --length 5");
    let written = succeed(folder, "--checkpoint a --generate --length 7");
    assert_eq!(step(folder, "a"), 5);
    assert_eq!(written.chars().count(), 1 + 7 + 1);
    let line = printed.lines().next().unwrap();
    assert!(resumed.contains("\nresumed   a, at step 3\n"), "{resumed}");
    wrap(line)
}

/// The example `average`, on the models of two checkpoints.
#[test]
fn the_program_average_stands_between_two_models() {
    let folder = Folder::new("average");
    let run = format!("--data text.txt {TINY} --average 0 --lr 0.1");
    for (steps, name) in [(3, "a"), (30, "b")] {
        succeed(&folder, &format!("{run} --steps {steps} --checkpoint {name}"));
    }
    let wide = run.replace("--n-embd 8", "--n-embd 16");
    succeed(&folder, &format!("{wide} --steps 3 --checkpoint wide"));
    std::fs::write(folder.0.join("other.txt"), TEXT.repeat(11)).unwrap();
    let other = run.replace("text.txt", "other.txt");
    succeed(&folder, &format!("{other} --steps 3 --checkpoint other"));
    let average = built("average");
    let asked = |arguments: &[&str]| {
        let mut command = Command::new(&average);
        let output = command.args(arguments).current_dir(&folder.0).output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].map(String::from_utf8);
        (output.status.code(), said.map(Result::unwrap).concat())
    };

    let load = |name| checkpoint::load(&folder.0.join(name)).unwrap();
    let ((a, corpus), (b, _)) = (load("a"), load("b"));
    let text = TEXT.repeat(10);
    let ids = corpus.tokenizer.encode(&text).unwrap();
    let loss = |model: &Gpt| evaluate(model, split(&ids).1).unwrap();
    let mut middle = a.model.clone();
    for (m, w) in middle.tensors_mut().into_iter().zip(b.model.tensors()) {
        let pairs = m.data.iter_mut().zip(w.data);
        pairs.for_each(|(m, w)| *m = (*m + w) / 2.0);
    }
    let [a, b, middle] = [&a.model, &b.model, &middle].map(loss);
    let said = format!(
        "step      3  {a:.4}  mean of 1  {a:.4}\n\
         step     30  {b:.4}  mean of 2  {middle:.4}\n"
    );
    assert_eq!(asked(&["text.txt", "a", "b"]), (Some(0), said));

    let usage = "name a text, then the checkpoints of a run that learned it";
    for (arguments, error) in [
        (&[][..], usage),
        (&["text.txt"], usage),
        (&["nothing.txt", "a"], "cannot read nothing.txt: "),
        (&["text.txt", "text.txt"], "text.txt: not a safetensors file: "),
    ] {
        let (code, said) = asked(arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.starts_with(&format!("error: {error}")), "{said}");
    }
    for (name, error) in [
        ("wide", "wide: a model of other sizes than the one before\n"),
        ("other", "other: learned another text; name that one\n"),
    ] {
        let (code, said) = asked(&["text.txt", "a", name]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.ends_with(error), "{said}");
    }
}

/// The mean of the weights is what is evaluated, kept and written with.
#[test]
fn what_the_program_shows_is_the_mean() {
    let folder = Folder::new("shown");
    let tiny = TINY.replace("--length 5", "--length 40");
    let run = format!("--data text.txt {tiny} --steps 30 --lr 0.1");
    let load = |name| checkpoint::load(&folder.0.join(name)).unwrap();
    let kept = |name| {
        let (run, _) = load(name);
        let part = run.config().average;
        run.average.map(|it| (part, it.steps))
    };

    let printed = succeed(&folder, &format!("{run} --checkpoint a"));
    assert!(printed.contains("the weights over the last 0.1 of the steps\n"));
    let (a, corpus) = load("a");
    assert_eq!(kept("a"), Some((0.1, 30)));
    let ids = corpus.tokenizer.encode(&TEXT.repeat(10)).unwrap();
    let [mean, last] = [a.result(), &a.model]
        .map(|model| evaluate(model, split(&ids).1).unwrap());
    let loss = |x: f64| format!("validation {x:.4}");
    assert_ne!(loss(mean), loss(last));
    assert!(printed.contains(&loss(mean)), "no {mean} in {printed}");
    assert_eq!(a.best, Some(mean));

    let mut rng = ChaCha8Rng::seed_from_u64(a.config().seed);
    rng.set_stream(2);
    let prompt = corpus.tokenizer.encode("\n").unwrap();
    let sampler = Sampler::new(0.8, None).unwrap();
    let ids = Generator::new(a.result(), &prompt, sampler, rng).unwrap();
    let ids: Vec<u16> = ids.take(40).collect();
    let text = corpus.tokenizer.decode(&ids).unwrap();
    assert!(printed.ends_with(&format!("\n\n{text}\n")), "{printed}");
    let again = "--checkpoint a --generate --length 40";
    assert_eq!(succeed(&folder, again), format!("\n{text}\n"));
    let said = succeed(&folder, "--inspect a");
    let average = "average    of the weights over the last 0.1 of 30 steps\n";
    assert!(said.contains(average), "{said}");

    let none = format!("{run} --average 0 --checkpoint b");
    assert!(!succeed(&folder, &none).contains("average"));
    assert_eq!(kept("b"), None);
    assert_eq!(load("b").0.model, a.model);
    let go_on = |name: &str, options: &str| {
        let on = format!("--data text.txt --resume {name} --length 5");
        succeed(&folder, &format!("{on} --steps 40 {options}"));
    };
    std::fs::copy(folder.0.join("a"), folder.0.join("c")).unwrap();
    go_on("a", "--average 0.3");
    assert_eq!(kept("a"), Some((0.3, 40)));
    go_on("c", "--average 0");
    assert_eq!(kept("c"), None);
    go_on("b", "--average 0.5"); // from here on
    assert_eq!(kept("b"), Some((0.5, 10)));
    assert_eq!(load("b").0.model, load("a").0.model);
}

/// A quarter of the context, in as many steps as asked for.
#[test]
fn a_run_can_begin_with_short_windows() {
    let folder = Folder::new("short");
    let tiny = TINY.replace("--block-size 8", "--block-size 12");
    let run = format!("--data text.txt {tiny} --steps 30");
    let load = |name| {
        let (run, _) = checkpoint::load(&folder.0.join(name)).unwrap();
        run.config().sequence_warmup
    };
    let options = "--short-steps 20 --checkpoint a";
    let printed = succeed(&folder, &format!("{run} {options}"));
    let line = "short     the first 20 steps with windows of 3 characters, \
                and as many more of them\n";
    assert!(printed.contains(line), "{printed}");
    let warmup = |length, steps| SequenceWarmup { length, steps };
    let short = warmup(3, 20);
    assert_eq!(load("a"), short);
    let said = succeed(&folder, "--inspect a");
    let line = "short      windows of 3 characters in the first 20 steps\n";
    assert!(said.contains(line), "{said}");

    let on = "--data text.txt --resume a --length 5 --steps 40";
    succeed(&folder, on);
    assert_eq!(load("a"), short);
    // Windows of another length than the program's own stay as they are
    let path = folder.0.join("a");
    let (mut other, corpus) = checkpoint::load(&path).unwrap();
    let sequence_warmup = warmup(5, 60);
    let config = TrainConfig { sequence_warmup, ..*other.config() };
    let step = std::mem::take(&mut other.step); // else it could not change
    other.reconfigure(config).unwrap();
    other.step = step;
    std::fs::write(&path, bytes(&other, &corpus)).unwrap();
    succeed(&folder, &on.replace("40", "50"));
    assert_eq!(load("a"), warmup(5, 60));
    // An end of them is moved only while it is ahead, and stays ahead
    let on = "--data text.txt --resume a --length 5 --steps 52";
    for steps in [0, 50] {
        let error = refusal(&folder, &format!("{on} --short-steps {steps}"));
        let said = "at step 50, and its short windows end at step 60";
        assert!(error.contains(said), "{error}");
    }
    succeed(&folder, &format!("{on} --short-steps 51"));
    assert_eq!(load("a"), warmup(3, 51));
    let on = on.replace("52", "54");
    let error = refusal(&folder, &format!("{on} --short-steps 60"));
    let said = "at step 52, and its short windows end at step 51";
    assert!(error.contains(said), "{error}");
    succeed(&folder, &format!("{on} --short-steps 51"));
    let import = "--data text.txt --import-hf folder --short-steps 5";
    assert!(refusal(&folder, import).contains("cannot be used with"));

    let plain = format!("{run} --checkpoint b");
    assert!(!succeed(&folder, &plain).contains("short"));
    assert_eq!(load("b"), SequenceWarmup::NONE);

    let many = TINY.replace("--n-embd 8", "--n-embd 1000000");
    let many = format!("--data text.txt {many} --short-steps 1");
    assert!(refusal(&folder, &many).contains("GB of memory"));
}
