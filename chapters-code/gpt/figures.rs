//! The figures of chapter 5.

use std::error::Error;

use super::svg::*;
use crate::first_model::SONNETS;
use double::gpt::{Gpt, GptConfig, cross_entropy};
use double::tokenization::CharTokenizer;
use ndarray::Dimension;
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// The model from the ids up to the loss, and back: what there is, and the
/// shape on every arrow.
pub fn stack() -> String {
    let mut svg = Svg::new(
        720,
        610,
        "The GPT, from ids to a loss and back",
        "Boxes from bottom to top: embeddings, block 0, block 1 and so on, the \
         last LayerNorm, the head, cross-entropy. Arrows upwards carry a \
         matrix of N rows and C columns, above the head one of V columns; \
         dashed arrows downwards carry gradients of the same shapes. The \
         token table at the left has an arrow to the embeddings and one to \
         the head, and from each a dashed arrow comes back to it.",
    );
    let (left, width, right) = (250.0, 220.0, 470.0);
    let boxes = [
        ("cross-entropy", 60.0),
        ("head: x·tokenᵀ", 150.0),
        ("LayerNorm", 240.0),
        ("block L−1", 330.0),
        ("block 0", 420.0),
        ("embeddings", 510.0),
    ];
    let aside = |svg: &mut Svg, at: f64, text: &str| {
        svg.code(right + 12.0, at, Align::Start, text);
    };
    for (name, top) in boxes {
        svg.frame([left, top, width, 40.0], INK);
        svg.text(left + width / 2.0, top + 25.0, Align::Middle, name);
    }
    let (up, down) = (left + 80.0, left + 140.0);
    let labels = [
        ("logits [N, V]", "dlogits [N, V] = (p − y)/N"),
        ("[N, C]", "dx [N, C]"),
        ("[N, C]", "dx [N, C]"),
        ("…", "…"),
        ("[N, C]", "dx [N, C]"),
    ];
    for (i, (shape, gradient)) in labels.into_iter().enumerate() {
        let (top, bottom) = (100.0 + 90.0 * i as f64, 150.0 + 90.0 * i as f64);
        svg.arrow(&[(up, bottom), (up, top)], INK, false);
        svg.arrow(&[(down, top), (down, bottom)], BLUE, true);
        svg.code(left - 12.0, top + 30.0, Align::End, shape);
        aside(&mut svg, top + 30.0, gradient);
    }
    svg.arrow(&[(up, 590.0), (up, 550.0)], INK, false);
    svg.code(left - 12.0, 578.0, Align::End, "ids [N]");
    svg.arrow(&[(up, 60.0), (up, 24.0)], INK, false);
    svg.code(left - 12.0, 40.0, Align::End, "loss, one number");
    svg.arrow(&[(right + 60.0, 80.0), (right, 80.0)], INK, false);
    aside(&mut svg, 68.0, "targets [N]");
    // The table that is used twice
    svg.frame([24.0, 322.0, 110.0, 56.0], ORANGE);
    svg.text(79.0, 345.0, Align::Middle, "token table");
    svg.code(79.0, 365.0, Align::Middle, "[V, C]");
    svg.arrow(&[(66.0, 322.0), (66.0, 162.0), (left, 162.0)], ORANGE, false);
    svg.arrow(&[(66.0, 378.0), (66.0, 538.0), (left, 538.0)], ORANGE, false);
    svg.arrow(&[(left, 178.0), (92.0, 178.0), (92.0, 322.0)], ORANGE, true);
    svg.arrow(&[(left, 522.0), (92.0, 522.0), (92.0, 378.0)], ORANGE, true);
    svg.text(144.0, 345.0, Align::Start, "two gradients,");
    svg.text(144.0, 365.0, Align::Start, "added up");
    svg.finish()
}

