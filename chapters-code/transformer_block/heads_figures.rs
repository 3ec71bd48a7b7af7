//! The figures of chapter 4 that look at trained heads: one to touch, and where
//! all of them look.

use super::heads::weights;
use super::svg::*;
use super::transformer_block::LINE;
use double::Matrix;
use double::gpt::Gpt;
use double::tokenization::CharTokenizer;

const RECORD: &str = include_str!("../../book/records/studies/heads.txt");

const BOLD: &str = " font-weight=\"600\"";
const CODE: &str = " font-family=\"monospace\"";

/// The head of [`touch`]: its block, and its place among all heads.
const BLOCK_AND_HEAD: (usize, usize) = (0, 1);

/// Where the table of [`touch`] begins, and how large its cells are.
const LEFT: f64 = 132.0;
const TOP: f64 = 74.0;
const CELL: f64 = 24.0;

/// A row shows its numbers while the mouse is on it or the keyboard at it; if
/// both are, on different rows, the mouse counts.
const STYLE: &str = "\
.touch .more{visibility:hidden}
.touch .keys{font-weight:600;stroke:var(--bg);stroke-width:4px;\
paint-order:stroke;stroke-linejoin:round}
.touch .row{outline:none;cursor:default}
.touch .row:is(:hover,:focus)>.more{visibility:visible}
.touch:has(.row:hover) .row:focus:not(:hover)>.more{visibility:hidden}
.touch:has(.row:is(:hover,:focus)) .hint{visibility:hidden}
@media print{.touch :is(.more,.hint){visibility:hidden!important}}";

/// The weights of one head for a line of verse, a row of which shows its
/// numbers when it is touched.
pub fn touch(model: &Gpt, tokenizer: &CharTokenizer) -> String {
    let mut svg = Svg::new(
        720,
        612,
        "One head's weights for a line of verse, row by row",
        "A table with a row for each character of the line, as the query, and \
         a column for each, as the key. The squares of a row, up to the \
         diagonal, are the weights with which the query takes the values of \
         the keys; the upper right half is hatched. A row under the mouse or \
         the keyboard's focus shows its weights in hundredths below.",
    );
    let ids = tokenizer.encode(LINE).unwrap_or_default();
    let (block, head) = BLOCK_AND_HEAD;
    let all = weights(model, &ids);
    let att = &all[block * model.config().n_head + head];
    svg.push(format_args!("<style>\n{STYLE}\n</style>"));
    surroundings(&mut svg, &format!("block {block}, head {head}"));
    let line: Vec<char> = LINE.chars().collect();
    let later = att.indexed_iter().filter(|((query, _), _)| *query > 0);
    if let Some(((i, j), most)) = later.max_by(|a, b| a.1.total_cmp(b.1)) {
        let [query, key] = [i, j].map(|i| spoken(line[i]));
        svg.describe(&format!(
            "The largest weight below row 0 is {most:.2}: query {i}, {query}, \
             and key {j}, {key}."
        ));
    }
    for query in 0..line.len() {
        touch_row(&mut svg, &line, query, att);
    }
    svg.hatch_future([LEFT, TOP], CELL, line.len(), 2);
    reachable(&svg.finish())
}

/// The drawing as a group: its rows can be reached, which parts of an image
/// cannot.
fn reachable(svg: &str) -> String {
    let svg = svg.replacen("role=\"img\"", "role=\"group\"", 1);
    svg.replacen("<svg ", "<svg class=\"broad touch\" ", 1)
}

/// What [`touch`] shows around its rows.
fn surroundings(svg: &mut Svg, name: &str) {
    let side = CELL * LINE.len() as f64;
    let (middle, bottom) = (LEFT + side / 2.0, TOP + side);
    svg.styled(middle, 20.0, Align::Middle, BOLD, name);
    let orange = format!(" fill=\"{ORANGE}\"");
    svg.styled(middle, 42.0, Align::Middle, &orange, "keys");
    let blue = format!(" fill=\"{BLUE}\"");
    svg.styled(LEFT - 36.0, TOP + 16.0, Align::End, &blue, "queries");
    for (x, c) in columns().zip(LINE.chars().map(visible)) {
        svg.styled(x + 12.0, TOP - 8.0, Align::Middle, CODE, &c);
    }
    let hint = " class=\"hint\"";
    let text = "point at a row, tap it or tab to it: its weights appear here";
    svg.styled(middle, bottom + 24.0, Align::Middle, hint, text);
    svg.push(format_args!(
        "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{side}\" height=\"{side}\" \
         fill=\"none\" stroke=\"{INK}\" stroke-opacity=\"0.4\"/>"
    ));
}

/// The left sides of the columns of [`touch`].
fn columns() -> impl Iterator<Item = f64> {
    (0..).map(|i| LEFT + CELL * f64::from(i))
}

/// One row of [`touch`]: its label, its cells, and what is shown on touch.
fn touch_row(svg: &mut Svg, line: &[char], query: usize, att: &Matrix) {
    let y = TOP + CELL * query as f64;
    let names: Vec<String> = line.iter().copied().map(spoken).collect();
    let weights = names.iter().zip(att.row(query)).take(query + 1);
    let said =
        weights.clone().map(|(key, weight)| format!("{key} {weight:.2}"));
    let (name, said) = (&names[query], said.collect::<Vec<_>>().join(", "));
    svg.push(format_args!(
        "<g class=\"row\" tabindex=\"0\" role=\"img\" \
         aria-label=\"query {query}, {name}: {said}\">"
    ));
    // All of the row can be touched, its label and the hatched part, too
    let wide = 32.0 + CELL * line.len() as f64;
    svg.bar([LEFT - 32.0, y, wide, CELL], INK, 0.0);
    let label = visible(line[query]);
    svg.styled(LEFT - 16.0, y + 16.0, Align::Middle, CODE, &label);
    for (x, (key, weight)) in columns().zip(weights) {
        svg.push(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\" \
             fill=\"{BLUE}\" fill-opacity=\"{weight:.2}\">\
             <title>{name} looks at {key}: {weight:.3}</title></rect>",
        ));
    }
    touched(svg, line, query, att);
    svg.push(format_args!("</g>"));
}

