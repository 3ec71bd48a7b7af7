//! Goes on with a text, with the weights of a GPT-2 that you have downloaded.
//!
//! ```sh
//! cargo run --release --features tokenizers --example gpt2 -- \
//!     --model DIR --prompt "Once upon a time"
//! ```

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::GptConfig;
use microgpt::interchange::{JsonTokenizer, import};
use rand::{SeedableRng, rngs::ChaCha8Rng};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Go on with a text as a GPT-2 would.
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
    #[arg(allow_negative_numbers = true)]
    temperature: f32,
    /// Choose among only this many likeliest tokens
    #[arg(long, value_name = "K", default_value_t = 40)]
    top_k: usize,
    /// Tokens to write
    #[arg(long, default_value_t = 200)]
    length: usize,
    /// Where the random numbers start
    #[arg(long, value_name = "N", default_value_t = 1337)]
    seed: u64,
    /// Threads [default: one for each core]; they change the speed alone
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<(), Error> {
    if let Some(threads) = options.threads {
        if !(1..=1024).contains(&threads) {
            Err(format!("--threads {threads}: give a number from 1 to 1024"))?;
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .use_current_thread()
            .build_global()?;
    }
    let sampler = Sampler::new(options.temperature, Some(options.top_k))?;
    let start = Instant::now();
    // First, since reading it takes memory that is free again afterwards
    let tokenizer = JsonTokenizer::load(&options.model)?;
    let model = import(&options.model)?;
    let GptConfig { n_layer, n_head, n_embd, block_size, vocab_size } =
        model.config();
    eprintln!(
        "{} parameters: {n_layer} layers, {n_head} heads, width {n_embd}, \
         context {block_size}, {vocab_size} tokens; loaded in {:.1} s",
        model.num_params(),
        start.elapsed().as_secs_f64(),
    );
    let prompt = tokenizer.encode(&options.prompt)?;
    let rng = ChaCha8Rng::seed_from_u64(options.seed);
    let ids = Generator::new(&model, &prompt, sampler, rng)?;
    let mut text = tokenizer.stream();
    print!("{}", visible(&options.prompt));
    let start = Instant::now();
    for id in ids.take(options.length) {
        print!("{}", visible(&text(id)?));
        stdout().flush()?;
    }
    println!();
    let speed = options.length as f64 / start.elapsed().as_secs_f64();
    eprintln!("{} tokens, {speed:.2} tokens/s", options.length);
    Ok(())
}

/// The text, with what could command a terminal spelled out: the tokens may be
/// a stranger's.
fn visible(text: &str) -> String {
    let plain = |c: &char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let spell = |c: char| match plain(&c) {
        true => c.to_string(),
        false => c.escape_default().to_string(),
    };
    text.chars().map(spell).collect()
}
