mod exercises;
mod solutions;

use ndarray::array;

use crate::{assert_close, assert_predicted, exercise};
use double::Matrix;
use double::embeddings::{Embeddings, normal};
use double::gpt::{Gpt, GptConfig};
use double::orientation::{dot, rows};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// The answers asked for.
pub struct Answers {
    /// Row 7 of the token table's gradient.
    pub token: [f64; 2],
    /// Row 1 of the position table's gradient.
    pub position: [f64; 2],
    /// Whether a model learns that begins with zeros in both tables.
    pub both: Option<bool>,
    /// The same, with zeros in the token table only.
    pub only_token: Option<bool>,
    /// The same, with zeros in the position table only.
    pub only_position: Option<bool>,
}

fn zeros() -> Embeddings {
    Embeddings { token: Matrix::zeros((9, 2)), position: Matrix::zeros((3, 2)) }
}

fn predict(answers: Answers) {
    let (layer, mut grad) = (zeros(), zeros());
    let (_, cache) = layer.forward(&[7, 7, 7], 3);
    let dy = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    layer.backward(&cache, &dy, &mut grad);
    assert_predicted(
        answers.token[..] == *rows(&grad.token).nth(7).unwrap(),
        "row 7 was looked up three times, and the loss depends on it each time",
    );
    assert_predicted(
        answers.position[..] == *rows(&grad.position).nth(1).unwrap(),
        "which row of `dy` belongs to position 1, counted from zero?",
    );
    let learns = [(true, true), (true, false), (false, true)]
        .map(|(token, position)| Some(learns(token, position)));
    assert_predicted(
        [answers.both, answers.only_token, answers.only_position] == learns,
        "what does the model say when its input is zero? And which table \
         turns its last vectors into logits?",
    );
}

/// Whether a small model has any gradient at all, with zeros in these tables.
fn learns(token: bool, position: bool) -> bool {
    let sizes = GptConfig {
        n_layer: 2,
        n_head: 2,
        n_embd: 8,
        block_size: 4,
        vocab_size: 5,
    };
    let mut model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let Embeddings { token: tokens, position: positions } =
        &mut model.embeddings;
    if token {
        tokens.fill(0.0);
    }
    if position {
        positions.fill(0.0);
    }
    let (_, grad) = model.loss_and_grad(&[0, 1, 2, 0], &[1, 2, 0, 3], 4);
    grad.tensors().iter().any(|tensor| tensor.data.iter().any(|&x| x != 0.0))
}
exercise!(embeddings_predict, super::predict, ANSWERS);

/// The one-hot matrix `X` of ids, `[N, V]`; `X·W`; and `Xᵀ·dy`.
pub type Products = (
    fn(&[u16], usize) -> Matrix,
    fn(&Matrix, &Matrix) -> Matrix,
    fn(&Matrix, &Matrix) -> Matrix,
);

fn build((one_hot, forward, backward): Products) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for n in [1, 5, 40] {
        let mut layer = Embeddings::new(9, n, 4, &mut rng);
        layer.position.fill(0.0);
        let ids: Vec<u16> = (0..n).map(|_| rng.random_range(0..9)).collect();
        let (y, cache) = layer.forward(&ids, n);
        let x = one_hot(&ids, 9);
        assert_eq!(x.dim(), (n, 9), "a row for each id");
        assert_eq!(x.sum(), n as f64, "a single one in each row");
        assert_eq!(forward(&x, &layer.token), y, "X·W for {ids:?}");
        let dy = normal((n, 4), 1.0, &mut rng);
        let mut grad = layer.clone();
        grad.token.fill(0.0);
        layer.backward(&cache, &dy, &mut grad);
        let product = backward(&x, &dy);
        assert_eq!(product.dim(), (9, 4), "a row for each id there is");
        for (a, b) in product.iter().zip(&grad.token) {
            assert_close(*a, *b, 1e-12, "Xᵀ·dy");
        }
    }
    // What a look-up cannot do: a row that is half one id and half another
    let x = array![[0.5, 0.0, 0.5]];
    let table = array![[1.0, 2.0], [4.0, 8.0], [3.0, 6.0]];
    assert_eq!(forward(&x, &table), array![[2.0, 4.0]], "half and half");
    let gradient = backward(&x, &array![[2.0, 4.0]]);
    let both = array![[1.0, 2.0], [0.0, 0.0], [1.0, 2.0]];
    assert_eq!(gradient, both, "half of the gradient to each");
}
exercise!(embeddings_build, super::build, PRODUCTS);

fn explore(sinusoids: fn(usize, usize) -> Matrix) {
    let table = sinusoids(64, 16);
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
exercise!(embeddings_explore, super::explore, sinusoids);
