//! # Generation
//!
//! The model scores every token; a sampler picks one; it is appended, and the
//! next one is scored. A cache of keys and values spares the model from reading
//! the whole text anew for every character.
//!
//! To copy this module, bring `gpt` beside it and what it needs.

use std::fmt;

use ndarray::s;
use rand::{Rng, RngExt};

use super::gpt::Gpt;
use super::orientation::{flat, product, softmax};
use super::transformer_block::{CausalSelfAttention, attend};
use super::{Float, Matrix};

// ANCHOR: sampler
/// How to pick a token from scores: which may be picked, and how boldly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    temperature: Float,
    top_k: Option<usize>,
}
// ANCHOR_END: sampler

// ANCHOR: sampler_new
impl Sampler {
    /// A sampler that divides scores by `temperature` and keeps the `top_k`
    /// highest, or all of them.
    ///
    /// Temperature 0 always picks the highest score; below 1 favours the
    /// likely, 1 follows the model, above 1 favours the unlikely.
    ///
    /// # Errors
    /// [`GenerationError::Temperature`] if `temperature` is negative, infinite
    /// or not a number; [`GenerationError::TopKZero`] if `top_k` is 0.
    pub fn new(
        temperature: Float,
        top_k: Option<usize>,
    ) -> Result<Self, GenerationError> {
        if !temperature.is_finite() || temperature < 0.0 {
            return Err(GenerationError::Temperature(temperature));
        }
        if top_k == Some(0) {
            return Err(GenerationError::TopKZero);
        }
        Ok(Self { temperature, top_k })
    }
}
// ANCHOR_END: sampler_new

// ANCHOR: distribution
impl Sampler {
    /// The candidates and their probabilities, the most likely first.
    ///
    /// Exactly `top_k` of them (or all there are): among equal scores, the
    /// smaller id comes first. Temperature 0 leaves one.
    ///
    /// Top-k: Fan, Lewis & Dauphin (2018), §5.4.
    ///
    /// # Panics
    /// If there are no scores.
    pub fn distribution(&self, logits: &[Float]) -> Vec<(u16, Float)> {
        assert!(!logits.is_empty(), "a sampler needs scores to choose from");
        let mut order: Vec<u16> = (0..=u16::MAX).take(logits.len()).collect();
        let score = |id: &u16| logits[usize::from(*id)];
        let by_score =
            |a: &u16, b: &u16| score(b).total_cmp(&score(a)).then(a.cmp(b));
        let k = self.top_k.unwrap_or(usize::MAX);
        let k = if self.temperature == 0.0 { 1 } else { k };
        if k < order.len() {
            order.select_nth_unstable_by(k - 1, by_score);
            order.truncate(k);
        }
        order.sort_unstable_by(by_score);
        let highest = score(&order[0]);
        let mut probs = vec![1.0; order.len()]; // right where k is 1
        if k > 1 {
            for (p, id) in probs.iter_mut().zip(&order) {
                *p = (score(id) - highest) / self.temperature;
            }
            softmax(&mut probs);
        }
        order.into_iter().zip(probs).collect()
    }
}
// ANCHOR_END: distribution

// ANCHOR: sample
impl Sampler {
    /// Draws an id with those probabilities.
    ///
    /// # Panics
    /// If there are no scores.
    pub fn sample(&self, logits: &[Float], rng: &mut impl Rng) -> u16 {
        let candidates = self.distribution(logits);
        let mut left = rng.random::<f64>();
        for &(id, p) in &candidates {
            left -= f64::from(p);
            if left < 0.0 {
                return id;
            }
        }
        candidates[0].0 // rounding left a crumb: the most likely takes it
    }
}
// ANCHOR_END: sample

// ANCHOR: kv_cache
/// The keys and values of every position read so far.
///
/// They depend only on what stands at or before their position, so a later
/// token never changes them: they are computed once.
#[derive(Clone, Debug)]
pub struct KvCache {
    keys: Vec<Matrix>,   // for each block, [block_size, C]
    values: Vec<Matrix>, // for each block, [block_size, C]
    len: usize,          // positions filled
}
// ANCHOR_END: kv_cache

