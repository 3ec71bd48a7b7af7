//! Half the bits: products of matrices whose factors are rounded to bf16.
//!
//! A bf16 is the upper half of an `f32`: the same exponents, and 8 significant
//! bits instead of 24. The product of two is exact in `f32`, and sums are
//! `f32`. What is stored (weights, gradients, the optimizer's moments) stays
//! `f32` as well, so no chapter changes.
//!
//! With the feature `bf16`, the chapters multiply by [`rounded_mat_mul`]. It
//! rounds the factors of large products where the processor has AMX (Intel's
//! for servers, since 2023), one instruction of which does 8,192
//! multiplications, and leaves everything else to the root's.
#![allow(unsafe_code)] // instructions that only some processors have

use std::arch::{asm, x86_64::*};
use std::array::from_fn;
use std::cell::RefCell;
use std::mem::transmute;
use std::sync::LazyLock;

use ndarray::{ArrayRef2, ArrayView2, Axis};

use crate::root;

/// Rows of a tile, and numbers of 32 bits in each.
const SIDE: usize = 16;

/// Rows and columns of a block of the result: two tiles each way, so that every
/// tile is used twice. Also the terms in a row of a tile: two in 32 bits.
const BLOCK: usize = 2 * SIDE;

/// Rows of `a`, and columns of `b`, that are packed at a time.
const SPAN: usize = 16 * BLOCK;

/// 16 registers of 16 pairs: successive terms of a sum, the first in the low
/// half. A row is for a row of `a`, or a column for a column of `b`.
type Tile = [__m512i; SIDE];

/// 32 terms for 32 rows of `a`, or for 32 columns of `b`.
type Step = [Tile; 2];

/// Whether this processor multiplies tiles of bf16 and Linux lets us. Elsewhere
/// the feature changes nothing.
pub fn is_supported() -> bool {
    *SUPPORTED
}

static SUPPORTED: LazyLock<bool> = LazyLock::new(|| {
    #[allow(unused_unsafe)] // safe in newer versions of Rust
    // SAFETY: every processor of 64 bits has this instruction.
    let can = unsafe { __cpuid_count(7, 0) }.edx;
    let tiles = can >> 24 & 1 == 1 && can >> 22 & 1 == 1; // any; of bf16
    let wide = is_x86_feature_detected!("avx512bf16");
    if !tiles || !wide || !is_x86_feature_detected!("avx512bw") {
        return false;
    }
    // Tiles are 8 KB more to save for each thread, so Linux wants to be asked:
    // arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA), for the whole process
    let answer: isize;
    // SAFETY: the call takes two numbers and touches no memory of ours; the
    // three registers that it overwrites are named.
    unsafe {
        asm!(
            "syscall",
            inout("rax") 158_isize => answer,
            in("rdi") 0x1023, in("rsi") 18, out("rcx") _, out("r11") _,
            options(nostack),
        );
    }
    answer == 0
});

thread_local! { // memory for the steps of `a` and of `b`
    static PACKED: RefCell<(Vec<Step>, Vec<Step>)> = RefCell::default();
}

// ANCHOR: rounded_mat_mul
/// The root's product, `c ← α·a·b + β·c`, but with the factors rounded to bf16
/// where that is faster.
///
/// That is where there are at least 2²⁰ multiplications, no side is shorter
/// than 32, the rows of `c` are contiguous, and each factor has contiguous rows
/// or contiguous columns.
///
/// # Panics
/// If the shapes do not fit.
pub fn rounded_mat_mul(
    alpha: f32,
    a: &ArrayRef2<f32>,
    b: &ArrayRef2<f32>,
    beta: f32,
    c: &mut ArrayRef2<f32>,
) {
    let ((m, k), n) = (a.dim(), b.ncols());
    let large = m.min(k).min(n) >= BLOCK && m * k * n >= 1 << 20;
    let in_lines = [a, b].iter().all(|x| x.strides().contains(&1));
    let fits = b.nrows() == k && c.dim() == (m, n) && c.strides()[1] == 1;
    if !(large && in_lines && fits && is_supported()) {
        return root::general_mat_mul(alpha, a, b, beta, c);
    }
    // SAFETY: the processor has these instructions.
    unsafe { multiply_blocks(alpha, a, b, beta, c) };
}
// ANCHOR_END: rounded_mat_mul

