//! Models that leave for `transformers`, and models that come from it.
//!
//! What needs Python runs where `MICROGPT_PYTHON` names one that has `torch`
//! and `transformers`, and says elsewhere that it was skipped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::interchange::export;
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{LrSchedule, TrainConfig, Trainer};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde_json::{Value, json};

const SONNETS: &str = include_str!("../../chapters-code/data/sonnets.txt");

/// A folder of the test's own, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("microgpt-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A Python that has `torch` and `transformers`, if somebody named one.
fn python(script: &str) -> Option<Command> {
    let Some(python) = std::env::var_os("MICROGPT_PYTHON") else {
        eprintln!(
            "skipped: set MICROGPT_PYTHON to a Python that has torch and \
             transformers"
        );
        return None;
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interchange");
    let mut command = Command::new(python);
    command.arg(here.join(script));
    Some(command)
}

/// What `open.py` answers about a folder.
fn ask(folder: &Path, questions: &Value) -> Option<Value> {
    let mut command = python("open.py")?;
    command.arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let questions = questions.to_string();
    child.stdin.take().unwrap().write_all(questions.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// A small model that has read the sonnets for a moment.
fn trained() -> (Gpt, CharTokenizer) {
    let tokenizer = CharTokenizer::new(SONNETS).unwrap();
    let config = GptConfig {
        n_layer: 3,
        n_head: 2,
        n_embd: 32,
        block_size: 48,
        vocab_size: tokenizer.vocab_size(),
    };
    let model = Gpt::new(config, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let schedule =
        LrSchedule { max_lr: 0.01, min_lr: 0.001, warmup: 10, steps: 200 };
    let config = TrainConfig {
        batch_size: 8,
        schedule,
        max_norm: 1.0,
        eval_interval: 1000,
        seed: 1,
    };
    let mut trainer = Trainer::new(model, config).unwrap();
    let ids = tokenizer.encode(SONNETS).unwrap();
    for _ in 0..schedule.steps {
        trainer.take_step(&ids).unwrap();
    }
    (trainer.model, tokenizer)
}

/// Lists of ids of every length up to the window's.
fn random_ids(config: GptConfig, count: usize) -> Vec<Vec<u16>> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let last = config.vocab_size as u16 - 1;
    let lengths = (1..=config.block_size).cycle().take(count);
    let ids = |n| (0..n).map(|_| rng.random_range(0..=last)).collect();
    lengths.map(ids).collect()
}

/// The largest difference between our logits and the given ones.
fn apart(model: &Gpt, ids: &[Vec<u16>], logits: &Value) -> f64 {
    let theirs: Vec<Vec<Vec<f64>>> =
        serde_json::from_value(logits.clone()).unwrap();
    assert_eq!(theirs.len(), ids.len());
    let mut largest = 0.0f64;
    for (ids, theirs) in ids.iter().zip(&theirs) {
        let (ours, _) = model.forward(ids, ids.len());
        let theirs = theirs.iter().flatten();
        assert_eq!(theirs.clone().count(), ours.len());
        for (&ours, &theirs) in ours.iter().zip(theirs) {
            largest = largest.max((f64::from(ours) - theirs).abs());
        }
    }
    largest
}

/// The prompt and what the likeliest tokens make of it, to the last position.
fn greedy(model: &Gpt, prompt: &[u16]) -> Vec<u16> {
    let rng = ChaCha8Rng::seed_from_u64(0); // not asked
    let sampler = Sampler::new(0.0, None).unwrap();
    let ids = Generator::new(model, prompt, sampler, rng).unwrap();
    let room = model.config().block_size - prompt.len();
    prompt.iter().copied().chain(ids.take(room)).collect()
}

#[test]
fn transformers_says_the_same_of_an_exported_model() {
    let (model, tokenizer) = trained();
    let folder = Folder::new("out");
    let path = folder.0.join("model");
    export(&path, &model, &tokenizer).unwrap();
    let ids = random_ids(model.config(), 100);
    let every = tokenizer.vocabulary().chunks(40);
    let every: Vec<String> = every.map(|part| part.iter().collect()).collect();
    let mut texts = vec!["Shall I compare thee", "\n\n", "  ,  .  'tis ;", "t"];
    texts.extend(every.iter().map(String::as_str));
    let questions = json!({ "ids": ids, "texts": texts });
    let Some(answers) = ask(&path, &questions) else { return };

    assert_eq!(answers["parameters"], model.num_params());
    let apart = apart(&model, &ids, &answers["logits"]);
    let versions = &answers["versions"];
    println!("torch and transformers {versions}");
    println!("{} prompts: logits at most {apart:.1e} apart", ids.len());
    assert!(apart < 1e-5, "{apart}");
    for (i, text) in texts.iter().enumerate() {
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(answers["encoded"][i], json!(ids));
        assert_eq!(answers["decoded"][i], *text);
        let ours = tokenizer.decode(&greedy(&model, &ids)).unwrap();
        assert_eq!(answers["written"][i], ours);
        println!("both write {ours:?}");
    }
    let strangers = answers["strangers"].as_str().unwrap_or("no error");
    println!("of a character that is unknown: {strangers}");
    assert!(strangers.contains("UNK"), "{strangers}");
}
