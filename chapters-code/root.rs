type Float = f32;
type Vector = ndarray::Array1<Float>;
type Matrix = ndarray::Array2<Float>;
fn exp(x: Float) -> Float { x.exp() }
use ndarray::linalg::general_mat_mul;
