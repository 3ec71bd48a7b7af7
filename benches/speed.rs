//! How fast training, evaluation and generation are.
//!
//! `cargo bench` measures every size on one thread and on two;
//! `cargo bench -- --config S --mode train --threads 2` one thing alone. Each
//! measurement is a process of its own and prints one line of JSON: medians
//! over iterations, and the share of the rate at which this machine multiplies
//! two large matrices.

use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::Parser;
use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::training::{LrSchedule, TrainConfig, Trainer, evaluate};
use microgpt::{Float, Matrix, general_mat_mul};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Options {
    /// XS, S, M, or layers·heads·width·context·batch as in 4,4,128,64,12
    #[arg(long)]
    config: Option<String>,
    /// train, eval, gen, anew or slide
    #[arg(long)]
    mode: Option<String>,
    /// Threads
    #[arg(long)]
    threads: Option<usize>,
    /// Iterations (windows for gen, anew and slide); chosen to take about five seconds
    #[arg(long)]
    iters: Option<usize>,
    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match (&options.config, &options.mode) {
        (Some(config), Some(mode)) => match sizes(config) {
            Some((config, batch)) => {
                measure(config, batch, mode, &options);
                ExitCode::SUCCESS
            }
            None => {
                eprintln!("--config {config}: give XS, S, M or 4,4,128,64,12");
                ExitCode::from(2)
            }
        },
        _ => measure_all(&options),
    }
}

/// Runs itself once for each combination that was not fixed.
fn measure_all(options: &Options) -> ExitCode {
    let all =
        ["XS", "S", "M", "4,4,64,64,12", "4,4,256,64,12", "4,4,512,64,12"];
    let contexts = ["4,4,128,32,24", "4,4,128,128,6", "4,4,128,256,3"];
    let configs = match &options.config {
        Some(config) => vec![config.as_str()],
        None => [all.as_slice(), contexts.as_slice()].concat(),
    };
    let modes = match &options.mode {
        Some(mode) => vec![mode.as_str()],
        None => vec!["train", "eval", "gen", "slide"],
    };
    let threads = match options.threads {
        Some(threads) => vec![threads],
        None => vec![1, 2],
    };
    let Ok(program) = std::env::current_exe() else {
        eprintln!("cannot find this program's own file");
        return ExitCode::FAILURE;
    };
    for config in &configs {
        for mode in &modes {
            for threads in &threads {
                let threads = threads.to_string();
                let status = Command::new(&program)
                    .args(["--config", config, "--mode", mode])
                    .args(["--threads", &threads])
                    .status();
                if !status.is_ok_and(|status| status.success()) {
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    ExitCode::SUCCESS
}

fn sizes(name: &str) -> Option<(GptConfig, usize)> {
    let numbers = match name {
        "XS" => vec![1, 4, 16, 16, 1],
        "S" => vec![4, 4, 128, 64, 12],
        "M" => vec![6, 6, 384, 256, 16],
        _ => name.split(',').map(|n| n.parse().ok()).collect::<Option<_>>()?,
    };
    let &[n_layer, n_head, n_embd, block_size, batch] = numbers.as_slice()
    else {
        return None;
    };
    let config =
        GptConfig { n_layer, n_head, n_embd, block_size, vocab_size: 65 };
    config.validate().ok().map(|()| (config, batch))
}

fn measure(config: GptConfig, batch: usize, mode: &str, options: &Options) {
    let threads = options.threads.unwrap_or(1);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .build_global()
        .expect("the first pool of the process");
    let mut rng = ChaCha8Rng::seed_from_u64(1337);
    let model = Gpt::new(config, &mut rng).expect("validated");
    let data: Vec<u16> =
        (0..200_000).map(|_| rng.random_range(0..65)).collect();
    let c = config.n_embd;
    // Multiplications and additions for each token, forward: in the layers and
    // the head, and with half of the window in view on average.
    let linear = 2 * (config.n_layer * 12 * c * c + c * config.vocab_size);
    let attention = 2 * config.n_layer * c * config.block_size;
    let (times, tokens, flop) = match mode {
        "train" => {
            let steps = TrainConfig::MOST;
            let schedule =
                LrSchedule { max_lr: 1e-3, min_lr: 1e-4, warmup: 100, steps };
            let settings = TrainConfig {
                batch_size: batch,
                schedule,
                max_norm: 1.0,
                eval_interval: TrainConfig::MOST,
                seed: 1,
            };
            let mut trainer = Trainer::new(model, settings).expect("settings");
            let tokens = batch * config.block_size;
            let times = time(options.iters, || {
                trainer.take_step(&data).expect("a step");
            });
            (times, tokens, 3 * (linear + attention))
        }
        "eval" => {
            let data = &data[..config.block_size * 64 + 1];
            let times = time(options.iters, || {
                evaluate(&model, data).expect("an evaluation");
            });
            (times, data.len() - 1, linear + attention)
        }
        "gen" => {
            let sampler = Sampler::new(0.8, None).expect("a sampler");
            let times = time(options.iters, || {
                let ids = Generator::new(&model, &[0], sampler, &mut rng);
                ids.expect("a prompt").take(config.block_size).count();
            });
            (times, config.block_size, linear + attention)
        }
        // The same without a cache: the whole text anew for each token
        "anew" => {
            let sampler = Sampler::new(0.8, None).expect("a sampler");
            let times = time(options.iters, || {
                let mut ids = vec![0];
                while ids.len() < config.block_size {
                    let (logits, _) = model.forward(&ids, ids.len());
                    let last = logits.row(ids.len() - 1).to_vec();
                    ids.push(sampler.sample(&last, &mut rng));
                }
            });
            (times, config.block_size, linear + attention)
        }
        // Far beyond the window, which moves on again and again
        "slide" => {
            let sampler = Sampler::new(0.8, None).expect("a sampler");
            let mut ids =
                Generator::new(&model, &[0], sampler, rng).expect("a prompt");
            let times = time(options.iters, || {
                ids.by_ref().take(config.block_size).count();
            });
            (times, config.block_size, linear + attention)
        }
        _ => {
            eprintln!("--mode {mode}: give train, eval, gen, anew or slide");
            return;
        }
    };
    let median = times[times.len() / 2];
    let peak_rss_mib = peak_rss_mib();
    let peak = threads as f64 * peak_gflops(); // after the memory is read off
    let gflops = (tokens * flop) as f64 / median / 1e9;
    println!(
        "{{\"peer\": \"microgpt\", \"mode\": \"{mode}\", \"config\": \"{}\", \
         \"threads\": {threads}, \"ms_per_iter\": {:.4}, \"ms_min\": {:.4}, \
         \"tokens_per_s\": {:.0}, \"gflops\": {gflops:.1}, \
         \"peak_gflops\": {peak:.0}, \"share_of_peak\": {:.3}, \
         \"iters\": {}, \"peak_rss_mib\": {:.1}}}",
        options.config.as_deref().unwrap_or_default(),
        1e3 * median,
        1e3 * times[0],
        tokens as f64 / median,
        gflops / peak,
        times.len(),
        peak_rss_mib,
    );
}

/// Seconds of each iteration, sorted, after a tenth as warm-up.
fn time(iters: Option<usize>, mut work: impl FnMut()) -> Vec<f64> {
    let mut once = || {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    once();
    let estimate = once().max(1e-6);
    let iters = iters.unwrap_or((5.0 / estimate) as usize).clamp(5, 20_000);
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