// ANCHOR: kv_cache_new
impl KvCache {
    /// An empty cache for `model`.
    pub fn new(model: &Gpt) -> Self {
        let room = |_| Matrix::zeros(model.embeddings.position.dim());
        let rooms = || model.blocks.iter().map(room).collect();
        Self { keys: rooms(), values: rooms(), len: 0 }
    }

    /// Positions read so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been read yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets everything.
    ///
    /// Positions are learned: a token's key knows where it stood. When the
    /// window moves, every token stands elsewhere, and none can be kept.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}
// ANCHOR_END: kv_cache_new

// ANCHOR: extend
impl KvCache {
    /// Reads `ids` after what has been read before, and returns the scores of
    /// what follows the last of them, `[V]`.
    ///
    /// The same numbers as the last row of [`Gpt::forward`] over everything
    /// read so far, up to rounding, at a fraction of the work.
    ///
    /// # Panics
    /// If `ids` is empty, does not fit into what is left of the model's window,
    /// or has an id outside its vocabulary.
    pub fn extend(&mut self, model: &Gpt, ids: &[u16]) -> Vec<Float> {
        let positions = &model.embeddings.position;
        let new = self.len..self.len + ids.len();
        assert!(!ids.is_empty(), "the cache needs at least one token to read");
        assert!(
            new.end <= positions.nrows(),
            "the window is full: clear first"
        );
        let mut x = positions.slice(s![new.clone(), ..]).to_owned(); // [N, C]
        for (mut x, &id) in x.rows_mut().into_iter().zip(ids) {
            x += &model.embeddings.token.row(usize::from(id));
        }
        let caches = self.keys.iter_mut().zip(&mut self.values);
        for (block, (keys, values)) in model.blocks.iter().zip(caches) {
            let (h, _) = block.norm_1.forward(&x);
            x += &attend_cached(&block.attention, h, keys, values, self.len);
            let (h, _) = block.norm_2.forward(&x);
            let (h, _) = block.mlp.forward(h);
            x += &h;
        }
        self.len = new.end;
        let last = x.slice(s![-1.., ..]).to_owned(); // [1, C]
        let (x, _) = model.norm.forward(&last);
        flat(&product(&x, &model.embeddings.token.t())).to_vec()
    }
}
// ANCHOR_END: extend

// ANCHOR: attend_cached
/// Attention of new positions over all up to their own, of which the first
/// `old` are in the cache; the new ones are added to it.
fn attend_cached(
    attention: &CausalSelfAttention,
    x: Matrix,
    keys: &mut Matrix,
    values: &mut Matrix,
    old: usize,
) -> Matrix {
    let (n, c) = x.dim();
    let d = c / attention.n_head;
    let (qkv, _) = attention.qkv.forward(x); // [N, 3C]
    let new = s![old..old + n, ..];
    keys.slice_mut(new).assign(&qkv.slice(s![.., c..2 * c]));
    values.slice_mut(new).assign(&qkv.slice(s![.., 2 * c..]));
    let mut y = Matrix::zeros((n, c));
    for left in (0..c).step_by(d) {
        let head = s![..old + n, left..left + d];
        let q = qkv.slice(s![.., left..left + d]);
        let mut att = Matrix::zeros((n, old + n));
        let mut y = y.slice_mut(s![.., left..left + d]);
        attend([&q, &keys.slice(head), &values.slice(head)], &mut att, &mut y);
    }
    attention.proj.forward(y).0
}
// ANCHOR_END: attend_cached

// ANCHOR: generator
/// Text that goes on for ever: an iterator of ids, each drawn by the sampler
/// from what the model says after everything before it.
///
/// When the window is full, it moves on by half: the older half is forgotten
/// and the newer read again at its new positions. So each token is chosen in
/// view of between `block_size/2` and `block_size` of those before it (fewer at
/// the start), and reading again costs little, as it is rare.
#[derive(Debug)]
pub struct Generator<'a, R> {
    model: &'a Gpt,
    sampler: Sampler,
    rng: R,
    cache: KvCache,
    window: Vec<u16>, // what the next token is chosen in view of
}
// ANCHOR_END: generator

