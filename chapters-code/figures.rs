//! Draws the figures of the book, from real texts and real tensors.
//!
//! `cargo run --example figures` writes them to `book/figures`, or to the
//! folder given. A test draws them again and compares.

mod experiments;
#[path = "../tests/zoo/faults.rs"]
#[allow(dead_code)]
mod faults;

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use experiments::double::Matrix;
use experiments::double::embeddings::{Embeddings, normal};
use experiments::double::gpt::{Gpt, GptConfig};
use experiments::double::orientation::{dot, ladder, numerical_gradient, rows};
use experiments::double::orientation::{flat, flat_mut};
use experiments::double::scalar_autograd::Tape;
use experiments::double::tokenization::CharTokenizer;
use experiments::double::training::split;
use experiments::double::transformer_block::attend;
use experiments::double::transformer_block::{gelu, gelu_backward};
use experiments::trained;
use faults::{EXPERIMENTS, FAULTS};
use rand::{SeedableRng, rngs::ChaCha8Rng};

const SONNETS: &str = include_str!("data/sonnets.txt");
const PLAYS_RUN: &str =
    include_str!("../book/runs/tinyshakespeare-below-counting.txt");
const SPEED_RUN: &str = include_str!("../book/runs/speed-scaling.jsonl");
const SONNETS_RUN: &str = include_str!("../book/runs/sonnets.txt");
const VARIANTS_RUN: &str = include_str!("../book/runs/variants.txt");

const BLUE: &str = "#0072B2";
const ORANGE: &str = "#D55E00";
const GREEN: &str = "#009E73";
const INK: &str = "currentColor";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1);
    let folder = folder.unwrap_or_else(|| "book/figures".to_string());
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let (before, after, tokenizer) = trained()?;
    for (name, svg) in [
        ("pipeline", pipeline()),
        ("bigrams", bigrams()),
        ("ladder", rungs()),
        ("step", step()),
        ("strip", strip(&tokenizer)),
        ("frequencies", frequencies(&tokenizer)),
        ("split", split_bar()),
        ("look-up", look_up()),
        ("positions", positions(&before.embeddings, &after.embeddings)),
        ("tokens", tokens(&before.embeddings, &after.embeddings, &tokenizer)),
        ("scatter", scatter(&tokenizer)),
        ("scaling", scaling()),
        ("attention", attention(&after, &tokenizer)),
        ("heads", heads(&after, &tokenizer)),
        ("gelu", gelu_curves()),
        ("stream", stream()?),
        ("tape", tape()),
        ("zoo", zoo()),
        ("ablations", ablations()),
    ] {
        std::fs::write(folder.join(name).with_extension("svg"), svg)?;
    }
    Ok(())
}

/// A drawing that grows: shapes are written in the order of the calls.
struct Svg(String);

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
enum Align {
    Start,
    Middle,
    End,
}

