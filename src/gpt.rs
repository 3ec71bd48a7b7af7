//! # The GPT
//!
//! Embeddings, a stack of blocks, a last LayerNorm, and the token table once
//! more to turn vectors into logits. And the loss, its gradient, and one list
//! of named tensors that everything else walks.
//!
//! To copy this module, bring `orientation`, `embeddings` and
//! `transformer_block` beside it and what they need.

use std::fmt;

use ndarray::{ArrayRef, Dimension, IxDyn};
use rand::Rng;

use super::embeddings::{Embeddings, EmbeddingsCache};
use super::orientation::{
    add_product, flat, flat_mut, product, rows_mut, softmax,
};
use super::transformer_block::{
    Block, BlockCache, CausalSelfAttention, LayerNorm, LayerNormCache, Linear,
    Mlp,
};
use super::{Float, Matrix, Vector};

// ANCHOR: config
/// The five numbers that fix a model's shape.
///
/// ```
/// use microgpt::gpt::{ConfigError, GptConfig};
///
/// let config = GptConfig::standard(65); // characters
/// assert_eq!(config.checked_num_params(), Some(809_856));
/// let config = GptConfig { n_head: 3, ..config };
/// let error = ConfigError::HeadsDoNotDivide { n_head: 3, n_embd: 128 };
/// assert_eq!(config.validate(), Err(error));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GptConfig {
    /// Blocks, `L`.
    pub n_layer: usize,
    /// Attention heads in each block, `H`; must divide `n_embd`.
    pub n_head: usize,
    /// The width: numbers in each position's vector, `C`.
    pub n_embd: usize,
    /// The context length: positions in the longest window, `T`.
    pub block_size: usize,
    /// Different tokens, `V`; at most 65,536.
    pub vocab_size: usize,
}
// ANCHOR_END: config

// ANCHOR: gpt
/// The model. Also the type of its gradient, and of the optimizer's moments:
/// whatever has one number for each parameter.
///
/// ```
/// use microgpt::gpt::{Gpt, GptConfig};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let config = GptConfig::quick(5); // tokens
/// let model = Gpt::new(config, &mut ChaCha8Rng::seed_from_u64(1))?;
/// let (inputs, targets) = ([0, 1, 2, 3], [1, 2, 3, 4]);
/// let (loss, grad) = model.loss_and_grad(&inputs, &targets, 4);
/// println!("{loss:.2} nats: as good as a guess, {:.2}", 5f32.ln());
/// assert!(loss > 1.2);
/// assert_eq!(grad.num_params(), model.num_params());
/// # Ok::<(), microgpt::gpt::ConfigError>(())
/// ```
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

// ANCHOR: forward
impl Gpt {
    /// The logits of every token of the vocabulary, after every position.
    ///
    /// The head is the token table itself: `logits = x·tokenᵀ`.
    ///
    /// # Shapes
    /// - `ids`: `[N]`, windows of `t` ids one behind the other
    /// - returns: `[N, V]`, logits; they do not sum to one
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

// ANCHOR: logits
impl Gpt {
    /// The logits of [`forward`](Gpt::forward), without a cache: what one block
    /// keeps is dropped before the next begins.
    ///
    /// # Panics
    /// As [`forward`](Gpt::forward).
    pub fn logits(&self, ids: &[u16], t: usize) -> Matrix {
        let (mut x, _) = self.embeddings.forward(ids, t); // [N, C]
        for block in &self.blocks {
            (x, _) = block.forward(x, t);
        }
        let (x, _) = self.norm.forward(&x);
        product(&x, &self.embeddings.token.t()) // [N, V]
    }
}
// ANCHOR_END: logits

// ANCHOR: backward
impl Gpt {
    /// From the gradient of the loss with respect to the logits to its gradient
    /// with respect to every parameter, which is added to `grad`.
    ///
    /// The token table is used twice, so it is added to twice: here as the
    /// head, and at the end as the embedding.
    ///
    /// # Shapes
    /// - `dlogits`: `[N, V]`
    ///
    /// # Panics
    /// If `dlogits` has another shape, or `cache` or `grad` is of a model of
    /// other sizes.
    pub fn backward(&self, cache: &GptCache, dlogits: &Matrix, grad: &mut Gpt) {
        let n_layer = self.blocks.len();
        assert_eq!(cache.blocks.len(), n_layer, "a cache for each block");
        assert_eq!(grad.blocks.len(), n_layer, "a gradient for each block");
        let dtoken = &mut grad.embeddings.token;
        add_product(1.0, &dlogits.t(), &cache.x, dtoken);
        let dx = product(dlogits, &self.embeddings.token); // [N, C]
        let mut dx = self.norm.backward(&cache.norm, dx, &mut grad.norm);
        for i in (0..n_layer).rev() {
            let (block, cache) = (&self.blocks[i], &cache.blocks[i]);
            dx = block.backward(cache, dx, &mut grad.blocks[i]);
        }
        let embeddings = &mut grad.embeddings;
        self.embeddings.backward(&cache.embeddings, &dx, embeddings);
    }
}
// ANCHOR_END: backward

// ANCHOR: cross_entropy
/// The loss, and its gradient with respect to the logits: with
/// `p = softmax(z)`,
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
    for (row, &target) in rows_mut(&mut dlogits).zip(targets) {
        let target = usize::from(target);
        let logit = row[target];
        let log_sum = softmax(row); // from here on, row holds p
        loss += log_sum - logit; // −ln p[target]
        row[target] -= 1.0; // p − y
        row.iter_mut().for_each(|dz| *dz *= scale);
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
        let logits = self.logits(inputs, t);
        cross_entropy(logits, targets, 1.0 / inputs.len() as Float).0
    }
}
// ANCHOR_END: loss

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

