//! Products with factors rounded to bf16: the bits of the instruction, on every
//! shape and layout, and what is left to the product in f32.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::array::from_fn;

use microgpt::bf16::is_supported;
use microgpt::general_mat_mul;
use ndarray::{Array2, ArrayView2, ShapeBuilder, Slice, s};
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};

/// Below the smallest normal number, the instruction takes zero.
fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0.0_f32.copysign(x) } else { x }
}

/// The nearest number with 8 significant bits; of two equally near, the even one.
fn rounded(x: f32) -> f32 {
    let bits = flushed(x).to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16 << 16;
    if x.is_nan() { x } else { f32::from_bits(nearest) }
}

/// `α·a·b + β·c` as `tdpbf16ps` finds it: 32 terms at a time, the even and the
/// odd ones apart, and each step rounded once and flushed.
fn by_hand(
    alpha: f32,
    a: &ArrayView2<f32>,
    b: &ArrayView2<f32>,
    beta: f32,
    c: &Array2<f32>,
) -> Array2<f32> {
    Array2::from_shape_fn(c.dim(), |(i, j)| {
        let mut sum = 0.0;
        for start in (0..a.ncols()).step_by(32) {
            let mut halves = [0.0_f32; 2];
            for t in start..a.ncols().min(start + 32) {
                let (x, y) = (rounded(a[[i, t]]), rounded(b[[t, j]]));
                halves[t % 2] = flushed(x.mul_add(y, halves[t % 2]));
            }
            sum = flushed(sum + flushed(halves[0] + halves[1]));
        }
        let old = if beta == 0.0 { 0.0 } else { beta * c[[i, j]] };
        alpha.mul_add(sum, old)
    })
}

/// What kind of numbers.
#[derive(Clone, Copy)]
enum Kind {
    Usual,
    /// Products about as small as a normal number can be.
    Small,
    /// Subnormal in part, and what is little more.
    Subnormal,
    /// Sums that overflow.
    Large,
    /// Infinities, NaN, and what rounds to infinity.
    Any,
}

fn number(kind: Kind, rng: &mut ChaCha8Rng) -> f32 {
    let bits = rng.next_u32();
    let exponents = match kind {
        Kind::Usual => return rng.random_range(-1.0..1.0),
        Kind::Any => return f32::from_bits(bits),
        Kind::Small => 50..70,
        Kind::Subnormal => 0..3,
        Kind::Large => 180..200,
    };
    f32::from_bits(bits & 0x807f_ffff | rng.random_range(exponents) << 23)
}

/// A matrix that lies in memory by rows or by columns, as a part of a larger one.
struct Part {
    whole: Array2<f32>,
    rows: Slice,
    columns: Slice,
}

impl Part {
    fn new(
        (rows, columns): (usize, usize),
        by_columns: bool,
        kind: Kind,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let [above, left, below, right] = from_fn(|_| rng.random_range(0..4));
        let shape = (above + rows + below, left + columns + right);
        let whole =
            Array2::from_shape_simple_fn(shape.set_f(by_columns), || {
                number(kind, rng)
            });
        let rows = Slice::from(above..above + rows);
        let columns = Slice::from(left..left + columns);
        Self { whole, rows, columns }
    }

    fn view(&self) -> ArrayView2<'_, f32> {
        self.whole.slice(s![self.rows, self.columns])
    }
}

/// Multiplies, and compares with the instruction by hand, bit for bit.
fn compare(sizes: [usize; 3], kind: Kind, rng: &mut ChaCha8Rng) {
    let [m, k, n] = sizes;
    let [by_columns, and_b] = from_fn(|_| rng.random_bool(0.5));
    let a = Part::new((m, k), by_columns, kind, rng);
    let b = Part::new((k, n), and_b, kind, rng);
    let mut c = Part::new((m, n), false, kind, rng);
    let [alpha, beta] =
        from_fn(|_| [0.0, 1.0, 1.0, 0.125, -0.7][rng.random_range(0..5)]);
    let before = c.whole.clone();
    let old = c.view().to_owned();
    let mut part = c.whole.slice_mut(s![c.rows, c.columns]);
    general_mat_mul(alpha, &a.view(), &b.view(), beta, &mut part);
    let expected = by_hand(alpha, &a.view(), &b.view(), beta, &old);
    let same =
        |x: f32, y: f32| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
    for (&x, &y) in part.iter().zip(&expected) {
        assert!(same(x, y), "{sizes:?}, {alpha}, {beta}: {x:e}, not {y:e}");
    }
    part.assign(&old); // around the part, nothing has changed
    assert!(c.whole.iter().zip(&before).all(|(&x, &y)| same(x, y)));
}

