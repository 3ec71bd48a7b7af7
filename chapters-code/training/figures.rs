//! The figures of chapter 6.

use super::svg::*;
use crate::first_model::SONNETS;
use double::orientation::ladder;
use double::training::{LrSchedule, split};
use valley::{Rule, descend};

mod valley;

const SWEEP: &str = include_str!("../../book/records/training/sweep.txt");
const OVER_FITTING: &str =
    include_str!("../../book/records/studies/over-fitting.txt");
const SONNETS_RUN: &str =
    include_str!("../../book/records/training/sonnets.txt");
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
    svg.describe(&format!("The highest is {max_lr}, the last {min_lr}."));
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

/// Three ways down a valley, and down the same valley turned.
pub fn valley() -> String {
    let mut svg = Svg::new(
        720,
        352,
        "Three ways down a narrow valley, and down the same valley turned",
        "Left, long flat ellipses of equal height. Plain descent drops to the \
         floor at once and creeps along it; momentum swings from side to side \
         and arrives; Adam goes straight to the middle. Right, the same turned \
         by 45 degrees: momentum swings as before, and Adam drops to the floor \
         and stays near the place where it reached it.",
    );
    let turned = std::f64::consts::FRAC_PI_4;
    for (middle, angle) in [(185.0, 0.0), (535.0, turned)] {
        let (sin, cos) = f64::sin_cos(angle);
        let at = |[x, y]: [f64; 2]| {
            let (u, v) = (cos * x - sin * y, sin * x + cos * y);
            (middle + 105.0 * u, 185.0 - 105.0 * v)
        };
        let inside = |&(x, y): &(f64, f64)| {
            (x - middle).abs() < 165.0 && (y - 185.0).abs() < 135.0
        };
        for level in [0.3, 1.0, 3.0, 6.0, 10.0] {
            let ring: Vec<_> = (0..=720)
                .map(|i| {
                    let angle = f64::from(i) * std::f64::consts::PI / 360.0;
                    at([level * angle.cos(), 0.1 * level * angle.sin()])
                })
                .collect();
            for part in ring.split(|point| !inside(point)) {
                if part.len() > 1 {
                    svg.line(part, FAINT, false);
                }
            }
        }
        let mut ways = vec![(Rule::Momentum, BLUE), (Rule::Adam, GREEN)];
        if angle == 0.0 {
            ways.push((Rule::Plain, INK));
        }
        for (rule, colour) in ways {
            let way = descend(rule, angle, 60);
            let (side, name) = match (angle == 0.0, rule) {
                (true, Rule::Plain) => ("left", "plain descent"),
                (true, Rule::Momentum) => ("left", "momentum"),
                (true, _) => ("left", "Adam"),
                (false, Rule::Momentum) => ("right", "momentum"),
                (false, _) => ("right", "Adam"),
            };
            let left = way.last().map_or(f64::NAN, |[x, y]| x.hypot(*y));
            svg.describe(&format!(
                "After 60 steps, {name} at the {side} is {left:.2} from the \
                 middle."
            ));
            let way: Vec<_> = way.into_iter().map(at).collect();
            svg.line(&way, colour, false);
        }
        let (x, y) = at([1.0, 1.0]);
        svg.dot(x, y, INK, false);
        svg.dot(middle, 185.0, ORANGE, true);
    }
    let [blue, green] = [BLUE, GREEN].map(|c| format!(" fill=\"{c}\""));
    svg.text(300.0, 24.0, Align::End, "plain descent");
    svg.styled(360.0, 24.0, Align::Middle, &blue, "momentum");
    svg.styled(420.0, 24.0, Align::Start, &green, "Adam");
    svg.text(185.0, 345.0, Align::Middle, "along the axes");
    svg.text(535.0, 345.0, Align::Middle, "turned by 45°");
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
    let (mut points, mut rows) = (Vec::new(), Vec::new());
    for line in SWEEP.lines().skip(6) {
        let numbers: Vec<f64> =
            line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        if let [lr, loss] = numbers[..] {
            points.push((x_at(lr), y_at(loss)));
            rows.push((loss, lr));
        }
    }
    let best = rows.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0));
    for row in [rows.first().copied(), best, rows.last().copied()] {
        let (loss, lr) = row.unwrap_or((f64::NAN, f64::NAN));
        svg.describe(&format!("At a rate of {lr} the loss is {loss:.2}."));
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

/// The default run: both losses, and what happens when.
pub fn curve() -> String {
    let mut svg = Svg::new(
        720,
        420,
        "Both losses of the default run",
        "Two falling curves over 1,500 steps, with the levels of the counting \
         models behind them. The training loss starts above the validation \
         loss, crosses it near step 600 and goes on falling; the validation \
         loss levels out.",
    );
    let x_at = |step: f64| 114.0 + 0.353 * step;
    let y_at = |loss: f64| 370.0 - 120.0 * (loss - 1.25);
    for (name, loss) in sonnet_rungs() {
        if !["5-gram", "6-gram"].contains(&name) {
            let ends = [(x_at(0.0), y_at(loss)), (x_at(1500.0), y_at(loss))];
            svg.line(&ends, FAINT, false);
            let label = format!("{name} {loss:.2}");
            svg.text(106.0, y_at(loss) + 5.0, Align::End, &label);
        }
    }
    for step in [0, 150, 500, 1000, 1500] {
        svg.text(x_at(step as f64), 394.0, Align::Middle, &thousand(step));
    }
    svg.text(x_at(750.0), 415.0, Align::Middle, "step");
    let run = losses(SONNETS_RUN);
    if let [(_, _, first), (_, Some(early), _), .., (_, Some(train), last)] =
        run[..]
    {
        svg.describe(&format!(
            "The validation loss falls from {first:.2} to {last:.2}, the \
             training loss from {early:.2}, the mean of the first 150 steps, \
             to {train:.2}."
        ));
    }
    let validation: Vec<_> =
        run.iter().map(|row| (x_at(row.0), y_at(row.2))).collect();
    // A mean over 150 steps belongs in their middle
    let train: Vec<_> = run
        .iter()
        .filter_map(|row| Some((x_at(row.0 - 75.0), y_at(row.1?))))
        .collect();
    svg.line(&validation, BLUE, false);
    svg.line(&train, ORANGE, true);
    for &(x, y) in &validation {
        svg.dot(x, y, BLUE, true);
    }
    let [blue, orange] = [BLUE, ORANGE].map(|c| format!(" fill=\"{c}\""));
    let (x, low) = (x_at(1500.0) + 8.0, train[train.len() - 1].1);
    let (_, high) = validation[validation.len() - 1];
    svg.styled(x, high + 5.0, Align::Start, &blue, "validation");
    svg.styled(x, low + 14.0, Align::Start, &orange, "training");
    for (step, loss, name) in [
        (20.0, 4.05, "1. a uniform guess"),
        (165.0, 2.52, "2. uses more than the last character"),
        (460.0, 2.12, "3. more than the last two; the gap opens"),
        (905.0, 1.88, "4. below every table"),
    ] {
        svg.rimmed(x_at(step), y_at(loss), Align::Start, "", name);
    }
    let name = "5. only the training loss falls";
    svg.rimmed(x_at(1480.0), low + 24.0, Align::End, "", name);
    svg.finish()
}

/// A training set that is too small, by the strength of weight decay.
pub fn over_fitting() -> String {
    let mut svg = Svg::new(
        720,
        360,
        "Training and validation loss on a tenth of the sonnets",
        "Three pairs of curves over 3,000 steps, for three strengths of weight \
         decay. All training losses fall, the slower the stronger the decay. \
         With the weakest the validation loss turns upwards.",
    );
    let x_at = |step: f64| 70.0 + 0.17 * step;
    let y_at = |loss: f64| 310.0 - 260.0 * (loss - 1.4);
    for loss in [1.5, 1.75, 2.0, 2.25, 2.5] {
        let ends = [(x_at(0.0), y_at(loss)), (x_at(3000.0), y_at(loss))];
        svg.line(&ends, FAINT, false);
        svg.text(60.0, y_at(loss) + 5.0, Align::End, &format!("{loss:.2}"));
    }
    for step in [0, 1000, 2000, 3000] {
        svg.text(x_at(step as f64), 332.0, Align::Middle, &thousand(step));
    }
    svg.text(x_at(1500.0), 354.0, Align::Middle, "step");
    for (name, colour, apart) in
        [("0.1", ORANGE, 0.0), ("1", BLUE, 4.0), ("3", GREEN, -6.0)]
    {
        let head = format!("decay {name}; ");
        let rows: Vec<[f64; 3]> = OVER_FITTING
            .lines()
            .skip_while(|line| !line.starts_with(&head))
            .skip(2) // and what was there before the first step
            .map_while(|line| {
                let words = line.split_whitespace();
                let row: Vec<f64> =
                    words.map(str::parse).collect::<Result<_, _>>().ok()?;
                row.try_into().ok()
            })
            .collect();
        let least = rows.iter().min_by(|a, b| a[2].total_cmp(&b[2]));
        if let (Some([step, _, least]), Some([_, _, last])) =
            (least, rows.last())
        {
            svg.describe(&format!(
                "With decay {name} the validation loss is lowest, {least:.3}, \
                 at step {step}, and {last:.3} at the end."
            ));
        }
        let style = format!(" fill=\"{colour}\"");
        for (column, label) in [(2, "decay"), (1, "training, decay")] {
            let curve: Vec<_> = rows
                .iter()
                .map(|row| (x_at(row[0]), y_at(row[column])))
                .collect();
            svg.line(&curve, colour, column == 1);
            let Some(&(x, y)) = curve.last() else { continue };
            let label = format!("{label} {name}");
            let y = y + 5.0 + if column == 2 { apart } else { 3.0 };
            svg.styled(x + 8.0, y, Align::Start, &style, &label);
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
    let (mut points, mut labels) = (Vec::new(), Vec::new());
    let mut at = String::new();
    for line in record.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, step, loss, ..] = words[..]
            && line.starts_with("step")
            && let (Ok(step), Ok(loss)) = (step.parse(), loss.parse())
        {
            points.push((x_at(step), y_at(loss)));
            at = format!("At step {step}, loss {loss:.2}");
        } else if line.starts_with("  \"")
            && let Some(&point) = points.last()
        {
            let text = line.trim().trim_matches('"');
            let text = text.replace("\\n", "↵").replace("\\\"", "\"");
            let text: String = text.chars().take(38).collect();
            svg.describe(&format!("{at}: “{}”.", text.replace('↵', " ")));
            labels.push((point, text));
        }
    }
    svg.line(&points, BLUE, false);
    let mut free = 0.0; // below the label before
    for ((x, y), text) in labels {
        svg.dot(x, y, BLUE, true);
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
        svg.rimmed(right + 12.0, label, Align::Start, style, &text);
        free = label + 16.0;
    }
}
