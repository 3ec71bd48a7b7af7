//! The figures of chapter 4.

use std::error::Error;

use super::svg::*;
use crate::first_model::SONNETS;
use double::Matrix;
use double::gpt::{Gpt, GptConfig, cross_entropy};
use double::orientation::{dot, flat};
use double::tokenization::CharTokenizer;
use double::transformer_block::{LayerNorm, attend, gelu};
use ndarray::array;
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// The line that the pictures of attention look at.
pub const LINE: &str = "Shall I compare thee";

/// Scores, and weights, of every head for [`LINE`], block by block.
pub fn scores_and_weights(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Vec<(Matrix, Matrix)> {
    let ids = tokenizer.encode(LINE).unwrap_or_default();
    let t = ids.len();
    let (mut x, _) = model.embeddings.forward(&ids, t);
    let mut heads = Vec::new();
    for block in &model.blocks {
        let (h, _) = block.norm_1.forward(&x);
        let (qkv, _) = block.attention.qkv.forward(h);
        let c = qkv.ncols() / 3;
        let d = c / block.attention.n_head;
        for left in (0..c).step_by(d) {
            let part = |i: usize| {
                qkv.slice(ndarray::s![.., i * c + left..i * c + left + d])
            };
            let (q, k) = (part(0), part(1));
            let scores = q.dot(&k.t()) / (d as f64).sqrt();
            let mut att = Matrix::zeros((t, t));
            let mut y = Matrix::zeros((t, d));
            attend(&q, &k, &part(2), &mut att, &mut y);
            heads.push((scores, att));
        }
        let (y, _) = block.forward(x, t);
        x = y;
    }
    heads
}

/// Every head, a row each: products, scaled, without the future, weights.
pub fn attention(model: &Gpt, tokenizer: &CharTokenizer) -> String {
    let mut svg = Svg::new(
        720,
        720,
        "A line of verse in four heads, from products to weights",
        "Four rows of four tables of squares, a row of tables for each head, a \
         row of squares for each query and a column for each key: all dot \
         products; the same divided by the root of the head's width; the same \
         with the upper right half hatched; the weights after the softmax.",
    );
    for (i, name) in
        ["Q·Kᵀ", "Q·Kᵀ/√D", "masked", "softmax"].into_iter().enumerate()
    {
        svg.text(110.0 + 174.0 * i as f64, 16.0, Align::Middle, name);
    }
    let GptConfig { n_head, n_embd, .. } = model.config();
    let root = ((n_embd / n_head) as f64).sqrt();
    let heads = scores_and_weights(model, tokenizer);
    for (i, (scores, weights)) in heads.iter().enumerate() {
        let top = 28.0 + 174.0 * i as f64;
        let name = format!("block {}, head {}", i / n_head, i % n_head);
        let largest = scores.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        svg.describe(&format!(
            "In {name} the largest product is {:.1} in size, and {:.1} once \
             divided.",
            largest * root,
            largest
        ));
        stages(&mut svg, top, &name, &(scores * root), root, weights);
    }
    svg.finish()
}

/// One head's row of [`attention`].
fn stages(
    svg: &mut Svg,
    top: f64,
    name: &str,
    products: &Matrix,
    root: f64,
    weights: &Matrix,
) {
    let (cell, n) = (8.0, LINE.len());
    let largest = products.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    let products = products / largest;
    let scores = &products / root;
    let masked = Matrix::from_shape_fn((n, n), |(i, j)| {
        if j <= i { scores[[i, j]] } else { 0.0 }
    });
    let tables = [&products, &scores, &masked, weights];
    for (i, values) in tables.into_iter().enumerate() {
        let left = 30.0 + 174.0 * i as f64;
        svg.heat(left, top, [cell, cell], values);
        if i >= 2 {
            svg.hatch_future([left, top], cell, n, 1);
        }
    }
    let (x, y) = (17.0, top + 80.0);
    let turned = format!(" transform=\"rotate(-90 {x} {y})\"");
    svg.styled(x, y, Align::Middle, &turned, name);
}

/// The weights of all heads, with the line's characters at two sides.
pub fn heads(model: &Gpt, tokenizer: &CharTokenizer) -> String {
    let mut svg = Svg::new(
        720,
        730,
        "The weights of four heads for one line of verse",
        "Four tables of squares, two heads in each of two blocks; each row \
         shows where the character at its left looks.",
    );
    let (cell, half) = (15.0, 150.0);
    for (i, (_, weights)) in
        scores_and_weights(model, tokenizer).iter().enumerate()
    {
        let left = 44.0 + 362.0 * (i % 2) as f64;
        let top = 52.0 + 370.0 * (i / 2) as f64;
        let name = format!("block {}, head {}", i / 2, i % 2);
        svg.text(left + half, top - 30.0, Align::Middle, &name);
        let near = (2..LINE.len())
            .map(|i| weights.slice(ndarray::s![i, i - 2..=i]).sum());
        let near = near.sum::<f64>() / (LINE.len() - 2) as f64;
        svg.describe(&format!(
            "In {name} a character and the two before it get {near:.2} of a \
             row, on average."
        ));
        svg.heat(left, top, [cell, cell], weights);
        svg.hatch_future([left, top], cell, LINE.len(), 1);
        for (j, c) in LINE.chars().map(visible).enumerate() {
            let along = (j as f64 + 0.5) * cell;
            svg.code(left - 11.0, top + along + 4.0, Align::Middle, &c);
            svg.code(left + along, top - 7.0, Align::Middle, &c);
        }
    }
    svg.finish()
}

/// `Φ(x)`, the probability that a normal variable is below `x`, by Simpson's
/// rule.
pub fn phi(x: f64) -> f64 {
    let bell = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let (n, h) = (400, x / 400.0);
    let inner = (1..n).map(|i| {
        let weight = if i % 2 == 0 { 2.0 } else { 4.0 };
        weight * bell(f64::from(i) * h)
    });
    0.5 + h / 3.0 * (bell(0.0) + inner.sum::<f64>() + bell(x))
}

/// GELU, its derivative, and how far its two definitions are apart.
pub fn gelu_curves() -> String {
    let mut svg = Svg::new(
        720,
        380,
        "GELU, its derivative, and the gap between its two definitions",
        "Three curves between minus four and four: GELU, near zero on the left \
         and a straight line on the right; its derivative, which overshoots \
         one a little; and the difference of the two definitions, a thousand times \
         enlarged, which stays within half a unit.",
    );
    let x_at = |x: f64| 360.0 + 84.0 * x;
    let y_at = |y: f64| 270.0 - 75.0 * y;
    for y in [-1.0, 0.0, 1.0, 2.0, 3.0] {
        svg.line(&[(x_at(-4.0), y_at(y)), (x_at(4.0), y_at(y))], FAINT, false);
        svg.text(18.0, y_at(y) + 5.0, Align::End, &format!("{y}"));
    }
    for x in -4..=4 {
        let x = f64::from(x);
        svg.text(x_at(x), 368.0, Align::Middle, &format!("{x}"));
    }
    let (mut value, mut slope, mut gap) = (Vec::new(), Vec::new(), Vec::new());
    for i in -160..=160 {
        let x = f64::from(i) / 40.0;
        let (y, dy_dx) = gelu(x);
        if y <= 3.2 {
            value.push((x_at(x), y_at(y)));
        }
        slope.push((x_at(x), y_at(dy_dx)));
        gap.push((x_at(x), y_at(1000.0 * (y - x * phi(x)))));
    }
    let ends = |f: &dyn Fn(f64) -> f64| {
        let values = (-160..=160).map(|i| f(f64::from(i) / 40.0));
        values.fold((0.0, 0.0), |(low, high): (f64, f64), y| {
            (low.min(y), high.max(y))
        })
    };
    let (least, _) = ends(&|x| gelu(x).0);
    let (_, steepest) = ends(&|x| gelu(x).1);
    let (below, above) = ends(&|x| 1000.0 * (gelu(x).0 - x * phi(x)));
    svg.describe(&format!(
        "The least value of GELU is {}, its highest derivative {steepest:.2}; \
         the enlarged gap is at most {:.2}.",
        listed(&[least], 2),
        above.max(-below)
    ));
    for (line, colour, dashed) in
        [(value, BLUE, false), (slope, BLUE, true), (gap, ORANGE, false)]
    {
        svg.line(&line, colour, dashed);
    }
    let style = format!(" fill=\"{BLUE}\"");
    svg.styled(x_at(2.3), y_at(2.6), Align::End, &style, "gelu(x)");
    svg.styled(x_at(3.9), y_at(1.12), Align::End, &style, "its derivative");
    let style = format!(" fill=\"{ORANGE}\"");
    svg.styled(x_at(-3.9), y_at(-0.75), Align::Start, &style, "1000 × the gap");
    svg.finish()
}

/// The root of the mean square.
pub fn spread(x: &[f64]) -> f64 {
    (dot(x, x) / x.len() as f64).sqrt()
}

/// In an untrained model of eight blocks: the stream's size behind each block,
/// and the size of the gradient of each block's `qkv`.
pub fn stream() -> Result<String, Box<dyn Error>> {
    let text = SONNETS.get(..257).unwrap_or(SONNETS);
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(text)?;
    let (inputs, targets) = (&ids[..256], &ids[1..]);
    let mut svg = Svg::new(
        720,
        300,
        "The residual stream and the gradients, block by block",
        "Two charts over eight blocks of an untrained model, each with a curve \
         for projections drawn as small as all other weights and one for \
         projections drawn smaller by the root of sixteen.",
    );
    let mut curves = Vec::new();
    for scaled in [false, true] {
        let (n_layer, n_head, n_embd) = (8, 4, 64);
        let (block_size, vocab_size) = (64, tokenizer.vocab_size());
        let sizes =
            GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
        let mut model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;
        if !scaled {
            for block in &mut model.blocks {
                block.attention.proj.weight *= 4.0; // √(2·8)
                block.mlp.down.weight *= 4.0;
            }
        }
        let (mut x, _) = model.embeddings.forward(inputs, 64);
        let mut sizes = vec![spread(flat(&x))];
        for block in &model.blocks {
            x = block.forward(x, 64).0;
            sizes.push(spread(flat(&x)));
        }
        let (_, grad) = model.loss_and_grad(inputs, targets, 64);
        let slopes: Vec<f64> = grad
            .blocks
            .iter()
            .map(|block| spread(flat(&block.attention.qkv.weight)))
            .collect();
        curves.push((sizes, slopes));
    }
    let largest =
        |values: &[f64]| values.iter().fold(0.0, |a: f64, &b| a.max(b));
    let tops =
        curves.iter().fold([0.0; 2], |tops: [f64; 2], (sizes, slopes)| {
            [tops[0].max(largest(sizes)), tops[1].max(largest(slopes))]
        });
    for (i, (sizes, slopes)) in curves.iter().enumerate() {
        let colour = [ORANGE, BLUE][i];
        for (left, values, top, what, first) in [
            (30.0, sizes, tops[0], "size of the stream", 0),
            (390.0, slopes, tops[1], "gradient of qkv, in thousandths", 1),
        ] {
            let scale = [1.0, 1000.0][first]; // of the numbers beside it
            let x = |i: usize| left + 20.0 + 34.0 * (i + first) as f64;
            let y = |value: f64| 240.0 - 190.0 * value / top;
            let points: Vec<(f64, f64)> =
                values.iter().enumerate().map(|(i, &v)| (x(i), y(v))).collect();
            points.iter().for_each(|&(x, y)| svg.dot(x, y, colour, true));
            svg.line(&points, colour, false);
            if i == 0 {
                svg.line(&[(left, 240.0), (left + 310.0, 240.0)], INK, false);
                svg.text(left + 155.0, 24.0, Align::Middle, what);
                for block in [first, 4, 8] {
                    let label = block.to_string();
                    svg.text(x(block - first), 262.0, Align::Middle, &label);
                }
                let axis = if first == 0 { "after block" } else { "block" };
                svg.text(left + 155.0, 288.0, Align::Middle, axis);
                for value in [[0.04, 0.08], [0.003, 0.006]][first] {
                    let at = y(value);
                    svg.line(&[(left, at), (left + 310.0, at)], FAINT, false);
                    let value = scale * value;
                    svg.text(left, at - 4.0, Align::Start, &value.to_string());
                }
            }
            let style = format!(" fill=\"{colour}\"");
            let (at, name) = [(6, "all 0.02"), (7, "0.02/√(2L)")][i];
            if let [from, .., to] = values[..] {
                let digits = [3, 1][first];
                let [from, to] =
                    [from, to].map(|x| listed(&[scale * x], digits));
                svg.describe(&format!(
                    "With {name}, {what}: from {from} to {to}."
                ));
            }
            let (x, y) = points[at - first];
            let up = if first == 0 || i == 0 { 12.0 } else { -22.0 };
            svg.rimmed(x, y - up, Align::End, &style, name);
        }
    }
    Ok(svg.finish())
}

/// The space of rows of three numbers: the mean upwards, and the two directions
/// that are left on the floor, the first along `x̂`.
struct Room {
    along: [f64; 3],
    across: [f64; 3],
    centre: (f64, f64),
}

impl Room {
    /// The space, turned so that `x̂` lies in front.
    fn new(x_hat: &[f64], centre: (f64, f64)) -> Self {
        let [x, y, z] = [x_hat[0], x_hat[1], x_hat[2]];
        let along = [x, y, z].map(|x| x / 3f64.sqrt());
        let across = [z - y, x - z, y - x].map(|x| x / 3.0);
        Self { along, across, centre }
    }

    /// Where a row of three numbers is drawn.
    fn at(&self, row: &[f64]) -> (f64, f64) {
        let up = row.iter().sum::<f64>() / 3f64.sqrt();
        let (r, t) = (dot(row, &self.along), dot(row, &self.across));
        self.on(r, t, up)
    }

    fn on(&self, r: f64, t: f64, up: f64) -> (f64, f64) {
        let (sin, cos) = (-1.35f64).sin_cos();
        let (right, back) = (r * cos - t * sin, r * sin + t * cos);
        let (x, y) = self.centre;
        (x + 92.0 * right, y - 92.0 * (0.85 * up + 0.52 * back))
    }

    /// The floor's circle of rows of mean zero and standard deviation one, and
    /// the axis of rows of three equal numbers.
    fn draw(&self, svg: &mut Svg, height: f64) {
        let turn = |i: i32| f64::from(i) * std::f64::consts::TAU / 72.0;
        let (root, faint) =
            (3f64.sqrt(), "currentColor\" stroke-opacity=\"0.4");
        let circle: Vec<(f64, f64)> = (0..=72)
            .map(|i| self.on(root * turn(i).cos(), root * turn(i).sin(), 0.0))
            .collect();
        svg.line(&circle, INK, false);
        let axis = [self.on(0.0, 0.0, 0.0), self.on(0.0, 0.0, height)];
        svg.line(&axis, faint, false);
    }
}

/// An arrow in any direction.
fn pointer(
    svg: &mut Svg,
    from: (f64, f64),
    to: (f64, f64),
    colour: &str,
    dashed: bool,
) {
    svg.line(&[from, to], colour, dashed);
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1e-9);
    let (dx, dy) = (dx / length, dy / length);
    let (x, y) = (to.0 - 8.0 * dx, to.1 - 8.0 * dy);
    let (ax, ay, bx, by) =
        (x - 4.0 * dy, y + 4.0 * dx, x + 4.0 * dy, y - 4.0 * dx);
    svg.push(format_args!(
        "<path d=\"M{:.1} {:.1}L{ax:.1} {ay:.1}L{bx:.1} {by:.1}Z\" \
         fill=\"{colour}\"/>",
        to.0, to.1
    ));
}

