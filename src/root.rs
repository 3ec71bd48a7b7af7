//! The root: the number that everything is made of, `exp`, and the product of
//! two matrices, which holds the only `unsafe` of the crate.
//!
//! The modules import these five items from their parent. Whoever copies a
//! module declares them beside it, in a line each.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use gemm_common::Parallelism;
use gemm_common::cache::{CACHE_INFO, CacheInfo};
use ndarray::{ArrayRef2, Axis};

// ANCHOR: types
/// The number that everything is made of. The tests compile the same modules
/// once more with `f64` here, where gradients can be checked to ten digits.
pub type Float = f32;

/// A row of numbers, `[C]`.
pub type Vector = ndarray::Array1<Float>;

/// A table of numbers, `[N, C]`: one row per position.
pub type Matrix = ndarray::Array2<Float>;
// ANCHOR_END: types

// ANCHOR: exp
/// `eˣ`, in a form that the compiler can do for many `x` at once.
///
/// With `n` the integer nearest to `x/ln 2` and `r = x − n·ln 2`, so that
/// `|r| ≤ ln 2 / 2`, we have `eˣ = 2ⁿ·eʳ`: the first factor is written straight
/// into the exponent bits, the second is a polynomial of degree six. `ln 2` is
/// subtracted in two parts, so that `r` keeps its last digits.
///
/// Relative error below 3e-7, a few units in the last place, between ±87, a
/// little before `f32` ends. Beyond, the result is that of ±87; `NaN` stays.
///
/// The splitting: Cody & Waite (1980), ch. 6.
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
// ANCHOR_END: exp

// ANCHOR: general_mat_mul
/// `c ← α·a·b + β·c`, where nearly all the time of training goes.
///
/// ndarray's function of this name, faster. One row times a large matrix takes
/// as long as the matrix takes to come from memory, and two threads can fetch
/// more than one: they share its columns.
///
/// # Shapes
/// - `a`: `[M, K]`, `b`: `[K, N]`, `c`: `[M, N]`, each with any strides
///
/// # Panics
/// If the shapes do not fit.
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
// ANCHOR_END: general_mat_mul

// ANCHOR: multiply
/// The same on one thread.
///
/// Multiplying matrices is an art of its own (blocks that fit the caches,
/// copied into the order in which a kernel for one kind of processor wants
/// them); the crate `gemm` practises it. Where the caches are such that it
/// would fail, ndarray multiplies.
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
// ANCHOR_END: multiply

/// Whether `gemm` would fail over the caches of this machine.
///
/// It cuts matrices into blocks that fit them, and version 0.19 takes for
/// granted that some do. Over a fourth level of cache it panics; where many
/// cores share a small one, it divides by zero or never ends.
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
///
/// True where Linux says nothing, and on other systems: `gemm` then asks the
/// processor, or assumes something safe.
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
///
/// It takes a sum 512 terms at a time, or more where the first level has room
/// for more. So many terms of so many rows are a panel, and half of the second
/// level must hold one: the other half is for a panel of the other matrix, and
/// for what is lost by counting in whole ways. That panel has at most 3/8 as many
/// rows; where `gemm` knows no wide registers and makes two, it has twice as many.
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
