//! MicroGPT in one file, as the original is: the seven modules of the chapters,
//! each comment cut to its first paragraph, and the program `pipeline`.
//!
//! A test writes this file; change `src` and `pipeline.rs` instead. To take it
//! along, bring the text that it learns, `sonnets.txt`, and the crates
//! `gemm-common`, `gemm-f32`, `ndarray`, `rand`, `rand_distr` and `rayon`.

// The program does not use all that the chapters have made.
#![allow(dead_code)]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use gemm_common::Parallelism;
use gemm_common::cache::{CACHE_INFO, CacheInfo};
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
    const FAR: usize = 1 << 20; // numbers; fewer are read before a thread wakes
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
    if *GEMM_WOULD_FAIL {
        return ndarray::linalg::general_mat_mul(alpha, a, b, beta, c);
    }
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

/// Whether `gemm` would fail over the caches of this machine.
static GEMM_WOULD_FAIL: LazyLock<bool> = LazyLock::new(|| {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    let (wide, narrow) =
        (is_x86_feature_detected!("avx512f"), is_x86_feature_detected!("fma"));
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    let (wide, narrow) = (false, cfg!(target_arch = "aarch64"));
    // The rows of its kernels
    let rows = match (wide, narrow) {
        (true, _) => 64,
        (false, true) => 16,
        (false, false) => 2,
    };
    let readable = caches_can_be_read(Path::new("/sys/devices/system/cpu"));
    // In this order: reading them is what it could fail in
    !(readable && blocks_fit(*CACHE_INFO, rows))
});

/// Whether `gemm` can read what Linux says of the caches. It has room for three
/// levels, and divides by the number of cores in a list that must be there.
pub(crate) fn caches_can_be_read(cpus: &Path) -> bool {
    let listed = |folder| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut caches = listed(cpus.to_path_buf())
        .flat_map(|cpu| listed(cpu.path().join("cache")))
        .filter(|file| {
            file.file_name().as_encoded_bytes().starts_with(b"index")
        });
    caches.all(|cache| {
        let said = |name| fs::read_to_string(cache.path().join(name));
        said("level").is_ok_and(|n| matches!(n.trim(), "1" | "2" | "3"))
            && said("shared_cpu_list").is_ok()
    })
}

