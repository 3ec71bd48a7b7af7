//! MicroGPT in one file, as the original is: the seven modules of the chapters,
//! each comment cut to its first paragraph, and the program `pipeline`.
//!
//! A test writes this file; change `src` and `pipeline.rs` instead. To take it
//! along, bring the text that it learns, `data/sonnets.txt`, and the crates
//! `gemm-common`, `gemm-f32`, `ndarray`, `rand`, `rand_distr` and `rayon`.

// The program does not use all that the chapters have made.
#![allow(dead_code)]

use gemm_common::Parallelism;
use ndarray::{ArrayRef2, Axis};

/// The number that everything is made of. The tests compile the same modules
/// once more with `f64` here, where gradients can be checked to ten digits.
pub type Float = f32;

/// A row of numbers, `[C]`.
pub type Vector = ndarray::Array1<Float>;

/// A table of numbers, `[N, C]`: one row per position.
pub type Matrix = ndarray::Array2<Float>;

/// `eˣ`, in a form that the compiler can do for many `x` at once.
#[inline]
pub fn exp(x: Float) -> Float {
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding it rounds to an integer
    const LN_2_HIGH: f32 = 355.0 / 512.0; // ln 2 in nine bits
    const LN_2_LOW: f32 = -2.121_944_4e-4; // the rest of ln 2
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    // The low bits of `shifted` hold n: move them to where exponents live
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()))
}

/// `c ← α·a·b + β·c`, where nearly all the time of training goes.
pub fn general_mat_mul(
    alpha: Float,
    a: &ArrayRef2<Float>,
    b: &ArrayRef2<Float>,
    beta: Float,
    c: &mut ArrayRef2<Float>,
) {
    const FAR: usize = 1 << 19; // numbers, more than a core keeps at hand
    let ((m, k), n) = (a.dim(), b.ncols());
    assert_eq!(b.nrows(), k, "general_mat_mul: a and b do not fit");
    assert_eq!(c.dim(), (m, n), "general_mat_mul: c does not fit");
    if m > 1 || n < 2 || k * n < FAR {
        return multiply(alpha, a, b, beta, c);
    }
    let (b, other_b) = b.view().split_at(Axis(1), n / 2);
    let (mut c, mut other_c) = c.view_mut().split_at(Axis(1), n / 2);
    rayon::join(
        || general_mat_mul(alpha, a, &b, beta, &mut c),
        || general_mat_mul(alpha, a, &other_b, beta, &mut other_c),
    );
}

/// The same on one thread.
#[allow(unsafe_code)]
fn multiply(
    alpha: Float,
    a: &ArrayRef2<Float>,
    b: &ArrayRef2<Float>,
    beta: Float,
    c: &mut ArrayRef2<Float>,
) {
    let ((m, k), n) = (a.dim(), b.ncols());
    let strides = |x: &ArrayRef2<Float>| (x.strides()[0], x.strides()[1]);
    let ((a_row, a_column), (b_row, b_column)) = (strides(a), strides(b));
    let (c_row, c_column) = strides(c);
    let product = gemm_f32::gemm::f32::get_gemm_fn();
    // SAFETY: pointers, strides and (checked) shapes are those of three arrays
    // borrowed for the length of the call, `c` alone for writing.
    unsafe {
        // `gemm` prefers columns: cᵀ = bᵀ·aᵀ
        #[rustfmt::skip]
        product(
            n, m, k,
            c.as_mut_ptr(), c_row, c_column, beta != 0.0,
            b.as_ptr(), b_row, b_column,
            a.as_ptr(), a_row, a_column,
            beta, alpha, false, false, false, Parallelism::None,
        );
    }
}

#[rustfmt::skip]
pub mod orientation {
    //! # Orientation
    //!
    //! What every later chapter stands on: softmax and the rows it works on,
    //! cross-entropy, and a gradient measured instead of derived. And the simplest
    //! language models there are, tables of counts, whose losses form the *ladder*
    //! on which every later loss is placed.

    use std::collections::HashMap;
    use std::slice::{ChunksExact, ChunksExactMut};

    use ndarray::{ArrayRef, ArrayRef2, Dimension};
    use rand::{Rng, RngExt};

    use super::{Float, Matrix, exp, general_mat_mul};

    /// An array's numbers as one slice, row by row.
    pub fn flat<D: Dimension>(x: &ArrayRef<Float, D>) -> &[Float] {
        match x.as_slice() {
            Some(data) => data,
            None => panic!("flat: the array is not stored row by row"),
        }
    }

    /// An array's numbers as one slice that may be changed.
    pub fn flat_mut<D: Dimension>(x: &mut ArrayRef<Float, D>) -> &mut [Float] {
        match x.as_slice_mut() {
            Some(data) => data,
            None => panic!("flat_mut: the array is not stored row by row"),
        }
    }

