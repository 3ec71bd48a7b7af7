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
use microgpt::training::{
    AdamW, LrSchedule, TrainConfig, Trainer, evaluate,
};
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
        let [max_lr, min_lr, max_norm] = self.rates;
        let [warmup, steps, eval_interval, _] = self.steps.map(|n| n as usize);
        let ([beta1, beta2, epsilon, weight_decay], _) = self.optimizer;
        let config = TrainConfig {
            batch_size: self.batch_size.into(),
            schedule: LrSchedule { max_lr, min_lr, warmup, steps },
            optimizer: AdamW { beta1, beta2, epsilon, weight_decay },
            max_norm,
            average: self.average.map_or(0.0, |(part, _)| part),
            eval_interval,
            seed: self.stream.1,
            ..TrainConfig::default()
        };
        let mut trainer = Trainer::new(model, config).ok()?;
        self.fill(&mut trainer);
        let (bytes, digest) = self.text.clone();
        let sha256 = digest.unwrap_or("5a".repeat(32));
        Some((trainer, Corpus { tokenizer, bytes, sha256 }))
    }

    fn fill(&self, trainer: &mut Trainer) {
        trainer.step = self.steps[3] as usize;
        (trainer.losses, trainer.best) = (self.losses, self.best);
        trainer.rng.set_stream(self.stream.1);
        trainer.rng.set_word_pos(self.stream.2);
        let moments = &mut trainer.moments;
        moments.steps = self.optimizer.1;
        let parts = [&mut trainer.model, &mut moments.mean];
        let parts = parts.into_iter().chain([&mut moments.square]);
        let average = trainer.average.iter_mut().map(|it| {
            it.steps = self.average.map_or(0, |(_, steps)| steps as usize);
            &mut it.model
        });
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
    if let Err(error) = write(&trainer, &corpus, &mut bytes) {
        assert!(bytes.is_empty());
        return drop(error.to_string());
    }
    let (mut again, known) = read(&bytes[..], bytes.len() as u64).unwrap();
    assert_eq!(known, corpus);
    let mut twice = Vec::new();
    write(&again, &known, &mut twice).unwrap();
    assert_eq!(twice, bytes);

    let vocab_size = known.tokenizer.vocab_size();
    let id = |&id: &u16| (usize::from(id) % vocab_size) as u16;
    // With enough behind them for the longest window
    let ids = state.ids.iter().chain(&[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let ids: Vec<u16> = ids.map(id).collect();
    if again.config().batch_size <= 8 {
        let _ = again.take_step(&ids).map_err(|error| error.to_string());
    }
    let _ = evaluate(again.result(), &ids).map_err(|error| error.to_string());
    let (temperature, top_k) = state.writing;
    let Ok(sampler) = Sampler::new(temperature, top_k) else { return };
    let rng = ChaCha8Rng::seed_from_u64(1);
    match Generator::new(again.result(), &ids, sampler, rng) {
        Ok(written) => {
            let written: Vec<_> = written.take(20).collect();
            assert_eq!(written.len(), 20);
            let ids: Vec<u16> = written.into_iter().flatten().collect();
            known.tokenizer.decode(&ids).unwrap();
        }
        Err(error) => drop(error.to_string()),
    }
});