#[test]
#[ignore = "needs a processor with AMX"]
fn products_have_the_bits_of_the_instruction() {
    assert!(is_supported(), "this processor has no AMX");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for kind in
        [Kind::Usual, Kind::Small, Kind::Subnormal, Kind::Large, Kind::Any]
    {
        for _ in 0..20 {
            let mut sizes = from_fn(|_| rng.random_range(32..160));
            let long = 1 + (1 << 20) / sizes.iter().product::<usize>().max(1);
            sizes[rng.random_range(0..3)] *= long;
            compare(sizes, kind, &mut rng);
        }
    }
    // Whole blocks, one row too many, and more than is packed at a time
    for sizes in [[128; 3], [129; 3], [1030, 33, 65], [33, 1000, 33]] {
        compare(sizes, Kind::Usual, &mut rng);
    }
    compare([33, 65, 1030], Kind::Usual, &mut rng);
}

/// What is left to the product in f32 differs from the exact one by far less than
/// what is rounded.
#[test]
fn what_is_small_or_lies_otherwise_is_not_rounded() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let large = Array2::from_shape_simple_fn((600, 600), || {
        number(Kind::Usual, &mut rng)
    });
    let a = large.slice(s![..300, ..300]);
    let every_second = large.slice(s![..;2, ..;2]);
    for (a, b) in [
        (a.slice(s![..31, ..]), a), // fewer rows than a block
        (a.slice(s![.., ..31]), a.slice(s![..31, ..])),
        (a, a.slice(s![.., ..31])),
        (a.slice(s![..101, ..101]), a.slice(s![..101, ..102])), // < 2²⁰
        (every_second, a),
        (a, every_second),
    ] {
        let mut c = Array2::zeros((a.nrows(), b.ncols()));
        general_mat_mul(1.0, &a, &b, 0.0, &mut c);
        assert!(largest_error(&a, &b, &c.view()) < 1e-6);
    }
    let mut c = Array2::zeros((300, 300).f());
    general_mat_mul(1.0, &a, &a, 0.0, &mut c);
    assert!(largest_error(&a, &a, &c.view()) < 1e-6);
}

/// How far from the exact product, as a part of the same product of absolute
/// values.
fn largest_error(
    a: &ArrayView2<f32>,
    b: &ArrayView2<f32>,
    c: &ArrayView2<f32>,
) -> f64 {
    let (x, y) = (a.mapv(f64::from), b.mapv(f64::from));
    let (exact, bound) = (x.dot(&y), x.mapv(f64::abs).dot(&y.mapv(f64::abs)));
    let errors = c.iter().zip(&exact).zip(&bound);
    let errors =
        errors.map(|((&c, y), bound)| (f64::from(c) - y).abs() / bound);
    errors.fold(0.0, f64::max)
}

/// Rounding a factor changes it by at most one part in 256, so a term by little
/// more than one in 128, and a sum by so much of the sum of all terms taken
/// positive. Where AMX is missing, nothing is rounded, and the difference is that
/// of two orders.
#[test]
fn the_root_multiplies_with_half_the_bits_where_it_can() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut random = || {
        Array2::from_shape_simple_fn((256, 256), || {
            number(Kind::Usual, &mut rng)
        })
    };
    let (a, b) = (random(), random());
    let mut c = Array2::zeros((256, 256));
    general_mat_mul(1.0, &a, &b, 0.0, &mut c);
    let largest = largest_error(&a.view(), &b.view(), &c.view());
    if is_supported() {
        assert!((1e-5..1.01 / 128.0).contains(&largest), "{largest:e}");
    } else {
        assert!(largest < 1e-6, "{largest:e}");
    }
}

#[test]
#[should_panic(expected = "a and b do not fit")]
fn what_does_not_fit_is_refused() {
    let (a, mut c) = (Array2::zeros((200, 200)), Array2::zeros((200, 200)));
    general_mat_mul(1.0, &a, &Array2::zeros((199, 200)), 0.0, &mut c);
}
