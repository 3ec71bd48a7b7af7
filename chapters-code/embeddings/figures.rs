//! The figures of chapter 3.

use super::svg::*;
use double::Matrix;
use double::embeddings::{Embeddings, normal};
use double::orientation::{dot, flat_mut, rows};
use double::tokenization::CharTokenizer;
use double::training::split;
use rand::{SeedableRng, rngs::ChaCha8Rng};

use crate::first_model::SONNETS;
use map::{correlation, log_counts, principal_components};

mod map;

/// A row of zeros and a one times a table is a row of the table.
pub fn look_up() -> String {
    let mut svg = Svg::new(
        720,
        190,
        "A look-up is a product",
        "Three rows, each of zeros and a single one, times a table of three \
         rows, give the rows of the table that the ones point at. The ids are \
         2, 0 and 2; the table has the rows 0.1 0.2, 0.3 0.4 and 0.5 0.6; the \
         product has its rows 0.5 0.6, 0.1 0.2 and once more 0.5 0.6.",
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

/// The chain rule, forward along the solid lines and back along the dashed.
pub fn chain() -> String {
    let mut svg = Svg::new(
        720,
        340,
        "The chain rule in two pictures",
        "Above, w = 2 goes through a = 3w = 6 and then through ℓ = a² = 36. \
         Backward, the derivative is 1 at the loss, 12 at a and 12 times 3, \
         36, at w. Below, w = 2 is used twice, in a = 3w = 6 and in b = w² = \
         4, and ℓ = a + b = 10. Backward, 3 comes through a and 4 through b, \
         and they add up to 7 at w.",
    );
    let place =
        |svg: &mut Svg, [x, y]: [f64; 2], formula: &str, local: &str| {
            svg.frame([x, y, 120.0, 56.0], INK);
            svg.text(x + 60.0, y + 23.0, Align::Middle, formula);
            svg.styled(x + 60.0, y + 44.0, Align::Middle, SMALL, local);
        };
    svg.styled(10.0, 22.0, Align::Start, BOLD, "In a row: multiply");
    place(&mut svg, [180.0, 52.0], "a = 3w", "da/dw = 3");
    place(&mut svg, [450.0, 52.0], "ℓ = a²", "dℓ/da = 2a = 12");
    for (from, to, value, gradient) in [
        (10.0, 180.0, "w = 2", "dℓ/dw = 12 · 3 = 36"),
        (300.0, 450.0, "a = 6", "dℓ/da = 12"),
        (570.0, 710.0, "ℓ = 36", "1"),
    ] {
        let middle = (from + to) / 2.0;
        svg.arrow(&[(from + 6.0, 70.0), (to - 6.0, 70.0)], INK, false);
        svg.text(middle, 60.0, Align::Middle, value);
        svg.arrow(&[(to - 6.0, 92.0), (from + 6.0, 92.0)], BLUE, true);
        svg.styled(middle, 112.0, Align::Middle, BLUE_TEXT, gradient);
    }
    svg.styled(10.0, 162.0, Align::Start, BOLD, "Used twice: add");
    place(&mut svg, [250.0, 182.0], "a = 3w", "da/dw = 3");
    place(&mut svg, [250.0, 272.0], "b = w²", "db/dw = 2w = 4");
    place(&mut svg, [490.0, 227.0], "ℓ = a + b", "1 for a, 1 for b");
    svg.line(&[(16.0, 246.0), (152.0, 246.0)], INK, false);
    svg.arrow(&[(152.0, 246.0), (152.0, 196.0), (244.0, 196.0)], INK, false);
    svg.arrow(&[(152.0, 246.0), (152.0, 314.0), (244.0, 314.0)], INK, false);
    svg.line(&[(244.0, 222.0), (174.0, 222.0), (174.0, 264.0)], BLUE, true);
    svg.line(&[(244.0, 288.0), (174.0, 288.0), (174.0, 264.0)], BLUE, true);
    svg.arrow(&[(174.0, 264.0), (16.0, 264.0)], BLUE, true);
    svg.text(76.0, 236.0, Align::Middle, "w = 2");
    svg.styled(76.0, 284.0, Align::Middle, BLUE_TEXT, "dℓ/dw = 3 + 4 = 7");
    svg.styled(210.0, 240.0, Align::Middle, BLUE_TEXT, "1 · 3 = 3");
    svg.styled(210.0, 281.0, Align::Middle, BLUE_TEXT, "1 · 4 = 4");
    svg.arrow(&[(376.0, 196.0), (550.0, 196.0), (550.0, 221.0)], INK, false);
    svg.arrow(&[(376.0, 314.0), (550.0, 314.0), (550.0, 289.0)], INK, false);
    svg.text(460.0, 188.0, Align::Middle, "a = 6");
    svg.text(460.0, 332.0, Align::Middle, "b = 4");
    let up = [(484.0, 244.0), (440.0, 244.0), (440.0, 222.0), (376.0, 222.0)];
    svg.arrow(&up, BLUE, true);
    let down = [(484.0, 266.0), (440.0, 266.0), (440.0, 288.0), (376.0, 288.0)];
    svg.arrow(&down, BLUE, true);
    svg.styled(408.0, 240.0, Align::Middle, BLUE_TEXT, "1");
    svg.styled(408.0, 281.0, Align::Middle, BLUE_TEXT, "1");
    svg.arrow(&[(616.0, 246.0), (710.0, 246.0)], INK, false);
    svg.text(663.0, 236.0, Align::Middle, "ℓ = 10");
    svg.arrow(&[(704.0, 264.0), (616.0, 264.0)], BLUE, true);
    svg.styled(663.0, 284.0, Align::Middle, BLUE_TEXT, "1");
    svg.finish()
}

const BOLD: &str = " font-weight=\"600\"";
const SMALL: &str = " font-size=\"12\"";
const BLUE_TEXT: &str = " fill=\"#0072B2\"";

/// A look-up reads rows of the table; its backward pass adds to them.
pub fn gather() -> String {
    let mut svg = Svg::new(
        720,
        210,
        "A look-up and its backward pass",
        "On the left, rows 2, 0 and 2 of the token table are copied into the \
         three rows of y. On the right the arrows are reversed: the rows of \
         dy are added to rows 2, 0 and 2 of the table's gradient, and row 2 \
         gets the sum of two: 1 10 and 4 40 give 5 50.",
    );
    let hues = [ORANGE, INK, BLUE];
    let ids = [2, 0, 2];
    let mut column = |x: f64, rows: [(&str, usize); 3]| {
        for (i, (numbers, id)) in rows.into_iter().enumerate() {
            let y = 52.0 + 48.0 * i as f64;
            if hues[id] != INK {
                svg.bar([x, y, 84.0, 34.0], hues[id], 0.3);
            }
            svg.frame([x, y, 84.0, 34.0], INK);
            svg.code(x + 42.0, y + 22.0, Align::Middle, numbers);
        }
    };
    column(34.0, [("0.1 0.2", 0), ("0.3 0.4", 1), ("0.5 0.6", 2)]);
    column(236.0, [("0.5 0.6", 2), ("0.1 0.2", 0), ("0.5 0.6", 2)]);
    column(404.0, [("2 20", 0), ("0 0", 1), ("5 50", 2)]);
    column(606.0, [("1 10", 2), ("2 20", 0), ("4 40", 2)]);
    for (n, &id) in ids.iter().enumerate() {
        let height = |row: usize, shift: f64| 69.0 + 48.0 * row as f64 + shift;
        // Two arrows meet at row 2
        let shift = if id == 2 { 6.0 * (n as f64 - 1.0) } else { 0.0 };
        let (table, y) = (height(id, shift), height(n, 0.0));
        svg.arrow(&[(122.0, table), (232.0, y)], hues[id], false);
        svg.arrow(&[(602.0, y), (492.0, table)], hues[id], true);
    }
    for (i, row) in ["0", "1", "2"].into_iter().enumerate() {
        let y = 74.0 + 48.0 * i as f64;
        svg.text(26.0, y, Align::End, row);
        svg.text(396.0, y, Align::End, row);
    }
    for (x, name) in [
        (76.0, "token table"),
        (278.0, "y"),
        (446.0, "its gradient"),
        (648.0, "dy"),
    ] {
        svg.text(x, 40.0, Align::Middle, name);
    }
    svg.styled(177.0, 18.0, Align::Middle, BOLD, "forward: gather");
    svg.styled(547.0, 18.0, Align::Middle, BOLD, "backward: scatter-add");
    svg.finish()
}

/// The cosines between all rows of a table.
pub fn cosines(table: &Matrix) -> Matrix {
    let rows: Vec<&[f64]> = rows(table).collect();
    Matrix::from_shape_fn((rows.len(), rows.len()), |(i, j)| {
        let (a, b) = (rows[i], rows[j]);
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    })
}

/// How alike the vectors of positions are, before and after.
pub fn positions((before, after): (&Embeddings, &Embeddings)) -> String {
    let mut svg = Svg::new(
        720,
        390,
        "How alike the positions are, before and after training",
        "Two tables of squares, the cosine between the vectors of every two of \
         the 32 positions: before training only the diagonal stands out; after \
         it, neighboring positions are alike, and the first ones are nearly \
         opposite to the last.",
    );
    for (left, name, layer) in
        [(40.0, "before training", before), (400.0, "after 2,000 steps", after)]
    {
        let table = cosines(&layer.position);
        svg.heat(left, 40.0, [9.5, 9.5], &table);
        let last = table.nrows() - 1;
        let next: f64 = (0..last).map(|i| table[[i, i + 1]]).sum();
        let numbers = [next / last as f64, table[[0, last]]];
        let [next, ends] = numbers.map(|x| listed(&[x], 2));
        svg.describe(&format!(
            "The mean cosine of neighbors {name} is {next}, and that of the \
             first and the last position {ends}."
        ));
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

/// The map of the characters, before and after.
pub fn tokens(
    (before, after): (&Embeddings, &Embeddings),
    tokenizer: &CharTokenizer,
) -> String {
    let mut svg = Svg::new(
        720,
        440,
        "The characters as points, before and after training",
        "The token vectors seen along the two directions in which they differ \
         most. Before training they are a cloud without order. After it, rare \
         characters are on the left and common ones on the right.",
    );
    let ids = tokenizer.encode(SONNETS).unwrap_or_default();
    let counts = log_counts(split(&ids).0, tokenizer.vocab_size());
    for (left, name, layer) in
        [(10.0, "before training", before), (370.0, "after 2,000 steps", after)]
    {
        let [(x, _), (y, _)] = principal_components(&layer.token);
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
        let r = correlation(&x, &counts);
        let r = listed(&[r], 2);
        let label = format!("correlation {r}");
        svg.text(left + 170.0, 399.0, Align::Middle, &label);
        svg.describe(&format!(
            "The correlation of the place from left to right with the \
             logarithm of the count is {r} {name}."
        ));
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
        svg.styled(x, 428.0, Align::Middle, &style, name);
    }
    svg.finish()
}

/// Which rows of the token table a line of verse touches.
pub fn scatter(tokenizer: &CharTokenizer) -> String {
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
         characters of the line have a color, and a stronger one where a \
         character occurs more than once.",
    );
    let (left, top, height) = (180.0, 40.0, 7.4);
    svg.heat(left, top, [15.0, height], &grad.token);
    let mut colored = Vec::new();
    svg.text(left + 240.0, 26.0, Align::Middle, "32 numbers a row");
    for (i, &c) in tokenizer.vocabulary().iter().enumerate() {
        let times = ids.iter().filter(|&&id| usize::from(id) == i).count();
        let y = top + (i as f64 + 0.5) * height + 4.0;
        // Neighbouring labels in three columns
        let x = left - [10.0, 66.0, 122.0][i % 3];
        if times > 0 {
            colored.push(format!("{} {times}", spoken(c)));
            let label = format!("{} ×{times}", visible(c));
            let style = " font-family=\"monospace\" font-size=\"12\"";
            svg.styled(x, y, Align::End, style, &label);
            let y = y - 4.0;
            let lead = "currentColor\" stroke-opacity=\"0.4";
            svg.line(&[(x + 4.0, y), (left - 3.0, y)], lead, false);
        }
    }
    svg.describe(&format!(
        "These are {} rows, each with how often it occurs: {}.",
        colored.len(),
        colored.join(", ")
    ));
    svg.finish()
}
