//! Every derived gradient against the measured one, in double precision.
//!
//! The error of a tensor is the largest difference between its two gradients,
//! divided by the largest entry of either.

use double::embeddings::{Embeddings, normal};
use double::gpt::{Gpt, GptConfig, cross_entropy};
use double::orientation::{flat, flat_mut, numerical_gradient};
use double::transformer_block::*;
use double::{Float, Matrix};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

// ANCHOR: tolerances
/// For single layers. The worst true error of attention is 9e-10, of a whole
/// block 2e-8; a forgotten 1/√D makes it 0.5, LayerNorm without its third term
/// 0.4, without its second 0.07 (`tolerances_stand_between_truth_and_mistake`).
const LAYER: Float = 1e-7;

/// For the whole model. The worst true error, of the tied table, is 6e-9;
/// counted once, as the head alone, it is 0.4.
const MODEL: Float = 1e-6;

/// The step of the measurement.
const H: Float = 1e-5;
// ANCHOR_END: tolerances

/// The shapes `(B, T, C, H)` that attention and blocks are checked at: one
/// head, one position, one window, the general case, as many heads as numbers,
/// and windows long enough to be worked on in several tiles, which a test below
/// counts.
const SHAPES: [(usize, usize, usize, usize); 8] = [
    (1, 4, 4, 1),
    (3, 1, 6, 2),
    (1, 7, 6, 3),
    (2, 5, 8, 2),
    (2, 3, 8, 8),
    (2, 70, 2, 1),
    (1, 131, 4, 2),
    (1, 64, 4, 1),
];

