//! The figures of chapter 1.

use super::svg::*;
use crate::first_model::SONNETS;
use double::Matrix;
use double::orientation::{ladder, numerical_gradient};
use double::training::split;

const PLAYS_RUN: &str = include_str!(
    "../../book/records/training/tinyshakespeare-below-counting.txt"
);

const SONNETS_RUN: &str =
    include_str!("../../book/records/training/sonnets.txt");

/// The seven modules, and the shape of what passes between them.
pub fn pipeline() -> String {
    let mut svg = Svg::new(
        720,
        350,
        "The seven modules and what passes between them",
        "Text becomes ids in tokenization, ids become vectors in embeddings, \
         vectors pass through the transformer blocks and the head of the GPT \
         to become logits, softmax makes probabilities of them. Training turns \
         the loss into gradients that flow back to every module with weights. \
         Generation samples an id, which is appended to the ids.",
    );
    for (x, y, w, name, what) in [
        (80.0, 40.0, 110.0, "tokenization", "encode"),
        (250.0, 40.0, 110.0, "embeddings", "look up, add"),
        (420.0, 40.0, 140.0, "transformer_block", "repeated L times"),
        (620.0, 40.0, 90.0, "gpt", "output layer"),
        (600.0, 190.0, 110.0, "orientation", "softmax"),
        (350.0, 190.0, 110.0, "training", "loss, AdamW"),
        (350.0, 280.0, 110.0, "generation", "sample one"),
    ] {
        svg.frame([x, y, w, 48.0], INK);
        let style = " font-family=\"monospace\" font-size=\"13\"";
        svg.styled(x + w / 2.0, y + 20.0, Align::Middle, style, name);
        let style = " font-size=\"12\" fill-opacity=\"0.75\"";
        svg.styled(x + w / 2.0, y + 38.0, Align::Middle, style, what);
    }
    for (from, to, above, below) in [
        (8.0, 80.0, "text", "chars"),
        (190.0, 250.0, "ids", "[N]"),
        (360.0, 420.0, "vectors", "[N, C]"),
        (560.0, 620.0, "vectors", "[N, C]"),
    ] {
        svg.arrow(&[(from, 64.0), (to, 64.0)], INK, false);
        let middle = (from + to) / 2.0 - 3.0;
        let style = " font-size=\"12\"";
        svg.styled(middle, 57.0, Align::Middle, style, above);
        svg.styled(middle, 80.0, Align::Middle, style, below);
    }
    svg.arrow(&[(685.0, 88.0), (685.0, 190.0)], INK, false);
    svg.styled(678.0, 144.0, Align::End, " font-size=\"12\"", "logits [N, V]");
    svg.arrow(&[(600.0, 214.0), (460.0, 214.0)], INK, false);
    let style = " font-size=\"12\"";
    svg.styled(530.0, 207.0, Align::Middle, style, "probabilities [N, V]");
    svg.arrow(&[(655.0, 238.0), (655.0, 304.0), (460.0, 304.0)], INK, false);
    svg.styled(560.0, 297.0, Align::Middle, style, "the last row [V]");
    // Gradients, back to all that learns
    svg.line(&[(405.0, 190.0), (405.0, 116.0)], GREEN, true);
    svg.line(&[(305.0, 116.0), (640.0, 116.0)], GREEN, true);
    for x in [305.0, 490.0, 640.0] {
        svg.arrow(&[(x, 116.0), (x, 88.0)], GREEN, true);
    }
    svg.styled(395.0, 158.0, Align::End, style, "gradients: one number");
    svg.styled(395.0, 174.0, Align::End, style, "for each weight");
    // A new id, to the end of the ids
    svg.arrow(&[(350.0, 304.0), (218.0, 304.0), (218.0, 88.0)], BLUE, false);
    svg.styled(226.0, 297.0, Align::Start, style, "a new id, appended");
    svg.finish()
}