impl Svg {
    fn new(width: u32, height: u32, title: &str, description: &str) -> Self {
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" \
             width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-size=\"14\" \
             fill=\"currentColor\">\n\
             <title>{title}</title>\n<desc>{description}</desc>\n"
        ))
    }

    fn text(&mut self, x: f64, y: f64, align: Align, text: &str) {
        self.styled(x, y, align, "", text);
    }

    /// Text in a fixed width, for what is code or data.
    fn code(&mut self, x: f64, y: f64, align: Align, text: &str) {
        self.styled(x, y, align, " font-family=\"monospace\"", text);
    }

    fn styled(
        &mut self,
        x: f64,
        y: f64,
        align: Align,
        style: &str,
        text: &str,
    ) {
        let anchor = match align {
            Align::Start => "start",
            Align::Middle => "middle",
            Align::End => "end",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{style}>\
             {text}</text>"
        ));
    }

    /// A line through points, with an arrow's head at its end.
    fn arrow(&mut self, points: &[(f64, f64)], colour: &str, dashed: bool) {
        self.line(points, colour, dashed);
        let [.., (x0, y0), (x, y)] = points else { return };
        let (dx, dy) = ((x - x0).signum(), (y - y0).signum());
        let (dx, dy) =
            if (x - x0).abs() > (y - y0).abs() { (dx, 0.0) } else { (0.0, dy) };
        let wing = |side: f64| {
            (x - 8.0 * dx + side * 4.0 * dy, y - 8.0 * dy + side * 4.0 * dx)
        };
        let ((ax, ay), (bx, by)) = (wing(1.0), wing(-1.0));
        self.push(format_args!(
            "<path d=\"M{x:.1} {y:.1}L{ax:.1} {ay:.1}L{bx:.1} {by:.1}Z\" \
             fill=\"{colour}\"/>"
        ));
    }

    fn line(&mut self, points: &[(f64, f64)], colour: &str, dashed: bool) {
        let mut d = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            let command = if i == 0 { 'M' } else { 'L' };
            let _ = write!(d, "{command}{x:.1} {y:.1}");
        }
        let dash = if dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        self.push(format_args!(
            "<path d=\"{d}\" fill=\"none\" stroke=\"{colour}\" \
             stroke-width=\"1.5\"{dash}/>"
        ));
    }

    /// A filled rectangle; `opacity` from 0 to 1.
    fn bar(&mut self, [x, y, w, h]: [f64; 4], colour: &str, opacity: f64) {
        self.push(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" \
             fill=\"{colour}\" fill-opacity=\"{opacity:.2}\"/>"
        ));
    }

    fn frame(&mut self, [x, y, w, h]: [f64; 4], colour: &str) {
        self.push(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" \
             rx=\"4\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        ));
    }

    fn dot(&mut self, x: f64, y: f64, colour: &str, filled: bool) {
        let fill = if filled { colour } else { "none" };
        self.push(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{fill}\" \
             stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        ));
    }

    /// A table of numbers between −1 and 1 as squares, blue above zero and
    /// orange below, in ten strengths.
    fn heat(&mut self, x: f64, y: f64, [w, h]: [f64; 2], values: &Matrix) {
        for (colour, sign) in [(BLUE, 1.0), (ORANGE, -1.0)] {
            for level in 1..=10 {
                let mut d = String::new();
                for ((i, j), value) in values.indexed_iter() {
                    if (sign * value * 10.0).round().min(10.0) as i32 == level {
                        let (x, y) = (x + j as f64 * w, y + i as f64 * h);
                        let _ =
                            write!(d, "M{x:.1} {y:.1}h{w:.1}v{h:.1}h-{w:.1}z");
                    }
                }
                if !d.is_empty() {
                    let opacity = f64::from(level) / 10.0;
                    self.push(format_args!(
                        "<path d=\"{d}\" fill=\"{colour}\" \
                         fill-opacity=\"{opacity:.1}\"/>"
                    ));
                }
            }
        }
        let (w, h) = (w * values.ncols() as f64, h * values.nrows() as f64);
        self.push(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" \
             fill=\"none\" stroke=\"currentColor\" stroke-opacity=\"0.4\"/>"
        ));
    }

    fn push(&mut self, element: std::fmt::Arguments) {
        let _ = writeln!(self.0, "{element}");
    }

    fn finish(self) -> String {
        self.0 + "</svg>\n"
    }
}

/// A character as a figure shows it.
fn visible(c: char) -> String {
    match c {
        '\n' => "↵".to_string(),
        ' ' => "␣".to_string(),
        c => c.to_string(),
    }
}

