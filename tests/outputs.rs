//! What the programs print, word for word: the chapters quote it.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Output};

use double::generation::{KvCache, Sampler};
use double::gpt::{Gpt, GptConfig};
use double::tokenization::CharTokenizer;
use double::training::{Event, LrSchedule, TrainConfig, Trainer, split};
use insta::assert_snapshot;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use sha2::{Digest, Sha256};

/// Runs an example, built afresh if it must be.
fn run(example: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--example", example, "--"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

/// What a chapter's program prints.
fn output(example: &str) -> String {
    let output = run(example, &[]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A program's output cut at its headings, lines like `[ladder]`.
fn sections(output: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in output.lines() {
        let heading = line.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
        let heading =
            heading.filter(|h| h.starts_with(|c: char| c.is_alphabetic()));
        match (heading, sections.last_mut()) {
            (Some(heading), _) => {
                sections.push((heading.replace(' ', "_"), String::new()));
            }
            (None, Some((_, text))) => *text += &format!("{line}\n"),
            (None, None) => panic!("before the first heading: {line}"),
        }
    }
    sections
}

/// A snapshot for each section, in the room of the program, so that a page can
/// quote one by one; and none of a section that is no longer printed.
fn assert_sections(room: &str, sections: Vec<(String, String)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("chapters-code/{room}/snapshots"));
    for file in std::fs::read_dir(&folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let heading = name.strip_suffix(".snap").unwrap_or("");
        let printed = sections.iter().any(|(it, _)| it == heading);
        let is_kept = printed || KEPT.contains(&heading);
        assert!(is_kept, "{room}: {name} is no longer printed; remove it");
    }
    for (heading, text) in sections {
        assert_in_room(room, &heading, &text);
    }
}

/// A snapshot in a room.
fn assert_in_room(room: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../chapters-code/{room}/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| assert_snapshot!(name, text));
}

/// What other programs print, in the room of a chapter.
const KEPT: [&str; 1] = ["counting"];

/// The pipeline trains in `f32`, where processors differ in the last bits, and
/// what it writes may differ with them: only its length is certain.
#[test]
fn orientation_prints() {
    let mut sections = sections(&output("orientation"));
    let (heading, written) = sections.pop().unwrap();
    assert_eq!(heading, "text_again");
    assert_eq!(written.strip_suffix('\n').unwrap().chars().count(), 200);
    assert_sections("orientation", sections);
}

#[test]
fn counting_prints() {
    assert_in_room("orientation", "counting", &output("counting"));
}

#[test]
fn tokenization_prints() {
    assert_sections("tokenization", sections(&output("tokenization")));
}

#[test]
fn embeddings_prints() {
    assert_sections("embeddings", sections(&output("embeddings")));
}

#[test]
fn scalar_autograd_prints() {
    assert_sections("scalar_autograd", sections(&output("scalar_autograd")));
}

/// Carried away, the modules compute what they compute at home. Four digits do
/// not see a change in the last bits; that no line differs, `tests/book` sees.
#[test]
fn the_one_file_prints_what_the_crate_prints() {
    let at_home = output("pipeline");
    let evaluations = at_home.lines().filter(|line| line.starts_with("step "));
    assert_eq!(evaluations.count(), 5, "{at_home}");
    assert_eq!(output("microgpt"), at_home);
}

/// The figures in the book are those that the program draws.
#[test]
fn figures_are_drawn_from_the_code_as_it_is() {
    let folder = TempFolder::new("figures");
    let drawn = run("figures", &[folder.path()]);
    let errors = String::from_utf8_lossy(&drawn.stderr);
    assert!(drawn.status.success(), "{errors}");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |folder: &std::path::Path| {
        let files = std::fs::read_dir(folder).unwrap();
        let mut files: Vec<_> = files.map(|f| f.unwrap().path()).collect();
        files.sort();
        files
    };
    let fresh = read(&folder.0);
    let committed = read(&root.join("book/figures"));
    let names = |files: &[std::path::PathBuf]| -> Vec<_> {
        files.iter().map(|f| f.file_name().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&fresh), names(&committed));
    for (fresh, committed) in fresh.iter().zip(&committed) {
        let name = committed.display();
        let [fresh, committed] =
            [fresh, committed].map(|f| std::fs::read_to_string(f).unwrap());
        let mut lines = fresh.lines().zip(committed.lines());
        let differing = lines.find(|(a, b)| a != b);
        assert_eq!(differing, None, "{name}: cargo run --example figures");
        assert_eq!(fresh.len(), committed.len(), "{name}");
    }
}

#[test]
fn transformer_block_prints() {
    assert_sections(
        "transformer_block",
        sections(&output("transformer_block")),
    );
}

#[test]
fn gpt_prints() {
    assert_sections("gpt", sections(&output("gpt")));
}

#[test]
fn training_prints() {
    assert_sections("training", sections(&output("training")));
}

#[test]
fn generation_prints() {
    assert_sections("generation", sections(&output("generation")));
}

/// A tiny model after 300 steps in `f64`, from weights that are off by as much
/// as `noise`, and its validation losses.
fn tiny_run(tokenizer: &CharTokenizer, noise: f64) -> (Gpt, Vec<f64>) {
    let text = include_str!("../chapters-code/data/sonnets.txt");
    let ids = tokenizer.encode(text).unwrap();
    let (train, validation) = split(&ids);
    let config = GptConfig {
        n_layer: 2,
        n_head: 2,
        n_embd: 32,
        block_size: 32,
        vocab_size: tokenizer.vocab_size(),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut model = Gpt::new(config, &mut rng).unwrap();
    for tensor in model.tensors_mut() {
        tensor.data.iter_mut().for_each(|x| *x += noise * rng.random::<f64>());
    }
    let schedule =
        LrSchedule { max_lr: 3e-3, min_lr: 3e-4, warmup: 20, steps: 300 };
    let config = TrainConfig {
        batch_size: 8,
        schedule,
        average: 0.0,
        eval_interval: 100,
        seed: 7,
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(model, config).unwrap();
    let mut losses = Vec::new();
    trainer
        .run(train, &validation[..2000], |_, event| {
            if let Event::Evaluation(evaluation) = event {
                losses.push(evaluation.validation_loss);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    (trainer.model, losses)
}

/// Losses to four decimals, and 100 characters: none of them a close call, and
/// the run is one that rounding hardly moves, so that any processor repeats it.
#[test]
fn a_tiny_model_learns_and_writes() {
    let text = include_str!("../chapters-code/data/sonnets.txt");
    let tokenizer = CharTokenizer::new(text).unwrap();
    let (model, losses) = tiny_run(&tokenizer, 0.0);
    let (_, nudged) = tiny_run(&tokenizer, 1e-13);
    for (loss, nudged) in losses.iter().zip(nudged) {
        let moved = (loss - nudged).abs();
        assert!(moved < 1e-8, "a nudge of 1e-13 became {moved:e}");
    }
    let mut printed: String =
        losses.iter().map(|loss| format!("loss {loss:.4}\n")).collect();

    let sampler = Sampler::new(0.8, None).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut cache = KvCache::new(&model);
    let mut id = tokenizer.encode("\n").unwrap()[0];
    let mut margin = 1.0f64;
    for _ in 0..100 {
        if cache.len() == 32 {
            cache.clear();
        }
        let logits = cache.extend(&[id]);
        // How far the draw was from choosing another
        let mut left = peek(&rng);
        let mut candidates = sampler.distribution(&logits);
        candidates.sort_by_key(|&(id, _)| id); // as they are drawn from
        for (_, p) in candidates {
            left -= p;
            margin = margin.min(left.abs());
        }
        id = sampler.sample(&logits, &mut rng);
        printed += &tokenizer.decode(&[id]).unwrap();
    }
    assert!(margin > 1e-7, "a close call: {margin:e}");
    assert_snapshot!(printed);
}

/// Looks at the next number of a stream without taking it.
fn peek(rng: &ChaCha8Rng) -> f64 {
    let mut copy = ChaCha8Rng::from_seed(rng.get_seed());
    copy.set_stream(rng.get_stream());
    copy.set_word_pos(rng.get_word_pos());
    copy.random()
}

#[test]
fn the_sonnets_are_all_there() {
    let text = include_str!("../chapters-code/data/sonnets.txt");
    let sonnets: Vec<Vec<&str>> =
        text.trim_end().split("\n\n").map(|s| s.lines().collect()).collect();
    assert_eq!(sonnets.len(), 154);
    for (number, lines) in (1..).zip(&sonnets) {
        let expected = match number {
            99 => 15,
            126 => 12,
            _ => 14,
        };
        assert_eq!(lines.len(), expected, "sonnet {number}");
        assert!(lines.iter().all(|line| line.len() > 15), "sonnet {number}");
        let (body, couplet) = lines.split_at(lines.len() - 2);
        assert!(body.iter().all(|line| !line.starts_with(' ')));
        assert!(couplet.iter().all(|line| line.starts_with("  ")));
    }
    assert_eq!(sonnets[0][0], "From fairest creatures we desire increase,");
    assert_eq!(sonnets[17][0], "Shall I compare thee to a summer's day?");
    let last = "  Love's fire heats water, water cools not love.";
    assert_eq!(sonnets[153][13], last);
}

#[test]
fn the_data_card_tells_the_truth() {
    let text = include_str!("../chapters-code/data/sonnets.txt");
    let card = include_str!("../chapters-code/data/README.md");
    let tokenizer = CharTokenizer::new(text).unwrap();
    let digest = Sha256::digest(text);
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    assert!(text.is_ascii() && !text.contains('\r'));
    for fact in [
        format!("{} characters", text.len()),
        format!("{} distinct", tokenizer.vocab_size()),
        format!("{} lines", text.lines().count()),
        hex,
    ] {
        assert!(card.contains(&fact), "the card does not say: {fact}");
    }
}

/// A folder of the test's own, gone when dropped.
struct TempFolder(std::path::PathBuf);

impl TempFolder {
    fn new(name: &str) -> Self {
        let name = format!("microgpt-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
