use std::ops::ControlFlow;

use approx::assert_abs_diff_eq;
use microgpt::gpt::{Gpt, GptConfig, TensorName};
use microgpt::training::{
    AdamW, Average, Batch, Event, Gradients, LrSchedule, MAX_VALIDATION,
    Moments, PIECE, SequenceWarmup, ShardedGradients, TrainConfig, TrainError,
    Trainer, clip_grad_norm, evaluate, split,
};
use ndarray::{Axis, Dimension};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::StandardNormal;

use crate::{double_model, model, models_apart, random_ids, rng};

#[test]
fn the_last_tenth_is_for_validation_up_to_a_bound() {
    let large = 10 * MAX_VALIDATION;
    for (n, cut) in [
        (0, 0),
        (1, 0),
        (9, 8),
        (10, 9),
        (1_115_394, 1_003_854),
        (large, large - MAX_VALIDATION),
        (large + 9, large + 9 - MAX_VALIDATION),
    ] {
        let data: Vec<usize> = (0..n).collect();
        let (train, validation) = split(&data);
        assert_eq!((train.len(), validation.len()), (cut, n - cut));
        assert!(train.iter().chain(validation).eq(&data));
    }
}

proptest! {
    #[test]
    fn targets_are_inputs_shifted_by_one(
        n in 2usize..200, t in 1usize..20, batch_size in 1usize..9, seed in 0u64..99,
    ) {
        let data: Vec<u16> = (0..n as u16).collect(); // each id tells its place
        match Batch::random(&data, batch_size, t, &mut rng(seed)) {
            Ok(batch) => {
                prop_assert!(n > t);
                prop_assert_eq!(batch.inputs.len(), batch_size * t);
                prop_assert_eq!(batch.targets.len(), batch_size * t);
                for (x, y) in batch.inputs.iter().zip(&batch.targets) {
                    prop_assert_eq!(x + 1, *y);
                }
                for window in batch.inputs.chunks(t) {
                    prop_assert!(window.windows(2).all(|w| w[0] + 1 == w[1]));
                }
            }
            Err(error) => {
                prop_assert!(n <= t);
                prop_assert_eq!(error, TrainError::TooShort { tokens: n, needed: t + 1 });
            }
        }
    }
}

#[test]
fn every_window_comes_up_also_the_first_and_the_last() {
    let data: Vec<u16> = (0..8).collect();
    let batch = Batch::random(&data, 4000, 3, &mut rng(1)).unwrap();
    let mut counts = [0; 8];
    batch.inputs.chunks(3).for_each(|w| counts[usize::from(w[0])] += 1);
    assert_eq!(counts[5..], [0; 3]); // 5, 6, 7 would have no target
    assert!(counts[..5].iter().all(|n| (650..950).contains(n)), "{counts:?}");
}

#[test]
fn short_texts_are_refused_and_the_shortest_that_is_not_trains() {
    let t = 4;
    let config = TrainConfig { batch_size: 2, ..quick_config(1) };
    for n in [0, 1, t, t + 1] {
        let ids = random_ids(n, 11, 1);
        let mut trainer = Trainer::new(model(1, 1, 4, t, 1), config).unwrap();
        let step = trainer.take_step(&ids);
        if n == t + 1 {
            assert!(step.is_ok());
        } else {
            let needed = t + 1;
            let error = TrainError::TooShort { tokens: n, needed };
            assert_eq!(step, Err(error));
        }
    }
    let model = model(1, 1, 4, t, 1);
    assert!(evaluate(&model, &[3]).is_err());
    assert!(evaluate(&model, &[3, 4]).is_ok());
}

fn quick_config(steps: usize) -> TrainConfig {
    TrainConfig {
        batch_size: 12,
        schedule: LrSchedule { max_lr: 1e-2, min_lr: 1e-3, warmup: 2, steps },
        average: 0.0,
        eval_interval: 5,
        seed: 3,
        ..TrainConfig::default()
    }
}

