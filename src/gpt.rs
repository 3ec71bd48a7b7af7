//! # The GPT
//!
//! Embeddings, a stack of blocks, a last LayerNorm, and the token table once
//! more to turn vectors into scores. And the loss, its gradient, and one list
//! of named tensors that everything else walks.
//!
//! To copy this module, bring `orientation`, `embeddings` and
//! `transformer_block` beside it and what they need.

use std::fmt;

use ndarray::{ArrayRef, Dimension, IxDyn};
use rand::Rng;

use super::embeddings::{Embeddings, EmbeddingsCache};
use super::orientation::{flat, flat_mut, product, rows_mut, softmax};
use super::transformer_block::{
    Block, BlockCache, CausalSelfAttention, LayerNorm, LayerNormCache, Linear,
    Mlp,
};
use super::{Float, Matrix, Vector, general_mat_mul};

// ANCHOR: config
/// The five numbers that fix a model's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GptConfig {
    /// Blocks.
    pub n_layer: usize,
    /// Attention heads in each block; must divide `n_embd`.
    pub n_head: usize,
    /// Numbers in each position's vector, `C`.
    pub n_embd: usize,
    /// Positions in the longest window, `T`.
    pub block_size: usize,
    /// Different tokens, `V`; at most 65,536.
    pub vocab_size: usize,
}
// ANCHOR_END: config

// ANCHOR: config_error
/// Why a [`GptConfig`] describes no model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The named size is zero.
    Zero(&'static str),
    /// The heads cannot share the width evenly.
    HeadsDoNotDivide {
        /// Heads asked for.
        n_head: usize,
        /// The width to share.
        n_embd: usize,
    },
    /// More tokens (the number given) than ids of two bytes can name.
    VocabularyTooLarge(usize),
    /// The parameters would not fit into an address space.
    TooLarge,
}
// ANCHOR_END: config_error

// ANCHOR: config_error_display
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero(name) => {
                write!(f, "{name} is 0; it must be at least 1")
            }
            Self::HeadsDoNotDivide { n_head, n_embd } => write!(
                f,
                "{n_head} heads cannot share a width of {n_embd} evenly; \
                 choose n_embd as a multiple of n_head"
            ),
            Self::VocabularyTooLarge(size) => write!(
                f,
                "a vocabulary of {size} needs ids of more than two bytes; \
                 at most 65536 tokens"
            ),
            Self::TooLarge => write!(
                f,
                "a model of this size has more parameters than memory has \
                 addresses; choose smaller sizes"
            ),
        }
    }
}
// ANCHOR_END: config_error_display

impl std::error::Error for ConfigError {}

// ANCHOR: validate
impl GptConfig {
    /// Checks that the five numbers describe a model.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("n_layer", self.n_layer),
            ("n_head", self.n_head),
            ("n_embd", self.n_embd),
            ("block_size", self.block_size),
            ("vocab_size", self.vocab_size),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(ConfigError::Zero(name));
        }
        let Self { n_head, n_embd, vocab_size, .. } = *self;
        if n_embd % n_head != 0 {
            return Err(ConfigError::HeadsDoNotDivide { n_head, n_embd });
        }
        if vocab_size > 1 << 16 {
            return Err(ConfigError::VocabularyTooLarge(vocab_size));
        }
        self.num_params().map(|_| ()).ok_or(ConfigError::TooLarge)
    }
}
// ANCHOR_END: validate

// ANCHOR: config_num_params
impl GptConfig {
    /// Parameters of such a model, `C·(V + T) + L·(12·C² + 13·C) + 2·C`, or
    /// `None` if they would take more than all addressable memory.
    pub fn num_params(&self) -> Option<usize> {
        let c = self.n_embd;
        let tables = self.vocab_size.checked_add(self.block_size)?;
        let block = c.checked_mul(12)?.checked_add(13)?.checked_mul(c)?;
        let blocks = self.n_layer.checked_mul(block)?;
        let all = c.checked_mul(tables.checked_add(2)?)?.checked_add(blocks)?;
        all.checked_mul(size_of::<Float>())
            .filter(|&bytes| bytes <= isize::MAX as usize)
            .map(|_| all)
    }
}
// ANCHOR_END: config_num_params

// ANCHOR: gpt
/// The model. Also the type of its gradient, and of the optimizer's moments:
/// whatever there is one number of for every parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpt {
    /// Tokens and positions to vectors; the token table is also the head.
    pub embeddings: Embeddings,
    /// The stack.
    pub blocks: Vec<Block>,
    /// The last LayerNorm, before the head.
    pub norm: LayerNorm,
}
// ANCHOR_END: gpt

