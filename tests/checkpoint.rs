//! Checkpoints: the same bits after a resume, and a sentence for every file
//! that is none.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use insta::assert_snapshot;
use microgpt::checkpoint::{self, CheckpointError, Corpus, KEY};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::training::{Event, LrSchedule, TrainConfig, Trainer, split};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use safetensors::tensor::Metadata;
use serde_json::{Value, json};

const TEXT: &str = "to be, or not to be: that is the question\n";

/// A small run on a small text.
fn run() -> (Trainer, Corpus, Vec<u16>) {
    let text = TEXT.repeat(5);
    let corpus = Corpus::new(&text).unwrap();
    let config = GptConfig {
        n_layer: 1,
        n_head: 2,
        n_embd: 4,
        block_size: 4,
        vocab_size: corpus.tokenizer.vocab_size(),
    };
    let model = Gpt::new(config, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let schedule =
        LrSchedule { max_lr: 0.01, min_lr: 0.001, warmup: 3, steps: 20 };
    let config = TrainConfig {
        batch_size: 3,
        schedule,
        max_norm: f32::INFINITY,
        eval_interval: 4,
        seed: u64::MAX,
    };
    let trainer = Trainer::new(model, config).unwrap();
    let ids = corpus.tokenizer.encode(&text).unwrap();
    (trainer, corpus, ids)
}

fn bytes(trainer: &Trainer, corpus: &Corpus) -> Vec<u8> {
    let mut bytes = Vec::new();
    checkpoint::write(trainer, corpus, &mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<(Trainer, Corpus), CheckpointError> {
    checkpoint::read(bytes, bytes.len() as u64)
}

/// Trains until `step` steps have been taken.
fn train(trainer: &mut Trainer, ids: &[u16], step: usize) {
    let (train, validation) = split(ids);
    let enough = |trainer: &Trainer, _| match trainer.step >= step {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    trainer.run(train, validation, enough).unwrap();
}

#[test]
fn a_resumed_run_ends_in_the_same_bytes_wherever_it_was_cut() {
    let (mut straight, corpus, ids) = run();
    train(&mut straight, &ids, 100);
    let whole = bytes(&straight, &corpus);
    for cut in 0..20 {
        let (mut first, corpus, ids) = run();
        train(&mut first, &ids, cut);
        let saved = bytes(&first, &corpus);
        let (mut second, again) = read(&saved).unwrap();
        assert_eq!(again, corpus);
        assert_eq!(bytes(&second, &again), saved, "cut at {cut}: not the same");
        train(&mut second, &ids, 100);
        assert!(bytes(&second, &again) == whole, "cut at {cut}");
    }
}

/// The bytes of a file in the middle of a run.
fn file() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let (mut trainer, corpus, ids) = run();
        train(&mut trainer, &ids, 7);
        bytes(&trainer, &corpus)
    })
}

#[test]
fn the_bytes_are_those_of_the_crate_safetensors() {
    let parsed = safetensors::SafeTensors::deserialize(file()).unwrap();
    let (_, metadata) =
        safetensors::SafeTensors::read_metadata(file()).unwrap();
    let record = metadata.metadata().clone();
    let again = safetensors::serialize(parsed.tensors(), record).unwrap();
    assert!(again == file());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_flipped_bit_is_noticed(at in 0..file().len(), bit in 0u32..8) {
        let mut bytes = file().to_vec();
        bytes[at] ^= 1u8 << bit;
        prop_assert!(read(&bytes).is_err(), "bit {bit} of byte {at}");
    }

    #[test]
    fn what_is_cut_off_or_put_behind_is_noticed(
        length in 0..file().len(),
        more in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let cut = &file()[..length];
        prop_assert!(read(cut).is_err(), "cut to {length}");
        prop_assert!(read(&[file(), &more].concat()).is_err());
        // Even if the length is not what was said
        let said = file().len() as u64;
        prop_assert!(checkpoint::read(cut, said).is_err());
    }

    #[test]
    fn noise_is_an_error(
        start in 0..file().len(),
        noise in prop::collection::vec(any::<u8>(), 1..64),
    ) {
        let mut bytes = file().to_vec();
        for (byte, noise) in bytes[start..].iter_mut().zip(&noise) {
            *byte = *noise;
        }
        if bytes != file() {
            prop_assert!(read(&bytes).is_err());
        }
    }
}

/// A file whose header, record and data have been changed.
fn forged(change: impl Fn(&mut Value, &mut Value, &mut Vec<u8>)) -> Vec<u8> {
    let length = u64::from_le_bytes(file()[..8].try_into().unwrap()) as usize;
    let mut header: Value =
        serde_json::from_slice(&file()[8..8 + length]).unwrap();
    let mut data = file()[8 + length..].to_vec();
    let record = header["__metadata__"][KEY].as_str().unwrap();
    let mut record: Value = serde_json::from_str(record).unwrap();
    change(&mut header, &mut record, &mut data);
    if header["__metadata__"].get(KEY).is_some() {
        header["__metadata__"][KEY] = record.to_string().into();
    }
    // In the order of a file, where it can be one
    let header = header.to_string();
    let metadata = serde_json::from_str::<Metadata>(&header);
    let header =
        metadata.map_or(header, |m| serde_json::to_string(&m).unwrap());
    assemble(&header, &data)
}

fn assemble(header: &str, data: &[u8]) -> Vec<u8> {
    let mut header = header.as_bytes().to_vec();
    header.resize(header.len().next_multiple_of(8), b' ');
    let length = header.len() as u64;
    [&length.to_le_bytes(), &header[..], data].concat()
}

/// The text with no line longer than 72 characters, but for long words.
fn wrap(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + word.len() < 72 {
            *line += &format!(" {word}");
        } else {
            lines.push(word.to_string());
        }
    }
    lines.iter().map(|line| format!("    {line}\n")).collect()
}