    /// The rows of a matrix, each as a slice.
    pub fn rows(x: &ArrayRef2<Float>) -> ChunksExact<'_, Float> {
        flat(x).chunks_exact(x.ncols())
    }

    /// The rows of a matrix, each as a slice that may be changed.
    pub fn rows_mut(x: &mut ArrayRef2<Float>) -> ChunksExactMut<'_, Float> {
        let columns = x.ncols();
        flat_mut(x).chunks_exact_mut(columns)
    }

    /// `a·b`, the product of two matrices.
    pub fn product(a: &ArrayRef2<Float>, b: &ArrayRef2<Float>) -> Matrix {
        let mut c = Matrix::zeros((a.nrows(), b.ncols()));
        general_mat_mul(1.0, a, b, 0.0, &mut c);
        c
    }

    /// How many partial sums a long sum is kept in.
    const LANES: usize = 16;

    /// `Σᵢ xᵢ`, in sixteen partial sums.
    pub fn sum(x: &[Float]) -> Float {
        let (chunks, rest) = x.as_chunks::<LANES>();
        let mut lanes = [0.0; LANES];
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += x;
            }
        }
        lanes.iter().sum::<Float>() + rest.iter().sum::<Float>()
    }

    /// `Σᵢ aᵢ·bᵢ`, in sixteen partial sums.
    pub fn dot(a: &[Float], b: &[Float]) -> Float {
        assert_eq!(a.len(), b.len(), "dot: lengths differ");
        let (a_chunks, a_rest) = a.as_chunks::<LANES>();
        let (b_chunks, b_rest) = b.as_chunks::<LANES>();
        let mut lanes = [0.0; LANES];
        for (a, b) in a_chunks.iter().zip(b_chunks) {
            for i in 0..LANES {
                lanes[i] += a[i] * b[i];
            }
        }
        let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
        lanes.iter().sum::<Float>() + rest.sum::<Float>()
    }

    /// The largest entry; `−∞` of an empty slice.
    pub fn max(x: &[Float]) -> Float {
        let larger = |a: Float, b: Float| if b > a { b } else { a };
        let (chunks, rest) = x.as_chunks::<LANES>();
        let mut lanes = [Float::NEG_INFINITY; LANES];
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = larger(*lane, x);
            }
        }
        lanes.iter().chain(rest).fold(Float::NEG_INFINITY, |a, &b| larger(a, b))
    }

    /// Turns scores into probabilities, in place: `pᵢ = exp(zᵢ) / Σⱼ exp(zⱼ)`.
    pub fn softmax(z: &mut [Float]) -> Float {
        let largest = max(z);
        for z in z.iter_mut() {
            *z = exp(*z - largest);
        }
        let total = sum(z);
        for z in z.iter_mut() {
            *z /= total;
        }
        largest + total.ln()
    }

    /// The gradient of `f` at `x`, measured:
    /// `∂f/∂xᵢ ≈ (f(x + h·eᵢ) − f(x − h·eᵢ)) / 2h`.
    pub fn numerical_gradient(
        x: &[Float],
        h: Float,
        mut f: impl FnMut(&[Float]) -> Float,
    ) -> Vec<Float> {
        let mut x = x.to_vec();
        (0..x.len())
            .map(|i| {
                let middle = x[i];
                x[i] = middle + h;
                let above = f(&x);
                x[i] = middle - h;
                let below = f(&x);
                x[i] = middle;
                (above - below) / (2.0 * h)
            })
            .collect()
    }

    /// What followed one context in the training text.
    #[derive(Clone, Copy, Debug, Default)]
    struct Followers {
        /// How many characters followed it, in all.
        total: u32,
        /// How many different ones.
        kinds: u32,
    }

    /// A language model made of counts: which character followed which context.
    #[derive(Clone, Debug)]
    pub struct CountModel<'a> {
        order: usize, // characters in the longest run that is counted
        vocabulary: Vec<char>, // sorted
        counts: HashMap<&'a [char], u32>,
        followers: HashMap<&'a [char], Followers>,
    }

    impl<'a> CountModel<'a> {
        /// Counts every run of 1 to `order` characters of `text`.
        pub fn new(text: &'a [char], vocabulary: &[char], order: usize) -> Self {
            assert!(order > 0, "a count model needs an order of at least 1");
            assert!(!vocabulary.is_empty(), "a count model needs a vocabulary");
            let mut vocabulary = vocabulary.to_vec();
            vocabulary.sort_unstable();
            vocabulary.dedup();
            let mut counts = HashMap::new();
            let mut followers: HashMap<_, Followers> = HashMap::new();
            for run in (1..=order).flat_map(|n| text.windows(n)) {
                let count = counts.entry(run).or_insert(0);
                let followers = followers.entry(&run[..run.len() - 1]).or_default();
                followers.total += 1;
                followers.kinds += u32::from(*count == 0);
                *count += 1;
            }
            Self { order, vocabulary, counts, followers }
        }
    }

    impl CountModel<'_> {
        /// The probability of the last character of `run` after the ones before it.
        pub fn probability(&self, run: &[char]) -> f64 {
            let run = &run[run.len().saturating_sub(self.order)..];
            let Some((_, context)) = run.split_last() else {
                return 1.0 / self.vocabulary.len() as f64;
            };
            let shorter = self.probability(&run[1..]);
            let Some(followers) = self.followers.get(context) else {
                return shorter;
            };
            let count = self.counts.get(run).copied().unwrap_or(0);
            let (total, kinds) = (followers.total as f64, followers.kinds as f64);
            (count as f64 + kinds * shorter) / (total + kinds)
        }
    }

    impl CountModel<'_> {
        /// The mean of `−ln P` over every character of `text` that has a full
        /// context before it, in nats per character.
        pub fn cross_entropy(&self, text: &[char]) -> f64 {
            let runs = text.windows(self.order);
            let count = runs.len() as f64;
            runs.map(|run| -self.probability(run).ln()).sum::<f64>() / count
        }
    }

    impl CountModel<'_> {
        /// Draws the character that follows `context`.
        pub fn sample(&self, context: &[char], rng: &mut impl Rng) -> char {
            let mut run = context.to_vec();
            run.push(self.vocabulary[0]);
            let mut left = rng.random::<f64>();
            for &c in &self.vocabulary {
                run[context.len()] = c;
                left -= self.probability(&run);
                if left < 0.0 {
                    return c;
                }
            }
            run[context.len()] // rounding left a crumb: the last one takes it
        }
    }

    /// One rung of the [`ladder`]: a model that anyone can build by counting, and
    /// what it scores.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Rung {
        /// Which model: `uniform`, `unigram`, `bigram`, … `6-gram`.
        pub name: &'static str,
        /// Its cross-entropy on the validation text, in nats per character.
        pub loss: f64,
    }

    /// The loss ladder of a corpus: what guessing and counting achieve on
    /// `validation` after reading `train`, from the uniform guess to 6-grams.
    pub fn ladder(train: &[char], validation: &[char]) -> Vec<Rung> {
        const NAMES: [&str; 7] = [
            "uniform", "unigram", "bigram", "trigram", "4-gram", "5-gram", "6-gram",
        ];
        let order = NAMES.len() - 1;
        let model = CountModel::new(train, &[train, validation].concat(), order);
        let mut losses = [0.0; NAMES.len()];
        for run in validation.windows(order) {
            for (n, loss) in losses.iter_mut().enumerate() {
                *loss -= model.probability(&run[order - n..]).ln();
            }
        }
        let count = validation.windows(order).len() as f64;
        let rungs = NAMES.iter().zip(losses);
        rungs.map(|(&name, loss)| Rung { name, loss: loss / count }).collect()
    }
}

#[rustfmt::skip]
pub mod tokenization {
    //! # Tokenization
    //!
    //! Text to integers and back. The vocabulary is the sorted list of a text's
    //! distinct characters, and a character's id is its place in that list.

    use std::collections::BTreeSet;
    use std::fmt;

    /// Maps characters to ids `0..vocab_size` and back.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct CharTokenizer {
        vocabulary: Vec<char>, // sorted, distinct; the id is the index
    }

    impl CharTokenizer {
        /// The most distinct characters a vocabulary can hold.
        pub const MAX_VOCAB_SIZE: usize = 1 << 16;

        /// Builds the vocabulary of `text`: its distinct characters, sorted.
        pub fn new(text: &str) -> Result<Self, TokenizerError> {
            let mut distinct = BTreeSet::new();
            distinct.extend(text.chars()); // to collect would first list them all
            Self::from_vocabulary(distinct.into_iter().collect())
        }

        /// Restores a tokenizer from a vocabulary saved earlier.
        pub fn from_vocabulary(
            vocabulary: Vec<char>,
        ) -> Result<Self, TokenizerError> {
            if vocabulary.is_empty() {
                return Err(TokenizerError::EmptyVocabulary);
            }
            if vocabulary.len() > Self::MAX_VOCAB_SIZE {
                return Err(TokenizerError::TooManyCharacters(vocabulary.len()));
            }
            match vocabulary.windows(2).position(|pair| pair[0] >= pair[1]) {
                Some(i) => Err(TokenizerError::NotSorted { position: i + 1 }),
                None => Ok(Self { vocabulary }),
            }
        }
    }

    impl CharTokenizer {
        /// The vocabulary, sorted: the character with id `i` is at index `i`.
        pub fn vocabulary(&self) -> &[char] {
            &self.vocabulary
        }

        /// How many ids there are.
        pub fn vocab_size(&self) -> usize {
            self.vocabulary.len()
        }
    }

    impl CharTokenizer {
        /// Looks up the id of every character.
        pub fn encode(&self, text: &str) -> Result<Vec<u16>, TokenizerError> {
            let mut ids = Vec::with_capacity(text.len());
            let mut unknown: Vec<(char, usize)> = Vec::new();
            for (position, c) in text.chars().enumerate() {
                match self.vocabulary.binary_search(&c) {
                    Ok(id) => ids.push(id as u16),
                    Err(_) if unknown.iter().any(|&(known, _)| known == c) => {}
                    Err(_) => unknown.push((c, position)),
                }
            }
            if unknown.is_empty() {
                return Ok(ids);
            }
            let vocab_size = self.vocab_size();
            Err(TokenizerError::UnknownCharacters { unknown, vocab_size })
        }
    }

    impl CharTokenizer {
        /// Looks up the character of every id: the inverse of
        /// [`encode`](CharTokenizer::encode).
        pub fn decode(&self, ids: &[u16]) -> Result<String, TokenizerError> {
            let character = |(position, &id): (usize, &u16)| {
                let vocab_size = self.vocab_size();
                let error = TokenizerError::UnknownId { id, position, vocab_size };
                self.vocabulary.get(usize::from(id)).ok_or(error)
            };
            ids.iter().enumerate().map(character).collect()
        }
    }

    /// What can be wrong with a text, a list of ids or a saved vocabulary.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum TokenizerError {
        /// There is no character to make a vocabulary of.
        EmptyVocabulary,
        /// More distinct characters (the number given) than ids of two bytes.
        TooManyCharacters(usize),
        /// A saved vocabulary is not in strictly ascending order.
        NotSorted {
            /// The index of the first character out of order.
            position: usize,
        },
        /// The text holds characters that the vocabulary does not.
        UnknownCharacters {
            /// Each of them once, with the place (in characters) of its first use.
            unknown: Vec<(char, usize)>,
            /// The size of the vocabulary.
            vocab_size: usize,
        },
        /// An id is not in the vocabulary.
        UnknownId {
            /// The id.
            id: u16,
            /// Its index in the list.
            position: usize,
            /// The size of the vocabulary.
            vocab_size: usize,
        },
    }

    impl fmt::Display for TokenizerError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::EmptyVocabulary => {
                    write!(f, "the text is empty; a vocabulary needs a character")
                }
                Self::TooManyCharacters(count) => write!(
                    f,
                    "the text has {count} distinct characters; ids of two bytes \
                     allow {}",
                    CharTokenizer::MAX_VOCAB_SIZE
                ),
                Self::NotSorted { position } => write!(
                    f,
                    "the vocabulary is out of order at {position}; a tokenizer \
                     keeps its characters sorted, each once"
                ),
                Self::UnknownCharacters { unknown, vocab_size } => {
                    let s = if unknown.len() == 1 { "" } else { "s" };
                    write!(f, "unknown character{s} ")?;
                    for (i, (c, position)) in unknown.iter().enumerate() {
                        let comma = if i == 0 { "" } else { ", " };
                        write!(f, "{comma}{c:?} at {position}")?;
                    }
                    write!(f, "; the vocabulary has {vocab_size} characters")
                }
                Self::UnknownId { id, position, vocab_size } => write!(
                    f,
                    "unknown id {id} at {position}; the vocabulary has \
                     {vocab_size} characters, ids 0 to {}",
                    vocab_size - 1
                ),
            }
        }
    }

    impl std::error::Error for TokenizerError {}
}

