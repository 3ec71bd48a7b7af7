//! Draws the figures of the book, from real texts and real tensors.
//!
//! `cargo run --example figures` writes them to `book/figures`, or to the
//! folder given. A test draws them again and compares.

#[path = "../first_model.rs"]
mod first_model;
#[path = "../zoo/faults.rs"]
#[allow(dead_code)]
mod faults;

mod svg;
#[path = "../orientation/figures.rs"]
mod orientation;
#[path = "../tokenization/figures.rs"]
mod tokenization;
#[path = "../embeddings/figures.rs"]
mod embeddings;
#[path = "../transformer_block/figures.rs"]
mod transformer_block;
#[path = "../transformer_block/attention_figures.rs"]
mod attention;
#[path = "../transformer_block/heads.rs"]
#[allow(dead_code)] // the example `heads` needs all of it
mod heads;
#[path = "../transformer_block/heads_figures.rs"]
mod heads_figures;
#[path = "../generation/figures.rs"]
mod generation;
#[path = "../gpt/figures.rs"]
mod gpt;
#[path = "../names/figures.rs"]
mod names;
mod performance;
mod scale;
#[path = "../scalar_autograd/figures.rs"]
mod scalar_autograd;
#[path = "../training/figures.rs"]
mod training;
#[path = "../zoo/figures.rs"]
mod zoo;

use std::error::Error;
use std::path::Path;

use first_model::trained;
use svg::broad;

/// A figure for where no page gives it a colour, as in the README: grey, which
/// can be read on white and on black.
fn alone(svg: &str) -> String {
    svg.replacen("<svg ", "<svg color=\"#808080\" ", 1)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1);
    let folder = folder.unwrap_or_else(|| "book/figures".into());
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let (before, after, tokenizer) = trained()?;
    let tables = (&before.embeddings, &after.embeddings);
    for (name, svg) in [
        ("pipeline", broad(orientation::pipeline())),
        ("bigrams", orientation::bigrams()),
        ("slips", orientation::slips()),
        ("descent", broad(orientation::descent())),
        ("network", broad(orientation::network())),
        ("ladder", orientation::rungs()),
        ("ladder-alone", alone(&orientation::rungs())),
        ("step", orientation::step()),
        ("strip", tokenization::strip(&tokenizer)),
        ("frequencies", tokenization::frequencies(&tokenizer)),
        ("merges", broad(tokenization::merges()?)),
        ("split", tokenization::split_bar()),
        ("targets", tokenization::targets()),
        ("look-up", embeddings::look_up()),
        ("chain", broad(embeddings::chain())),
        ("gather", embeddings::gather()),
        ("positions", embeddings::positions(tables)),
        ("tokens", embeddings::tokens(tables, &tokenizer)),
        ("scatter", embeddings::scatter(&tokenizer)),
        ("scaling", performance::scaling()),
        ("scale", broad(scale::scale())),
        ("attention", broad(transformer_block::attention(&after, &tokenizer))),
        ("heads", broad(transformer_block::heads(&after, &tokenizer))),
        ("attention-touch", heads_figures::touch(&after, &tokenizer)),
        ("heads-distance", broad(heads_figures::distances())),
        ("attention-graph", broad(attention::graph())),
        ("causal-mask", broad(attention::causal_mask())),
        ("qkv-layout", broad(attention::qkv_layout())),
        ("block", broad(attention::block())),
        ("gelu", transformer_block::gelu_curves()),
        ("projection", broad(transformer_block::projection())),
        ("spike", transformer_block::spike()),
        ("stream", broad(transformer_block::stream()?)),
        ("norms", broad(transformer_block::norms()?)),
        ("stack", broad(gpt::stack())),
        ("p-minus-y", gpt::p_minus_y(&after, &tokenizer)),
        ("first-loss", broad(gpt::first_loss()?)),
        ("shares", gpt::shares()),
        ("schedule", training::schedule()),
        ("valley", broad(training::valley())),
        ("sweep", training::sweep()),
        ("over-fitting", broad(training::over_fitting())),
        ("curve", broad(training::curve())),
        ("samples", broad(training::samples())),
        ("long-samples", broad(training::long_samples())),
        ("samplers", broad(generation::samplers(&after, &tokenizer)?)),
        ("boldness", broad(generation::boldness(&after, &tokenizer)?)),
        ("cache", broad(generation::cache())),
        ("names", broad(names::noise())),
        ("tape", broad(scalar_autograd::tape())),
        ("zoo", broad(zoo::zoo())),
        ("ablations", broad(zoo::ablations())),
        ("four-experiments", broad(zoo::four_experiments())),
    ] {
        std::fs::write(folder.join(name).with_extension("svg"), svg)?;
    }
    Ok(())
}
