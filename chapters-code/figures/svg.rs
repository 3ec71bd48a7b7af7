//! What every figure is drawn with.

use std::fmt::Write;

use double::Matrix;

pub const BLUE: &str = "#0072B2";
pub const ORANGE: &str = "#D55E00";
pub const GREEN: &str = "#009E73";
pub const INK: &str = "currentColor";
/// For lines that only help to read the others.
pub const FAINT: &str = "currentColor\" stroke-opacity=\"0.15";

/// A drawing that grows: shapes are written in the order of the calls.
pub struct Svg(String);

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
pub enum Align {
    Start,
    Middle,
    End,
}

impl Svg {
    pub fn new(
        width: u32,
        height: u32,
        title: &str,
        description: &str,
    ) -> Self {
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" \
             width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-size=\"14\" \
             fill=\"currentColor\">\n\
             <title>{title}</title>\n<desc>{description}</desc>\n"
        ))
    }

    /// Adds to the description what is known only once all is drawn.
    pub fn describe(&mut self, more: &str) {
        let end = format!(" {}</desc>", escaped(more));
        self.0 = self.0.replacen("</desc>", &end, 1);
    }

    pub fn text(&mut self, x: f64, y: f64, align: Align, text: &str) {
        self.styled(x, y, align, "", text);
    }

    /// Text on something else, from which a rim in the page's colour keeps it
    /// apart.
    pub fn rimmed(
        &mut self,
        x: f64,
        y: f64,
        align: Align,
        style: &str,
        text: &str,
    ) {
        let rim = " stroke=\"var(--bg)\" stroke-width=\"4\" \
                   stroke-linejoin=\"round\" paint-order=\"stroke\"";
        self.styled(x, y, align, &format!("{rim}{style}"), text);
    }

    /// Text in a fixed width, for what is code or data.
    pub fn code(&mut self, x: f64, y: f64, align: Align, text: &str) {
        self.styled(x, y, align, " font-family=\"monospace\"", text);
    }

    pub fn styled(
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
        let text = escaped(text);
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{style}>\
             {text}</text>"
        ));
    }

    /// A line through points, with an arrow's head at its end.
    pub fn arrow(&mut self, points: &[(f64, f64)], colour: &str, dashed: bool) {
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

    pub fn line(&mut self, points: &[(f64, f64)], colour: &str, dashed: bool) {
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
    pub fn bar(&mut self, [x, y, w, h]: [f64; 4], colour: &str, opacity: f64) {
        self.push(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" \
             fill=\"{colour}\" fill-opacity=\"{opacity:.2}\"/>"
        ));
    }

    pub fn frame(&mut self, [x, y, w, h]: [f64; 4], colour: &str) {
        self.push(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" \
             rx=\"4\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        ));
    }

    pub fn dot(&mut self, x: f64, y: f64, colour: &str, filled: bool) {
        let fill = if filled { colour } else { "none" };
        self.push(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{fill}\" \
             stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        ));
    }

    /// A table of numbers between −1 and 1 as squares, blue above zero and
    /// orange below, in ten strengths.
    pub fn heat(&mut self, x: f64, y: f64, [w, h]: [f64; 2], values: &Matrix) {
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

    /// Strokes over the future, above the diagonal of `n` by `n` cells: each
    /// cell is crossed by `2·per_cell − 1` of them.
    pub fn hatch_future(
        &mut self,
        [left, top]: [f64; 2],
        cell: f64,
        n: usize,
        per_cell: usize,
    ) {
        let (size, step) = (n * per_cell, cell / per_cell as f64);
        let mut d = String::new();
        // Row + column is the same along a stroke, which ends at an edge
        for sum in 0..2 * size - 1 {
            let upper = sum.saturating_sub(size - 1);
            let future = |row: &usize| row / per_cell < (sum - row) / per_cell;
            let Some(lower) = (upper..=sum).rev().find(future) else {
                continue;
            };
            let x = |column: usize| left + column as f64 * step;
            let y = |row: usize| top + row as f64 * step;
            let (x0, y0) = (x(sum - lower), y(lower + 1));
            let (x1, y1) = (x(sum - upper + 1), y(upper));
            let _ = write!(d, "M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}");
        }
        self.push(format_args!(
            "<path d=\"{d}\" fill=\"none\" stroke=\"{INK}\" \
             stroke-opacity=\"0.35\" pointer-events=\"none\"/>"
        ));
    }

    pub fn push(&mut self, element: std::fmt::Arguments) {
        let _ = writeln!(self.0, "{element}");
    }

    pub fn finish(self) -> String {
        self.0 + "</svg>\n"
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// A drawing that a phone does not shrink: it scrolls sideways.
pub fn broad(svg: String) -> String {
    svg.replacen("<svg ", "<svg class=\"broad\" ", 1)
}

/// A character as a figure shows it.
pub fn visible(c: char) -> String {
    match c {
        '\n' => "↵".to_string(),
        ' ' => "␣".to_string(),
        c => c.to_string(),
    }
}

/// A character as a sentence has it.
pub fn spoken(c: char) -> String {
    match c {
        '\n' => "line break".to_string(),
        ' ' => "space".to_string(),
        ',' => "comma".to_string(),
        c => c.to_string(),
    }
}

/// Numbers in a row, with a minus that a screen reader says.
pub fn listed(numbers: &[f64], digits: usize) -> String {
    let numbers = numbers.iter().map(|x| {
        let short = format!("{x:.digits$}").replace('-', "−");
        let zero = short.trim_matches(['−', '0', '.']).is_empty();
        if zero { short.replace('−', "") } else { short }
    });
    numbers.collect::<Vec<_>>().join(", ")
}

/// 85191 as 85,191.
pub fn thousands(n: usize) -> String {
    format!("{},{:03}", n / 1000, n % 1000)
}