/// The seven modules, and the shape of what passes between them.
fn pipeline() -> String {
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
fn bigrams() -> String {
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
         the one after; the darker the square, the likelier. After q stands u \
         in almost every case.",
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
fn last_validation(run: &str) -> f64 {
    let mut steps = run.lines().filter(|line| line.starts_with("step "));
    let last =
        steps.next_back().and_then(|line| line.split_whitespace().nth(5));
    last.and_then(|loss| loss.parse().ok()).unwrap_or(f64::NAN)
}

/// A rung of the ladder that a recorded run printed.
fn recorded_rung(run: &str, name: &str) -> f64 {
    let (_, rest) = run.split_once(&format!("{name} ")).unwrap_or_default();
    let number = rest.split([',', ' ', '\n']).next().unwrap_or_default();
    number.parse().unwrap_or(f64::NAN)
}

/// Both corpora on one scale, and what the book's model reaches.
fn rungs() -> String {
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
        430,
        "The loss ladder of the sonnets and of tinyshakespeare",
        "Bars for eight models, in nats per character: the uniform guess, \
         counts of one to six characters, and the GPT of this book. Loss falls \
         with every rung until contexts become too rare to be counted.",
    );
    let (left, scale) = (130.0, 128.0);
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
    svg.styled(left + 70.0, 24.0, Align::Start, &style, "tinyshakespeare");
    svg.text(
        left + 190.0,
        24.0,
        Align::Start,
        "nats per character, unseen text",
    );
    svg.finish()
}

/// How far a measured slope is off, by the width of the step.
fn step() -> String {
    let mut svg = Svg::new(
        720,
        380,
        "The error of a central difference",
        "On logarithmic axes, the error of the measured slope of x cubed \
         against the step h, in single and in double precision. From the right \
         both fall along the same line, the square of h; then rounding takes \
         over, and the error rises again.",
    );
    let (left, top, width, height) = (90.0, 20.0, 600.0, 300.0);
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
        let faint = "currentColor\" stroke-opacity=\"0.15";
        svg.line(&[(left, y(value)), (left + width, y(value))], faint, false);
    }
    svg.text(left + 300.0, top + height + 48.0, Align::Middle, "h");
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

/// A line of verse and its ids.
fn strip(tokenizer: &CharTokenizer) -> String {
    let line = "Shall I compare thee";
    let ids = tokenizer.encode(line).unwrap_or_default();
    let mut svg = Svg::new(
        720,
        150,
        "A line of verse as ids",
        "Each character of the line stands above its id; the two arrows show \
         that encode leads down and decode leads up.",
    );
    for (i, (c, id)) in line.chars().zip(ids).enumerate() {
        let x = 60.0 + 33.0 * i as f64;
        svg.frame([x, 20.0, 29.0, 34.0], INK);
        svg.code(x + 14.5, 42.0, Align::Middle, &visible(c));
        svg.line(&[(x + 14.5, 58.0), (x + 14.5, 92.0)], INK, false);
        svg.frame([x, 96.0, 29.0, 34.0], BLUE);
        svg.code(x + 14.5, 118.0, Align::Middle, &id.to_string());
    }
    svg.arrow(&[(16.0, 40.0), (16.0, 110.0)], INK, false);
    svg.arrow(&[(40.0, 110.0), (40.0, 40.0)], INK, false);
    let style = " font-size=\"12\"";
    svg.styled(2.0, 30.0, Align::Start, style, "encode");
    svg.styled(2.0, 128.0, Align::Start, style, "decode");
    svg.finish()
}

/// How often each character occurs.
fn frequencies(tokenizer: &CharTokenizer) -> String {
    let mut counts: Vec<(char, usize)> =
        tokenizer.vocabulary().iter().map(|&c| (c, 0)).collect();
    for id in tokenizer.encode(SONNETS).unwrap_or_default() {
        counts[usize::from(id)].1 += 1;
    }
    counts.sort_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
    let mut svg = Svg::new(
        720,
        290,
        "How often each character of the sonnets occurs",
        "Bars from the most frequent character, the space, to the rarest. The \
         first ten make up two thirds of the text.",
    );
    let percent = |count: usize| 100.0 * count as f64 / SONNETS.len() as f64;
    let (base, scale) = (240.0, 12.0);
    for share in [0.0, 5.0, 10.0, 15.0] {
        let y = base - share * scale;
        let faint = "currentColor\" stroke-opacity=\"0.15";
        svg.line(&[(44.0, y), (716.0, y)], faint, false);
        svg.text(38.0, y + 5.0, Align::End, &format!("{share} %"));
    }
    for (i, &(c, count)) in counts.iter().enumerate() {
        let (x, height) = (46.0 + 11.3 * i as f64, percent(count) * scale);
        svg.bar([x, base - height, 8.5, height], BLUE, 0.75);
        let style = " font-family=\"monospace\" font-size=\"11\"";
        let label = base + if i % 2 == 0 { 15.0 } else { 29.0 };
        svg.styled(x + 4.2, label, Align::Middle, style, &visible(c));
    }
    svg.finish()
}

/// 85191 as 85,191.
fn thousands(n: usize) -> String {
    format!("{},{:03}", n / 1000, n % 1000)
}

/// What is learned from, what is judged by.
fn split_bar() -> String {
    let ids: Vec<char> = SONNETS.chars().collect();
    let (train, validation) = split(&ids);
    let mut svg = Svg::new(
        720,
        110,
        "The text in two parts",
        "A bar of which the first nine tenths are for training and the last \
         tenth is for validation. The vocabulary spans both.",
    );
    let cut = 10.0 + 700.0 * train.len() as f64 / ids.len() as f64;
    svg.bar([10.0, 34.0, cut - 11.0, 34.0], BLUE, 0.75);
    svg.bar([cut + 1.0, 34.0, 710.0 - cut - 1.0, 34.0], ORANGE, 0.75);
    let style = format!(" fill=\"{BLUE}\"");
    let label = format!("{} characters to learn from", thousands(train.len()));
    svg.styled(10.0, 24.0, Align::Start, &style, &label);
    let style = format!(" fill=\"{ORANGE}\"");
    let label = format!("{} to be judged by", thousands(validation.len()));
    svg.styled(710.0, 24.0, Align::End, &style, &label);
    svg.line(
        &[(10.0, 76.0), (10.0, 84.0), (710.0, 84.0), (710.0, 76.0)],
        INK,
        false,
    );
    svg.text(360.0, 102.0, Align::Middle, "the vocabulary is made of both");
    svg.finish()
}

/// A row of zeros and a one times a table is a row of the table.
fn look_up() -> String {
    let mut svg = Svg::new(
        720,
        190,
        "A look-up is a product",
        "Three rows, each of zeros and a single one, times a table of three \
         rows, give the rows of the table that the ones point at.",
    );
    let one_hot = [["0", "0", "1"], ["1", "0", "0"], ["0", "0", "1"]];
    let table = [["0.1", "0.2"], ["0.3", "0.4"], ["0.5", "0.6"]];
    let result = [["0.5", "0.6"], ["0.1", "0.2"], ["0.5", "0.6"]];
    let hues = [BLUE, ORANGE, BLUE];
    for i in 0..3 {
        let y = 52.0 + 36.0 * i as f64;
        for (j, number) in one_hot[i].iter().enumerate() {
            let x = 100.0 + 40.0 * j as f64;
            if *number == "1" {
                svg.bar([x, y, 36.0, 32.0], hues[i], 0.35);
            }
            svg.frame([x, y, 36.0, 32.0], INK);
            svg.code(x + 18.0, y + 21.0, Align::Middle, number);
        }
        for j in 0..2 {
            let (x, x2) = (320.0 + 56.0 * j as f64, 550.0 + 56.0 * j as f64);
            let hue = [ORANGE, INK, BLUE][i];
            if hue != INK {
                svg.bar([x, y, 52.0, 32.0], hue, 0.35);
            }
            svg.frame([x, y, 52.0, 32.0], INK);
            svg.code(x + 26.0, y + 21.0, Align::Middle, table[i][j]);
            svg.bar([x2, y, 52.0, 32.0], hues[i], 0.35);
            svg.frame([x2, y, 52.0, 32.0], INK);
            svg.code(x2 + 26.0, y + 21.0, Align::Middle, result[i][j]);
        }
        let ids = ["id 2", "id 0", "id 2"];
        svg.text(86.0, y + 21.0, Align::End, ids[i]);
        svg.text(310.0, y + 21.0, Align::End, &i.to_string());
    }
    svg.text(258.0, 110.0, Align::Middle, "·");
    svg.text(490.0, 110.0, Align::Middle, "=");
    svg.text(160.0, 36.0, Align::Middle, "one-hot [3, 3]");
    svg.text(374.0, 36.0, Align::Middle, "token table [3, 2]");
    svg.text(604.0, 36.0, Align::Middle, "[3, 2]");
    svg.finish()
}

/// The cosines between all rows of a table.
fn cosines(table: &Matrix) -> Matrix {
    let rows: Vec<&[f64]> = rows(table).collect();
    Matrix::from_shape_fn((rows.len(), rows.len()), |(i, j)| {
        let (a, b) = (rows[i], rows[j]);
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    })
}

/// How alike the vectors of positions are, before and after.
fn positions(before: &Embeddings, after: &Embeddings) -> String {
    let mut svg = Svg::new(
        720,
        390,
        "How alike the positions are, before and after training",
        "Two tables of squares, the cosine between the vectors of every two of \
         the 32 positions: before training only the diagonal stands out; after \
         it, neighbouring positions are alike.",
    );
    for (left, name, layer) in
        [(40.0, "before training", before), (400.0, "after 2,000 steps", after)]
    {
        svg.heat(left, 40.0, [9.5, 9.5], &cosines(&layer.position));
        svg.text(left + 152.0, 26.0, Align::Middle, name);
        for position in [0, 15, 31] {
            let along = (f64::from(position) + 0.5) * 9.5;
            let label = position.to_string();
            svg.text(left - 8.0, 45.0 + along, Align::End, &label);
            svg.text(left + along, 362.0, Align::Middle, &label);
        }
        svg.text(left + 152.0, 382.0, Align::Middle, "position");
    }
    svg.finish()
}

/// The two directions along which the rows of a table differ most, by power
/// iteration, and each row's place along them.
fn principal_components(table: &Matrix) -> [Vec<f64>; 2] {
    let mean = table.sum_axis(ndarray::Axis(0)) / table.nrows() as f64;
    let mut x = table - &mean;
    [(); 2].map(|()| {
        let mut direction = ndarray::Array1::ones(x.ncols());
        for _ in 0..1000 {
            direction = x.t().dot(&x.dot(&direction));
            direction /= direction.dot(&direction).sqrt();
        }
        let mut places = x.dot(&direction);
        for (mut row, &place) in x.rows_mut().into_iter().zip(&places) {
            row.scaled_add(-place, &direction);
        }
        // An axis has no sign of its own: the first character goes right
        if places[0] < 0.0 {
            places.mapv_inplace(|place| -place);
        }
        places.to_vec()
    })
}

/// Where the characters stand, before and after.
fn tokens(
    before: &Embeddings,
    after: &Embeddings,
    tokenizer: &CharTokenizer,
) -> String {
    let mut svg = Svg::new(
        720,
        420,
        "The characters as points, before and after training",
        "The token vectors seen along the two directions in which they differ \
         most: before training a cloud without order, after it small letters, \
         capitals and punctuation stand in groups.",
    );
    for (left, name, layer) in
        [(10.0, "before training", before), (370.0, "after 2,000 steps", after)]
    {
        let [x, y] = principal_components(&layer.token);
        let ends = |v: &[f64]| {
            let least = v.iter().copied().fold(f64::INFINITY, f64::min);
            let most = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            ((least + most) / 2.0, (most - least) / 2.0)
        };
        let ((x_middle, x_half), (y_middle, y_half)) = (ends(&x), ends(&y));
        let scale = 155.0 / x_half.max(y_half);
        svg.frame(
            [left, 40.0, 340.0, 340.0],
            "currentColor\" stroke-opacity=\"0.4",
        );
        svg.text(left + 170.0, 26.0, Align::Middle, name);
        for (i, &c) in tokenizer.vocabulary().iter().enumerate() {
            let colour = match c {
                'a' | 'e' | 'i' | 'o' | 'u' => ORANGE,
                'a'..='z' => BLUE,
                'A'..='Z' => GREEN,
                _ => INK,
            };
            let style = format!(" font-family=\"monospace\" fill=\"{colour}\"");
            let x = left + 170.0 + (x[i] - x_middle) * scale;
            let y = 215.0 - (y[i] - y_middle) * scale;
            svg.styled(x, y, Align::Middle, &style, &visible(c));
        }
    }
    for (x, colour, name) in [
        (150.0, ORANGE, "vowels"),
        (270.0, BLUE, "consonants"),
        (410.0, GREEN, "capitals"),
        (530.0, INK, "the rest"),
    ] {
        let style = format!(" fill=\"{colour}\"");
        svg.styled(x, 408.0, Align::Middle, &style, name);
    }
    svg.finish()
}

/// Which rows of the token table a line of verse touches.
fn scatter(tokenizer: &CharTokenizer) -> String {
    let ids = tokenizer.encode("Shall I compare thee").unwrap_or_default();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let layer = Embeddings::new(tokenizer.vocab_size(), 32, 32, &mut rng);
    let mut grad = layer.clone();
    flat_mut(&mut grad.token).fill(0.0);
    let dy = normal((ids.len(), 32), 0.3, &mut rng);
    let (_, cache) = layer.forward(&ids, ids.len());
    layer.backward(&cache, &dy, &mut grad);
    let mut svg = Svg::new(
        720,
        500,
        "The gradient of the token table after one line",
        "A table of 59 rows, one for each character. Only the rows of the \
         characters of the line are lit, and brighter where a character occurs \
         more than once.",
    );
    let (left, top, height) = (150.0, 40.0, 7.4);
    svg.heat(left, top, [15.0, height], &grad.token);
    svg.text(left + 240.0, 26.0, Align::Middle, "32 numbers a row");
    for (i, &c) in tokenizer.vocabulary().iter().enumerate() {
        let times = ids.iter().filter(|&&id| usize::from(id) == i).count();
        let y = top + (i as f64 + 0.5) * height + 4.0;
        // Neighbouring labels in two columns
        let x = left - if i % 2 == 0 { 10.0 } else { 60.0 };
        if times > 0 {
            let label = format!("{} ×{times}", visible(c));
            let style = " font-family=\"monospace\" font-size=\"12\"";
            svg.styled(x, y, Align::End, style, &label);
        }
    }
    svg.finish()
}

/// A number of one recorded measurement: of training, in milliseconds.
fn measured(config: &str, threads: u32) -> f64 {
    let wanted = format!(
        "\"mode\": \"train\", \"config\": \"{config}\", \
         \"threads\": {threads}, \"ms_per_iter\": "
    );
    let number = SPEED_RUN.split_once(&wanted).and_then(|(_, rest)| {
        rest.split(',').next().and_then(|number| number.parse().ok())
    });
    number.unwrap_or(f64::NAN)
}

/// How a step's time grows with width and with context.
fn scaling() -> String {
    let mut svg = Svg::new(
        720,
        330,
        "How the time of a training step grows",
        "Two charts on logarithmic axes, one point for each size, on one thread \
         and on two. With width the time grows about fourfold for each \
         doubling; with context hardly at all.",
    );
    let y = |ms: f64| 270.0 - 110.0 * (ms.log10() - 0.7);
    for ms in [10.0, 100.0, 1000.0] {
        let faint = "currentColor\" stroke-opacity=\"0.15";
        svg.line(&[(60.0, y(ms)), (710.0, y(ms))], faint, false);
        svg.text(52.0, y(ms) + 5.0, Align::End, &format!("{ms}"));
    }
    let style = " transform=\"rotate(-90 16 170)\"";
    svg.styled(16.0, 170.0, Align::Middle, style, "milliseconds a step");
    let widths = ["4,4,64,64,12", "S", "4,4,256,64,12", "4,4,512,64,12"];
    let contexts = ["4,4,128,32,24", "S", "4,4,128,128,6", "4,4,128,256,3"];
    for (left, configs, first, what) in [
        (90.0, widths, 64, "width, at context 64"),
        (430.0, contexts, 32, "context, at width 128"),
    ] {
        let x = |i: usize| left + 80.0 * i as f64;
        for (threads, colour) in [(1, BLUE), (2, ORANGE)] {
            let mut line = Vec::new();
            for (i, config) in configs.into_iter().enumerate() {
                let point = (x(i), y(measured(config, threads)));
                svg.dot(point.0, point.1, colour, true);
                line.push(point);
            }
            svg.line(&line, colour, false);
            let (x, y) = line[3];
            let label = if threads == 1 { "1 thread" } else { "2 threads" };
            let (y, align) = match (threads, left < 100.0) {
                (_, true) => (y + 5.0, Align::Start),
                (1, false) => (y - 12.0, Align::Middle),
                (_, false) => (y + 22.0, Align::Middle),
            };
            let x = if left < 100.0 { x + 10.0 } else { x };
            let style = format!(" fill=\"{colour}\"");
            svg.styled(x, y, align, &style, label);
        }
        for i in 0..4 {
            let label = (first << i).to_string();
            svg.text(x(i), 292.0, Align::Middle, &label);
        }
        svg.text(left + 120.0, 316.0, Align::Middle, what);
    }
    svg.finish()
}

/// The line that the pictures of attention look at.
const LINE: &str = "Shall I compare thee";

/// Scores, and weights, of every head for [`LINE`], block by block.
fn scores_and_weights(
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
            let parts = [&*q, &*k, &*part(2)];
            attend(parts, &mut att, &mut y);
            heads.push((scores, att));
        }
        let (y, _) = block.forward(x, t);
        x = y;
    }
    heads
}

