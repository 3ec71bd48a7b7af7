//! The figures of chapter 6.

use super::svg::*;
use crate::first_model::SONNETS;
use double::orientation::ladder;
use double::training::{LrSchedule, split};

const SWEEP: &str = include_str!("../../book/records/training/sweep.txt");
const LESS_DECAY: &str = include_str!(
    "../../book/records/training/tinyshakespeare-long-decay-0.3.txt"
);
const LONG: &str =
    include_str!("../../book/records/training/tinyshakespeare-long.txt");
const SONNETS_RUNGS: &str =
    include_str!("../../book/records/training/rungs-sonnets.txt");
const LONG_RUNGS: &str =
    include_str!("../../book/records/training/rungs-tinyshakespeare.txt");

/// The standard run's learning rate.
pub fn schedule() -> String {
    let mut svg = Svg::new(
        720,
        250,
        "The learning rate of the standard run",
        "A curve over 1,500 steps: a straight rise during the first hundred, \
         then half a period of a cosine down to a tenth of the highest value.",
    );
    let (max_lr, min_lr, warmup, steps) = (3e-3, 3e-4, 100, 1500);
    let schedule = LrSchedule { max_lr, min_lr, warmup, steps };
    let x_at = |step: usize| 70.0 + 0.41 * step as f64;
    let y_at = |lr: f64| 200.0 - 55_000.0 * lr;
    for lr in [0.0, 1e-3, 2e-3, 3e-3] {
        svg.line(&[(x_at(0), y_at(lr)), (x_at(1500), y_at(lr))], FAINT, false);
        svg.text(60.0, y_at(lr) + 5.0, Align::End, &format!("{lr}"));
    }
    for step in [0, 100, 500, 1000, 1500] {
        svg.text(x_at(step), 222.0, Align::Middle, &thousand(step));
    }
    svg.text(x_at(750), 244.0, Align::Middle, "step");
    let points: Vec<_> = (0..=1500)
        .step_by(10)
        .map(|step| (x_at(step), y_at(schedule.at(step))))
        .collect();
    svg.line(&points, BLUE, false);
    svg.finish()
}

fn thousand(n: usize) -> String {
    if n < 1000 { n.to_string() } else { thousands(n) }
}

/// Three ways down a valley.
pub fn valley() -> String {
    let mut svg = Svg::new(
        720,
        300,
        "Three ways down a narrow valley",
        "Ellipses of equal height, long from left to right. Plain descent \
         drops to the valley's floor at once and creeps along it; momentum \
         swings from side to side and arrives; steps of equal size in both \
         directions go straight towards the middle.",
    );
    let at = |w: [f64; 2]| (400.0 + 260.0 * w[0], 150.0 - 110.0 * w[1]);
    for level in [0.3, 1.0, 3.0, 6.0, 10.0] {
        let ring: Vec<_> = (0..=72)
            .map(|i| {
                let angle = f64::from(i) * std::f64::consts::TAU / 72.0;
                let (x, y) = (angle.cos(), angle.sin());
                at([level * x, 0.1 * level * y])
            })
            .collect();
        svg.line(&ring, FAINT, false);
    }
    let mut paths = vec![vec![at([1.0, 1.0])]; 3];
    let [mut plain, mut momentum, mut adam] = [[1.0f64; 2]; 3];
    let (mut m, mut m2, mut v) = ([0.0; 2], [0.0; 2], [0.0f64; 2]);
    for t in 1..=60 {
        for i in 0..2 {
            let slope = |w: [f64; 2]| [1.0, 100.0][i] * w[i];
            plain[i] -= 0.015 * slope(plain);
            m[i] = 0.9 * m[i] + 0.1 * slope(momentum);
            momentum[i] -= 0.015 * m[i] / 0.1;
            m2[i] = 0.9 * m2[i] + 0.1 * slope(adam);
            v[i] = 0.99 * v[i] + 0.01 * slope(adam).powi(2);
            let mean = m2[i] / (1.0 - 0.9f64.powi(t));
            let square = v[i] / (1.0 - 0.99f64.powi(t));
            adam[i] -= 0.05 * mean / square.sqrt();
        }
        for (path, w) in paths.iter_mut().zip([plain, momentum, adam]) {
            path.push(at(w));
        }
    }
    for (path, colour) in paths.iter().zip([INK, BLUE, GREEN]) {
        svg.line(path, colour, false);
    }
    svg.dot(400.0, 150.0, ORANGE, true);
    svg.rimmed(600.0, 172.0, Align::End, "", "plain descent");
    let style = format!(" fill=\"{BLUE}\"");
    svg.rimmed(490.0, 62.0, Align::End, &style, "with momentum");
    let style = format!(" fill=\"{GREEN}\"");
    svg.rimmed(612.0, 42.0, Align::End, &style, "and with scale");
    svg.finish()
}

