//! Comparisons of whole runs of the model of chapter 1, one a word on the
//! command line. They take minutes, so no test repeats them; what they printed
//! is recorded in `book/records/studies`.

use std::error::Error;

use double::Float;
use double::gpt::{Gpt, GptConfig, cross_entropy};
use double::tokenization::CharTokenizer;
use double::training::{
    AdamW, Batch, Gradients, LrSchedule, ShardedGradients, TrainConfig,
    Trainer, evaluate, split,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use crate::first_model::SONNETS;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Runs the study of that name.
pub fn run(name: &str) -> Outcome {
    let ids = CharTokenizer::new(SONNETS)?.encode(SONNETS)?;
    let (train, validation) = split(&ids);
    match name {
        "repairs" => repairs(train, validation),
        "rates" => rates(train, validation),
        "batches" => batches(train, validation),
        "decay" => decay(&train[..TENTH], validation),
        "dropout" => dropout(train, validation),
        _ => Err("repairs, rates, batches, decay or dropout?".into()),
    }
}

/// Characters of a training set that is small enough to be memorized.
const TENTH: usize = 10_000;

const SEEDS: [u64; 3] = [1, 2, 3];

/// The model of chapter 1, with other first weights for each seed.
fn model(seed: u64) -> Outcome<Gpt> {
    let (n_layer, n_head, n_embd, block_size, vocab_size) = (2, 2, 32, 32, 59);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    Ok(Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(seed))?)
}

/// 2,000 steps of AdamW, and nothing besides.
fn bare() -> TrainConfig {
    let (max_lr, min_lr, warmup, steps) = (3e-3, 3e-3, 0, 2000);
    TrainConfig {
        batch_size: 8,
        schedule: LrSchedule { max_lr, min_lr, warmup, steps },
        optimizer: AdamW { weight_decay: 0.0, ..AdamW::default() },
        max_norm: Float::INFINITY,
        average: 0.0,
        eval_interval: steps,
        ..TrainConfig::default()
    }
}

/// Everything that this chapter adds to it.
fn full() -> TrainConfig {
    TrainConfig {
        schedule: LrSchedule { warmup: 100, min_lr: 3e-4, ..bare().schedule },
        optimizer: AdamW::default(),
        max_norm: 1.0,
        ..bare()
    }
}

/// Where a run ends.
fn end(
    config: TrainConfig,
    seed: u64,
    train: &[u16],
    validation: &[u16],
) -> Outcome<f64> {
    let config = TrainConfig { seed, ..config };
    let mut trainer = Trainer::new(model(seed)?, config)?;
    while trainer.step < config.schedule.steps {
        trainer.take_step(train)?;
    }
    Ok(evaluate(trainer.result(), validation)?)
}

/// A row: a name, the losses of all seeds, and their mean.
fn row(name: &str, losses: &[f64]) {
    print!("{name:<26}");
    losses.iter().for_each(|loss| print!("{loss:>8.4}"));
    println!("{:>8.4}", losses.iter().sum::<f64>() / losses.len() as f64);
}

/// From plain descent to the recipe, one repair after the other.
fn repairs(train: &[u16], validation: &[u16]) -> Outcome {
    println!("{:<26}{:>8}{:>8}{:>8}    mean", "seed", 1, 2, 3);
    for (name, momentum, rates) in
        [("SGD", 0.0, [0.1, 0.3, 1.0]), ("SGD, momentum", 0.9, [0.1, 0.3, 1.0])]
    {
        for lr in rates {
            let losses = SEEDS
                .map(|seed| descend(lr, momentum, seed, train, validation));
            let losses = losses.into_iter().collect::<Outcome<Vec<f64>>>()?;
            row(&format!("{name}, rate {lr}"), &losses);
        }
    }
    let mut config = bare();
    let print = |name, config| {
        let losses = SEEDS.map(|seed| end(config, seed, train, validation));
        let losses = losses.into_iter().collect::<Outcome<Vec<f64>>>()?;
        row(name, &losses);
        Outcome::Ok(())
    };
    print("Adam, rate 0.003", config)?;
    config.schedule.warmup = 100;
    print("+ warm-up", config)?;
    config.schedule.min_lr = 3e-4;
    print("+ cosine decay", config)?;
    config.max_norm = 1.0;
    print("+ clipping", config)?;
    config.optimizer.weight_decay = 0.1;
    print("+ weight decay 0.1", config)?;
    config.average = 0.1;
    print("+ averaging", config)
}

