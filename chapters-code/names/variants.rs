//! What each difference between microgpt and this book is worth: the model of
//! microgpt on the tape, with one part at a time exchanged for ours.

use double::scalar_autograd::{Tape, Var};
use double::training::LrSchedule;

use crate::names::python::Random;
use crate::names::tape::{Row, add, attention, linear, relu, softmax, sum};
use crate::names::{Model, N_EMBD, Names, STEPS};

/// What differs; [`MICROGPT`] is the original.
#[derive(Clone, Copy)]
pub struct Recipe {
    /// LayerNorm, with gain and shift, in place of RMSNorm, without.
    pub layer_norm: bool,
    /// A norm before the head in place of one after the embeddings.
    pub last_norm: bool,
    /// GELU in place of ReLU.
    pub gelu: bool,
    /// A bias in each linear layer but the head.
    pub biases: bool,
    /// The token table is the head.
    pub tied: bool,
    /// Standard deviations 0.02 and, where a layer adds to the residual stream,
    /// 0.02/√2, in place of 0.08.
    pub small_init: bool,
    /// AdamW with β₁ 0.9, decay 0.1 and clipping at 1, in place of Adam with
    /// β₁ 0.85.
    pub adam_w: bool,
    /// The learning rate of each step.
    pub rate: Rate,
    /// Names in a step.
    pub batch: usize,
    /// How many steps.
    pub steps: usize,
}

/// How the learning rate of 0.01 changes.
#[derive(Clone, Copy)]
pub enum Rate {
    /// It falls to zero in a straight line.
    Linear,
    /// It stays.
    Constant,
    /// It rises over 100 steps, then falls to 0.001 along a cosine.
    Cosine,
}

pub const MICROGPT: Recipe = Recipe {
    layer_norm: false,
    last_norm: false,
    gelu: false,
    biases: false,
    tied: false,
    small_init: false,
    adam_w: false,
    rate: Rate::Linear,
    batch: 1,
    steps: STEPS,
};

/// The original, then one change at a time, then all of them.
pub fn variants() -> Vec<(&'static str, Recipe)> {
    let it = MICROGPT;
    let ours = Recipe {
        layer_norm: true,
        last_norm: true,
        gelu: true,
        biases: true,
        tied: true,
        small_init: true,
        adam_w: true,
        rate: Rate::Cosine,
        ..it
    };
    vec![
        ("microgpt", it),
        ("LayerNorm", Recipe { layer_norm: true, ..it }),
        ("norm before head", Recipe { last_norm: true, ..it }),
        ("GELU", Recipe { gelu: true, ..it }),
        ("biases", Recipe { biases: true, ..it }),
        ("tied head", Recipe { tied: true, ..it }),
        ("smaller init", Recipe { small_init: true, ..it }),
        ("AdamW, clipping", Recipe { adam_w: true, ..it }),
        ("warm-up, cosine", Recipe { rate: Rate::Cosine, ..it }),
        ("constant rate", Recipe { rate: Rate::Constant, ..it }),
        ("all of these", ours),
        ("16 names a step", Recipe { batch: 16, ..it }),
        ("16,000 steps", Recipe { steps: 16 * STEPS, ..it }),
        ("all, and 16 names", Recipe { batch: 16, ..ours }),
    ]
}

/// Every tensor that any variant learns: the nine matrices, then four gains,
/// four shifts and six biases, which [`MICROGPT`] leaves at one and zero.
#[derive(Clone)]
struct Params(Vec<Vec<f64>>);

const HEAD: usize = 2;
const MATRICES: usize = 9;
const GAINS: usize = MATRICES;
const SHIFTS: usize = GAINS + 4;
const BIASES: usize = SHIFTS + 4;

impl Params {
    fn new(recipe: &Recipe, vocab_size: usize, rng: &mut Random) -> Self {
        let mut model = Model::new(vocab_size, rng);
        if recipe.small_init {
            let scale = 0.02 / 0.08;
            model.matrices_mut().into_iter().for_each(|w| *w *= scale);
            model.output /= 2f64.sqrt();
            model.down /= 2f64.sqrt();
        }
        let matrices = model.matrices().map(|w| w.iter().copied().collect());
        let c = N_EMBD;
        let gains = std::iter::repeat_n(vec![1.0; c], 4);
        let shifts = std::iter::repeat_n(vec![0.0; c], 4);
        let biases = [c, c, c, c, 4 * c, c].map(|n| vec![0.0; n]);
        let tensors = matrices.into_iter().chain(gains).chain(shifts);
        Self(tensors.chain(biases).collect())
    }
}

