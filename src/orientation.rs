//! # Orientation
//!
//! What every later chapter stands on: softmax and the rows it works on,
//! cross-entropy, and a gradient measured instead of derived. And the simplest
//! language models there are, tables of counts, whose losses form the *ladder*
//! on which every later loss is placed.
//!
//! To copy this module, bring `Float`, `Matrix`, `exp` and
//! `general_mat_mul` from the crate's root and the crates `ndarray` and `rand`.

use std::collections::HashMap;
use std::slice::{ChunksExact, ChunksExactMut};

use ndarray::{ArrayRef, ArrayRef2, Dimension};
use rand::{Rng, RngExt};

use super::{Float, Matrix, exp, general_mat_mul};

// ANCHOR: flat
/// An array's numbers as one slice, row by row.
///
/// # Panics
/// If they do not lie one behind the other in memory (a transposed view).
pub fn flat<D: Dimension>(x: &ArrayRef<Float, D>) -> &[Float] {
    match x.as_slice() {
        Some(data) => data,
        None => panic!("flat: the array is not stored row by row"),
    }
}

/// An array's numbers as one slice that may be changed.
///
/// # Panics
/// If they do not lie one behind the other in memory (a transposed view).
pub fn flat_mut<D: Dimension>(x: &mut ArrayRef<Float, D>) -> &mut [Float] {
    match x.as_slice_mut() {
        Some(data) => data,
        None => panic!("flat_mut: the array is not stored row by row"),
    }
}

/// The rows of a matrix, each as a slice.
///
/// # Panics
/// As [`flat`].
pub fn rows(x: &ArrayRef2<Float>) -> ChunksExact<'_, Float> {
    flat(x).chunks_exact(x.ncols())
}

/// The rows of a matrix, each as a slice that may be changed.
///
/// # Panics
/// As [`flat_mut`].
pub fn rows_mut(x: &mut ArrayRef2<Float>) -> ChunksExactMut<'_, Float> {
    let columns = x.ncols();
    flat_mut(x).chunks_exact_mut(columns)
}
// ANCHOR_END: flat

// ANCHOR: product
/// `c = scale·a·b`: what was in `c` is replaced.
///
/// # Shapes
/// - `a`: `[M, K]`, `b`: `[K, N]`, `c`: `[M, N]`, each with any strides
///
/// # Panics
/// If the shapes do not fit.
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
///
/// # Panics
/// If `a` does not have as many columns as `b` has rows.
pub fn product(a: &ArrayRef2<Float>, b: &ArrayRef2<Float>) -> Matrix {
    let mut c = Matrix::zeros((a.nrows(), b.ncols()));
    set_product(1.0, a, b, &mut c);
    c
}
// ANCHOR_END: product

// ANCHOR: sum
/// How many partial sums a long sum is kept in.
///
/// Additions of floats may not be reordered by the compiler, so one running sum
/// waits for each addition before it starts the next. Sixteen independent ones
/// fill a vector register, always in the same order.
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
// ANCHOR_END: sum

// ANCHOR: dot
/// `Σᵢ aᵢ·bᵢ`, in sixteen partial sums.
///
/// # Panics
/// If the lengths differ.
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
// ANCHOR_END: dot

// ANCHOR: max
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
// ANCHOR_END: max

// ANCHOR: softmax
/// Turns scores into probabilities, in place: `pᵢ = exp(zᵢ) / Σⱼ exp(zⱼ)`.
///
/// Returns `ln Σⱼ exp(zⱼ)`, which a loss needs: `−ln pᵢ` is that minus `zᵢ`.
/// The largest score is subtracted first. It cancels in the fraction, and no
/// exponential can overflow.
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
// ANCHOR_END: softmax

// ANCHOR: numerical_gradient
/// The gradient of `f` at `x`, measured:
/// `∂f/∂xᵢ ≈ (f(x + h·eᵢ) − f(x − h·eᵢ)) / 2h`.
///
/// Central differences err by `h²/6` times the third derivative, and by
/// rounding over `h`; in `f64`, `h` near 1e-5 balances the two. Calls `f` twice
/// for each entry of `x`: a way to check a gradient, too slow to train with.
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
// ANCHOR_END: numerical_gradient

