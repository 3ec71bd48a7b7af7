//! What is held in memory, in bytes: by the caches of a forward pass, as
//! chapter 5 counts it; by a corpus, and by a checkpoint while it is read.

use allocation_counter::measure;
use microgpt::Float;
use microgpt::checkpoint::{self, Corpus};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::training::{LrSchedule, SequenceWarmup, TrainConfig, Trainer};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// The bytes that are still allocated when a forward pass has returned.
fn kept(sizes: GptConfig, windows: usize) -> usize {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let model = Gpt::new(sizes, rng).expect("sizes that fit");
    let ids = vec![1; windows * sizes.block_size];
    // The first pass also makes the workspace of the products
    let mut out = Some(model.forward(&ids, sizes.block_size));
    drop(out.take());
    let info = measure(|| out = Some(model.forward(&ids, sizes.block_size)));
    drop(out);
    usize::try_from(info.bytes_current).expect("more than was there before")
}

#[test]
fn caches_hold_what_the_page_says() {
    let (n_head, n_embd, vocab_size) = (4, 64, 59);
    for (n_layer, t, windows) in [(1, 64, 1), (3, 64, 1), (3, 128, 2)] {
        let block_size = t;
        let sizes =
            GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
        let block = 16 * n_embd + n_head * t + 2;
        let norm = n_embd + 1;
        let head = n_embd + vocab_size;
        let numbers = windows * t * (n_layer * block + norm + head);
        let bytes = numbers * size_of::<Float>();
        let kept = kept(sizes, windows);
        // Beyond the numbers: the ids, and the structs that hold the arrays
        let beyond = kept.checked_sub(bytes).expect("all of it is kept");
        assert!(beyond < 2048 * n_layer, "{bytes} by the formula, {kept} kept");
        // A copy of one matrix in one block would be
        assert!(windows * t * n_embd * size_of::<Float>() > 2048 * n_layer);
    }
}

/// The most that is allocated at a time while `work` runs.
fn peak(work: impl FnOnce()) -> f64 {
    measure(work).bytes_max as f64
}

/// On two threads, added up by hand. A block keeps `16·C + H·T + 2` numbers for
/// a position, one of them at work has `8·C` more, and the head `2·C + 2·V`:
/// 366, 732 and 2268 here, where there are 1832, 2976 and 9120 parameters.
#[test]
fn what_a_run_is_said_to_take_is_added_up_by_hand() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    let pool = pool.expect("two threads");
    let (n_head, n_embd, vocab_size) = (2, 8, 5);
    let run = |batch_size, shards, average, (length, steps)| TrainConfig {
        batch_size,
        shards,
        average,
        sequence_warmup: SequenceWarmup { length, steps },
        ..TrainConfig::default()
    };
    for (n_layer, block_size, run, numbers) in [
        // Three shards of a window; two at work, on 4 positions each
        (2, 4, run(3, 4, 0.0, (1, 0)), 1832 * 6 + 2 * 4 * 366),
        // Windows of 2 positions make four shards of two, and there is a mean
        (2, 4, run(2, 4, 0.1, (2, 1)), 1832 * 8 + 2 * 4 * 366),
        // Four shards, of two windows at most
        (2, 4, run(6, 4, 0.0, (4, 0)), 1832 * 7 + 2 * 8 * 366),
        // One shard of eight windows, two of which go through the model at once
        (1, 256, run(8, 1, 0.0, (256, 0)), 2976 * 4 + 512 * 732),
        // One window, which is longer than what goes through at once
        (1, 1024, run(1, 1, 0.0, (1024, 0)), 9120 * 4 + 1024 * 2268),
    ] {
        let sizes =
            GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
        let bytes = pool.install(|| run.memory(&sizes));
        assert_eq!(bytes, 4.0 * f64::from(numbers), "{run:?}");
    }
}

/// On one thread, from the first weight to the end of a step. A cache forgotten
/// in the estimate would be a tenth and more of it.
#[test]
fn a_run_takes_about_what_it_is_said_to_take() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.expect("one thread");
    let standard = GptConfig::standard(65);
    let wide = GptConfig { n_layer: 1, n_embd: 256, ..standard };
    let long = GptConfig { n_layer: 2, block_size: 512, ..standard };
    let words = GptConfig { n_layer: 1, vocab_size: 5000, ..standard };
    for (sizes, batch_size, average) in [
        (standard, 16, 0.1),
        (standard, 1, 0.0),
        (standard, 64, 0.0),
        (wide, 8, 0.1),
        (long, 4, 0.0),
        (words, 4, 0.1),
    ] {
        let config =
            TrainConfig { batch_size, average, ..TrainConfig::default() };
        let data = vec![1; 2 * sizes.block_size];
        pool.install(|| {
            let taken = peak(|| {
                let rng = &mut ChaCha8Rng::seed_from_u64(1);
                let model = Gpt::new(sizes, rng).expect("sizes that fit");
                let trainer = Trainer::new(model, config);
                let step = trainer.expect("settings").take_step(&data);
                step.expect("a step");
            });
            let ratio = config.memory(&sizes) / taken;
            eprintln!("{ratio:.3} of {taken} for {sizes:?}, {batch_size}");
            assert!((0.93..1.1).contains(&ratio), "{ratio} for {sizes:?}");
        });
    }
}

