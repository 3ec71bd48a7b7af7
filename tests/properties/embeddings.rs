use ndarray::Axis;
use proptest::prelude::*;

use double::embeddings::{Embeddings, normal};
use double::{Float, Matrix};

fn zeros(layer: &Embeddings) -> Embeddings {
    Embeddings {
        token: Matrix::zeros(layer.token.dim()),
        position: Matrix::zeros(layer.position.dim()),
    }
}

proptest! {
    #[test]
    fn a_look_up_is_a_product_with_one_hot_rows(
        ids in prop::collection::vec(0u16..7, 12),
    ) {
        let layer = Embeddings::new(7, 4, 5, &mut crate::rng(1));
        let mut tokens = Matrix::zeros((12, 7));
        let mut positions = Matrix::zeros((12, 4));
        for (n, &id) in ids.iter().enumerate() {
            tokens[[n, usize::from(id)]] = 1.0;
            positions[[n, n % 4]] = 1.0;
        }
        let product =
            tokens.dot(&layer.token) + positions.dot(&layer.position);
        prop_assert_eq!(layer.forward(&ids, 4).0, product);
    }

    #[test]
    fn the_gradient_is_the_transposed_product(
        ids in prop::collection::vec(0u16..7, 12),
    ) {
        let layer = Embeddings::new(7, 4, 5, &mut crate::rng(1));
        let dy = normal((12, 5), 1.0, &mut crate::rng(2));
        let mut grad = zeros(&layer);
        let (_, cache) = layer.forward(&ids, 4);
        layer.backward(&cache, &dy, &mut grad);
        let mut tokens = Matrix::zeros((12, 7));
        for (n, &id) in ids.iter().enumerate() {
            tokens[[n, usize::from(id)]] = 1.0;
        }
        let apart = (&grad.token - &tokens.t().dot(&dy)).map(|x| x.abs());
        prop_assert!(apart.iter().all(|&x| x < 1e-12));
    }
}

#[test]
fn gradients_of_a_repeated_token_add() {
    let layer = Embeddings::new(9, 3, 2, &mut crate::rng(1));
    let dy = normal((3, 2), 1.0, &mut crate::rng(2));
    let mut grad = zeros(&layer);
    let (_, cache) = layer.forward(&[7, 7, 7], 3);
    layer.backward(&cache, &dy, &mut grad);
    assert_eq!(grad.token.row(7), dy.sum_axis(Axis(0)));
    assert_eq!(grad.position, dy);
    let others = grad.token.sum() - grad.token.row(7).sum();
    assert_eq!(others, 0.0);
}

#[test]
fn backward_adds_to_what_is_there() {
    let layer = Embeddings::new(4, 2, 3, &mut crate::rng(1));
    let dy = normal((4, 3), 1.0, &mut crate::rng(2));
    let (_, cache) = layer.forward(&[1, 2, 1, 0], 2);
    let mut grad = zeros(&layer);
    layer.backward(&cache, &dy, &mut grad);
    let once = grad.clone();
    layer.backward(&cache, &dy, &mut grad);
    let apart = (&grad.token - 2.0 * &once.token).map(|x| x.abs()).sum()
        + (&grad.position - 2.0 * &once.position).map(|x| x.abs()).sum();
    assert!(apart < 1e-12, "{apart}");
}

#[test]
fn normal_has_the_mean_and_spread_it_is_asked_for() {
    let x = normal((400, 250), 0.02, &mut crate::rng(3));
    let mean = x.mean().unwrap();
    let std = (x.mapv(|x| x * x).mean().unwrap() - mean * mean).sqrt();
    // Of 100,000 draws, at five standard errors
    let n: Float = 1e5;
    assert!(mean.abs() < 5.0 * 0.02 / n.sqrt(), "{mean}");
    assert!((std / 0.02 - 1.0).abs() < 5.0 / (2.0 * n).sqrt(), "{std}");
}

#[test]
#[should_panic(expected = "dy")]
fn a_gradient_with_a_row_too_many_is_not_passed_over() {
    let layer = Embeddings::new(7, 4, 5, &mut crate::rng(1));
    let (_, cache) = layer.forward(&[1, 2, 3], 4);
    layer.backward(&cache, &Matrix::zeros((4, 5)), &mut zeros(&layer));
}
