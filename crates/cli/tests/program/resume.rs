//! Runs that are resumed, and what cannot be.

use insta::assert_snapshot;
use microgpt::training::LrSchedule;

use crate::support::*;

#[test]
fn a_run_with_nothing_left_says_so() {
    let folder = Folder::new("nothing");
    succeed(&folder, &format!("{TINY} --steps 3 --checkpoint a"));
    let before = content(&folder, "a");
    let printed = succeed(&folder, "resume a --data text.txt --length 5");
    assert!(
        printed.contains(
            "\nnothing left to train: this is step 3 of 3; to train longer, \
             resume with a larger --steps\n"
        ),
        "{printed}"
    );
    assert!(!printed.contains("trained in"), "{printed}");
    assert!(content(&folder, "a") == before);
}

#[test]
fn two_runs_never_save_to_one_file() {
    let folder = Folder::new("lock");
    let run = format!("{TINY} --steps 100000000 --checkpoint a");
    let mut child = start(&folder, &run);
    wait_for(&folder, "a.best");
    let refused = [
        refusal(&folder, &run),
        refusal(&folder, "resume a --data text.txt"),
        // Its best state is its own as well
        refusal(&folder, "resume a.best --data text.txt"),
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
    let first = format!("{TINY} --steps 2 --lr 2e-3 --checkpoint a");
    succeed(&folder, &first);
    std::fs::write(folder.0.join("longer.txt"), TEXT.repeat(11)).unwrap();
    std::fs::write(folder.0.join("other.txt"), "abc\n".repeat(50)).unwrap();
    let before = content(&folder, "a");
    let rows = [
        "resume a --data text.txt --short-steps 9",
        "resume a --data longer.txt",
        "resume a --data other.txt",
        "resume a --data text.txt --steps 2000000000",
        "resume a --data text.txt --eval-interval 3000000000",
        "resume text.txt --data text.txt",
        "resume nothing --data text.txt",
        "train --data text.txt --short-steps 5000000000",
        "train --data text.txt --checkpoint a",
        "train --data text.txt --checkpoint .",
        "train --data text.txt --checkpoint text.txt/a",
        "export a text.txt/hf",
        "inspect nothing",
        "inspect .",
    ];
    let rows = rows.map(|arguments| {
        let error = refusal(&folder, arguments);
        format!("{arguments}\n{}", wrap(error.trim_end()))
    });
    assert_snapshot!("refusals", rows.concat());
    assert!(content(&folder, "a") == before);
    let inspected = succeed(&folder, "inspect a");
    assert!(inspected.contains("block_size 8, vocab_size 16\n"), "{inspected}");
    let rates = "learning rate 0.002 to 0.0002, ";
    assert!(inspected.contains(rates), "{inspected}");
    let generated = succeed(&folder, "generate a --length 7");
    assert_eq!(generated.chars().count(), 1 + 7 + 1);
}

/// Else a plain resume would find nothing left, and the schedule be lost.
#[test]
fn a_run_cannot_be_ended_before_the_step_it_is_at() {
    let folder = Folder::new("ended");
    succeed(&folder, &format!("{TINY} --steps 30 --checkpoint a"));
    let before = content(&folder, "a");
    for steps in [0, 1, 29] {
        let resume = format!("resume a --data text.txt --steps {steps}");
        let said = format!(
            "error: --steps {steps}: the run is at step 30; give at least that\n"
        );
        assert_eq!(refusal(&folder, &resume), said);
        let elsewhere = format!("{resume} --checkpoint b");
        assert_eq!(refusal(&folder, &elsewhere), said);
        assert!(!folder.0.join("b").exists());
        assert!(content(&folder, "a") == before);
    }
    succeed(&folder, "resume a --data text.txt --steps 30 --length 5");
    assert!(content(&folder, "a") == before);
}

/// A rate that jumps is told, with the option by which it does not.
#[test]
fn a_longer_run_says_how_the_learning_rate_goes_on_smoothly() {
    let folder = Folder::new("longer");
    for (first, at, longer) in [(300, 300, 1000), (300, 270, 400)] {
        let run = format!("{TINY} --steps {first} --lr 4e-3 --checkpoint a");
        succeed(&folder, &run);
        let (mut run, corpus) = load(&folder, "a");
        run.step = at;
        save(&folder.0.join("a"), &run, &corpus);
        let state = content(&folder, "a");
        let was = run.config().schedule.at(at);
        let is = LrSchedule::new(4e-3, longer).at(at);
        let resume =
            format!("resume a --data text.txt --length 5 --steps {longer}");
        let said = output(&folder, &resume).stderr;
        let said = String::from_utf8(said).unwrap();
        let rates = format!(
            "warning: with --steps {longer}, the learning rate goes from \
             {was:.2e} to {is:.2e} at step {at}; to go on smoothly"
        );
        assert!(said.starts_with(&rates), "{said}");
        let (_, option) = said.trim_end().split_once(", add ").unwrap();
        std::fs::write(folder.0.join("a"), state).unwrap();
        std::fs::remove_file(folder.0.join("a.best")).unwrap();
        let smooth = output(&folder, &format!("{resume} {option}"));
        assert!(smooth.stderr.is_empty(), "{smooth:?}");
        let now = load(&folder, "a").0.config().schedule.at(at);
        let error = (now / was - 1.0).abs(); // of rounding: 0.5%; of a jump: 2
        assert!(error < 0.005, "{now} after {was}");
        for file in ["a", "a.best"] {
            std::fs::remove_file(folder.0.join(file)).unwrap();
        }
    }
    // In the flat part nothing jumps, nor with a rate that was asked for
    let run = format!("{TINY} --steps 300 --checkpoint b");
    succeed(&folder, &run);
    let (mut run, corpus) = load(&folder, "b");
    run.step = 40;
    save(&folder.0.join("b"), &run, &corpus);
    for options in ["--steps 300", "--steps 310", "--steps 900 --lr 1e-3"] {
        let resume = format!("resume b --data text.txt --length 5 {options}");
        let output = output(&folder, &resume);
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{options}: {output:?}");
        let _ = std::fs::remove_file(folder.0.join("b.best"));
        save(&folder.0.join("b"), &run, &corpus);
    }
}

/// The sizes, the seed and the shards are those of the run: there is no option for them.
#[test]
fn what_a_run_keeps_cannot_be_changed() {
    let folder = Folder::new("kept");
    succeed(&folder, &format!("{TINY} --steps 2 --checkpoint a"));
    let sizes = ["n-layer", "n-head", "n-embd", "block-size"];
    for option in sizes.iter().chain(&["seed", "shards"]) {
        let resume = format!("resume a --data text.txt --{option} 16");
        let error = refusal(&folder, &resume);
        let said = format!("error: unexpected argument '--{option}'");
        assert!(error.starts_with(&said), "{error}");
    }
    let help = succeed(&folder, "resume --help");
    let said =
        "The sizes of\nthe model, the seed, the shards and the text stay";
    assert!(help.contains(said), "{help}");
}

/// Where the best state of a run will be, something else may be already.
#[test]
fn a_run_writes_over_no_best_but_its_own() {
    let folder = Folder::new("best");
    let run = format!("{TINY} --steps 3");
    std::fs::write(folder.0.join("a.best"), "mine").unwrap();
    let error = refusal(&folder, &format!("{run} --checkpoint a"));
    assert!(error.starts_with("error: a.best is there already"), "{error}");
    assert!(content(&folder, "a.best") == b"mine");

    succeed(&folder, &format!("{run} --checkpoint b"));
    succeed(&folder, &format!("{run} --checkpoint c --seed 5"));
    let [own, other] = ["b.best", "c.best"].map(|name| content(&folder, name));
    let on = "resume b --data text.txt --steps 5 --length 5";
    for other in [other.as_slice(), b"mine"] {
        std::fs::write(folder.0.join("b.best"), other).unwrap();
        let error = refusal(&folder, on);
        assert!(error.contains("b.best"), "{error}");
        assert!(error.contains("move it, or "), "{error}");
        assert!(error.ends_with(", by --checkpoint\n"), "{error}");
        assert!(content(&folder, "b.best") == other);
        succeed(&folder, &format!("{on} --checkpoint d"));
        for file in ["d", "d.best"] {
            std::fs::remove_file(folder.0.join(file)).unwrap();
        }
    }
    std::fs::write(folder.0.join("b.best"), &own).unwrap();
    succeed(&folder, &format!("{on} --checkpoint b"));

    // Of the same beginning, but farther on
    let best = "resume b.best --data text.txt --steps 90 --length 5";
    succeed(&folder, best);
    let farther = content(&folder, "b.best");
    let error = refusal(&folder, "resume b --data text.txt --steps 6");
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
        let error = refusal(&folder, "resume c --data text.txt --steps 6");
        assert!(error.contains("c.best is not an earlier state"), "{error}");
        assert!(content(&folder, "c.best") == other);
    }
}

