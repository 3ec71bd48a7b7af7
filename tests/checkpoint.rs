//! Checkpoints: the same bits after a resume, and a sentence for every file
//! that is none.

mod support;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;

use insta::assert_snapshot;
use microgpt::checkpoint::{self, CheckpointError, Corpus, KEY, best_path};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::safetensors::{FileError, header};
use microgpt::training::{
    AdamW, LrSchedule, SequenceWarmup, TrainConfig, Trainer, split,
};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use safetensors::tensor::Metadata;
use serde_json::{Value, json};
use support::{Folder, wrap};

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
        sequence_warmup: SequenceWarmup { length: 2, steps: 11 },
        optimizer: AdamW {
            beta1: 0.85,
            beta2: 0.95,
            epsilon: 1e-7,
            weight_decay: 0.2,
        },
        max_norm: f32::INFINITY,
        average: 0.3,
        eval_interval: 4,
        shards: 2,
        seed: u64::MAX,
    }; // of which nothing is a default
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
            ("a text", b"First Citizen: Before we proceed".to_vec()),
            (
                "a pointer of Git LFS",
                b"version https://git-lfs.github.com/spec/v1".to_vec(),
            ),
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
        ("a version before the first", "/version", json!(0)),
        ("no layers", "/model/n_layer", json!(0)),
        ("heads that do not divide", "/model/n_head", json!(3)),
        ("a width beyond memory", "/model/n_embd", json!(1u64 << 62)),
        ("a width beyond the file", "/model/n_embd", json!(4096)),
        ("more layers than the file", "/model/n_layer", json!(4)),
        ("a width that is negative", "/model/n_embd", json!(-1)),
        ("another context", "/model/block_size", json!(3)),
        ("an empty vocabulary", "/vocabulary", json!("")),
        ("a vocabulary out of order", "/vocabulary", json!("ba")),
        ("a character twice", "/vocabulary", json!("aab")),
        ("a short vocabulary", "/vocabulary", json!("abc")),
    ]);
    assert_snapshot!("sizes", table(sizes));
    let mut rows = records(&[
        (
            "a decay beyond floats",
            "/training/optimizer/weight_decay",
            json!(1e39),
        ),
        ("a loss that is none", "/losses/0", Value::Null),
        ("no batch", "/training/batch_size", json!(0)),
        ("a rate below zero", "/training/schedule/max_lr", json!(-1.0)),
        ("a rate beyond floats", "/training/schedule/max_lr", json!(1e300)),
        ("a warm-up for ever", "/training/schedule/warmup", json!(u64::MAX)),
        ("a last step", "/moments", json!(i32::MAX)),
        ("a mean over more than all", "/training/average", json!(1.5)),
        ("a mean over less than nothing", "/training/average", json!(-0.1)),
        ("a mean that is not there", "/training/average", json!(0.0)),
        (
            "windows beyond the context",
            "/training/sequence_warmup/length",
            json!(5),
        ),
        ("no shards", "/training/shards", json!(0)),
        ("another step", "/step", json!(8)),
    ]);
    rows.push((
        "a field that nobody knows",
        forged(|_, record, _| record["more"] = json!(1)),
    ));
    assert_snapshot!("records", table(rows));
}

/// A run larger than any machine's memory is refused by its record, before a
/// byte of it has come: with the bytes of three or, with a mean, four models.
#[test]
fn what_a_run_would_take_is_asked_for_before_it_is_read() {
    let (trainer, ..) = run();
    let (n_layer, n_embd) = (1 << 10, 1 << 18);
    let sizes = GptConfig { n_layer, n_embd, ..trainer.model.config() };
    let params = sizes.checked_num_params().unwrap();
    for (average, models) in [(0.0, 3), (0.5, 4)] {
        let total = 4 * models * params;
        let start = forged(|header, record, data| {
            let metadata = header["__metadata__"].clone();
            let offsets = [0, total];
            *header = json!({ "__metadata__": metadata, "all": {
                "dtype": "F32", "shape": [total / 4], "data_offsets": offsets
            }});
            record["model"]["n_layer"] = n_layer.into();
            record["model"]["n_embd"] = n_embd.into();
            record["training"]["average"] = average.into();
            data.clear();
        });
        let length = (start.len() + total) as u64;
        let error = checkpoint::read(&start[..], length).unwrap_err();
        let CheckpointError::File(FileError::Memory { bytes }) = error else {
            panic!("{error}");
        };
        assert_eq!(bytes, total as f64);
    }
}