/// A row with one spike through LayerNorm, and a gradient in the backward pass.
pub fn spike() -> String {
    let mut svg = Svg::new(
        720,
        400,
        "LayerNorm of four numbers, forward and back",
        "Four small bar charts. Above, from left to right: a row with one \
         spike, and the row normalized. Below, from right to left: a gradient \
         that is one for the second output and zero for the others, and the \
         gradient of the row.",
    );
    let norm = LayerNorm::new(4);
    let x = array![[1.0, 0.0, 0.0, 0.0]];
    let dy = array![[0.0, 1.0, 0.0, 0.0]];
    let (x_hat, cache) = norm.forward(&x);
    let dx = norm.backward(&cache, dy.clone(), &mut norm.clone());
    let mut panel = |left: f64, zero: f64, name: &str, row: &Matrix| {
        let numbers = listed(flat(row), 2);
        svg.describe(&format!("The numbers of {name}: {numbers}."));
        svg.text(left + 150.0, zero - 84.0, Align::Middle, name);
        for (j, &value) in row.iter().enumerate() {
            let value = if value.abs() < 0.005 { 0.0 } else { value };
            let (at, height) = (left + 15.0 + 75.0 * j as f64, 35.0 * value);
            let (top, color) = match value < 0.0 {
                true => (zero, ORANGE),
                false => (zero - height, BLUE),
            };
            svg.bar([at, top, 45.0, height.abs()], color, 1.0);
            let label = format!("{value:.2}").replace('-', "−");
            svg.text(at + 22.5, zero + 60.0, Align::Middle, &label);
        }
        svg.line(&[(left, zero), (left + 300.0, zero)], INK, false);
    };
    panel(20.0, 110.0, "the row x", &x);
    panel(400.0, 110.0, "normalized, y", &x_hat);
    panel(20.0, 310.0, "gradient of x, dx", &dx);
    panel(400.0, 310.0, "gradient of y, dy", &dy);
    svg.arrow(&[(335.0, 110.0), (385.0, 110.0)], INK, false);
    svg.arrow(&[(385.0, 310.0), (335.0, 310.0)], INK, false);
    svg.finish()
}