fn table(rows: Vec<(&str, Vec<u8>)>) -> String {
    let rows = rows.into_iter().map(|(name, bytes)| {
        let error = read(&bytes).map(|_| ()).expect_err(name);
        format!("{name}\n{}", wrap(&error.to_string()))
    });
    rows.collect()
}

#[test]
fn every_damaged_file_is_refused_with_a_sentence() {
    let set = |at: usize, byte: u8| {
        let mut bytes = file().to_vec();
        bytes[at] = byte;
        bytes
    };
    assert_snapshot!(
        "files",
        table(vec![
            ("empty", vec![]),
            ("seven bytes", file()[..7].to_vec()),
            ("another kind of file", b"PK\x03\x04 and more of it".to_vec()),
            ("cut in the header", file()[..100].to_vec()),
            ("cut in the numbers", file()[..file().len() - 1].to_vec()),
            ("a byte too many", [file(), b"!"].concat()),
            ("an absurd header length", set(7, 0xff)),
            ("no JSON", set(8, b'!')),
            ("deep nesting", assemble(&"[".repeat(10_000), b"")),
            ("not UTF-8", set(20, 0xff)),
            ("one bit of a number", set(file().len() - 2, 1)),
            (
                "a model of somebody else's",
                forged(|header, _, _| header["__metadata__"] = json!({})),
            ),
        ])
    );
}