/// What a row of [`touch`] shows on touch: a frame, its keys, its numbers.
fn touched(svg: &mut Svg, line: &[char], query: usize, att: &Matrix) {
    let y = TOP + CELL * query as f64;
    let bottom = TOP + CELL * line.len() as f64;
    svg.push(format_args!("<g class=\"more\" pointer-events=\"none\">"));
    svg.frame([LEFT, y, CELL * (query + 1) as f64, CELL], INK);
    let blue = format!("{BOLD}{CODE} fill=\"{BLUE}\"");
    let label = visible(line[query]);
    svg.rimmed(LEFT - 16.0, y + 16.0, Align::Middle, &blue, &label);
    key_labels(svg, TOP - 8.0, &line[..=query]);
    key_labels(svg, bottom + 44.0, &line[..=query]);
    svg.text(LEFT - 10.0, bottom + 24.0, Align::End, "weight, %");
    svg.push(format_args!("<g text-anchor=\"middle\">"));
    for (x, weight) in columns().zip(att.row(query)).take(query + 1) {
        let (x, y, percent) = (x + 12.0, bottom + 24.0, 100.0 * weight);
        svg.push(format_args!("<text x=\"{x}\" y=\"{y}\">{percent:.0}</text>"));
    }
    svg.push(format_args!("</g></g>"));
}

/// The keys of a row in the keys' color: one text, with a place for each of its
/// characters.
fn key_labels(svg: &mut Svg, y: f64, keys: &[char]) {
    let places = columns().take(keys.len()).map(|x| (x + 12.0).to_string());
    let places = places.collect::<Vec<_>>().join(" ");
    let keys: String = keys.iter().copied().map(visible).collect();
    svg.push(format_args!(
        "<text x=\"{places}\" y=\"{y}\" text-anchor=\"middle\" \
         class=\"keys\" fill=\"{ORANGE}\"{CODE}>{keys}</text>"
    ));
}

/// A row of the first table of the record: name, and shares by distance.
fn recorded() -> Vec<(String, Vec<f64>)> {
    let table = RECORD.lines().skip_while(|line| !line.starts_with("block"));
    let rows = table.skip(1).take_while(|line| !line.is_empty());
    let read = |line: &str| {
        let (name, numbers) = line.split_at(11);
        let numbers = numbers.split_whitespace().map(|n| n.parse());
        let shares = numbers.take(7).map(|n| n.unwrap_or(f64::NAN)).collect();
        let name: Vec<&str> = name.split_whitespace().collect();
        match name[..] {
            [block, head] => (format!("block {block}, head {head}"), shares),
            _ => (name.join(" "), shares),
        }
    };
    rows.map(read).collect()
}

/// Where each head looks, by distance, from the record.
pub fn distances() -> String {
    let mut svg = Svg::new(
        720,
        500,
        "How far back the four heads look",
        "Four bar charts, two heads in each of two blocks: the share of a \
         query's attention that goes to each distance, and a short line at \
         each bar where even attention would be. The two heads of block 0 \
         look at the last few characters; those of block 1 are close to even.",
    );
    let near = |shares: &[f64]| 100.0 * shares[..4].iter().sum::<f64>();
    let mut rows = recorded();
    let (_, even) = rows.pop().unwrap_or_default();
    for (i, (name, shares)) in rows.iter().enumerate() {
        let left = 48.0 + 364.0 * (i % 2) as f64;
        let bottom = 180.0 + 236.0 * (i / 2) as f64;
        svg.styled(left + 147.0, bottom - 158.0, Align::Middle, BOLD, name);
        chart(&mut svg, left, bottom, shares, &even);
        svg.describe(&format!(
            "Distances 0 to 3 get {:.0}% in {name}.",
            near(shares)
        ));
    }
    svg.describe(&format!("Even attention gives them {:.0}%.", near(&even)));
    let what = "distance from query to key, in characters (0: itself)";
    svg.text(364.0, 466.0, Align::Middle, what);
    svg.line(&[(212.0, 485.0), (232.0, 485.0)], INK, false);
    let what = "what attention spread evenly would give";
    svg.text(240.0, 490.0, Align::Start, what);
    svg.finish()
}

/// One head of [`distances`].
fn chart(svg: &mut Svg, left: f64, bottom: f64, shares: &[f64], even: &[f64]) {
    let y = |share: f64| bottom - 380.0 * share;
    for share in [0.1, 0.2, 0.3] {
        let at = y(share);
        svg.line(&[(left, at), (left + 294.0, at)], FAINT, false);
        let label = format!("{:.0}%", 100.0 * share);
        svg.text(left - 6.0, at + 5.0, Align::End, &label);
    }
    let names = ["0", "1", "2", "3", "4–7", "8–15", "16+"];
    for (i, name) in names.into_iter().enumerate() {
        let x = left + 5.0 + 42.0 * i as f64;
        svg.bar([x, y(shares[i]), 32.0, bottom - y(shares[i])], BLUE, 0.8);
        let at = y(even[i]);
        svg.line(&[(x - 4.0, at), (x + 36.0, at)], INK, false);
        svg.text(x + 16.0, bottom + 20.0, Align::Middle, name);
    }
    svg.line(&[(left, bottom), (left + 294.0, bottom)], INK, false);
}