/// Packs up to 512 rows of `a`, and multiplies them by 512 columns of `b` each.
#[target_feature(enable = "avx512bw,avx512bf16")]
fn multiply_blocks(
    alpha: f32,
    a: &ArrayRef2<f32>,
    b: &ArrayRef2<f32>,
    beta: f32,
    c: &mut ArrayRef2<f32>,
) {
    let (mut a_steps, mut b_steps) = PACKED.take();
    let length = a.ncols().div_ceil(BLOCK);
    let mut sums = [[_mm512_setzero_ps(); 2]; BLOCK];
    // SAFETY: reads the 64 bytes of `SHAPE`; nothing else in the crate uses
    // tiles. Once for all blocks, since it takes as long as one of them.
    unsafe { asm!("ldtilecfg [{}]", in(reg) SHAPE.as_ptr(), options(nostack)) };
    let c_blocks = c.axis_chunks_iter_mut(Axis(0), SPAN);
    for (a, mut c) in a.axis_chunks_iter(Axis(0), SPAN).zip(c_blocks) {
        pack::<false>(a, length, &mut a_steps);
        let rows = c.rows_mut().into_iter(); // all contiguous: none is lost
        let mut rows: Vec<_> = rows.filter_map(|x| x.into_slice()).collect();
        for (j, b) in b.axis_chunks_iter(Axis(1), SPAN).enumerate() {
            pack::<true>(b.reversed_axes(), length, &mut b_steps);
            let panels = a_steps.chunks_exact(length);
            for (a, rows) in panels.zip(rows.chunks_mut(BLOCK)) {
                let panels = b_steps.chunks_exact(length);
                for (at, b) in (j * SPAN..).step_by(BLOCK).zip(panels) {
                    multiply_tiles(a, b, &mut sums);
                    for (sums, row) in sums.iter().zip(rows.iter_mut()) {
                        add(alpha, sums, beta, &mut row[at..]);
                    }
                }
            }
        }
    }
    // SAFETY: forgets the tiles, which hold nothing any more.
    unsafe { asm!("tilerelease", options(nostack)) };
    PACKED.set((a_steps, b_steps));
}

/// Rounds and packs the rows of `x`: `length` steps for each 32 of them. Rows
/// and terms that are missing are zero. `TURNED` turns the tiles, for `b`.
///
/// # Shapes
/// - `x`: `[M, K]`; its rows lie in one piece each, or its columns
#[target_feature(enable = "avx512bw,avx512bf16")]
fn pack<const TURNED: bool>(
    x: ArrayView2<f32>,
    length: usize,
    steps: &mut Vec<Step>,
) {
    let tiles = 2 * x.nrows().div_ceil(BLOCK);
    let mut tile = [_mm512_setzero_si512(); SIDE];
    steps.resize(tiles / 2 * length, [tile; 2]);
    if x.strides()[1] == 1 {
        for i in 0..tiles {
            let rows: [_; SIDE] = from_fn(|r| line(&x, Axis(0), i * SIDE + r));
            for s in 0..length {
                for (pairs, row) in tile.iter_mut().zip(rows) {
                    let first = load(row, s * BLOCK);
                    *pairs = round(first, load(row, s * BLOCK + SIDE));
                }
                let turned = if TURNED { turn(tile) } else { tile };
                steps[i / 2 * length + s][i % 2] = turned;
            }
        }
    } else {
        let order = from_fn(|i| (i / 2 + i % 2 * SIDE) as u16);
        // SAFETY: both have 512 bits, and all bits mean something.
        let order = unsafe { transmute::<[u16; 32], __m512i>(order) };
        for s in 0..length {
            let columns: [_; BLOCK] =
                from_fn(|t| line(&x, Axis(1), s * BLOCK + t));
            for i in 0..tiles {
                let columns = columns.as_chunks::<2>().0;
                for (pairs, &[first, second]) in tile.iter_mut().zip(columns) {
                    let first = load(first, i * SIDE);
                    let apart = round(first, load(second, i * SIDE));
                    *pairs = _mm512_permutexvar_epi16(order, apart);
                }
                let turned = if TURNED { tile } else { turn(tile) };
                steps[i / 2 * length + s][i % 2] = turned;
            }
        }
    }
}

/// A row or column that lies in one piece; beyond the last, nothing.
fn line<'a>(x: &ArrayView2<'a, f32>, axis: Axis, i: usize) -> &'a [f32] {
    let there = i < x.len_of(axis);
    let line = there.then(|| x.index_axis_move(axis, i).to_slice());
    line.flatten().unwrap_or(&[])
}

/// A bit for each number that is there, of 16.
#[inline]
fn present(x: &[f32]) -> __mmask16 {
    ((1_u32 << x.len().min(SIDE)) - 1) as __mmask16
}

