//! A language model made of the functions that you wrote: two tables, one head of
//! attention, and the table of tokens once more to score what comes next.

use std::error::Error;
use std::process::ExitCode;

use along::{Matrix, adamw, attend, attend_backward, embed_backward, encode};
use along::{loss_and_grad, sample};
use ndarray::Axis;
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};

const STEPS: i32 = 2000;
const EVERY: i32 = 400; // steps between two losses
const WINDOWS: usize = 8; // in a batch
const T: usize = 32; // characters in a window
const C: usize = 32; // numbers for each character

/// What is learned: `[V, C]`, `[T, C]`, and three times `[C, C]`.
struct Model {
    token: Matrix,
    position: Matrix,
    qkv: [Matrix; 3],
}

impl Model {
    fn new(vocab: usize, rng: &mut impl Rng) -> Self {
        let mut random = |rows, columns, size: f64| {
            let number = |_| (rng.random::<f64>() * 2.0 - 1.0) * size;
            Matrix::from_shape_fn((rows, columns), number)
        };
        Self {
            token: random(vocab, C, 0.2),
            position: random(T, C, 0.2),
            qkv: std::array::from_fn(|_| random(C, C, 0.3)),
        }
    }

    fn zeros(&self) -> Self {
        Self {
            token: Matrix::zeros(self.token.dim()),
            position: Matrix::zeros(self.position.dim()),
            qkv: std::array::from_fn(|_| Matrix::zeros((C, C))),
        }
    }

    /// What attention reads and what it adds, for one window.
    fn forward(&self, ids: &[usize]) -> (Matrix, [Matrix; 3], Matrix) {
        let rows = self.token.select(Axis(0), ids);
        let x = rows + self.position.slice(ndarray::s![..ids.len(), ..]); // [T, C]
        let [q, k, v] = self.qkv.each_ref().map(|w| x.dot(w));
        let y = &x + &attend(&q, &k, &v);
        (x, [q, k, v], y)
    }

    /// The loss of one window; its gradient is added to `grad`.
    fn learn(&self, ids: &[usize], targets: &[usize], grad: &mut Self) -> f64 {
        let (x, [q, k, v], y) = self.forward(ids);
        let (loss, dz) = loss_and_grad(&y.dot(&self.token.t()), targets);
        grad.token += &dz.t().dot(&y); // the table's first use: scoring
        let dy = dz.dot(&self.token);
        let d = attend_backward(&q, &k, &v, &dy);
        let mut dx = dy; // past attention, unchanged
        for ((d, w), dw) in d.iter().zip(&self.qkv).zip(&mut grad.qkv) {
            dx += &d.dot(&w.t());
            *dw += &x.t().dot(d);
        }
        embed_backward(ids, &dx, &mut grad.token); // its second: looking up
        let positions: Vec<usize> = (0..ids.len()).collect();
        embed_backward(&positions, &dx, &mut grad.position);
        loss
    }

    fn tensors(&mut self) -> [&mut [f64]; 5] {
        let [q, k, v] = &mut self.qkv;
        [&mut self.token, &mut self.position, q, k, v]
            .map(|tensor| tensor.as_slice_mut().expect("whole rows"))
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("which text? give me a file")?;
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {path:?}: {error}"))?;
    let mut vocab: Vec<char> = text.chars().collect();
    vocab.sort_unstable();
    vocab.dedup();
    let ids = encode(&text, &vocab).map_err(|c| format!("unknown: {c:?}"))?;
    if ids.len() <= T {
        return Err(format!(
            "{T} characters are not enough to learn from; give more"
        )
        .into());
    }

    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut model = Model::new(vocab.len(), &mut rng);
    let (mut m, mut v) = (model.zeros(), model.zeros());
    let mut recent = 0.0;
    for step in 1..=STEPS {
        let mut grad = model.zeros();
        for _ in 0..WINDOWS {
            let at = rng.random_range(0..ids.len() - T);
            let window = &ids[at..=at + T];
            recent += model.learn(&window[..T], &window[1..], &mut grad);
        }
        let state = m.tensors().into_iter().zip(v.tensors());
        for ((w, g), (m, v)) in
            model.tensors().into_iter().zip(grad.tensors()).zip(state)
        {
            g.iter_mut().for_each(|g| *g /= WINDOWS as f64);
            adamw(w, g, m, v, step, 0.01);
        }
        if step % EVERY == 0 {
            let mean = recent / (EVERY as usize * WINDOWS) as f64;
            println!("step {step:4}   training loss {mean:.4}");
            recent = 0.0;
        }
    }

    let mut written = ids[..1].to_vec();
    for _ in 0..200 {
        let window = &written[written.len().saturating_sub(T)..];
        let (_, _, y) = model.forward(window);
        let logits = model.token.dot(&y.row(window.len() - 1));
        written.push(sample(&logits.to_vec(), 0.5, rng.random()));
    }
    println!("\n{}", written.iter().map(|&id| vocab[id]).collect::<String>());
    Ok(())
}
