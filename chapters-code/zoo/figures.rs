//! The figures of the zoo of mistakes, and of chapter 4's experiments.

use super::svg::*;
use crate::faults::{EXPERIMENTS, FAULTS};
use crate::first_model::SONNETS;
use double::orientation::ladder;
use double::training::split;

const VARIANTS_RUN: &str =
    include_str!("../../book/records/studies/variants.txt");

/// Every fault over the right code.
pub fn zoo() -> String {
    let pairs: Vec<_> = FAULTS.iter().map(|f| (f.name, "right")).collect();
    multiples(
        "Twenty-four mistakes and their loss curves",
        "A panel for each mistake: validation loss over 2,000 steps, dashed for \
         the right code and solid for the mistake. Three are in code that such \
         a run does not reach; in seven of the others the two curves end \
         within 0.03 nats of each other.",
        &pairs,
    )
}

/// Every experiment over the model as it is, of the same depth.
pub fn ablations() -> String {
    let others = EXPERIMENTS.iter().filter(|e| !e.patches.is_empty());
    let pairs: Vec<_> = others
        .map(|e| (e.name, if e.n_layer == 8 { "right-8" } else { "right" }))
        .collect();
    multiples(
        "Eighteen other models and their loss curves",
        "A panel for each experiment: validation loss over 2,000 steps, dashed \
         for the model of the book and solid for the other one.",
        &pairs,
    )
}

/// What chapter 4 asks its reader to repeat.
pub fn four_experiments() -> String {
    multiples(
        "Experiments on the block, on the ladder of losses",
        "Eight panels of validation loss over 2,000 steps, dashed for the model \
         of the book and solid for another one: without the scale, masked late, \
         not masked, with ReLU; without residual connections and with the \
         norms on the stream, of two blocks and of eight.",
        &[
            ("no-scale", "right"),
            ("late-mask", "right"),
            ("no-mask", "right"),
            ("relu", "right"),
            ("no-residuals", "right"),
            ("no-residuals-8", "right-8"),
            ("post-norm", "right"),
            ("post-norm-8", "right-8"),
        ],
    )
}

/// The recorded losses of a variant, at steps 0, 500, 1,000, 1,500, 2,000.
pub fn variant(name: &str) -> Vec<f64> {
    let mut lines = VARIANTS_RUN.lines();
    let line = lines.find(|line| line.split(' ').next() == Some(name));
    let numbers = line.unwrap_or_default().split_whitespace().skip(1);
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// Curves of variants, four to a row, each over another one's; behind them the
/// rungs of the sonnets' ladder.
pub fn multiples(
    title: &str,
    description: &str,
    pairs: &[(&str, &str)],
) -> String {
    let text: Vec<char> = SONNETS.chars().collect();
    let (train, validation) = split(&text);
    let rungs = ladder(train, validation);
    let height = 135 * pairs.len().div_ceil(4) as u32 + 30;
    let mut svg = Svg::new(720, height, title, description);
    let end = |name: &str| variant(name).last().copied().unwrap_or(f64::NAN);
    let mut ends: Vec<String> = Vec::new();
    for name in pairs.iter().flat_map(|(name, reference)| [reference, name]) {
        let told = format!("{name} {:.2}", end(name));
        if !ends.contains(&told) {
            ends.push(told);
        }
    }
    svg.describe(&format!("The losses at the end: {}.", ends.join(", ")));
    for (i, (name, reference)) in pairs.iter().enumerate() {
        let left = 66.0 + 166.0 * (i % 4) as f64;
        let top = 24.0 + 135.0 * (i / 4) as f64;
        let x = |step: usize| left + 28.0 * step as f64;
        let y = |loss: f64| top + 110.0 - 22.0 * loss.clamp(0.0, 4.5);
        let mut below = f64::INFINITY; // the label of the rung before
        for rung in rungs[..4].iter().rev() {
            let faint = "currentColor\" stroke-opacity=\"0.2";
            let ends = [(x(0), y(rung.loss)), (x(4), y(rung.loss))];
            svg.line(&ends, faint, false);
            if i % 4 == 0 {
                let style = " font-size=\"11\"";
                let y = (y(rung.loss) + 4.0).min(below - 12.0);
                svg.styled(left - 6.0, y, Align::End, style, rung.name);
                below = y;
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