// ANCHOR: cache
/// What [`Gpt::backward`] needs.
#[derive(Clone, Debug)]
pub struct GptCache {
    embeddings: EmbeddingsCache,
    blocks: Vec<BlockCache>,
    norm: LayerNormCache,
    x: Matrix, // [N, C], what the head sees
}
// ANCHOR_END: cache

// ANCHOR: new
impl Gpt {
    /// A new model, with weights drawn from `rng`.
    ///
    /// # Errors
    /// If `config` describes no model.
    pub fn new(
        config: GptConfig,
        rng: &mut impl Rng,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let GptConfig { n_layer, n_head, n_embd, block_size, vocab_size } =
            config;
        let embeddings = Embeddings::new(vocab_size, block_size, n_embd, rng);
        let blocks = (0..n_layer)
            .map(|_| Block::new(n_embd, n_head, n_layer, rng))
            .collect();
        Ok(Self { embeddings, blocks, norm: LayerNorm::new(n_embd) })
    }
}
// ANCHOR_END: new

// ANCHOR: read_config
impl Gpt {
    /// The five numbers, read off the tensors.
    pub fn config(&self) -> GptConfig {
        let (vocab_size, n_embd) = self.embeddings.token.dim();
        GptConfig {
            n_layer: self.blocks.len(),
            n_head: self.blocks.first().map_or(1, |b| b.attention.n_head),
            n_embd,
            block_size: self.embeddings.position.nrows(),
            vocab_size,
        }
    }
}
// ANCHOR_END: read_config

// ANCHOR: forward
impl Gpt {
    /// Scores every token of the vocabulary as the successor of every position.
    ///
    /// The head is the token table itself: `logits = x·tokenᵀ`.
    ///
    /// # Shapes
    /// - `ids`: `[N]`, windows of `t` ids one behind the other
    /// - returns: `[N, V]`, raw scores; nothing here sums to one
    ///
    /// # Panics
    /// If `t` does not divide `N` or is above `block_size`, or an id is not
    /// below `vocab_size`.
    ///
    /// Weight tying: Press & Wolf (2017), §3.
    pub fn forward(&self, ids: &[u16], t: usize) -> (Matrix, GptCache) {
        let (mut x, embeddings) = self.embeddings.forward(ids, t); // [N, C]
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let (y, cache) = block.forward(x, t);
            x = y;
            blocks.push(cache);
        }
        let (x, norm) = self.norm.forward(&x);
        let logits = product(&x, &self.embeddings.token.t()); // [N, V]
        (logits, GptCache { embeddings, blocks, norm, x })
    }
}
// ANCHOR_END: forward

// ANCHOR: backward
impl Gpt {
    /// From the slope of the loss along every logit to its slope along every
    /// parameter, which is added to `grad`.
    ///
    /// The token table is used twice, so it is added to twice: here as the
    /// head, and at the end as the embedding.
    ///
    /// # Shapes
    /// - `dlogits`: `[N, V]`
    ///
    /// # Panics
    /// If `dlogits` has another shape, or `grad` is of a model of other sizes.
    pub fn backward(&self, cache: &GptCache, dlogits: &Matrix, grad: &mut Gpt) {
        let dtoken = &mut grad.embeddings.token;
        general_mat_mul(1.0, &dlogits.t(), &cache.x, 1.0, dtoken);
        let dx = product(dlogits, &self.embeddings.token); // [N, C]
        let mut dx = self.norm.backward(&cache.norm, dx, &mut grad.norm);
        let blocks = self.blocks.iter().zip(&cache.blocks);
        for ((block, cache), grad) in blocks.zip(&mut grad.blocks).rev() {
            dx = block.backward(cache, dx, grad);
        }
        let embeddings = &mut grad.embeddings;
        self.embeddings.backward(&cache.embeddings, &dx, embeddings);
    }
}
// ANCHOR_END: backward

// ANCHOR: cross_entropy
/// The loss, and its slope along every logit: with `p = softmax(z)`,
/// `ℓ = scale·Σₙ −ln p[n, targetₙ]` and `dz = scale·(p − y)`, where row `n` of
/// `y` is one at `targetₙ` and zero elsewhere.
///
/// With `scale = 1/N` the loss is a mean, in nats per token.
///
/// # Shapes
/// - `logits`: `[N, V]`; its memory becomes the gradient's
/// - `targets`: `[N]`
///
/// # Panics
/// If there is not one target for each row, or one is not below `V`.
pub fn cross_entropy(
    logits: Matrix,
    targets: &[u16],
    scale: Float,
) -> (Float, Matrix) {
    assert_eq!(logits.nrows(), targets.len(), "one target for each row");
    let mut loss = 0.0;
    let mut dlogits = logits;
    for (z, &target) in rows_mut(&mut dlogits).zip(targets) {
        let target = usize::from(target);
        let score = z[target];
        loss += softmax(z) - score;
        z[target] -= 1.0;
        z.iter_mut().for_each(|z| *z *= scale);
    }
    (scale * loss, dlogits)
}
// ANCHOR_END: cross_entropy

