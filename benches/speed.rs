//! How fast training, evaluation and generation are.
//!
//! `cargo bench` measures every size on one thread and on two;
//! `cargo bench -- --config S --mode train --threads 2` one thing alone. Each
//! measurement is a process of its own and prints one line of JSON: medians
//! over iterations, and the share of the rate at which this machine multiplies
//! two large matrices.

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::{Parser, ValueEnum, value_parser};
use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::training::{LrSchedule, TrainConfig, Trainer, evaluate};
use microgpt::{Float, Matrix, general_mat_mul};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rayon::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Options {
    /// XS, S, M, or layers,heads,width,context,batch as in 4,4,128,64,12
    #[arg(long, value_parser = Size::parse)]
    config: Option<Size>,
    /// What is measured
    #[arg(long)]
    mode: Option<Mode>,
    /// Threads
    #[arg(long, value_parser = value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Iterations (windows, where text is generated); chosen to take about five seconds
    #[arg(long, value_parser = value_parser!(u32).range(1..=1_000_000))]
    iters: Option<u32>,
    /// Shards that a batch is cut into
    #[arg(long, default_value_t = TrainConfig::default().shards)]
    shards: usize,
    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// A training step
    Train,
    /// The loss of 64 windows
    Eval,
    /// Text to the end of a window
    Gen,
    /// The same without a cache: the whole text anew for each token
    Anew,
    /// Far beyond the window, which moves on again and again
    Slide,
    /// The same without a cache: a whole window anew for each token
    AnewSlide,
    /// No model: each of its numbers is read once, and that is all
    Read,
}

#[derive(Clone)]
struct Size {
    name: String,
    config: GptConfig,
    batch: usize,
}

impl Size {
    fn parse(name: &str) -> Result<Self, String> {
        const MOST: usize = 1 << 16;
        let numbers = match name {
            "XS" => "1,4,16,16,1",
            "S" => "4,4,128,64,12",
            "M" => "6,6,384,256,16",
            _ => name,
        };
        let numbers: Option<Vec<usize>> =
            numbers.split(',').map(|n| n.parse().ok()).collect();
        let Some(&[n_layer, n_head, n_embd, block_size, batch]) =
            numbers.as_deref()
        else {
            return Err("give XS, S, M or five numbers: \
                        layers,heads,width,context,batch"
                .to_string());
        };
        let config =
            GptConfig { n_layer, n_head, n_embd, block_size, vocab_size: 65 };
        config.validate().map_err(|error| error.to_string())?;
        if batch == 0 || batch.max(block_size) > MOST {
            return Err(format!("context and batch go from 1 to {MOST}"));
        }
        Ok(Self { name: name.to_string(), config, batch })
    }
}

