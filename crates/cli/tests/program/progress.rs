//! What a terminal shows while a run is trained.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::support::*;

/// The number after the last of these words.
fn number_after(text: &str, word: &str) -> Option<f64> {
    let (_, rest) = text.rsplit_once(word)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..digits].parse().ok()
}

/// The time left in the last bar, if that is of such a step or later.
fn left(text: &str, step: f64) -> Option<f64> {
    let (bar, _) = text.rsplit_once("s left")?;
    let at = number_after(bar, " step ")?;
    let (_, seconds) = bar.rsplit_once(' ')?;
    let seconds = seconds.parse().ok()?;
    (at >= step).then_some(seconds)
}

/// Far into a run what is left is counted from here: not at the speed at which
/// the bar has got here, which is that of a file being read.
#[test]
#[ignore = "needs `script`, a terminal that can be watched"]
fn after_a_resume_the_time_left_is_that_of_the_steps_left() {
    let folder = Folder::new("left");
    let tiny = TINY.replace("--batch-size 2", "--batch-size 3000");
    succeed(&folder, &format!("{tiny} --steps 3 --checkpoint a"));
    let (mut run, corpus) = load(&folder, "a");
    run.step = 100_000;
    save(&folder.0.join("a"), &run, &corpus);
    std::fs::remove_file(folder.0.join("a.best")).unwrap();
    let resume = "resume a --data text.txt --length 5 --lr 1e-9 --steps";
    let steps = 400;
    let resume = format!("{resume} {}", 100_000 + steps);
    // A terminal wide enough for the whole bar
    let typed = format!("stty cols 200; exec {PROGRAM} {resume}");
    let mut child = Command::new("script")
        .args(["-qec", &typed, "/dev/null"])
        .current_dir(&folder.0)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let (mut shown, mut buffer) = (String::new(), [0; 4096]);
    let mut said: Option<(f64, Instant)> = None;
    let mut ended = None;
    loop {
        let read = out.read(&mut buffer).unwrap_or(0);
        if read == 0 {
            break;
        }
        shown += &String::from_utf8_lossy(&buffer[..read]);
        if said.is_none() {
            said = left(&shown, 100_021.0).map(|left| (left, Instant::now()));
        }
        if ended.is_none() && shown.contains("trained in") {
            ended = Some(Instant::now());
        }
    }
    assert!(child.wait().unwrap().success(), "{shown}");
    let (left, at) = said.unwrap_or_else(|| panic!("no bar in {shown}"));
    let actual = ended.unwrap().duration_since(at).as_secs_f64();
    // It is off by 200 if the bar counts from zero; the machine may be busy,
    // and what is shown is whole seconds
    let close = |told: f64, took: f64| {
        (told + 0.5) / took > 0.4 && (told - 0.5) / took < 2.5
    };
    assert!(close(left, actual), "{left} s told, {actual} s taken");
    let all = number_after(&shown, "the steps take about ").unwrap();
    let (_, took) = shown.rsplit_once("trained in ").unwrap();
    let took: f64 = took.split_once(' ').unwrap().0.parse().unwrap();
    assert!(close(all, took), "{all} s told, {took} s taken");
    eprintln!("{left} s told, {actual} s taken; {all} of {took}");
}
