//! The home of a run: whose file it is, and what is saved in which order.

mod support;

use std::{fs, io};

use microgpt::checkpoint::{
    self, CheckpointError, Corpus, RunFile, RunFileError, best_path,
    has_no_locks,
};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::safetensors::FileError;
use microgpt::training::{TrainConfig, Trainer};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use support::Folder;

const TEXT: &str = "to be, or not to be: that is the question\n";

fn corpus() -> Corpus {
    Corpus::new(TEXT).unwrap()
}

/// A run with that seed, at its beginning.
fn run(seed: u64) -> Trainer {
    let corpus = corpus();
    let sizes = GptConfig {
        n_layer: 1,
        n_head: 1,
        n_embd: 4,
        block_size: 4,
        vocab_size: corpus.tokenizer.vocab_size(),
    };
    let model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
    let config = TrainConfig { batch_size: 2, seed, ..TrainConfig::quick() };
    Trainer::new(model, config).unwrap()
}

/// The same, so many steps later.
fn after(mut trainer: Trainer, steps: usize) -> Trainer {
    let ids = corpus().tokenizer.encode(TEXT).unwrap();
    for _ in 0..steps {
        trainer.take_step(&ids).unwrap();
    }
    trainer
}

fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(&folder.0).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> =
        names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_new_run_writes_over_nothing() {
    let folder = Folder::new("create");
    let path = folder.0.join("a.safetensors");
    let best = best_path(&path);
    for taken in [&path, &best] {
        fs::write(taken, "mine").unwrap();
        let error = RunFile::create(&path, &corpus()).unwrap_err();
        match error {
            RunFileError::Exists { path: found } => assert_eq!(found, path),
            RunFileError::BestExists { path: found } => assert_eq!(found, best),
            other => panic!("{other}"),
        }
        assert_eq!(fs::read(taken).unwrap(), b"mine");
        fs::remove_file(taken).unwrap();
    }
    let part = folder.0.join("a.part");
    let error = RunFile::create(&part, &corpus()).unwrap_err();
    assert!(matches!(error, RunFileError::Part { path } if path == part));

    let there = folder.0.join("folder");
    fs::create_dir(&there).unwrap();
    let error = RunFile::create(&there, &corpus()).unwrap_err();
    let RunFileError::Checkpoint { source, .. } = error else {
        panic!("{error}");
    };
    let fault = matches!(source, CheckpointError::File(FileError::NotAFile));
    assert!(fault, "{source}");
    assert_eq!(names(&folder), ["a.safetensors.lock", "folder"]);
}

#[test]
fn a_file_is_the_home_of_one_run_at_a_time() {
    let folder = Folder::new("one");
    let path = folder.0.join("a");
    let locked = |error: RunFileError| match error {
        RunFileError::Checkpoint { source, .. } => {
            matches!(source, CheckpointError::Locked)
        }
        _ => false,
    };
    let home = RunFile::create(&path, &corpus()).unwrap();
    home.save(&run(1), true).unwrap();
    assert!(locked(RunFile::create(&path, &corpus()).unwrap_err()));
    for path in [&path, &best_path(&path)] {
        assert!(locked(RunFile::resume(path, &corpus()).unwrap_err()));
    }
    drop(home);
    let (home, trainer) = RunFile::resume(&path, &corpus()).unwrap();
    assert_eq!((home.path(), home.best()), (&*path, &*best_path(&path)));
    assert_eq!(trainer.model, run(1).model);
    assert!(home.is_locked());
}

/// What a system says that has no locks, and what it says of a disk at fault:
/// there no run could be kept, and it is better to say so.
#[test]
fn a_file_system_without_locks_is_told_from_a_fault() {
    let told = |code| has_no_locks(&io::Error::from_raw_os_error(code));
    if cfg!(target_os = "linux") {
        assert!([37, 38, 95].into_iter().all(told)); // ENOLCK, ENOSYS, EOPNOTSUPP
        assert!(![2, 5, 9, 13, 28, 30].into_iter().any(told)); // ENOENT to EROFS
    }
    if cfg!(windows) {
        assert!([1, 50].into_iter().all(told));
        assert!(![2, 5, 33, 112].into_iter().any(told));
    }
    let kind = |kind: io::ErrorKind| has_no_locks(&kind.into());
    assert!(kind(io::ErrorKind::Unsupported)); // what std says without a system
    assert!(!kind(io::ErrorKind::PermissionDenied));
    assert!(!kind(io::ErrorKind::WouldBlock));
}