/// Rows in which one value of the record is another.
fn records(
    rows: &[(&'static str, &str, Value)],
) -> Vec<(&'static str, Vec<u8>)> {
    let row = |(name, at, value): &(&'static str, &str, Value)| {
        let change = |_: &mut Value, record: &mut Value, _: &mut Vec<u8>| {
            *record.pointer_mut(at).unwrap() = value.clone();
        };
        (*name, forged(change))
    };
    rows.iter().map(row).collect()
}

#[test]
fn every_forged_record_is_refused_with_a_sentence() {
    let sizes = records(&[
        ("a future version", "/version", json!(2)),
        ("no layers", "/config/n_layer", json!(0)),
        ("heads that do not divide", "/config/n_head", json!(3)),
        ("a width beyond memory", "/config/n_embd", json!(1u64 << 62)),
        ("a width beyond the file", "/config/n_embd", json!(4096)),
        ("a width that is negative", "/config/n_embd", json!(-1)),
        ("another context", "/config/block_size", json!(5)),
        ("an empty vocabulary", "/vocabulary", json!("")),
        ("a vocabulary out of order", "/vocabulary", json!("ba")),
        ("a character twice", "/vocabulary", json!("aab")),
        ("a short vocabulary", "/vocabulary", json!("abc")),
    ]);
    assert_snapshot!("sizes", table(sizes));
    let mut rows = records(&[
        ("no batch", "/training/batch_size", json!(0)),
        ("a rate below zero", "/training/schedule/max_lr", json!(-1.0)),
        ("a rate beyond floats", "/training/schedule/max_lr", json!(1e300)),
        ("a warm-up for ever", "/training/schedule/warmup", json!(u64::MAX)),
        ("a last step", "/optimizer/steps", json!(i32::MAX)),
        ("another step", "/step", json!(8)),
    ]);
    rows.push((
        "a field that nobody knows",
        forged(|_, record, _| record["more"] = json!(1)),
    ));
    assert_snapshot!("records", table(rows));
}

#[test]
fn every_forged_tensor_is_refused_with_a_sentence() {
    let rename = |header: &mut Value, old: &str, new: &str| {
        let tensors = header.as_object_mut().unwrap();
        let tensor = tensors.remove(old).unwrap();
        tensors.insert(new.to_string(), tensor);
    };
    let number = |at: usize, x: f32| {
        move |_: &mut Value, _: &mut Value, data: &mut Vec<u8>| {
            data[at..at + 4].copy_from_slice(&x.to_le_bytes());
        }
    };
    let last = forged(|_, _, _| {}).len();
    let header = u64::from_le_bytes(file()[..8].try_into().unwrap()) as usize;
    let last = last - 8 - header - 4;
    let twice = {
        let text = String::from_utf8_lossy(&file()[8..8 + header]).to_string();
        let (_, norm) = text.split_once("\"norm.bias\":").unwrap();
        let (info, _) = norm.split_once('}').unwrap();
        let once = format!("\"norm.bias\":{info}}}");
        let text = text.trim_end().replace(&once, &format!("{once},{once}"));
        assemble(&text, &file()[8 + header..])
    };
    assert_snapshot!(
        "tensors",
        table(vec![
            (
                "a tensor is missing",
                forged(|header, _, _| rename(header, "norm.bias", "norm.b")),
            ),
            ("a tensor twice", twice),
            (
                "one tensor more",
                forged(|header, _, data| {
                    let (start, end) = (data.len(), data.len() + 4);
                    header["zzz"] = json!({"dtype": "F32", "shape": [1],
                        "data_offsets": [start, end]});
                    data.extend([0; 4]);
                }),
            ),
            (
                "half precision",
                forged(|header, _, _| {
                    header["norm.bias"]["dtype"] = json!("F16");
                    header["norm.bias"]["shape"] = json!([8]);
                }),
            ),
            (
                "another shape",
                forged(|header, _, _| {
                    header["norm.bias"]["shape"] = json!([2, 2]);
                }),
            ),
            (
                "a shape that overflows",
                forged(|header, _, _| {
                    header["norm.bias"]["shape"] = json!([1u64 << 62, 8]);
                }),
            ),
            (
                "overlapping tensors",
                forged(|header, _, _| {
                    header["norm.bias"]["data_offsets"] = json!([4, 20]);
                }),
            ),
            ("not a number", forged(number(0, f32::NAN))),
            ("infinite", forged(number(last, f32::INFINITY))),
            ("a square below zero", forged(number(last, -1.0))),
            ("another number", forged(number(last, 0.25))),
        ])
    );
}

#[test]
fn odd_texts_make_the_trip() {
    for text in [
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "\u{feff}to be\r\nor not\r\n",
        "\"quotes\" and \\slashes\\ \u{0}\u{7f}\u{1b}[31m",
        "🦀 नि मे é \u{10ffff}\u{e000}",
    ] {
        let (mut trainer, _, _) = run();
        let corpus = Corpus::new(text).unwrap();
        let mut config = trainer.model.config();
        config.vocab_size = corpus.tokenizer.vocab_size();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let model = Gpt::new(config, &mut rng).unwrap();
        trainer = Trainer::new(model, trainer.config).unwrap();
        trainer.best = Some(0.1 + 0.2);
        let saved = bytes(&trainer, &corpus);
        let (again, known) = read(&saved).unwrap();
        assert_eq!(known, corpus);
        assert_eq!(again.best, trainer.best);
        assert_eq!(again.config, trainer.config);
        assert!(bytes(&again, &known) == saved);
    }
}

/// A folder of the test's own, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("microgpt-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program itself, not cargo, so that a signal reaches it.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--example", "shakespeare"])
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
    })
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
    let mut rng = ChaCha8Rng::seed_from_u64(killed.config.seed);
    let model = Gpt::new(killed.model.config(), &mut rng).unwrap();
    let mut straight = Trainer::new(model, killed.config).unwrap();
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
    let common = format!("--data text.txt {TINY} --steps 3000");
    for threads in [1, 2] {
        let run = format!("--eval-interval 10 --threads {threads}");
        succeed(&folder, &format!("{common} {run} --checkpoint a{threads}"));
        let cut = format!("{common} {run} --checkpoint b{threads}");
        let mut child = start(&folder, &cut);
        while !folder.0.join(format!("b{threads}")).exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let path = folder.0.join(format!("b{threads}"));
        assert!(checkpoint::load(&path).unwrap().0.step < 3000, "too late");
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

#[cfg(unix)]
#[test]
fn an_interrupted_run_is_saved_and_says_how_to_go_on() {
    let folder = Folder::new("interrupt");
    let common = format!("--data text.txt {TINY} --steps 100000000");
    let run = format!("{common} --eval-interval 100000 --checkpoint a");
    let child = start(&folder, &run);
    while !folder.0.join("a").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(50));
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let step = checkpoint::load(&folder.0.join("a")).unwrap().0.step;
    assert!(step > 0);
    let said = format!(
        "interrupted: step {step} is saved to a; go on with --resume a\n"
    );
    assert!(printed.ends_with(&said), "{printed}");
}

