//! Mistakes that people make, and experiments worth trying, each as a few
//! replacements in the text of `src`.
//!
//! A fault comes with its killer: the test that fails as soon as the fault is
//! in the code. An experiment is no mistake. It changes the model, forwards
//! and backwards alike.

// ANCHOR: fault
/// A replacement in one file; `from` must occur there exactly once.
pub struct Patch {
    pub file: &'static str,
    pub from: &'static str,
    pub to: &'static str,
}

/// A mistake, and the test that sees it.
pub struct Fault {
    pub name: &'static str,
    pub what: &'static str,
    pub patches: &'static [Patch],
    /// The test target, and the test's full name.
    pub killer: (&'static str, &'static str),
}
// ANCHOR_END: fault

/// Another model, `n_layer` blocks deep.
pub struct Experiment {
    pub name: &'static str,
    pub what: &'static str,
    pub patches: &'static [Patch],
    pub n_layer: usize,
}

const fn patch(
    file: &'static str,
    from: &'static str,
    to: &'static str,
) -> Patch {
    Patch { file, from, to }
}

const EMBEDDINGS: &str = "src/embeddings.rs";
const BLOCK: &str = "src/transformer_block.rs";
const GPT: &str = "src/gpt.rs";
const TRAINING: &str = "src/training.rs";
const GENERATION: &str = "src/generation.rs";

const ATTENTION_CHECK: (&str, &str) =
    ("gradients", "attention_gradients_match_finite_differences");
const NORM_CHECK: (&str, &str) =
    ("gradients", "layer_norm_gradients_match_finite_differences");
const SPIKE: (&str, &str) =
    ("properties", "transformer_block::layer_norm_of_a_spike_is_the_known_row");
const CAUSALITY: (&str, &str) = (
    "properties",
    "transformer_block::a_later_token_never_changes_an_earlier_output",
);
const ALL_MOVE: (&str, &str) =
    ("properties", "training::after_one_step_every_tensor_has_moved");
const SHARDS: (&str, &str) =
    ("properties", "training::shards_add_up_to_the_whole_batch");

// ANCHOR: unscaled_backward
const UNSCALED_BACKWARD: Fault = Fault {
    name: "unscaled-backward",
    what: "1/√D forwards, but not backwards",
    patches: &[
        patch(BLOCK, "add_product(scale, &ds, &k", "add_product(1.0, &ds, &k"),
        patch(
            BLOCK,
            "add_product(scale, &ds.t(), &q",
            "add_product(1.0, &ds.t(), &q",
        ),
    ],
    killer: ATTENTION_CHECK,
};
// ANCHOR_END: unscaled_backward

// ANCHOR: norm_x_hat
const NORM_X_HAT: Fault = Fault {
    name: "norm-x-hat",
    what: "LayerNorm backwards: x̂ where x − μ belongs",
    patches: &[patch(
        BLOCK,
        "*g_j = (*g_j - mean - x_hat_j * along) * rstd;",
        "*g_j = (*g_j - mean - x_hat_j * along * rstd) * rstd;",
    )],
    killer: NORM_CHECK,
};
// ANCHOR_END: norm_x_hat