/// A table of [`LINE`] against itself, with its characters at two sides.
fn line_by_line(
    svg: &mut Svg,
    left: f64,
    top: f64,
    cell: f64,
    values: &Matrix,
) {
    svg.heat(left, top, [cell, cell], values);
    let style = " font-family=\"monospace\" font-size=\"11\"";
    for (i, c) in LINE.chars().enumerate() {
        let along = (i as f64 + 0.5) * cell;
        let c = visible(c);
        svg.styled(left - 8.0, top + along + 4.0, Align::Middle, style, &c);
        svg.styled(left + along, top - 5.0, Align::Middle, style, &c);
    }
}

/// One head: scores, the same without the future, weights.
fn attention(model: &Gpt, tokenizer: &CharTokenizer) -> String {
    let (scores, weights) = &scores_and_weights(model, tokenizer)[0];
    let largest = scores.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    let scores = scores / largest;
    let mut masked = scores.clone();
    for ((i, j), score) in masked.indexed_iter_mut() {
        if j > i {
            *score = 0.0;
        }
    }
    let mut svg = Svg::new(
        720,
        270,
        "A line of verse in one head, from scores to weights",
        "Three tables of squares, a row for each query and a column for each \
         key: all scores; the scores with the upper right half removed; the \
         weights after the softmax, darkest near the diagonal.",
    );
    for (i, (name, values)) in
        [("q·kᵀ/√D", &scores), ("masked", &masked), ("softmax", weights)]
            .into_iter()
            .enumerate()
    {
        let left = 24.0 + 238.0 * i as f64;
        line_by_line(&mut svg, left, 50.0, 10.5, values);
        svg.text(left + 105.0, 24.0, Align::Middle, name);
    }
    svg.finish()
}

