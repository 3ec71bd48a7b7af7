//! What attention heads do: where they look, and what is lost without one.

use double::gpt::{Gpt, GptConfig};
use double::transformer_block::attend;
use double::{Matrix, Vector};
use ndarray::s;
use rand::{Rng, RngExt};

/// The attention weights of every head in one window, block by block.
pub fn weights(model: &Gpt, window: &[u16]) -> Vec<Matrix> {
    let t = window.len();
    let (mut x, _) = model.embeddings.forward(window, t); // [T, C]
    let mut heads = Vec::new();
    for block in &model.blocks {
        let (h, _) = block.norm_1.forward(&x);
        let (qkv, _) = block.attention.qkv.forward(h); // [T, 3C]
        let c = x.ncols();
        let d = c / block.attention.n_head;
        for left in (0..c).step_by(d) {
            let part = |at| qkv.slice(s![.., at + left..at + left + d]);
            let (q, k, v) = (part(0), part(c), part(2 * c)); // [T, D]
            let mut att = Matrix::zeros((t, t));
            attend(&q, &k, &v, &mut att, &mut Matrix::zeros((t, d)));
            heads.push(att);
        }
        (x, _) = block.forward(x, t);
    }
    heads
}

// ANCHOR: without
/// The model with one head cut: the head's `D` rows of `proj` become zeros, so
/// nothing that it finds reaches the residual stream.
pub fn without(model: &Gpt, block: usize, head: usize) -> Gpt {
    let mut model = model.clone();
    let attention = &mut model.blocks[block].attention;
    let d = attention.proj.weight.nrows() / attention.n_head;
    let rows = s![head * d..(head + 1) * d, ..];
    attention.proj.weight.slice_mut(rows).fill(0.0);
    model
}
// ANCHOR_END: without

/// Where each group of distances begins.
pub const GROUPS: [usize; 7] = [0, 1, 2, 3, 4, 8, 16];

/// How much attention each group of distances gets from a query, and, as the
/// last number, the entropy of the query's weights in nats: means over the
/// queries of the window's second half, which all look back at least `T/2`.
pub fn by_distance(att: &Matrix) -> Vector {
    let t = att.nrows();
    let mut sums = Vector::zeros(GROUPS.len() + 1);
    for i in t / 2..t {
        for j in 0..=i {
            let p = att[[i, j]];
            let group = GROUPS.partition_point(|&first| first <= i - j) - 1;
            sums[group] += p;
            sums[GROUPS.len()] -= if p > 0.0 { p * p.ln() } else { 0.0 };
        }
    }
    sums / (t - t / 2) as f64
}

/// Each head's induction score: in random strings of `T/2` characters written
/// twice, how much the second copy attends to the character that followed its
/// own in the first. Where the second half is new, it's the same distance, but
/// there is nothing to copy.
pub fn induction(model: &Gpt, twice: bool, rng: &mut impl Rng) -> Vec<Vector> {
    let GptConfig { block_size: t, vocab_size, .. } = model.config();
    let half = t / 2;
    mean(0..500, |_| {
        let mut any = || rng.random_range(0..vocab_size as u64) as u16;
        let mut string: Vec<u16> = (0..t).map(|_| any()).collect();
        if twice {
            string.copy_within(..half, half);
        }
        let look = |att: &Matrix| {
            let sum: f64 = (half..t).map(|i| att[[i, i + 1 - half]]).sum();
            Vector::from_elem(1, sum / half as f64)
        };
        weights(model, &string).iter().map(look).collect()
    })
}

/// The mean over all items of what is measured in each head.
pub fn mean<T>(
    items: impl ExactSizeIterator<Item = T>,
    measure: impl FnMut(T) -> Vec<Vector>,
) -> Vec<Vector> {
    let n = items.len() as f64;
    let add = |sums: Vec<Vector>, more: Vec<Vector>| {
        sums.into_iter().zip(more).map(|(sum, more)| sum + more).collect()
    };
    let sums = items.map(measure).reduce(add).unwrap_or_default();
    sums.into_iter().map(|sum| sum / n).collect()
}