// ANCHOR: count_model
/// What followed one context in the training text.
#[derive(Clone, Copy, Debug, Default)]
struct Followers {
    /// How many characters followed it, in all.
    total: u32,
    /// How many different ones.
    kinds: u32,
}

/// A language model made of counts: which character followed which context.
///
/// Keeps every run of up to `order` characters of its text, and answers by
/// looking it up. See [`CountModel::probability`].
#[derive(Clone, Debug)]
pub struct CountModel<'a> {
    order: usize, // characters in the longest run that is counted
    vocabulary: Vec<char>, // sorted
    counts: HashMap<&'a [char], u32>,
    followers: HashMap<&'a [char], Followers>,
}
// ANCHOR_END: count_model

// ANCHOR: count_model_new
impl<'a> CountModel<'a> {
    /// Counts every run of 1 to `order` characters of `text`.
    ///
    /// `vocabulary` lists the characters that can occur at all, also in text
    /// yet to be scored; repeats in it do not matter.
    ///
    /// # Panics
    /// If `order` is zero or `vocabulary` is empty.
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
// ANCHOR_END: count_model_new

// ANCHOR: count_model_probability
impl CountModel<'_> {
    /// The probability of the last character of `run` after the ones before it.
    ///
    /// With `c` that character, `h` the context before it and `h'` the context
    /// without its first character, Witten–Bell interpolation mixes what the
    /// long context has seen with what the shorter one says:
    ///
    /// `P(c | h) = (count(hc) + kinds(h)·P(c | h')) / (total(h) + kinds(h))`
    ///
    /// A context that was followed by many different characters is likely to
    /// meet a new one, and trusts the shorter context more. Below the empty
    /// context stands the uniform `1/V`, so nothing in the vocabulary is ever
    /// impossible. Of a run longer than the model's order, only the end counts.
    ///
    /// Witten & Bell (1991), method C; interpolated: Chen & Goodman (1998), §2.
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
// ANCHOR_END: count_model_probability

// ANCHOR: count_model_cross_entropy
impl CountModel<'_> {
    /// The mean of `−ln P` over every character of `text` that has a full
    /// context before it, in nats per character.
    ///
    /// Returns `NaN` if `text` is shorter than the model's order.
    pub fn cross_entropy(&self, text: &[char]) -> f64 {
        let runs = text.windows(self.order);
        let count = runs.len() as f64;
        runs.map(|run| -self.probability(run).ln()).sum::<f64>() / count
    }
}
// ANCHOR_END: count_model_cross_entropy

// ANCHOR: count_model_sample
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
// ANCHOR_END: count_model_sample

// ANCHOR: rung
/// One rung of the [`ladder`]: a model that anyone can build by counting, and
/// what it scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// Which model: `uniform`, `unigram`, `bigram`, … `6-gram`.
    pub name: &'static str,
    /// Its cross-entropy on the validation text, in nats per character.
    pub loss: f64,
}
// ANCHOR_END: rung

// ANCHOR: ladder
/// The loss ladder of a corpus: what guessing and counting achieve on
/// `validation` after reading `train`, from the uniform guess to 6-grams.
///
/// Every rung scores the same characters, those with five before them, so the
/// losses can be compared. `NaN` if `validation` has fewer than six characters.
///
/// ```
/// let text: Vec<char> = "to be, or not to be ".repeat(20).chars().collect();
/// let rungs = microgpt::orientation::ladder(&text[..300], &text[300..]);
/// assert_eq!((rungs[0].name, rungs[6].name), ("uniform", "6-gram"));
/// assert!((rungs[0].loss - 8f64.ln()).abs() < 1e-12); // of 8 characters
/// assert!(rungs[6].loss < rungs[1].loss); // nats
/// ```
///
/// # Panics
/// If both texts are empty.
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
// ANCHOR_END: ladder
