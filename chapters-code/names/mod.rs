//! The program this book follows, microgpt by Andrej Karpathy (2026), in Rust:
//! names, its model in two ways, its optimizer, and how it invents names.

#![allow(dead_code)] // no program needs all of it

pub mod by_hand;
pub mod python;
pub mod tape;

use double::Matrix;
use double::orientation::softmax;
use ndarray::Zip;
use python::Random;

/// Width of a vector, `C`.
pub const N_EMBD: usize = 16;
/// Heads; each sees `C / 4` numbers of a vector.
pub const N_HEAD: usize = 4;
/// Positions, `T`: a mark and fifteen letters.
pub const BLOCK_SIZE: usize = 16;
/// Steps of training, each on one name.
pub const STEPS: usize = 1000;

/// The names of a file, in an order that a seed decides, and their characters.
#[derive(Clone, Debug)]
pub struct Names {
    pub names: Vec<String>,
    /// Sorted; a character's place is its id.
    pub characters: Vec<char>,
}

impl Names {
    /// One name from each line; blank lines are skipped.
    ///
    /// # Errors
    /// If there is no name, or one that does not fit the context.
    pub fn new(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).enumerate();
        let mut names = Vec::new();
        for (i, name) in lines.filter(|(_, name)| !name.is_empty()) {
            let (line, length) = (i + 1, name.chars().count());
            if length >= BLOCK_SIZE {
                Err(format!(
                    "line {line} has {length} characters; a name may have up \
                     to {}, so that it fits the context with its end",
                    BLOCK_SIZE - 1
                ))?;
            }
            names.push(name.to_owned());
        }
        if names.is_empty() {
            Err("there is no name in it; give one name on each line")?;
        }
        let mut characters: Vec<char> = names.concat().chars().collect();
        characters.sort_unstable();
        characters.dedup();
        Ok(Self { names, characters })
    }

    /// The mark before and after each name: the last id.
    pub fn mark(&self) -> usize {
        self.characters.len()
    }

    /// Characters and the mark.
    pub fn vocab_size(&self) -> usize {
        self.characters.len() + 1
    }

    /// A name's ids, between two marks.
    ///
    /// # Panics
    /// If the name has a character of no other name.
    pub fn tokens(&self, name: &str) -> Vec<usize> {
        let id = |c| self.characters.binary_search(&c).expect("a known one");
        let mark = [self.mark()].into_iter();
        mark.clone().chain(name.chars().map(id)).chain(mark).collect()
    }
}

/// The model's nine matrices, each `[out, in]`; nothing else is learned.
#[derive(Clone, Debug)]
pub struct Model {
    pub token: Matrix,    // [V, C]
    pub position: Matrix, // [T, C]
    pub head: Matrix,     // [V, C]
    pub query: Matrix,    // [C, C]
    pub key: Matrix,      // [C, C]
    pub value: Matrix,    // [C, C]
    pub output: Matrix,   // [C, C]
    pub up: Matrix,       // [4C, C]
    pub down: Matrix,     // [C, 4C]
}

impl Model {
    pub fn zeros(vocab_size: usize) -> Self {
        let (v, c) = (vocab_size, N_EMBD);
        let square = || Matrix::zeros((c, c));
        Self {
            token: Matrix::zeros((v, c)),
            position: Matrix::zeros((BLOCK_SIZE, c)),
            head: Matrix::zeros((v, c)),
            query: square(),
            key: square(),
            value: square(),
            output: square(),
            up: Matrix::zeros((4 * c, c)),
            down: Matrix::zeros((c, 4 * c)),
        }
    }

    /// Every number from N(0, 0.08²), in the order of the original.
    pub fn new(vocab_size: usize, rng: &mut Random) -> Self {
        let mut model = Self::zeros(vocab_size);
        for matrix in model.matrices_mut() {
            matrix.iter_mut().for_each(|w| *w = rng.gauss(0.08));
        }
        model
    }

    pub fn vocab_size(&self) -> usize {
        self.token.nrows()
    }

    pub fn num_params(&self) -> usize {
        self.matrices().iter().map(|matrix| matrix.len()).sum()
    }

    pub fn matrices(&self) -> [&Matrix; 9] {
        let Self { token, position, head, .. } = self;
        let Self { query, key, value, output, up, down, .. } = self;
        [token, position, head, query, key, value, output, up, down]
    }