/// Which character follows which in the sonnets.
pub fn bigrams() -> String {
    let alphabet: Vec<char> =
        "\n ,abcdefghijklmnopqrstuvwxyz".chars().collect();
    let n = alphabet.len();
    let place = |c| alphabet.iter().position(|&a| a == c);
    let text: Vec<char> = SONNETS.chars().collect();
    let mut counts = Matrix::zeros((n, n));
    let mut totals = vec![0.0; n];
    for pair in text.windows(2) {
        let Some(i) = place(pair[0]) else { continue };
        totals[i] += 1.0;
        if let Some(j) = place(pair[1]) {
            counts[[i, j]] += 1.0;
        }
    }
    for (mut row, total) in counts.rows_mut().into_iter().zip(&totals) {
        row /= *total;
    }
    let mut svg = Svg::new(
        720,
        690,
        "Which character follows which",
        "A table of squares, a row for the character before and a column for \
         the one after; the stronger the color, the more probable. In the row \
         of q only the square of u is colored.",
    );
    let (left, top, cell) = (70.0, 60.0, 20.0);
    svg.heat(left, top, [cell, cell], &counts);
    let mut pairs: Vec<_> = counts.indexed_iter().collect();
    pairs.sort_by(|a, b| b.1.total_cmp(a.1));
    let pairs = pairs[..5].iter().map(|((i, j), p)| {
        let [before, after] = [i, j].map(|&i| spoken(alphabet[i]));
        format!("{after} after {before}, {p:.2}")
    });
    let pairs = pairs.collect::<Vec<_>>().join("; ");
    svg.describe(&format!("The most probable are {pairs}."));
    for (i, &c) in alphabet.iter().enumerate() {
        let (along, c) = ((i as f64 + 0.5) * cell, visible(c));
        svg.code(left - 12.0, top + along + 5.0, Align::Middle, &c);
        svg.code(left + along, top - 10.0, Align::Middle, &c);
    }
    svg.text(left + 290.0, 26.0, Align::Middle, "the character after");
    let style = " transform=\"rotate(-90 26 350)\"";
    svg.styled(26.0, 350.0, Align::Middle, style, "the character before");
    // The key
    svg.text(left, 672.0, Align::Start, "probability");
    for (i, level) in [0.1, 0.3, 0.5, 0.7, 0.9].into_iter().enumerate() {
        let x = left + 110.0 + 90.0 * i as f64;
        svg.bar([x, 658.0, cell, cell], BLUE, level);
        svg.text(x + 28.0, 673.0, Align::Start, &format!("{level:.1}"));
    }
    svg.finish()
}

/// Five slips of paper: what was seen, and what is left to a shorter context.
pub fn slips() -> String {
    let mut svg = Svg::new(
        720,
        190,
        "Witten–Bell smoothing as five slips of paper",
        "Three slips with what followed t in the line: o, space and o. Two \
         more, since two different characters were seen, say: ask the shorter \
         context. A draw from all five gives o with probability 0.48.",
    );
    svg.text(20.0, 24.0, Align::Start, "after t in “to be or not to be”");
    for (i, c) in ['o', ' ', 'o'].into_iter().enumerate() {
        let x = 20.0 + 100.0 * i as f64;
        svg.frame([x, 44.0, 84.0, 70.0], BLUE);
        let style = format!(
            " font-family=\"monospace\" font-size=\"24\" fill=\"{BLUE}\""
        );
        svg.styled(x + 42.0, 87.0, Align::Middle, &style, &visible(c));
    }
    for i in 0..2 {
        let x = 340.0 + 190.0 * f64::from(i);
        svg.frame([x, 44.0, 174.0, 70.0], ORANGE);
        let style = format!(" fill=\"{ORANGE}\"");
        let x = x + 87.0;
        svg.styled(x, 75.0, Align::Middle, &style, "forget the t:");
        svg.styled(x, 96.0, Align::Middle, &style, "ask the unigram");
    }
    svg.text(162.0, 140.0, Align::Middle, "seen 3 times");
    svg.text(522.0, 140.0, Align::Middle, "2 different characters seen");
    let all = "o is on 2 of the 3 blue slips, and an orange slip gives it \
               with P(o) = 0.2";
    svg.text(20.0, 174.0, Align::Start, all);
    svg.finish()
}

/// A head for a line in any direction, its tip at the second point.
fn head(svg: &mut Svg, from: (f64, f64), (x, y): (f64, f64), colour: &str) {
    let (dx, dy) = (x - from.0, y - from.1);
    let length = dx.hypot(dy).max(1e-9);
    let (dx, dy) = (dx / length, dy / length);
    let (bx, by) = (x - 10.0 * dx, y - 10.0 * dy);
    let (ax, ay, cx, cy) =
        (bx - 4.5 * dy, by + 4.5 * dx, bx + 4.5 * dy, by - 4.5 * dx);
    svg.push(format_args!(
        "<path d=\"M{x:.1} {y:.1}L{ax:.1} {ay:.1}L{cx:.1} {cy:.1}Z\" \
         fill=\"{colour}\"/>"
    ));
}

