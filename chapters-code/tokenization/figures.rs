//! The figures of chapter 2.

use super::svg::*;
use crate::first_model::SONNETS;
use byte_pairs::BytePairs;
use double::tokenization::{CharTokenizer, TokenizerError};
use double::training::split;

#[path = "byte_pairs.rs"]
mod byte_pairs;

/// A line of verse and its ids.
pub fn strip(tokenizer: &CharTokenizer) -> String {
    let line = "Shall I compare thee";
    let ids = tokenizer.encode(line).unwrap_or_default();
    let mut svg = Svg::new(
        720,
        150,
        "A line of verse as ids",
        "Each character of the line is above its id; of two arrows, encode \
         leads down to the ids and decode leads back up.",
    );
    let pairs = line.chars().zip(&ids);
    let pairs = pairs.map(|(c, id)| format!("{} {id}", spoken(c)));
    let pairs = pairs.collect::<Vec<_>>().join(", ");
    svg.describe(&format!("The characters and their ids: {pairs}."));
    for (i, (c, id)) in line.chars().zip(ids).enumerate() {
        let x = 60.0 + 33.0 * i as f64;
        svg.frame([x, 20.0, 29.0, 34.0], INK);
        svg.code(x + 14.5, 42.0, Align::Middle, &visible(c));
        svg.line(&[(x + 14.5, 58.0), (x + 14.5, 92.0)], INK, false);
        svg.frame([x, 96.0, 29.0, 34.0], BLUE);
        svg.code(x + 14.5, 118.0, Align::Middle, &id.to_string());
    }
    svg.arrow(&[(16.0, 24.0), (16.0, 126.0)], INK, false);
    svg.arrow(&[(40.0, 126.0), (40.0, 24.0)], INK, false);
    let style = " font-size=\"12\"";
    svg.styled(2.0, 15.0, Align::Start, style, "encode");
    svg.styled(2.0, 147.0, Align::Start, style, "decode");
    svg.finish()
}

/// How often each character occurs.
pub fn frequencies(tokenizer: &CharTokenizer) -> String {
    let mut counts: Vec<(char, usize)> =
        tokenizer.vocabulary().iter().map(|&c| (c, 0)).collect();
    for id in tokenizer.encode(SONNETS).unwrap_or_default() {
        counts[usize::from(id)].1 += 1;
    }
    counts.sort_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
    let mut svg = Svg::new(
        720,
        290,
        "How often each character of the sonnets occurs",
        "Bars from the most frequent character, the space, to the rarest. The \
         first ten make up two thirds of the text.",
    );
    let percent = |count: usize| 100.0 * count as f64 / SONNETS.len() as f64;
    let named = |counts: &[(char, usize)]| {
        let named = counts.iter().map(|&(c, count)| {
            let percent = percent(count);
            let digits = if percent < 1.0 { 3 } else { 1 };
            format!("{} {percent:.digits$} %", spoken(c))
        });
        named.collect::<Vec<_>>().join(", ")
    };
    svg.describe(&format!(
        "At the left: {}. At the right: {}.",
        named(&counts[..6]),
        named(&counts[counts.len() - 3..])
    ));
    let (base, scale) = (240.0, 12.0);
    for share in [0.0, 5.0, 10.0, 15.0] {
        let y = base - share * scale;
        svg.line(&[(58.0, y), (718.0, y)], FAINT, false);
        svg.text(54.0, y + 5.0, Align::End, &format!("{share} %"));
    }
    for (i, &(c, count)) in counts.iter().enumerate() {
        let (x, height) = (62.0 + 11.1 * i as f64, percent(count) * scale);
        svg.bar([x, base - height, 8.5, height], BLUE, 0.75);
        let style = " font-family=\"monospace\" font-size=\"11\"";
        let label = base + if i % 2 == 0 { 16.0 } else { 34.0 };
        svg.styled(x + 4.2, label, Align::Middle, style, &visible(c));
    }
    svg.finish()
}