#[test]
fn shards_add_up_to_the_whole_batch() {
    use double::training::{Batch, Gradients, ShardedGradients};
    let model = double_model(2, 2, 8, 6, 1);
    let several = 8 * PIECE / 6 + 5; // pieces in a shard, if there are four
    let windows = [1, 2, 3, 4, 5, 12, 17, several];
    for (windows, shards) in windows.into_iter().zip([4; 8]).chain([
        (1, 1),
        (12, 1),
        (12, 5),
        (3, 8),
    ]) {
        let inputs = random_ids(6 * windows, 11, 2);
        let targets = random_ids(6 * windows, 11, 3);
        let (loss, grad) = model.loss_and_grad(&inputs, &targets, 6);
        let batch = Batch { inputs, targets, t: 6 };
        let mut gradients = ShardedGradients::new(shards);
        for _ in 0..2 {
            // Twice: what the first call left must not be counted again
            let (sharded, sum) = gradients.compute(&model, &batch);
            assert!((sharded - loss).abs() < 1e-12);
            assert!(models_apart(sum, &grad) < 1e-12);
        }
        let nothing = Batch { inputs: vec![], targets: vec![], t: 6 };
        let (loss, none) = gradients.compute(&model, &nothing);
        assert_eq!((loss, none == &model.zeros_like()), (0.0, true));
    }
}

/// The gradient is the sum of the shards' from the first to the last, bit for
/// bit: another number of shards would round in other places.
#[test]
fn a_batch_is_cut_into_the_shards_that_are_asked_for() {
    let model = model(2, 2, 8, 6, 1);
    for (windows, shards, windows_each) in
        [(12, 1, 12), (12, 4, 3), (12, 5, 3), (17, 4, 5), (3, 8, 1)]
    {
        let inputs = random_ids(6 * windows, 11, 2);
        let targets = random_ids(6 * windows, 11, 3);
        let scale = 1.0 / inputs.len() as f32;
        let shard = 6 * windows_each;
        let mut sum = model.zeros_like();
        for (x, y) in inputs.chunks(shard).zip(targets.chunks(shard)) {
            let mut grad = model.zeros_like();
            model.accumulate(x, y, 6, scale, &mut grad);
            for (all, one) in sum.tensors_mut().into_iter().zip(grad.tensors())
            {
                all.data.iter_mut().zip(one.data).for_each(|(a, g)| *a += g);
            }
        }
        let batch = Batch { inputs, targets, t: 6 };
        let mut gradients = ShardedGradients::new(shards);
        let (_, sharded) = gradients.compute(&model, &batch);
        assert!(*sharded == sum, "{windows} windows in {shards} shards");
    }
}

#[test]
fn presets_are_the_runs_of_the_tables() {
    let numbers = |config: TrainConfig| {
        let TrainConfig { batch_size, schedule, optimizer, .. } = config;
        let TrainConfig { eval_interval, shards, average, .. } = config;
        let LrSchedule { max_lr, steps, .. } = schedule;
        let counts = [batch_size, steps, eval_interval, shards];
        (counts, [max_lr, optimizer.weight_decay, average])
    };
    let quick = ([16, 400, 100, 4], [4e-3, 0.1, 0.1]);
    assert_eq!(numbers(TrainConfig::quick()), quick);
    let standard = ([16, 1500, 150, 4], [3e-3, 0.1, 0.1]);
    assert_eq!(numbers(TrainConfig::default()), standard);
    let long = ([8, 18_000, 500, 8], [2e-3, 2.0, 0.1]);
    assert_eq!(numbers(TrainConfig::long()), long);
}

#[test]
fn a_step_has_work_for_one_thread_in_each_shard() {
    for (batch_size, shards, threads) in
        [(16, 4, 4), (12, 8, 6), (8, 8, 8), (3, 8, 3), (5, 4, 3), (1, 1, 1)]
    {
        let config = TrainConfig { batch_size, shards, ..Default::default() };
        assert_eq!(config.max_threads(), threads, "{batch_size} in {shards}");
    }
    assert_eq!(TrainConfig::default().max_threads(), 4);
    assert_eq!(TrainConfig::long().max_threads(), 8);
}

#[test]
fn a_seed_gives_the_same_bits_on_any_number_of_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let data = random_ids(500, 11, 1);
            let model = model(2, 2, 8, 16, 1);
            let mut trainer = Trainer::new(model, quick_config(6)).unwrap();
            let mut losses = Vec::new();
            trainer
                .run(&data, &data[..100], |_, event| {
                    losses.push(event);
                    ControlFlow::Continue(())
                })
                .unwrap();
            (losses, trainer.model)
        })
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

