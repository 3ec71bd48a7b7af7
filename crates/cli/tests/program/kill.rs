//! Runs that are killed, and what reaches the disk in which order.

use std::ops::ControlFlow;
#[cfg(target_os = "linux")]
use std::process::Command;
use std::time::{Duration, Instant};

use microgpt::gpt::Gpt;
use microgpt::training::{Event, Trainer, split};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use crate::support::*;

/// Fifty runs killed at fifty moments, saving after each step: each goes on
/// where the last was killed, and the end is that of a run left in peace.
#[test]
fn a_run_killed_fifty_times_ends_in_the_same_bytes() {
    let folder = Folder::new("kill");
    let first = format!(
        "{TINY} --steps 1000000 --average 0.5 --eval-interval 1 --checkpoint a"
    );
    let begun = Instant::now();
    let mut child = start(&folder, &first);
    wait_for(&folder, "a");
    let usual = begun.elapsed() + Duration::from_millis(20); // until it saves
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut random, mut step) = (12345u64, 0);
    for _ in 0..50 {
        let mut child = start(&folder, "resume a --data text.txt --length 5");
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
        let moment = 4.0 * (random >> 40) as f64 / (1 << 24) as f64;
        std::thread::sleep(usual.mul_f64(moment));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let killed = if cfg!(unix) { None } else { Some(1) }; // by a signal
        assert_eq!(output.status.code(), killed, "{output:?}");
        let (trainer, _) = load(&folder, "a");
        assert!(trainer.step >= step, "{} after {step}", trainer.step);
        step = trainer.step;
    }
    assert!(step > 0, "nothing was ever saved");
    eprintln!("{step} steps, {usual:?} to begin with");
    // The same in one go
    let (killed, corpus) = load(&folder, "a");
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
    let common = format!("{TINY} --steps 3000 --average 0.2");
    let common = format!("{common} --short-steps 2500 --shards 1");
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
        let rest = format!("--data text.txt --threads {other} --length 5");
        succeed(&folder, &format!("resume b{threads} {rest}"));
    }
    let straight = content(&folder, "a1");
    for other in ["a2", "b1", "b2"] {
        assert!(content(&folder, other) == straight, "{other} is not a1");
    }
    assert!(content(&folder, "a1.best") == content(&folder, "b2.best"));
}

/// What the program asks the system to flush and to rename, in order.
#[cfg(target_os = "linux")]
fn trace(folder: &Folder, arguments: &str) -> String {
    let traced = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,rename,renameat,renameat2"])
        .arg(PROGRAM)
        .args(command(folder, arguments).get_args())
        .current_dir(&folder.0)
        .output()
        .unwrap();
    assert!(traced.status.success(), "{traced:?}");
    String::from_utf8(traced.stderr).unwrap()
}

/// What the system was asked for, in order. The power cannot be cut in a test;
/// that it may be cut follows from the order.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs strace"]
fn the_content_reaches_the_disk_before_the_name_does() {
    let folder = Folder::new("order");
    succeed(&folder, &format!("{TINY} --steps 0 --checkpoint a"));
    let resume = "resume a --data text.txt --length 5";
    let traced = trace(&folder, resume);
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
#[ignore = "needs strace"]
fn the_best_is_saved_before_the_run_but_for_the_first_time() {
    let folder = Folder::new("first");
    let run = format!(
        "{TINY} --steps 1 --eval-interval 1 --average 0 --checkpoint a"
    );
    let traced = trace(&folder, &run);
    let traced = traced.lines().filter(|line| !line.contains("fsync("));
    let names = traced.filter_map(|line| line.split('"').nth(1));
    let names: Vec<&str> = names.collect();
    let both = ["a.part", "a.best.part", "a.best.part", "a.part"];
    assert_eq!(names[..4], both, "{names:?}");
}

#[test]
fn a_run_that_explodes_keeps_its_last_good_state() {
    let folder = Folder::new("explode");
    let run =
        format!("{TINY} --lr 1e38 --steps 50 --eval-interval 1 --checkpoint a");
    let output = output(&folder, &run);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("the loss or the gradient is not finite; first in ")
    );
    // The state at fault is saved, too; from the best, steps have been taken
    let advice = "train with a smaller learning rate; the last good state is \
                  in a.best\n";
    assert!(error.contains(advice), "{error}");
    let (failed, good) = (step(&folder, "a"), step(&folder, "a.best"));
    assert!(error.contains(&format!("step {failed}: ")), "{error}");
    assert!(good < failed);
    let again = "resume a.best --data text.txt --length 5 --lr 1e-3";
    succeed(&folder, again);
}

/// Weights that are finite, and logits that are not: in a run, from a folder, at
/// the end of a training, and where the run is to be trained further.
#[test]
fn a_model_whose_logits_overflow_generates_nothing() {
    let folder = Folder::new("overflow");
    succeed(&folder, &format!("{TINY} --steps 3 --average 0 --checkpoint a"));
    let (mut run, corpus) = load(&folder, "a");
    run.model.norm.weight.fill(3e38);
    save(&folder.0.join("a"), &run, &corpus);
    std::fs::remove_file(folder.0.join("a.best")).unwrap();
    succeed(&folder, "export a hf");
    let said = "error: the model's prediction is not finite: its weights are \
                too large, or damaged; generate with an earlier state of it\n";
    for arguments in [
        "generate a",
        "generate hf",
        "generate a --temperature 0",
        "generate a --prompt to --top-k 3",
        "resume a --data text.txt", // nothing left to train
    ] {
        let output = output(&folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
        let printed = String::from_utf8(output.stdout).unwrap();
        let after = if arguments.contains("to ") { "\nto\n" } else { "\n\n" };
        assert!(printed.ends_with(after), "{printed:?}");
    }
    // What is saved is the state at fault, and it is not called good
    run.best = None;
    save(&folder.0.join("a"), &run, &corpus);
    let _ = std::fs::remove_file(folder.0.join("a.best"));
    let resume = "resume a --data text.txt --steps 9 --lr 1e-3";
    let error = output(&folder, resume).stderr;
    let error = String::from_utf8(error).unwrap();
    assert!(!error.contains("good state"), "{error}");
    let ends = "; in a is this state, and none before it\n";
    assert!(error.ends_with(ends), "{error}");
    let error = output(&folder, "import hf b --data text.txt");
    let error = String::from_utf8(error.stderr).unwrap();
    let said = "error: the loss of this model is not finite: ";
    assert!(error.starts_with(said), "{error}");
    assert!(!folder.0.join("b").exists());
    let train = "train --from hf --data text.txt --steps 9 --checkpoint c";
    let error = String::from_utf8(output(&folder, train).stderr).unwrap();
    assert!(error.contains("; begin with another model"), "{error}");
}