#[rustfmt::skip]
pub mod embeddings {
    //! # Embeddings
    //!
    //! An id becomes a vector: the row of a table that belongs to it, plus the row
    //! of a second table that belongs to its position. Both tables are learned.

    use rand::{Rng, RngExt};
    use rand_distr::StandardNormal;

    use super::{Float, Matrix};

    /// A matrix whose entries are drawn from `N(0, std²)`, row by row.
    pub fn normal(shape: (usize, usize), std: Float, rng: &mut impl Rng) -> Matrix {
        Matrix::from_shape_simple_fn(shape, || {
            std * rng.sample::<Float, _>(StandardNormal)
        })
    }

    /// The two tables: what a token is, and where it stands.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Embeddings {
        /// One row for each id, `[V, C]`.
        pub token: Matrix,
        /// One row for each position of a window, `[block_size, C]`.
        pub position: Matrix,
    }

    /// What the backward pass has to remember: which rows were looked up.
    #[derive(Clone, Debug)]
    pub struct EmbeddingsCache {
        ids: Vec<u16>, // [N]
        t: usize,      // positions in each window
    }

    impl Embeddings {
        /// Draws both tables from `N(0, 0.02²)`, as the first GPT does.
        pub fn new(
            vocab_size: usize,
            block_size: usize,
            n_embd: usize,
            rng: &mut impl Rng,
        ) -> Self {
            Self {
                token: normal((vocab_size, n_embd), 0.02, rng),
                position: normal((block_size, n_embd), 0.02, rng),
            }
        }
    }

    impl Embeddings {
        /// Looks up and adds: `yₙ = token[idₙ] + position[n mod T]`.
        pub fn forward(&self, ids: &[u16], t: usize) -> (Matrix, EmbeddingsCache) {
            let mut y = Matrix::zeros((ids.len(), self.token.ncols())); // [N, C]
            for (n, &id) in ids.iter().enumerate() {
                let mut y = y.row_mut(n);
                y += &self.token.row(usize::from(id));
                y += &self.position.row(n % t);
            }
            (y, EmbeddingsCache { ids: ids.to_vec(), t })
        }
    }

    impl Embeddings {
        /// Adds each row's gradient to the two rows that it was looked up from.
        pub fn backward(
            &self,
            cache: &EmbeddingsCache,
            dy: &Matrix,
            grad: &mut Embeddings,
        ) {
            assert_eq!(dy.dim(), (cache.ids.len(), self.token.ncols()), "dy");
            for (n, &id) in cache.ids.iter().enumerate() {
                let dy = dy.row(n);
                let mut token = grad.token.row_mut(usize::from(id));
                token += &dy;
                let mut position = grad.position.row_mut(n % cache.t);
                position += &dy;
            }
        }
    }
}

#[rustfmt::skip]
pub mod transformer_block {
    //! # The transformer block
    //!
    //! The part that is repeated: attention, where positions exchange information,
    //! and a feed-forward network, where each thinks for itself; both behind a
    //! LayerNorm, both added to a stream that runs past them. Every `forward` keeps
    //! what its `backward` needs in a cache, and every `backward` adds to a gradient
    //! that has the type of the thing itself.

