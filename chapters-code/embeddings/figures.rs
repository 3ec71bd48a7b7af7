//! The figures of chapter 3.

use super::svg::*;
use double::Matrix;
use double::embeddings::{Embeddings, normal};
use double::orientation::{dot, flat_mut, rows};
use double::tokenization::CharTokenizer;
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// A row of zeros and a one times a table is a row of the table.
pub fn look_up() -> String {
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
pub fn principal_components(table: &Matrix) -> [Vec<f64>; 2] {
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
pub fn tokens(
    (before, after): (&Embeddings, &Embeddings),
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
         characters of the line have a colour, and a stronger one where a \
         character occurs more than once.",
    );
    let (left, top, height) = (180.0, 40.0, 7.4);
    svg.heat(left, top, [15.0, height], &grad.token);
    svg.text(left + 240.0, 26.0, Align::Middle, "32 numbers a row");
    for (i, &c) in tokenizer.vocabulary().iter().enumerate() {
        let times = ids.iter().filter(|&&id| usize::from(id) == i).count();
        let y = top + (i as f64 + 0.5) * height + 4.0;
        // Neighbouring labels in three columns
        let x = left - [10.0, 66.0, 122.0][i % 3];
        if times > 0 {
            let label = format!("{} ×{times}", visible(c));
            let style = " font-family=\"monospace\" font-size=\"12\"";
            svg.styled(x, y, Align::End, style, &label);
        }
    }
    svg.finish()
}