/// Without decay, which would move every matrix, gradient or none.
#[test]
fn after_one_step_every_tensor_has_moved() {
    let config = GptConfig {
        n_layer: 2,
        n_head: 2,
        n_embd: 8,
        block_size: 6,
        vocab_size: 11,
    };
    let model = Gpt::new(config, &mut rng(1)).unwrap();
    let before = model.clone();
    let optimizer = AdamW { weight_decay: 0.0, ..AdamW::default() };
    let settings = TrainConfig { optimizer, ..quick_config(10) };
    let mut trainer = Trainer::new(model, settings).unwrap();
    let data = random_ids(200, 11, 1);
    trainer.take_step(&data).unwrap();
    for (old, new) in before.tensors().iter().zip(trainer.model.tensors()) {
        assert_ne!(old.data, new.data, "{} has not moved", old.name);
    }
}

#[test]
fn one_batch_can_be_learned_by_heart() {
    let config = GptConfig {
        n_layer: 2,
        n_head: 2,
        n_embd: 32,
        block_size: 16,
        vocab_size: 11,
    };
    let mut model = Gpt::new(config, &mut rng(1)).unwrap();
    let (inputs, targets) = (random_ids(64, 11, 1), random_ids(64, 11, 2));
    let optimizer = AdamW { weight_decay: 0.0, ..AdamW::default() };
    let mut moments = Moments::new(&model);
    let mut loss = f32::INFINITY;
    for _ in 0..200 {
        let (now, grad) = model.loss_and_grad(&inputs, &targets, 16);
        optimizer.step(&mut moments, &mut model, &grad, 1e-2);
        loss = now;
    }
    assert!(loss < 0.05, "{loss}"); // the targets have nothing to be learned
}

/// Ten steps of one number, from the formula, in another program's words.
fn adamw_by_hand(mut w: f64, decay: f64, gradients: &[f64], lr: f64) -> f64 {
    let (b1, b2, eps) = (0.9f64, 0.99f64, 1e-8);
    let (mut m, mut v) = (0.0, 0.0);
    for (i, g) in gradients.iter().enumerate() {
        let t = i as i32 + 1;
        w -= lr * decay * w;
        m = m * b1 + g * (1.0 - b1);
        v = v * b2 + g * g * (1.0 - b2);
        let (m_hat, v_hat) = (m / (1.0 - b1.powi(t)), v / (1.0 - b2.powi(t)));
        w -= lr * m_hat / (v_hat.sqrt() + eps);
    }
    w
}

#[test]
fn ten_steps_of_adamw_are_the_formula_s() {
    use double::training::{AdamW, Moments};
    let start = double_model(1, 2, 4, 3, 1);
    let mut rng = rng(2);
    let gradients: Vec<_> = (0..10)
        .map(|_| {
            let mut grad = start.zeros_like();
            for tensor in grad.tensors_mut() {
                for g in tensor.data {
                    *g = rng.sample::<f64, _>(StandardNormal);
                }
            }
            grad
        })
        .collect();
    let mut model = start.clone();
    let mut moments = Moments::new(&model);
    for grad in &gradients {
        AdamW::default().step(&mut moments, &mut model, grad, 0.01);
    }
    for (i, tensor) in start.tensors().iter().enumerate() {
        let decay = if tensor.shape.ndim() == 2 { 0.1 } else { 0.0 };
        for (j, &w) in tensor.data.iter().enumerate() {
            let g: Vec<f64> = gradients
                .iter()
                .map(|grad| grad.tensors()[i].data[j])
                .collect();
            let by_hand = adamw_by_hand(w, decay, &g, 0.01);
            let found = model.tensors()[i].data[j];
            assert!((found - by_hand).abs() < 1e-12, "{} {j}", tensor.name);
        }
    }
}

/// The first step of a gradient `g` is `η·g/(|g| + ε)`.
#[test]
fn epsilon_shortens_the_steps_of_small_gradients() {
    use double::training::{AdamW, Moments};
    for (epsilon, expected) in [(0.0, 0.1), (1e-3, 0.05), (9e-3, 0.01)] {
        let mut model = double_model(1, 2, 4, 3, 1);
        let (mut moments, before) = (Moments::new(&model), model.norm.bias[0]);
        let mut grad = model.zeros_like();
        grad.norm.bias.fill(1e-3);
        let optimizer = AdamW { epsilon, ..AdamW::default() };
        optimizer.step(&mut moments, &mut model, &grad, 0.1);
        let step = before - model.norm.bias[0];
        assert!((step - expected).abs() < 1e-12, "{epsilon}: {step}");
    }
}

#[test]
fn these_tensors_decay_and_no_others() {
    let model = model(1, 2, 4, 3, 1);
    let decaying: Vec<String> = model
        .tensors()
        .iter()
        .filter(|tensor| AdamW::decays(tensor))
        .map(|tensor| tensor.name.to_string())
        .collect();
    assert_eq!(
        decaying,
        [
            "embeddings.token",
            "embeddings.position",
            "blocks.0.attention.qkv.weight",
            "blocks.0.attention.proj.weight",
            "blocks.0.mlp.up.weight",
            "blocks.0.mlp.down.weight",
        ]
    );
}