/// A loss over one parameter with its tangent, and over two, from above.
pub fn descent() -> String {
    let mut svg = Svg::new(
        720,
        320,
        "A gradient in one and in two dimensions",
        "Left, the loss as a curve over one parameter: at a point the tangent \
         rises to the right with a slope of 1.4, so the step goes to the left, \
         half as far as the slope says. Right, the loss \
         over two parameters as a valley seen from above: the gradient points \
         uphill, across the lines of equal loss, and gradient descent takes \
         steps the other way, down to the minimum.",
    );
    // One parameter: (w − 1)²/2 + 0.3, between −1.2 and 3.2
    let loss = |w: f64| 0.5 * (w - 1.0) * (w - 1.0) + 0.3;
    let at = |w: f64, l: f64| (135.0 + 70.0 * w, 262.0 - 80.0 * l);
    svg.line(&[at(-1.4, 0.0), at(3.0, 0.0)], INK, false);
    svg.line(&[at(-1.4, 0.0), at(-1.4, 3.0)], INK, false);
    svg.text(195.0, 284.0, Align::Middle, "the parameter w");
    let style = " transform=\"rotate(-90 24 140)\"";
    svg.styled(24.0, 140.0, Align::Middle, style, "the loss");
    let curve: Vec<_> = (0..=60)
        .map(|i| -1.25 + 4.25 * f64::from(i) / 60.0)
        .map(|w| at(w, loss(w)))
        .collect();
    svg.line(&curve, INK, false);
    let w = 2.4;
    let slope = w - 1.0;
    let tangent = |d: f64| at(w + d, loss(w) + d * slope);
    svg.line(&[tangent(-0.55), tangent(0.7)], BLUE, false);
    let (point, next) = (at(w, loss(w)), at(1.7, loss(1.7)));
    let low = |x: f64| (x, 246.0);
    svg.line(&[point, low(point.0)], FAINT, false);
    svg.line(&[next, low(next.0)], FAINT, false);
    svg.line(&[low(point.0), low(next.0 + 4.0)], GREEN, false);
    head(&mut svg, low(point.0), low(next.0), GREEN);
    svg.dot(point.0, point.1, INK, true);
    svg.dot(next.0, next.1, INK, false);
    let style = format!(" fill=\"{BLUE}\"");
    svg.styled(298.0, 108.0, Align::End, &style, "the tangent’s");
    svg.styled(298.0, 126.0, Align::End, &style, "slope: 1.4");
    let style = format!(" fill=\"{GREEN}\"");
    svg.styled(319.0, 250.0, Align::Start, &style, "step: −0.5 · 1.4");

    // Two parameters: (u² + 2.5v²)/2, and steps of 0.25
    let at = |u: f64, v: f64| (570.0 + 66.0 * u, 150.0 - 66.0 * v);
    let (mut u, mut v) = (-1.3, 1.0);
    for level in [0.1, 0.5, 1.2, 0.5 * (u * u + 2.5 * v * v)] {
        let r = f64::sqrt(2.0 * level);
        let ring: Vec<_> = (0..=72)
            .map(|i| f64::from(i) * std::f64::consts::TAU / 72.0)
            .map(|a| at(r * a.cos(), r * a.sin() / f64::sqrt(2.5)))
            .collect();
        svg.line(&ring, "currentColor\" stroke-opacity=\"0.35", false);
    }
    let (start, tip) = (at(u, v), at(u + 0.22 * u, v + 0.22 * 2.5 * v));
    let mut path = vec![start];
    for _ in 0..12 {
        (u, v) = (u - 0.25 * u, v - 0.25 * 2.5 * v);
        path.push(at(u, v));
    }
    svg.line(&path, GREEN, false);
    for &(x, y) in &path[1..] {
        svg.dot(x, y, GREEN, true);
    }
    svg.line(&[start, tip], BLUE, true);
    head(&mut svg, start, tip, BLUE);
    svg.dot(start.0, start.1, INK, true);
    let style = format!(" fill=\"{BLUE}\"");
    svg.rimmed(480.0, 46.0, Align::Start, &style, "the gradient: uphill");
    let style = format!(" fill=\"{GREEN}\"");
    svg.rimmed(518.0, 172.0, Align::End, &style, "gradient descent");
    svg.text(570.0, 284.0, Align::Middle, "two parameters, seen from above");
    svg.finish()
}