fn main() -> ExitCode {
    let Options { config, mode, threads, iters, shards, .. } = Options::parse();
    if let (Some(size), Some(mode), Some(threads)) = (&config, mode, threads) {
        measure(size, mode, threads.into(), iters, shards);
        return ExitCode::SUCCESS;
    }
    let sizes = match &config {
        Some(size) => vec![size.name.as_str()],
        None => SIZES.to_vec(),
    };
    let modes = match mode {
        Some(mode) => vec![mode],
        None => vec![Mode::Train, Mode::Eval, Mode::Gen, Mode::Slide],
    };
    let threads = threads.map_or(vec![1, 2], |threads| vec![threads]);
    for size in sizes {
        for &mode in &modes {
            for &threads in &threads {
                if !measure_apart(size, mode, threads, iters, shards) {
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    ExitCode::SUCCESS
}

/// The usual sizes, widths that double, contexts that double.
const SIZES: [&str; 9] = [
    "XS",
    "S",
    "M",
    "4,4,64,64,12",
    "4,4,256,64,12",
    "4,4,512,64,12",
    "4,4,128,32,24",
    "4,4,128,128,6",
    "4,4,128,256,3",
];

/// Measures in a process of its own; whether that went well.
fn measure_apart(
    size: &str,
    mode: Mode,
    threads: u16,
    iters: Option<u32>,
    shards: usize,
) -> bool {
    let Ok(program) = std::env::current_exe() else {
        eprintln!("cannot find this program's own file");
        return false;
    };
    let mut command = Command::new(program);
    command.args(["--config", size, "--mode", &name(mode)]);
    command.args(["--threads", &threads.to_string()]);
    command.args(["--shards", &shards.to_string()]);
    if let Some(iters) = iters {
        command.args(["--iters", &iters.to_string()]);
    }
    command.status().is_ok_and(|status| status.success())
}

/// A mode as it is typed.
fn name(mode: Mode) -> String {
    let value = mode.to_possible_value().expect("no mode is hidden");
    value.get_name().to_string()
}

fn measure(
    size: &Size,
    mode: Mode,
    threads: usize,
    iters: Option<u32>,
    shards: usize,
) {
    let &Size { name: ref size, config, batch } = size;
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .build_global()
        .expect("the first pool of the process");
    let mut rng = ChaCha8Rng::seed_from_u64(1337);
    let model = Gpt::new(config, &mut rng).expect("validated");
    let evaluated = 64 * config.block_size + 1; // tokens
    let data: Vec<u16> =
        (0..evaluated.max(200_000)).map(|_| rng.random_range(0..65)).collect();
    let c = config.n_embd;
    // Multiplications and additions for each token, forward: in the layers and
    // the head, and with half of the window in view on average.
    let linear = 2 * (config.n_layer * 12 * c * c + c * config.vocab_size);
    let attention = 2 * config.n_layer * c * config.block_size;
    let (times, tokens, flop) = match mode {
        Mode::Train => {
            let settings = TrainConfig {
                batch_size: batch,
                schedule: LrSchedule::new(1e-3, TrainConfig::MAX_COUNT),
                average: 0.0,
                shards,
                ..TrainConfig::default()
            };
            let mut trainer = Trainer::new(model, settings).expect("settings");
            let tokens = batch * config.block_size;
            let times = time(iters, || {
                trainer.take_step(&data).expect("a step");
            });
            (times, tokens, 3 * (linear + attention))
        }
        Mode::Eval => {
            let data = &data[..evaluated];
            let times = time(iters, || {
                evaluate(&model, data).expect("an evaluation");
            });
            (times, data.len() - 1, linear + attention)
        }
        Mode::Gen => {
            let sampler = Sampler::new(0.8, None).expect("a sampler");
            let times = time(iters, || {
                let ids = Generator::new(&model, &[0], sampler, &mut rng);
                ids.expect("a prompt").take(config.block_size).count();
            });
            (times, config.block_size, linear + attention)
        }
        Mode::Anew => {
            let sampler = Sampler::new(0.8, None).expect("a sampler");
            let times = time(iters, || {
                let mut ids = vec![0];
                while ids.len() <= config.block_size {
                    ids.push(anew(&model, &ids, sampler, &mut rng));
                }
            });
            (times, config.block_size, linear + attention)
        }
        Mode::Slide => {
            let sampler = Sampler::new(0.8, None).expect("a sampler");
            let mut ids =
                Generator::new(&model, &[0], sampler, rng).expect("a prompt");
            let times = time(iters, || {
                ids.by_ref().take(config.block_size).count();
            });
            (times, config.block_size, linear + attention)
        }
        Mode::AnewSlide => {
            let sampler = Sampler::new(0.8, None).expect("a sampler");
            let mut window = data[..config.block_size].to_vec();
            let times = time(iters, || {
                for _ in 0..config.block_size {
                    let id = anew(&model, &window, sampler, &mut rng);
                    window.rotate_left(1);
                    window[config.block_size - 1] = id;
                }
            });
            (times, config.block_size, linear + attention)
        }
        Mode::Read => {
            let tensors = model.tensors();
            let parts = tensors.iter().flat_map(|it| it.data.chunks(1 << 14));
            let parts: Vec<&[Float]> = parts.collect();
            let times = time(iters, || {
                let sum: Float = parts.par_iter().map(|part| sum(part)).sum();
                black_box(sum);
            });
            (times, 1, model.num_params())
        }
    };
    let median = times[times.len() / 2];
    let peak_rss_mib = peak_rss_mib();
    let peak = threads as f64 * peak_gflops(); // after the memory is read off
    let gflops = (tokens * flop) as f64 / median / 1e9;
    println!(
        "{{\"peer\": \"microgpt\", \"mode\": \"{}\", \"config\": \"{size}\", \
         \"threads\": {threads}, \"ms_per_iter\": {:.4}, \"ms_min\": {:.4}, \
         \"tokens_per_s\": {:.0}, \"gflops\": {gflops:.1}, \
         \"peak_gflops\": {peak:.0}, \"share_of_peak\": {:.3}, \
         \"iters\": {}, \"peak_rss_mib\": {:.1}}}",
        name(mode),
        1e3 * median,
        1e3 * times[0],
        tokens as f64 / median,
        gflops / peak,
        times.len(),
        peak_rss_mib,
    );
}

/// The next token, by a pass over all of `ids`.
fn anew(
    model: &Gpt,
    ids: &[u16],
    sampler: Sampler,
    rng: &mut ChaCha8Rng,
) -> u16 {
    let (logits, _) = model.forward(ids, ids.len());
    sampler.sample(&logits.row(ids.len() - 1).to_vec(), rng)
}

/// The sum of all numbers, as fast as they come: eight additions of a register
/// at a time do not wait for each other.
fn sum(numbers: &[Float]) -> Float {
    let mut sums = [0.0; 128];
    for chunk in numbers.chunks_exact(sums.len()) {
        sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x);
    }
    sums.iter().sum()
}

/// Seconds of each iteration, sorted, after a tenth as warm-up.
fn time(iters: Option<u32>, mut work: impl FnMut()) -> Vec<f64> {
    let mut once = || {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    once();
    let estimate = once().max(1e-6);
    let iters = iters.unwrap_or((5.0 / estimate).clamp(5.0, 20_000.0) as u32);
    for _ in 0..iters / 10 {
        once();
    }
    let mut times: Vec<f64> = (0..iters).map(|_| once()).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// The rate of one large matrix product on one thread, GFLOP/s.
fn peak_gflops() -> f64 {
    let n = 512;
    let a = Matrix::ones((n, n));
    let b = Matrix::ones((n, n));
    let mut c = Matrix::zeros((n, n));
    let times =
        time(Some(20), || general_mat_mul(1.0 as Float, &a, &b, 0.0, &mut c));
    (2 * n * n * n) as f64 / times[times.len() / 2] / 1e9
}

/// The most memory this process ever held, where the system tells; else `NaN`.
fn peak_rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status");
    let status = status.unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<f64>().ok()).map_or(f64::NAN, |k| k / 1024.0)
}
