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
         to become scores, softmax makes probabilities of them. Training turns \
         the loss into gradients that flow back to every module with weights. \
         Generation draws an id, which is appended to the ids.",
    );
    for (x, y, w, name, what) in [
        (80.0, 40.0, 110.0, "tokenization", "encode"),
        (250.0, 40.0, 110.0, "embeddings", "look up, add"),
        (420.0, 40.0, 140.0, "transformer_block", "as often as you like"),
        (620.0, 40.0, 90.0, "gpt", "the head"),
        (600.0, 190.0, 110.0, "orientation", "softmax"),
        (350.0, 190.0, 110.0, "training", "loss, AdamW"),
        (350.0, 280.0, 110.0, "generation", "draw one"),
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
    svg.styled(678.0, 144.0, Align::End, " font-size=\"12\"", "scores [N, V]");
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
    svg.styled(395.0, 158.0, Align::End, style, "gradients, one number");
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
        670,
        "Which character follows which",
        "A table of squares, a row for the character before and a column for \
         the one after; the stronger the colour, the likelier. After q stands \
         u in every case.",
    );
    let (left, top, cell) = (70.0, 60.0, 20.0);
    svg.heat(left, top, [cell, cell], &counts);
    for (i, &c) in alphabet.iter().enumerate() {
        let (along, c) = ((i as f64 + 0.5) * cell, visible(c));
        svg.code(left - 12.0, top + along + 5.0, Align::Middle, &c);
        svg.code(left + along, top - 10.0, Align::Middle, &c);
    }
    svg.text(left + 290.0, 26.0, Align::Middle, "the character after");
    let style = " transform=\"rotate(-90 26 350)\"";
    svg.styled(26.0, 350.0, Align::Middle, style, "the character before");
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
         counts of one to six characters, and the GPT of this book. Loss falls \
         with every rung until contexts become too rare to be counted.",
    );
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
    svg.text(left, 434.0, Align::Start, "nats per character, unseen text");
    svg.finish()
}

/// How far a measured slope is off, by the width of the step.
pub fn step() -> String {
    let mut svg = Svg::new(
        720,
        380,
        "The error of a central difference",
        "On logarithmic axes, the error of the measured slope of x cubed \
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
        "distance from 3, the true slope",
    );
    let mut h = 1.0;
    for i in 0..=36 {
        if i > 0 {
            h /= [2.0, 2.5, 2.0][i % 3];
        }
        let slope = numerical_gradient(&[1.0], h, |x| x[0] * x[0] * x[0])[0];
        let error = (slope - 3.0).abs().max(1e-12);
        svg.dot(x(h), y(error), BLUE, true);
        let single =
            microgpt::orientation::numerical_gradient(&[1.0], h as f32, |x| {
                x[0] * x[0] * x[0]
            });
        let error = (f64::from(single[0]) - 3.0).abs().max(1e-12);
        if h > 1e-7 {
            svg.dot(x(h), y(error), ORANGE, false);
        }
    }
    let style = format!(" fill=\"{BLUE}\"");
    svg.styled(x(3e-10), y(3e-9), Align::Middle, &style, "f64");
    let style = format!(" fill=\"{ORANGE}\"");
    svg.styled(x(3e-6), y(1.5e-4), Align::Middle, &style, "f32");
    svg.text(x(0.4), y(3e-4), Align::Middle, "h²");
    svg.finish()
}