/// Three layers of a small neural network, and what one neuron does.
pub fn network() -> String {
    let mut svg = Svg::new(
        720,
        330,
        "A small neural network",
        "Three inputs, a layer of four neurons and a layer of two outputs. \
         Every neuron is joined to every number of the layer before it. One is \
         lit: it adds up its inputs, each times a weight, and passes the sum \
         through a nonlinearity, which cuts negative sums to zero.",
    );
    let inputs = [70.0, 140.0, 210.0].map(|y| (80.0, y));
    let hidden = [50.0, 110.0, 170.0, 230.0].map(|y| (270.0, y));
    let outputs = [105.0, 175.0].map(|y| (460.0, y));
    for (from, to) in [(&inputs[..], &hidden[..]), (&hidden[..], &outputs[..])]
    {
        for &(x0, y0) in from {
            for &(x1, y1) in to {
                let lit = (x1, y1) == hidden[1];
                let faint = "currentColor\" stroke-opacity=\"0.25";
                let colour = if lit { BLUE } else { faint };
                svg.line(&[(x0 + 17.0, y0), (x1 - 17.0, y1)], colour, false);
            }
        }
    }
    let all = inputs.iter().chain(&hidden).chain(&outputs);
    for &(x, y) in all {
        let colour = if (x, y) == hidden[1] { BLUE } else { INK };
        svg.push(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"17.0\" fill=\"none\" \
             stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        ));
    }
    for (i, &(x, y)) in inputs.iter().enumerate() {
        let name = ["x₁", "x₂", "x₃"][i];
        svg.text(x, y + 5.0, Align::Middle, name);
    }
    for (i, &(x, y)) in outputs.iter().enumerate() {
        let name = ["z₁", "z₂"][i];
        svg.text(x, y + 5.0, Align::Middle, name);
    }
    let style = format!(" fill=\"{BLUE}\"");
    for (i, y) in [(0, 80.0), (1, 120.0), (2, 158.0)] {
        let name = ["w₁", "w₂", "w₃"][i];
        svg.rimmed(165.0, y, Align::Middle, &style, name);
    }
    svg.text(80.0, 278.0, Align::Middle, "inputs");
    svg.text(270.0, 278.0, Align::Middle, "a layer of neurons");
    svg.text(460.0, 278.0, Align::Middle, "outputs: logits");
    svg.styled(520.0, 60.0, Align::Start, &style, "the blue neuron’s sum:");
    svg.styled(520.0, 82.0, Align::Start, &style, "w₁x₁ + w₂x₂ + w₃x₃");
    svg.styled(520.0, 214.0, Align::Start, &style, "its nonlinearity:");
    svg.styled(520.0, 236.0, Align::Start, &style, "a negative sum");
    svg.styled(520.0, 256.0, Align::Start, &style, "becomes zero");
    svg.text(360.0, 314.0, Align::Middle, "each line is a weight, a parameter");
    svg.finish()
}

/// The losses of a recorded run's last evaluation.
pub fn last_validation(run: &str) -> f64 {
    let mut steps = run.lines().filter(|line| line.starts_with("step "));
    let last =
        steps.next_back().and_then(|line| line.split_whitespace().nth(5));
    last.and_then(|loss| loss.parse().ok()).unwrap_or(f64::NAN)
}

/// A rung of the ladder that a recorded run printed.
pub fn recorded_rung(run: &str, name: &str) -> f64 {
    let (_, rest) = run.split_once(&format!("{name} ")).unwrap_or_default();
    let number = rest.split([',', ' ', '\n']).next().unwrap_or_default();
    number.parse().unwrap_or(f64::NAN)
}

/// Both corpora on one scale, and what the book's model reaches.
pub fn rungs() -> String {
    let text: Vec<char> = SONNETS.chars().collect();
    let (train, validation) = split(&text);
    let mut rows: Vec<(String, f64, f64)> = ladder(train, validation)
        .iter()
        .map(|rung| {
            let plays = recorded_rung(PLAYS_RUN, rung.name);
            (rung.name.to_string(), rung.loss, plays)
        })
        .collect();
    let runs = (last_validation(SONNETS_RUN), last_validation(PLAYS_RUN));
    rows.push(("this book's GPT".to_string(), runs.0, runs.1));
    let mut svg = Svg::new(
        720,
        445,
        "The loss ladder of the sonnets and of tinyshakespeare",
        "Bars for eight models, in nats per character: the uniform guess, \
         tables of one to six characters, and the GPT of this book. The loss \
         falls with longer contexts, until they are too rare to be counted.",
    );
    let losses = rows.iter().map(|(name, sonnets, plays)| {
        format!("{name} {sonnets:.3} and {plays:.3}")
    });
    let losses = losses.collect::<Vec<_>>().join("; ");
    svg.describe(&format!("On the two texts: {losses}."));
    let (left, scale) = (170.0, 116.0);
    for (i, (name, sonnets, plays)) in rows.iter().enumerate() {
        let y = 40.0 + 46.0 * i as f64;
        svg.text(left - 10.0, y + 22.0, Align::End, name);
        for (y, loss, colour) in [(y, sonnets, BLUE), (y + 17.0, plays, ORANGE)]
        {
            svg.bar([left, y, loss * scale, 14.0], colour, 0.75);
            let style = " font-size=\"12\"";
            let (x, label) = (left + loss * scale + 6.0, format!("{loss:.3}"));
            svg.styled(x, y + 12.0, Align::Start, style, &label);
        }
    }
    svg.styled(
        left,
        24.0,
        Align::Start,
        &format!(" fill=\"{BLUE}\""),
        "sonnets",
    );
    let style = format!(" fill=\"{ORANGE}\"");
    svg.styled(left + 100.0, 24.0, Align::Start, &style, "tinyshakespeare");
    svg.text(left, 434.0, Align::Start, "validation loss, nats per character");
    svg.finish()
}

/// How far a measured slope is off, by the width of the step.
pub fn step() -> String {
    let mut svg = Svg::new(
        720,
        380,
        "The error of a central difference",
        "On logarithmic axes, the error of the measured derivative of x cubed \
         against the step h, in single and in double precision. From the right \
         both fall along the same line, the square of h; then rounding takes \
         over, and the error rises again.",
    );
    let (left, top, width, height) = (110.0, 20.0, 580.0, 300.0);
    let x = |h: f64| left + width * (h.log10() + 12.0) / 12.0;
    let y =
        |error: f64| top + height * (-error.log10()).clamp(0.0, 12.0) / 12.0;
    for power in (0..=12).step_by(2) {
        let value = 0.1f64.powi(power);
        let label = match power {
            0 => "1".to_string(),
            power => format!("1e-{power}"),
        };
        svg.text(x(value), top + height + 24.0, Align::Middle, &label);
        svg.text(left - 10.0, y(value) + 5.0, Align::End, &label);
        svg.line(&[(left, y(value)), (left + width, y(value))], FAINT, false);
    }
    svg.text(left + 290.0, top + height + 50.0, Align::Middle, "h");
    svg.styled(
        20.0,
        170.0,
        Align::Middle,
        " transform=\"rotate(-90 20 170)\"",
        "error of the derivative",
    );
    let (mut h, mut best) = (1.0, [(1.0, 1.0); 2]); // error and h
    for i in 0..=36 {
        if i > 0 {
            h /= [2.0, 2.5, 2.0][i % 3];
        }
        let slope = numerical_gradient(&[1.0], h, |x| x[0] * x[0] * x[0])[0];
        let error = (slope - 3.0).abs().max(1e-12);
        svg.dot(x(h), y(error), BLUE, true);
        best[0] = if error < best[0].0 { (error, h) } else { best[0] };
        let single =
            microgpt::orientation::numerical_gradient(&[1.0], h as f32, |x| {
                x[0] * x[0] * x[0]
            });
        let error = (f64::from(single[0]) - 3.0).abs().max(1e-12);
        if h > 1e-7 {
            svg.dot(x(h), y(error), ORANGE, false);
            best[1] = if error < best[1].0 { (error, h) } else { best[1] };
        }
    }
    let [double, single] = best.map(|(error, h)| {
        format!("{error:.0e} at h = {h:.0e}").replace('-', "−")
    });
    svg.describe(&format!(
        "The least error in double precision is {double}, in single \
         precision {single}."
    ));
    let style = format!(" fill=\"{BLUE}\"");
    svg.styled(x(3e-10), y(3e-9), Align::Middle, &style, "f64");
    let style = format!(" fill=\"{ORANGE}\"");
    svg.styled(x(3e-6), y(1.5e-4), Align::Middle, &style, "f32");
    svg.text(x(0.4), y(3e-4), Align::Middle, "h²");
    svg.finish()
}
