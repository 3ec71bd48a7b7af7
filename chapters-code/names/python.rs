//! The random numbers of CPython: what `random.seed`, `shuffle`, `gauss` and
//! `choices` do, function by function, so that a seed gives the same numbers.
//!
//! Sources: `Lib/random.py` and `Modules/_randommodule.c` of CPython 3.11.
//! Underneath is the Mersenne Twister, MT19937, from the crate `rand_mt`.

use std::f64::consts::TAU;
use std::hint::black_box;

use rand_mt::Mt;

/// CPython's `random.Random`.
pub struct Random {
    twister: Mt,
    /// The second number of a pair of `gauss`.
    next_gauss: Option<f64>,
}

impl Random {
    /// `random.seed(seed)`, for a seed below 2³²: the key has one word.
    pub fn seed(seed: u32) -> Self {
        Self { twister: Mt::new_with_key([seed]), next_gauss: None }
    }

    /// `random.random()`: 27 bits and 26 bits make a fraction of 53.
    pub fn random(&mut self) -> f64 {
        let high = self.twister.next_u32() >> 5;
        let low = self.twister.next_u32() >> 6;
        (f64::from(high) * 67_108_864.0 + f64::from(low))
            / 9_007_199_254_740_992.0
    }

    /// `random.gauss(0, sigma)`: numbers come in pairs, and every second call
    /// takes the one that was kept (Box and Muller, 1958).
    pub fn gauss(&mut self, sigma: f64) -> f64 {
        let z = self.next_gauss.take().unwrap_or_else(|| {
            let angle = self.random() * TAU;
            let radius = (-2.0 * (1.0 - self.random()).ln()).sqrt();
            self.next_gauss = Some(angle.sin() * radius);
            angle.cos() * radius
        });
        z * sigma
    }
}

impl Random {
    /// `_randbelow`: as many bits as `n` has, again until they are below `n`.
    fn below(&mut self, n: u32) -> u32 {
        loop {
            let bits = self.twister.next_u32() >> n.leading_zeros();
            if bits < n {
                return bits;
            }
        }
    }

    /// `random.shuffle(list)`: from the end, each with one up to itself.
    ///
    /// # Panics
    /// If the list has 2³² entries or more.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            let n = u32::try_from(i + 1).expect("a list of less than 2³²");
            list.swap(i, self.below(n) as usize);
        }
    }

    /// `random.choices(range(n), weights)[0]`: a point on the line on which
    /// the weights lie end to end.
    pub fn choice(&mut self, weights: &[f64]) -> usize {
        let ends = weights.iter().scan(0.0, |end, weight| {
            *end += weight;
            Some(*end)
        });
        let ends: Vec<f64> = ends.collect();
        let last = ends.len() - 1;
        let point = self.random() * ends[last];
        ends[..last].partition_point(|&end| end <= point) // `bisect`
    }
}

/// `x ** n`: C's `pow`. Seen by the compiler, the exponents 2 and ½ would
/// become a product and a root, whose last bit may be another.
pub fn power(x: f64, n: f64) -> f64 {
    x.powf(black_box(n))
}
