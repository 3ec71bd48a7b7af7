//! Makes the files that the target `checkpoint` starts from: runs of one and
//! two blocks, at the start, on the way and at the end.

use std::ops::ControlFlow;
use std::path::Path;

use microgpt::checkpoint::{Corpus, save};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::training::{LrSchedule, TrainConfig, Trainer};
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn main() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.join("corpus/checkpoint");
    std::fs::create_dir_all(&folder).expect("a folder for the seeds");
    for (text, n_layer, n_embd) in
        [("ab", 1, 1), ("to be\n", 2, 4), ("é🦀", 1, 2)]
    {
        let corpus = Corpus::new(text).expect("a text");
        let ids = corpus.tokenizer.encode(&text.repeat(5)).expect("its own");
        let vocab_size = corpus.tokenizer.vocab_size();
        let sizes =
            GptConfig { n_layer, n_head: 1, n_embd, block_size: 2, vocab_size };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let model = Gpt::new(sizes, &mut rng).expect("a model");
        let schedule =
            LrSchedule { max_lr: 0.01, min_lr: 0.001, warmup: 3, steps: 9 };
        let config = TrainConfig {
            batch_size: 2,
            schedule,
            average: if n_layer == 2 { 0.5 } else { 0.0 },
            eval_interval: 4,
            seed: 1,
            ..TrainConfig::default()
        };
        let mut trainer = Trainer::new(model, config).expect("a run");
        for end in [0, 5, 9] {
            let enough = |trainer: &Trainer, _| match trainer.step >= end {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            trainer.run(&ids, &ids, enough).expect("steps");
            let path = folder.join(format!("{n_layer}-{n_embd}-{end}"));
            save(&path, &trainer, &corpus).expect("a file");
        }
    }
}