pub const FAULTS: [Fault; 24] = [
    UNSCALED_BACKWARD,
    Fault {
        name: "scale-by-width",
        what: "scores over √C, the root of the width (here of two heads)",
        patches: &[
            patch(
                BLOCK,
                "(q.ncols() as Float).sqrt();\n    let first",
                "(2.0 * q.ncols() as Float).sqrt();\n    let first",
            ),
            patch(
                BLOCK,
                "dv: &mut ArrayRef2<Float>,\n) {\n    \
                 let scale = 1.0 / (q.ncols() as Float)",
                "dv: &mut ArrayRef2<Float>,\n) {\n    \
                 let scale = 1.0 / (2.0 * q.ncols() as Float)",
            ),
        ],
        killer: (
            "properties",
            "transformer_block::heads_are_separate_attentions_side_by_side",
        ),
    },
    Fault {
        name: "diagonal-softmax",
        what: "the softmax's way back as p(1 − p), entry by entry",
        patches: &[patch(
            BLOCK,
            "*ds_j = p_j * (*ds_j - mean);",
            "*ds_j *= p_j * (1.0 - p_j) + 0.0 * mean;",
        )],
        killer: ATTENTION_CHECK,
    },
    Fault {
        name: "own-query-only",
        what: "a key and a value hear only the query of their own position",
        patches: &[
            patch(
                BLOCK,
                "add_product(1.0, &tile.t(), &dy, &mut dv.slice_mut(keys));",
                "for i in start..end {
            let weight = tile[[i - start, i]];
            dv.row_mut(i).scaled_add(weight, &dy.row(i - start));
        }",
            ),
            patch(
                BLOCK,
                "add_product(scale, &ds.t(), &q.slice(queries), \
                 &mut dk.slice_mut(keys));",
                "for i in start..end {
            let slope = scale * ds[[i - start, i]];
            dk.row_mut(i).scaled_add(slope, &q.row(i));
        }",
            ),
        ],
        killer: ATTENTION_CHECK,
    },
    Fault {
        name: "last-tile-only",
        what: "a key and a value hear only the last tile of queries",
        patches: &[
            patch(
                BLOCK,
                "add_product(1.0, &tile.t(), &dy",
                "set_product(1.0, &tile.t(), &dy",
            ),
            patch(
                BLOCK,
                "add_product(scale, &ds.t(), &q",
                "set_product(scale, &ds.t(), &q",
            ),
        ],
        killer: ATTENTION_CHECK,
    },
    Fault {
        name: "silent-attention",
        what: "no gradient reaches queries, keys and values",
        patches: &[patch(
            BLOCK,
            "self.qkv.backward(qkv_in, &dqkv, &mut grad.qkv)",
            "let _ = (qkv_in, dqkv);\n        Matrix::zeros((n, c))",
        )],
        killer: ALL_MOVE,
    },
    Fault {
        name: "late-mask",
        what: "the mask after the softmax",
        patches: &[
            patch(
                BLOCK,
                "let (past, future) =
                flat_mut(&mut scores).split_at_mut(position + 1);
            softmax(past);
            future.fill(0.0);",
                "let _ = position;
            softmax(flat_mut(&mut scores));",
            ),
            patch(
                BLOCK,
                "set_product(1.0, &tile, &v",
                "let past = |(i, j): (usize, usize)| if j <= first + start + i \
                 { tile[[i, j]] } else { 0.0 };
        let masked = Matrix::from_shape_fn(tile.dim(), past);
        set_product(1.0, &masked, &v",
            ),
            patch(
                BLOCK,
                "add_product(1.0, &tile.t(), &dy,",
                "let past = |(i, j): (usize, usize)| if j <= start + i \
                 { tile[[i, j]] } else { 0.0 };
        let masked = Matrix::from_shape_fn(tile.dim(), past);
        add_product(1.0, &masked.t(), &dy,",
            ),
            patch(
                BLOCK,
                "let da = product(&dy, &v.slice(keys).t());",
                "let mut da = product(&dy, &v.slice(keys).t());
        for (i, row) in rows_mut(&mut da).enumerate() {
            row[start + i + 1..].fill(0.0);
        }",
            ),
        ],
        killer: CAUSALITY,
    },
    Fault {
        name: "no-mask",
        what: "no mask",
        patches: &[patch(
            BLOCK,
            "split_at_mut(position + 1);",
            "split_at_mut(first + end + 0 * position);",
        )],
        killer: CAUSALITY,
    },
    NORM_X_HAT,
    Fault {
        name: "norm-two-terms",
        what: "LayerNorm backwards without its third term",
        patches: &[patch(
            BLOCK,
            "(*g_j - mean - x_hat_j * along)",
            "(*g_j - mean - 0.0 * x_hat_j * along)",
        )],
        killer: NORM_CHECK,
    },
    Fault {
        name: "silent-norm",
        what: "LayerNorm without a way back: no gradient passes",
        patches: &[
            patch(
                BLOCK,
                "grad.weight += &(&dy * &cache.x_hat).sum_axis(Axis(0));
        grad.bias += &dy.sum_axis(Axis(0));",
                "let _ = grad;",
            ),
            patch(
                BLOCK,
                "*g_j = (*g_j - mean - x_hat_j * along) * rstd;",
                "*g_j = 0.0 * (mean + x_hat_j * along) * rstd;",
            ),
        ],
        killer: ALL_MOVE,
    },
    Fault {
        name: "epsilon-outside",
        what: "LayerNorm's ε outside the root",
        patches: &[patch(
            BLOCK,
            "(variance + Self::EPSILON).sqrt()",
            "(variance.sqrt() + Self::EPSILON)",
        )],
        killer: SPIKE,
    },
    Fault {
        name: "unbiased-variance",
        what: "LayerNorm's variance over C − 1, forwards and backwards",
        patches: &[
            patch(BLOCK, "dot(row, row) / c;", "dot(row, row) / (c - 1.0);"),
            patch(BLOCK, "dot(g, x_hat) / c;", "dot(g, x_hat) / (c - 1.0);"),
        ],
        killer: SPIKE,
    },
    Fault {
        name: "head-only",
        what: "no gradient reaches the blocks: only the tables learn",
        patches: &[patch(
            GPT,
            "dx = block.backward(cache, dx, &mut grad.blocks[i]);",
            "let _ = (block, cache, i);",
        )],
        killer: ALL_MOVE,
    },
    Fault {
        name: "tied-once",
        what: "the tied table counted once, as the head",
        patches: &[patch(
            GPT,
            "self.embeddings.backward(&cache.embeddings, &dx, embeddings);",
            "let as_head = embeddings.token.clone();
        self.embeddings.backward(&cache.embeddings, &dx, embeddings);
        embeddings.token = as_head;",
        )],
        killer: (
            "properties",
            "gpt::the_tied_table_gets_the_sum_of_its_two_gradients",
        ),
    },
    Fault {
        name: "assigned-token",
        what: "a repeated token's gradients overwrite each other",
        patches: &[patch(EMBEDDINGS, "token += &dy;", "token.assign(&dy);")],
        killer: ("properties", "embeddings::gradients_of_a_repeated_token_add"),
    },
    Fault {
        name: "flat-init",
        what: "residual projections as large as all other weights",
        patches: &[patch(
            BLOCK,
            "let proj_std = INIT_STD / (2.0 * n_layer as Float).sqrt();",
            "let proj_std = INIT_STD + 0.0 * n_layer as Float;",
        )],
        killer: ("properties", "gpt::initial_weights_have_the_spread_of_gpt_2"),
    },
    Fault {
        name: "unshifted-targets",
        what: "the target is the character itself, not the next",
        patches: &[patch(
            TRAINING,
            "&data[start + 1..start + t + 1]",
            "&data[start..start + t]",
        )],
        killer: ("properties", "training::targets_are_inputs_shifted_by_one"),
    },
    Fault {
        name: "uncleared-gradients",
        what: "the last step's gradient is never cleared",
        patches: &[patch(TRAINING, "grad.fill_with_zeros();", "")],
        killer: SHARDS,
    },
    Fault {
        name: "summed-loss",
        what: "the batch's loss summed, not averaged",
        patches: &[patch(
            TRAINING,
            "let scale = 1.0 / inputs.len() as Float;",
            "let scale = 1.0;",
        )],
        killer: SHARDS,
    },
    Fault {
        name: "decay-everything",
        what: "weight decay on biases and gains too",
        patches: &[patch(
            TRAINING,
            "tensor.shape.ndim() == 2",
            "tensor.shape.ndim() > 0",
        )],
        killer: ("properties", "training::these_tensors_decay_and_no_others"),
    },
    Fault {
        name: "no-bias-correction",
        what: "AdamW without its bias correction",
        patches: &[
            patch(TRAINING, "1.0 / (1.0 - beta1.powi(*steps));", "1.0;"),
            patch(
                TRAINING,
                "1.0 / (1.0 - beta2.powi(*steps));",
                "1.0 + 0.0 * *steps as Float;",
            ),
        ],
        killer: (
            "properties",
            "training::ten_steps_of_adamw_are_the_formula_s",
        ),
    },
    Fault {
        name: "shifted-cache",
        what: "positions off by one after the cache's first reading",
        patches: &[
            patch(
                GENERATION,
                "let new = self.len..self.len + ids.len();",
                "let first = self.len.saturating_sub(1);
        let mut new = first..first + ids.len();",
            ),
            patch(
                GENERATION,
                "let caches = self.keys.iter_mut()",
                "new = self.len..self.len + ids.len();
        let caches = self.keys.iter_mut()",
            ),
        ],
        killer: (
            "properties",
            "generation::cached_logits_equal_uncached_ones_\
             however_the_text_is_cut",
        ),
    },
    Fault {
        name: "loaded-dice",
        what: "a temperature that cuts the dice instead of the scores",
        patches: &[
            patch(
                GENERATION,
                "(logit(id) - highest) / self.temperature;",
                "logit(id) - highest;",
            ),
            patch(
                GENERATION,
                "let candidates = self.candidates(logits);",
                "let candidates = self.distribution(logits);",
            ),
            patch(
                GENERATION,
                "let mut left = rng.random::<f64>();",
                "let mut left = \
                 rng.random::<f64>() * f64::from(self.temperature);",
            ),
        ],
        killer: ("properties", "generation::frequencies_match_probabilities"),
    },
];

pub const EXPERIMENTS: [Experiment; 20] = [
    Experiment {
        name: "right",
        what: "the model as it is",
        patches: &[],
        n_layer: 2,
    },
    Experiment {
        name: "right-8",
        what: "the model as it is, eight blocks deep",
        patches: &[],
        n_layer: 8,
    },
    Experiment {
        name: "no-attention",
        what: "blocks without attention",
        patches: NO_ATTENTION,
        n_layer: 2,
    },
    Experiment {
        name: "no-feed-forward",
        what: "blocks without their feed-forward network",
        patches: NO_FEED_FORWARD,
        n_layer: 2,
    },
    Experiment {
        name: "no-positions",
        what: "no position is added",
        patches: &[
            patch(
                EMBEDDINGS,
                "y += &self.position.row(n % t);",
                "let _ = n % t;",
            ),
            patch(
                EMBEDDINGS,
                "let mut position = grad.position.row_mut(n % cache.t);
            position += &dy;",
                "let _ = n % cache.t;",
            ),
            patch(
                GENERATION,
                "position.slice(s![new.clone(), ..]).to_owned();",
                "Matrix::zeros((ids.len(), position.ncols()));",
            ),
        ],
        n_layer: 2,
    },
    Experiment {
        name: "no-scale",
        what: "scores are not divided by √D",
        patches: &[
            patch(
                BLOCK,
                "let scale = 1.0 / (q.ncols() as Float).sqrt();\n    let first",
                "let scale = 1.0;\n    let first",
            ),
            patch(
                BLOCK,
                "dv: &mut ArrayRef2<Float>,\n) {\n    \
                 let scale = 1.0 / (q.ncols() as Float).sqrt();",
                "dv: &mut ArrayRef2<Float>,\n) {\n    let scale = 1.0;",
            ),
        ],
        n_layer: 2,
    },
    Experiment {
        name: "relu",
        what: "max(x, 0) instead of GELU",
        patches: &[patch(
            BLOCK,
            "(x * g, g + x * g * (1.0 - g) * two_du)",
            "(x.max(0.0), if x > 0.0 { 1.0 } else { 0.0 * g * two_du })",
        )],
        n_layer: 2,
    },
    Experiment {
        name: "no-bend",
        what: "nothing instead of GELU",
        patches: &[patch(
            BLOCK,
            "(x * g, g + x * g * (1.0 - g) * two_du)",
            "(x, 1.0 + 0.0 * g * two_du)",
        )],
        n_layer: 2,
    },
    Experiment {
        name: "post-norm",
        what: "each sum is normalized, as in 2017",
        patches: POST_NORM,
        n_layer: 2,
    },
    Experiment {
        name: "post-norm-8",
        what: "the same, eight blocks deep",
        patches: POST_NORM,
        n_layer: 8,
    },
    Experiment {
        name: "no-residuals",
        what: "nothing flows past attention and feed-forward",
        patches: NO_RESIDUALS,
        n_layer: 2,
    },
    Experiment {
        name: "no-residuals-8",
        what: "the same, eight blocks deep",
        patches: NO_RESIDUALS,
        n_layer: 8,
    },
    Experiment {
        name: "flat-init-8",
        what: "residual projections as large as all other weights, eight blocks",
        patches: &[patch(
            BLOCK,
            "let proj_std = INIT_STD / (2.0 * n_layer as Float).sqrt();",
            "let proj_std = INIT_STD + 0.0 * n_layer as Float;",
        )],
        n_layer: 8,
    },
    Experiment {
        name: "init-0.002",
        what: "initial weights ten times smaller",
        patches: &[patch(
            EMBEDDINGS,
            "std * rng.sample",
            "0.1 * std * rng.sample",
        )],
        n_layer: 2,
    },
    Experiment {
        name: "init-0.2",
        what: "initial weights ten times larger",
        patches: &[LARGE],
        n_layer: 2,
    },
    Experiment {
        name: "init-0.2-8",
        what: "the same, eight blocks deep",
        patches: &[LARGE],
        n_layer: 8,
    },
    Experiment {
        name: "post-norm-0.2-8",
        what: "the same, and each sum is normalized",
        patches: &[POST_NORM_UP, POST_NORM_DOWN, LARGE],
        n_layer: 8,
    },
    Experiment {
        name: "no-decay",
        what: "no weight decay",
        patches: &[patch(
            TRAINING,
            "weight_decay: 0.1 }",
            "weight_decay: 0.0 }",
        )],
        n_layer: 2,
    },
    Experiment {
        name: "no-clip",
        what: "no gradient is shortened",
        patches: &[patch(
            TRAINING,
            "if norm > max_norm {",
            "if norm > 1e30 * max_norm {",
        )],
        n_layer: 2,
    },
    Experiment {
        name: "plain-descent",
        what: "w ← w − η·g instead of AdamW, with a rate 100 times as high",
        patches: &[patch(
            TRAINING,
            "*w = keep * *w - lr * (*m * mean_scale) / scale;",
            "*w = keep * *w - 100.0 * lr * (g + 0.0 * mean_scale * scale);",
        )],
        n_layer: 2,
    },
];

const NO_ATTENTION: &[Patch] = &[
    patch(
        BLOCK,
        "let x = x + &h;\n        let (h, norm_2)",
        "let _ = h;\n        let (h, norm_2)",
    ),
    patch(
        BLOCK,
        "let dh = self.attention.backward(attention, &dx, &mut grad.attention);
        dx + &self.norm_1.backward(norm_1, dh, &mut grad.norm_1)",
        "let _ = (attention, norm_1);\n        dx",
    ),
];

const NO_FEED_FORWARD: &[Patch] = &[
    patch(
        BLOCK,
        "let x = x + &h;\n        (x, BlockCache",
        "let _ = h;\n        (x, BlockCache",
    ),
    patch(
        BLOCK,
        "let dh = self.mlp.backward(mlp, &dy, &mut grad.mlp);
        let dx = dy + &self.norm_2.backward(norm_2, dh, &mut grad.norm_2);",
        "let _ = (mlp, norm_2);
        let dx = dy;",
    ),
];

const NO_RESIDUALS: &[Patch] = &[
    patch(
        BLOCK,
        "let x = x + &h;\n        let (h, norm_2)",
        "let x = h;\n        let (h, norm_2)",
    ),
    patch(
        BLOCK,
        "let x = x + &h;\n        (x, BlockCache",
        "let x = h;\n        (x, BlockCache",
    ),
    patch(
        BLOCK,
        "let dx = dy + &self.norm_2.backward(",
        "let dx = self.norm_2.backward(",
    ),
    patch(BLOCK, "dx + &self.norm_1.backward(", "self.norm_1.backward("),
];

const LARGE: Patch =
    patch(EMBEDDINGS, "std * rng.sample", "10.0 * std * rng.sample");

const POST_NORM: &[Patch] = &[POST_NORM_UP, POST_NORM_DOWN];

const POST_NORM_UP: Patch = patch(
    BLOCK,
    "let (h, norm_1) = self.norm_1.forward(&x);
        let (h, attention) = self.attention.forward(h, t);
        let x = x + &h;
        let (h, norm_2) = self.norm_2.forward(&x);
        let (h, mlp) = self.mlp.forward(h);
        let x = x + &h;",
    "let (h, attention) = self.attention.forward(x.clone(), t);
        let (x, norm_1) = self.norm_1.forward(&(x + &h));
        let (h, mlp) = self.mlp.forward(x.clone());
        let (x, norm_2) = self.norm_2.forward(&(x + &h));",
);

const POST_NORM_DOWN: Patch = patch(
    BLOCK,
    "let dh = self.mlp.backward(mlp, &dy, &mut grad.mlp);
        let dx = dy + &self.norm_2.backward(norm_2, dh, &mut grad.norm_2);
        let dh = self.attention.backward(attention, &dx, &mut grad.attention);
        dx + &self.norm_1.backward(norm_1, dh, &mut grad.norm_1)",
    "let dx = self.norm_2.backward(norm_2, dy, &mut grad.norm_2);
        let dh = self.mlp.backward(mlp, &dx, &mut grad.mlp);
        let dx = self.norm_1.backward(norm_1, dx + &dh, &mut grad.norm_1);
        let dh = self.attention.backward(attention, &dx, &mut grad.attention);
        dx + &dh",
);