    use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2};

    use ndarray::{ArrayRef2, Axis, s};
    use rand::Rng;

    use super::embeddings::normal;
    use super::orientation::{
        dot, flat, flat_mut, product, rows, rows_mut, softmax, sum,
    };
    use super::{Float, Matrix, Vector, exp, general_mat_mul};

    /// A linear layer: `y = x·W + b`.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Linear {
        /// `W`, `[in, out]`: the layout of GPT-2's files.
        pub weight: Matrix,
        /// `b`, `[out]`.
        pub bias: Vector,
    }

    /// What [`Linear::backward`] needs: the input.
    #[derive(Clone, Debug)]
    pub struct LinearCache {
        x: Matrix, // [N, in]
    }

    impl Linear {
        /// Weights from `N(0, std²)`, biases zero.
        pub fn new(
            inputs: usize,
            outputs: usize,
            std: Float,
            rng: &mut impl Rng,
        ) -> Self {
            let weight = normal((inputs, outputs), std, rng);
            Self { weight, bias: Vector::zeros(outputs) }
        }
    }

    impl Linear {
        /// `y = x·W + b`.
        pub fn forward(&self, x: Matrix) -> (Matrix, LinearCache) {
            let shape = (x.nrows(), self.bias.len());
            let mut y = Matrix::zeros(shape); // [N, out]
            y += &self.bias;
            general_mat_mul(1.0, &x, &self.weight, 1.0, &mut y);
            (y, LinearCache { x })
        }
    }

    impl Linear {
        /// `dW += xᵀ·dy`, `db += Σₙ dyₙ`, and returns `dx = dy·Wᵀ`.
        pub fn backward(
            &self,
            cache: &LinearCache,
            dy: &Matrix,
            grad: &mut Linear,
        ) -> Matrix {
            general_mat_mul(1.0, &cache.x.t(), dy, 1.0, &mut grad.weight);
            grad.bias += &dy.sum_axis(Axis(0));
            product(dy, &self.weight.t()) // [N, in]
        }
    }

    /// Layer normalization: each row loses its mean and its size, and gets learned
    /// ones instead.
    #[derive(Clone, Debug, PartialEq)]
    pub struct LayerNorm {
        /// The gain `γ`, `[C]`.
        pub weight: Vector,
        /// The shift `β`, `[C]`.
        pub bias: Vector,
    }

    /// What [`LayerNorm::backward`] needs: the normalized rows and `1/σ`.
    #[derive(Clone, Debug)]
    pub struct LayerNormCache {
        x_hat: Matrix,    // [N, C]
        rstd: Vec<Float>, // [N]
    }

    impl LayerNorm {
        /// `ε`, which keeps a constant row from a division by zero.
        pub const EPSILON: Float = 1e-5;

        /// Gains one, shifts zero.
        pub fn new(n_embd: usize) -> Self {
            Self { weight: Vector::ones(n_embd), bias: Vector::zeros(n_embd) }
        }
    }

    impl LayerNorm {
        /// `x̂ = (x − μ) / √(σ² + ε)` and `y = γ·x̂ + β`, row by row, with `μ` and
        /// `σ²` the mean and the variance (over `C`, not `C − 1`) of the row.
        pub fn forward(&self, x: &Matrix) -> (Matrix, LayerNormCache) {
            let mut x_hat = x.clone(); // [N, C]
            let mut rstd = Vec::with_capacity(x.nrows());
            for row in rows_mut(&mut x_hat) {
                let c = row.len() as Float;
                let mean = sum(row) / c;
                row.iter_mut().for_each(|x| *x -= mean);
                let variance = dot(row, row) / c;
                let scale = 1.0 / (variance + Self::EPSILON).sqrt();
                row.iter_mut().for_each(|x| *x *= scale);
                rstd.push(scale);
            }
            let y = &x_hat * &self.weight + &self.bias; // [N, C]
            (y, LayerNormCache { x_hat, rstd })
        }
    }

    impl LayerNorm {
        /// `dγ += Σₙ dy·x̂`, `dβ += Σₙ dy`, and, with `g = dy·γ` and `⟨·⟩` the mean
        /// over a row, returns `dx = (g − ⟨g⟩ − x̂·⟨g·x̂⟩) / σ`.
        pub fn backward(
            &self,
            cache: &LayerNormCache,
            dy: Matrix,
            grad: &mut LayerNorm,
        ) -> Matrix {
            grad.weight += &(&dy * &cache.x_hat).sum_axis(Axis(0));
            grad.bias += &dy.sum_axis(Axis(0));
            let mut dx = dy * &self.weight; // g, [N, C]
            let normalized = rows(&cache.x_hat).zip(&cache.rstd);
            for (g, (x_hat, rstd)) in rows_mut(&mut dx).zip(normalized) {
                let c = g.len() as Float;
                let mean = sum(g) / c;
                let along = dot(g, x_hat) / c;
                for (g, x_hat) in g.iter_mut().zip(x_hat) {
                    *g = (*g - mean - x_hat * along) * rstd;
                }
            }
            dx
        }
    }

    /// Multi-head causal self-attention: every position asks all positions up to
    /// its own, and takes a weighted mean of what they offer.
    #[derive(Clone, Debug, PartialEq)]
    pub struct CausalSelfAttention {
        /// Heads, `H`.
        pub n_head: usize,
        /// Queries, keys and values of all heads in one product, `[C, 3C]`.
        pub qkv: Linear,
        /// Mixes what the heads found, `[C, C]`.
        pub proj: Linear,
    }

    /// What [`CausalSelfAttention::backward`] needs.
    #[derive(Clone, Debug)]
    pub struct AttentionCache {
        t: usize,
        qkv_in: LinearCache,
        qkv: Matrix, // [N, 3C]
        att: Matrix, // [B·H·T, T]
        proj_in: LinearCache,
    }

    impl CausalSelfAttention {
        /// Weights from `N(0, 0.02²)`; those of the output, which adds to the
        /// residual stream, from `N(0, proj_std²)`.
        pub fn new(
            n_embd: usize,
            n_head: usize,
            proj_std: Float,
            rng: &mut impl Rng,
        ) -> Self {
            let qkv = Linear::new(n_embd, 3 * n_embd, 0.02, rng);
            let proj = Linear::new(n_embd, n_embd, proj_std, rng);
            Self { n_head, qkv, proj }
        }
    }

    impl CausalSelfAttention {
        /// In each window and head, `y = softmax(q·kᵀ/√D)·v`; the heads side by
        /// side, `[N, C]`, then pass through `proj`.
        pub fn forward(&self, x: Matrix, t: usize) -> (Matrix, AttentionCache) {
            let (n, c) = x.dim();
            assert_eq!(n % t, 0, "attention: {n} rows are no windows of {t}");
            assert_eq!(c % self.n_head, 0, "attention: heads must divide {c}");
            let (qkv, qkv_in) = self.qkv.forward(x); // [N, 3C]
            let mut att = Matrix::zeros((n * self.n_head, t)); // [B·H·T, T]
            let mut y = Matrix::zeros((n, c)); // [N, C]
            let d = c / self.n_head;
            for (i, mut att) in att.axis_chunks_iter_mut(Axis(0), t).enumerate() {
                // Head i mod H of window i div H, and where it lies
                let (row, column) = (i / self.n_head * t, i % self.n_head * d);
                let at = |left| s![row..row + t, left..left + d];
                let parts = [0, c, 2 * c].map(|part| at(part + column));
                let [q, k, v] = parts.map(|part| qkv.slice(part)); // [T, D] each
                attend([&q, &k, &v], &mut att, &mut y.slice_mut(at(column)));
            }
            let (y, proj_in) = self.proj.forward(y);
            (y, AttentionCache { t, qkv_in, qkv, att, proj_in })
        }
    }

    impl CausalSelfAttention {
        /// Back through the output projection, then every head, then `qkv`.
        pub fn backward(
            &self,
            cache: &AttentionCache,
            dy: &Matrix,
            grad: &mut CausalSelfAttention,
        ) -> Matrix {
            let AttentionCache { t, qkv_in, qkv, att, proj_in } = cache;
            let dy = self.proj.backward(proj_in, dy, &mut grad.proj); // [N, C]
            let (n, c) = dy.dim();
            let mut dqkv = Matrix::zeros((n, 3 * c)); // [N, 3C]
            let d = c / self.n_head;
            for (i, att) in att.axis_chunks_iter(Axis(0), *t).enumerate() {
                let (row, column) = (i / self.n_head * t, i % self.n_head * d);
                let at = |left| s![row..row + t, left..left + d];
                let parts = [0, c, 2 * c].map(|part| at(part + column));
                let [q, k, v] = parts.map(|part| qkv.slice(part)); // [T, D] each
                let [dq, dk, dv] = parts;
                let (mut dq, mut dk, mut dv) = dqkv.multi_slice_mut((dq, dk, dv));
                let dy = dy.slice(at(column)); // [T, D]
                let dqkv = [&mut *dq, &mut *dk, &mut *dv];
                attend_backward([&q, &k, &v], &att, &dy, dqkv);
            }
            self.qkv.backward(qkv_in, &dqkv, &mut grad.qkv)
        }
    }

    /// How many queries are worked on together in [`attend`].
    const BLOCK: usize = 32;

    /// One head looking at one window: `A = softmax(q·kᵀ/√D)`, `y = A·v`.
    pub fn attend(
        [q, k, v]: [&ArrayRef2<Float>; 3],
        att: &mut ArrayRef2<Float>,
        y: &mut ArrayRef2<Float>,
    ) {
        let scale = 1.0 / (q.ncols() as Float).sqrt();
        let old = k.nrows() - q.nrows();
        for start in (0..q.nrows()).step_by(BLOCK) {
            let end = q.nrows().min(start + BLOCK);
            let (queries, keys) = (s![start..end, ..], s![..old + end, ..]);
            let mut att = att.slice_mut(s![start..end, ..old + end]);
            let (q, k, v) = (q.slice(queries), k.slice(keys), v.slice(keys));
            general_mat_mul(scale, &q, &k.t(), 0.0, &mut att);
            for (i, mut scores) in att.outer_iter_mut().enumerate() {
                let scores = flat_mut(&mut scores);
                let (past, future) = scores.split_at_mut(old + start + i + 1);
                softmax(past);
                future.fill(0.0);
            }
            general_mat_mul(1.0, &att, &v, 0.0, &mut y.slice_mut(queries));
        }
    }

    /// `dV = Aᵀ·dY` and `dA = dY·Vᵀ`; through the softmax, row by row,
    /// `dS = A∘(dA − ⟨A, dA⟩)`; then `dQ = dS·K/√D` and `dK = dSᵀ·Q/√D`.
    fn attend_backward(
        [q, k, v]: [&ArrayRef2<Float>; 3],
        att: &ArrayRef2<Float>,
        dy: &ArrayRef2<Float>,
        [dq, dk, dv]: [&mut ArrayRef2<Float>; 3],
    ) {
        let scale = 1.0 / (q.ncols() as Float).sqrt();
        for start in (0..q.nrows()).step_by(BLOCK) {
            let end = q.nrows().min(start + BLOCK);
            let (queries, keys) = (s![start..end, ..], s![..end, ..]);
            let att = att.slice(s![start..end, ..end]);
            let (q, k, v) = (q.slice(queries), k.slice(keys), v.slice(keys));
            let dy = dy.slice(queries);
            general_mat_mul(1.0, &att.t(), &dy, 1.0, &mut dv.slice_mut(keys));
            let mut ds = product(&dy, &v.t()); // dA, [end − start, end]
            for (att, ds) in att.outer_iter().zip(rows_mut(&mut ds)) {
                let att = flat(&att);
                let mean = dot(att, ds); // the mean of dA under the weights A
                for (att, ds) in att.iter().zip(ds) {
                    *ds = att * (*ds - mean);
                }
            }
            general_mat_mul(scale, &ds, &k, 0.0, &mut dq.slice_mut(queries));
            general_mat_mul(scale, &ds.t(), &q, 1.0, &mut dk.slice_mut(keys));
        }
    }

    /// `1/(1 + e⁻²ᵘ)` with `u = √(2/π)·(x + 0.044715·x³)`: the share of `x` that
    /// GELU lets through. It equals `(1 + tanh u) / 2`, as most write it.
    #[inline]
    fn gate(x: Float) -> Float {
        1.0 / (1.0 + exp(-TWO_ROOT_TWO_OVER_PI * (x + CUBIC * x * x * x)))
    }

    /// `2√(2/π)`.
    const TWO_ROOT_TWO_OVER_PI: Float = (FRAC_2_SQRT_PI * SQRT_2) as Float;
    /// The weight of the cubic term.
    const CUBIC: Float = 0.044715;

    /// GELU in its tanh form, and its slope.
    pub fn gelu(x: Matrix) -> (Matrix, Matrix) {
        let mut slope = x; // the memory of x
        let y = slope.map_mut(|slope| {
            let x = *slope;
            let g = gate(x);
            let inner = TWO_ROOT_TWO_OVER_PI * (1.0 + 3.0 * CUBIC * x * x); // 2u′
            *slope = g + x * g * (1.0 - g) * inner;
            x * g
        });
        (y, slope)
    }

    /// The feed-forward network: widen four times, bend, narrow again.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Mlp {
        /// `[C, 4C]`.
        pub up: Linear,
        /// `[4C, C]`.
        pub down: Linear,
    }

    /// What [`Mlp::backward`] needs.
    #[derive(Clone, Debug)]
    pub struct MlpCache {
        up_in: LinearCache,
        slope: Matrix, // of GELU, [N, 4C]
        down_in: LinearCache,
    }

    impl Mlp {
        /// Weights from `N(0, 0.02²)`; those of `down`, which adds to the residual
        /// stream, from `N(0, proj_std²)`.
        pub fn new(n_embd: usize, proj_std: Float, rng: &mut impl Rng) -> Self {
            let up = Linear::new(n_embd, 4 * n_embd, 0.02, rng);
            let down = Linear::new(4 * n_embd, n_embd, proj_std, rng);
            Self { up, down }
        }
    }

    impl Mlp {
        /// `y = down(gelu(up(x)))`.
        pub fn forward(&self, x: Matrix) -> (Matrix, MlpCache) {
            let (h, up_in) = self.up.forward(x); // [N, 4C]
            let (h, slope) = gelu(h);
            let (y, down_in) = self.down.forward(h); // [N, C]
            (y, MlpCache { up_in, slope, down_in })
        }
    }

    impl Mlp {
        /// The same three steps, from the last to the first.
        pub fn backward(
            &self,
            cache: &MlpCache,
            dy: &Matrix,
            grad: &mut Mlp,
        ) -> Matrix {
            let dh = self.down.backward(&cache.down_in, dy, &mut grad.down);
            let dh = dh * &cache.slope; // [N, 4C]
            self.up.backward(&cache.up_in, &dh, &mut grad.up)
        }
    }

    /// One block: `x + attention(norm_1(x))`, then `x + mlp(norm_2(x))`.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Block {
        /// Before attention.
        pub norm_1: LayerNorm,
        /// Where positions exchange information.
        pub attention: CausalSelfAttention,
        /// Before the feed-forward network.
        pub norm_2: LayerNorm,
        /// Where each position thinks for itself.
        pub mlp: Mlp,
    }

    /// What [`Block::backward`] needs: the caches of its four parts.
    #[derive(Clone, Debug)]
    pub struct BlockCache {
        norm_1: LayerNormCache,
        attention: AttentionCache,
        norm_2: LayerNormCache,
        mlp: MlpCache,
    }

    impl Block {
        /// A fresh block for a model of `n_layer` of them.
        pub fn new(
            n_embd: usize,
            n_head: usize,
            n_layer: usize,
            rng: &mut impl Rng,
        ) -> Self {
            let proj_std = 0.02 / (2.0 * n_layer as Float).sqrt();
            Self {
                norm_1: LayerNorm::new(n_embd),
                attention: CausalSelfAttention::new(n_embd, n_head, proj_std, rng),
                norm_2: LayerNorm::new(n_embd),
                mlp: Mlp::new(n_embd, proj_std, rng),
            }
        }
    }

    impl Block {
        /// `x ← x + attention(norm_1(x))`, then `x ← x + mlp(norm_2(x))`.
        pub fn forward(&self, x: Matrix, t: usize) -> (Matrix, BlockCache) {
            let (h, norm_1) = self.norm_1.forward(&x);
            let (h, attention) = self.attention.forward(h, t);
            let x = x + &h;
            let (h, norm_2) = self.norm_2.forward(&x);
            let (h, mlp) = self.mlp.forward(h);
            let x = x + &h;
            (x, BlockCache { norm_1, attention, norm_2, mlp })
        }
    }

    impl Block {
        /// [`forward`](Block::forward), read from the bottom: a gradient that
        /// reaches a sum goes into both of its terms.
        pub fn backward(
            &self,
            cache: &BlockCache,
            dx: Matrix,
            grad: &mut Block,
        ) -> Matrix {
            let BlockCache { norm_1, attention, norm_2, mlp } = cache;
            let dh = self.mlp.backward(mlp, &dx, &mut grad.mlp);
            let dx = dx + &self.norm_2.backward(norm_2, dh, &mut grad.norm_2);
            let dh = self.attention.backward(attention, &dx, &mut grad.attention);
            dx + &self.norm_1.backward(norm_1, dh, &mut grad.norm_1)
        }
    }
}