/// What LayerNorm does to a row of three numbers, and to a gradient.
pub fn projection() -> String {
    let mut svg = Svg::new(
        720,
        326,
        "LayerNorm of three numbers, forward and back",
        "Two drawings of space, in which a row of three numbers is a point. \
         Left: a row drops to the floor, where the mean is zero, and is \
         stretched to a circle, where the standard deviation is one. Right: a \
         gradient at a point of the circle loses its upright part and the part \
         that points away from the center; what is left is a tangent.",
    );
    let norm = LayerNorm::new(3);
    let (x, g) = (array![[1.9, 0.4, 1.0]], array![[1.2, 0.6, -0.3]]);
    let (x_hat, cache) = norm.forward(&x);
    let dx = norm.backward(&cache, g.clone(), &mut norm.clone());
    let (mean, g_mean) = (x.sum() / 3.0, g.sum() / 3.0);
    let sigma = spread(flat(&(&x - mean)));

    let left = Room::new(flat(&x_hat), (178.0, 186.0));
    left.draw(&mut svg, 1.9);
    let [start, floor, end] =
        [&x, &(&x - mean), &x_hat].map(|row| left.at(flat(row)));
    pointer(&mut svg, start, floor, ORANGE, false);
    pointer(&mut svg, floor, end, BLUE, false);
    for point in [start, floor, end] {
        svg.dot(point.0, point.1, INK, true);
    }
    let row = |x: &Matrix| {
        let x = flat(x);
        format!("({:.1}, {:.1}, {:.1})", x[0], x[1], x[2]).replace('-', "−")
    };
    svg.describe(&format!(
        "The row x is {}, normalized {}; its gradient {} becomes {}, times \
         the standard deviation.",
        listed(flat(&x), 1),
        listed(flat(&x_hat), 2),
        listed(flat(&g), 1),
        listed(flat(&(&dx * sigma)), 2)
    ));
    let label = format!("x = {}", row(&x));
    svg.text(start.0 + 10.0, start.1 - 4.0, Align::Start, &label);
    svg.text(floor.0 + 8.0, floor.1 - 6.0, Align::Start, "x − μ");
    svg.text(end.0 + 4.0, end.1 + 20.0, Align::Middle, "x̂");
    let top = left.on(0.0, 0.0, 1.9);
    svg.text(top.0, top.1 - 8.0, Align::Middle, "(1, 1, 1)");

    let right = Room::new(flat(&x_hat), (530.0, 186.0));
    right.draw(&mut svg, 1.9);
    let along = x_hat.dot(&g.t()) / 3.0;
    let level = &g - g_mean;
    let passed = &level - &x_hat * along[[0, 0]];
    let [origin, start, on_floor, kept] = [
        &x_hat,
        &(&x_hat + &g),
        &(&x_hat + &level),
        &(&x_hat + &(&dx * sigma)),
    ]
    .map(|row| right.at(flat(row)));
    debug_assert!(spread(flat(&(&dx * sigma - &passed))) < 1e-4);
    pointer(&mut svg, origin, start, INK, true);
    pointer(&mut svg, start, on_floor, ORANGE, true);
    pointer(&mut svg, on_floor, kept, ORANGE, true);
    pointer(&mut svg, origin, kept, BLUE, true);
    svg.dot(origin.0, origin.1, INK, true);
    svg.text(origin.0 - 4.0, origin.1 + 20.0, Align::Middle, "x̂");
    let label = format!("dx̂ = {}", row(&g));
    svg.text(start.0 + 4.0, start.1 - 10.0, Align::End, &label);
    let style = format!(" fill=\"{ORANGE}\"");
    let middle = (start.1 + on_floor.1) / 2.0;
    svg.styled(start.0 + 8.0, middle, Align::Start, &style, "⟨dx̂⟩");
    let (x, y) = (on_floor.0 - 4.0, on_floor.1 + 18.0);
    svg.styled(x, y, Align::Middle, &style, "x̂⟨dx̂ x̂⟩");
    let style = format!(" fill=\"{BLUE}\"");
    let (x, y) = (origin.0 + 44.0, origin.1 + 18.0);
    svg.styled(x, y, Align::Middle, &style, "σ·dx");
    let (l, r) = (178.0, 530.0);
    svg.text(l, 318.0, Align::Middle, "forward: down, then out to the circle");
    svg.text(r, 318.0, Align::Middle, "backward: what is left is a tangent");
    svg.finish()
}