/// SGD, with momentum if that is above zero.
fn descend(
    lr: Float,
    momentum: Float,
    seed: u64,
    train: &[u16],
    validation: &[u16],
) -> Outcome<f64> {
    let mut model = model(seed)?;
    let mut mean = model.zeros_like();
    let mut gradients = ShardedGradients::new(4);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    for _ in 0..2000 {
        let batch = Batch::random(train, 8, 32, &mut rng)?;
        let (_, grad) = gradients.compute(&model, &batch);
        let tensors = model.tensors_mut().into_iter().zip(mean.tensors_mut());
        for ((weights, mean), grad) in tensors.zip(grad.tensors()) {
            let entries = weights.data.iter_mut().zip(mean.data);
            for ((w, m), g) in entries.zip(grad.data) {
                *m = momentum * *m + (1.0 - momentum) * g;
                *w -= lr * *m;
            }
        }
    }
    Ok(evaluate(&model, validation)?)
}

/// The learning rate with and without its rise and its fall.
fn rates(train: &[u16], validation: &[u16]) -> Outcome {
    println!("{:<26}{:>8}{:>8}{:>8}    mean", "seed", 1, 2, 3);
    for max_lr in [3e-3, 1e-2, 3e-2] {
        for (name, warmup, floor) in [
            ("constant", 0, 1.0),
            ("warm-up", 100, 1.0),
            ("cosine", 0, 0.1),
            ("warm-up and cosine", 100, 0.1),
        ] {
            let min_lr = floor * max_lr;
            let schedule = LrSchedule { max_lr, min_lr, warmup, steps: 2000 };
            let config = TrainConfig { schedule, ..full() };
            let losses = SEEDS.map(|seed| end(config, seed, train, validation));
            let losses = losses.into_iter().collect::<Outcome<Vec<f64>>>()?;
            row(&format!("{max_lr:<6} {name}"), &losses);
        }
    }
    Ok(())
}

/// The same 16,000 windows in batches of several sizes.
fn batches(train: &[u16], validation: &[u16]) -> Outcome {
    println!("windows  steps  seed   rate 0.001   0.003    0.01    0.03");
    let sizes = [2, 8, 32, 128].into_iter();
    for (batch_size, seed) in sizes.flat_map(|b| SEEDS.map(|seed| (b, seed))) {
        let steps = 16_000 / batch_size;
        print!("{batch_size:>7}{steps:>7}{seed:>6}     ");
        for max_lr in [1e-3, 3e-3, 1e-2, 3e-2] {
            let schedule = LrSchedule::new(max_lr, steps);
            let config = TrainConfig { batch_size, schedule, ..full() };
            print!("{:>8.4}", end(config, seed, train, validation)?);
        }
        println!();
    }
    Ok(())
}

/// A training set of a tenth, by the strength of weight decay.
fn decay(train: &[u16], validation: &[u16]) -> Outcome {
    for weight_decay in [0.0, 0.1, 1.0, 3.0] {
        let optimizer = AdamW { weight_decay, ..AdamW::default() };
        let config = TrainConfig { optimizer, ..full() };
        let name = format!("decay {weight_decay}");
        overfit(&name, config, 0.0, [train, validation])?;
    }
    Ok(())
}

/// The same, and the whole training set, by dropout.
fn dropout(train: &[u16], validation: &[u16]) -> Outcome {
    for p in [0.0, 0.1, 0.2] {
        let name = format!("dropout {p}");
        overfit(&name, full(), p, [&train[..TENTH], validation])?;
    }
    for p in [0.0, 0.1] {
        let name = format!("the whole training set, dropout {p}");
        overfit(&name, full(), p, [train, validation])?;
    }
    Ok(())
}

