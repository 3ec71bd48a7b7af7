//! The figure of the appendix on performance.

use super::svg::*;

const SPEED_RUN: &str = include_str!("../../book/records/speed/scaling.jsonl");

/// A number of one recorded measurement: of training, in milliseconds.
pub fn measured(config: &str, threads: u32) -> f64 {
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
pub fn scaling() -> String {
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
        svg.line(&[(72.0, y(ms)), (710.0, y(ms))], FAINT, false);
        svg.text(68.0, y(ms) + 5.0, Align::End, &format!("{ms}"));
    }
    let style = " transform=\"rotate(-90 17 170)\"";
    svg.styled(17.0, 170.0, Align::Middle, style, "milliseconds a step");
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
            let [first, last] = [configs[0], configs[3]]
                .map(|config| format!("{:.0}", measured(config, threads)));
            svg.describe(&format!(
                "Over {what}, {label}: from {first} to {last} milliseconds."
            ));
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
