//! A run in any state, whole on paper: its file is refused, or the run that is
//! read from it writes the same file, takes a step, and writes a text.
//!
//! The digest of such a file fits, so that all behind it is reached.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use microgpt::checkpoint::{Corpus, read, write};
use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{Average, LrSchedule, TrainConfig, Trainer, evaluate};
use rand::{SeedableRng, rngs::ChaCha8Rng};

#[derive(Arbitrary, Debug)]
struct State {
    sizes: [u8; 4],
    characters: String,
    text: (u64, Option<String>),
    batch_size: u16,
    rates: [f32; 3],
    steps: [u32; 4],
    optimizer: ([f32; 4], i32),
    losses: (f64, usize),
    best: Option<f64>,
    average: Option<(f32, u32)>,
    stream: (u64, u64, u128),
    weights: Vec<(u16, f32)>,
    ids: Vec<u16>,
    writing: (f32, Option<usize>),
}

impl State {
    fn run(&self) -> Option<(Trainer, Corpus)> {
        let tokenizer = CharTokenizer::new(&self.characters).ok()?;
        let [n_layer, n_head, n_embd, block_size] =
            self.sizes.map(|size| 1 + usize::from(size % 8));
        let vocab_size = tokenizer.vocab_size();
        let sizes =
            GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
        let mut rng = ChaCha8Rng::seed_from_u64(self.stream.0);
        let model = Gpt::new(sizes, &mut rng).ok()?;
        let config = TrainConfig {
            batch_size: 1,
            schedule: LrSchedule {
                max_lr: 0.0,
                min_lr: 0.0,
                warmup: 0,
                steps: 0,
            },
            max_norm: 1.0,
            eval_interval: 1,
            seed: self.stream.1,
        };
        let mut trainer = Trainer::new(model, config).ok()?;
        trainer.average = self.average.map(|(part, steps)| {
            let model = trainer.model.clone();
            Average { model, part, steps: steps as usize } // also one that `new` refuses
        });
        self.fill(&mut trainer);
        let (bytes, digest) = self.text.clone();
        let sha256 = digest.unwrap_or("5a".repeat(32));
        Some((trainer, Corpus { tokenizer, bytes, sha256 }))
    }

    fn fill(&self, trainer: &mut Trainer) {
        let [max_lr, min_lr, max_norm] = self.rates;
        let [warmup, steps, eval_interval, step] =
            self.steps.map(|n| n as usize);
        let config = &mut trainer.config;
        config.schedule = LrSchedule { max_lr, min_lr, warmup, steps };
        (config.max_norm, config.eval_interval) = (max_norm, eval_interval);
        (config.batch_size, trainer.step) = (self.batch_size.into(), step);
        (trainer.losses, trainer.best) = (self.losses, self.best);
        trainer.rng.set_stream(self.stream.1);
        trainer.rng.set_word_pos(self.stream.2);
        let optimizer = &mut trainer.optimizer;
        let ([beta1, beta2, epsilon, weight_decay], taken) = self.optimizer;
        (optimizer.beta1, optimizer.beta2) = (beta1, beta2);
        (optimizer.epsilon, optimizer.weight_decay) = (epsilon, weight_decay);
        optimizer.steps = taken;
        let parts = [&mut trainer.model, &mut optimizer.mean];
        let parts = parts.into_iter().chain([&mut optimizer.square]);
        let average = trainer.average.iter_mut().map(|it| &mut it.model);
        let parts = parts.chain(average);
        let mut numbers: Vec<&mut f32> = parts
            .flat_map(|part| part.tensors_mut())
            .flat_map(|tensor| tensor.data)
            .collect();
        for &(at, x) in &self.weights {
            let at = usize::from(at) % numbers.len();
            *numbers[at] = x;
        }
    }
}

fuzz_target!(|state: State| {
    let Some((trainer, corpus)) = state.run() else { return };
    let mut bytes = Vec::new();
    write(&trainer, &corpus, &mut bytes).unwrap();
    let (mut again, known) = match read(&bytes[..], bytes.len() as u64) {
        Ok(run) => run,
        Err(error) => return drop(error.to_string()),
    };
    assert_eq!(known, corpus);
    let mut twice = Vec::new();
    write(&again, &known, &mut twice).unwrap();
    assert_eq!(twice, bytes);

    let vocab_size = known.tokenizer.vocab_size();
    let id = |&id: &u16| (usize::from(id) % vocab_size) as u16;
    // With enough behind them for the longest window
    let ids = state.ids.iter().chain(&[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let ids: Vec<u16> = ids.map(id).collect();
    if again.config.batch_size <= 8 {
        let _ = again.take_step(&ids).map_err(|error| error.to_string());
    }
    let _ = evaluate(again.result(), &ids).map_err(|error| error.to_string());
    let (temperature, top_k) = state.writing;
    let Ok(sampler) = Sampler::new(temperature, top_k) else { return };
    let rng = ChaCha8Rng::seed_from_u64(1);
    match Generator::new(again.result(), &ids, sampler, rng) {
        Ok(written) => {
            let written: Vec<u16> = written.take(20).collect();
            assert_eq!(written.len(), 20);
            known.tokenizer.decode(&written).unwrap();
        }
        Err(error) => drop(error.to_string()),
    }
});