// ANCHOR: tensors
// `Gpt::tensors` and `Gpt::tensors_mut`, written once: `$tensor` lists an
// array, borrowed as `$model` is. The patterns name every field, so that none
// can be forgotten.
macro_rules! list_tensors {
    ($model:ident, $tensor:ident) => {{
        let Gpt { embeddings, blocks, norm } = $model;
        let Embeddings { token, position } = embeddings;
        let mut all = Vec::with_capacity(4 + 12 * blocks.len());
        all.push($tensor(None, "embeddings.token", token));
        all.push($tensor(None, "embeddings.position", position));
        for (i, block) in blocks.into_iter().enumerate() {
            let Block { norm_1, attention, norm_2, mlp } = block;
            let CausalSelfAttention { n_head: _, qkv, proj } = attention;
            let Mlp { up, down } = mlp;
            let i = Some(i);
            let LayerNorm { weight, bias } = norm_1;
            all.push($tensor(i, "norm_1.weight", weight));
            all.push($tensor(i, "norm_1.bias", bias));
            let Linear { weight, bias } = qkv;
            all.push($tensor(i, "attention.qkv.weight", weight));
            all.push($tensor(i, "attention.qkv.bias", bias));
            let Linear { weight, bias } = proj;
            all.push($tensor(i, "attention.proj.weight", weight));
            all.push($tensor(i, "attention.proj.bias", bias));
            let LayerNorm { weight, bias } = norm_2;
            all.push($tensor(i, "norm_2.weight", weight));
            all.push($tensor(i, "norm_2.bias", bias));
            let Linear { weight, bias } = up;
            all.push($tensor(i, "mlp.up.weight", weight));
            all.push($tensor(i, "mlp.up.bias", bias));
            let Linear { weight, bias } = down;
            all.push($tensor(i, "mlp.down.weight", weight));
            all.push($tensor(i, "mlp.down.bias", bias));
        }
        let LayerNorm { weight, bias } = norm;
        all.push($tensor(None, "norm.weight", weight));
        all.push($tensor(None, "norm.bias", bias));
        all
    }};
}
// ANCHOR_END: tensors

// ANCHOR: tensors_mut
impl Gpt {
    /// Every tensor, always in the same order: the two tables, the blocks from
    /// the first to the last, the final norm.
    pub fn tensors(&self) -> Vec<Tensor<&[Float]>> {
        list_tensors!(self, tensor)
    }

    /// [`tensors`](Gpt::tensors), to be changed.
    pub fn tensors_mut(&mut self) -> Vec<Tensor<&mut [Float]>> {
        list_tensors!(self, tensor_mut)
    }
}
// ANCHOR_END: tensors_mut

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

// ANCHOR: config_presets
impl GptConfig {
    /// Two layers of width 64: trains in seconds, and generates poor verse.
    pub fn quick(vocab_size: usize) -> Self {
        Self { n_layer: 2, n_head: 2, n_embd: 64, block_size: 32, vocab_size }
    }

    /// Four layers of width 128: trains in about a minute on two cores.
    pub fn standard(vocab_size: usize) -> Self {
        Self { n_layer: 4, n_head: 4, n_embd: 128, block_size: 64, vocab_size }
    }

    /// Four layers of width 256 with a context of 256: trains in about an hour
    /// on two cores, and is made for a text of a megabyte.
    pub fn long(vocab_size: usize) -> Self {
        Self { n_layer: 4, n_head: 4, n_embd: 256, block_size: 256, vocab_size }
    }
}
// ANCHOR_END: config_presets

// ANCHOR: config_num_params
impl GptConfig {
    /// Parameters of such a model, `C·(V + T + 2) + L·(12·C² + 13·C)`, or
    /// `None` if they would take more than all addressable memory.
    pub fn checked_num_params(&self) -> Option<usize> {
        let c = self.n_embd;
        let block = c.checked_mul(12)?.checked_add(13)?.checked_mul(c)?;
        let rows = self.vocab_size.checked_add(self.block_size)?;
        let rest = rows.checked_add(2)?.checked_mul(c)?;
        let params = self.n_layer.checked_mul(block)?.checked_add(rest)?;
        let most = isize::MAX as usize / size_of::<Float>();
        (params <= most).then_some(params)
    }
}
// ANCHOR_END: config_num_params

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
        match self.checked_num_params() {
            Some(_) => Ok(()),
            None => Err(ConfigError::TooLarge),
        }
    }
}
// ANCHOR_END: validate

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