/// The weights of all heads.
fn heads(model: &Gpt, tokenizer: &CharTokenizer) -> String {
    let mut svg = Svg::new(
        720,
        560,
        "The weights of four heads for one line of verse",
        "Four tables of squares, two heads in each of two blocks; each row \
         shows where the character at its left looks. No two are alike.",
    );
    let heads = scores_and_weights(model, tokenizer);
    for (i, (_, weights)) in heads.iter().enumerate() {
        let left = 90.0 + 310.0 * (i % 2) as f64;
        let top = 50.0 + 275.0 * (i / 2) as f64;
        line_by_line(&mut svg, left, top, 11.5, weights);
        let name = format!("block {}, head {}", i / 2, i % 2);
        svg.text(left + 115.0, top - 24.0, Align::Middle, &name);
    }
    svg.finish()
}

/// `Φ(x)`, the share of a bell curve below `x`, by Simpson's rule.
fn phi(x: f64) -> f64 {
    let bell = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let (n, h) = (400, x / 400.0);
    let inner = (1..n).map(|i| {
        let weight = if i % 2 == 0 { 2.0 } else { 4.0 };
        weight * bell(f64::from(i) * h)
    });
    0.5 + h / 3.0 * (bell(0.0) + inner.sum::<f64>() + bell(x))
}

