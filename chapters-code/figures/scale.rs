//! The figure of "From here to ChatGPT".

use super::svg::*;

/// Parameters of this book's models, and of some that were published.
const MODELS: [(&str, f64, &str); 6] = [
    ("chapter 1's model", 28_384.0, "28,384"),
    ("the standard model", 809_088.0, "809,088"),
    ("GPT-2, small", 124_439_808.0, "124 million"),
    ("GPT-2, the largest", 1.5e9, "1.5 billion"),
    ("GPT-3", 175e9, "175 billion"),
    ("Kimi K2", 1e12, "1 trillion"),
];

/// From this book's models to large ones, on a logarithmic axis.
pub fn scale() -> String {
    let mut svg = Svg::new(
        720,
        270,
        "Numbers of parameters, on a logarithmic axis",
        "Six bars, from 28,384 parameters to a trillion. Each line of the axis \
         is a hundred times the one before.",
    );
    let x = |parameters: f64| 160.0 + 56.0 * (parameters.log10() - 4.0);
    for (power, label) in [
        (4, "10 thousand"),
        (6, "1 million"),
        (8, "100 million"),
        (10, "10 billion"),
        (12, "1 trillion"),
    ] {
        let x = x(10f64.powi(power));
        svg.line(&[(x, 16.0), (x, 236.0)], FAINT, false);
        svg.text(x, 258.0, Align::Middle, label);
    }
    let told = MODELS.map(|(name, _, number)| format!("{name} {number}"));
    svg.describe(&format!("They are {}.", told.join("; ")));
    for (i, (name, parameters, number)) in MODELS.into_iter().enumerate() {
        let y = 22.0 + 36.0 * i as f64;
        let colour = if i < 2 { BLUE } else { ORANGE };
        let (left, right) = (x(1e4), x(parameters));
        svg.bar([left, y, right - left, 24.0], colour, 0.45);
        svg.text(left - 8.0, y + 17.0, Align::End, name);
        let inside = parameters > 1e9;
        let (at, align) = if inside {
            (right - 8.0, Align::End)
        } else {
            (right + 8.0, Align::Start)
        };
        svg.text(at, y + 17.0, align, number);
    }
    svg.finish()
}
