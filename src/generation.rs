//! # Generation
//!
//! The model predicts the next token; a sampler chooses one; it is appended, and
//! the model predicts again. A cache of keys and values spares it from reading
//! the whole text again for every character.
//!
//! To copy this module, bring `gpt` beside it and what it needs.

use std::fmt;

use ndarray::s;
use rand::{Rng, RngExt};

use super::embeddings::Embeddings;
use super::gpt::Gpt;
use super::orientation::{flat, max, product, softmax};
use super::transformer_block::{CausalSelfAttention, attend};
use super::{Float, Matrix};

// ANCHOR: sampler
/// How to choose a token from the logits.
///
/// ```
/// use microgpt::generation::Sampler;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let logits = [0.0, 3.0, 1.0, 2.0];
/// let sampler = Sampler::new(0.8, Some(2))?;
/// let [(1, likely), (3, other)] = sampler.distribution(&logits)[..] else {
///     unreachable!("two candidates");
/// };
/// assert!(likely > 0.7 && likely + other > 0.999);
/// let mut rng = ChaCha8Rng::seed_from_u64(1);
/// assert!([1, 3].contains(&sampler.sample(&logits, &mut rng)));
/// # Ok::<(), microgpt::generation::GenerationError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    temperature: Float,
    top_k: Option<usize>,
}
// ANCHOR_END: sampler

// ANCHOR: sampler_new
impl Sampler {
    /// A sampler that divides the logits by `temperature` and keeps the `top_k`
    /// highest, or all of them.
    ///
    /// Temperature 0 always takes the highest logit (greedy decoding); below 1
    /// favors the likely tokens, 1 follows the model, above 1 favors the
    /// unlikely ones.
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
    /// The candidates and their probabilities, the most likely first; among
    /// equals, the smaller id.
    ///
    /// Exactly `top_k` of them (or all there are). Temperature 0 leaves one.
    ///
    /// # Panics
    /// If there are no logits.
    ///
    /// Top-k: Fan, Lewis & Dauphin (2018), §5.4.
    pub fn distribution(&self, logits: &[Float]) -> Vec<(u16, Float)> {
        let mut candidates = self.candidates(logits);
        candidates.sort_by(|(a, p), (b, q)| q.total_cmp(p).then(a.cmp(b)));
        candidates
    }
}
// ANCHOR_END: distribution

// ANCHOR: candidates
impl Sampler {
    /// The candidates and their probabilities in the order of their ids, which
    /// takes no sorting of the whole vocabulary.
    fn candidates(&self, logits: &[Float]) -> Vec<(u16, Float)> {
        assert!(!logits.is_empty(), "a sampler needs logits to choose from");
        let logit = |id: &u16| logits[usize::from(*id)];
        let by_logit =
            |a: &u16, b: &u16| logit(b).total_cmp(&logit(a)).then(a.cmp(b));
        let ids = (0..=u16::MAX).take(logits.len());
        if self.temperature == 0.0 {
            let highest = ids.min_by(by_logit);
            return highest.map(|id| (id, 1.0)).into_iter().collect();
        }
        let mut ids: Vec<u16> = ids.collect();
        if let Some(k) = self.top_k.filter(|&k| k < ids.len()) {
            ids.select_nth_unstable_by(k - 1, by_logit); // the k highest first
            ids.truncate(k);
            ids.sort_unstable();
        }
        let highest = max(logits); // first, so that a tiny T overflows nothing
        let scaled = |id: &u16| (logit(id) - highest) / self.temperature;
        let mut probs: Vec<Float> = ids.iter().map(scaled).collect();
        softmax(&mut probs);
        ids.into_iter().zip(probs).collect()
    }
}
// ANCHOR_END: candidates

// ANCHOR: sample
impl Sampler {
    /// Draws an id with the probabilities of its
    /// [`distribution`](Sampler::distribution).
    ///
    /// # Panics
    /// If there are no logits.
    pub fn sample(&self, logits: &[Float], rng: &mut impl Rng) -> u16 {
        let candidates = self.candidates(logits);
        let mut left = rng.random::<f64>();
        for &(id, p) in &candidates {
            left -= f64::from(p);
            if left < 0.0 {
                return id;
            }
        }
        candidates[candidates.len() - 1].0 // rounding left a crumb
    }
}
// ANCHOR_END: sample

// ANCHOR: kv_cache
/// The keys and values of every position that a model has read so far.
///
/// They depend only on what comes at or before their position, so a later token
/// never changes them: they are computed once.
///
/// ```
/// use microgpt::generation::KvCache;
/// use microgpt::gpt::{Gpt, GptConfig};
///
/// let model = Gpt::zeros(GptConfig::quick(5));
/// let mut cache = KvCache::new(&model);
/// cache.extend(&[0, 1, 2]); // the prompt, at once
/// let logits = cache.extend(&[3]); // then token by token
/// assert_eq!((logits.len(), cache.len()), (5, 4));
/// ```
#[derive(Clone, Debug)]
pub struct KvCache<'a> {
    model: &'a Gpt,
    keys: Vec<Matrix>,   // for each block, [block_size, C]
    values: Vec<Matrix>, // for each block, [block_size, C]
    len: usize,          // positions filled
}
// ANCHOR_END: kv_cache