/// GELU, its slope, and how far its two definitions are apart.
fn gelu_curves() -> String {
    let mut svg = Svg::new(
        720,
        380,
        "GELU, its slope, and the gap between its two definitions",
        "Three curves between minus four and four: GELU, near zero on the left \
         and a straight line on the right; its slope, which overshoots one a \
         little; and the difference of the two definitions, a thousand times \
         enlarged, which stays within half a unit.",
    );
    let x_at = |x: f64| 360.0 + 84.0 * x;
    let y_at = |y: f64| 270.0 - 75.0 * y;
    for y in [-1.0, 0.0, 1.0, 2.0, 3.0] {
        let faint = "currentColor\" stroke-opacity=\"0.15";
        svg.line(&[(x_at(-4.0), y_at(y)), (x_at(4.0), y_at(y))], faint, false);
        svg.text(18.0, y_at(y) + 5.0, Align::End, &format!("{y}"));
    }
    for x in -4..=4 {
        let x = f64::from(x);
        svg.text(x_at(x), 368.0, Align::Middle, &format!("{x}"));
    }
    let (mut value, mut slope, mut gap) = (Vec::new(), Vec::new(), Vec::new());
    for i in -160..=160 {
        let x = f64::from(i) / 40.0;
        let at = Matrix::from_elem((1, 1), x);
        let y = gelu(&at)[[0, 0]];
        if y <= 3.2 {
            value.push((x_at(x), y_at(y)));
        }
        let dy = Matrix::ones((1, 1));
        slope.push((x_at(x), y_at(gelu_backward(&at, dy)[[0, 0]])));
        gap.push((x_at(x), y_at(1000.0 * (y - x * phi(x)))));
    }
    for (line, colour, dashed) in
        [(value, BLUE, false), (slope, BLUE, true), (gap, ORANGE, false)]
    {
        svg.line(&line, colour, dashed);
    }
    let style = format!(" fill=\"{BLUE}\"");
    svg.styled(x_at(2.3), y_at(2.6), Align::End, &style, "gelu(x)");
    svg.styled(x_at(3.9), y_at(1.12), Align::End, &style, "its slope");
    let style = format!(" fill=\"{ORANGE}\"");
    svg.styled(x_at(-3.9), y_at(-0.75), Align::Start, &style, "1000 × the gap");
    svg.finish()
}