// ANCHOR: generator_new
impl<'a, R: Rng> Generator<'a, R> {
    /// Starts after `prompt`, of which the last `block_size` ids are read.
    ///
    /// # Errors
    /// [`GenerationError::EmptyPrompt`], [`GenerationError::UnknownId`] for an
    /// id that is not the model's, [`GenerationError::TopKTooLarge`] if the
    /// sampler keeps more tokens than there are.
    pub fn new(
        model: &'a Gpt,
        prompt: &[u16],
        sampler: Sampler,
        rng: R,
    ) -> Result<Self, GenerationError> {
        let (vocab_size, _) = model.embeddings.token.dim();
        if prompt.is_empty() {
            return Err(GenerationError::EmptyPrompt);
        }
        if let Some(&id) =
            prompt.iter().find(|&&id| usize::from(id) >= vocab_size)
        {
            return Err(GenerationError::UnknownId { id, vocab_size });
        }
        if let Some(top_k) = sampler.top_k.filter(|&k| k > vocab_size) {
            return Err(GenerationError::TopKTooLarge { top_k, vocab_size });
        }
        let block_size = model.embeddings.position.nrows();
        let window = prompt[prompt.len().saturating_sub(block_size)..].to_vec();
        Ok(Self { model, sampler, rng, cache: KvCache::new(model), window })
    }
}
// ANCHOR_END: generator_new

// ANCHOR: next
impl<R: Rng> Iterator for Generator<'_, R> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let block_size = self.model.embeddings.position.nrows();
        if self.window.len() > block_size {
            let keep = block_size.div_ceil(2);
            self.window.drain(..self.window.len() - keep);
            self.cache.clear();
        }
        let unread = &self.window[self.cache.len()..];
        let logits = self.cache.extend(self.model, unread);
        let id = self.sampler.sample(&logits, &mut self.rng);
        self.window.push(id);
        Some(id)
    }
}
// ANCHOR_END: next

// ANCHOR: generation_error
/// Why nothing can be generated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GenerationError {
    /// The temperature (given) is negative, infinite or not a number.
    Temperature(Float),
    /// No candidate would be left.
    TopKZero,
    /// More candidates than tokens.
    TopKTooLarge {
        /// Candidates asked for.
        top_k: usize,
        /// Tokens there are.
        vocab_size: usize,
    },
    /// There is nothing to go on from.
    EmptyPrompt,
    /// The prompt holds an id that the model does not know.
    UnknownId {
        /// The id.
        id: u16,
        /// Tokens there are.
        vocab_size: usize,
    },
}
// ANCHOR_END: generation_error

// ANCHOR: generation_error_display
impl fmt::Display for GenerationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Temperature(temperature) => write!(
                f,
                "a temperature of {temperature} has no meaning; give 0 (always \
                 the likeliest), or a number above"
            ),
            Self::TopKZero => {
                write!(f, "top-k 0 leaves nothing to choose from; at least 1")
            }
            Self::TopKTooLarge { top_k, vocab_size } => write!(
                f,
                "top-k {top_k} is above the {vocab_size} tokens there are; \
                 leave it out to keep them all"
            ),
            Self::EmptyPrompt => {
                write!(f, "the prompt is empty; give at least one character")
            }
            Self::UnknownId { id, vocab_size } => write!(
                f,
                "the prompt holds id {id}, but the model knows {vocab_size} \
                 tokens, ids 0 to {}",
                vocab_size - 1
            ),
        }
    }
}
// ANCHOR_END: generation_error_display

impl std::error::Error for GenerationError {}