/// Just beyond what a run can have, a number is refused by its name; just
/// within, only the digest is wrong.
#[test]
fn every_number_of_the_record_has_its_bounds() {
    const MOST: i32 = i32::MAX / 2;
    let (zeros, capitals) = ("0".repeat(64), "A".repeat(64));
    let count = |at| (at, vec![json!(MOST + 1), json!(u64::MAX)], json!(MOST));
    let below_one = || (vec![json!(-0.1), json!(1.0)], json!(0.0));
    let (betas, lowest) = below_one();
    let rows = [
        count("/step"),
        count("/losses/1"),
        count("/average"),
        ("/moments", vec![json!(-1), json!(MOST + 1)], json!(MOST)),
        ("/moments", vec![], json!(0)),
        count("/training/batch_size"),
        count("/training/eval_interval"),
        count("/training/schedule/warmup"),
        count("/training/schedule/steps"),
        count("/training/sequence_warmup/short_steps"),
        (
            "/training/sequence_warmup/short_length",
            vec![json!(0), json!(5)],
            json!(1),
        ),
        ("/training/sequence_warmup/short_length", vec![], json!(4)),
        ("/training/optimizer/beta1", betas.clone(), lowest.clone()),
        ("/training/optimizer/beta2", betas, lowest),
        ("/training/optimizer/epsilon", vec![json!(-1e-8)], json!(0)),
        ("/training/optimizer/weight_decay", vec![json!(-0.1)], json!(0)),
        ("/training/average", vec![json!(-0.1), json!(1.1)], json!(1)),
        ("/training/shards", vec![json!(0), json!(1025)], json!(1024)),
        (
            "/text_sha256",
            vec![
                json!(zeros[1..]),
                json!(zeros.clone() + "0"),
                json!(capitals),
            ],
            json!(zeros),
        ),
    ];
    for (at, refused, allowed) in rows {
        let error = |value: &Value| {
            let at = at.replace("short_", ""); // what the setting is called
            let [(_, bytes)] = &records(&[("", &at, value.clone())])[..] else {
                panic!("one row, one file")
            };
            read(bytes).map(|_| ()).unwrap_err().to_string()
        };
        let name = at.trim_end_matches("/1").rsplit('/').next().unwrap();
        for value in refused {
            let said = match at.starts_with("/training") {
                true => format!("the settings: {name} "),
                false => format!("damaged: no run can have its {name}"),
            };
            let error = error(&value);
            assert!(error.contains(&said), "{name} {value}: {error}");
        }
        let within = error(&allowed);
        assert!(within.contains("SHA-256"), "{name} {allowed}: {within}");
    }
}

/// A file in whose header some words are others.
fn replaced(from: &str, to: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(file()[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&file()[8..8 + length]).unwrap();
    assert!(header.contains(from), "no {from} in {header}");
    let header = header.trim_end().replace(from, to);
    assemble(&header, &file()[8 + length..])
}

/// Decimals lie closer together than floats: a digit can change, and the number
/// that is read stay.
#[test]
fn a_digit_that_changes_no_number_is_noticed() {
    let (from, to) = ("beta1\\\":0.85", "beta1\\\":0.8500000001");
    assert_eq!("0.85".parse::<f32>(), "0.8500000001".parse());
    let error = read(&replaced(from, to)).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("SHA-256"), "{error}");
}

