use microgpt::embeddings::normal;
use microgpt::general_mat_mul;
use microgpt::orientation::{
    CountModel, dot, ladder, max, numerical_gradient, softmax, sum,
};
use ndarray::Array2;
use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};

#[path = "../../chapters-code/orientation/naive.rs"]
mod naive;

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

#[test]
fn exp_errs_by_less_than_three_parts_in_ten_million() {
    let error = |i: i32| {
        let x = i as f32 * 1e-4;
        (f64::from(microgpt::exp(x)) / f64::from(x).exp() - 1.0).abs()
    };
    let errors = (-870_000..=870_000).map(error);
    let worst = errors.max_by(f64::total_cmp).unwrap();
    assert!(worst < 3e-7, "{worst:e}"); // a degree less: 2.6e-6
    assert!(microgpt::exp(f32::NAN).is_nan());
    assert_eq!(microgpt::exp(0.0), 1.0);
    assert_eq!(microgpt::exp(1e30), microgpt::exp(87.0));
    assert_eq!(microgpt::exp(f32::NEG_INFINITY), microgpt::exp(-87.0));
}

/// A matrix of random numbers, stored row by row or column by column.
fn matrix(
    shape: (usize, usize),
    by_column: bool,
    seed: u64,
) -> microgpt::Matrix {
    let mut rng = crate::rng(seed);
    if by_column {
        let turned = (shape.1, shape.0);
        return normal(turned, 1.0, &mut rng).reversed_axes();
    }
    normal(shape, 1.0, &mut rng)
}

proptest! {
    #[test]
    fn general_mat_mul_is_a_sum_of_products_whatever_the_strides(
        (m, k, n) in (1usize..40, 1usize..40, 1usize..40),
        by_column in any::<[bool; 3]>(),
        alpha in -2.0..2.0f32,
        beta in prop::sample::select(vec![0.0f32, 1.0, -0.5]),
        seed in 0u64..99,
    ) {
        let a = matrix((m, k), by_column[0], seed);
        let b = matrix((k, n), by_column[1], seed + 1);
        let mut c = matrix((m, n), by_column[2], seed + 2);
        let mut by_hand = c.clone();
        for ((i, j), c) in by_hand.indexed_iter_mut() {
            let products = (0..k).map(|l| a[[i, l]] * b[[l, j]]);
            *c = alpha * products.sum::<f32>() + beta * *c;
        }
        if beta == 0.0 {
            c.fill(f32::NAN); // what is not wanted is not read
        }
        microgpt::general_mat_mul(alpha, &a, &b, beta, &mut c);
        for (c, by_hand) in c.iter().zip(&by_hand) {
            prop_assert!((c - by_hand).abs() < 1e-4, "{c}, not {by_hand}");
        }
    }

    #[test]
    fn sums_products_and_maxima_agree_with_plain_loops(
        x in prop::collection::vec(-1e3..1e3f64, 0..100),
    ) {
        let y: Vec<f64> = x.iter().rev().copied().collect();
        let plain: f64 = x.iter().sum();
        prop_assert!((double::orientation::sum(&x) - plain).abs() < 1e-9);
        let plain: f64 = x.iter().zip(&y).map(|(a, b)| a * b).sum();
        prop_assert!((double::orientation::dot(&x, &y) - plain).abs() < 1e-6);
        let plain = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert_eq!(double::orientation::max(&x), plain);
    }

    #[test]
    fn softmax_rows_sum_to_one_and_ignore_shifts(
        z in prop::collection::vec(-30.0..30.0f64, 1..70),
        shift in -1e4..1e4f64,
    ) {
        let mut p = z.clone();
        let log_total = double::orientation::softmax(&mut p);
        let total: f64 = p.iter().sum();
        prop_assert!((total - 1.0).abs() < 1e-12);
        for (p, z) in p.iter().zip(&z) {
            prop_assert!((p.ln() - (z - log_total)).abs() < 1e-9);
        }
        let mut shifted: Vec<f64> = z.iter().map(|z| z + shift).collect();
        let shifted_total = double::orientation::softmax(&mut shifted);
        prop_assert!(crate::apart(&p, &shifted) < 1e-10);
        prop_assert!((shifted_total - shift - log_total).abs() < 1e-10);
    }

    #[test]
    fn count_probabilities_sum_to_one(text in "[a-d]{1,40}", context in "[a-e]{0,5}") {
        let text = chars(&text);
        let vocabulary = chars("abcde");
        let model = CountModel::new(&text, &vocabulary, 4);
        let mut run = chars(&context);
        run.push('a');
        let mut total = 0.0;
        for &c in &vocabulary {
            *run.last_mut().unwrap() = c;
            let p = model.probability(&run);
            prop_assert!(p > 0.0, "{c} is impossible");
            total += p;
        }
        prop_assert!((total - 1.0).abs() < 1e-12, "{total}");
    }
}

