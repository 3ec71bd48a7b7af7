use microgpt::gpt::{ConfigError, Gpt, GptConfig};
use proptest::prelude::*;

use crate::{
    apart, double_model, model, models_apart, orders, random_ids, rng,
};
use double::gpt::cross_entropy;

fn config(
    vocab_size: usize,
    block_size: usize,
    n_embd: usize,
    n_layer: usize,
) -> GptConfig {
    GptConfig { n_layer, n_head: 4, n_embd, block_size, vocab_size }
}

#[test]
fn parameter_counts_are_the_published_ones() {
    let count = |config: GptConfig| config.checked_num_params().unwrap();
    let gpt2 = GptConfig { n_head: 12, ..config(50257, 1024, 768, 12) };
    assert_eq!(count(gpt2), 124_439_808);
    assert_eq!(count(config(65, 64, 128, 4)), 809_856);
    // What others leave out, or add: nanoGPT's two character models have no
    // biases, the lecture's none in q, k, v but a head of its own, and the
    // original MicroGPT neither biases nor gains.
    let part = |config: GptConfig, keep: fn(&str) -> bool| -> usize {
        let model = Gpt::new(config, &mut rng(1)).unwrap();
        assert_eq!(model.num_params(), count(config));
        assert_eq!(model.config(), config);
        let tensors = model.tensors().into_iter();
        let kept = tensors.filter(|tensor| keep(tensor.name.field));
        kept.map(|tensor| tensor.data.len()).sum()
    };
    let no_bias = |field: &str| !field.ends_with("bias");
    assert_eq!(part(config(65, 64, 128, 4), no_bias), 804_096);
    let gpu = GptConfig { n_head: 6, ..config(65, 256, 384, 6) };
    assert_eq!(part(gpu, no_bias), 10_745_088);
    let no_qkv_bias = |field: &str| field != "attention.qkv.bias";
    let head = |vocab_size: usize, n_embd: usize| vocab_size * (n_embd + 1);
    assert_eq!(
        part(config(65, 32, 64, 4), no_qkv_bias) + head(65, 64),
        209_729
    );
    assert_eq!(part(gpu, no_qkv_bias) + head(65, 384), 10_788_929);
    let matrices =
        |field: &str| !field.ends_with("bias") && !field.contains("norm");
    assert_eq!(part(config(27, 16, 16, 1), matrices) + 27 * 16, 4_192);
}

#[test]
fn logits_are_the_same_without_a_cache() {
    for (windows, t) in [(1, 6), (3, 5), (4, 1), (0, 3)] {
        let model = double_model(3, 2, 8, 6, 1);
        let ids = random_ids(windows * t, 11, 2);
        let (logits, _) = model.forward(&ids, t);
        assert_eq!(model.logits(&ids, t), logits);
    }
}