#[rustfmt::skip]
pub mod gpt {
    //! # The GPT
    //!
    //! Embeddings, a stack of blocks, a last LayerNorm, and the token table once
    //! more to turn vectors into scores. And the loss, its gradient, and one list
    //! of named tensors that everything else walks.

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

    impl std::error::Error for ConfigError {}

    impl GptConfig {
        /// Checks that the five numbers describe a model.
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

    /// What [`Gpt::backward`] needs.
    #[derive(Clone, Debug)]
    pub struct GptCache {
        embeddings: EmbeddingsCache,
        blocks: Vec<BlockCache>,
        norm: LayerNormCache,
        x: Matrix, // [N, C], what the head sees
    }

    impl Gpt {
        /// A new model, with weights drawn from `rng`.
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

    impl Gpt {
        /// Scores every token of the vocabulary as the successor of every position.
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

    impl Gpt {
        /// From the slope of the loss along every logit to its slope along every
        /// parameter, which is added to `grad`.
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

    /// The loss, and its slope along every logit: with `p = softmax(z)`,
    /// `ℓ = scale·Σₙ −ln p[n, targetₙ]` and `dz = scale·(p − y)`, where row `n` of
    /// `y` is one at `targetₙ` and zero elsewhere.
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

    impl Gpt {
        /// The mean loss over a batch of windows, in nats per token.
        pub fn loss(&self, inputs: &[u16], targets: &[u16], t: usize) -> Float {
            let (logits, _) = self.forward(inputs, t);
            cross_entropy(logits, targets, 1.0 / inputs.len() as Float).0
        }
    }

    impl Gpt {
        /// The mean loss over a batch, and its gradient.
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

    impl Gpt {
        /// Returns `scale` times the *sum* of the losses of a batch, and adds the
        /// gradient of that to `grad`: a large batch can come in parts.
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

    /// A tensor's name: the path of its field.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct TensorName {
        /// The block, for a tensor that belongs to one.
        pub block: Option<usize>,
        /// The field, in the block or in the model.
        pub field: &'static str,
    }

    impl fmt::Display for TensorName {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.block {
                Some(block) => write!(f, "blocks.{block}.{}", self.field),
                None => write!(f, "{}", self.field),
            }
        }
    }

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

    impl Gpt {
        /// A model of zeros: an empty gradient, or one to be filled.
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

    fn tensor<'a, D: Dimension>(
        block: Option<usize>,
        field: &'static str,
        array: &'a ArrayRef<Float, D>,
    ) -> Tensor<&'a [Float]> {
        let shape = array.raw_dim().into_dyn();
        Tensor { name: TensorName { block, field }, shape, data: flat(array) }
    }

    fn tensor_mut<'a, D: Dimension>(
        block: Option<usize>,
        field: &'static str,
        array: &'a mut ArrayRef<Float, D>,
    ) -> Tensor<&'a mut [Float]> {
        let shape = array.raw_dim().into_dyn();
        Tensor { name: TensorName { block, field }, shape, data: flat_mut(array) }
    }
}

#[rustfmt::skip]
pub mod training {
    //! # Training
    //!
    //! Batches of random windows, the gradient of a batch on several threads,
    //! clipping, AdamW, a learning rate that rises and falls, the mean of the
    //! weights along the way, and a loop that reports how it goes.