/// Whether `gemm` finds blocks that fit these caches, where it makes `rows` rows
/// of a product at a time.
pub(crate) fn blocks_fit(caches: [CacheInfo; 3], rows: usize) -> bool {
    // Beyond these sizes it would run out of memory, or of digits
    let sound = |cache: CacheInfo| {
        cache.cache_bytes <= 1 << 31 && cache.associativity <= 1 << 16
    };
    let [l1, l2, l3] = caches;
    let (ways, line) = (l1.associativity.max(2), l1.cache_line_bytes.max(64));
    let way = l1.cache_bytes.max(1 << 15) / ways; // in bytes
    if !caches.into_iter().all(sound) || way < line || !line.is_power_of_two() {
        return false;
    }
    let longer = way * ways.next_power_of_two().max(4);
    let panel = longer.max(rows * 512 * size_of::<f32>());
    let least = if rows > 2 { 2 * panel } else { 4 * panel };
    l2.cache_bytes >= least
        && l2.associativity.max(2) % 2 == 0 // half of three ways is one
        && (l3.cache_bytes == 0 || l3.cache_bytes >= least)
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

    /// `c = scale·a·b`: what was in `c` is replaced.
    pub fn set_product(
        scale: Float,
        a: &ArrayRef2<Float>,
        b: &ArrayRef2<Float>,
        c: &mut ArrayRef2<Float>,
    ) {
        general_mat_mul(scale, a, b, 0.0, c);
    }

    /// `c += scale·a·b`; shapes and panics are those of [`set_product`].
    pub fn add_product(
        scale: Float,
        a: &ArrayRef2<Float>,
        b: &ArrayRef2<Float>,
        c: &mut ArrayRef2<Float>,
    ) {
        general_mat_mul(scale, a, b, 1.0, c);
    }

    /// `a·b`, the product of two matrices.
    pub fn product(a: &ArrayRef2<Float>, b: &ArrayRef2<Float>) -> Matrix {
        let mut c = Matrix::zeros((a.nrows(), b.ncols()));
        set_product(1.0, a, b, &mut c);
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

    /// What a character is that cannot be seen, or not told from another, and what
    /// to do about it; `None` for all others.
    pub fn unseen(c: char) -> Option<&'static str> {
        let what = match u32::from(c) {
            0x300..=0x36f
            | 0x1ab0..=0x1aff
            | 0x1dc0..=0x1dff
            | 0x20d0..=0x20ff
            | 0xfe20..=0xfe2f
            | 0x3099
            | 0x309a => {
                "a combining mark: the text may be in decomposed form; convert it \
                 to NFC"
            }
            0xfeff => "a byte-order mark; remove it",
            0x200b..=0x200d | 0x2060..=0x2064 | 0x180e => {
                "a zero-width character; remove it"
            }
            0xad => "a soft hyphen; remove it",
            0x61c | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069 => {
                "a mark of the direction of writing; remove it"
            }
            0xfe00..=0xfe0f | 0xe0100..=0xe01ef => {
                "a variation selector; remove it"
            }
            0xe0000..=0xe007f => "a tag; remove it",
            0xa0 | 0x1680 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000 => {
                "a space of another kind; use the plain one"
            }
            0x2028 | 0x2029 => "a separator; use a line break",
            _ => return None,
        };
        Some(what)
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
                    write_unknown(f, unknown)?;
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

    /// The first ten, and how many more.
    fn write_unknown(
        f: &mut fmt::Formatter<'_>,
        unknown: &[(char, usize)],
    ) -> fmt::Result {
        let mut told = None; // the same advice only once
        for (i, &(c, position)) in unknown.iter().take(10).enumerate() {
            let (comma, code) = (if i == 0 { "" } else { ", " }, u32::from(c));
            match unseen(c) {
                None => write!(f, "{comma}{c:?}")?,
                what if what == told => write!(f, "{comma}U+{code:04X}")?,
                Some(what) => write!(f, "{comma}U+{code:04X} ({what})")?,
            }
            told = unseen(c).or(told);
            write!(f, " at {position}")?;
        }
        match unknown.len().saturating_sub(10) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
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

    /// The standard deviation of fresh weights, as in the first GPT.
    pub const INIT_STD: Float = 0.02;

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
        /// Draws both tables from `N(0, 0.02²)`.
        pub fn new(
            vocab_size: usize,
            block_size: usize,
            n_embd: usize,
            rng: &mut impl Rng,
        ) -> Self {
            Self {
                token: normal((vocab_size, n_embd), INIT_STD, rng),
                position: normal((block_size, n_embd), INIT_STD, rng),
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
    //! and a feed-forward network, which works on each position by itself; both
    //! behind a LayerNorm, both added to a residual stream that runs past them.
    //! Every `forward` keeps what its `backward` needs in a cache, and every
    //! `backward` adds to a gradient that has the type of the layer itself. An
    //! argument that a function keeps or reuses is taken by value, any other by
    //! reference.

    use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2};

    use ndarray::{ArrayRef2, Axis, Zip, s};
    use rand::Rng;

    use super::embeddings::{INIT_STD, normal};
    use super::orientation::{
        add_product, dot, flat, flat_mut, product, rows, rows_mut, set_product,
        softmax, sum,
    };
    use super::{Float, Matrix, Vector, exp};

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
            add_product(1.0, &x, &self.weight, &mut y);
            (y, LinearCache { x })
        }
    }

    impl Linear {
        /// Adds `xᵀ·dy` to `dW` and `Σₙ dyₙ` to `db`; returns `dx = dy·Wᵀ`.
        pub fn backward(
            &self,
            cache: &LinearCache,
            dy: &Matrix,
            grad: &mut Linear,
        ) -> Matrix {
            add_product(1.0, &cache.x.t(), dy, &mut grad.weight);
            grad.bias += &dy.sum_axis(Axis(0));
            product(dy, &self.weight.t()) // [N, in]
        }
    }

    /// How many queries [`attend`] works on together.
    const TILE: usize = 32;

    /// One head of one window: `A = softmax(q·kᵀ/√D)`, `y = A·v`.
    pub fn attend(
        q: &ArrayRef2<Float>,
        k: &ArrayRef2<Float>,
        v: &ArrayRef2<Float>,
        att: &mut ArrayRef2<Float>,
        y: &mut ArrayRef2<Float>,
    ) {
        let scale = 1.0 / (q.ncols() as Float).sqrt();
        let first = k.nrows() - q.nrows(); // the position of the first query
        for start in (0..q.nrows()).step_by(TILE) {
            let end = q.nrows().min(start + TILE);
            let (queries, keys) = (s![start..end, ..], s![..first + end, ..]);
            att.slice_mut(s![start..end, first + end..]).fill(0.0);
            let mut tile = att.slice_mut(s![start..end, ..first + end]);
            set_product(scale, &q.slice(queries), &k.slice(keys).t(), &mut tile);
            for (i, mut scores) in tile.outer_iter_mut().enumerate() {
                let position = first + start + i;
                let (past, future) =
                    flat_mut(&mut scores).split_at_mut(position + 1);
                softmax(past);
                future.fill(0.0);
            }
            let y = &mut y.slice_mut(queries);
            set_product(1.0, &tile, &v.slice(keys), y);
        }
    }

    /// Backpropagation through a softmax, row by row: from `dA` to
    /// `dS = A∘(dA − ⟨A, dA⟩)`.
    fn softmax_backward(att: &ArrayRef2<Float>, da: Matrix) -> Matrix {
        let mut ds = da;
        for (p, row) in att.outer_iter().zip(rows_mut(&mut ds)) {
            let p = flat(&p);
            let mean = dot(p, row); // of dA, weighted by the probabilities
            for (ds_j, p_j) in row.iter_mut().zip(p) {
                *ds_j = p_j * (*ds_j - mean);
            }
        }
        ds
    }

    /// Adds to `dV` the product `Aᵀ·dY`, and, with `dA = dY·Vᵀ` taken back through
    /// the softmax to `dS`, to `dQ` and `dK` the products `dS·K/√D` and `dSᵀ·Q/√D`.
    #[allow(clippy::too_many_arguments)] // three tensors, and their gradients
    fn attend_backward(
        q: &ArrayRef2<Float>,
        k: &ArrayRef2<Float>,
        v: &ArrayRef2<Float>,
        att: &ArrayRef2<Float>,
        dy: &ArrayRef2<Float>,
        dq: &mut ArrayRef2<Float>,
        dk: &mut ArrayRef2<Float>,
        dv: &mut ArrayRef2<Float>,
    ) {
        let scale = 1.0 / (q.ncols() as Float).sqrt();
        for start in (0..q.nrows()).step_by(TILE) {
            let end = q.nrows().min(start + TILE);
            let (queries, keys) = (s![start..end, ..], s![..end, ..]);
            let tile = att.slice(s![start..end, ..end]);
            let dy = dy.slice(queries);
            add_product(1.0, &tile.t(), &dy, &mut dv.slice_mut(keys));
            let da = product(&dy, &v.slice(keys).t()); // [end − start, end]
            let ds = softmax_backward(&tile, da);
            add_product(scale, &ds, &k.slice(keys), &mut dq.slice_mut(queries));
            add_product(scale, &ds.t(), &q.slice(queries), &mut dk.slice_mut(keys));
        }
    }

    /// Multi-head causal self-attention: in every head, each position compares its
    /// query with the keys of all positions up to its own, and takes the mean of
    /// their values, weighted by how well they match.
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
            let qkv = Linear::new(n_embd, 3 * n_embd, INIT_STD, rng);
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
            let d = c / self.n_head;
            let (qkv, qkv_in) = self.qkv.forward(x); // [N, 3C]
            let (q, kv) = qkv.view().split_at(Axis(1), c);
            let (k, v) = kv.split_at(Axis(1), c); // [N, C], as q
            let mut att = Matrix::zeros((n * self.n_head, t)); // [B·H·T, T]
            let mut y = Matrix::zeros((n, c)); // [N, C]
            let squares = att.axis_chunks_iter_mut(Axis(0), t); // [T, T] each
            for (i, mut att) in squares.enumerate() {
                let (row, column) = (i / self.n_head * t, i % self.n_head * d);
                let at = s![row..row + t, column..column + d]; // [T, D]
                let (q, k, v) = (q.slice(at), k.slice(at), v.slice(at));
                attend(&q, &k, &v, &mut att, &mut y.slice_mut(at));
            }
            let (y, proj_in) = self.proj.forward(y);
            (y, AttentionCache { qkv_in, qkv, att, proj_in })
        }
    }

    impl CausalSelfAttention {
        /// The same from the last step to the first: `proj`, every head of every
        /// window, `qkv`.
        pub fn backward(
            &self,
            cache: &AttentionCache,
            dy: &Matrix,
            grad: &mut CausalSelfAttention,
        ) -> Matrix {
            let AttentionCache { qkv_in, qkv, att, proj_in } = cache;
            let dy = self.proj.backward(proj_in, dy, &mut grad.proj); // dY: [N, C]
            let ((n, c), t) = (dy.dim(), att.ncols());
            let d = c / self.n_head;
            let (q, kv) = qkv.view().split_at(Axis(1), c);
            let (k, v) = kv.split_at(Axis(1), c); // [N, C], as q
            let mut dqkv = Matrix::zeros((n, 3 * c)); // [N, 3C]
            let (mut dq, dkv) = dqkv.view_mut().split_at(Axis(1), c);
            let (mut dk, mut dv) = dkv.split_at(Axis(1), c); // [N, C], as dq
            for (i, att) in att.axis_chunks_iter(Axis(0), t).enumerate() {
                let (row, column) = (i / self.n_head * t, i % self.n_head * d);
                let at = s![row..row + t, column..column + d]; // [T, D]
                attend_backward(
                    &q.slice(at),
                    &k.slice(at),
                    &v.slice(at),
                    &att,
                    &dy.slice(at),
                    &mut dq.slice_mut(at),
                    &mut dk.slice_mut(at),
                    &mut dv.slice_mut(at),
                );
            }
            self.qkv.backward(qkv_in, &dqkv, &mut grad.qkv)
        }
    }

    /// Layer normalization: each row loses its mean and its standard deviation, and
    /// gets learned ones instead.
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
                let one_over_std = 1.0 / (variance + Self::EPSILON).sqrt();
                row.iter_mut().for_each(|x| *x *= one_over_std);
                rstd.push(one_over_std);
            }
            let y = &x_hat * &self.weight + &self.bias; // [N, C]
            (y, LayerNormCache { x_hat, rstd })
        }
    }

    impl LayerNorm {
        /// Adds `Σₙ dy·x̂` to `dγ` and `Σₙ dy` to `dβ`; with `g = γ·dy` and `⟨·⟩`
        /// the mean over a row, returns `dx = (g − ⟨g⟩ − x̂·⟨g·x̂⟩) / σ`.
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
                let mean = sum(g) / c; // ⟨g⟩
                let along = dot(g, x_hat) / c; // ⟨g·x̂⟩
                for (g_j, x_hat_j) in g.iter_mut().zip(x_hat) {
                    *g_j = (*g_j - mean - x_hat_j * along) * rstd;
                }
            }
            dx
        }
    }

    /// `2√(2/π)`.
    const SQRT_8_OVER_PI: Float = (FRAC_2_SQRT_PI * SQRT_2) as Float;
    /// The weight of the cubic term.
    const CUBIC: Float = 0.044715;

    /// GELU of a number, in its tanh form, and its derivative there.
    #[inline]
    pub fn gelu(x: Float) -> (Float, Float) {
        let two_u = SQRT_8_OVER_PI * (x + CUBIC * x * x * x);
        let two_du = SQRT_8_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
        let g = 1.0 / (1.0 + exp(-two_u));
        (x * g, g + x * g * (1.0 - g) * two_du)
    }

    /// The feed-forward network: four times as wide, GELU, as wide as before.
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
            let up = Linear::new(n_embd, 4 * n_embd, INIT_STD, rng);
            let down = Linear::new(4 * n_embd, n_embd, proj_std, rng);
            Self { up, down }
        }
    }

    impl Mlp {
        /// `y = down(gelu(up(x)))`.
        pub fn forward(&self, x: Matrix) -> (Matrix, MlpCache) {
            let (mut h, up_in) = self.up.forward(x); // [N, 4C]
            let mut slope = Matrix::zeros(h.dim()); // [N, 4C]
            Zip::from(&mut h).and(&mut slope).for_each(|h, slope| {
                (*h, *slope) = gelu(*h);
            });
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
        /// Which works on each position by itself.
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
            let proj_std = INIT_STD / (2.0 * n_layer as Float).sqrt();
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
            dy: Matrix,
            grad: &mut Block,
        ) -> Matrix {
            let BlockCache { norm_1, attention, norm_2, mlp } = cache;
            let dh = self.mlp.backward(mlp, &dy, &mut grad.mlp);
            let dx = dy + &self.norm_2.backward(norm_2, dh, &mut grad.norm_2);
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
    //! more to turn vectors into logits. And the loss, its gradient, and one list
    //! of named tensors that everything else walks.

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

    /// The five numbers that fix a model's shape.
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

    /// The model. Also the type of its gradient, and of the optimizer's moments:
    /// whatever has one number for each parameter.
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
        /// The logits of every token of the vocabulary, after every position.
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
        /// The logits of [`forward`](Gpt::forward), without a cache: what one block
        /// keeps is dropped before the next begins.
        pub fn logits(&self, ids: &[u16], t: usize) -> Matrix {
            let (mut x, _) = self.embeddings.forward(ids, t); // [N, C]
            for block in &self.blocks {
                (x, _) = block.forward(x, t);
            }
            let (x, _) = self.norm.forward(&x);
            product(&x, &self.embeddings.token.t()) // [N, V]
        }
    }

    impl Gpt {
        /// From the gradient of the loss with respect to the logits to its gradient
        /// with respect to every parameter, which is added to `grad`.
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

    /// The loss, and its gradient with respect to the logits: with
    /// `p = softmax(z)`,
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

    impl Gpt {
        /// The mean loss over a batch of windows, in nats per token.
        pub fn loss(&self, inputs: &[u16], targets: &[u16], t: usize) -> Float {
            let logits = self.logits(inputs, t);
            cross_entropy(logits, targets, 1.0 / inputs.len() as Float).0
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
            match self.checked_num_params() {
                Some(_) => Ok(()),
                None => Err(ConfigError::TooLarge),
            }
        }
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
}

#[rustfmt::skip]
pub mod training {
    //! # Training
    //!
    //! Batches of random windows, AdamW, a learning rate that rises and falls,
    //! gradient clipping, the mean of the weights along the way, the gradient of a
    //! batch on several threads, and a loop that reports how it goes.

    use std::f64::consts::PI;
    use std::fmt;
    use std::ops::ControlFlow;

    use ndarray::Dimension;
    use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
    use rayon::prelude::*;

    use super::gpt::{Gpt, GptConfig, Tensor, TensorName};
    use super::orientation::dot;
    use super::{Float, Matrix};

    /// The most tokens that [`split`] keeps for validation: enough to tell two
    /// losses apart by a hundredth of a nat.
    pub const MAX_VALIDATION: usize = 200_000;

    /// Cuts a sequence in two: a training set, and a validation set of the last
    /// tenth, or of the last [`MAX_VALIDATION`] if that is less. Nothing is
    /// shuffled, so no window straddles the cut.
    pub fn split<T>(data: &[T]) -> (&[T], &[T]) {
        let validation = data.len().div_ceil(10).min(MAX_VALIDATION);
        data.split_at(data.len() - validation)
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

    /// AdamW: steps of a size that hardly depends on the gradient's, and a decay
    /// of the weights beside it.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct AdamW {
        /// How long the mean gradient remembers, `β₁`.
        pub beta1: Float,
        /// How long the mean square remembers, `β₂`.
        pub beta2: Float,
        /// `ε`, which keeps a parameter without gradient from a division by zero.
        pub epsilon: Float,
        /// `λ`: the fraction of a weight that is lost per unit of learning rate.
        pub weight_decay: Float,
    }

    /// What AdamW remembers of the gradients so far.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Moments {
        /// The running mean of the gradient, `m`.
        pub mean: Gpt,
        /// The running mean of its square, `v`.
        pub square: Gpt,
        /// Steps taken.
        pub steps: i32,
    }

    impl Default for AdamW {
        fn default() -> Self {
            Self { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.1 }
        }
    }

    impl Moments {
        /// No memory yet, in the shape of `model`.
        pub fn new(model: &Gpt) -> Self {
            Self { mean: model.zeros_like(), square: model.zeros_like(), steps: 0 }
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
        pub fn step(
            &self,
            moments: &mut Moments,
            model: &mut Gpt,
            grad: &Gpt,
            lr: Float,
        ) {
            let Self { beta1, beta2, epsilon, weight_decay } = *self;
            let Moments { mean, square, steps } = moments;
            *steps += 1;
            let mean_scale = 1.0 / (1.0 - beta1.powi(*steps));
            let square_scale = 1.0 / (1.0 - beta2.powi(*steps));
            let weights = model.tensors_mut().into_par_iter();
            let moments = (mean.tensors_mut(), square.tensors_mut());
            let tensors = weights.zip(grad.tensors()).zip(moments);
            tensors.for_each(|((weight, grad), (mean, square))| {
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
        /// Rises to `max_lr` over a tenth of the steps, or over 100 if that is
        /// less, and falls to a tenth of it.
        pub fn new(max_lr: Float, steps: usize) -> Self {
            let (min_lr, warmup) = (max_lr / 10.0, (steps / 10).min(100));
            Self { max_lr, min_lr, warmup, steps }
        }

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

    /// Shortens a gradient that is longer than `max_norm` to that length, and
    /// returns the length it had: the root of the sum of squares over *all*
    /// parameters, so that its direction stays.
    pub fn clip_grad_norm(grad: &mut Gpt, max_norm: Float) -> Float {
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

    /// The mean loss over the whole of `data`, in nats per token.
    pub fn evaluate(model: &Gpt, data: &[u16]) -> Result<f64, TrainError> {
        let Some(last) = data.len().checked_sub(1).filter(|&last| last > 0) else {
            let tokens = data.len();
            return Err(TrainError::TooShort { tokens, needed: 2 });
        };
        let t = model.embeddings.position.nrows();
        let piece = (PIECE / t).max(1) * t; // positions, of whole windows
        let whole = last / t * t;
        let starts = (0..whole).step_by(piece);
        let mut cuts: Vec<usize> = starts.chain([whole, last]).collect();
        cuts.dedup(); // if the last window is whole
        let losses: Vec<f64> = cuts
            .par_windows(2)
            .map(|cut| {
                let inputs = &data[cut[0]..cut[1]];
                let targets = &data[cut[0] + 1..=cut[1]];
                let mean = model.loss(inputs, targets, t.min(inputs.len()));
                f64::from(mean) * inputs.len() as f64
            })
            .collect();
        Ok(losses.iter().sum::<f64>() / last as f64)
    }

    /// The mean of the models along the last part of a run, whichever step it has
    /// come to.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Average {
        /// The mean; until the first update, the model that it was given.
        pub model: Gpt,
        /// Models taken in, `n`.
        pub steps: usize,
    }

    impl Average {
        /// A mean of no model yet, in the shape of `model`.
        pub fn new(model: Gpt) -> Self {
            Self { model, steps: 0 }
        }

        /// Takes in the next model `w`: `a ← a + s·(w − a)` with
        /// `s = (2 − p) / (p·n + 2 − 2p)`.
        pub fn update(&mut self, model: &Gpt, part: Float) {
            self.steps += 1;
            let (p, n) = (part, self.steps as Float);
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

    /// What finds the loss of a batch and its gradient.
    pub trait Gradients {
        /// The mean loss over `batch`, in nats per token, and its gradient.
        fn compute(&mut self, model: &Gpt, batch: &Batch) -> (Float, &mut Gpt);
    }

    /// [`Gradients`] on the threads of one machine (data parallelism).
    #[derive(Clone, Debug)]
    pub struct ShardedGradients {
        shards: usize,
        grads: Vec<Gpt>, // one for each shard
    }

    /// About how many positions of a shard go through the model together.
    pub const PIECE: usize = 512; // positions

    impl ShardedGradients {
        /// For batches that are cut into `shards` shards (at least one), or one for
        /// each window if they have fewer windows.
        pub fn new(shards: usize) -> Self {
            Self { shards: shards.max(1), grads: Vec::new() }
        }
    }

    impl Gradients for ShardedGradients {
        fn compute(&mut self, model: &Gpt, batch: &Batch) -> (Float, &mut Gpt) {
            let Batch { inputs, targets, t } = batch;
            assert_eq!(inputs.len(), targets.len(), "one target for each input");
            let shard = (inputs.len() / t).div_ceil(self.shards).max(1) * t;
            let piece = (PIECE / t).max(1) * t; // whole windows, like a shard
            let shards = inputs.len().div_ceil(shard).max(1);
            self.grads.resize_with(shards, || model.zeros_like());
            let scale = 1.0 / inputs.len() as Float;
            let shards = self.grads.par_iter_mut().enumerate();
            let losses = shards.map(|(i, grad)| {
                grad.fill_with_zeros();
                let rows = i * shard..inputs.len().min((i + 1) * shard);
                let (inputs, targets) = (&inputs[rows.clone()], &targets[rows]);
                let pieces = inputs.chunks(piece).zip(targets.chunks(piece));
                pieces.map(|(x, y)| model.accumulate(x, y, *t, scale, grad)).sum()
            });
            let losses: Vec<Float> = losses.collect();
            add_in_order(&mut self.grads);
            (losses.iter().sum(), &mut self.grads[0])
        }
    }

    /// `grads[0] += grads[1] + grads[2] + …`, each tensor by one thread.
    fn add_in_order(grads: &mut [Gpt]) {
        let Some((first, others)) = grads.split_first_mut() else { return };
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

    /// Sequence-length warm-up: in the first steps of a run, shorter windows, and
    /// as many more of them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SequenceWarmup {
        /// Positions in each window, from 1 to the model's `block_size`.
        pub length: usize,
        /// Steps that are taken with them; 0 for none.
        pub steps: usize,
    }

    impl SequenceWarmup {
        /// No step with shorter windows.
        pub const NONE: Self = Self { length: 1, steps: 0 };
    }

    /// How to train: all that a run is told before its first step.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct TrainConfig {
        /// Windows in a batch, `B`.
        pub batch_size: usize,
        /// Learning rate and number of steps.
        pub schedule: LrSchedule,
        /// Shorter windows at the beginning.
        pub sequence_warmup: SequenceWarmup,
        /// How a gradient becomes a step.
        pub optimizer: AdamW,
        /// The longest gradient that is not clipped.
        pub max_norm: Float,
        /// Over which part of the steps so far the weights are averaged, `p`: 0
        /// for the last weights alone, 1 for all of them alike.
        pub average: Float,
        /// Steps from one evaluation to the next.
        pub eval_interval: usize,
        /// Shards of a batch, each for one thread: the most threads that a step can
        /// use. Another number of shards changes the last digits.
        pub shards: usize,
        /// From which the random numbers of the batches follow.
        pub seed: u64,
    }

    /// For [`GptConfig::standard`] and the sonnets.
    impl Default for TrainConfig {
        fn default() -> Self {
            Self {
                batch_size: 16,
                schedule: LrSchedule::new(3e-3, 1500),
                sequence_warmup: SequenceWarmup::NONE,
                optimizer: AdamW::default(),
                max_norm: 1.0,
                average: 0.1,
                eval_interval: 150,
                shards: 4, // the most threads for a step
                seed: 1337,
            }
        }
    }

    impl TrainConfig {
        /// For [`GptConfig::quick`].
        pub fn quick() -> Self {
            let schedule = LrSchedule::new(4e-3, 400);
            Self { schedule, eval_interval: 100, ..Self::default() }
        }

        /// For [`GptConfig::long`]. Up to eight threads can share a step.
        pub fn long() -> Self {
            Self {
                batch_size: 8,
                schedule: LrSchedule::new(2e-3, 18_000),
                optimizer: AdamW { weight_decay: 2.0, ..AdamW::default() },
                eval_interval: 500,
                shards: 8,
                ..Self::default()
            }
        }
    }

    impl TrainConfig {
        /// The most steps, of a run, of its warm-up or between two evaluations, and
        /// the most windows in a batch: sums of two of them fit where counts do.
        pub const MAX_COUNT: usize = (1 << 30) - 1;

        /// The most shards: each has a gradient of its own.
        pub const MAX_SHARDS: usize = 1024;

        /// Refuses settings that cannot work, for a model of these sizes.
        pub fn validate(&self, model: &GptConfig) -> Result<(), TrainError> {
            let LrSchedule { max_lr, min_lr, warmup, steps } = self.schedule;
            let AdamW { beta1, beta2, epsilon, weight_decay } = self.optimizer;
            let most = Self::MAX_COUNT;
            count("batch_size", self.batch_size, 1, most)?;
            count("steps", steps, 0, most)?;
            count("warmup", warmup, 0, most)?;
            not_negative("lr", max_lr)?;
            not_negative("min_lr", min_lr)?;
            let SequenceWarmup { length, steps } = self.sequence_warmup;
            count("short_length", length, 1, model.block_size)?;
            count("short_steps", steps, 0, most)?;
            below_one("beta1", beta1)?;
            below_one("beta2", beta2)?;
            not_negative("epsilon", epsilon)?;
            not_negative("weight_decay", weight_decay)?;
            let norm = self.max_norm;
            check("max_norm", norm, norm > 0.0, "must be above 0")?;
            let part = self.average;
            let is_part = (0.0..=1.0).contains(&part);
            check("average", part, is_part, "must be from 0 to 1")?;
            count("eval_interval", self.eval_interval, 1, most)?;
            count("shards", self.shards, 1, Self::MAX_SHARDS)
        }
    }

    /// A number that must be within bounds.
    fn count(
        name: &'static str,
        n: usize,
        least: usize,
        most: usize,
    ) -> Result<(), TrainError> {
        let wanted = format!("must be from {least} to {most}");
        check(name, n, (least..=most).contains(&n), &wanted)
    }

    fn not_negative(name: &'static str, x: Float) -> Result<(), TrainError> {
        check(name, x, x.is_finite() && x >= 0.0, "must be a number, not negative")
    }

    fn below_one(name: &'static str, x: Float) -> Result<(), TrainError> {
        let holds = (0.0..1.0).contains(&x);
        check(name, x, holds, "must be at least 0 and below 1")
    }

    fn check(
        name: &'static str,
        value: impl fmt::Display,
        holds: bool,
        wanted: &str,
    ) -> Result<(), TrainError> {
        if holds {
            return Ok(());
        }
        let (value, problem) = (value.to_string(), wanted.to_owned());
        Err(TrainError::Setting { name, value, problem })
    }

    impl TrainConfig {
        /// The most threads that a step on windows of full length has work for, one
        /// for each shard: twelve windows in eight shards are two in each of six.
        pub fn max_threads(&self) -> usize {
            let in_a_shard = self.batch_size.div_ceil(self.shards.max(1));
            self.batch_size.div_ceil(in_a_shard.max(1))
        }
    }

    impl TrainConfig {
        /// About how many bytes of memory training takes, on the threads of the
        /// present pool: the weights, perhaps their mean, two moments and a gradient
        /// for each shard; and what the shards in progress keep for their backward
        /// pass.
        pub fn memory(&self, model: &GptConfig) -> f64 {
            let GptConfig { n_layer, n_head, n_embd, block_size, vocab_size } =
                *model;
            let params = model.checked_num_params().unwrap_or(usize::MAX) as f64;
            let models = if self.average > 0.0 { 4.0 } else { 3.0 };
            // While windows are shorter, there are more of them
            let SequenceWarmup { length, steps } = self.sequence_warmup;
            let shortest = if steps > 0 { length } else { block_size };
            let tokens = self.batch_size.saturating_mul(block_size);
            let shards = (tokens / shortest.max(1)).min(self.shards);
            let windows = self.batch_size.div_ceil(self.shards.max(1));
            let piece = windows.min((PIECE / block_size.max(1)).max(1));
            let threads = shards.min(rayon::current_num_threads()) as f64;
            let positions = piece as f64 * block_size as f64;
            let c = n_embd as f64;
            let block = 16.0 * c + n_head as f64 * block_size as f64 + 2.0; // its cache
            let working = 8.0 * c; // and, of one block, the gradients in between
            let head = 2.0 * c + 2.0 * vocab_size as f64;
            let row = n_layer as f64 * block + working + head;
            let numbers =
                params * (models + shards as f64) + threads * positions * row;
            numbers * size_of::<Float>() as f64
        }
    }

    /// A run in progress: everything that the next step depends on, and what the
    /// run has to show.
    #[derive(Debug)]
    pub struct Trainer<G = ShardedGradients> {
        /// The model as it is now.
        pub model: Gpt,
        /// What the optimizer remembers.
        pub moments: Moments,
        /// The mean of the models so far, if the settings ask for one.
        pub average: Option<Average>,
        /// Steps taken.
        pub step: usize,
        /// The random stream that batches are sampled from.
        pub rng: ChaCha8Rng,
        /// Sum and number of the batches' losses since the last evaluation.
        pub losses: (f64, usize),
        /// The lowest validation loss so far, in nats per token.
        pub best: Option<f64>,
        /// What finds the gradient of a batch.
        pub gradients: G,
        config: TrainConfig,
    }

    impl Trainer {
        /// Prepares a run.
        pub fn new(model: Gpt, config: TrainConfig) -> Result<Self, TrainError> {
            config.validate(&model.config())?;
            let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
            rng.set_stream(1); // stream 0 is for the weights
            Ok(Self {
                moments: Moments::new(&model),
                average: (config.average > 0.0)
                    .then(|| Average::new(model.clone())),
                step: 0,
                rng,
                losses: (0.0, 0),
                best: None,
                gradients: ShardedGradients::new(config.shards),
                config,
                model,
            })
        }

        /// The same run, with its gradients found by something else.
        pub fn with_gradients<G: Gradients>(self, gradients: G) -> Trainer<G> {
            let Self { model, moments, average, step, rng, .. } = self;
            let Self { losses, best, config, .. } = self;
            Trainer {
                model,
                moments,
                average,
                step,
                rng,
                losses,
                best,
                gradients,
                config,
            }
        }
    }

    impl<G> Trainer<G> {
        /// How the run is trained.
        pub fn config(&self) -> &TrainConfig {
            &self.config
        }

        /// Goes on with other settings.
        pub fn reconfigure(
            &mut self,
            config: TrainConfig,
        ) -> Result<(), TrainError> {
            config.validate(&self.model.config())?;
            let (old, step) = (self.config, self.step);
            let fixed = |was: u64| format!("the run began with {was}; keep it");
            let TrainConfig { seed, shards, .. } = config;
            check("seed", seed, seed == old.seed, &fixed(old.seed))?;
            let same = shards == old.shards;
            check("shards", shards, same, &fixed(old.shards as u64))?;
            let end = config.schedule.steps;
            let problem = format!("the run is at step {step}; give at least that");
            let holds = end >= step || end == old.schedule.steps;
            check("steps", end, holds, &problem)?;
            let had = old.sequence_warmup.steps;
            let wanted = config.sequence_warmup.steps;
            let ahead = step <= had && step < wanted;
            let same = config.sequence_warmup == old.sequence_warmup;
            let end = match had {
                0 => "it has had no short windows".to_owned(),
                end => format!("its short windows end at step {end}"),
            };
            let problem = format!(
                "the run is at step {step}, and {end}; an end can be moved only \
                 if it is ahead, and stay ahead"
            );
            check("short_steps", wanted, same || ahead, &problem)?;
            self.average = match self.average.take() {
                _ if config.average == 0.0 => None,
                None => Some(Average::new(self.model.clone())),
                average => average,
            };
            self.config = config;
            Ok(())
        }
    }

    impl<G> Trainer<G> {
        /// Samples the windows of the next step from `data`.
        fn next_batch(&mut self, data: &[u16]) -> Result<Batch, TrainError> {
            let TrainConfig { batch_size, sequence_warmup, .. } = self.config;
            let context = self.model.embeddings.position.nrows();
            let short = self.step < sequence_warmup.steps;
            let t = if short { sequence_warmup.length } else { context };
            Batch::random(data, batch_size * context / t, t, &mut self.rng)
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

    impl<G: Gradients> Trainer<G> {
        /// Samples a batch from `data` and takes one step.
        pub fn take_step(
            &mut self,
            data: &[u16],
        ) -> Result<StepReport, TrainError> {
            let config = self.config;
            let batch = self.next_batch(data)?;
            let model = &mut self.model;
            let (loss, grad) = self.gradients.compute(model, &batch);
            let grad_norm = clip_grad_norm(grad, config.max_norm);
            if !loss.is_finite() || !grad_norm.is_finite() {
                let tensor = first_non_finite(model).or(first_non_finite(grad));
                return Err(TrainError::NonFinite { step: self.step, tensor });
            }
            let lr = config.schedule.at(self.step);
            config.optimizer.step(&mut self.moments, model, grad, lr);
            self.step += 1;
            let SequenceWarmup { length, steps } = config.sequence_warmup;
            if self.step == steps {
                repeat_positions(&mut model.embeddings.position, length);
            }
            if let Some(average) = &mut self.average {
                average.update(model, config.average);
            }
            Ok(StepReport { step: self.step - 1, loss, grad_norm, lr })
        }
    }

    /// The first tensor that holds something that is not a finite number.
    fn first_non_finite(model: &Gpt) -> Option<TensorName> {
        let mut tensors = model.tensors().into_iter();
        let bad = tensors.find(|tensor| !tensor.data.iter().all(|x| x.is_finite()));
        bad.map(|tensor| tensor.name)
    }

    impl<G> Trainer<G> {
        /// What the run has to show: the mean of its models if it keeps one, and
        /// the model as it is now if not.
        pub fn result(&self) -> &Gpt {
            self.average.as_ref().map_or(&self.model, |average| &average.model)
        }
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

    impl<G: Gradients> Trainer<G> {
        /// Trains to the end of the schedule, and evaluates its result before the
        /// first step, every `eval_interval` steps and after the last. `observe` is
        /// told of each step and each evaluation, and may break off.
        pub fn run(
            &mut self,
            train: &[u16],
            validation: &[u16],
            mut observe: impl FnMut(&Self, Event) -> ControlFlow<()>,
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
            /// What it is.
            value: String,
            /// What it has to be, or why it cannot be that.
            problem: String,
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
                Self::Setting { name, value, problem } => {
                    write!(f, "{name} {value}: {problem}")
                }
                Self::NonFinite { step, tensor } => {
                    write!(
                        f,
                        "step {step}: the loss or the gradient is not finite"
                    )?;
                    if let Some(tensor) = tensor {
                        write!(f, "; first in {tensor}")?;
                    }
                    match step {
                        0 => write!(f, "; begin with another model"),
                        _ => write!(f, "; train with a smaller learning rate"),
                    }
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
    //! The model predicts the next token; a sampler chooses one; it is appended, and
    //! the model predicts again. A cache of keys and values spares it from reading
    //! the whole text again for every character.

    use std::fmt;

    use ndarray::s;
    use rand::{Rng, RngExt};

    use super::embeddings::Embeddings;
    use super::gpt::Gpt;
    use super::orientation::{flat, max, product, softmax};
    use super::transformer_block::{CausalSelfAttention, attend};
    use super::{Float, Matrix};

    /// How to choose a token from the logits.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Sampler {
        temperature: Float,
        top_k: Option<usize>,
    }

    impl Sampler {
        /// A sampler that divides the logits by `temperature` and keeps the `top_k`
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
        /// The candidates and their probabilities, the most likely first; among
        /// equals, the smaller id.
        pub fn distribution(&self, logits: &[Float]) -> Vec<(u16, Float)> {
            let mut candidates = self.candidates(logits);
            candidates.sort_by(|(a, p), (b, q)| q.total_cmp(p).then(a.cmp(b)));
            candidates
        }
    }

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

    impl Sampler {
        /// Draws an id with the probabilities of its
        /// [`distribution`](Sampler::distribution).
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

    /// The keys and values of every position that a model has read so far.
    #[derive(Clone, Debug)]
    pub struct KvCache<'a> {
        model: &'a Gpt,
        keys: Vec<Matrix>,   // for each block, [block_size, C]
        values: Vec<Matrix>, // for each block, [block_size, C]
        len: usize,          // positions filled
    }

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
        pub fn clear(&mut self) {
            self.len = 0;
        }
    }

    impl KvCache<'_> {
        /// Reads `ids` after what has been read before, and returns the logits of
        /// what follows the last of them, `[V]`.
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

    /// Text without an end: an iterator of ids, each sampled from the model's
    /// prediction after everything before it.
    #[derive(Debug)]
    pub struct Generator<'a, R> {
        cache: KvCache<'a>,
        sampler: Sampler,
        rng: R,
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
            Ok(Self { cache: KvCache::new(model), sampler, rng, window })
        }
    }

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

    impl std::error::Error for GenerationError {}
}

use std::error::Error;
use std::ops::ControlFlow;

use crate::generation::{Generator, Sampler};
use crate::gpt::{Gpt, GptConfig};
use crate::tokenization::CharTokenizer;
use crate::training::{Event, TrainConfig, Trainer, split};
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn main() -> Result<(), Box<dyn Error>> {
    // Text to ids
    let text = include_str!("../chapters-code/data/sonnets.txt");
    let tokenizer = CharTokenizer::new(text)?;
    let ids = tokenizer.encode(text)?;
    let (train, validation) = split(&ids);

    // A model that knows nothing
    let config = TrainConfig { average: 0.0, ..TrainConfig::quick() };
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let sizes = GptConfig::quick(tokenizer.vocab_size());
    let model = Gpt::new(sizes, &mut rng)?;
    println!("{} parameters\n", model.num_params());

    // Training
    let mut trainer = Trainer::new(model, config)?;
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
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    rng.set_stream(2); // stream 0 drew the weights, stream 1 the batches
    let prompt = tokenizer.encode("\n")?;
    let sampler = Sampler::new(0.6, None)?;
    let written = Generator::new(&trainer.model, &prompt, sampler, rng)?;
    let written: Vec<u16> = written.take(200).collect::<Result<_, _>>()?;
    println!("\n{}", tokenizer.decode(&written)?);
    Ok(())
}