/// 3,000 steps; the mean over three seeds of the losses on both sets.
fn overfit(
    name: &str,
    config: TrainConfig,
    p: Float,
    [train, validation]: [&[u16]; 2],
) -> Outcome {
    const EVERY: usize = 500;
    let schedule = LrSchedule { steps: 3000, ..config.schedule };
    let mut losses = [[0.0; 2]; 3000 / EVERY + 1];
    let mut ends = Vec::new();
    for seed in SEEDS {
        let config = TrainConfig { schedule, seed, ..config };
        let trainer = Trainer::new(model(seed)?, config)?;
        let mut trainer = trainer.with_gradients(Dropout::new(p, seed));
        for step in 0..=3000 {
            if step % EVERY == 0 {
                let model = &trainer.model;
                let sum = &mut losses[step / EVERY];
                let loss = evaluate(model, validation)?;
                sum[0] += evaluate(model, train)? / 3.0;
                sum[1] += loss / 3.0;
                if step == 3000 {
                    ends.push(format!("{loss:.4}"));
                }
            }
            trainer.take_step(train)?;
        }
    }
    println!("{name}; the three end at {}", ends.join(", "));
    for (i, [train, validation]) in losses.iter().enumerate() {
        println!("{:>6}{train:>9.4}{validation:>9.4}", EVERY * i);
    }
    Ok(())
}

// ANCHOR: dropout
/// Gradients with dropout: of the embeddings, and of what each block adds, an
/// entry is set to zero with probability `p`, and divided by `1 − p` if not.
struct Dropout {
    p: Float,
    rng: ChaCha8Rng,
    grad: Option<Gpt>,
}
// ANCHOR_END: dropout

// ANCHOR: dropout_compute
impl Gradients for Dropout {
    fn compute(&mut self, model: &Gpt, batch: &Batch) -> (Float, &mut Gpt) {
        let Batch { inputs, targets, t } = batch;
        let (x, embeddings) = model.embeddings.forward(inputs, *t);
        let masks = (0..=model.blocks.len()).map(|_| self.mask(x.dim()));
        let masks: Vec<Matrix> = masks.collect();
        let mut x = x * &masks[0];
        let mut caches = Vec::new();
        for (block, mask) in model.blocks.iter().zip(&masks[1..]) {
            let (y, cache) = block.forward(x.clone(), *t);
            x = &x + (y - &x) * mask; // what the block adds, with holes
            caches.push(cache);
        }
        let (x, norm) = model.norm.forward(&x);
        let token = &model.embeddings.token;
        let scale = 1.0 / inputs.len() as Float;
        let logits = x.dot(&token.t());
        let (loss, dlogits) = cross_entropy(logits, targets, scale);

        let grad = self.grad.get_or_insert_with(|| model.zeros_like());
        grad.fill_with_zeros();
        grad.embeddings.token += &dlogits.t().dot(&x);
        let dx = dlogits.dot(token);
        let mut dx = model.norm.backward(&norm, dx, &mut grad.norm);
        for (i, cache) in caches.iter().enumerate().rev() {
            let dy = &dx * &masks[i + 1];
            let past = dx - &dy; // the share of x that did not go through
            let block = &model.blocks[i];
            dx = past + block.backward(cache, dy, &mut grad.blocks[i]);
        }
        let dx = dx * &masks[0];
        model.embeddings.backward(&embeddings, &dx, &mut grad.embeddings);
        (loss, grad)
    }
}
// ANCHOR_END: dropout_compute

type Matrix = ndarray::Array2<Float>;

impl Dropout {
    fn new(p: Float, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(3);
        Self { p, rng, grad: None }
    }

    fn mask(&mut self, shape: (usize, usize)) -> Matrix {
        let p = self.p;
        Matrix::from_shape_simple_fn(shape, || {
            let kept = self.rng.random::<Float>() >= p;
            if kept { 1.0 / (1.0 - p) } else { 0.0 }
        })
    }
}