/// Of a model that looks at one character and does not smooth, the table is the
/// count model's; where it generates, it draws only what it has counted.
#[test]
fn the_first_versions_agree_with_the_crate() {
    let logits = [0.5, -1.0, 2.0, 0.0];
    let mut p = logits;
    softmax(&mut p);
    for (naive, p) in naive::softmax(&logits).iter().zip(p) {
        assert!((naive - p).abs() < 1e-6, "{naive}, not {p}");
    }
    let (a, b) = (matrix((3, 5), false, 1), matrix((5, 4), false, 2));
    let product = microgpt::orientation::product(&a, &b);
    for (naive, c) in naive::product(&a, &b).iter().zip(&product) {
        assert!((naive - c).abs() < 1e-5, "{naive}, not {c}");
    }
    for (output, c) in naive::layer(&a, &b).iter().zip(&product) {
        assert!((output - c.max(0.0)).abs() < 1e-5, "{output} of {c}");
    }
    let text = chars("to be or not to be, that is the question: to");
    let pairs = naive::count_pairs(&text);
    let counted: u32 = pairs.values().flat_map(|row| row.values()).sum();
    assert_eq!(counted as usize, text.len() - 1);
    assert_eq!(pairs[&'q'].iter().collect::<Vec<_>>(), [(&'u', &1)]);
    let written = naive::generate(&pairs, 't', 200, &mut crate::rng(1));
    assert_eq!(written.chars().count(), 200);
    let written = chars(&format!("t{written}"));
    assert!(
        written.windows(2).all(|pair| pairs[&pair[0]].contains_key(&pair[1]))
    );
}

#[test]
fn softmax_stands_scores_of_any_size() {
    let mut z = [1e4f32, -1e4, 0.0];
    assert_eq!(softmax(&mut z), 1e4);
    assert_eq!(z[0], 1.0);
    assert!(z[1..].iter().all(|&p| p < 1e-37));
}

#[test]
fn an_empty_slice_has_sum_zero_and_no_maximum() {
    assert_eq!(sum(&[]), 0.0);
    assert_eq!(dot(&[], &[]), 0.0);
    assert_eq!(max(&[]), f32::NEG_INFINITY);
}

#[test]
fn numerical_gradient_of_a_cubic_is_its_derivative() {
    // f = x³ + 2xy: 3x² + 2y and 2x; the error of the first is h² = 1e-4
    let f = |v: &[f32]| v[0] * v[0] * v[0] + 2.0 * v[0] * v[1];
    let slope = numerical_gradient(&[2.0, -1.0], 1e-2, f);
    assert!((slope[0] - 10.0).abs() < 2e-3, "{slope:?}");
    assert!((slope[1] - 4.0).abs() < 2e-3, "{slope:?}");
}

/// "abab" by hand, V = 3. Empty context: total 4, kinds 2, a twice:
/// P(a) = (2 + 2·⅓)/(4 + 2) = 4/9, P(c) = (0 + ⅔)/6 = 1/9. After a: total 2,
/// kinds 1, b twice: P(b|a) = (2 + 1·4/9)/3 = 22/27.
#[test]
fn witten_bell_by_hand() {
    let (text, vocabulary) = (chars("abab"), chars("cba"));
    let model = CountModel::new(&text, &vocabulary, 2);
    let close = |run: &str, p: f64| {
        let found = model.probability(&chars(run));
        assert!((found - p).abs() < 1e-12, "{run}: {found}, not {p}");
    };
    close("", 1.0 / 3.0);
    close("a", 4.0 / 9.0);
    close("c", 1.0 / 9.0);
    close("ab", 22.0 / 27.0);
    close("cb", 4.0 / 9.0); // nothing ever followed c: the shorter context
    close("xxab", 22.0 / 27.0); // longer than the order
    let loss = model.cross_entropy(&chars("abc"));
    // b was followed by one a: P(c|b) = (0 + 1·1/9)/(1 + 1)
    let by_hand = -((22.0f64 / 27.0).ln() + (1.0f64 / 18.0).ln()) / 2.0;
    assert!((loss - by_hand).abs() < 1e-12, "{loss}");
    assert!(model.cross_entropy(&chars("a")).is_nan());
}