/// One position of a trained model: what it expects, and the gradient of the
/// loss with respect to the logits.
pub fn p_minus_y(model: &Gpt, tokenizer: &CharTokenizer) -> String {
    let text = "Shall I compare the";
    let ids = tokenizer.encode(text).unwrap_or_default();
    let (inputs, targets) = (&ids[..18], &ids[1..]);
    let (logits, _) = model.forward(inputs, 18);
    let (_, dlogits) = cross_entropy(logits, targets, 1.0);
    let target = usize::from(targets[17]);
    let dlogits = dlogits.row(17).to_vec();
    let p = |id: usize| dlogits[id] + f64::from(u8::from(id == target));
    let mut order: Vec<usize> = (0..dlogits.len()).collect();
    order.sort_by(|&a, &b| p(b).total_cmp(&p(a)));
    order.truncate(9);

    let mut svg = Svg::new(
        720,
        330,
        "What one position expects, and the gradient of its logits",
        "Two bars for each of the nine most probable characters: the \
         probability, and the gradient of the loss with respect to the logit. \
         They are equal except for the character that came, whose gradient is \
         below zero.",
    );
    let at = |y: f64| 150.0 - 125.0 * y;
    for y in [-1.0, -0.5, 0.0, 0.5, 1.0] {
        svg.line(&[(60.0, at(y)), (700.0, at(y))], FAINT, false);
        svg.text(50.0, at(y) + 5.0, Align::End, &format!("{y}"));
    }
    let character = |id: usize| {
        let id = u16::try_from(id).unwrap_or(0);
        let text = tokenizer.decode(&[id]).unwrap_or_default();
        text.chars().map(visible).collect::<String>()
    };
    for (i, &id) in order.iter().enumerate() {
        let x = 75.0 + 70.0 * i as f64;
        let (p, g) = (p(id), dlogits[id]);
        svg.bar([x, at(p), 22.0, 125.0 * p], BLUE, 0.8);
        svg.frame([x + 25.0, at(g.max(0.0)), 22.0, 125.0 * g.abs()], ORANGE);
        svg.code(x + 23.0, 308.0, Align::Middle, &character(id));
    }
    let told = order[..3].iter().map(|&id| {
        let (name, g) = (character(id), listed(&[dlogits[id]], 2));
        format!("{name} {:.2} and {g}", p(id))
    });
    let told = told.collect::<Vec<_>>().join("; ");
    svg.describe(&format!(
        "After “Shall I compare th” came {}. The first three pairs: {told}.",
        character(target)
    ));
    let style = format!(" fill=\"{BLUE}\"");
    svg.styled(700.0, 40.0, Align::End, &style, "filled: p");
    let style = format!(" fill=\"{ORANGE}\"");
    svg.styled(700.0, 60.0, Align::End, &style, "outlined: p − y");
    svg.finish()
}