impl Recipe {
    /// Whether this recipe learns a tensor.
    fn learns(&self, tensor: usize) -> bool {
        match tensor {
            HEAD => !self.tied,
            ..MATRICES => true,
            MATRICES..BIASES => self.layer_norm,
            _ => self.biases,
        }
    }

    /// The learning rate of a step, from zero.
    fn rate(&self, step: usize) -> f64 {
        match self.rate {
            Rate::Linear => 0.01 * (1.0 - step as f64 / self.steps as f64),
            Rate::Constant => 0.01,
            Rate::Cosine => LrSchedule::new(0.01, self.steps).at(step),
        }
    }
}

/// A model on a tape, and the keys and values of the positions so far.
struct OnTape<'t> {
    recipe: Recipe,
    tensors: Vec<Row<'t>>,
    keys: Vec<Row<'t>>,
    values: Vec<Row<'t>>,
}

impl<'t> OnTape<'t> {
    fn new(tape: &'t Tape, recipe: Recipe, params: &Params) -> Self {
        let tensors = params.0.iter();
        let tensors = tensors
            .map(|tensor| tensor.iter().map(|&w| tape.leaf(w)).collect())
            .collect();
        Self { recipe, tensors, keys: Vec::new(), values: Vec::new() }
    }

    /// One of the four norms: after the embeddings, before attention, before
    /// the MLP, before the head.
    fn norm(&self, place: usize, x: &[Var<'t>]) -> Row<'t> {
        let left_out = if self.recipe.last_norm { 0 } else { 3 };
        if place == left_out {
            return x.to_vec();
        }
        let one_over_c = 1.0 / x.len() as f64;
        let mut x = x.to_vec();
        if self.recipe.layer_norm {
            let mean = sum(&x) * one_over_c;
            x = x.into_iter().map(|x| x - mean).collect();
        }
        let squares: Row = x.iter().map(|&x| x * x).collect();
        let scale = (sum(&squares) * one_over_c + 1e-5).powf(-0.5);
        let gain = &self.tensors[GAINS + place];
        let shift = &self.tensors[SHIFTS + place];
        let learned = gain.iter().zip(shift);
        let y = x.iter().zip(learned);
        y.map(|(&x, (&gain, &shift))| x * scale * gain + shift).collect()
    }

    /// One of the six linear layers: query, key, value, output, up, down.
    fn linear(&self, layer: usize, x: &[Var<'t>]) -> Row<'t> {
        add(&linear(x, &self.tensors[3 + layer]), &self.tensors[BIASES + layer])
    }

    /// Reads one more token; returns the logits of the one after it.
    fn logits(&mut self, token: usize) -> Row<'t> {
        let row = |i: usize| i * N_EMBD..(i + 1) * N_EMBD;
        let [tokens, positions, head] = &self.tensors[..3] else {
            unreachable!("there are more tensors");
        };
        let head = if self.recipe.tied { tokens } else { head }.clone();
        let place = self.keys.len();
        let x = add(&tokens[row(token)], &positions[row(place)]);
        let x = self.norm(0, &x);
        let h = self.norm(1, &x);
        self.keys.push(self.linear(1, &h));
        self.values.push(self.linear(2, &h));
        let h = attention(&self.linear(0, &h), &self.keys, &self.values);
        let x = add(&self.linear(3, &h), &x);
        let h = self.linear(4, &self.norm(2, &x)).into_iter();
        let h: Row = match self.recipe.gelu {
            true => h.map(gelu).collect(),
            false => h.map(relu).collect(),
        };
        let x = add(&self.linear(5, &h), &x);
        linear(&self.norm(3, &x), &head)
    }

    /// `−ln p` of each character of a name, and of its end.
    fn losses(&mut self, tokens: &[usize]) -> Row<'t> {
        let pairs = tokens.windows(2);
        let losses = pairs.map(|pair| {
            let p = softmax(&self.logits(pair[0]));
            p[pair[1]].ln() * -1.0
        });
        losses.collect()
    }
}

/// GELU in its tanh form.
fn gelu(x: Var) -> Var {
    let u = (x + x.powf(3.0) * 0.044715) * (2.0 / std::f64::consts::PI).sqrt();
    x * (u.tanh() + 1.0) * 0.5
}

/// A training run of a recipe.
pub struct Run {
    recipe: Recipe,
    names: Names,
    params: Params,
    mean: Params,
    mean_square: Params,
    step: usize,
}

impl Run {
    /// Begins as the original does.
    pub fn new(recipe: Recipe, mut names: Names, seed: u32) -> Self {
        let mut rng = Random::seed(seed);
        rng.shuffle(&mut names.names);
        let params = Params::new(&recipe, names.vocab_size(), &mut rng);
        let zeros = params.0.iter().map(|w| vec![0.0; w.len()]).collect();
        let mean = Params(zeros);
        let mean_square = mean.clone();
        Self { recipe, names, params, mean, mean_square, step: 0 }
    }

    /// Learns from the next names; returns the mean of their losses before.
    pub fn take_step(&mut self) -> f64 {
        let batch = self.recipe.batch;
        let mut loss = 0.0;
        let mut grad = vec![0.0; self.params.0.iter().map(Vec::len).sum()];
        for i in self.step * batch..(self.step + 1) * batch {
            let name = &self.names.names[i % self.names.names.len()];
            let tape = Tape::default();
            let mut model = OnTape::new(&tape, self.recipe, &self.params);
            let losses = model.losses(&self.names.tokens(name));
            let one = sum(&losses) * (1.0 / losses.len() as f64);
            loss += one.value / batch as f64;
            for (sum, slope) in grad.iter_mut().zip(one.backward()) {
                *sum += slope / batch as f64;
            }
        }
        self.adam(&grad);
        loss
    }

    /// A step of Adam, or of AdamW with clipping.
    fn adam(&mut self, grad: &[f64]) {
        let rate = self.recipe.rate(self.step);
        self.step += 1;
        let Recipe { adam_w, .. } = self.recipe;
        let (beta_1, beta_2) = if adam_w { (0.9, 0.99) } else { (0.85, 0.99) };
        let seen_1 = 1.0 - f64::powf(beta_1, self.step as f64);
        let seen_2 = 1.0 - f64::powf(beta_2, self.step as f64);
        let mut grad = grad.to_vec();
        self.forget_unlearned(&mut grad);
        let norm = grad.iter().map(|g| g * g).sum::<f64>().sqrt();
        let clip = if adam_w && norm > 1.0 { 1.0 / norm } else { 1.0 };
        let mut grad = grad.into_iter().map(|g| g * clip);
        for tensor in 0..self.params.0.len() {
            let decay = if adam_w && tensor < MATRICES { 0.1 } else { 0.0 };
            let moments = self.mean.0[tensor].iter_mut();
            let moments = moments.zip(&mut self.mean_square.0[tensor]);
            let weights = self.params.0[tensor].iter_mut();
            for ((w, (m, v)), g) in weights.zip(moments).zip(&mut grad) {
                *m = beta_1 * *m + (1.0 - beta_1) * g;
                *v = beta_2 * *v + (1.0 - beta_2) * g * g;
                let step = *m / seen_1 / ((*v / seen_2).sqrt() + 1e-8);
                *w -= rate * (step + decay * *w);
            }
        }
    }

    /// Sets the gradients of what is not learned to zero.
    fn forget_unlearned(&self, grad: &mut [f64]) {
        let mut start = 0;
        for (tensor, weights) in self.params.0.iter().enumerate() {
            let end = start + weights.len();
            if !self.recipe.learns(tensor) {
                grad[start..end].fill(0.0);
            }
            start = end;
        }
    }

    /// Mean loss on the last tenth of the shuffled names, for each character
    /// and each end of a name, in nats.
    pub fn held_out_loss(&self) -> f64 {
        let (mut total, mut count) = (0.0, 0);
        for name in held_out(&self.names) {
            let tape = Tape::default();
            let mut model = OnTape::new(&tape, self.recipe, &self.params);
            let losses = model.losses(&self.names.tokens(name));
            total += losses.iter().map(|loss| loss.value).sum::<f64>();
            count += losses.len();
        }
        total / count as f64
    }
}

/// The last tenth of the names, which no run here trains on.
pub fn held_out(names: &Names) -> &[String] {
    &names.names[names.names.len() - names.names.len() / 10..]
}