/// Validation loss after 400 steps over the learning rate.
pub fn sweep() -> String {
    let mut svg = Svg::new(
        720,
        300,
        "The learning rate and where it leads in 400 steps",
        "A curve like a bowl over a logarithmic axis: too slow on the left, \
         best near 0.008, and worse within a factor of four on the right, up \
         to the unigram rung.",
    );
    let x_at = |lr: f64| 80.0 + 150.0 * (lr / 1e-4).log10();
    let y_at = |loss: f64| 250.0 - 170.0 * (loss - 2.0);
    for loss in [2.0, 2.25, 2.5, 2.75, 3.0] {
        let ends = [(x_at(1e-4), y_at(loss)), (x_at(1.0), y_at(loss))];
        svg.line(&ends, FAINT, false);
        svg.text(70.0, y_at(loss) + 5.0, Align::End, &format!("{loss:.2}"));
    }
    let unigram = sonnet_rungs()[1].1;
    let ends = [(x_at(1e-4), y_at(unigram)), (x_at(1.0), y_at(unigram))];
    svg.line(&ends, INK, true);
    svg.text(x_at(3e-4), y_at(unigram) - 6.0, Align::Start, "unigram");
    for lr in [1e-4, 1e-3, 1e-2, 0.1, 1.0] {
        svg.text(x_at(lr), 272.0, Align::Middle, &format!("{lr}"));
    }
    svg.text(x_at(1e-2), 294.0, Align::Middle, "highest learning rate");
    let mut points = Vec::new();
    for line in SWEEP.lines().skip(6) {
        let numbers: Vec<f64> =
            line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        if let [lr, loss] = numbers[..] {
            points.push((x_at(lr), y_at(loss)));
        }
    }
    svg.line(&points, BLUE, false);
    points.iter().for_each(|&(x, y)| svg.dot(x, y, BLUE, true));
    svg.finish()
}

/// Step, training loss and validation loss of a recorded run.
fn losses(run: &str) -> Vec<(f64, Option<f64>, f64)> {
    let number = |word: &str| word.parse::<f64>().ok();
    let lines = run.lines().filter(|line| line.starts_with("step"));
    let rows = lines.filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, step, "train", train, "validation", loss, ..] => {
                Some((number(step)?, number(train), number(loss)?))
            }
            _ => None,
        }
    });
    rows.collect()
}

/// Two runs of an hour: the loss on what is trained on, and on the rest.
pub fn over_fitting() -> String {
    let mut svg = Svg::new(
        720,
        340,
        "Training and validation loss of two long runs",
        "Training losses fall to the end in both runs. The validation loss of \
         the run with less decay turns upwards after step 5,500; that of the \
         run with more decay falls on to step 7,500.",
    );
    let x_at = |step: f64| 70.0 + 0.06 * step;
    let y_at = |loss: f64| 290.0 - 200.0 * (loss - 1.0);
    for loss in [1.0, 1.25, 1.5, 1.75, 2.0, 2.25] {
        let ends = [(x_at(0.0), y_at(loss)), (x_at(8000.0), y_at(loss))];
        svg.line(&ends, FAINT, false);
        svg.text(60.0, y_at(loss) + 5.0, Align::End, &format!("{loss:.2}"));
    }
    for step in [0, 2000, 4000, 6000, 8000] {
        let name = thousand(step);
        svg.text(x_at(step as f64), 312.0, Align::Middle, &name);
    }
    svg.text(x_at(4000.0), 334.0, Align::Middle, "step");
    let faces = [(LESS_DECAY, ORANGE, "0.3"), (LONG, BLUE, "0.6")];
    for (run, colour, name) in faces {
        let run = losses(run);
        let fits = |loss: f64| loss < 2.35;
        let held_out: Vec<_> = run
            .iter()
            .filter(|row| fits(row.2))
            .map(|row| (x_at(row.0), y_at(row.2)))
            .collect();
        let train: Vec<_> = run
            .iter()
            .filter_map(|row| Some((row.0, row.1?)))
            .filter(|row| fits(row.1))
            .map(|(step, loss)| (x_at(step), y_at(loss)))
            .collect();
        svg.line(&held_out, colour, false);
        svg.line(&train, colour, true);
        let style = format!(" fill=\"{colour}\"");
        if let (Some(end), Some(low)) = (held_out.last(), train.last()) {
            let label = format!("decay {name}");
            let up = if name == "0.3" { 14.0 } else { -5.0 };
            svg.styled(end.0 + 8.0, end.1 - up, Align::Start, &style, &label);
            if name == "0.6" {
                let (x, y) = (low.0 + 8.0, low.1 + 5.0);
                svg.styled(x, y, Align::Start, &style, "on itself");
            }
        }
    }
    svg.finish()
}

