//! What our code makes of a fixture, under the fixture's names. Compiled twice,
//! beside one `Float` and beside the other.

use rand::{SeedableRng, rngs::ChaCha8Rng};
use safetensors::SafeTensors;

use super::Float;
use super::gpt::{Gpt, GptConfig, TensorName};
use super::training::{
    AdamW, Batch, Gradients, LrSchedule, Moments, ShardedGradients,
    clip_grad_norm,
};
use crate::{B, C, T, Tensors, numbers};

/// The model of a fixture, whose tensors need no other order or layout, only
/// other names.
fn load(
    file: &SafeTensors,
    block_size: usize,
    rename: fn(TensorName) -> String,
) -> Gpt {
    let config = GptConfig {
        n_layer: 2,
        n_head: 2,
        n_embd: C,
        block_size,
        vocab_size: 11,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut model = Gpt::new(config, &mut rng).unwrap();
    for tensor in model.tensors_mut() {
        let name = format!("given.weight.{}", rename(tensor.name));
        let shape = file.tensor(&name).unwrap().shape().to_vec();
        assert_eq!(ndarray::IxDyn(&shape), tensor.shape, "{name}");
        for (to, from) in tensor.data.iter_mut().zip(numbers(file, &name)) {
            *to = from as Float;
        }
    }
    model
}

fn ids(file: &SafeTensors, name: &str) -> Vec<u16> {
    numbers(file, name).into_iter().map(|id| id as u16).collect()
}

fn wide(data: &[Float]) -> Vec<f64> {
    data.iter().map(|&x| f64::from(x)).collect()
}

/// Every tensor of a model, or of its gradient.
fn listed(
    prefix: &str,
    model: &Gpt,
    rename: fn(TensorName) -> String,
) -> Tensors {
    let name = |name| format!("{prefix}.{}", rename(name));
    let tensors = model.tensors().into_iter();
    tensors.map(|tensor| (name(tensor.name), wide(tensor.data))).collect()
}

/// Logits, loss and gradient of one batch.
fn one_pass(
    model: &Gpt,
    inputs: &[u16],
    targets: &[u16],
    rename: fn(TensorName) -> String,
) -> Tensors {
    let (logits, _) = model.forward(inputs, T);
    let (loss, grad) = model.loss_and_grad(inputs, targets, T);
    let mut found = listed("pass.gradient", &grad, rename);
    found.insert("pass.logits".into(), wide(logits.as_slice().unwrap()));
    found.insert("pass.loss".into(), wide(&[loss]));
    found
}

/// One pass of the plain model over the first of its batches.
pub fn one_pass_of_plain(file: &SafeTensors) -> Tensors {
    let model = load(file, T, our_name);
    let inputs = ids(file, "given.inputs");
    let targets = ids(file, "given.targets");
    one_pass(&model, &inputs[..B * T], &targets[..B * T], our_name)
}

fn our_name(name: TensorName) -> String {
    name.to_string()
}

/// Ten steps of the plain model, each as `Trainer::take_step` takes it, and the
/// logits that it then gives the first batch.
pub fn ten_steps_of_plain(file: &SafeTensors) -> Tensors {
    let mut model = load(file, T, our_name);
    let inputs = ids(file, "given.inputs");
    let targets = ids(file, "given.targets");
    let schedule =
        LrSchedule { max_lr: 1e-2, min_lr: 1e-3, warmup: 3, steps: 10 };
    let mut moments = Moments::new(&model);
    let mut gradients = ShardedGradients::new(4);
    let (mut losses, mut norms, mut rates) = (vec![], vec![], vec![]);
    let batches = inputs.chunks(B * T).zip(targets.chunks(B * T));
    for (step, (x, y)) in batches.enumerate() {
        let batch = Batch { inputs: x.to_vec(), targets: y.to_vec(), t: T };
        let (loss, grad) = gradients.compute(&model, &batch);
        losses.push(loss);
        norms.push(clip_grad_norm(grad, 1.0));
        rates.push(schedule.at(step));
        AdamW::default().step(&mut moments, &mut model, grad, rates[step]);
    }
    let (logits, _) = model.forward(&inputs[..B * T], T);
    let mut found = listed("steps.weight", &model, our_name);
    found.insert("steps.logits".into(), wide(logits.as_slice().unwrap()));
    found.insert("steps.losses".into(), wide(&losses));
    found.insert("steps.norms".into(), wide(&norms));
    found.insert("steps.rates".into(), wide(&rates));
    found
}

/// One pass of the model of `transformers`. Its windows are one id longer: the
/// last is only a target, and the last row of the position table unused.
pub fn one_pass_of_gpt2(file: &SafeTensors) -> Tensors {
    let model = load(file, T + 1, gpt2_name);
    let ids = ids(file, "given.ids");
    let (mut inputs, mut targets) = (vec![], vec![]);
    for window in ids.chunks(T + 1) {
        inputs.extend_from_slice(&window[..T]);
        targets.extend_from_slice(&window[1..]);
    }
    one_pass(&model, &inputs, &targets, gpt2_name)
}

/// What `transformers` calls one of our tensors.
fn gpt2_name(name: TensorName) -> String {
    let (layer, kind) = name.field.rsplit_once('.').unwrap();
    let layer = match (layer, kind) {
        ("embeddings", "token") => return "transformer.wte.weight".into(),
        ("embeddings", _) => return "transformer.wpe.weight".into(),
        ("norm", _) => return format!("transformer.ln_f.{kind}"),
        ("norm_1", _) => "ln_1",
        ("attention.qkv", _) => "attn.c_attn",
        ("attention.proj", _) => "attn.c_proj",
        ("norm_2", _) => "ln_2",
        ("mlp.up", _) => "mlp.c_fc",
        ("mlp.down", _) => "mlp.c_proj",
        _ => panic!("{name}: GPT-2 has no such layer"),
    };
    format!("transformer.h.{}.{layer}.{kind}", name.block.unwrap())
}