    use std::f64::consts::PI;
    use std::fmt;
    use std::ops::ControlFlow;

    use ndarray::Dimension;
    use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
    use rayon::prelude::*;

    use super::gpt::{Gpt, Tensor, TensorName};
    use super::orientation::dot;
    use super::{Float, Matrix};

    /// Cuts a sequence in two: the first nine tenths to train on, the rest to
    /// validate with. Nothing is shuffled, so no window straddles the cut.
    pub fn split<T>(data: &[T]) -> (&[T], &[T]) {
        data.split_at(data.len() - data.len().div_ceil(10))
    }

    /// Windows of text, and for each position the token that follows it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Batch {
        /// `[B·T]`: `B` windows one behind the other.
        pub inputs: Vec<u16>,
        /// `[B·T]`: the same windows, one position later in the text.
        pub targets: Vec<u16>,
        /// Positions in each window, `T`.
        pub t: usize,
    }

    impl Batch {
        /// Cuts `batch_size` windows of `t` positions out of `data`, each starting
        /// anywhere with equal probability. Windows may overlap.
        pub fn random(
            data: &[u16],
            batch_size: usize,
            t: usize,
            rng: &mut impl Rng,
        ) -> Result<Self, TrainError> {
            let Some(starts) = data.len().checked_sub(t).filter(|&n| n > 0) else {
                let (tokens, needed) = (data.len(), t.saturating_add(1));
                return Err(TrainError::TooShort { tokens, needed });
            };
            let mut inputs = Vec::with_capacity(batch_size * t);
            let mut targets = Vec::with_capacity(batch_size * t);
            for _ in 0..batch_size {
                let start = rng.random_range(0..starts as u64) as usize;
                inputs.extend_from_slice(&data[start..start + t]);
                targets.extend_from_slice(&data[start + 1..start + t + 1]);
            }
            Ok(Self { inputs, targets, t })
        }
    }

    /// Into how many shards a batch is cut, at most.
    pub const SHARDS: usize = 4;

    /// About how many positions of a shard go through the model together.
    pub const PIECE: usize = 512; // positions

    /// The mean loss over a batch; its gradient is left in `grads[0]`.
    pub fn sharded_loss_and_grad(
        model: &Gpt,
        batch: &Batch,
        grads: &mut Vec<Gpt>,
    ) -> Float {
        let Batch { inputs, targets, t } = batch;
        assert_eq!(inputs.len(), targets.len(), "one target for each input");
        let shard = (inputs.len() / t).div_ceil(SHARDS).max(1) * t;
        let piece = (PIECE / t).max(1) * t; // whole windows, like a shard
        let shards = inputs.len().div_ceil(shard).max(1);
        grads.resize_with(shards, || model.zeros_like());
        let scale = 1.0 / inputs.len() as Float;
        let losses: Vec<Float> = inputs
            .par_chunks(shard)
            .zip(targets.par_chunks(shard))
            .zip(grads.par_iter_mut())
            .map(|((inputs, targets), grad)| {
                grad.fill_with_zeros();
                let pieces = inputs.chunks(piece).zip(targets.chunks(piece));
                pieces.map(|(x, y)| model.accumulate(x, y, *t, scale, grad)).sum()
            })
            .collect();
        if let Some((first, others)) = grads.split_first_mut() {
            add_in_order(first, others);
        }
        losses.iter().sum()
    }

    /// `first += others[0] + others[1] + …`, each tensor by one thread.
    fn add_in_order(first: &mut Gpt, others: &[Gpt]) {
        let others: Vec<_> = others.iter().map(|other| other.tensors()).collect();
        let sums = first.tensors_mut().into_par_iter().enumerate();
        sums.for_each(|(i, sum)| {
            for other in &others {
                for (sum, term) in sum.data.iter_mut().zip(other[i].data) {
                    *sum += term;
                }
            }
        });
    }

    /// Shortens a gradient that is longer than `max_norm` to that length, and
    /// returns the length it had: the root of the sum of squares over *all*
    /// parameters, so that its direction stays.
    pub fn clip(grad: &mut Gpt, max_norm: Float) -> Float {
        let squares: Vec<Float> = grad
            .tensors()
            .into_par_iter()
            .map(|tensor| tensor.data.chunks(1024).map(|x| dot(x, x)).sum())
            .collect();
        let norm = squares.iter().sum::<Float>().sqrt();
        if norm > max_norm {
            let scale = max_norm / norm;
            grad.tensors_mut().into_par_iter().for_each(|tensor| {
                tensor.data.iter_mut().for_each(|x| *x *= scale);
            });
        }
        norm
    }

    /// AdamW: steps of a size that hardly depends on the gradient's, and a decay
    /// of the weights beside it.
    #[derive(Clone, Debug, PartialEq)]
    pub struct AdamW {
        /// How long the mean gradient remembers, `β₁`.
        pub beta1: Float,
        /// How long the mean square remembers, `β₂`.
        pub beta2: Float,
        /// Keeps a parameter without gradient from a division by zero.
        pub epsilon: Float,
        /// `λ`: the share of a weight that is lost per unit of learning rate.
        pub weight_decay: Float,
        /// The running mean of the gradient, `m`.
        pub mean: Gpt,
        /// The running mean of its square, `v`.
        pub square: Gpt,
        /// Steps taken.
        pub steps: i32,
    }

    impl AdamW {
        /// `β₁ = 0.9`, `β₂ = 0.99`, `ε = 1e-8`, decay 0.1, and no memory yet.
        pub fn new(model: &Gpt) -> Self {
            Self {
                beta1: 0.9,
                beta2: 0.99,
                epsilon: 1e-8,
                weight_decay: 0.1,
                mean: model.zeros_like(),
                square: model.zeros_like(),
                steps: 0,
            }
        }
    }

    impl AdamW {
        /// Whether a tensor decays: matrices do, and both embedding tables are
        /// matrices; biases and gains, of one dimension, do not.
        pub fn decays<Data>(tensor: &Tensor<Data>) -> bool {
            tensor.shape.ndim() == 2
        }
    }

    impl AdamW {
        /// One step: with `g` the gradient, `t` the number of this step and
        /// `λ = 0` for what does not decay,
        pub fn step(&mut self, model: &mut Gpt, grad: &Gpt, lr: Float) {
            self.steps += 1;
            let &mut Self { beta1, beta2, epsilon, weight_decay, steps, .. } = self;
            let mean_scale = 1.0 / (1.0 - beta1.powi(steps));
            let square_scale = 1.0 / (1.0 - beta2.powi(steps));
            let moments = (self.mean.tensors_mut(), self.square.tensors_mut());
            let tensors =
                (model.tensors_mut(), grad.tensors(), moments.0, moments.1);
            tensors.into_par_iter().for_each(|(weight, grad, mean, square)| {
                assert_eq!(weight.shape, grad.shape, "{}", weight.name);
                assert_eq!(weight.shape, mean.shape, "{}", weight.name);
                let decays = Self::decays(&weight);
                let keep = if decays { 1.0 - lr * weight_decay } else { 1.0 };
                let moments = mean.data.iter_mut().zip(square.data);
                let weights = weight.data.iter_mut().zip(grad.data);
                for ((w, &g), (m, v)) in weights.zip(moments) {
                    *m = beta1 * *m + (1.0 - beta1) * g;
                    *v = beta2 * *v + (1.0 - beta2) * g * g;
                    let scale = (*v * square_scale).sqrt() + epsilon;
                    *w = keep * *w - lr * (*m * mean_scale) / scale;
                }
            });
        }
    }