#[test]
fn shapes_have_one_tile_and_exactly_two_and_more() {
    let source = include_str!("../src/transformer_block.rs");
    let tile = source.split("const TILE: usize = ").nth(1);
    let tile = tile.and_then(|rest| rest.split(';').next());
    let tile: usize = tile.and_then(|n| n.parse().ok()).expect("a number");
    let tiles = SHAPES.map(|(_, t, ..)| t.div_ceil(tile));
    for wanted in [1, 2, 3, 5] {
        assert!(tiles.contains(&wanted), "{tiles:?}: none of {wanted}");
    }
    assert!(SHAPES.iter().any(|(_, t, ..)| *t == 2 * tile), "two whole ones");
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// The largest entry, or NaN if one is: `max` would pass it over.
fn size(x: &[Float]) -> Float {
    x.iter().map(|x| x.abs()).max_by(Float::total_cmp).unwrap_or(0.0)
}

// ANCHOR: error
/// The error, as defined above.
fn error(derived: &[Float], measured: &[Float]) -> Float {
    assert_eq!(derived.len(), measured.len());
    let apart: Vec<Float> =
        derived.iter().zip(measured).map(|(a, b)| a - b).collect();
    let largest = size(derived).max(size(measured));
    assert!(largest > 1e-9, "a gradient that is all zero proves nothing");
    size(&apart) / largest
}
// ANCHOR_END: error

/// One of a layer's tensors: its name, and how to get at it.
type Field<Layer> = (&'static str, fn(&mut Layer) -> &mut [Float]);

/// Measures the slope of `loss` along every entry of every field and of the
/// input, and compares. Returns the worst error.
fn worst_error<Layer: Clone>(
    layer: &Layer,
    fields: &[Field<Layer>],
    x: &Matrix,
    (dx, grad): (Matrix, Layer),
    loss: impl Fn(&Layer, &Matrix) -> Float,
) -> Float {
    let measured = numerical_gradient(flat(x), H, |data| {
        let x = Matrix::from_shape_vec(x.dim(), data.to_vec()).unwrap();
        loss(layer, &x)
    });
    let mut worst = error(flat(&dx), &measured);
    assert!(worst < LAYER, "dx: error {worst:e}");
    for (name, field) in fields {
        let start = field(&mut layer.clone()).to_vec();
        let measured = numerical_gradient(&start, H, |data| {
            let mut layer = layer.clone();
            field(&mut layer).copy_from_slice(data);
            loss(&layer, x)
        });
        let error = error(field(&mut grad.clone()), &measured);
        assert!(error < LAYER, "{name}: error {error:e}");
        worst = worst.max(error);
    }
    let layer = std::any::type_name::<Layer>().rsplit("::").next();
    println!("{}: {worst:.1e} at worst", layer.unwrap_or_default());
    worst
}

/// A loss that depends on every entry of `y`, each in its own way; `weights`
/// is its gradient.
fn weighted(y: &Matrix, weights: &Matrix) -> Float {
    (y * weights).sum()
}

/// Replaces every number of a layer by a draw from `N(mean, 0.5²)`: an untrained
/// layer has zeros and ones in places where mistakes could hide.
fn shake<Layer>(layer: &mut Layer, fields: &[Field<Layer>], seed: u64) {
    let mut rng = rng(seed);
    for (_, field) in fields {
        for x in field(layer) {
            *x += 0.5 * rng.sample::<Float, _>(rand_distr::StandardNormal);
        }
    }
}

fn zeroed<Layer: Clone>(layer: &Layer, fields: &[Field<Layer>]) -> Layer {
    let mut grad = layer.clone();
    for (_, field) in fields {
        field(&mut grad).fill(0.0);
    }
    grad
}

const LINEAR: [Field<Linear>; 2] = [
    ("weight", |l| flat_mut(&mut l.weight)),
    ("bias", |l| flat_mut(&mut l.bias)),
];

const NORM: [Field<LayerNorm>; 2] = [
    ("weight", |l| flat_mut(&mut l.weight)),
    ("bias", |l| flat_mut(&mut l.bias)),
];

const ATTENTION: [Field<CausalSelfAttention>; 4] = [
    ("qkv.weight", |l| flat_mut(&mut l.qkv.weight)),
    ("qkv.bias", |l| flat_mut(&mut l.qkv.bias)),
    ("proj.weight", |l| flat_mut(&mut l.proj.weight)),
    ("proj.bias", |l| flat_mut(&mut l.proj.bias)),
];

const MLP: [Field<Mlp>; 4] = [
    ("up.weight", |l| flat_mut(&mut l.up.weight)),
    ("up.bias", |l| flat_mut(&mut l.up.bias)),
    ("down.weight", |l| flat_mut(&mut l.down.weight)),
    ("down.bias", |l| flat_mut(&mut l.down.bias)),
];

const BLOCK: [Field<Block>; 12] = [
    ("norm_1.weight", |l| flat_mut(&mut l.norm_1.weight)),
    ("norm_1.bias", |l| flat_mut(&mut l.norm_1.bias)),
    ("attention.qkv.weight", |l| flat_mut(&mut l.attention.qkv.weight)),
    ("attention.qkv.bias", |l| flat_mut(&mut l.attention.qkv.bias)),
    ("attention.proj.weight", |l| flat_mut(&mut l.attention.proj.weight)),
    ("attention.proj.bias", |l| flat_mut(&mut l.attention.proj.bias)),
    ("norm_2.weight", |l| flat_mut(&mut l.norm_2.weight)),
    ("norm_2.bias", |l| flat_mut(&mut l.norm_2.bias)),
    ("mlp.up.weight", |l| flat_mut(&mut l.mlp.up.weight)),
    ("mlp.up.bias", |l| flat_mut(&mut l.mlp.up.bias)),
    ("mlp.down.weight", |l| flat_mut(&mut l.mlp.down.weight)),
    ("mlp.down.bias", |l| flat_mut(&mut l.mlp.down.bias)),
];

#[test]
fn linear_gradients_match_finite_differences() {
    for (seed, (n, inputs, outputs)) in
        [(1, 1, 1), (1, 3, 2), (5, 4, 3), (2, 7, 6)].into_iter().enumerate()
    {
        let mut rng = rng(seed as u64);
        let mut layer = Linear::new(inputs, outputs, 0.5, &mut rng);
        shake(&mut layer, &LINEAR, seed as u64);
        let x = normal((n, inputs), 1.0, &mut rng);
        let dy = normal((n, outputs), 1.0, &mut rng);
        let mut grad = zeroed(&layer, &LINEAR);
        let (_, cache) = layer.forward(x.clone());
        let dx = layer.backward(&cache, &dy, &mut grad);
        let loss =
            |l: &Linear, x: &Matrix| weighted(&l.forward(x.clone()).0, &dy);
        worst_error(&layer, &LINEAR, &x, (dx, grad), loss);
    }
}

/// The sizes of the rows that LayerNorm is checked at. A mistake of a power of σ
/// doesn't show at σ = 1.
const NORM_SIZES: [Float; 4] = [2.0, 0.1, 20.0, 0.5];

#[test]
fn layer_norm_gradients_match_finite_differences() {
    for (seed, shape) in
        [(1, 2), (4, 3), (3, 17), (2, 40)].into_iter().enumerate()
    {
        let mut rng = rng(seed as u64);
        let mut layer = LayerNorm::new(shape.1);
        shake(&mut layer, &NORM, seed as u64);
        let mut x = normal(shape, 1.0, &mut rng);
        for (mut row, size) in x.rows_mut().into_iter().zip(NORM_SIZES) {
            row *= size;
        }
        let dy = normal(shape, 1.0, &mut rng);
        let mut grad = zeroed(&layer, &NORM);
        let (_, cache) = layer.forward(&x);
        let dx = layer.backward(&cache, dy.clone(), &mut grad);
        let loss = |l: &LayerNorm, x: &Matrix| weighted(&l.forward(x).0, &dy);
        // Two entries that differ by 2a normalize to ±1 whatever a is, so
        // almost nothing of their gradient is left to compare.
        let wide = shape.1 > 2;
        if wide {
            worst_error(&layer, &NORM, &x, (dx, grad), loss);
        } else {
            assert!(size(flat(&dx)) < 1e-3, "{dx}");
        }
    }
}

#[test]
fn gelu_gradient_matches_finite_differences() {
    let x = normal((6, 9), 2.0, &mut rng(1));
    let dy = normal((6, 9), 1.0, &mut rng(2));
    let dx = &dy * &x.map(|&x| gelu(x).1);
    let measured = numerical_gradient(flat(&x), H, |data| {
        let x = Matrix::from_shape_vec(x.dim(), data.to_vec()).unwrap();
        weighted(&x.map(|&x| gelu(x).0), &dy)
    });
    let error = error(flat(&dx), &measured);
    println!("GELU: {error:.1e}");
    assert!(error < LAYER, "error {error:e}");
}

fn attention_case(
    seed: u64,
    (b, t, c, n_head): (usize, usize, usize, usize),
) -> (CausalSelfAttention, Matrix, Matrix) {
    let mut rng = rng(seed);
    let mut layer = CausalSelfAttention::new(c, n_head, 0.02, &mut rng);
    shake(&mut layer, &ATTENTION, seed);
    let x = normal((b * t, c), 1.0, &mut rng);
    let dy = normal((b * t, c), 1.0, &mut rng);
    (layer, x, dy)
}

#[test]
fn attention_gradients_match_finite_differences() {
    for (seed, shape) in SHAPES.into_iter().enumerate() {
        let (layer, x, dy) = attention_case(seed as u64, shape);
        let mut grad = zeroed(&layer, &ATTENTION);
        let (_, cache) = layer.forward(x.clone(), shape.1);
        let dx = layer.backward(&cache, &dy, &mut grad);
        let loss = |l: &CausalSelfAttention, x: &Matrix| {
            weighted(&l.forward(x.clone(), shape.1).0, &dy)
        };
        worst_error(&layer, &ATTENTION, &x, (dx, grad), loss);
    }
}

#[test]
fn mlp_gradients_match_finite_differences() {
    for (seed, (n, c)) in [(1, 1), (4, 3), (2, 8)].into_iter().enumerate() {
        let mut rng = rng(seed as u64);
        let mut layer = Mlp::new(c, 0.02, &mut rng);
        shake(&mut layer, &MLP, seed as u64);
        let x = normal((n, c), 1.0, &mut rng);
        let dy = normal((n, c), 1.0, &mut rng);
        let mut grad = zeroed(&layer, &MLP);
        let (_, cache) = layer.forward(x.clone());
        let dx = layer.backward(&cache, &dy, &mut grad);
        let loss = |l: &Mlp, x: &Matrix| weighted(&l.forward(x.clone()).0, &dy);
        worst_error(&layer, &MLP, &x, (dx, grad), loss);
    }
}

#[test]
fn block_gradients_match_finite_differences() {
    for (seed, shape) in SHAPES.into_iter().enumerate() {
        let (b, t, c, n_head) = shape;
        let mut rng = rng(seed as u64);
        let mut layer = Block::new(c, n_head, 2, &mut rng);
        shake(&mut layer, &BLOCK, seed as u64);
        let x = normal((b * t, c), 1.0, &mut rng);
        let dy = normal((b * t, c), 1.0, &mut rng);
        let mut grad = zeroed(&layer, &BLOCK);
        let (_, cache) = layer.forward(x.clone(), t);
        let dx = layer.backward(&cache, dy.clone(), &mut grad);
        let loss =
            |l: &Block, x: &Matrix| weighted(&l.forward(x.clone(), t).0, &dy);
        worst_error(&layer, &BLOCK, &x, (dx, grad), loss);
    }
}

#[test]
fn embedding_gradients_match_finite_differences() {
    let mut rng = rng(1);
    let layer = Embeddings::new(5, 3, 4, &mut rng);
    let ids = [2, 0, 2, 2, 4, 0]; // repeats, within a window and across
    let dy = normal((6, 4), 1.0, &mut rng);
    let mut grad = Embeddings {
        token: Matrix::zeros((5, 4)),
        position: Matrix::zeros((3, 4)),
    };
    let (_, cache) = layer.forward(&ids, 3);
    layer.backward(&cache, &dy, &mut grad);
    let fields: [(Field<Embeddings>, &Matrix); 2] = [
        (("token", |l| flat_mut(&mut l.token)), &grad.token),
        (("position", |l| flat_mut(&mut l.position)), &grad.position),
    ];
    for ((name, field), derived) in fields {
        let start = field(&mut layer.clone()).to_vec();
        let measured = numerical_gradient(&start, H, |data| {
            let mut layer = layer.clone();
            field(&mut layer).copy_from_slice(data);
            weighted(&layer.forward(&ids, 3).0, &dy)
        });
        let error = error(flat(derived), &measured);
        println!("Embeddings, {name}: {error:.1e}");
        assert!(error < LAYER, "{name}: error {error:e}");
    }
}

#[test]
fn cross_entropy_gradient_matches_finite_differences() {
    let logits = normal((4, 6), 2.0, &mut rng(1));
    let (_, dlogits) = cross_entropy(logits.clone(), &[5, 0, 0, 3], 0.25);
    let measured = numerical_gradient(flat(&logits), H, |data| {
        let logits = Matrix::from_shape_vec((4, 6), data.to_vec()).unwrap();
        cross_entropy(logits, &[5, 0, 0, 3], 0.25).0
    });
    let error = error(flat(&dlogits), &measured);
    println!("cross-entropy: {error:.1e}");
    assert!(error < LAYER, "error {error:e}");
}

/// A small model with nothing left at zero or one, and `B` windows of ids with
/// repeats.
fn model_case(
    seed: u64,
    (b, t, c, n_head): (usize, usize, usize, usize),
) -> (Gpt, Vec<u16>, Vec<u16>) {
    let config = GptConfig {
        n_layer: 2,
        n_head,
        n_embd: c,
        block_size: t + 1, // the last position stays unused
        vocab_size: 5,
    };
    let mut rng = rng(seed);
    let mut model = Gpt::new(config, &mut rng).unwrap();
    for tensor in model.tensors_mut() {
        for x in tensor.data {
            *x += 0.3 * rng.sample::<Float, _>(rand_distr::StandardNormal);
        }
    }
    let mut draw = || (0..b * t).map(|_| rng.random_range(0..4)).collect();
    (model, draw(), draw()) // id 4 is never used
}

/// The measured gradient of one tensor of the model.
fn measured(
    model: &Gpt,
    tensor: usize,
    inputs: &[u16],
    targets: &[u16],
    t: usize,
) -> Vec<Float> {
    let start = model.tensors()[tensor].data.to_vec();
    let mut model = model.clone();
    numerical_gradient(&start, H, |data| {
        model.tensors_mut()[tensor].data.copy_from_slice(data);
        model.loss(inputs, targets, t)
    })
}

#[test]
fn model_gradients_match_finite_differences() {
    for (seed, shape) in
        [(2, 5, 8, 2), (1, 6, 4, 1), (3, 1, 4, 2)].into_iter().enumerate()
    {
        let (model, inputs, targets) = model_case(seed as u64, shape);
        let t = shape.1;
        let (loss, grad) = model.loss_and_grad(&inputs, &targets, t);
        assert_eq!(loss, model.loss(&inputs, &targets, t));
        for (i, tensor) in grad.tensors().iter().enumerate() {
            let measured = measured(&model, i, &inputs, &targets, t);
            let error = error(tensor.data, &measured);
            println!("{}: {error:.1e}", tensor.name);
            assert!(error < MODEL, "{}: error {error:e}", tensor.name);
        }
    }
}

#[test]
fn what_is_not_a_number_agrees_with_nothing() {
    let (broken, sound) = ([1.0, Float::NAN], [1.0, 1.0]);
    assert!(error(&broken, &sound).is_nan());
    assert!(error(&sound, &broken).is_nan());
}

/// The mistakes of the field, made on purpose: each must be rejected by a wide
/// margin, or the tolerances above would prove little.
#[test]
fn tolerances_stand_between_truth_and_mistake() {
    // The true errors: attention and LayerNorm
    let shape = (2, 5, 8, 2);
    let (layer, x, dy) = attention_case(1, shape);
    let mut grad = zeroed(&layer, &ATTENTION);
    let (_, cache) = layer.forward(x.clone(), shape.1);
    let dx = layer.backward(&cache, &dy, &mut grad);
    let loss = |l: &CausalSelfAttention, x: &Matrix| {
        weighted(&l.forward(x.clone(), shape.1).0, &dy)
    };
    let truth = worst_error(&layer, &ATTENTION, &x, (dx, grad.clone()), loss);

    // 1/√D forgotten on the way back: dQ and dK too large by √D
    let measured_qkv = numerical_gradient(flat(&layer.qkv.weight), H, |data| {
        let mut layer = layer.clone();
        flat_mut(&mut layer.qkv.weight).copy_from_slice(data);
        loss(&layer, &x)
    });
    let (c, d) = (shape.2, shape.2 / shape.3);
    let mut unscaled = grad.qkv.weight.clone();
    for mut row in unscaled.rows_mut() {
        for x in row.iter_mut().take(2 * c) {
            *x *= (d as Float).sqrt();
        }
    }
    let no_scale = error(flat(&unscaled), &measured_qkv);

    // LayerNorm without its third term: σ taken for a constant
    let norm = LayerNorm::new(17);
    let x = normal((3, 17), 2.0, &mut rng(3));
    let dy = normal((3, 17), 1.0, &mut rng(4));
    let measured_dx = numerical_gradient(flat(&x), H, |data| {
        let x = Matrix::from_shape_vec((3, 17), data.to_vec()).unwrap();
        weighted(&norm.forward(&x).0, &dy)
    });
    let mut no_third_term = dy.clone();
    let mut no_mean_term = dy.clone();
    for (i, row) in x.rows().into_iter().enumerate() {
        let mean = row.mean().unwrap();
        let x_hat = row.map(|x| (x - mean) / row.var(0.0).sqrt());
        let along = (&dy.row(i) * &x_hat).mean().unwrap();
        let g_mean = dy.row(i).mean().unwrap();
        let rstd = 1.0 / (row.var(0.0) + LayerNorm::EPSILON).sqrt();
        no_third_term.row_mut(i).map_inplace(|g| *g = (*g - g_mean) * rstd);
        no_mean_term
            .row_mut(i)
            .zip_mut_with(&x_hat, |g, x| *g = (*g - x * along) * rstd);
    }
    let no_third_term = error(flat(&no_third_term), &measured_dx);
    let no_mean_term = error(flat(&no_mean_term), &measured_dx);

    // The tied table counted once: as the head, not as the embedding. With one
    // window, what the embedding adds for position i is position i's gradient.
    let (model, inputs, targets) = model_case(2, (1, 6, 8, 2));
    let (_, grad) = model.loss_and_grad(&inputs, &targets, 6);
    let measured_token = measured(&model, 0, &inputs, &targets, 6);
    let right = error(flat(&grad.embeddings.token), &measured_token);
    let mut head_only = grad.embeddings.token.clone();
    for (i, &id) in inputs.iter().enumerate() {
        let mut row = head_only.row_mut(usize::from(id));
        row -= &grad.embeddings.position.row(i);
    }
    let head_only = error(flat(&head_only), &measured_token);

    println!("attention {truth:.1e}, without 1/√D {no_scale:.1e}");
    println!("LayerNorm without ⟨g·x̂⟩ {no_third_term:.1e}");
    println!("LayerNorm without ⟨g⟩ {no_mean_term:.1e}");
    println!("tied head {right:.1e}, counted once {head_only:.1e}");
    assert!(truth < LAYER / 10.0 && right < MODEL / 10.0);
    for mistake in [no_scale, no_third_term, no_mean_term] {
        assert!(mistake > 1e5 * LAYER, "{mistake:e}");
    }
    assert!(head_only > 1e5 * MODEL, "{head_only:e}");
}