// ANCHOR: loss
impl Gpt {
    /// The mean loss over a batch of windows, in nats per token.
    ///
    /// # Shapes
    /// - `inputs`, `targets`: `[N]`, windows of `t` ids one behind the other
    ///
    /// # Panics
    /// As [`forward`](Gpt::forward), and if there is not one target for each
    /// id.
    pub fn loss(&self, inputs: &[u16], targets: &[u16], t: usize) -> Float {
        let (logits, _) = self.forward(inputs, t);
        cross_entropy(logits, targets, 1.0 / inputs.len() as Float).0
    }
}
// ANCHOR_END: loss

// ANCHOR: loss_and_grad
impl Gpt {
    /// The mean loss over a batch, and its gradient.
    ///
    /// # Panics
    /// As [`loss`](Gpt::loss).
    pub fn loss_and_grad(
        &self,
        inputs: &[u16],
        targets: &[u16],
        t: usize,
    ) -> (Float, Gpt) {
        let mut grad = self.zeros_like();
        let scale = 1.0 / inputs.len() as Float;
        let loss = self.accumulate(inputs, targets, t, scale, &mut grad);
        (loss, grad)
    }
}
// ANCHOR_END: loss_and_grad

// ANCHOR: accumulate
impl Gpt {
    /// Returns `scale` times the *sum* of the losses of a batch, and adds the
    /// gradient of that to `grad`: a large batch can come in parts.
    ///
    /// # Panics
    /// As [`loss`](Gpt::loss).
    pub fn accumulate(
        &self,
        inputs: &[u16],
        targets: &[u16],
        t: usize,
        scale: Float,
        grad: &mut Gpt,
    ) -> Float {
        let (logits, cache) = self.forward(inputs, t);
        let (loss, dlogits) = cross_entropy(logits, targets, scale);
        self.backward(&cache, &dlogits, grad);
        loss
    }
}
// ANCHOR_END: accumulate

// ANCHOR: tensor_name
/// A tensor's name: the path of its field.
///
/// Prints as `embeddings.token`, `blocks.0.attention.qkv.weight`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TensorName {
    /// The block, for a tensor that belongs to one.
    pub block: Option<usize>,
    /// The field, in the block or in the model.
    pub field: &'static str,
}
// ANCHOR_END: tensor_name

// ANCHOR: tensor_name_display
impl fmt::Display for TensorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.block {
            Some(block) => write!(f, "blocks.{block}.{}", self.field),
            None => write!(f, "{}", self.field),
        }
    }
}
// ANCHOR_END: tensor_name_display

// ANCHOR: tensor
/// One tensor of a model: what it is called and what it holds.
#[derive(Clone, Debug)]
pub struct Tensor<Data> {
    /// The path of its field.
    pub name: TensorName,
    /// `[rows, columns]` of a matrix, `[C]` of a bias or a gain.
    pub shape: IxDyn,
    /// Its numbers, row by row: a slice, shared or exclusive.
    pub data: Data,
}
// ANCHOR_END: tensor

// ANCHOR: tensors
impl Gpt {
    /// Every tensor, always in the same order: the two tables, the blocks from
    /// the first to the last, the final norm.
    pub fn tensors(&self) -> Vec<Tensor<&[Float]>> {
        let Embeddings { token, position } = &self.embeddings;
        let mut all = Vec::with_capacity(4 + 12 * self.blocks.len());
        all.push(tensor(None, "embeddings.token", token));
        all.push(tensor(None, "embeddings.position", position));
        for (i, block) in self.blocks.iter().enumerate() {
            let Block { norm_1, attention, norm_2, mlp } = block;
            let CausalSelfAttention { qkv, proj, .. } = attention;
            let i = Some(i);
            all.extend([
                tensor(i, "norm_1.weight", &norm_1.weight),
                tensor(i, "norm_1.bias", &norm_1.bias),
                tensor(i, "attention.qkv.weight", &qkv.weight),
                tensor(i, "attention.qkv.bias", &qkv.bias),
                tensor(i, "attention.proj.weight", &proj.weight),
                tensor(i, "attention.proj.bias", &proj.bias),
                tensor(i, "norm_2.weight", &norm_2.weight),
                tensor(i, "norm_2.bias", &norm_2.bias),
                tensor(i, "mlp.up.weight", &mlp.up.weight),
                tensor(i, "mlp.up.bias", &mlp.up.bias),
                tensor(i, "mlp.down.weight", &mlp.down.weight),
                tensor(i, "mlp.down.bias", &mlp.down.bias),
            ]);
        }
        all.push(tensor(None, "norm.weight", &self.norm.weight));
        all.push(tensor(None, "norm.bias", &self.norm.bias));
        all
    }
}
// ANCHOR_END: tensors