/// The root of the mean square.
fn spread(x: &[f64]) -> f64 {
    (dot(x, x) / x.len() as f64).sqrt()
}

/// In an untrained model of eight blocks: the stream's size behind each block,
/// and the size of the slopes of each block's `qkv`.
fn stream() -> Result<String, Box<dyn Error>> {
    let text = SONNETS.get(..257).unwrap_or(SONNETS);
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(text)?;
    let (inputs, targets) = (&ids[..256], &ids[1..]);
    let mut svg = Svg::new(
        720,
        300,
        "The residual stream and the slopes, block by block",
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
            (390.0, slopes, tops[1], "size of the slopes of qkv", 1),
        ] {
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
                svg.text(left + 155.0, 288.0, Align::Middle, "after block");
            }
        }
    }
    let style = format!(" fill=\"{ORANGE}\"");
    svg.styled(200.0, 70.0, Align::End, &style, "all 0.02");
    let style = format!(" fill=\"{BLUE}\"");
    svg.styled(330.0, 190.0, Align::End, &style, "0.02/√(2L)");
    Ok(svg.finish())
}

/// The tape of `ℓ = a·b + a`: values on the way out, slopes on the way back.
fn tape() -> String {
    let mut svg = Svg::new(
        720,
        270,
        "The tape of a product and a sum",
        "Four boxes from left to right: a, b, their product, and the loss. \
         Solid arrows lead from each number to those made from it and carry \
         local slopes. Dashed arrows lead back and carry what is passed on; a \
         is reached by two of them, and adds them.",
    );
    let tape = Tape::default();
    let (a, b) = (tape.leaf(3.0), tape.leaf(4.0));
    let grad = (a * b + a).backward();
    let (nodes, x) = (tape.nodes(), |i: usize| 70.0 + 190.0 * i as f64);
    let (top, bottom, small) = (106.0, 164.0, " font-size=\"12\"");
    let green = format!("{small} fill=\"{GREEN}\"");
    let mut received = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate().rev() {
        for (slot, (parent, slope)) in
            node.parents.into_iter().flatten().enumerate()
        {
            let out = format!("slope {slope}");
            let back = format!("{} · {slope}", grad[i]);
            received[parent].push((grad[i] * slope).to_string());
            let (from, to) = (x(parent), x(i));
            let middle = (from + to) / 2.0;
            if i - parent == 1 {
                let (from, to) = (from + 65.0, to - 65.0);
                svg.arrow(&[(from, 120.0), (to, 120.0)], INK, false);
                svg.styled(middle, 113.0, Align::Middle, small, &out);
                svg.arrow(&[(to, 150.0), (from, 150.0)], GREEN, true);
                svg.styled(middle, 166.0, Align::Middle, &green, &back);
                continue;
            }
            // Over the boxes and under them, the longer way further out
            let lane = 36.0 * (i - parent - 1) as f64;
            let (from, to) = (from - 12.0 * slot as f64, to - 12.0);
            let (over, under) = (top - lane, bottom + lane);
            let way = [(from, top), (from, over), (to, over), (to, top)];
            svg.arrow(&way, INK, false);
            svg.styled(middle, over - 6.0, Align::Middle, small, &out);
            let way =
                [(to, bottom), (to, under), (from, under), (from, bottom)];
            svg.arrow(&way, GREEN, true);
            svg.styled(middle, under + 16.0, Align::Middle, &green, &back);
        }
    }
    for (i, name) in ["a", "b", "a·b", "ℓ"].iter().enumerate() {
        svg.frame([x(i) - 65.0, top, 130.0, bottom - top], INK);
        let value = format!("{name} = {}", nodes[i].value);
        svg.text(x(i), top + 24.0, Align::Middle, &value);
        let sum = match received[i].as_slice() {
            [] | [_] => format!("slope {}", grad[i]),
            several => format!("slope {} = {}", several.join(" + "), grad[i]),
        };
        svg.styled(x(i), top + 45.0, Align::Middle, &green, &sum);
    }
    svg.finish()
}