#[test]
fn the_place_in_a_stream_has_its_bound() {
    let (trainer, _) = read(file()).unwrap();
    let position = |n: u128| format!("position\\\":{n}}}");
    let now = position(trainer.rng.get_word_pos());
    let error =
        |n| read(&replaced(&now, &position(n))).map(|_| ()).unwrap_err();
    let said = "the record is damaged: no run can have its batches.position";
    assert_eq!(error(1 << 68).to_string(), said);
    assert_eq!(error(u128::MAX).to_string(), said);
    let within = error((1 << 68) - 1).to_string();
    assert!(within.contains("SHA-256"), "{within}");
}

#[test]
fn a_header_has_its_bounds() {
    let announced = |header: u64| {
        let bytes = [&header.to_le_bytes()[..], b"{}"].concat();
        read(&bytes).map(|_| ()).unwrap_err()
    };
    for (header, needed) in [(3, 11), (100_000_000, 100_000_008)] {
        let error = announced(header);
        let cut = matches!(error, CheckpointError::File(FileError::CutOff { length: 10, needed: n }) if n == needed);
        assert!(cut, "{header}: {error}");
    }
    let error = announced(100_000_001);
    assert!(
        matches!(
            error,
            CheckpointError::File(FileError::NotSafetensors { .. })
        ),
        "{error}"
    );
    let error = announced(2); // all of the file
    assert!(matches!(error, CheckpointError::NoRecord), "{error}");

    // What is written keeps to the same bound; a record this long has spaces
    let most = 100_000_000;
    let value = " ".repeat(most - r#"{"__metadata__":{"key":""}}"#.len());
    let longest = header(("key", &value), &[]).unwrap();
    assert_eq!(longest.len(), 8 + most);
    let error = header(("key", &(value + " ")), &[]).unwrap_err();
    assert!(error.to_string().contains("100000008 bytes"), "{error}");
}

#[test]
fn an_average_is_kept_if_the_settings_ask_for_one() {
    let (with, corpus, ids) = run();
    let config = TrainConfig { average: 0.0, ..*with.config() };
    let mut without = Trainer::new(with.model.clone(), config).unwrap();
    train(&mut without, &ids, 7);
    let (read_again, _) = read(&bytes(&without, &corpus)).unwrap();
    assert_eq!(read_again.model, without.model);
    assert_eq!(read_again.average, None);

    without.average = with.average;
    let error =
        checkpoint::write(&without, &corpus, &mut Vec::new()).unwrap_err();
    let said = "the average has other shapes";
    assert!(error.to_string().contains(said), "{error}");
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
        trainer = Trainer::new(model, *trainer.config()).unwrap();
        trainer.best = Some(0.1 + 0.2);
        let saved = bytes(&trainer, &corpus);
        let (again, known) = read(&saved).unwrap();
        assert_eq!(known, corpus);
        assert_eq!(again.best, trainer.best);
        assert_eq!(again.config(), trainer.config());
        assert!(bytes(&again, &known) == saved);
    }
}

/// The names in a folder, sorted.
fn names(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(&folder.0).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> =
        names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn saving_leaves_the_new_file_and_nothing_beside_it() {
    let folder = Folder::new("save");
    let path = folder.0.join("a");
    let (mut trainer, corpus, ids) = run();
    std::fs::write(folder.0.join("a.part"), "of a run that was killed")
        .unwrap();
    for step in [1, 2] {
        train(&mut trainer, &ids, step);
        checkpoint::save(&path, &trainer, &corpus).unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes(&trainer, &corpus));
        assert_eq!(names(&folder), ["a"]);
        let (again, known) = checkpoint::load(&path).unwrap();
        assert!(bytes(&again, &known) == bytes(&trainer, &corpus));
    }
}