// ANCHOR: kv_cache_new
impl<'a> KvCache<'a> {
    /// An empty cache for `model`.
    pub fn new(model: &'a Gpt) -> Self {
        let room = |_| Matrix::zeros(model.embeddings.position.dim());
        let rooms = || model.blocks.iter().map(room).collect();
        Self { model, keys: rooms(), values: rooms(), len: 0 }
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
    /// Positions are learned: a token's key knows where the token was. When the
    /// window moves, every token is elsewhere, and none can be kept.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}
// ANCHOR_END: kv_cache_new

// ANCHOR: extend
impl KvCache<'_> {
    /// Reads `ids` after what has been read before, and returns the logits of
    /// what follows the last of them, `[V]`.
    ///
    /// The same numbers as the last row of [`Gpt::forward`] over everything
    /// read so far, up to rounding, at a fraction of the work.
    ///
    /// # Panics
    /// If `ids` is empty, does not fit into what is left of the model's window,
    /// or has an id outside its vocabulary.
    pub fn extend(&mut self, ids: &[u16]) -> Vec<Float> {
        let Embeddings { token, position } = &self.model.embeddings;
        let new = self.len..self.len + ids.len();
        assert!(!ids.is_empty(), "the cache needs at least one token to read");
        assert!(new.end <= position.nrows(), "the window is full: clear first");
        let mut x = position.slice(s![new.clone(), ..]).to_owned(); // [N, C]
        for (mut row, &id) in x.rows_mut().into_iter().zip(ids) {
            row += &token.row(usize::from(id));
        }
        let caches = self.keys.iter_mut().zip(&mut self.values);
        for (block, (keys, values)) in self.model.blocks.iter().zip(caches) {
            let (h, _) = block.norm_1.forward(&x);
            x += &attend_cached(&block.attention, h, keys, values, self.len);
            let (h, _) = block.norm_2.forward(&x);
            let (h, _) = block.mlp.forward(h);
            x += &h;
        }
        self.len = new.end;
        let last = x.slice(s![-1.., ..]).to_owned(); // [1, C]
        let (last, _) = self.model.norm.forward(&last);
        flat(&product(&last, &token.t())).to_vec()
    }
}
// ANCHOR_END: extend

// ANCHOR: attend_cached
/// Attention of new positions over all up to their own. The keys and values of
/// the first `old` are in the cache; those of the new ones are added to it.
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
    let mut att = Matrix::zeros((n, old + n));
    let mut y = Matrix::zeros((n, c));
    for left in (0..c).step_by(d) {
        let columns = s![.., left..left + d];
        let read = s![..old + n, left..left + d];
        let (q, k, v) =
            (qkv.slice(columns), keys.slice(read), values.slice(read));
        attend(&q, &k, &v, &mut att, &mut y.slice_mut(columns));
    }
    attention.proj.forward(y).0
}
// ANCHOR_END: attend_cached

// ANCHOR: generator
/// Text without an end: an iterator of ids, each sampled from the model's
/// prediction after everything before it.
///
/// Where that prediction is not finite there is nothing to choose, and instead
/// of an id comes [`GenerationError::NonFinite`], there and ever after.
///
/// When the window is full, it moves on by half: the older half is forgotten
/// and the newer read again at its new positions. So each token is chosen in
/// view of between `block_size/2` and `block_size` of those before it (fewer at
/// the start), and reading again costs little, as it is rare.
///
/// ```
/// use microgpt::generation::{Generator, Sampler};
/// use microgpt::gpt::{Gpt, GptConfig};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let model = Gpt::zeros(GptConfig::quick(5));
/// let sampler = Sampler::new(0.8, None)?;
/// let rng = ChaCha8Rng::seed_from_u64(1);
/// let ids = Generator::new(&model, &[0], sampler, rng)?;
/// let ids: Vec<u16> = ids.take(100).collect::<Result<_, _>>()?;
/// assert_eq!(ids.len(), 100);
/// # Ok::<(), microgpt::generation::GenerationError>(())
/// ```
#[derive(Debug)]
pub struct Generator<'a, R> {
    cache: KvCache<'a>,
    sampler: Sampler,
    rng: R,
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
        Ok(Self { cache: KvCache::new(model), sampler, rng, window })
    }
}
// ANCHOR_END: generator_new

// ANCHOR: next
impl<R: Rng> Iterator for Generator<'_, R> {
    type Item = Result<u16, GenerationError>;

    fn next(&mut self) -> Option<Self::Item> {
        let block_size = self.cache.model.embeddings.position.nrows();
        if self.window.len() > block_size {
            let keep = block_size.div_ceil(2);
            self.window.drain(..self.window.len() - keep);
            self.cache.clear();
        }
        let unread = &self.window[self.cache.len()..];
        let logits = self.cache.extend(unread);
        if !logits.iter().all(|z| z.is_finite()) {
            self.cache.clear(); // to find the same again
            return Some(Err(GenerationError::NonFinite));
        }
        let id = self.sampler.sample(&logits, &mut self.rng);
        self.window.push(id);
        Some(Ok(id))
    }
}
// ANCHOR_END: next

// ANCHOR: generation_error
/// Why nothing can be generated, or nothing more.
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
    /// A logit is infinite or not a number.
    NonFinite,
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
            Self::NonFinite => write!(
                f,
                "the model's prediction is not finite: its weights are too \
                 large, or damaged; generate with an earlier state of it"
            ),
        }
    }
}
// ANCHOR_END: generation_error_display

impl std::error::Error for GenerationError {}