/// Every fault over the right code.
fn zoo() -> String {
    let pairs: Vec<_> = FAULTS.iter().map(|f| (f.name, "right")).collect();
    multiples(
        "Twenty-four mistakes and their loss curves",
        "A panel for each mistake: validation loss over 2,000 steps, dashed for \
         the right code and solid for the mistake. In ten of them the two \
         curves can hardly be told apart.",
        &pairs,
    )
}

/// Every experiment over the model as it is, of the same depth.
fn ablations() -> String {
    let others = EXPERIMENTS.iter().filter(|e| !e.patches.is_empty());
    let pairs: Vec<_> = others
        .map(|e| (e.name, if e.n_layer == 8 { "right-8" } else { "right" }))
        .collect();
    multiples(
        "Sixteen other models and their loss curves",
        "A panel for each experiment: validation loss over 2,000 steps, dashed \
         for the model of the book and solid for the other one.",
        &pairs,
    )
}

/// The recorded losses of a variant, at steps 0, 500, 1,000, 1,500, 2,000.
fn variant(name: &str) -> Vec<f64> {
    let mut lines = VARIANTS_RUN.lines();
    let line = lines.find(|line| line.split(' ').next() == Some(name));
    let numbers = line.unwrap_or_default().split_whitespace().skip(1);
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// Curves of variants, four to a row, each over another one's; behind them the
/// rungs of the sonnets' ladder.
fn multiples(title: &str, description: &str, pairs: &[(&str, &str)]) -> String {
    let text: Vec<char> = SONNETS.chars().collect();
    let (train, validation) = split(&text);
    let rungs = ladder(train, validation);
    let height = 135 * pairs.len().div_ceil(4) as u32 + 30;
    let mut svg = Svg::new(720, height, title, description);
    for (i, (name, reference)) in pairs.iter().enumerate() {
        let left = 66.0 + 166.0 * (i % 4) as f64;
        let top = 24.0 + 135.0 * (i / 4) as f64;
        let x = |step: usize| left + 28.0 * step as f64;
        let y = |loss: f64| top + 110.0 - 22.0 * loss.clamp(0.0, 4.5);
        for rung in &rungs[..4] {
            let faint = "currentColor\" stroke-opacity=\"0.2";
            let ends = [(x(0), y(rung.loss)), (x(4), y(rung.loss))];
            svg.line(&ends, faint, false);
            if i % 4 == 0 {
                let style = " font-size=\"11\"";
                let y = y(rung.loss) + 4.0;
                svg.styled(left - 6.0, y, Align::End, style, rung.name);
            }
        }
        svg.line(&[(x(0), y(0.0)), (x(4), y(0.0))], INK, false);
        let style = " font-family=\"monospace\" font-size=\"12\"";
        svg.styled(left, top + 2.0, Align::Start, style, name);
        for (name, colour, dashed) in
            [(name, ORANGE, false), (reference, INK, true)]
        {
            let losses = variant(name).into_iter().enumerate();
            let points: Vec<_> =
                losses.map(|(i, loss)| (x(i), y(loss))).collect();
            svg.line(&points, colour, dashed);
        }
        if let Some(&last) = variant(name).last() {
            let style = format!(" font-size=\"12\" fill=\"{ORANGE}\"");
            let label = format!("{last:.2}");
            let y = y(last) + 4.0;
            svg.styled(x(4) + 4.0, y, Align::Start, &style, &label);
        }
    }
    let style = " font-size=\"12\"";
    let (below, last) = (f64::from(height) - 14.0, pairs.len().div_ceil(4) * 4);
    for i in 0..last.min(4) {
        let left = 66.0 + 166.0 * i as f64;
        svg.styled(left, below, Align::Middle, style, "0");
        svg.styled(left + 112.0, below, Align::Middle, style, "2,000 steps");
    }
    svg.finish()
}
