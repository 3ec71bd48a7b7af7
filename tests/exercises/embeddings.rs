use ndarray::array;

use crate::double::Matrix;
use crate::double::embeddings::{Embeddings, normal};
use crate::double::orientation::{dot, rows};
use crate::{assert_close, exercise};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// The answers asked for.
pub struct Answers {
    /// Row 7 of the token table's gradient.
    pub token: [f64; 2],
    /// Row 1 of the position table's gradient.
    pub position: [f64; 2],
    /// By what factor a typical cosine shrinks from width 64 to 1,024.
    pub shrinks: f64,
}

fn zeros() -> Embeddings {
    Embeddings { token: Matrix::zeros((9, 2)), position: Matrix::zeros((3, 2)) }
}

fn predict(answers: Answers) {
    let (layer, mut grad) = (zeros(), zeros());
    let (_, cache) = layer.forward(&[7, 7, 7], 3);
    let dy = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    layer.backward(&cache, &dy, &mut grad);
    assert_eq!(answers.token.to_vec(), grad.token.row(7).to_vec());
    assert_eq!(answers.position.to_vec(), grad.position.row(1).to_vec());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut typical = |c: usize| {
        let (a, b) =
            (normal((400, c), 1.0, &mut rng), normal((400, c), 1.0, &mut rng));
        let cosines = rows(&a)
            .zip(rows(&b))
            .map(|(a, b)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt());
        (cosines.map(|c| c * c).sum::<f64>() / 400.0).sqrt()
    };
    let factor = typical(64) / typical(1024);
    assert_close(answers.shrinks, factor, 0.2 * factor, "cosines");
}
exercise!(embeddings_predict, super::predict, embeddings::ANSWERS);

/// `X·W` and `Xᵀ·dy`, with `X` the one-hot matrix of the ids, `[N, V]`.
pub type Products =
    (fn(&[u16], &Matrix) -> Matrix, fn(&[u16], &Matrix, usize) -> Matrix);

fn build((forward, backward): Products) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for n in [1, 5, 40] {
        let mut layer = Embeddings::new(9, n, 4, &mut rng);
        layer.position.fill(0.0);
        let ids: Vec<u16> = (0..n).map(|_| rng.random_range(0..9)).collect();
        let (y, cache) = layer.forward(&ids, n);
        assert_eq!(forward(&ids, &layer.token), y, "X·W for {ids:?}");
        let dy = normal((n, 4), 1.0, &mut rng);
        let mut grad = layer.clone();
        grad.token.fill(0.0);
        layer.backward(&cache, &dy, &mut grad);
        let product = backward(&ids, &dy, 9);
        assert_eq!(product.dim(), (9, 4));
        for (a, b) in product.iter().zip(&grad.token) {
            assert_close(*a, *b, 1e-12, "Xᵀ·dy");
        }
    }
}
exercise!(embeddings_build, super::build, embeddings::PRODUCTS);

fn explore(waves: fn(usize, usize) -> Matrix) {
    let table = waves(64, 16);
    assert_eq!(table.dim(), (64, 16), "positions, width");
    let rows: Vec<&[f64]> = rows(&table).collect();
    assert_close(rows[0][0], 0.0, 1e-12, "sin 0");
    assert_close(rows[0][1], 1.0, 1e-12, "cos 0");
    assert_close(rows[1][0], 1f64.sin(), 1e-12, "sin 1");
    let third = (5.0 / 10000f64.powf(2.0 / 16.0)).cos();
    assert_close(rows[5][3], third, 1e-12, "the second wave at 5");
    for row in &rows {
        assert_close(dot(row, row), 8.0, 1e-9, "the squared length");
    }
    for distance in [1, 5, 20] {
        let first = dot(rows[0], rows[distance]);
        for p in 0..64 - distance {
            let product = dot(rows[p], rows[p + distance]);
            assert_close(product, first, 1e-9, "only the distance counts");
        }
    }
}
exercise!(embeddings_explore, super::explore, embeddings::waves);
