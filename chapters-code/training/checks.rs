mod exercises;
mod solutions;

use crate::{assert_close, assert_predicted, close, exercise};
use double::embeddings::normal;
use double::gpt::{Gpt, GptConfig};
use double::training::{self, AdamW, LrSchedule, clip_grad_norm};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// The answers asked for.
pub struct Answers {
    /// What the first step adds to the weight.
    pub change: f64,
    /// The gradient (6, 8) after clipping.
    pub clipped: [f64; 2],
    /// The learning rate halfway down.
    pub rate: f64,
}

/// The moving averages for one list of weights.
pub struct Moments {
    /// Of the gradients.
    pub m: Vec<f64>,
    /// Of their squares.
    pub v: Vec<f64>,
}

fn model() -> Gpt {
    let (n_layer, n_head, n_embd, block_size, vocab_size) = (1, 1, 4, 4, 5);
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    Gpt::new(sizes, rng).expect("six numbers that fit")
}

fn predict(answers: Answers) {
    let mut model = model();
    let optimizer = AdamW { weight_decay: 0.0, ..AdamW::default() };
    let mut moments = training::Moments::new(&model);
    let before = model.norm.bias[0];
    let mut grad = model.zeros_like();
    grad.norm.bias[0] = -0.002;
    optimizer.step(&mut moments, &mut model, &grad, 0.01);
    let change = model.norm.bias[0] - before;
    let hint = "change: which way does the first step go, and does it depend on the gradient's size?";
    assert_predicted(close(answers.change, change, 1e-6), hint);

    grad.norm.bias[0] = 6.0;
    grad.norm.bias[1] = 8.0;
    clip_grad_norm(&mut grad, 1.0);
    for (i, answer) in answers.clipped.iter().enumerate() {
        let hint = "clipped: the direction stays, and the length is one";
        assert_predicted(close(*answer, grad.norm.bias[i], 1e-9), hint);
    }
    let (max_lr, min_lr, warmup, steps) = (0.002, 0.0, 0, 100);
    let schedule = LrSchedule { max_lr, min_lr, warmup, steps };
    let hint = "rate: where is a cosine at half of its way?";
    assert_predicted(close(answers.rate, schedule.at(50), 1e-9), hint);
}
exercise!(training_predict, super::predict, ANSWERS);

type Step = fn(&mut [f64], &[f64], &mut Moments, i32, f64, f64);

fn build(step: Step) {
    let mut model = model();
    let optimizer = AdamW { weight_decay: 0.2, ..AdamW::default() };
    let mut state = training::Moments::new(&model);
    let mut weights = model.embeddings.token.as_slice().unwrap().to_vec();
    let n = weights.len();
    let mut moments = Moments { m: vec![0.0; n], v: vec![0.0; n] };
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut grad = model.zeros_like();
    for t in 1..=50 {
        grad.embeddings.token = normal((5, 4), 0.1, &mut rng);
        optimizer.step(&mut state, &mut model, &grad, 0.01);
        let grads = grad.embeddings.token.as_slice().unwrap();
        step(&mut weights, grads, &mut moments, t, 0.01, 0.2);
        for (yours, ours) in weights.iter().zip(&model.embeddings.token) {
            assert_close(
                *yours,
                *ours,
                1e-12,
                &format!(
                    "step {t}: is the decay that of the weight before the step?"
                ),
            );
        }
    }
}
exercise!(training_build, super::build, step);

fn explore(epoch: fn(usize, usize, &mut ChaCha8Rng) -> Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for (length, t) in [(0, 4), (4, 4), (5, 4), (8, 4), (9, 4), (1000, 7)] {
        let mut starts = epoch(length, t, &mut rng);
        let mut targets = vec![0; length];
        for start in &starts {
            assert!(start + t < length, "{length}: no target after {start}");
            targets[start + 1..=start + t].iter_mut().for_each(|n| *n += 1);
        }
        assert!(targets.iter().all(|&n| n <= 1), "{length}: used twice");
        let unused = length.saturating_sub(1) - targets.iter().sum::<usize>();
        assert!(unused < t, "{length}: {unused} targets left out");
        if t == 7 {
            assert!(!starts.is_sorted(), "not shuffled");
            assert_ne!(starts, epoch(length, t, &mut rng), "always the same");
        }
        starts.sort_unstable();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= t));
    }
}
exercise!(training_explore, super::explore, epoch);