/// The 16 numbers from `at` on; those that are missing are zero.
#[target_feature(enable = "avx512f")]
#[inline]
fn load(x: &[f32], at: usize) -> __m512 {
    let x = x.get(at..).unwrap_or(&[]);
    // SAFETY: nothing is read where the mask has no bit.
    unsafe { _mm512_maskz_loadu_ps(present(x), x.as_ptr()) }
}

/// The nearest bf16, of two equally near the even one: first all of `first`.
#[target_feature(enable = "avx512bf16")]
#[inline]
fn round(first: __m512, second: __m512) -> __m512i {
    // SAFETY: both have 512 bits, and all bits mean something.
    unsafe {
        transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first))
    }
}

/// Exchanges rows and columns.
///
/// Rows `i` and `i + 8` are dealt out in turn, into rows `2i` and `2i + 1`. Of
/// the eight bits of a place, four for the row and four for the column, that
/// moves the first to the end: after four times, they have changed places.
#[target_feature(enable = "avx512f")]
#[inline]
fn turn(mut tile: Tile) -> Tile {
    let [low, high] = [0, 8].map(|start| {
        let from = from_fn(|i| (start + i / 2 + i % 2 * SIDE) as u32);
        // SAFETY: both have 512 bits, and all bits mean something.
        unsafe { transmute::<[u32; SIDE], __m512i>(from) }
    });
    for _ in 0..4 {
        let old = tile;
        for i in 0..8 {
            let (upper, lower) = (old[i], old[i + 8]);
            tile[2 * i] = _mm512_permutex2var_epi32(upper, low, lower);
            tile[2 * i + 1] = _mm512_permutex2var_epi32(upper, high, lower);
        }
    }
    tile
}

/// `c ← α·sums + β·c` for 32 numbers, or as many as there are.
#[target_feature(enable = "avx512f")]
#[inline]
fn add(alpha: f32, sums: &[__m512; 2], beta: f32, c: &mut [f32]) {
    for (&sum, c) in sums.iter().zip(c.chunks_mut(SIDE)) {
        let old = match beta {
            0.0 => _mm512_setzero_ps(), // not 0·c, which for NaN would be NaN
            _ => _mm512_mul_ps(_mm512_set1_ps(beta), load(c, 0)),
        };
        let new = _mm512_fmadd_ps(_mm512_set1_ps(alpha), sum, old);
        // SAFETY: nothing is written where the mask has no bit.
        unsafe { _mm512_mask_storeu_ps(c.as_mut_ptr(), present(c), new) };
    }
}

/// What eight tiles look like: format 1; from byte 16 on, two bytes with the
/// length of a row for each, 64; from byte 48 on, the number of rows.
static SHAPE: [u64; 8] = {
    let (long, rows) = (0x0040_0040_0040_0040, 0x1010_1010_1010_1010);
    [1, 0, long, long, 0, 0, rows, 0]
};

// ANCHOR: multiply_tiles
/// `sums ← a·b`, over equally many steps of both. Tiles 0 to 3 are the sums, 4
/// and 5 come from `a`, 6 and 7 from `b`.
///
/// For each sum, `tdpbf16ps` first adds up the even ones of 32 products, then
/// the odd ones, and adds both to the sum.
fn multiply_tiles(a: &[Step], b: &[Step], sums: &mut [[__m512; 2]; BLOCK]) {
    assert!(a.len() == b.len() && !a.is_empty());
    // SAFETY: reads `a.len()` steps of 2 KB from `a` and from `b`, writes 32
    // rows of 128 bytes to `sums`. Only `multiply_blocks` calls it, on machines
    // that support it, and has set the tiles' shape.
    unsafe {
        asm!(
            "tilezero tmm0; tilezero tmm1; tilezero tmm2; tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{a} + {row:r}]",
            "tileloadd tmm6, [{b} + {row:r}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b} + {row:r} + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a} + {row:r} + 1024]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, 2048; add {b}, 2048; dec {steps}; jnz 2b",
            "tilestored [{sums} + {row:r}*2], tmm0",
            "tilestored [{sums} + {row:r}*2 + 64], tmm1",
            "tilestored [{sums} + {row:r}*2 + 2048], tmm2",
            "tilestored [{sums} + {row:r}*2 + 2112], tmm3",
            a = inout(reg) a.as_ptr() => _, b = inout(reg) b.as_ptr() => _,
            steps = inout(reg) a.len() => _,
            sums = in(reg) sums.as_mut_ptr(), row = in(reg) 64_usize,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
// ANCHOR_END: multiply_tiles