/// The rungs of the sonnets' ladder, from the highest.
fn sonnet_rungs() -> Vec<(&'static str, f64)> {
    let text: Vec<char> = SONNETS.chars().collect();
    let (train, validation) = split(&text);
    let mut rungs: Vec<_> = ladder(train, validation)
        .into_iter()
        .map(|rung| (rung.name, rung.loss))
        .collect();
    rungs.sort_by(|a, b| b.1.total_cmp(&a.1));
    rungs
}

/// The default run on the ladder, with what it writes on the way.
pub fn samples() -> String {
    let mut svg = Svg::new(
        720,
        530,
        "A run of a minute, and what it writes on its way down the ladder",
        "A falling curve of validation loss with the rungs of the counting \
         models behind it. Beside nine points stands a line of text that the \
         model wrote there: random letters at first, then letters with the \
         right frequencies, then words, then verse.",
    );
    let x_at = |step: f64| 96.0 + 58.0 * (1.0 + step / 10.0).ln();
    let y_at = |loss: f64| 60.0 + 150.0 * (4.15 - loss);
    let apart = |name| !["5-gram", "6-gram"].contains(&name); // to be read
    let shown = sonnet_rungs().into_iter().filter(|rung| apart(rung.0));
    rungs(&mut svg, shown, y_at);
    for step in [0, 10, 100, 500, 1500] {
        svg.text(x_at(step as f64), 502.0, Align::Middle, &thousand(step));
    }
    svg.text(x_at(60.0), 524.0, Align::Middle, "step");
    descent(&mut svg, SONNETS_RUNGS, x_at, y_at);
    svg.finish()
}

/// The long run, in the same way.
pub fn long_samples() -> String {
    let mut svg = Svg::new(
        720,
        440,
        "A run of an hour, and what it writes on its way",
        "A falling curve of validation loss that passes below all rungs of \
         the counting models. Beside its points stand lines of text that the \
         model wrote there, the last of which read like a play.",
    );
    let x_at = |step: f64| 96.0 + 85.0 * (step / 500.0).ln();
    let y_at = |loss: f64| 40.0 + 315.0 * (2.5 - loss);
    let mut passed: Vec<_> = LONG_RUNGS
        .lines()
        .filter_map(|line| {
            let (_, below) = line.split_once("  below ")?;
            let (name, loss) = below.strip_suffix(')')?.split_once(" (")?;
            Some((name, loss.parse::<f64>().ok()?))
        })
        // One is above the picture, one too near to another to be read
        .filter(|&(name, _)| !["unigram", "6-gram"].contains(&name))
        .collect();
    passed.dedup(); // a line for each rung, not for each step
    rungs(&mut svg, passed.into_iter(), y_at);
    for step in [500, 1000, 2000, 5000, 18_000] {
        svg.text(x_at(step as f64), 412.0, Align::Middle, &thousand(step));
    }
    svg.text(x_at(3000.0), 434.0, Align::Middle, "step");
    descent(&mut svg, LONG_RUNGS, x_at, y_at);
    svg.finish()
}

/// Lines across, at the losses of counting.
fn rungs<'a>(
    svg: &mut Svg,
    rungs: impl Iterator<Item = (&'a str, f64)>,
    y_at: impl Fn(f64) -> f64,
) {
    for (name, loss) in rungs {
        svg.line(&[(90.0, y_at(loss)), (710.0, y_at(loss))], FAINT, false);
        svg.text(84.0, y_at(loss) + 5.0, Align::End, name);
    }
}

/// A curve of losses, and the texts beside its points.
fn descent(
    svg: &mut Svg,
    record: &'static str,
    x_at: impl Fn(f64) -> f64,
    y_at: impl Fn(f64) -> f64,
) {
    let mut points = Vec::new();
    let mut labels = Vec::new();
    for line in record.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, step, loss, ..] = words[..]
            && line.starts_with("step")
            && let (Ok(step), Ok(loss)) = (step.parse(), loss.parse())
        {
            points.push((x_at(step), y_at(loss)));
        } else if line.starts_with("  \"")
            && let Some(&point) = points.last()
        {
            labels.push((point, line.trim().trim_matches('"')));
        }
    }
    svg.line(&points, BLUE, false);
    let mut free = 0.0; // below the label before
    for ((x, y), text) in labels {
        svg.dot(x, y, BLUE, true);
        let text: String = text.replace("\\n", "↵").replace("\\\"", "\"");
        let shown: String = text.chars().take(38).collect();
        let style = " font-family=\"monospace\" font-size=\"12\"";
        let label = f64::max(y - 4.0, free);
        // To the right of the curve, also where it was pushed down
        let near = points.iter().filter(|p| (label - p.1).abs() < 10.0);
        let right = near.fold(x, |x, p| x.max(p.0));
        if label > y {
            let ends = [(x + 4.0, y + 1.0), (right + 10.0, label - 4.0)];
            let thin = "currentColor\" stroke-opacity=\"0.5";
            svg.line(&ends, thin, false);
        }
        svg.rimmed(right + 12.0, label, Align::Start, style, &shown);
        free = label + 16.0;
    }
}
