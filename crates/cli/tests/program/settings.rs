//! Hyperparameters: what the options do, and which are refused.

use insta::assert_snapshot;
use microgpt::training::{SequenceWarmup, TrainConfig};

use crate::support::*;

#[test]
fn bad_input_is_refused_with_a_sentence() {
    let folder = Folder::new("bad");
    std::fs::create_dir(folder.0.join("folder")).unwrap();
    std::fs::write(folder.0.join("latin.txt"), b"abc\xe9def").unwrap();
    std::fs::write(folder.0.join("empty.txt"), b"").unwrap();
    std::fs::write(folder.0.join("short.txt"), "ab".repeat(35)).unwrap();
    let missing = refusal(&folder, "train --data no/such/file.txt");
    assert!(missing.starts_with("error: cannot read no/such/file.txt: "));
    let error = refusal(&folder, "train --data folder");
    assert!(error.starts_with("error: cannot read folder: "), "{error}");
    let rows = [
        "--data latin.txt",
        "--data empty.txt",
        "--data short.txt",
        "--prompt 0123",
        "--prompt=",
        "--n-head 3",
        "--n-layer 0",
        "--n-head 0",
        "--n-embd 0",
        "--block-size 0",
        "--batch-size 0",
        "--eval-interval 0",
        "--threads 0",
        "--shards 0",
        "--shards 1025",
        "--lr -1",
        "--lr NaN",
        "--weight-decay -0.1",
        "--epsilon -1e-8",
        "--average 1.5",
        "--temperature -0.5",
        "--temperature nan",
        "--top-k 0",
        "--top-k 60",
        "--n-embd 1000000000000",
        "--batch-size 1000000000000000000",
        "--block-size 1000000000000000000",
    ];
    let rows = rows.map(|options| {
        let error = refusal(&folder, &format!("train {options}"));
        format!("{options}\n{}", wrap(error.trim_end()))
    });
    assert_snapshot!("bad_input", rows.concat());
    // What the parser of the command line refuses by itself
    for options in [
        "--n-layer two",
        "--n-layer -1",
        "--steps 1e3",
        "--preset huge",
        "--colour red",
    ] {
        let error = refusal(&folder, &format!("train {options}"));
        assert!(error.starts_with("error: "), "{error}");
    }
}

/// A quarter of the context, in as many steps as asked for.
#[test]
fn a_run_can_begin_with_shorter_sequences() {
    let folder = Folder::new("short");
    let tiny = TINY.replace("--block-size 8", "--block-size 12");
    let run = format!("{tiny} --steps 30");
    let warmup = |name| load(&folder, name).0.config().sequence_warmup;
    let options = "--short-steps 20 --checkpoint a";
    let printed = succeed(&folder, &format!("{run} {options}"));
    let line = "shorter sequences in the first 20 steps: 3 characters, and as \
                many more of them\n";
    assert!(printed.contains(line), "{printed}");
    let short = |length, steps| SequenceWarmup { length, steps };
    assert_eq!(warmup("a"), short(3, 20));
    let said = succeed(&folder, "inspect a");
    let line = "sequences of 3 characters in the first 20 steps\n";
    assert!(said.contains(line), "{said}");

    let on = "resume a --data text.txt --length 5 --steps 40";
    succeed(&folder, on);
    assert_eq!(warmup("a"), short(3, 20));
    // Sequences of another length than the program's own stay as they are
    let (mut other, corpus) = load(&folder, "a");
    let sequence_warmup = short(5, 60);
    let config = TrainConfig { sequence_warmup, ..*other.config() };
    let step = std::mem::take(&mut other.step); // else it could not change
    other.reconfigure(config).unwrap();
    other.step = step;
    save(&folder.0.join("a"), &other, &corpus);
    succeed(&folder, &on.replace("40", "50"));
    assert_eq!(warmup("a"), short(5, 60));
    // An end of them is moved only while it is ahead, and stays ahead
    let on = "resume a --data text.txt --length 5 --steps 52";
    for steps in [0, 50] {
        let error = refusal(&folder, &format!("{on} --short-steps {steps}"));
        let said = "at step 50, and its short windows end at step 60";
        assert!(error.contains(said), "{error}");
    }
    succeed(&folder, &format!("{on} --short-steps 51"));
    assert_eq!(warmup("a"), short(3, 51));
    let on = on.replace("52", "54");
    let error = refusal(&folder, &format!("{on} --short-steps 60"));
    let said = "at step 52, and its short windows end at step 51";
    assert!(error.contains(said), "{error}");
    succeed(&folder, &format!("{on} --short-steps 51"));
    let from = "train --data text.txt --from folder --short-steps 5";
    assert!(refusal(&folder, from).contains("cannot be used with"));
}

#[test]
fn a_run_begins_with_whole_sequences_unless_asked() {
    let folder = Folder::new("whole");
    let plain = format!("{TINY} --steps 30 --checkpoint b");
    assert!(!succeed(&folder, &plain).contains("shorter"));
    let (run, _) = load(&folder, "b");
    assert_eq!(run.config().sequence_warmup, SequenceWarmup::NONE);

    let many = TINY.replace("--n-embd 8", "--n-embd 1000000");
    let many = format!("{many} --short-steps 1");
    assert!(refusal(&folder, &many).contains("GB of memory"));
}