#[test]
fn the_rate_rises_then_falls_along_a_cosine() {
    let schedule =
        LrSchedule { max_lr: 1.0, min_lr: 0.1, warmup: 9, steps: 109 };
    // nanoGPT's: (step + 1)/(warmup + 1), then a cosine over the rest
    let known = [
        (0, 0.1),
        (4, 0.5),
        (8, 0.9),
        (9, 1.0),
        (34, 0.1 + 0.9 * 0.853_553_4),
        (59, 0.55),
        (109, 0.1),
        (1_000_000, 0.1),
    ];
    for (step, lr) in known {
        assert_abs_diff_eq!(schedule.at(step), lr, epsilon = 1e-6);
    }
    let all: Vec<f32> = (9..=109).map(|step| schedule.at(step)).collect();
    assert!(all.windows(2).all(|pair| pair[1] < pair[0]));
    let nothing = LrSchedule { max_lr: 1.0, min_lr: 0.1, warmup: 0, steps: 0 };
    assert_eq!(nothing.at(0), 0.1);
}

#[test]
fn clipping_shortens_the_whole_gradient_and_keeps_its_direction() {
    let model = model(1, 2, 4, 3, 1);
    let length = |model: &Gpt| -> f32 {
        let tensors = model.tensors().into_iter();
        tensors.flat_map(|t| t.data).map(|x| x * x).sum::<f32>().sqrt()
    };
    let before = length(&model);
    let mut short = model.clone();
    assert!((clip_grad_norm(&mut short, 0.5) / before - 1.0).abs() < 1e-6);
    assert!((length(&short) - 0.5).abs() < 1e-6);
    let ratio = 0.5 / before;
    for (a, b) in model.tensors().iter().zip(short.tensors()) {
        for (a, b) in a.data.iter().zip(b.data) {
            assert!((a * ratio - b).abs() < 1e-6);
        }
    }
    let mut same = model.clone();
    clip_grad_norm(&mut same, before * 1.01);
    assert_eq!(same, model);
}

#[test]
fn evaluation_scores_every_token_but_the_first_once() {
    let model = double_model(1, 2, 8, 6, 1);
    let piece = PIECE / 6 * 6; // whole windows
    let pieces = [piece, piece + 1, piece + 2, 2 * piece + 1, 2 * piece + 13];
    for n in [2, 6, 7, 8, 12, 13, 14, 15].into_iter().chain(pieces) {
        let data = random_ids(n, 11, 1);
        let mut total = 0.0;
        for start in (0..n - 1).step_by(6) {
            let end = (start + 6).min(n - 1);
            let (x, y) = (&data[start..end], &data[start + 1..end + 1]);
            total += model.loss(x, y, end - start) * (end - start) as f64;
        }
        let found = double::training::evaluate(&model, &data).unwrap();
        assert!((found - total / (n - 1) as f64).abs() < 1e-12, "{n}");
    }
}