/// Beside a checkpoint there are files of its run. What somebody names is not
/// one of them, and what is wrong is said before anything is made.
#[test]
fn no_name_is_taken_for_two_things() {
    let folder = Folder::new("names");
    let run = format!("{TINY} --steps 4 --eval-interval 2");
    let part = refusal(&folder, &format!("{run} --checkpoint a.part"));
    assert!(part.contains("give another"), "{part}");
    succeed(&folder, &format!("{run} --checkpoint a"));
    std::fs::remove_file(folder.0.join("a.best")).unwrap();
    for (name, said) in [
        ("a", "a: is there already; give another name"),
        ("a.best", "a.best: the best state of the run has this name"),
    ] {
        let error = refusal(&folder, &format!("export a {name}"));
        assert!(error.contains(said), "{error}");
    }
    assert!(!folder.0.join("a.best").exists());
    succeed(&folder, &format!("{run} --checkpoint b"));
    let other = "resume a --data text.txt --steps 8 --checkpoint b";
    let other = refusal(&folder, other);
    assert!(other.contains("b is there already"), "{other}");
    let late = format!("{run} --checkpoint c --prompt \u{1}");
    assert!(refusal(&folder, &late).contains("--prompt"));
    assert!(!folder.0.join("c").exists(), "before the training");
    assert!(!folder.0.join("c.lock").exists(), "before the training");
}
