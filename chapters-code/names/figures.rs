//! The figure of the appendix on microgpt.

use super::svg::*;

const ORIGINAL: &str =
    include_str!("../../book/records/training/microgpt-py.txt");
const NOISE: &str = include_str!("../../book/records/studies/names-noise.txt");

/// The rows of a record that begin with a step, as numbers.
fn rows(record: &str) -> Vec<Vec<f64>> {
    let lines = record.lines();
    let numbers = lines.map(|line| -> Result<Vec<f64>, _> {
        line.split_whitespace().map(str::parse).collect()
    });
    numbers.filter_map(Result::ok).filter(|row| !row.is_empty()).collect()
}

/// The losses that microgpt prints, and two means.
pub fn noise() -> String {
    let mut svg = Svg::new(
        720,
        330,
        "The losses that microgpt prints, and means over many names",
        "A cloud of 1,000 dots, one for each step, from 1.6 to 3.9 high. Two \
         lines through it fall from 2.8 to 2.3: means over a hundred steps, \
         and over the names held out. The last dot is far above both.",
    );
    let x_at = |step: f64| 60.0 + 0.53 * step;
    let y_at = |loss: f64| 275.0 - 100.0 * (loss - 1.5);
    for loss in [1.5, 2.0, 2.5, 3.0, 3.5, 4.0] {
        let ends = [(x_at(0.0), y_at(loss)), (x_at(1000.0), y_at(loss))];
        svg.line(&ends, FAINT, false);
        svg.text(52.0, y_at(loss) + 5.0, Align::End, &format!("{loss:.1}"));
    }
    for step in [0, 250, 500, 750] {
        let name = step.to_string();
        svg.text(x_at(f64::from(step)), 297.0, Align::Middle, &name);
    }
    svg.text(x_at(1000.0), 297.0, Align::Middle, "1,000");
    svg.text(60.0, 12.0, Align::Start, "loss, nats");
    svg.text(x_at(500.0), 321.0, Align::Middle, "step");
    let losses = rows(ORIGINAL);
    let dot =
        |row: &Vec<f64>| format!("M{:.1} {:.1}h0", x_at(row[0]), y_at(row[1]));
    let dots: String = losses.iter().map(dot).collect();
    svg.push(format_args!(
        "<path d=\"{dots}\" stroke=\"currentColor\" stroke-opacity=\"0.4\" \
         stroke-width=\"3\" stroke-linecap=\"round\"/>"
    ));
    let means = rows(NOISE);
    for (column, colour) in [(2, ORANGE), (3, BLUE)] {
        let at = |row: &Vec<f64>| (x_at(row[0]), y_at(row[column]));
        let points: Vec<_> = means.iter().map(at).collect();
        svg.line(&points, colour, false);
        points.iter().for_each(|&(x, y)| svg.dot(x, y, colour, true));
    }
    if let Some(last) = losses.last() {
        let (x, y) = (x_at(last[0]), y_at(last[1]));
        svg.dot(x, y, INK, true);
        let label = format!("step 1,000: {:.2}", last[1]);
        svg.describe(&format!("It is at {:.2}.", last[1]));
        svg.text(x + 10.0, y + 1.0, Align::Start, &label);
        let blue = format!(" fill=\"{BLUE}\"");
        let orange = format!(" fill=\"{ORANGE}\"");
        let (x, start) = (x + 10.0, Align::Start);
        svg.styled(x, y + 28.0, start, &blue, "names held out");
        svg.styled(x, y + 47.0, start, &orange, "last hundred");
    }
    svg.finish()
}