#[test]
fn a_run_reports_every_step_and_evaluates_at_intervals() {
    let data = random_ids(300, 11, 1);
    let mut trainer =
        Trainer::new(model(1, 2, 8, 6, 1), quick_config(12)).unwrap();
    let (mut steps, mut evaluations) = (Vec::new(), Vec::new());
    let mut losses = Vec::new();
    trainer
        .run(&data[..200], &data[200..], |trainer, event| {
            match event {
                Event::Step(report) => {
                    assert_eq!(trainer.step, report.step + 1);
                    assert_eq!(
                        report.lr,
                        trainer.config().schedule.at(report.step)
                    );
                    losses.push(f64::from(report.loss));
                    steps.push(report.step);
                }
                Event::Evaluation(evaluation) => {
                    let now = evaluate(trainer.result(), &data[200..]).unwrap();
                    assert_eq!(evaluation.validation_loss, now);
                    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
                    let expected = (!losses.is_empty()).then_some(mean);
                    assert_eq!(evaluation.train_loss, expected);
                    losses.clear();
                    evaluations.push(evaluation.step);
                }
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(steps, (0..12).collect::<Vec<_>>());
    assert_eq!(evaluations, [0, 5, 10, 12]);
}

#[test]
fn an_observer_can_break_off() {
    let data = random_ids(300, 11, 1);
    let mut trainer =
        Trainer::new(model(1, 2, 8, 6, 1), quick_config(100)).unwrap();
    trainer
        .run(&data, &data, |_, event| match event {
            Event::Step(report) if report.step == 6 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap();
    assert_eq!(trainer.step, 7);
    trainer
        .run(&data, &data, |_, event| match event {
            Event::Evaluation(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap();
    assert_eq!(trainer.step, 10); // the next multiple of five
}

#[test]
fn a_run_that_explodes_stops_and_names_step_and_tensor() {
    let data = random_ids(300, 11, 1);
    let mut model = model(1, 2, 8, 6, 1);
    model.blocks[0].mlp.up.weight[[2, 3]] = f32::NAN;
    let broken = model.clone();
    let mut trainer = Trainer::new(model, quick_config(100)).unwrap();
    let error = trainer.run(&data, &data, |_, _| ControlFlow::Continue(()));
    let field = "mlp.up.weight";
    let tensor = Some(TensorName { block: Some(0), field });
    assert_eq!(error, Err(TrainError::NonFinite { step: 0, tensor }));
    assert_eq!(
        error.unwrap_err().to_string(),
        "step 0: the loss or the gradient is not finite; first in \
         blocks.0.mlp.up.weight; begin with another model"
    );
    let later = TrainError::NonFinite { step: 1, tensor: None }.to_string();
    assert!(later.ends_with("; train with a smaller learning rate"), "{later}");
    let kept = trainer.model.tensors();
    for (old, new) in broken.tensors().iter().zip(kept) {
        let bits =
            |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(old.data), bits(new.data), "the model was changed");
    }
}

#[test]
fn a_gradient_without_a_length_stops_the_run_though_the_loss_has_a_value() {
    let data = random_ids(300, 11, 1);
    let mut model = model(1, 2, 8, 6, 1);
    model.norm.weight.fill(1e30); // its squares are infinite
    let loss = model.loss(&data[..6], &data[1..7], 6);
    assert!(loss.is_finite(), "{loss}");
    let before = model.clone();
    let mut trainer = Trainer::new(model, quick_config(100)).unwrap();
    let error = trainer.take_step(&data).unwrap_err();
    assert!(matches!(error, TrainError::NonFinite { step: 0, .. }));
    assert_eq!(trainer.model, before);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let good = quick_config(1);
    let rate = |max_lr| LrSchedule { max_lr, ..good.schedule };
    let last = |min_lr| LrSchedule { min_lr, ..good.schedule };
    let warmup = |warmup| LrSchedule { warmup, ..good.schedule };
    let steps = |steps| LrSchedule { steps, ..good.schedule };
    let decay = |weight_decay| AdamW { weight_decay, ..good.optimizer };
    let epsilon = |epsilon| AdamW { epsilon, ..good.optimizer };
    let beta1 = |beta1| AdamW { beta1, ..good.optimizer };
    let beta2 = |beta2| AdamW { beta2, ..good.optimizer };
    let short = |length, steps| SequenceWarmup { length, steps };
    let many = TrainConfig::MAX_COUNT + 1;
    for (config, name) in [
        (TrainConfig { batch_size: 0, ..good }, "batch_size"),
        (TrainConfig { eval_interval: 0, ..good }, "eval_interval"),
        (TrainConfig { schedule: rate(-1.0), ..good }, "lr"),
        (TrainConfig { schedule: rate(f32::NAN), ..good }, "lr"),
        (TrainConfig { schedule: last(-1.0), ..good }, "min_lr"),
        (TrainConfig { batch_size: many, ..good }, "batch_size"),
        (TrainConfig { eval_interval: many, ..good }, "eval_interval"),
        (TrainConfig { schedule: warmup(many), ..good }, "warmup"),
        (TrainConfig { schedule: steps(many), ..good }, "steps"),
        (TrainConfig { max_norm: 0.0, ..good }, "max_norm"),
        (TrainConfig { max_norm: f32::NAN, ..good }, "max_norm"),
        (TrainConfig { average: -0.01, ..good }, "average"),
        (TrainConfig { average: 1.01, ..good }, "average"),
        (TrainConfig { average: f32::NAN, ..good }, "average"),
        (TrainConfig { optimizer: decay(-0.1), ..good }, "weight_decay"),
        (TrainConfig { optimizer: decay(1.0 / 0.0), ..good }, "weight_decay"),
        (TrainConfig { optimizer: epsilon(-1e-8), ..good }, "epsilon"),
        (TrainConfig { optimizer: epsilon(f32::NAN), ..good }, "epsilon"),
        (TrainConfig { optimizer: beta1(1.0), ..good }, "beta1"),
        (TrainConfig { optimizer: beta1(f32::NAN), ..good }, "beta1"),
        (TrainConfig { optimizer: beta2(-0.1), ..good }, "beta2"),
        (TrainConfig { optimizer: beta2(1.0), ..good }, "beta2"),
        (TrainConfig { sequence_warmup: short(0, 1), ..good }, "short_length"),
        (TrainConfig { sequence_warmup: short(5, 0), ..good }, "short_length"),
        (
            TrainConfig { sequence_warmup: short(4, many), ..good },
            "short_steps",
        ),
        (TrainConfig { shards: 0, ..good }, "shards"),
        (TrainConfig { shards: 1025, ..good }, "shards"),
    ] {
        let error = Trainer::new(model(1, 1, 4, 4, 1), config).unwrap_err();
        assert!(
            matches!(error, TrainError::Setting { name: n, .. } if n == name)
        );
        assert!(error.to_string().starts_with(name));
    }
    let most = TrainConfig::MAX_COUNT;
    // Two of them fit into 31 bits, and two of the next number do not
    assert_eq!(2 * most + 1, i32::MAX as usize);
    let (max_lr, min_lr) = (0.0, 0.0);
    let schedule = LrSchedule { warmup: most, steps: most, max_lr, min_lr };
    let (batch_size, eval_interval) = (most, most);
    let config = TrainConfig { batch_size, schedule, eval_interval, ..good };
    let extremes = [
        config,
        TrainConfig { optimizer: beta1(0.0), average: 1.0, ..good },
        TrainConfig { sequence_warmup: short(4, most), shards: 1024, ..good },
        TrainConfig { max_norm: f32::INFINITY, ..good },
    ];
    for config in extremes {
        assert_eq!(config.validate(&model(1, 1, 4, 4, 1).config()), Ok(()));
    }
}

#[test]
fn a_window_of_any_length_is_refused_where_it_does_not_fit() {
    for t in [11, 12, usize::MAX] {
        let error = Batch::random(&[1; 11], 1, t, &mut rng(1)).unwrap_err();
        let needed = t.saturating_add(1);
        assert_eq!(error, TrainError::TooShort { tokens: 11, needed });
    }
}

#[test]
#[should_panic(expected = "one target for each input")]
fn a_target_that_is_missing_is_not_passed_over() {
    let model = model(1, 1, 4, 8, 1);
    let batch = Batch { inputs: vec![1; 32], targets: vec![1; 24], t: 8 };
    ShardedGradients::new(4).compute(&model, &batch);
}

#[test]
fn weights_and_batches_come_from_streams_of_their_own() {
    // Drawing more weights must not change which batches are drawn
    let batches = |n_layer| {
        let model = model(n_layer, 1, 4, 4, 1);
        let mut trainer = Trainer::new(model, quick_config(1)).unwrap();
        let data: Vec<u16> = (0..1000).map(|i| i % 11).collect();
        Batch::random(&data, 5, 4, &mut trainer.rng).unwrap()
    };
    assert_eq!(batches(1), batches(3));
    let mut weights = ChaCha8Rng::seed_from_u64(3);
    let trainer = Trainer::new(model(1, 1, 4, 4, 1), quick_config(1)).unwrap();
    let mut batches = trainer.rng;
    assert_ne!(weights.random::<u64>(), batches.random::<u64>());
}

#[test]
fn sharding_reports_the_loss_of_the_batch() {
    let model = model(1, 2, 8, 6, 1);
    let batch =
        Batch::random(&random_ids(90, 11, 1), 5, 6, &mut rng(1)).unwrap();
    let mut gradients = ShardedGradients::new(4);
    let (loss, _) = gradients.compute(&model, &batch);
    let whole = model.loss(&batch.inputs, &batch.targets, 6);
    assert_abs_diff_eq!(loss, whole, epsilon = 1e-5);
}

#[test]
fn the_mean_is_as_old_as_one_over_the_last_part() {
    use double::training::Average;
    // Each model is the number of its step, so the mean is that of the steps
    let mut model = double_model(1, 1, 4, 4, 1);
    for part in [0.0, 0.01, 0.15, 0.5, 1.0] {
        let mut average = Average::new(model.clone());
        for n in 1..=1000 {
            model.norm.weight.fill(n as f64);
            average.update(&model, part);
            let age = n as f64 - average.model.norm.weight[0];
            let expected = part / 2.0 * (n - 1) as f64;
            assert!((age - expected).abs() < 1e-9, "{part} {n}: {age}");
        }
    }
}

#[test]
fn a_mean_over_all_is_the_mean_and_one_over_nothing_is_the_last() {
    use double::training::Average;
    let models: Vec<_> = (0..7).map(|i| double_model(1, 2, 8, 6, i)).collect();
    let mut all = Average::new(models[6].clone());
    let mut last = all.clone();
    for model in &models {
        all.update(model, 1.0);
        last.update(model, 0.0);
        assert!(models_apart(&last.model, model) < 1e-15);
    }
    let mut sum = models[0].zeros_like();
    for (i, sum) in sum.tensors_mut().into_iter().enumerate() {
        for model in &models {
            let tensor = &model.tensors()[i];
            let pairs = sum.data.iter_mut().zip(tensor.data);
            pairs.for_each(|(sum, w)| *sum += w / 7.0);
        }
    }
    assert!(models_apart(&all.model, &sum) < 1e-15);
}

#[test]
fn a_run_shows_the_mean_of_its_path_and_walks_the_same_path() {
    let data = random_ids(300, 11, 1);
    let (train, validation) = (&data[..200], &data[200..]);
    let fresh = |average| {
        let config = TrainConfig { average, ..quick_config(12) };
        Trainer::new(model(1, 2, 8, 6, 1), config).unwrap()
    };
    let mut plain = fresh(0.0);
    let mut mean = Average::new(plain.model.clone());
    let mut expected = vec![evaluate(&mean.model, validation).unwrap()];
    for n in 1..=12 {
        plain.take_step(train).unwrap();
        mean.update(&plain.model, 0.4);
        if n % 5 == 0 || n == 12 {
            expected.push(evaluate(&mean.model, validation).unwrap());
        }
    }
    assert_eq!(plain.result(), &plain.model);
    let mut trainer = fresh(0.4);
    let mut losses = Vec::new();
    trainer
        .run(train, validation, |_, event| {
            if let Event::Evaluation(evaluation) = event {
                losses.push(evaluation.validation_loss);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(trainer.model, plain.model);
    assert_eq!(trainer.result(), &mean.model);
    assert_ne!(trainer.result(), &trainer.model);
    assert_eq!(losses, expected);
    assert_eq!(trainer.best, losses.into_iter().min_by(f64::total_cmp));
}

#[test]
fn a_run_with_short_windows_is_two_runs_one_after_the_other() {
    let data = random_ids(300, 11, 1);
    let sequence_warmup = SequenceWarmup { length: 4, steps: 20 };
    let config = TrainConfig { sequence_warmup, ..quick_config(30) };
    let mut trainer = Trainer::new(model(2, 2, 8, 6, 1), config).unwrap();
    let mut model = trainer.model.clone();
    let mut moments = Moments::new(&model);
    let mut gradients = ShardedGradients::new(config.shards);
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    rng.set_stream(1); // as the trainer's
    for step in 0..30 {
        // Twelve windows of six are as many positions as eighteen of four
        let (windows, t) = if step < 20 { (18, 4) } else { (12, 6) };
        let batch = Batch::random(&data, windows, t, &mut rng).unwrap();
        let (loss, grad) = gradients.compute(&model, &batch);
        let grad_norm = clip_grad_norm(grad, config.max_norm);
        let lr = config.schedule.at(step);
        config.optimizer.step(&mut moments, &mut model, grad, lr);
        if step == 19 {
            // The places 4 and 5 begin as the places 0 and 1 are by now
            let table = &mut model.embeddings.position;
            *table = table.select(Axis(0), &[0, 1, 2, 3, 0, 1]);
        }

        let report = trainer.take_step(&data).unwrap();
        assert_eq!((report.loss, report.grad_norm), (loss, grad_norm));
        assert_eq!(trainer.model, model, "step {step}");
    }
}

/// What finds the gradients can be somebody else's; the run is the same.
#[test]
fn a_run_goes_on_with_gradients_from_elsewhere() {
    struct Counted(ShardedGradients, usize);
    impl Gradients for Counted {
        fn compute(&mut self, model: &Gpt, batch: &Batch) -> (f32, &mut Gpt) {
            self.1 += 1;
            self.0.compute(model, batch)
        }
    }
    let data = random_ids(300, 11, 1);
    let config = TrainConfig { average: 0.5, ..quick_config(8) };
    let mut plain = Trainer::new(model(1, 2, 8, 6, 1), config).unwrap();
    let mut first = Trainer::new(model(1, 2, 8, 6, 1), config).unwrap();
    let go_on = |_: &Trainer, event| match event {
        Event::Step(report) if report.step == 5 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    plain.run(&data, &data, go_on).unwrap();
    first.run(&data, &data, go_on).unwrap();
    let counted = Counted(ShardedGradients::new(config.shards), 0);
    let mut second = first.with_gradients(counted);
    assert_eq!(second.config(), plain.config());
    plain.run(&data, &data, |_, _| ControlFlow::Continue(())).unwrap();
    second.run(&data, &data, |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(second.gradients.1, 2); // of eight steps
    assert_eq!((second.step, second.best), (plain.step, plain.best));
    assert_eq!((second.model, second.moments), (plain.model, plain.moments));
    assert_eq!(second.average, plain.average);
}

#[test]
fn a_run_goes_on_with_other_settings() {
    let data = random_ids(300, 11, 1);
    let mut trainer =
        Trainer::new(model(1, 2, 8, 6, 1), quick_config(12)).unwrap();
    trainer.take_step(&data).unwrap();
    let average = 0.3;
    let optimizer = AdamW { weight_decay: 0.7, ..AdamW::default() };
    let config = TrainConfig { average, optimizer, ..quick_config(40) };
    trainer.reconfigure(config).unwrap();
    assert_eq!(trainer.config(), &config);
    assert_eq!(trainer.result(), &trainer.model); // the mean begins here
    assert_eq!(trainer.average.as_ref().map(|it| it.steps), Some(0));
    trainer.take_step(&data).unwrap();
    let wider = TrainConfig { average: 0.5, ..config };
    trainer.reconfigure(wider).unwrap(); // the mean so far is kept
    assert_eq!(trainer.average.as_ref().map(|it| it.steps), Some(1));
    trainer.reconfigure(TrainConfig { average: 0.0, ..config }).unwrap();
    assert_eq!(trainer.average, None);
}

#[test]
fn what_cannot_change_is_refused_and_nothing_has_changed() {
    let data = random_ids(300, 11, 1);
    let sequence_warmup = SequenceWarmup { length: 4, steps: 3 };
    let config = TrainConfig { sequence_warmup, ..quick_config(12) };
    let mut trainer = Trainer::new(model(1, 2, 8, 6, 1), config).unwrap();
    trainer.take_step(&data).unwrap();
    let end = |length, steps| {
        let sequence_warmup = SequenceWarmup { length, steps };
        TrainConfig { sequence_warmup, ..config }
    };
    let refused = |trainer: &mut Trainer, config: TrainConfig, name| {
        let before = *trainer.config();
        let error = trainer.reconfigure(config).unwrap_err();
        assert!(error.to_string().starts_with(name), "{name}: {error}");
        assert_eq!(trainer.config(), &before);
    };
    refused(&mut trainer, TrainConfig { seed: 4, ..config }, "seed 4: ");
    refused(&mut trainer, TrainConfig { shards: 3, ..config }, "shards 3: ");
    refused(&mut trainer, TrainConfig { batch_size: 0, ..config }, "batch_");
    refused(&mut trainer, end(4, 1), "short_steps 1: ");
    trainer.reconfigure(end(2, 2)).unwrap();
    trainer.take_step(&data).unwrap();
    trainer.take_step(&data).unwrap();
    for steps in [0, 3, 12] {
        refused(&mut trainer, end(2, steps), "short_steps "); // it is over
    }
    trainer.reconfigure(end(2, 2)).unwrap();
}

/// Not before a step that has been taken; but at it, or where it was.
#[test]
fn the_end_of_a_run_stays_ahead() {
    let data = random_ids(300, 11, 1);
    let mut trainer =
        Trainer::new(model(1, 2, 8, 6, 1), quick_config(12)).unwrap();
    for _ in 0..3 {
        trainer.take_step(&data).unwrap();
    }
    for steps in [0, 1, 2] {
        let error = trainer.reconfigure(quick_config(steps)).unwrap_err();
        let said =
            format!("steps {steps}: the run is at step 3; give at least");
        assert!(error.to_string().starts_with(&said), "{error}");
        assert_eq!(trainer.config(), &quick_config(12));
    }
    trainer.reconfigure(quick_config(3)).unwrap();
    trainer.take_step(&data).unwrap(); // a caller may, past the end
    trainer.reconfigure(quick_config(3)).unwrap();
}