    /// The learning rate as a function of the step: a straight rise, then half a
    /// period of a cosine down to `min_lr`, where it stays.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct LrSchedule {
        /// The rate at the top, per step.
        pub max_lr: Float,
        /// The rate at the end.
        pub min_lr: Float,
        /// Steps of the rise.
        pub warmup: usize,
        /// The step at which the end is reached.
        pub steps: usize,
    }

    impl LrSchedule {
        /// The rate of step `step`, which counts from zero.
        pub fn at(&self, step: usize) -> Float {
            if step < self.warmup {
                let share = (step + 1) as Float / (self.warmup + 1) as Float;
                return self.max_lr * share;
            }
            if step >= self.steps {
                return self.min_lr;
            }
            let way =
                (step - self.warmup) as f64 / (self.steps - self.warmup) as f64;
            let share = (0.5 * (1.0 + (PI * way).cos())) as Float;
            self.min_lr + share * (self.max_lr - self.min_lr)
        }
    }

    /// The mean of the models along the last part of a run, whichever step it has
    /// come to.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Average {
        /// The mean; until the first update, the model that it was given.
        pub model: Gpt,
        /// Over which part of the steps so far, `p`: from 0 for the last model
        /// alone to 1 for all of them alike.
        pub part: Float,
        /// Models taken in, `n`.
        pub steps: usize,
    }

    impl Average {
        /// A mean of no model yet, in the shape of `model`.
        pub fn new(model: Gpt, part: Float) -> Result<Self, TrainError> {
            if !(0.0..=1.0).contains(&part) {
                let (name, problem) = ("average", "must be from 0 to 1");
                return Err(TrainError::Setting { name, problem });
            }
            Ok(Self { model, part, steps: 0 })
        }

        /// Takes in the next model `w`: `a ← a + s·(w − a)` with the share
        /// `s = (2 − p) / (p·n + 2 − 2p)`.
        pub fn update(&mut self, model: &Gpt) {
            self.steps += 1;
            let (p, n) = (self.part, self.steps as Float);
            let share = (2.0 - p) / (p * n + 2.0 - 2.0 * p);
            let tensors = (self.model.tensors_mut(), model.tensors());
            tensors.into_par_iter().for_each(|(mean, weight)| {
                assert_eq!(mean.shape, weight.shape, "{}", mean.name);
                for (a, w) in mean.data.iter_mut().zip(weight.data) {
                    *a += share * (w - *a);
                }
            });
        }
    }

    /// The mean loss over the whole of `data`, in nats per token.
    pub fn evaluate(model: &Gpt, data: &[u16]) -> Result<f64, TrainError> {
        let Some(last) = data.len().checked_sub(1).filter(|&last| last > 0) else {
            let tokens = data.len();
            return Err(TrainError::TooShort { tokens, needed: 2 });
        };
        let t = model.embeddings.position.nrows();
        let (inputs, targets) = (&data[..last], &data[1..]);
        let losses: Vec<f64> = inputs
            .par_chunks(t)
            .zip(targets.par_chunks(t))
            .map(|(inputs, targets)| {
                let mean = model.loss(inputs, targets, inputs.len());
                f64::from(mean) * inputs.len() as f64
            })
            .collect();
        Ok(losses.iter().sum::<f64>() / last as f64)
    }

    /// How to train.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct TrainConfig {
        /// Windows in a batch, `B`.
        pub batch_size: usize,
        /// Learning rate and number of steps.
        pub schedule: LrSchedule,
        /// Longest gradient that is not shortened.
        pub max_norm: Float,
        /// Steps from one evaluation to the next.
        pub eval_interval: usize,
        /// From which the random numbers of the batches follow.
        pub seed: u64,
    }

    /// For the first steps of a run: shorter windows, and as many more of them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ShortWindows {
        /// Positions in each, from 1 to the model's `block_size`.
        pub t: usize,
        /// Steps that are taken with them.
        pub steps: usize,
    }

    /// A run in progress: everything that the next step depends on, and what it
    /// has to show.
    #[derive(Debug)]
    pub struct Trainer {
        /// The model as it is now.
        pub model: Gpt,
        /// The optimizer with its moments.
        pub optimizer: AdamW,
        /// How to train.
        pub config: TrainConfig,
        /// Steps taken.
        pub step: usize,
        /// The random stream that batches are drawn from.
        pub rng: ChaCha8Rng,
        /// Sum and number of the batches' losses since the last evaluation.
        pub losses: (f64, usize),
        /// The lowest validation loss so far, in nats per token.
        pub best: Option<f64>,
        /// The mean of the models so far, if the caller has asked for one; `None`
        /// at first.
        pub average: Option<Average>,
        /// Shorter windows to begin with, if the caller has asked for them; `None`
        /// at first.
        pub short: Option<ShortWindows>,
        /// What finds the loss and gradient of a batch:
        /// [`sharded_loss_and_grad`], unless many machines share the work.
        pub gradient: fn(&Gpt, &Batch, &mut Vec<Gpt>) -> Float,
        grads: Vec<Gpt>, // one for each shard, kept for its memory
    }

    /// What one step did.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct StepReport {
        /// The number of the step, from zero.
        pub step: usize,
        /// The batch's mean loss before the step, in nats per token.
        pub loss: Float,
        /// The gradient's length before clipping.
        pub grad_norm: Float,
        /// The learning rate.
        pub lr: Float,
    }

    /// What one evaluation found.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Evaluation {
        /// Steps taken so far.
        pub step: usize,
        /// The mean of the batches' losses since the last evaluation, in nats per
        /// token; `None` before the first step.
        pub train_loss: Option<f64>,
        /// The loss of the run's [`result`](Trainer::result) over the whole
        /// validation split, in nats per token.
        pub validation_loss: f64,
    }

    /// What an observer of [`Trainer::run`] is told.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Event {
        /// A step has been taken.
        Step(StepReport),
        /// The validation split has been scored.
        Evaluation(Evaluation),
    }

    impl TrainConfig {
        /// The most steps, of a run, of its warm-up or between two evaluations, and
        /// the most windows in a batch: sums of two of them fit where counts do.
        pub const MOST: usize = (1 << 30) - 1;

        /// Refuses settings that cannot work.
        pub fn validate(&self) -> Result<(), TrainError> {
            let LrSchedule { max_lr, min_lr, warmup, steps } = self.schedule;
            let few = |name, n: usize| (name, "must be at least 1", n == 0);
            let many =
                |name, n: usize| (name, "must be below 2^30", n > Self::MOST);
            let rate = |lr: Float| {
                let wrong = !lr.is_finite() || lr < 0.0;
                ("lr", "must be a number, not negative", wrong)
            };
            let no_norm = self.max_norm.is_nan() || self.max_norm <= 0.0;
            let checks = [
                few("batch_size", self.batch_size),
                many("batch_size", self.batch_size),
                few("eval_interval", self.eval_interval),
                many("eval_interval", self.eval_interval),
                many("warmup", warmup),
                many("steps", steps),
                rate(max_lr),
                rate(min_lr),
                ("max_norm", "must be above 0", no_norm),
            ];
            match checks.into_iter().find(|(_, _, wrong)| *wrong) {
                Some((name, problem, _)) => {
                    Err(TrainError::Setting { name, problem })
                }
                None => Ok(()),
            }
        }
    }

    impl Trainer {
        /// Prepares a run.
        pub fn new(model: Gpt, config: TrainConfig) -> Result<Self, TrainError> {
            config.validate()?;
            let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
            rng.set_stream(1); // stream 0 is for the weights
            Ok(Self {
                optimizer: AdamW::new(&model),
                model,
                config,
                step: 0,
                rng,
                losses: (0.0, 0),
                best: None,
                average: None,
                short: None,
                gradient: sharded_loss_and_grad,
                grads: Vec::new(),
            })
        }
    }

    impl Trainer {
        /// Draws the windows of the next step from `data`.
        fn next_batch(&mut self, data: &[u16]) -> Result<Batch, TrainError> {
            let context = self.model.embeddings.position.nrows();
            let short = self.short.filter(|short| self.step < short.steps);
            let t = short.map_or(context, |short| short.t);
            if t == 0 || t > context {
                let (name, problem) = ("short.t", "must be from 1 to block_size");
                return Err(TrainError::Setting { name, problem });
            }
            let windows = self.config.batch_size * context / t;
            Batch::random(data, windows, t, &mut self.rng)
        }
    }

    /// Fills the rows from `t` on, which no window of `t` positions has reached,
    /// with copies of those before: `row[p] = row[p mod t]`.
    fn repeat_positions(table: &mut Matrix, t: usize) {
        for p in t..table.nrows() {
            let earlier = table.row(p - t).to_owned();
            table.row_mut(p).assign(&earlier);
        }
    }

    impl Trainer {
        /// Draws a batch from `data` and takes one step.
        pub fn take_step(
            &mut self,
            data: &[u16],
        ) -> Result<StepReport, TrainError> {
            let TrainConfig { schedule, max_norm, .. } = self.config;
            let batch = self.next_batch(data)?;
            let (model, grads) = (&mut self.model, &mut self.grads);
            let loss = (self.gradient)(model, &batch, grads);
            let grad = &mut grads[0];
            let grad_norm = clip(grad, max_norm);
            if !loss.is_finite() || !grad_norm.is_finite() {
                let tensor = first_non_finite(model).or(first_non_finite(grad));
                return Err(TrainError::NonFinite { step: self.step, tensor });
            }
            let lr = schedule.at(self.step);
            self.optimizer.step(model, grad, lr);
            self.step += 1;
            if let Some(short) = self.short.filter(|it| it.steps == self.step) {
                repeat_positions(&mut model.embeddings.position, short.t);
            }
            if let Some(average) = &mut self.average {
                average.update(model);
            }
            Ok(StepReport { step: self.step - 1, loss, grad_norm, lr })
        }
    }

    impl Trainer {
        /// What the run has to show: the mean of its models if it keeps one, and
        /// the model as it is now if not.
        pub fn result(&self) -> &Gpt {
            self.average.as_ref().map_or(&self.model, |average| &average.model)
        }
    }

    impl Trainer {
        /// Trains to the end of the schedule, and evaluates its result before the
        /// first step, every `eval_interval` steps and after the last.
        pub fn run(
            &mut self,
            train: &[u16],
            validation: &[u16],
            mut observe: impl FnMut(&Trainer, Event) -> ControlFlow<()>,
        ) -> Result<(), TrainError> {
            loop {
                let finished = self.step >= self.config.schedule.steps;
                if finished || self.step.is_multiple_of(self.config.eval_interval) {
                    let validation_loss = evaluate(self.result(), validation)?;
                    let (sum, count) = std::mem::take(&mut self.losses);
                    let train_loss = (count > 0).then(|| sum / count as f64);
                    let best = self.best.unwrap_or(validation_loss);
                    self.best = Some(best.min(validation_loss));
                    let event = Event::Evaluation(Evaluation {
                        step: self.step,
                        train_loss,
                        validation_loss,
                    });
                    if observe(self, event).is_break() || finished {
                        return Ok(());
                    }
                }
                let report = self.take_step(train)?;
                let (sum, count) = self.losses;
                self.losses = (sum + f64::from(report.loss), count + 1);
                if observe(self, Event::Step(report)).is_break() {
                    return Ok(());
                }
            }
        }
    }

    /// The first tensor that holds something that is not a finite number.
    fn first_non_finite(model: &Gpt) -> Option<TensorName> {
        let mut tensors = model.tensors().into_iter();
        let bad = tensors.find(|tensor| !tensor.data.iter().all(|x| x.is_finite()));
        bad.map(|tensor| tensor.name)
    }

    /// Why a run cannot start or go on.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum TrainError {
        /// There is less data than one window and its target.
        TooShort {
            /// Tokens there are.
            tokens: usize,
            /// Tokens there must be.
            needed: usize,
        },
        /// A setting cannot work.
        Setting {
            /// Which.
            name: &'static str,
            /// What it has to be.
            problem: &'static str,
        },
        /// The loss or its gradient is infinite or not a number.
        NonFinite {
            /// The step that was not taken, from zero.
            step: usize,
            /// The first tensor of the model, or else of the gradient, that is
            /// not finite; `None` if only the loss or the gradient's length is
            /// not.
            tensor: Option<TensorName>,
        },
    }

    impl fmt::Display for TrainError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::TooShort { tokens, needed } => write!(
                    f,
                    "the data has {tokens} tokens, but one window and what follows \
                     it take {needed}; give more text or a smaller block_size"
                ),
                Self::Setting { name, problem } => write!(f, "{name} {problem}"),
                Self::NonFinite { step, tensor } => {
                    write!(
                        f,
                        "step {step}: the loss or the gradient is not finite"
                    )?;
                    if let Some(tensor) = tensor {
                        write!(f, "; first in {tensor}")?;
                    }
                    write!(f, "; train with a smaller learning rate")
                }
            }
        }
    }

    impl std::error::Error for TrainError {}
}

