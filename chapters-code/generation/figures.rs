//! The figures of chapter 7.

use std::collections::BTreeSet;
use std::error::Error;

use super::svg::*;
use crate::first_model::SONNETS;
use double::generation::{Generator, KvCache, Sampler};
use double::gpt::Gpt;
use double::tokenization::CharTokenizer;
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// One position's distribution under five samplers.
pub fn samplers(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<String, Box<dyn Error>> {
    let mut svg = Svg::new(
        720,
        300,
        "The same logits under five samplers",
        "Five groups of eight bars, one for each likely character: at \
         temperature one as the model has it; steeper at one half; flatter at \
         two; three bars alone with top-k three; one bar alone at zero.",
    );
    let prompt = tokenizer.encode("Shall I compare th")?;
    let scores = KvCache::new(model).extend(&prompt);
    let order: Vec<u16> = Sampler::new(1.0, None)?
        .distribution(&scores)
        .iter()
        .map(|&(id, _)| id)
        .take(8)
        .collect();
    let y_at = |p: f64| 240.0 - 200.0 * p;
    for p in [0.0, 0.5, 1.0] {
        svg.line(&[(44.0, y_at(p)), (710.0, y_at(p))], FAINT, false);
        svg.text(36.0, y_at(p) + 5.0, Align::End, &format!("{p}"));
    }
    for (i, (temperature, top_k, name)) in [
        (1.0, None, "temperature 1"),
        (0.5, None, "0.5"),
        (2.0, None, "2"),
        (1.0, Some(3), "1, top-k 3"),
        (0.0, None, "0"),
    ]
    .into_iter()
    .enumerate()
    {
        let left = 50.0 + 134.0 * i as f64;
        let kept = Sampler::new(temperature, top_k)?.distribution(&scores);
        let told: Vec<f64> = kept.iter().take(3).map(|&(_, p)| p).collect();
        let told = listed(&told, 2);
        svg.describe(&format!("The highest bars at {name}: {told}."));
        for (j, id) in order.iter().enumerate() {
            let x = left + 15.0 * j as f64;
            let found = kept.iter().find(|(other, _)| other == id);
            let p = found.map_or(0.0, |&(_, p)| p);
            svg.bar([x, y_at(p), 12.0, 200.0 * p], BLUE, 0.8);
            let c = tokenizer.decode(&[*id])?;
            let c: String = c.chars().map(visible).collect();
            let style = " font-family=\"monospace\" font-size=\"12\"";
            svg.styled(x + 6.0, 256.0, Align::Middle, style, &c);
        }
        svg.text(left + 58.0, 284.0, Align::Middle, name);
    }
    Ok(svg.finish())
}

/// Known words and different words over the temperature.
pub fn boldness(
    model: &Gpt,
    tokenizer: &CharTokenizer,
) -> Result<String, Box<dyn Error>> {
    let mut svg = Svg::new(
        720,
        300,
        "Known and different words over the temperature",
        "Two curves between temperature zero and two. The share of words that \
         occur in the sonnets falls from all to a few; the share of different \
         words rises from next to none to most. They cross a little below 0.8.",
    );
    let x_at = |temperature: f64| 70.0 + 300.0 * temperature;
    let y_at = |share: f64| 240.0 - 200.0 * share;
    for share in [0.0, 0.5, 1.0] {
        let ends = [(x_at(0.0), y_at(share)), (x_at(2.0), y_at(share))];
        svg.line(&ends, FAINT, false);
        let name = format!("{}%", 100.0 * share);
        svg.text(62.0, y_at(share) + 5.0, Align::End, &name);
    }
    for temperature in [0.0, 0.5, 1.0, 1.5, 2.0] {
        let name = format!("{temperature}");
        svg.text(x_at(temperature), 262.0, Align::Middle, &name);
    }
    svg.text(x_at(1.0), 286.0, Align::Middle, "temperature");
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphabetic());
        words.filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
    };
    let known: BTreeSet<String> = words(SONNETS).into_iter().collect();
    let (mut real, mut different) = (Vec::new(), Vec::new());
    for i in 0..=10 {
        let temperature = f64::from(i) / 5.0;
        let sampler = Sampler::new(temperature, None)?;
        let rng = ChaCha8Rng::seed_from_u64(1);
        let prompt = tokenizer.encode("\n")?;
        let ids = Generator::new(model, &prompt, sampler, rng)?;
        let ids: Vec<u16> = ids.take(3000).collect::<Result<_, _>>()?;
        let text = words(&tokenizer.decode(&ids)?);
        let all = text.len() as f64;
        let hits = text.iter().filter(|word| known.contains(*word)).count();
        let kinds: BTreeSet<&String> = text.iter().collect();
        let shares = [hits as f64 / all, kinds.len() as f64 / all];
        if [0, 4, 10].contains(&i) {
            let [known, kinds] = shares.map(|share| 100.0 * share);
            svg.describe(&format!(
                "At {temperature}, {known:.0}% are known and {kinds:.0}% \
                 different."
            ));
        }
        real.push((x_at(temperature), y_at(shares[0])));
        different.push((x_at(temperature), y_at(shares[1])));
    }
    for (points, colour, name, at) in [
        (real, BLUE, "known words", 2),
        (different, ORANGE, "different words", 8),
    ] {
        svg.line(&points, colour, false);
        points.iter().for_each(|&(x, y)| svg.dot(x, y, colour, true));
        let style = format!(" fill=\"{colour}\"");
        let (x, y) = points[at];
        svg.styled(x + 12.0, y - 10.0, Align::Start, &style, name);
    }
    Ok(svg.finish())
}

/// What a new character adds to attention: prefill, then one row of decode.
pub fn cache() -> String {
    let mut svg = Svg::new(
        720,
        240,
        "Prefill and decode",
        "Three tables for the characters of a text, one row each: attention \
         weights, a triangle; keys; values. The first five rows, the prompt, \
         are computed together and marked prefill. The sixth is computed \
         alone and marked decode; it needs the five rows of keys and values \
         above it, but none of the rows of weights.",
    );
    let (cell, top) = (24.0, 40.0);
    let tables = [
        ("attention weights", 170.0, INK),
        ("keys", 380.0, ORANGE),
        ("values", 540.0, GREEN),
    ];
    for (i, c) in "the su".chars().enumerate() {
        let new = i == 5;
        let y = top + cell * i as f64 + if new { 12.0 } else { 0.0 };
        svg.code(150.0, y + 16.0, Align::Middle, &visible(c));
        for (j, &(_, left, colour)) in tables.iter().enumerate() {
            let strength = if new { 0.9 } else { 0.3 };
            if j > 0 {
                svg.bar([left, y, 96.0, cell - 2.0], colour, strength);
                continue;
            }
            for j in 0..=i {
                let x = left + cell * j as f64;
                svg.bar([x, y, cell - 2.0, cell - 2.0], colour, strength);
            }
        }
    }
    for (name, left, _) in tables {
        svg.text(left, 26.0, Align::Start, name);
    }
    let bracket =
        [(126.0, 40.0), (118.0, 40.0), (118.0, 158.0), (126.0, 158.0)];
    svg.line(&bracket, INK, false);
    svg.text(108.0, 104.0, Align::End, "prefill");
    svg.text(108.0, 188.0, Align::End, "decode");
    svg.text(380.0, 222.0, Align::Start, "faint: kept in the KV cache");
    svg.finish()
}