#[test]
fn a_run_goes_on_with_its_own_text_alone() {
    let folder = Folder::new("text");
    let path = folder.0.join("a");
    let home = RunFile::create(&path, &corpus()).unwrap();
    home.save(&run(1), false).unwrap();
    drop(home);
    let same_characters = Corpus::new(&TEXT.repeat(2)).unwrap();
    for text in [same_characters, Corpus::new("other").unwrap()] {
        let error = RunFile::resume(&path, &text).unwrap_err();
        let said = error.to_string();
        let RunFileError::OtherText { text: given, learned, .. } = error else {
            panic!("{said}");
        };
        assert_eq!((*given, *learned), (text.clone(), corpus()));
        assert!(said.contains(&text.sha256), "{said}");
    }
    let missing = folder.0.join("missing");
    let error = RunFile::resume(&missing, &corpus()).unwrap_err();
    assert!(error.to_string().contains("missing: cannot read: "), "{error}");
    assert_eq!(names(&folder), ["a", "a.lock"]);
}

/// A model may know more characters than the text that it is trained on.
#[test]
fn a_text_of_fewer_characters_is_another_corpus_of_the_same_text() {
    let own = Corpus::new("to be").unwrap();
    let known = Corpus::new(TEXT).unwrap().tokenizer;
    let wider = Corpus::with_tokenizer("to be", known.clone()).unwrap();
    assert_eq!(wider.tokenizer, known);
    assert!(wider != own && wider.same_text(&own));
    assert!(!own.same_text(&Corpus::new("to bE").unwrap()));
    let same = Corpus::with_tokenizer("to be", own.tokenizer.clone()).unwrap();
    assert_eq!(same, own);
    let error = Corpus::with_tokenizer("to be!", known).unwrap_err();
    assert!(error.to_string().starts_with("unknown character '!' at 5"));
}

#[test]
fn a_run_writes_over_no_best_state_but_its_own() {
    let folder = Folder::new("best");
    let path = folder.0.join("a");
    let best = best_path(&path);
    let home = RunFile::create(&path, &corpus()).unwrap();
    let mut early = after(run(1), 2);
    early.best = Some(3.0);
    home.save(&early, true).unwrap();
    let mut now = after(run(1), 5);
    now.best = Some(3.0);
    home.save(&now, false).unwrap();
    drop(home);
    let own = fs::read(&best).unwrap();
    let resume = || RunFile::resume(&path, &corpus()).map(|_| ());

    let mut better = after(run(1), 7); // not the next evaluation
    better.best = Some(2.9);
    let mut other = after(run(2), 2);
    other.best = Some(3.5);
    for foreign in [&better, &other] {
        checkpoint::save(&best, foreign, &corpus()).unwrap();
        let error = resume().unwrap_err();
        assert!(matches!(error, RunFileError::ForeignBest { .. }), "{error}");
    }
    fs::write(&best, "mine").unwrap();
    assert!(matches!(resume(), Err(RunFileError::ForeignBest { .. })));
    assert_eq!(fs::read(&best).unwrap(), b"mine");

    // Killed between its two files, a run is an evaluation behind its best
    better = after(run(1), 100);
    better.best = Some(2.9);
    checkpoint::save(&best, &better, &corpus()).unwrap();
    resume().unwrap();
    fs::write(&best, own).unwrap();
    resume().unwrap();
    fs::remove_file(&best).unwrap();
    resume().unwrap();
}

#[test]
fn both_files_are_tried_and_the_first_failure_is_told() {
    let folder = Folder::new("both");
    let path = folder.0.join("a");
    let best = best_path(&path);
    let home = RunFile::create(&path, &corpus()).unwrap();
    fs::create_dir(&best).unwrap(); // nothing can be saved there
    for steps in [1, 2] {
        let trainer = after(run(1), steps);
        let error = home.save(&trainer, true).unwrap_err();
        let RunFileError::Checkpoint { path: failed, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(failed, best);
        let (saved, _) = checkpoint::load(&path).unwrap();
        assert_eq!(saved.step, steps, "the run is saved all the same");
    }
    home.save(&after(run(1), 3), false).unwrap(); // is not the best
    assert_eq!(checkpoint::load(&path).unwrap().0.step, 3);
}