#[test]
fn what_is_no_model_is_refused() {
    let good = config(65, 64, 128, 4);
    let refused = |config: GptConfig| {
        let error = config.validate().unwrap_err();
        assert_eq!(Gpt::new(config, &mut rng(1)).unwrap_err(), error);
        error.to_string()
    };
    let zero = GptConfig { n_layer: 0, ..good };
    assert_eq!(refused(zero), "n_layer is 0; it must be at least 1");
    for zero in [
        GptConfig { n_head: 0, ..good },
        GptConfig { n_embd: 0, ..good },
        GptConfig { block_size: 0, ..good },
        GptConfig { vocab_size: 0, ..good },
    ] {
        assert!(refused(zero).contains("is 0"));
    }
    assert_eq!(
        refused(GptConfig { n_head: 3, ..good }),
        "3 heads cannot share a width of 128 evenly; choose n_embd as a \
         multiple of n_head"
    );
    let largest = GptConfig { vocab_size: 65_536, ..good };
    assert_eq!(largest.validate(), Ok(()));
    let huge = GptConfig { vocab_size: 65_537, ..good };
    assert_eq!(huge.validate(), Err(ConfigError::VocabularyTooLarge(65_537)));
    for huge in [
        GptConfig { n_embd: usize::MAX & !3, ..good },
        GptConfig { n_layer: usize::MAX, ..good },
        GptConfig { block_size: usize::MAX, ..good },
    ] {
        assert_eq!(huge.validate(), Err(ConfigError::TooLarge));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Replaces one token, and compares the logits of all positions before it,
    /// bit for bit.
    #[test]
    fn a_later_token_never_changes_earlier_logits(
        t in 2usize..12, edited in 1usize..12, id in 0u16..11, seed in 0u64..99,
    ) {
        let edited = edited % (t - 1) + 1;
        let model = model(2, 2, 8, 12, seed);
        let ids = random_ids(t, 11, seed);
        let mut other = ids.clone();
        other[edited] = id;
        let (y, _) = model.forward(&ids, t);
        let (z, _) = model.forward(&other, t);
        for i in 0..edited {
            prop_assert_eq!(y.row(i), z.row(i)); // bit for bit
        }
        prop_assert_eq!(y.row(edited) == z.row(edited), id == ids[edited]);
    }

    #[test]
    fn a_longer_context_never_changes_earlier_logits(
        t in 1usize..100, more in 1usize..100, seed in 0u64..99,
    ) {
        // Up to rounding: products of other sizes add in another order, and
        // move logits of the crate, in f32, by up to 9e-7
        let model = double_model(2, 2, 8, 200, seed);
        let ids = random_ids(t + more, 11, seed);
        let (short, _) = model.forward(&ids[..t], t);
        let (long, _) = model.forward(&ids, t + more);
        for (i, row) in short.rows().into_iter().enumerate() {
            let off = (&row - &long.row(i)).map(|x| x.abs()).sum();
            prop_assert!(off < 1e-11, "{i}: {off:e}");
        }
    }

    #[test]
    fn the_names_of_tokens_do_not_matter(order in orders(11), seed in 0u64..99) {
        // New ids for all, and the rows of the table at their new places
        let renamed = |ids: &[u16]| -> Vec<u16> {
            let new = |id: &u16| order.iter().position(|&old| old == usize::from(*id));
            ids.iter().map(|id| new(id).unwrap() as u16).collect()
        };
        let reordered = |model: &double::gpt::Gpt| {
            let mut model = model.clone();
            let token = &mut model.embeddings.token;
            *token = token.select(ndarray::Axis(0), &order);
            model
        };
        let model = double_model(2, 2, 8, 6, seed);
        let (x, y) = (random_ids(18, 11, seed), random_ids(18, 11, seed + 1));
        let (loss, grad) = model.loss_and_grad(&x, &y, 6);
        let (same, along) =
            reordered(&model).loss_and_grad(&renamed(&x), &renamed(&y), 6);
        prop_assert!((same - loss).abs() < 1e-12);
        prop_assert!(models_apart(&reordered(&grad), &along) < 1e-12);
    }

    #[test]
    fn each_row_of_the_loss_gradient_sums_to_zero(
        n in 1usize..9, spread in 0.1..1e4f64, seed in 0u64..99,
    ) {
        let logits = double::embeddings::normal((n, 11), spread, &mut rng(seed));
        let targets = random_ids(n, 11, seed);
        let (loss, grad) = cross_entropy(logits, &targets, 1.0);
        prop_assert!(loss.is_finite() && loss >= 0.0);
        for (row, &target) in grad.rows().into_iter().zip(&targets) {
            prop_assert!(row.sum().abs() < 1e-12);
            prop_assert!(row[usize::from(target)] <= 0.0);
        }
    }

    #[test]
    fn gradient_accumulation_is_one_large_batch(seed in 0u64..99, cut in 1usize..5) {
        let model = double_model(2, 2, 8, 6, seed);
        let (x, y) = (random_ids(30, 11, seed), random_ids(30, 11, seed + 1));
        let (loss, grad) = model.loss_and_grad(&x, &y, 6);
        let mut sum = model.zeros_like();
        let at = 6 * cut;
        let scale = 1.0 / 30.0;
        let first = model.accumulate(&x[..at], &y[..at], 6, scale, &mut sum);
        let second = model.accumulate(&x[at..], &y[at..], 6, scale, &mut sum);
        prop_assert!((first + second - loss).abs() < 1e-12);
        prop_assert!(models_apart(&sum, &grad) < 1e-12);
    }
}

/// The loss of a model whose head is a table of its own.
fn untied_loss(
    model: &double::gpt::Gpt,
    head: &double::Matrix,
    inputs: &[u16],
    targets: &[u16],
) -> f64 {
    let (mut x, _) = model.embeddings.forward(inputs, inputs.len());
    for block in &model.blocks {
        x = block.forward(x, inputs.len()).0;
    }
    let (x, _) = model.norm.forward(&x);
    cross_entropy(x.dot(&head.t()), targets, 1.0 / inputs.len() as f64).0
}

#[test]
fn the_tied_table_gets_the_sum_of_its_two_gradients() {
    let model = double_model(1, 2, 4, 5, 1);
    let (inputs, targets) = ([0, 1, 0, 3, 3], [1, 0, 5, 3, 5]);
    let (_, grad) = model.loss_and_grad(&inputs, &targets, 5);
    let table = model.embeddings.token.clone();
    let measure = |loss: &dyn Fn(&double::Matrix) -> f64| {
        let flat = double::orientation::flat(&table);
        double::orientation::numerical_gradient(flat, 1e-5, |data| {
            let shape = table.dim();
            loss(&double::Matrix::from_shape_vec(shape, data.to_vec()).unwrap())
        })
    };
    let as_head = measure(&|head| untied_loss(&model, head, &inputs, &targets));
    let as_embedding = measure(&|embedding| {
        let mut model = model.clone();
        model.embeddings.token = embedding.clone();
        untied_loss(&model, &table, &inputs, &targets)
    });
    let sum: Vec<f64> =
        as_head.iter().zip(&as_embedding).map(|(a, b)| a + b).collect();
    let tied = double::orientation::flat(&grad.embeddings.token);
    let off = apart(tied, &sum);
    assert!(off < 1e-6, "{off:e}");
    assert!(apart(tied, &as_head) > 0.01); // counted once
    assert!(apart(tied, &as_embedding) > 0.01);
}

#[test]
fn an_untrained_model_knows_nothing() {
    // ln V, and a little: the head is the token table, so a token's own score
    // stands out, about 0.02·√(C·C/2) = 0.9 above the others, and is wrong
    for (vocab_size, seed) in [(65, 1), (27, 2), (500, 3)] {
        let config = config(vocab_size, 32, 64, 4);
        let model = Gpt::new(config, &mut rng(seed)).unwrap();
        let ids = random_ids(8 * 32, vocab_size as u16, seed);
        let targets = random_ids(8 * 32, vocab_size as u16, seed + 9);
        let loss = model.loss(&ids, &targets, 32);
        let uniform = (vocab_size as f32).ln();
        assert!((loss - uniform).abs() < 0.1, "{loss}, not {uniform}");
    }
}

#[test]
fn initial_weights_have_the_spread_of_gpt_2() {
    let config = config(500, 200, 128, 8);
    let model = Gpt::new(config, &mut rng(4)).unwrap();
    for tensor in model.tensors() {
        let n = tensor.data.len() as f32;
        let mean = tensor.data.iter().sum::<f32>() / n;
        let square = tensor.data.iter().map(|x| x * x).sum::<f32>() / n;
        let std = (square - mean * mean).max(0.0).sqrt();
        let field = tensor.name.field;
        if field.contains("norm") || field.ends_with("bias") {
            let constant = f32::from(u8::from(field.ends_with("weight")));
            assert!(tensor.data.iter().all(|&x| x == constant), "{field}");
        } else {
            let residual = field.contains("proj") || field.contains("down");
            let asked = if residual { 0.02 / 4.0 } else { 0.02 }; // √(2·8) = 4
            let off = (std / asked - 1.0).abs();
            assert!(off < 5.0 / (2.0 * n).sqrt(), "{field}: {std}");
            assert!(mean.abs() < 5.0 * asked / n.sqrt(), "{field}: {mean}");
        }
    }
}

#[test]
fn both_lists_of_tensors_name_the_same_in_the_same_order() {
    let mut model = model(2, 2, 8, 4, 1);
    let describe = |name, shape: &ndarray::IxDyn, data: &[f32]| {
        format!("{name} {shape:?} {data:?}")
    };
    let shared: Vec<String> = model
        .tensors()
        .iter()
        .map(|t| describe(t.name.to_string(), &t.shape, t.data))
        .collect();
    let exclusive: Vec<String> = model
        .tensors_mut()
        .iter()
        .map(|t| describe(t.name.to_string(), &t.shape, t.data))
        .collect();
    assert_eq!(shared, exclusive);
    assert_eq!(shared.len(), 4 + 2 * 12);
    let mut names: Vec<_> =
        shared.iter().map(|s| s.split(' ').next()).collect();
    assert_eq!(names[0], Some("embeddings.token"));
    assert_eq!(names[4], Some("blocks.0.attention.qkv.weight"));
    assert_eq!(names[27], Some("norm.bias"));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 28);
}