#[test]
fn a_save_that_fails_leaves_the_old_file() {
    let folder = Folder::new("fail");
    let path = folder.0.join("a");
    let (trainer, corpus, _) = run();
    std::fs::write(&path, "old").unwrap();
    std::fs::create_dir(folder.0.join("a.part")).unwrap(); // no file can be
    let error = checkpoint::save(&path, &trainer, &corpus).unwrap_err();
    assert!(error.to_string().starts_with("cannot write: "), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    let nowhere = folder.0.join("nowhere").join("a");
    let error = checkpoint::save(&nowhere, &trainer, &corpus).unwrap_err();
    assert!(error.to_string().starts_with("cannot write: "), "{error}");
}

/// Nobody could load it, and what it would be written over can be loaded.
#[test]
fn what_is_not_finite_is_not_saved_over_what_is() {
    let folder = Folder::new("finite");
    let path = folder.0.join("a");
    let (mut trainer, corpus, _) = run();
    checkpoint::save(&path, &trainer, &corpus).unwrap();
    let old = std::fs::read(&path).unwrap();
    let change = |trainer: &mut Trainer, x| {
        let last = trainer.moments.square.tensors_mut().pop();
        last.unwrap().data[0] = x;
    };
    for x in [f32::NAN, f32::INFINITY] {
        change(&mut trainer, x);
        let error = checkpoint::save(&path, &trainer, &corpus).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("\"square.norm.bias\" holds what"), "{said}");
        assert!(std::fs::read(&path).unwrap() == old);
        assert_eq!(names(&folder), ["a"]);
    }
    change(&mut trainer, 0.0);
    checkpoint::save(&path, &trainer, &corpus).unwrap();
}

/// A run is asked before it is written what its file would be asked.
#[test]
fn what_could_not_be_loaded_is_not_saved() {
    let folder = Folder::new("refused");
    let path = folder.0.join("a");
    let (trainer, corpus, _) = run();
    checkpoint::save(&path, &trainer, &corpus).unwrap();
    let old = std::fs::read(&path).unwrap();
    type Change = fn(&mut Trainer);
    let changes: [(&str, Change); 10] = [
        ("have its step", |it| it.step = usize::MAX),
        ("have its moments", |it| it.moments.steps = -1),
        ("have its losses", |it| it.losses.0 = f64::NAN),
        ("have its losses", |it| it.losses.1 = usize::MAX),
        ("have its best", |it| it.best = Some(f64::INFINITY)),
        ("the mean has other shapes", |it| {
            it.moments.mean.norm.weight = microgpt::Vector::zeros(5)
        }),
        ("the square has other shapes", |it| it.moments.square.blocks.clear()),
        ("the average has other shapes", |it| {
            it.average.as_mut().unwrap().model.blocks.clear()
        }),
        ("the average has other shapes", |it| it.average = None),
        ("\"square.norm.bias\" holds a square below", |it| {
            it.moments.square.norm.bias[0] = -1.0
        }),
    ];
    for (said, change) in changes {
        let (mut trainer, corpus, _) = run();
        change(&mut trainer);
        let error = checkpoint::save(&path, &trainer, &corpus).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(std::fs::read(&path).unwrap() == old, "{said}");
    }
    let other = Corpus::new("ab").unwrap();
    let error = checkpoint::save(&path, &trainer, &other).unwrap_err();
    assert!(
        error.to_string().contains("2 characters where the sizes say"),
        "{error}"
    );
    assert!(std::fs::read(&path).unwrap() == old);
}

/// Who may read the old file may read the new one, and nobody else.
#[cfg(unix)]
#[test]
fn saving_leaves_the_permissions_as_they_are() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("permissions");
    let path = folder.0.join("a");
    let (trainer, corpus, _) = run();
    checkpoint::save(&path, &trainer, &corpus).unwrap();
    // Nor is anything changed that was there before
    let part = folder.0.join("b.part");
    std::fs::create_dir(&part).unwrap();
    let before = std::fs::metadata(&part).unwrap().permissions();
    std::fs::copy(&path, folder.0.join("b")).unwrap();
    assert!(checkpoint::save(&folder.0.join("b"), &trainer, &corpus).is_err());
    assert_eq!(std::fs::metadata(&part).unwrap().permissions(), before);
    for mode in [0o600, 0o640] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, permissions).unwrap();
        checkpoint::save(&path, &trainer, &corpus).unwrap();
        let found = std::fs::metadata(&path).unwrap().permissions();
        assert_eq!(found.mode() & 0o777, mode);
    }
}

