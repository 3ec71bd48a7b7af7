//! Goes on with a text, with the weights of a GPT-2 that you have downloaded.
//!
//! ```sh
//! cargo run --release --features tokenizers --example gpt2 -- \
//!     --model DIR --prompt "Once upon a time"
//! ```

#[path = "../examples/terminal/mod.rs"]
mod terminal;

use std::io::stdout;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::GptConfig;
use microgpt::hugging_face::{JsonTokenizer, end_of_text, import};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use terminal::memory::check_folder;
use terminal::{Printer, start_threads, warn};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Continue a text as a GPT-2 would.
#[derive(Parser)]
#[command(name = "gpt2", version)]
struct Options {
    /// The folder: config.json, model.safetensors, tokenizer.json
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Text to go on from
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// Boldness: 0 always writes the likeliest token, 1 follows the model
    #[arg(long, default_value_t = 0.8)]
    #[arg(allow_hyphen_values = true)]
    temperature: f32,
    /// Choose among only this many likeliest tokens [default: 40, or all that
    /// there are]
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Tokens to generate; an end-of-text token ends the text before
    #[arg(long, default_value_t = 200)]
    length: usize,
    /// Go on after an end-of-text token
    #[arg(long)]
    ignore_eos: bool,
    /// Where the random numbers start
    #[arg(long, value_name = "N", default_value_t = 1337)]
    seed: u64,
    /// Threads [default: one for each core]; they change the speed alone
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    terminal::run(|| run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Error> {
    start_threads(options.threads)?;
    Sampler::new(options.temperature, options.top_k)?; // before it takes time
    let start = Instant::now();
    check_folder(&options.model)?;
    // First, since reading it takes memory that is free again afterwards
    let tokenizer = JsonTokenizer::load(&options.model)?;
    let model = import(&options.model)?;
    let GptConfig { n_layer, n_head, n_embd, block_size, vocab_size } =
        model.config();
    warn(&format!(
        "{} parameters: {n_layer} layers, {n_head} heads, width {n_embd}, \
         context {block_size}, {vocab_size} tokens; loaded in {:.1} s",
        model.num_params(),
        start.elapsed().as_secs_f64(),
    ));
    let prompt = tokenizer.encode(&options.prompt)?;
    let top_k = options.top_k.unwrap_or(vocab_size.min(40));
    let sampler = Sampler::new(options.temperature, Some(top_k))?;
    let rng = ChaCha8Rng::seed_from_u64(options.seed);
    let ends = match options.ignore_eos {
        true => Vec::new(),
        false => end_of_text(&options.model)?,
    };
    let ids = Generator::new(&model, &prompt, sampler, rng)?
        .take(options.length)
        .take_while(|id| !matches!(id, Ok(id) if ends.contains(id)));
    let mut text = tokenizer.stream();
    let mut out = Printer::new(stdout().lock());
    out.print(&options.prompt)?;
    let (start, mut count) = (Instant::now(), 0);
    for id in ids {
        out.print(&text.push(id?)?)?;
        count += 1;
    }
    out.print(&text.finish()?)?;
    out.finish()?;
    let speed = count as f64 / start.elapsed().as_secs_f64();
    warn(&format!("{count} tokens, {speed:.2} tokens/s"));
    Ok(())
}