#[rustfmt::skip]
pub mod generation {
    //! # Generation
    //!
    //! The model scores every token; a sampler picks one; it is appended, and the
    //! next one is scored. A cache of keys and values spares the model from reading
    //! the whole text anew for every character.

    use std::fmt;

    use ndarray::s;
    use rand::{Rng, RngExt};

    use super::gpt::Gpt;
    use super::orientation::{flat, product, softmax};
    use super::transformer_block::{CausalSelfAttention, attend};
    use super::{Float, Matrix};

    /// How to pick a token from scores: which may be picked, and how boldly.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Sampler {
        temperature: Float,
        top_k: Option<usize>,
    }

    impl Sampler {
        /// A sampler that divides scores by `temperature` and keeps the `top_k`
        /// highest, or all of them.
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

    impl Sampler {
        /// The candidates and their probabilities, the most likely first.
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

    impl Sampler {
        /// Draws an id with those probabilities.
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

    /// The keys and values of every position read so far.
    #[derive(Clone, Debug)]
    pub struct KvCache {
        keys: Vec<Matrix>,   // for each block, [block_size, C]
        values: Vec<Matrix>, // for each block, [block_size, C]
        len: usize,          // positions filled
    }

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
        pub fn clear(&mut self) {
            self.len = 0;
        }
    }

    impl KvCache {
        /// Reads `ids` after what has been read before, and returns the scores of
        /// what follows the last of them, `[V]`.
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

    /// Text that goes on for ever: an iterator of ids, each drawn by the sampler
    /// from what the model says after everything before it.
    #[derive(Debug)]
    pub struct Generator<'a, R> {
        model: &'a Gpt,
        sampler: Sampler,
        rng: R,
        cache: KvCache,
        window: Vec<u16>, // what the next token is chosen in view of
    }

    impl<'a, R: Rng> Generator<'a, R> {
        /// Starts after `prompt`, of which the last `block_size` ids are read.
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

    impl std::error::Error for GenerationError {}
}

use std::error::Error;
use std::ops::ControlFlow;

use crate::generation::{Generator, Sampler};
use crate::gpt::{Gpt, GptConfig};
use crate::tokenization::CharTokenizer;
use crate::training::{Event, LrSchedule, TrainConfig, Trainer, split};
use rand::{SeedableRng, rngs::ChaCha8Rng};

const SEED: u64 = 1337;

fn main() -> Result<(), Box<dyn Error>> {
    // Text to ids
    let text = include_str!("data/sonnets.txt");
    let tokenizer = CharTokenizer::new(text)?;
    let ids = tokenizer.encode(text)?;
    let (train, validation) = split(&ids);

    // A model that knows nothing
    let config = GptConfig {
        n_layer: 2,
        n_head: 2,
        n_embd: 64,
        block_size: 32,
        vocab_size: tokenizer.vocab_size(),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let model = Gpt::new(config, &mut rng)?;
    println!("{} parameters\n", model.num_params());

    // Training
    let schedule =
        LrSchedule { max_lr: 4e-3, min_lr: 4e-4, warmup: 40, steps: 400 };
    let config = TrainConfig {
        batch_size: 16,
        schedule,
        max_norm: 1.0,
        eval_interval: 100,
        seed: SEED,
    };
    let mut trainer = Trainer::new(model, config)?;
    trainer.optimizer.weight_decay = 0.1;
    trainer.run(train, validation, |_, event| {
        if let Event::Evaluation(now) = event {
            let train = now.train_loss.map(|loss| format!("{loss:.4}"));
            let train = train.unwrap_or("     -".to_owned());
            let validation = now.validation_loss;
            let step = now.step;
            println!(
                "step {step:>5}  train {train}  validation {validation:.4}"
            );
        }
        ControlFlow::Continue(())
    })?;

    // Ids to text
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(2); // stream 0 drew the weights, stream 1 the batches
    let prompt = tokenizer.encode("\n")?;
    let sampler = Sampler::new(0.8, None)?;
    let written = Generator::new(&trainer.model, &prompt, sampler, rng)?;
    let written: Vec<u16> = written.take(200).collect();
    println!("\n{}", tokenizer.decode(&written)?);
    Ok(())
}