/// What is learned from, what is judged by.
pub fn split_bar() -> String {
    let ids: Vec<char> = SONNETS.chars().collect();
    let (train, validation) = split(&ids);
    let mut svg = Svg::new(
        720,
        110,
        "The text in two parts",
        "A bar of which the first nine tenths are for training and the last \
         tenth is for validation. The vocabulary spans both.",
    );
    svg.describe(&format!(
        "There are {} characters for training and {} for validation.",
        thousands(train.len()),
        thousands(validation.len())
    ));
    let cut = 10.0 + 700.0 * train.len() as f64 / ids.len() as f64;
    svg.bar([10.0, 34.0, cut - 11.0, 34.0], BLUE, 0.75);
    svg.bar([cut + 1.0, 34.0, 710.0 - cut - 1.0, 34.0], ORANGE, 0.75);
    let style = format!(" fill=\"{BLUE}\"");
    let label = format!("{} characters for training", thousands(train.len()));
    svg.styled(10.0, 24.0, Align::Start, &style, &label);
    let style = format!(" fill=\"{ORANGE}\"");
    let label = format!("{} for validation", thousands(validation.len()));
    svg.styled(710.0, 24.0, Align::End, &style, &label);
    svg.line(
        &[(10.0, 76.0), (10.0, 84.0), (710.0, 84.0), (710.0, 76.0)],
        INK,
        false,
    );
    svg.text(360.0, 102.0, Align::Middle, "the vocabulary is built from both");
    svg.finish()
}

/// Three merges on a piece of a line.
pub fn merges() -> Result<String, TokenizerError> {
    let line = "Oaths of thy love, thy truth, thy constancy;";
    let piece = "thy love, thy truth";
    let mut svg = Svg::new(
        720,
        210,
        "Three merges of byte-pair encoding",
        "The words thy love, thy truth as characters; then t and h are one \
         box; then the space before them, too; then the y behind them.",
    );
    let mut boxes = Vec::new();
    for merges in 0..=3 {
        let pairs = BytePairs::learn(line, merges)?;
        let ids = pairs.encode(&format!(" {piece}"))?;
        boxes.push(ids.len() as f64);
        let newest = pairs.vocab_size() - 1;
        let y = 12.0 + 50.0 * merges as f64;
        let label = ["characters", "merge 1", "merge 2", "merge 3"][merges];
        svg.text(78.0, y + 22.0, Align::End, label);
        let mut x = 92.0;
        for id in ids {
            let text: String = pairs.piece(id).chars().map(visible).collect();
            let width = 31.0 * text.chars().count() as f64;
            let is_new = merges > 0 && usize::from(id) == newest;
            if is_new {
                svg.bar([x, y, width - 4.0, 34.0], BLUE, 0.3);
            }
            let hue = if is_new { BLUE } else { INK };
            svg.frame([x, y, width - 4.0, 34.0], hue);
            svg.code(x + width / 2.0 - 2.0, y + 22.0, Align::Middle, &text);
            x += width;
        }
    }
    let boxes = listed(&boxes, 0);
    svg.describe(&format!("The rows have {boxes} boxes."));
    Ok(svg.finish())
}

/// A window is as many examples as it has characters.
pub fn targets() -> String {
    let text: Vec<char> = "Shall ".chars().collect();
    let mut svg = Svg::new(
        720,
        266,
        "Five training examples in one window",
        "Five rows, positions 0 to 4, of the six characters of Shall and a \
         space. In each row the \
         characters read so far are blue, and the next one, which is to be \
         predicted, is orange: the first row reads S and predicts h, the last \
         reads Shall and predicts the space.",
    );
    svg.styled(
        150.0,
        24.0,
        Align::Start,
        &format!(" fill=\"{BLUE}\""),
        "what the model has read",
    );
    svg.styled(
        710.0,
        24.0,
        Align::End,
        &format!(" fill=\"{ORANGE}\""),
        "the target",
    );
    for row in 0..text.len() - 1 {
        let y = 40.0 + 44.0 * row as f64;
        let label = format!("position {row}");
        svg.text(126.0, y + 23.0, Align::End, &label);
        for (i, &c) in text.iter().enumerate().take(row + 2) {
            let x = 150.0 + 68.0 * i as f64;
            let is_target = i == row + 1;
            let x = if is_target { 650.0 } else { x };
            let hue = if is_target { ORANGE } else { BLUE };
            svg.bar([x, y, 60.0, 34.0], hue, 0.2);
            svg.frame([x, y, 60.0, 34.0], hue);
            svg.code(x + 30.0, y + 23.0, Align::Middle, &visible(c));
        }
        let end = 150.0 + 68.0 * (row + 1) as f64;
        svg.arrow(&[(end + 4.0, y + 17.0), (640.0, y + 17.0)], INK, false);
    }
    svg.finish()
}