#[test]
fn two_runs_never_save_to_one_file() {
    let folder = Folder::new("lock");
    let run =
        format!("--data text.txt {TINY} --steps 100000000 --checkpoint a");
    let mut child = start(&folder, &run);
    while !folder.0.join("a").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let refused = [
        refusal(&folder, &run),
        refusal(&folder, "--data text.txt --resume a"),
    ];
    child.kill().unwrap();
    child.wait().unwrap();
    for error in refused {
        assert_eq!(
            error,
            "error: --checkpoint a: another run saves there; wait for it, or \
             give another name\n"
        );
    }
}

#[test]
fn what_does_not_fit_a_run_is_refused_with_both_values() {
    let folder = Folder::new("refused");
    let common = format!("--data text.txt {TINY}");
    succeed(&folder, &format!("{common} --steps 2 --checkpoint a"));
    std::fs::write(folder.0.join("longer.txt"), TEXT.repeat(11)).unwrap();
    std::fs::write(folder.0.join("other.txt"), "abc\n".repeat(50)).unwrap();
    let before = content(&folder, "a");
    let rows = [
        "--data text.txt --resume a --n-embd 16",
        "--data text.txt --resume a --seed 1",
        "--data longer.txt --resume a",
        "--data other.txt --resume a",
        "--data text.txt --checkpoint a",
        "--data text.txt --checkpoint text.txt/a",
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
    let written = succeed(&folder, "--checkpoint a --generate --length 7");
    assert_eq!(written.chars().count(), 1 + 7 + 1);
}

#[test]
fn a_run_that_explodes_keeps_its_last_good_state() {
    let folder = Folder::new("explode");
    let run = format!(
        "--data text.txt {TINY} --lr 1e38 --steps 50 --eval-interval 1 \
         --checkpoint a"
    );
    let error = refusal(&folder, &run);
    assert!(error.contains("the loss is no longer a number; first in "));
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
        checkpoint::load(&checkpoint::best_path(&disk.join("a"))),
        disk.join("a.part").exists(),
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