#[test]
fn a_tensor_s_shape_is_as_long_as_its_data() {
    use ndarray::Dimension;
    for tensor in model(1, 2, 6, 4, 1).tensors() {
        assert_eq!(tensor.shape.size(), tensor.data.len(), "{}", tensor.name);
    }
}

#[test]
fn the_loss_is_the_mean_of_minus_log_p() {
    let model = double_model(1, 1, 4, 3, 2);
    let (x, y) = (random_ids(6, 11, 1), random_ids(6, 11, 2));
    let (logits, _) = model.forward(&x, 3);
    let by_hand: f64 = logits
        .rows()
        .into_iter()
        .zip(&y)
        .map(|(z, &y)| {
            let total: f64 = z.iter().map(|z| z.exp()).sum();
            total.ln() - z[usize::from(y)]
        })
        .sum::<f64>()
        / 6.0;
    let (loss, _) = model.loss_and_grad(&x, &y, 3);
    assert!(apart(&[loss, model.loss(&x, &y, 3)], &[by_hand; 2]) < 1e-12);
}

#[test]
fn single_and_double_precision_agree_on_loss_and_gradient() {
    let single = model(2, 2, 8, 40, 1);
    let mut double = double_model(2, 2, 8, 40, 1);
    for (from, to) in single.tensors().iter().zip(double.tensors_mut()) {
        for (from, to) in from.data.iter().zip(to.data) {
            *to = f64::from(*from);
        }
    }
    let (x, y) = (random_ids(80, 11, 1), random_ids(80, 11, 2));
    let (loss, grad) = single.loss_and_grad(&x, &y, 40);
    let (true_loss, true_grad) = double.loss_and_grad(&x, &y, 40);
    assert!((f64::from(loss) - true_loss).abs() < 1e-5);
    for (found, exact) in grad.tensors().iter().zip(true_grad.tensors()) {
        let found: Vec<f64> =
            found.data.iter().map(|&x| f64::from(x)).collect();
        let largest = exact.data.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let off = apart(&found, exact.data) / largest;
        assert!(off < 1e-4, "{}: {off:e}", exact.name);
    }
}