/// Part of a file's name may be a link that somebody else has put there.
#[cfg(unix)]
#[test]
fn saving_never_writes_through_a_link() {
    let folder = Folder::new("link");
    let [path, other] = ["a", "other"].map(|name| folder.0.join(name));
    let (trainer, corpus, _) = run();
    std::fs::write(&other, "mine").unwrap();
    std::os::unix::fs::symlink(&other, folder.0.join("a.part")).unwrap();
    checkpoint::save(&path, &trainer, &corpus).unwrap();
    assert_eq!(std::fs::read(&other).unwrap(), b"mine");
    assert!(checkpoint::load(&path).is_ok());
}

#[test]
fn a_folder_is_neither_saved_to_nor_loaded() {
    let folder = Folder::new("folder");
    let (trainer, corpus, _) = run();
    for error in [
        checkpoint::save(&folder.0, &trainer, &corpus).unwrap_err(),
        checkpoint::load(&folder.0).map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "not a file; give the name of a file");
    }
    assert!(names(&folder).is_empty());
    let missing = checkpoint::load(&folder.0.join("a")).map(|_| ());
    let error = missing.unwrap_err().to_string();
    assert!(error.starts_with("cannot read: "), "{error}");
}

/// To open a pipe is to wait for whoever writes to it.
#[cfg(unix)]
#[test]
fn a_pipe_is_refused_without_waiting() {
    let folder = Folder::new("pipe");
    let pipe = folder.0.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let (trainer, corpus, _) = run();
    for error in [
        checkpoint::load(&pipe).map(|_| ()).unwrap_err(),
        checkpoint::save(&pipe, &trainer, &corpus).unwrap_err(),
    ] {
        assert!(
            matches!(error, CheckpointError::File(FileError::NotAFile)),
            "{error}"
        );
    }
}

#[test]
fn a_lock_is_for_one_at_a_time() {
    let folder = Folder::new("lock");
    let [a, b] = ["a", "b"].map(|name| folder.0.join(name));
    let first = checkpoint::lock(&a).unwrap();
    let error = checkpoint::lock(&a).unwrap_err();
    assert!(matches!(error, CheckpointError::Locked), "{error}");
    // One lock is for a run and its best state
    let best = checkpoint::lock(&best_path(&best_path(&a))).unwrap_err();
    assert!(matches!(best, CheckpointError::Locked), "{best}");
    let other = checkpoint::lock(&b).unwrap();
    assert_eq!(names(&folder), ["a.lock", "b.lock"]);
    drop(first);
    let again = checkpoint::lock(&a).unwrap();
    drop((again, other));
    for (path, lock) in [
        ("c.best.safetensors", "c.safetensors.lock"),
        ("d.best.best", "d.lock"),
        ("d..best.", "d...lock"),
        ("best.e", "best.e.lock"),
    ] {
        let _lock = checkpoint::lock(&folder.0.join(path)).unwrap();
        assert!(folder.0.join(lock).exists(), "{path}");
    }
    let error = checkpoint::lock(&a.join("c")).unwrap_err().to_string();
    assert!(error.starts_with("cannot lock: "), "{error}");
}

#[test]
fn the_best_is_kept_beside_the_last() {
    for (path, best) in [
        ("run.safetensors", "run.best.safetensors"),
        ("runs/a.b.safetensors", "runs/a.b.best.safetensors"),
        ("a", "a.best"),
        ("./a", "./a.best"),
        (".hidden", ".hidden.best"),
    ] {
        assert_eq!(best_path(Path::new(path)), Path::new(best));
    }
}