/// A text of 100 MB beside its ids: three times its size. Collecting its
/// characters into a list, as sets do by themselves, would be four more.
#[test]
fn a_corpus_takes_three_times_its_size() {
    for line in ["to be, or not to be\n", "नि मे é 🦀 \u{10ffff}\r\n"]
    {
        let text = line.repeat(1_000_000 / line.len());
        let bytes = text.len() as f64;
        let looked = peak(|| drop(Corpus::new(&text)));
        assert!(looked < 0.01 * bytes, "{looked} to look at {bytes}");
        let corpus = Corpus::new(&text).expect("a text");
        let encoded = peak(|| drop(corpus.tokenizer.encode(&text)));
        assert!(encoded <= 2.0 * bytes, "{encoded} to encode {bytes}");
    }
}

/// A run of some 150,000 parameters; with the mean of its models, if it shall
/// keep one.
fn run(part: Option<f32>) -> (Trainer, Corpus) {
    let corpus = Corpus::new("to be, or not to be").expect("a text");
    let vocab_size = corpus.tokenizer.vocab_size();
    let sizes = GptConfig {
        n_layer: 3,
        n_head: 4,
        n_embd: 64,
        block_size: 32,
        vocab_size,
    };
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let model = Gpt::new(sizes, rng).expect("sizes that fit");
    let schedule =
        LrSchedule { max_lr: 0.01, min_lr: 0.001, warmup: 3, steps: 20 };
    let config = TrainConfig {
        batch_size: 3,
        schedule,
        average: part.unwrap_or(0.0),
        eval_interval: 4,
        seed: 1,
        ..TrainConfig::default()
    };
    let trainer = Trainer::new(model, config).expect("settings that fit");
    (trainer, corpus)
}

/// The same, as a file.
fn file(part: Option<f32>) -> Vec<u8> {
    let (trainer, corpus) = run(part);
    let mut bytes = Vec::new();
    checkpoint::write(&trainer, &corpus, &mut bytes).expect("room");
    bytes
}

/// What is checked before is checked where it stands: besides a buffer of a
/// megabyte there is one tensor's bytes at a time.
#[test]
fn saving_takes_a_buffer_and_little_more() {
    let path = std::env::temp_dir();
    let path = path.join(format!("microgpt-memory-{}", std::process::id()));
    let (trainer, corpus) = run(Some(0.5));
    let saved = peak(|| {
        checkpoint::save(&path, &trainer, &corpus).expect("a place for a file")
    });
    let length = std::fs::metadata(&path).expect("the file").len() as f64;
    let _ = std::fs::remove_file(&path);
    let more = (saved - f64::from(1 << 20)) / length;
    eprintln!("a megabyte and {more} of the file");
    assert!(more < 0.1, "{more}");
}

#[test]
fn loading_takes_little_more_than_the_file() {
    for bytes in [file(None), file(Some(0.5))] {
        let length = bytes.len() as f64;
        let run = || checkpoint::read(&bytes[..], bytes.len() as u64);
        let loaded = peak(|| drop(run().expect("a good file")));
        eprintln!("{} of the file", loaded / length);
        assert!(loaded < 1.2 * length, "{loaded} for a file of {length}");
    }
}

/// Whatever a file says of itself, in its header or in its record, reading it
/// takes no more memory than a good one of its length would.
#[test]
fn no_file_makes_the_reader_take_more_than_its_size_warrants() {
    let good = file(None);
    let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let text = String::from_utf8(good[8..8 + header].to_vec()).unwrap();
    let huge = [
        ("n_layer\\\":3", "n_layer\\\":3000000"),
        ("n_layer\\\":3", "n_layer\\\":5"),
        ("n_embd\\\":64", "n_embd\\\":64000"),
        ("block_size\\\":32", "block_size\\\":3200000000"),
        ("batch_size\\\":3", "batch_size\\\":300000000"),
        ("average\\\":0.0", "average\\\":0.5"),
        ("shape\":[64]", "shape\":[640000000]"),
    ];
    let mut files: Vec<(&str, Vec<u8>)> = huge
        .into_iter()
        .map(|(from, to)| {
            assert!(text.contains(from), "no {from} in the header");
            let mut text = text.trim_end().replace(from, to);
            while !text.len().is_multiple_of(8) {
                text.push(' '); // as in every header
            }
            let length = (text.len() as u64).to_le_bytes();
            let data = &good[8 + header..];
            (to, [&length, text.as_bytes(), data].concat())
        })
        .collect();
    let lengths = [99_999_999u64, 1 << 40, u64::MAX];
    for length in lengths.map(u64::to_le_bytes) {
        files.push(("a header", [&length, &good[8..]].concat()));
    }
    for (what, bytes) in files {
        let read = || checkpoint::read(&bytes[..], bytes.len() as u64);
        let taken = peak(|| assert!(read().is_err(), "{what}"));
        let length = bytes.len() as f64;
        assert!(taken < 1.2 * length, "{what}: {taken} for {length}");
    }
}