/// The size of the gradient of each block's `qkv` where each *sum* is
/// normalized, as in 2017.
fn post_norm_slopes(model: &Gpt, inputs: &[u16], targets: &[u16]) -> Vec<f64> {
    let t = model.embeddings.position.nrows();
    let (mut x, _) = model.embeddings.forward(inputs, t);
    let mut caches = Vec::new();
    for block in &model.blocks {
        let (h, attention) = block.attention.forward(x.clone(), t);
        let (y, norm_1) = block.norm_1.forward(&(x + &h));
        let (h, mlp) = block.mlp.forward(y.clone());
        let (y, norm_2) = block.norm_2.forward(&(y + &h));
        caches.push((attention, norm_1, mlp, norm_2));
        x = y;
    }
    let (x, norm) = model.norm.forward(&x);
    let head = &model.embeddings.token;
    let scale = 1.0 / targets.len() as f64;
    let (_, dlogits) = cross_entropy(x.dot(&head.t()), targets, scale);
    let mut all = model.zeros_like();
    let mut dx = model.norm.backward(&norm, dlogits.dot(head), &mut all.norm);
    let blocks = model.blocks.iter().zip(&caches).zip(&mut all.blocks);
    for ((block, (attention, norm_1, mlp, norm_2)), grad) in blocks.rev() {
        dx = block.norm_2.backward(norm_2, dx, &mut grad.norm_2);
        let dh = block.mlp.backward(mlp, &dx, &mut grad.mlp);
        dx = block.norm_1.backward(norm_1, dx + &dh, &mut grad.norm_1);
        let dh = block.attention.backward(attention, &dx, &mut grad.attention);
        dx += &dh;
    }
    let qkv = all.blocks.iter().map(|block| &block.attention.qkv.weight);
    qkv.map(|slopes| spread(flat(slopes))).collect()
}