    pub fn matrices_mut(&mut self) -> [&mut Matrix; 9] {
        #[rustfmt::skip]
        let Self { token, position, head, query, key, value, output, up, down } = self;
        [token, position, head, query, key, value, output, up, down]
    }
}

/// How a gradient is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// By the tape.
    Tape,
    /// By the tape, each sum in the order in which Python adds, each power by
    /// the C library.
    Python,
    /// By formulas for matrices.
    ByHand,
}

/// The model and its training: a step for each name, in turn.
pub struct Trainer {
    pub names: Names,
    pub model: Model,
    pub rng: Random,
    way: Way,
    step: usize,
    mean: Model,
    mean_square: Model,
}

impl Trainer {
    /// As the original begins: shuffles the names, draws the parameters.
    pub fn new(mut names: Names, way: Way, seed: u32) -> Self {
        let mut rng = Random::seed(seed);
        rng.shuffle(&mut names.names);
        let model = Model::new(names.vocab_size(), &mut rng);
        let zeros = Model::zeros(names.vocab_size());
        let (mean, mean_square) = (zeros.clone(), zeros);
        Self { names, model, rng, way, step: 0, mean, mean_square }
    }

    /// Learns from the next name; returns its loss before that.
    pub fn take_step(&mut self) -> f64 {
        let names = &self.names;
        let tokens = names.tokens(&names.names[self.step % names.names.len()]);
        let (loss, grad) = self.way.loss_and_grad(&self.model, &tokens);
        match self.way {
            Way::Python => self.adam(&grad, python::power),
            Way::Tape | Way::ByHand => self.adam(&grad, f64::powf),
        }
        loss
    }

    /// A step of Adam, with a rate that falls to zero in a straight line.
    fn adam(&mut self, grad: &Model, power: impl Fn(f64, f64) -> f64) {
        let rate = 0.01 * (1.0 - self.step as f64 / STEPS as f64);
        self.step += 1;
        let (beta_1, beta_2, t) = (0.85, 0.99, self.step as f64);
        let seen_1 = 1.0 - power(beta_1, t);
        let seen_2 = 1.0 - power(beta_2, t);
        let means = self.mean.matrices_mut().into_iter();
        let moments = means.zip(self.mean_square.matrices_mut());
        let weights = self.model.matrices_mut().into_iter();
        for ((w, g), (m, v)) in weights.zip(grad.matrices()).zip(moments) {
            Zip::from(w).and(g).and(m).and(v).for_each(|w, g, m, v| {
                *m = beta_1 * *m + (1.0 - beta_1) * g;
                *v = beta_2 * *v + (1.0 - beta_2) * power(*g, 2.0);
                *w -= rate * (*m / seen_1) / (power(*v / seen_2, 0.5) + 1e-8);
            });
        }
    }
}

impl Way {
    /// The mean of `−ln p` over a name's characters and its end, and the
    /// gradient.
    pub fn loss_and_grad(
        self,
        model: &Model,
        tokens: &[usize],
    ) -> (f64, Model) {
        match self {
            Way::Tape => tape::loss_and_grad(model, tokens),
            Way::Python => tape::loss_and_grad_as_python(model, tokens),
            Way::ByHand => by_hand::loss_and_grad(model, tokens),
        }
    }

    /// Logits after the last of some tokens.
    fn last_logits(self, model: &Model, tokens: &[usize]) -> Vec<f64> {
        match self {
            Way::Tape | Way::Python => tape::last_logits(model, tokens),
            Way::ByHand => by_hand::last_logits(model, tokens),
        }
    }
}

impl Trainer {
    /// Invents a name: samples at temperature 0.5, to the mark or to the end of
    /// the context.
    pub fn invent(&mut self) -> String {
        let mark = self.names.mark();
        let mut tokens = vec![mark];
        while tokens.len() <= BLOCK_SIZE {
            let mut p = self.way.last_logits(&self.model, &tokens);
            p.iter_mut().for_each(|z| *z /= 0.5);
            softmax(&mut p);
            let token = self.rng.choice(&p);
            if token == mark {
                break;
            }
            tokens.push(token);
        }
        tokens[1..].iter().map(|&id| self.names.characters[id]).collect()
    }
}
