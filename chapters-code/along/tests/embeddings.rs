//! Chapter 3: `embed_backward(ids: &[usize], dy: &Matrix, d_table: &mut Matrix)`.

mod support;

use along::{Matrix, embed_backward};
use support::{assert_gradient, numbers};

#[test]
fn each_row_gets_the_gradients_of_its_look_ups() {
    let (ids, table, dy) = ([2, 0, 2, 2], numbers(4, 3, 1), numbers(4, 3, 2));
    let mut d_table = Matrix::zeros((4, 3));
    embed_backward(&ids, &dy, &mut d_table);
    // A loss whose gradient with respect to the rows looked up is `dy`.
    let loss = |table: &Matrix| {
        let rows = ids.iter().zip(dy.rows());
        rows.map(|(&id, dy)| table.row(id).dot(&dy)).sum()
    };
    assert_gradient("d_table", loss, &table, &d_table);
}

#[test]
fn it_adds_to_what_was_there() {
    let mut d_table = Matrix::ones((2, 1));
    embed_backward(&[1], &Matrix::from_elem((1, 1), 5.0), &mut d_table);
    let found = [d_table[[0, 0]], d_table[[1, 0]]];
    assert_eq!(found, [1.0, 6.0], "other parts of the model add to it, too");
}