/// The gradients of untrained models of eight blocks, pre-norm and post-norm.
pub fn norms() -> Result<String, Box<dyn Error>> {
    let mut svg = Svg::new(
        720,
        372,
        "Gradients by depth, with norms before each part and after each sum",
        "Two charts over eight blocks of an untrained model, on a logarithmic \
         axis, each with a curve for pre-norm and one for post-norm. With \
         GPT-2's small weights both are level, post-norm far below. With \
         larger weights they begin close together, and pre-norm falls with \
         the depth.",
    );
    let text = SONNETS.get(..257).unwrap_or(SONNETS);
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(text)?;
    let (inputs, targets) = (&ids[..256], &ids[1..]);
    let y = |slope: f64| 30.0 - 95.0 * (slope.log10() + 2.0);
    for (left, larger, what) in [
        (74.0, false, "weights initialized as in GPT-2"),
        (414.0, true, "weights of N(0, 1/inputs)"),
    ] {
        let (n_layer, n_head, n_embd, block_size) = (8, 4, 64, 64);
        let vocab_size = tokenizer.vocab_size();
        let sizes =
            GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
        let mut model = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;
        if larger {
            let scale = 1.0 / 8.0 / 0.02; // √64 is 8
            for block in &mut model.blocks {
                block.attention.qkv.weight *= scale;
                block.attention.proj.weight *= scale * 4.0; // √(2·8)
                block.mlp.up.weight *= scale;
                block.mlp.down.weight *= scale * 2.0; // 4C inputs: half as large
            }
        }
        let (_, grad) = model.loss_and_grad(inputs, targets, 64);
        let qkv = grad.blocks.iter().map(|b| &b.attention.qkv.weight);
        let pre: Vec<f64> = qkv.map(|slopes| spread(flat(slopes))).collect();
        let post = post_norm_slopes(&model, inputs, targets);
        let x = |i: usize| left + 20.0 + 36.0 * i as f64;
        for power in -5..=-2 {
            let y = y(10f64.powi(power));
            svg.line(&[(left, y), (left + 292.0, y)], FAINT, false);
            let label = ["0.01", "0.001", "0.0001", "0.00001"];
            let label = label[(-2 - power) as usize];
            if !larger {
                svg.text(left - 6.0, y + 5.0, Align::End, label);
            }
        }
        let (i, away) = if larger { (5, -12.0) } else { (1, 24.0) };
        for (slopes, colour, name, i, away) in [
            (&pre, BLUE, "pre-norm", 1, -12.0),
            (&post, ORANGE, "post-norm", i, away),
        ] {
            if let [from, .., to] = slopes[..] {
                svg.describe(&format!(
                    "With {what}, {name} goes from {from:.5} in block 1 to \
                     {to:.5} in block 8."
                ));
            }
            let points: Vec<(f64, f64)> =
                slopes.iter().enumerate().map(|(i, &s)| (x(i), y(s))).collect();
            points.iter().for_each(|&(x, y)| svg.dot(x, y, colour, true));
            svg.line(&points, colour, false);
            let style = format!(" fill=\"{colour}\"");
            let (x, y) = points[i];
            svg.styled(x, y + away, Align::Start, &style, name);
        }
        for block in [1, 4, 8] {
            let label = block.to_string();
            svg.text(x(block - 1), 340.0, Align::Middle, &label);
        }
        svg.text(left + 146.0, 16.0, Align::Middle, what);
        svg.text(left + 146.0, 364.0, Align::Middle, "block");
    }
    Ok(svg.finish())
}
