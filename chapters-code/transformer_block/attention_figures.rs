//! The diagrams of chapter 4: a block, what is where in memory, the mask, and
//! the graph of attention.

use super::svg::*;
use double::Matrix;
use double::orientation::{rows_mut, softmax};

const BOLD: &str = " font-weight=\"600\"";
const MONOSPACE: &str = " font-family=\"monospace\"";
const BLUE_TEXT: &str = " fill=\"#0072B2\"";
const ORANGE_TEXT: &str = " fill=\"#D55E00\"";
const GREEN_TEXT: &str = " fill=\"#009E73\"";
/// For frames around what belongs together.
const RULE: &str = "currentColor\" stroke-opacity=\"0.4";

/// Where the residual stream of [`block`] runs down, and its gradient up.
const STREAM: [f64; 2] = [44.0, 62.0];

/// A branch of [`block`]: what it is called, its four boxes with their weights,
/// and the shapes between them.
struct Branch {
    title: &'static str,
    boxes: [(&'static str, &'static str); 4],
    shapes: [&'static str; 3],
}

const BRANCHES: [Branch; 2] = [
    Branch {
        title: "attention: positions exchange information",
        boxes: [
            ("LayerNorm", "γ, β [C]"),
            ("qkv", "[C, 3C]"),
            ("heads", "no matrix"),
            ("proj", "[C, C]"),
        ],
        shapes: ["[N, C]", "[N, 3C]", "[N, C]"],
    },
    Branch {
        title: "MLP: each position by itself",
        boxes: [
            ("LayerNorm", "γ, β [C]"),
            ("up", "[C, 4C]"),
            ("GELU", "no matrix"),
            ("down", "[4C, C]"),
        ],
        shapes: ["[N, C]", "[N, 4C]", "[N, 4C]"],
    },
];

/// One block: the residual stream at the left, and its two branches.
pub fn block() -> String {
    let mut svg = Svg::new(
        720,
        432,
        "One transformer block, forward and back",
        "The residual stream runs down the left side, a matrix of N rows and C \
         columns. A first branch leaves it, through LayerNorm, qkv, the heads \
         and proj, and is added to it. A second leaves it further down, \
         through LayerNorm, up, GELU and down, and is added, too. Behind qkv \
         there are 3C columns, behind up and GELU 4C, elsewhere C. Dashed \
         arrows lead back along every solid one.",
    );
    stream(&mut svg);
    let [attention, mlp] = &BRANCHES;
    branch(&mut svg, 92.0, attention);
    branch(&mut svg, 262.0, mlp);
    svg.finish()
}

/// The stream of [`block`] from its input to its output.
fn stream(svg: &mut Svg) {
    let [down, up] = STREAM;
    svg.code(84.0, 24.0, Align::Start, "x [N, C]");
    svg.code(84.0, 426.0, Align::Start, "y [N, C]");
    for (top, bottom) in [(10.0, 172.0), (200.0, 342.0), (370.0, 426.0)] {
        svg.arrow(&[(down, top), (down, bottom)], INK, false);
        svg.arrow(&[(up, bottom), (up, top)], BLUE, true);
    }
    let said = "dashed: gradients, of the same shapes";
    svg.styled(706.0, 20.0, Align::End, BLUE_TEXT, said);
}

/// A branch of [`block`], from where it leaves the stream to where it is added.
fn branch(svg: &mut Svg, y: f64, what: &Branch) {
    let [down, up] = STREAM;
    let lefts = [112.0, 276.0, 428.0, 580.0];
    svg.styled(264.0, y - 42.0, Align::Start, BOLD, what.title);
    svg.frame([264.0, y - 34.0, 412.0, 68.0], RULE);
    svg.dot(down, y - 6.0, INK, true);
    svg.arrow(&[(down, y - 6.0), (lefts[0], y - 6.0)], INK, false);
    svg.arrow(&[(lefts[0], y + 8.0), (up, y + 8.0)], BLUE, true);
    for (left, (name, weights)) in lefts.into_iter().zip(what.boxes) {
        svg.frame([left, y - 24.0, 84.0, 48.0], INK);
        svg.text(left + 42.0, y - 3.0, Align::Middle, name);
        svg.text(left + 42.0, y + 15.0, Align::Middle, weights);
    }
    for (ends, shape) in lefts.windows(2).zip(what.shapes) {
        let (from, to) = (ends[0] + 84.0, ends[1]);
        svg.arrow(&[(from, y - 6.0), (to, y - 6.0)], INK, false);
        svg.arrow(&[(to, y + 8.0), (from, y + 8.0)], BLUE, true);
        let middle = (from + to) / 2.0 - 3.0;
        svg.code(middle, y - 13.0, Align::Middle, shape);
    }
    plus(svg, y + 94.0, [lefts[3] + 84.0, y]);
}

/// Where a branch of [`block`] comes back from `[right, y]` and is added.
fn plus(svg: &mut Svg, sum: f64, [right, y]: [f64; 2]) {
    let middle = (STREAM[0] + STREAM[1]) / 2.0;
    svg.push(format_args!(
        "<circle cx=\"{middle}\" cy=\"{sum}\" r=\"14\" fill=\"none\" \
         stroke=\"currentColor\" stroke-width=\"1.5\"/>"
    ));
    svg.styled(middle, sum + 5.0, Align::Middle, BOLD, "+");
    let (from, to, out) = (right, middle + 14.0, right + 32.0);
    let corner = [(out, y - 6.0), (out, sum + 6.0)];
    let path = [(from, y - 6.0), corner[0], corner[1], (to, sum + 6.0)];
    svg.arrow(&path, INK, false);
    let (low, inner) = (sum - 6.0, out - 14.0);
    let path = [(to, low), (inner, low), (inner, y + 8.0), (from, y + 8.0)];
    svg.arrow(&path, BLUE, true);
    svg.code(160.0, sum + 22.0, Align::Middle, "[N, C]");
}

/// How `qkv` and `att` lie in memory: two windows, two heads, one of each lit.
pub fn qkv_layout() -> String {
    let mut svg = Svg::new(
        720,
        394,
        "Where the queries, keys, values and weights of one head are",
        "At the left qkv, a matrix of two windows of T rows and of three \
         groups of C columns, q, k and v, each of two heads of D columns. The \
         part of window 1 and head 1 is lit in q, k and v. In the middle att, \
         four squares of T by T on top of each other; the last is lit, and \
         drawn larger at the right, with its three tiles of 32 queries and \
         the upper half hatched.",
    );
    qkv(&mut svg);
    lit_head(&mut svg);
    squares(&mut svg);
    tiles(&mut svg, 566.0, 178.0, 48.0);
    svg.finish()
}

/// Where the table of [`qkv_layout`] begins, how wide the columns of a head are
/// and how high the rows of a window.
const QKV: [f64; 4] = [74.0, 92.0, 50.0, 96.0];

/// The left part of [`qkv_layout`].
fn qkv(svg: &mut Svg) {
    let [left, top, d, t] = QKV;
    svg.styled(left + 3.0 * d, 22.0, Align::Middle, BOLD, "qkv [N, 3C]");
    for (part, name) in ["q [N, C]", "k [N, C]", "v [N, C]"].iter().enumerate()
    {
        let x = left + 2.0 * d * part as f64;
        let style = [BLUE_TEXT, ORANGE_TEXT, GREEN_TEXT][part];
        svg.styled(x + d, 54.0, Align::Middle, &format!("{BOLD}{style}"), name);
        for (x, name) in [(x, "head 0"), (x + d, "head 1")] {
            svg.text(x + d / 2.0, 80.0, Align::Middle, name);
            svg.frame([x, top, d, 2.0 * t], RULE);
        }
        svg.frame([x, top, 2.0 * d, 2.0 * t], INK);
    }
    for (y, name) in [(top, "window 0"), (top + t, "window 1")] {
        svg.text(left - 6.0, y + 44.0, Align::End, name);
        svg.text(left - 6.0, y + 62.0, Align::End, "T rows");
        svg.line(&[(left, y), (left + 6.0 * d, y)], INK, false);
    }
}

/// Head 1 of window 1 in `qkv`, and where it is.
fn lit_head(svg: &mut Svg) {
    let [left, top, d, t] = QKV;
    for (part, name) in ["q", "k", "v"].into_iter().enumerate() {
        let x = left + d * (2 * part + 1) as f64;
        svg.bar([x, top + t, d, t], [BLUE, ORANGE, GREEN][part], 0.55);
        svg.code(x + d / 2.0, top + 149.0, Align::Middle, name);
        svg.text(x + d / 2.0, top + 212.0, Align::Middle, "D columns");
    }
    for (y, line) in [
        (342.0, "window 1 and head 1 of H = 2:"),
        (362.0, "rows T to 2T and columns D to 2D of q, k, v"),
        (382.0, "square 1·H + 1 = 3 of att"),
    ] {
        svg.text(214.0, y, Align::Middle, line);
    }
}

/// The middle part of [`qkv_layout`], from whose last square lines lead to
/// [`tiles`].
fn squares(svg: &mut Svg) {
    svg.styled(495.0, 22.0, Align::Middle, BOLD, "att [B·H·T, T]");
    svg.text(495.0, 46.0, Align::Middle, "square (window, head)");
    let names = ["0 (0, 0)", "1 (0, 1)", "2 (1, 0)", "3 (1, 1)"];
    for (i, name) in names.into_iter().enumerate() {
        let top = 56.0 + 78.0 * i as f64;
        svg.code(446.0, top + 44.0, Align::End, name);
        svg.frame([456.0, top, 78.0, 78.0], INK);
    }
    svg.bar([456.0, 290.0, 78.0, 78.0], INK, 0.18);
    svg.line(&[(538.0, 290.0), (566.0, 178.0)], RULE, false);
    svg.line(&[(538.0, 368.0), (566.0, 322.0)], RULE, false);
}

/// One square of `att` in three tiles of 32 queries, each a frame around what
/// is multiplied.
fn tiles(svg: &mut Svg, left: f64, top: f64, side: f64) {
    svg.hatch_future([left, top], side / 4.0, 12, 1);
    svg.frame([left, top, 3.0 * side, 3.0 * side], RULE);
    for i in 0..3 {
        let (y, width) = (top + side * i as f64, side * (i + 1) as f64);
        svg.bar([left, y, width, side], INK, 0.12);
        svg.frame([left, y, width, side], INK);
        svg.code(left + 6.0, y + 29.0, Align::Start, &format!("{i}"));
    }
    let middle = left + 1.5 * side;
    svg.text(middle, top - 30.0, Align::Middle, "[T, T], T = 96");
    svg.text(middle, top - 11.0, Align::Middle, "keys: columns");
    for (down, line) in [
        (22.0, "framed: a tile of 32"),
        (39.0, "queries, multiplied"),
        (56.0, "hatched: the future"),
    ] {
        svg.text(middle, top + 3.0 * side + down, Align::Middle, line);
    }
}

/// Small scores for [`causal_mask`], a row for each query.
const SCORES: [[f64; 4]; 4] = [
    [1.0, 3.0, 0.0, 2.0],
    [2.0, 1.0, 5.0, 0.0],
    [0.0, 2.0, 1.0, 4.0],
    [1.0, 0.0, 3.0, 2.0],
];

/// The causal mask on four tokens: scores, what is struck, weights.
pub fn causal_mask() -> String {
    let mut svg = Svg::new(
        720,
        252,
        "The causal mask on four tokens",
        "Three tables of four rows and four columns for the characters of \
         thou: scores; the same scores with the upper right half hatched; the \
         weights, in which every row is a softmax of what was left and adds \
         up to one.",
    );
    let scores = Matrix::from(SCORES.to_vec());
    table_of_four(&mut svg, "scores Q·Kᵀ/√D", 36.0, &scores);
    table_of_four(
        &mut svg,
        "the future is struck out",
        282.0,
        &masked(&scores),
    );
    table_of_four(&mut svg, "softmax of each row", 528.0, &softmaxed(&scores));
    for (query, weights) in softmaxed(&scores).outer_iter().enumerate() {
        svg.describe(&format!(
            "Row {query}: scores {}; weights {}.",
            listed(&SCORES[query], 0),
            listed(&weights.to_vec()[..=query], 2)
        ));
    }
    svg.arrow(&[(222.0, 146.0), (256.0, 146.0)], INK, false);
    svg.arrow(&[(468.0, 146.0), (502.0, 146.0)], INK, false);
    svg.finish()
}

/// The scores, with no number where the key is in the query's future.
fn masked(scores: &Matrix) -> Matrix {
    let mut masked = scores.clone();
    for ((query, key), score) in masked.indexed_iter_mut() {
        if key > query {
            *score = f64::NAN;
        }
    }
    masked
}

/// The same, and a softmax of what is left of each row.
fn softmaxed(scores: &Matrix) -> Matrix {
    let mut weights = masked(scores);
    for (query, row) in rows_mut(&mut weights).enumerate() {
        softmax(&mut row[..=query]);
    }
    weights
}

/// One table of [`causal_mask`]: whole numbers, or weights.
fn table_of_four(svg: &mut Svg, name: &str, left: f64, values: &Matrix) {
    let (top, side) = (58.0, 44.0);
    svg.styled(left + 2.0 * side, 22.0, Align::Middle, BOLD, name);
    for (i, c) in "thou".chars().map(String::from).enumerate() {
        let (along, style) = (side * (i as f64 + 0.5), MONOSPACE);
        let key = format!("{style}{ORANGE_TEXT}");
        svg.styled(left + along, top - 8.0, Align::Middle, &key, &c);
        let query = format!("{style}{BLUE_TEXT}");
        svg.styled(left - 12.0, top + along + 5.0, Align::Middle, &query, &c);
    }
    let is_whole = values.iter().all(|x| x.is_nan() || x.fract() == 0.0);
    for ((i, j), &value) in values.indexed_iter().filter(|it| !it.1.is_nan()) {
        let (x, y) = (left + side * j as f64, top + side * i as f64);
        let number =
            if is_whole { format!("{value}") } else { format!("{value:.2}") };
        let shade = if is_whole { 0.0 } else { 0.45 * value };
        svg.bar([x, y, side, side], BLUE, shade);
        svg.text(x + 22.0, y + 27.0, Align::Middle, &number);
    }
    if values.iter().any(|x| x.is_nan()) {
        svg.hatch_future([left, top], side, 4, 3);
    }
    grid_of_four(svg, left, top, side);
}

fn grid_of_four(svg: &mut Svg, left: f64, top: f64, side: f64) {
    for i in 0..5 {
        let (along, whole) = (side * f64::from(i), 4.0 * side);
        let (x, y) = (left + along, top + along);
        svg.line(&[(x, top), (x, top + whole)], RULE, false);
        svg.line(&[(left, y), (left + whole, y)], RULE, false);
    }
}

/// One step of [`graph`]: forward, what is kept for backward, backward.
struct Step {
    forward: &'static str,
    shape: &'static str,
    kept: &'static str,
    backward: [&'static str; 2],
}

const STEPS: [Step; 6] = [
    Step {
        forward: "qkv = x·W + b",
        shape: "[N, 3C]",
        kept: "x",
        backward: ["dW += xᵀ·dqkv", "dx = dqkv·Wᵀ"],
    },
    Step {
        forward: "S = Q·Kᵀ/√D",
        shape: "[T, T]",
        kept: "Q, K",
        backward: ["dQ = dS·K/√D", "dK = dSᵀ·Q/√D"],
    },
    Step {
        forward: "A = causal softmax(S)",
        shape: "[T, T]",
        kept: "A",
        backward: ["dS = A∘(dA − ⟨A, dA⟩)", ""],
    },
    Step {
        forward: "Y = A·V",
        shape: "[T, D]",
        kept: "A, V",
        backward: ["dA = dY·Vᵀ", "dV = Aᵀ·dY"],
    },
    Step {
        forward: "heads side by side",
        shape: "[N, C]",
        kept: "",
        backward: ["each head takes", "its D columns of dY"],
    },
    Step {
        forward: "y = Y·W + b (proj)",
        shape: "[N, C]",
        kept: "Y",
        backward: ["dW += Yᵀ·dy", "dY = dy·Wᵀ"],
    },
];

/// Attention's six steps, forward down the left, backward up the right.
pub fn graph() -> String {
    let mut svg = Svg::new(
        720,
        620,
        "Attention step by step, forward and back",
        "Six boxes at the left, 1 to 6 from top to bottom: qkv, scores, \
         softmax, weighted values, heads side by side, proj. Six at the right \
         hold the backward step of each, joined from bottom to top by dashed \
         arrows. Between them an arrow for each value that is kept: x, Q and \
         K, A, A and V, Y. The values go past two steps at the left, and \
         their gradient goes past the same two at the right.",
    );
    for (x, name) in [(190.0, "forward"), (360.0, "kept"), (530.0, "backward")]
    {
        svg.styled(x, 20.0, Align::Middle, BOLD, name);
    }
    for (i, step) in STEPS.iter().enumerate() {
        pair(&mut svg, i, step);
    }
    for (i, name) in
        [(0, "x"), (2, "S"), (3, "A"), (4, "Y"), (5, "Y"), (6, "y")]
    {
        between(&mut svg, step_top(i), [190.0, 530.0], INK, name);
    }
    between(&mut svg, step_top(1), [160.0, 500.0], BLUE, "Q");
    between(&mut svg, step_top(1), [220.0, 560.0], ORANGE, "K");
    past_two_steps(&mut svg);
    svg.finish()
}

/// Where a step of [`graph`] begins.
fn step_top(i: usize) -> f64 {
    64.0 + 92.0 * i as f64
}

/// The two boxes of a step, and what is kept between them.
fn pair(svg: &mut Svg, i: usize, step: &Step) {
    let (y, number) = (step_top(i), format!("{}", i + 1));
    svg.frame([76.0, y, 228.0, 56.0], INK);
    svg.styled(90.0, y + 24.0, Align::Start, BOLD, &number);
    svg.text(112.0, y + 24.0, Align::Start, step.forward);
    svg.code(112.0, y + 44.0, Align::Start, step.shape);
    svg.frame([416.0, y, 228.0, 56.0], INK);
    svg.styled(430.0, y + 24.0, Align::Start, BOLD, &number);
    let [first, second] = step.backward;
    svg.text(452.0, y + 24.0, Align::Start, first);
    svg.text(452.0, y + 44.0, Align::Start, second);
    if !step.kept.is_empty() {
        svg.arrow(&[(304.0, y + 34.0), (416.0, y + 34.0)], INK, false);
        svg.code(360.0, y + 26.0, Align::Middle, step.kept);
    }
}

/// The arrow down to `bottom` with a value, and the dashed arrow up from there
/// with its gradient.
fn between(
    svg: &mut Svg,
    bottom: f64,
    [down, up]: [f64; 2],
    colour: &str,
    name: &str,
) {
    let (top, style) =
        (bottom - 36.0, format!("{MONOSPACE} fill=\"{colour}\""));
    svg.arrow(&[(down, top), (down, bottom)], colour, false);
    svg.styled(down + 10.0, top + 22.0, Align::Start, &style, name);
    svg.arrow(&[(up, bottom), (up, top)], colour, true);
    let gradient = format!("d{name}");
    svg.styled(up + 10.0, top + 22.0, Align::Start, &style, &gradient);
}

/// The values, which skip steps 2 and 3, and their gradient.
fn past_two_steps(svg: &mut Svg) {
    let (top, bottom) = (step_top(0) + 28.0, step_top(3) + 28.0);
    let down = [(76.0, top), (40.0, top), (40.0, bottom), (76.0, bottom)];
    svg.arrow(&down, GREEN, false);
    let up = [(644.0, bottom), (680.0, bottom), (680.0, top), (644.0, top)];
    svg.arrow(&up, GREEN, true);
    let middle = (top + bottom) / 2.0;
    let style = format!("{MONOSPACE}{GREEN_TEXT}");
    svg.styled(32.0, middle, Align::End, &style, "V");
    svg.styled(688.0, middle, Align::Start, &style, "dV");
}