/// The loss of fresh models over the standard deviation of their weights.
pub fn first_loss() -> Result<String, Box<dyn Error>> {
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(SONNETS.get(..513).unwrap_or(SONNETS))?;
    let (n_layer, n_head, n_embd, block_size) = (4, 4, 128, 64);
    let vocab_size = tokenizer.vocab_size();
    let sizes = GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
    let fresh = Gpt::new(sizes, &mut ChaCha8Rng::seed_from_u64(1))?;
    let uniform = (vocab_size as f64).ln();

    let mut svg = Svg::new(
        720,
        330,
        "The first loss by the standard deviation of the initial weights",
        "A solid curve of measured losses that stays near ln 59 up to a \
         standard deviation of about 0.03 and then rises ever faster; a \
         dashed curve of the predicted ones beside it; a vertical line at \
         0.02.",
    );
    let x_at = |std: f64| 80.0 + 280.0 * (std / 0.002).log10();
    let y_at = |loss: f64| 280.0 - 70.0 * (loss - 4.0);
    for loss in [4.0, 5.0, 6.0, 7.0] {
        svg.line(&[(70.0, y_at(loss)), (690.0, y_at(loss))], FAINT, false);
        svg.text(60.0, y_at(loss) + 5.0, Align::End, &format!("{loss}"));
    }
    for std in [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2] {
        svg.text(x_at(std), 304.0, Align::Middle, &format!("{std}"));
    }
    svg.text(
        380.0,
        325.0,
        Align::Middle,
        "standard deviation of the initial weights",
    );
    svg.text(60.0, 50.0, Align::End, "nats");
    let (mut measured, mut predicted) = (Vec::new(), Vec::new());
    for i in 0..=20 {
        let std = 0.002 * 10f64.powf(f64::from(i) / 10.0);
        let mut model = fresh.clone();
        for tensor in model.tensors_mut() {
            if tensor.shape.ndim() == 2 {
                tensor.data.iter_mut().for_each(|w| *w *= std / 0.02);
            }
        }
        let loss = model.loss(&ids[..512], &ids[1..], 64);
        measured.push((x_at(std), y_at(loss)));
        let guess = uniform + n_embd as f64 * std * std / 2.0;
        if [0, 10, 20].contains(&i) {
            svg.describe(&format!(
                "At {std:.3} the loss is {loss:.2}, predicted {guess:.2}."
            ));
        }
        predicted.push((x_at(std), y_at(guess)));
    }
    svg.line(&[(x_at(0.02), 280.0), (x_at(0.02), 70.0)], ORANGE, false);
    let style = format!(" fill=\"{ORANGE}\"");
    svg.styled(x_at(0.02), 60.0, Align::Middle, &style, "GPT-2");
    svg.line(&measured, BLUE, false);
    svg.line(&predicted, INK, true);
    svg.text(x_at(0.002), y_at(uniform) - 10.0, Align::Start, "ln 59");
    Ok(svg.finish())
}

/// Which tensors hold the parameters, for three sizes.
pub fn shares() -> String {
    let mut svg = Svg::new(
        720,
        250,
        "Shares of the parameters in three models",
        "Three bars of equal length, divided into token table, position table, \
         attention, feed-forward and the rest. In the standard model two thirds \
         are feed-forward; in GPT-2 almost a third is the token table.",
    );
    let models = [
        ("tiny", [2, 8, 6, 11]),
        ("standard", [4, 128, 64, 59]),
        ("GPT-2", [12, 768, 1024, 50257]),
    ];
    let names = ["tokens", "positions", "attention", "feed-forward", "rest"];
    let colours = [ORANGE, ORANGE, BLUE, GREEN, INK];
    let strengths = [0.8, 0.35, 0.7, 0.7, 0.4];
    for (i, (name, [l, c, t, v])) in models.into_iter().enumerate() {
        let top = 44.0 + 66.0 * i as f64;
        svg.text(76.0, top + 25.0, Align::End, name);
        let rest = l * 13 * c + 2 * c;
        let parts = [v * c, t * c, l * 4 * c * c, l * 8 * c * c, rest];
        let all: usize = parts.iter().sum();
        let told = parts.iter().zip(names).map(|(&part, name)| {
            format!("{name} {:.0}%", 100.0 * part as f64 / all as f64)
        });
        let told = told.collect::<Vec<_>>().join(", ");
        svg.describe(&format!("In the {name} model: {told}."));
        let mut x = 84.0;
        for (j, part) in parts.into_iter().enumerate() {
            let share = part as f64 / all as f64;
            let w = 616.0 * share;
            svg.bar(
                [x, top, (w - 2.0).max(0.6), 38.0],
                colours[j],
                strengths[j],
            );
            if share > 0.055 {
                let percent = format!("{:.0}%", 100.0 * share);
                let middle = x + w / 2.0;
                svg.rimmed(middle, top + 25.0, Align::Middle, "", &percent);
            }
            if i == 2 && w > 50.0 {
                svg.text(x + w / 2.0, top + 58.0, Align::Middle, names[j]);
            } else if i == 0 && w > 50.0 {
                svg.text(x + w / 2.0, 32.0, Align::Middle, names[j]);
            }
            x += w;
        }
    }
    svg.finish()
}