#[test]
fn counts_sample_what_they_have_seen() {
    let (text, vocabulary) = (chars(&"ab".repeat(500)), chars("ab"));
    let model = CountModel::new(&text, &vocabulary, 2);
    let mut rng = crate::rng(1);
    let after_a =
        (0..1000).filter(|_| model.sample(&['a'], &mut rng) == 'b').count();
    assert!(after_a > 990, "{after_a}"); // P(b|a) = 500.5/501
    let alone =
        (0..1000).filter(|_| model.sample(&[], &mut rng) == 'b').count();
    assert!((400..600).contains(&alone), "{alone}"); // P(b) = 1/2, 6 σ
}

/// Tinyshakespeare's ladder, computed independently: uniform 4.174 …
/// 6-gram 1.698. The corpus is in the file that the environment names, or where
/// the README's command puts it.
#[test]
#[ignore = "needs tinyshakespeare.txt; the README says how to get it"]
fn the_ladder_of_tinyshakespeare_is_the_known_one() {
    let path = std::env::var("TINYSHAKESPEARE");
    let path = path.unwrap_or("tinyshakespeare.txt".to_owned());
    let text = chars(&std::fs::read_to_string(path).unwrap());
    let (train, validation) = microgpt::training::split(&text);
    assert_eq!((train.len(), validation.len()), (1_003_854, 111_540));
    let known = [4.174, 3.347, 2.486, 2.049, 1.774, 1.669, 1.698];
    for (rung, known) in ladder(train, validation).iter().zip(known) {
        let off = (rung.loss - known).abs();
        assert!(off < 0.0006, "{}: {}, not {known}", rung.name, rung.loss);
    }
}

#[test]
fn a_longer_context_helps_only_where_there_is_text_enough() {
    let text = chars(include_str!("../../chapters-code/data/sonnets.txt"));
    let (train, validation) = microgpt::training::split(&text);
    let rungs = ladder(train, validation);
    let names: Vec<_> = rungs.iter().map(|rung| rung.name).collect();
    assert_eq!(names[0], "uniform");
    assert_eq!(names[6], "6-gram");
    let uniform = (59f64).ln();
    assert!((rungs[0].loss - uniform).abs() < 1e-9);
    assert!(rungs[..5].windows(2).all(|pair| pair[1].loss < pair[0].loss));
    assert!(rungs[6].loss > rungs[5].loss, "{rungs:?}");
}

#[test]
fn a_ladder_scores_each_character_with_five_before_it() {
    let (train, validation) = (chars("to be or not to be"), chars("or not"));
    let score = |text: &[char]| ladder(&train, text)[6].loss;
    let model = CountModel::new(&train, &train, 6);
    let by_hand = -model.probability(&validation).ln(); // one such character
    assert!((score(&validation) - by_hand).abs() < 1e-12);
    assert!(score(&validation[1..]).is_nan());
}

/// Large enough to be cut into several parts, and of lengths that nothing
/// divides.
#[test]
fn one_row_is_shared_among_threads_to_the_same_bits() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (k, n) = (1009, 3011);
    let a = normal((1, k), 1.0, &mut rng);
    let c = normal((1, n), 1.0, &mut rng);
    let by_rows = normal((k, n), 1.0, &mut rng);
    let by_columns = normal((n, k), 1.0, &mut rng);
    for b in [by_rows.view(), by_columns.t()] {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let mut c = c.clone();
            let multiply = || general_mat_mul(0.5, &a, &b, 2.0, &mut c);
            pool.build().unwrap().install(multiply);
            c
        };
        let one = on(1);
        for threads in [2, 3, 4] {
            assert_eq!(on(threads), one, "{threads} threads");
        }
        for (j, &found) in one.iter().enumerate() {
            let terms = a.iter().zip(b.column(j));
            let sum: f64 =
                terms.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            let expected = 0.5 * sum + 2.0 * f64::from(c[[0, j]]);
            // The sums are some 30 in size: a part left out would be seen
            assert!((f64::from(found) - expected).abs() < 1e-3, "{j}");
        }
    }
}

/// A single column leaves nothing to be shared, however long it is.
#[test]
fn one_column_is_not_cut() {
    let k = 1 << 20;
    let (a, b) = (Array2::ones((1, k)), Array2::ones((k, 1)));
    let mut c = Array2::zeros((1, 1));
    general_mat_mul(1.0, &a, &b, 0.0, &mut c);
    assert_eq!(c[[0, 0]], k as f32);
}
