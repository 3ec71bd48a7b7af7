//! A valley that is a hundred times as steep across as along, and three ways
//! down it. Used by the program and by the figure.

#[derive(Clone, Copy)]
pub enum Rule {
    Plain,
    Momentum,
    Adam,
}

// ANCHOR: descend
/// Goes down the valley `½(x² + 100y²)` from `(1, 1)` and returns the way in
/// these coordinates, while the optimizer sees it turned by `angle`.
pub fn descend(rule: Rule, angle: f64, steps: i32) -> Vec<[f64; 2]> {
    let (sin, cos) = angle.sin_cos();
    let turn = |[x, y]: [f64; 2]| [cos * x - sin * y, sin * x + cos * y];
    let back = |[u, w]: [f64; 2]| [cos * u + sin * w, cos * w - sin * u];
    let mut w = turn([1.0, 1.0]);
    let (mut m, mut v) = ([0.0; 2], [0.0; 2]);
    let mut path = vec![[1.0, 1.0]];
    for t in 1..=steps {
        let [x, y] = back(w);
        let g = turn([x, 100.0 * y]);
        for i in 0..2 {
            m[i] = 0.9 * m[i] + 0.1 * g[i];
            v[i] = 0.99 * v[i] + 0.01 * g[i] * g[i];
            let m_hat = m[i] / (1.0 - 0.9f64.powi(t));
            let v_hat: f64 = v[i] / (1.0 - 0.99f64.powi(t));
            w[i] -= match rule {
                Rule::Plain => 0.015 * g[i],
                Rule::Momentum => 0.15 * m[i],
                Rule::Adam => 0.05 * m_hat / (v_hat.sqrt() + 1e-8),
            };
        }
        path.push(back(w));
    }
    path
}
// ANCHOR_END: descend