// ANCHOR: tensors_mut
impl Gpt {
    /// [`tensors`](Gpt::tensors), to be changed.
    pub fn tensors_mut(&mut self) -> Vec<Tensor<&mut [Float]>> {
        let Embeddings { token, position } = &mut self.embeddings;
        let mut all = Vec::with_capacity(4 + 12 * self.blocks.len());
        all.push(tensor_mut(None, "embeddings.token", token));
        all.push(tensor_mut(None, "embeddings.position", position));
        for (i, block) in self.blocks.iter_mut().enumerate() {
            let Block { norm_1, attention, norm_2, mlp } = block;
            let CausalSelfAttention { qkv, proj, .. } = attention;
            let i = Some(i);
            all.extend([
                tensor_mut(i, "norm_1.weight", &mut norm_1.weight),
                tensor_mut(i, "norm_1.bias", &mut norm_1.bias),
                tensor_mut(i, "attention.qkv.weight", &mut qkv.weight),
                tensor_mut(i, "attention.qkv.bias", &mut qkv.bias),
                tensor_mut(i, "attention.proj.weight", &mut proj.weight),
                tensor_mut(i, "attention.proj.bias", &mut proj.bias),
                tensor_mut(i, "norm_2.weight", &mut norm_2.weight),
                tensor_mut(i, "norm_2.bias", &mut norm_2.bias),
                tensor_mut(i, "mlp.up.weight", &mut mlp.up.weight),
                tensor_mut(i, "mlp.up.bias", &mut mlp.up.bias),
                tensor_mut(i, "mlp.down.weight", &mut mlp.down.weight),
                tensor_mut(i, "mlp.down.bias", &mut mlp.down.bias),
            ]);
        }
        all.push(tensor_mut(None, "norm.weight", &mut self.norm.weight));
        all.push(tensor_mut(None, "norm.bias", &mut self.norm.bias));
        all
    }
}
// ANCHOR_END: tensors_mut

// ANCHOR: zeros
impl Gpt {
    /// A model of zeros: an empty gradient, or one to be filled.
    ///
    /// # Panics
    /// If memory has no room for it; see [`GptConfig::validate`].
    pub fn zeros(config: GptConfig) -> Gpt {
        let GptConfig { n_layer, n_head, n_embd: c, block_size, vocab_size } =
            config;
        let linear = |inputs, outputs| Linear {
            weight: Matrix::zeros((inputs, outputs)),
            bias: Vector::zeros(outputs),
        };
        let norm =
            || LayerNorm { weight: Vector::zeros(c), bias: Vector::zeros(c) };
        let block = |_| Block {
            norm_1: norm(),
            attention: CausalSelfAttention {
                n_head,
                qkv: linear(c, 3 * c),
                proj: linear(c, c),
            },
            norm_2: norm(),
            mlp: Mlp { up: linear(c, 4 * c), down: linear(4 * c, c) },
        };
        let embeddings = Embeddings {
            token: Matrix::zeros((vocab_size, c)),
            position: Matrix::zeros((block_size, c)),
        };
        let blocks = (0..n_layer).map(block).collect();
        Gpt { embeddings, blocks, norm: norm() }
    }

    /// A model of the same shape, all zeros.
    pub fn zeros_like(&self) -> Gpt {
        Gpt::zeros(self.config())
    }
}
// ANCHOR_END: zeros

// ANCHOR: num_params
impl Gpt {
    /// How many numbers the model learns.
    pub fn num_params(&self) -> usize {
        self.tensors().iter().map(|tensor| tensor.data.len()).sum()
    }

    /// Sets every number to zero, before the next gradient is added up.
    pub fn fill_with_zeros(&mut self) {
        for tensor in self.tensors_mut() {
            tensor.data.fill(0.0);
        }
    }
}
// ANCHOR_END: num_params

// ANCHOR: one_tensor
fn tensor<'a, D: Dimension>(
    block: Option<usize>,
    field: &'static str,
    array: &'a ArrayRef<Float, D>,
) -> Tensor<&'a [Float]> {
    let shape = array.raw_dim().into_dyn();
    Tensor { name: TensorName { block, field }, shape, data: flat(array) }
}
// ANCHOR_END: one_tensor

fn tensor_mut<'a, D: Dimension>(
    block: Option<usize>,
    field: &'static str,
    array: &'a mut ArrayRef<Float, D>,
) -> Tensor<&'a mut [Float]> {
    let shape = array.raw_dim().into_dyn();
    Tensor { name: TensorName { block, field }, shape, data: flat_mut(array) }
}
