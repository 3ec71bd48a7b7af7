//! The crate `microgpt` for a page: a run that a script starts, steps and asks
//! questions. Everything that computes is the crate's; this is what lies between
//! it and a page of the book.

#[cfg(target_arch = "wasm32")]
mod page;

use std::error::Error;

use microgpt::checkpoint::{self, Corpus};
use microgpt::generation::{Generator, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::orientation::{CountModel, Rung, product};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{
    Batch, StepReport, TrainConfig, Trainer, evaluate, split,
};
use microgpt::transformer_block::{LayerNorm, attend};
use microgpt::{Float, Matrix};
use ndarray::{Array2, s};
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};

/// What a page is told if something does not work: a sentence.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The most memory that a run in a page may take, in bytes.
pub const MEMORY: f64 = 1e9;

/// A run in a page.
#[derive(Debug)]
pub struct Lab {
    /// What it trains.
    pub trainer: Trainer,
    corpus: Corpus,
    ids: Vec<u16>, // of its text; none if the run comes from a file
    random: Random,
}

/// Where in the random numbers of a seed a text begins.
#[derive(Clone, Copy, Debug)]
struct Random {
    seed: u64,
    stream: u64, // 0 is the weights', 1 that of the batches
    position: u128,
}

impl Random {
    /// Those of a text, as in the program.
    fn of_text(seed: u64) -> Self {
        Self { seed, stream: 2, position: 0 }
    }

    fn numbers(self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.stream);
        rng.set_word_pos(self.position);
        rng
    }
}

/// How to choose what follows.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Temperature and top-k.
    pub sampler: Sampler,
    /// The likeliest that together have this much: 1 for all of them.
    pub top_p: Float,
}

impl Choice {
    /// Refuses what has no meaning. A `top_k` of 0 keeps all.
    ///
    /// # Errors
    /// As [`Sampler::new`], and for a `top_p` that is not above 0 and at most 1.
    pub fn new(temperature: Float, top_k: usize, top_p: Float) -> Result<Self> {
        let sampler =
            Sampler::new(temperature, Some(top_k).filter(|&k| k > 0))?;
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(format!(
                "a top-p of {top_p} has no meaning; give a number above 0, up \
                 to 1"
            )
            .into());
        }
        Ok(Self { sampler, top_p })
    }

    /// The candidates and their probabilities, the likeliest first.
    pub fn candidates(&self, logits: &[Float]) -> Vec<(u16, Float)> {
        let mut candidates = self.sampler.distribution(logits);
        let mut kept = 0.0;
        let reached = |(_, p): &(u16, Float)| {
            kept += p;
            kept >= self.top_p
        };
        // What reaches it is still taken
        if let Some(last) = candidates.iter().position(reached) {
            candidates.truncate(last + 1);
        }
        let kept: Float = candidates.iter().map(|(_, p)| p).sum();
        candidates.iter_mut().for_each(|(_, p)| *p /= kept);
        candidates
    }
}

impl Lab {
    /// A run on a text, with nothing learned yet. Its vocabulary is the text's,
    /// whatever `sizes` say, and its weights come from `seed`.
    ///
    /// # Errors
    /// The sentences of the crate, and one for a run that takes too much memory.
    pub fn new(
        text: &str,
        sizes: GptConfig,
        config: TrainConfig,
        seed: u64,
    ) -> Result<Self> {
        let corpus = Corpus::new(text)?;
        let ids = corpus.tokenizer.encode(text)?;
        let vocab_size = corpus.tokenizer.vocab_size();
        let sizes = GptConfig { vocab_size, ..sizes };
        sizes.validate()?;
        config.validate(&sizes)?;
        let memory = config.memory(&sizes);
        if memory > MEMORY {
            return Err(format!(
                "this run would take about {:.0} MB, and in a page it can have \
                 {:.0}; give it smaller sizes, or run the program instead",
                memory / 1e6,
                MEMORY / 1e6
            )
            .into());
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let model = Gpt::new(sizes, &mut rng)?;
        let trainer = Trainer::new(model, config)?;
        // Chapter 1 goes on with the numbers of the weights
        let random = Random { seed, stream: 0, position: rng.get_word_pos() };
        let lab = Self { trainer, corpus, ids, random };
        // What the first step and the first evaluation would say, said now
        let (train, _) = split(&lab.ids);
        Batch::random(train, 1, sizes.block_size, &mut rng)?;
        lab.validation_part()?;
        Ok(lab)
    }

    /// Opens a file that a run has been saved to.
    ///
    /// # Errors
    /// Those of [`checkpoint::read`], and one for a file without a byte.
    pub fn open(bytes: &[u8]) -> Result<Self> {
        let (trainer, corpus) = checkpoint::read(bytes, bytes.len() as u64)?;
        let random = Random::of_text(trainer.config().seed);
        Ok(Self { trainer, corpus, ids: Vec::new(), random })
    }

    /// Gives an opened run its text, to go on.
    ///
    /// # Errors
    /// If it is not the text that the run began with.
    pub fn go_on_with(&mut self, text: &str) -> Result<()> {
        let tokenizer = self.corpus.tokenizer.clone();
        let given = Corpus::with_tokenizer(text, tokenizer)?;
        if !given.same_text(&self.corpus) {
            return Err(format!(
                "the run has learned another text: {}; this one is {given}",
                self.corpus
            )
            .into());
        }
        self.ids = self.corpus.tokenizer.encode(text)?;
        Ok(())
    }

    /// The run as a file that the program opens, too.
    ///
    /// # Errors
    /// Those of [`checkpoint::write`].
    pub fn save(&self) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        checkpoint::write(&self.trainer, &self.corpus, &mut file)?;
        Ok(file)
    }

    /// Forgets what the optimizer remembers, which makes a small file: zeros
    /// compress to nothing.
    pub fn forget_moments(&mut self) {
        self.trainer.moments.steps = 0;
        self.trainer.moments.mean.fill_with_zeros();
        self.trainer.moments.square.fill_with_zeros();
    }

    /// The characters of its text.
    pub fn tokenizer(&self) -> &CharTokenizer {
        &self.corpus.tokenizer
    }

    /// Takes a step.
    ///
    /// # Errors
    /// Those of [`Trainer::take_step`].
    pub fn step(&mut self) -> Result<StepReport> {
        let (train, _) = split(&self.ids);
        let report = self.trainer.take_step(train)?;
        let (sum, count) = self.trainer.losses;
        self.trainer.losses = (sum + f64::from(report.loss), count + 1);
        Ok(report)
    }

    /// Scores the whole validation part, as [`Trainer::run`] does between two
    /// steps.
    ///
    /// # Errors
    /// Those of [`evaluate`].
    pub fn evaluate(&mut self) -> Result<f64> {
        let loss = evaluate(self.trainer.result(), self.validation_part()?)?;
        self.trainer.losses = (0.0, 0);
        let best = self.trainer.best.unwrap_or(loss);
        self.trainer.best = Some(best.min(loss));
        Ok(loss)
    }

    fn validation_part(&self) -> Result<&[u16]> {
        let (_, validation) = split(&self.ids);
        match validation.len() {
            0 | 1 => Err(format!(
                "of {} characters, a tenth is kept to check the model with, and \
                 that is too little; give a longer text",
                self.ids.len()
            )
            .into()),
            _ => Ok(validation),
        }
    }

    /// The end of a text that the model can look at, as ids.
    fn window(&self, text: &str) -> Result<Vec<u16>> {
        let ids = self.tokenizer().encode(text)?;
        let context = self.trainer.model.config().block_size;
        match ids[ids.len().saturating_sub(context)..] {
            [] => Err("there is no text; give at least one character".into()),
            ref end => Ok(end.to_vec()),
        }
    }

    /// The logits after the end of a text, `[V]`.
    ///
    /// # Errors
    /// If the text is empty or has characters that the model does not know.
    pub fn logits(&self, text: &str) -> Result<Vec<Float>> {
        let ids = self.window(text)?;
        let logits = self.trainer.result().logits(&ids, ids.len());
        Ok(logits.row(ids.len() - 1).to_vec())
    }

    /// `count` characters that follow `prompt`.
    ///
    /// Without a seed, the random numbers go on where those of the weights
    /// ended, as in the pipeline of chapter 1.
    ///
    /// # Errors
    /// Those of [`Generator`].
    pub fn generate(
        &self,
        prompt: &str,
        count: usize,
        choice: Choice,
        seed: Option<u64>,
    ) -> Result<String> {
        let random = seed.map_or(self.random, Random::of_text);
        let mut rng = random.numbers();
        if choice.top_p < 1.0 {
            return self.generate_from_nuclei(prompt, count, choice, &mut rng);
        }
        let prompt = self.tokenizer().encode(prompt)?;
        let model = self.trainer.result();
        let ids = Generator::new(model, &prompt, choice.sampler, rng)?;
        let ids =
            ids.take(count).collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(self.tokenizer().decode(&ids)?)
    }

    /// The same with top-p, which the crate leaves to an exercise: the whole
    /// window is read again for each character.
    fn generate_from_nuclei(
        &self,
        prompt: &str,
        count: usize,
        choice: Choice,
        rng: &mut impl Rng,
    ) -> Result<String> {
        let mut text = prompt.to_owned();
        for _ in 0..count {
            let candidates = choice.candidates(&self.logits(&text)?);
            let mut left = rng.random::<f64>();
            let drawn = candidates.iter().find(|(_, p)| {
                left -= f64::from(*p);
                left < 0.0
            });
            let (id, _) = drawn.unwrap_or(&candidates[0]);
            text += &self.tokenizer().decode(&[*id])?;
        }
        Ok(text.split_off(prompt.len()))
    }

    /// One head of one block looking at the end of a text: its scores `q·kᵀ`,
    /// `[T, T]`, and what becomes of them, its weights, `[T, T]`.
    ///
    /// # Errors
    /// If there is no such head, and those of [`Lab::logits`].
    pub fn attention(
        &self,
        text: &str,
        block: usize,
        head: usize,
    ) -> Result<[Matrix; 2]> {
        let model = self.trainer.result();
        let GptConfig { n_layer, n_head, n_embd: c, .. } = model.config();
        if block >= n_layer || head >= n_head {
            return Err(format!(
                "there is no head {head} in a block {block}: the model has \
                 {n_layer} blocks of {n_head} heads, counted from 0"
            )
            .into());
        }
        let ids = self.window(text)?;
        let t = ids.len();
        let (mut x, _) = model.embeddings.forward(&ids, t);
        for earlier in &model.blocks[..block] {
            (x, _) = earlier.forward(x, t);
        }
        let block = &model.blocks[block];
        let (h, _) = block.norm_1.forward(&x);
        let (qkv, _) = block.attention.qkv.forward(h); // [T, 3C]
        let d = c / n_head;
        let columns = |first: usize| {
            let left = first + head * d;
            qkv.slice(s![.., left..left + d])
        };
        let (q, k, v) = (columns(0), columns(c), columns(2 * c));
        let mut weights = Matrix::zeros((t, t));
        attend(&q, &k, &v, &mut weights, &mut Matrix::zeros((t, d)));
        Ok([product(&q, &k.t()), weights])
    }

    /// A tensor of the model by its name, as `embeddings.token`.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn tensor(&self, name: &str) -> Result<&[Float]> {
        let mut tensors = self.trainer.result().tensors().into_iter();
        let found = tensors.find(|tensor| tensor.name.to_string() == name);
        let tensor =
            found.ok_or_else(|| format!("no tensor is called {name}"))?;
        Ok(tensor.data)
    }
}

/// The loss ladder of any text: what counting achieves.
///
/// # Errors
/// For a text whose tenth for checking is too short to be scored.
pub fn ladder(text: &str) -> Result<Vec<Rung>> {
    let characters: Vec<char> = text.chars().collect();
    let (train, validation) = split(&characters);
    if validation.len() < 6 {
        return Err(format!(
            "of {} characters, a tenth is kept to check what was counted, and \
             six are needed for that; give at least 60",
            characters.len()
        )
        .into());
    }
    Ok(microgpt::orientation::ladder(train, validation))
}

/// `count` characters drawn from the counts of a text, each in view of the
/// `order - 1` before it.
///
/// # Errors
/// For a text without a character.
pub fn count_and_write(
    text: &str,
    order: usize,
    count: usize,
    seed: u64,
) -> Result<String> {
    let characters: Vec<char> = text.chars().collect();
    if characters.is_empty() {
        return Err("there is no text; give at least one character".into());
    }
    let order = order.clamp(1, 8);
    let model = CountModel::new(&characters, &characters, order);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut written = Vec::with_capacity(count);
    for i in 0..count {
        let context = &written[i.saturating_sub(order - 1)..];
        let next = model.sample(context, &mut rng);
        written.push(next);
    }
    Ok(written.into_iter().collect())
}

/// The ids of a text in the vocabulary of another; `None` for what is not in it.
///
/// # Errors
/// As [`CharTokenizer::new`].
pub fn encode(vocabulary_of: &str, text: &str) -> Result<Vec<Option<u16>>> {
    let tokenizer = CharTokenizer::new(vocabulary_of)?;
    let id = |c: char| {
        let ids = tokenizer.encode(c.encode_utf8(&mut [0; 4])).ok();
        ids.and_then(|ids| ids.first().copied())
    };
    Ok(text.chars().map(id).collect())
}

/// The text of ids in the vocabulary of another.
///
/// # Errors
/// As [`CharTokenizer::new`] and [`CharTokenizer::decode`].
pub fn decode(vocabulary_of: &str, ids: &[u16]) -> Result<String> {
    Ok(CharTokenizer::new(vocabulary_of)?.decode(ids)?)
}

/// LayerNorm of one row, and what it makes of a gradient: `(y, dx)`.
///
/// # Panics
/// If the two are not of one length.
pub fn layer_norm(x: &[Float], dy: &[Float]) -> (Vec<Float>, Vec<Float>) {
    let row = |x: &[Float]| Array2::from_shape_fn((1, x.len()), |(_, j)| x[j]);
    assert_eq!(x.len(), dy.len(), "a gradient has the shape of its row");
    let norm = LayerNorm::new(x.len());
    let (y, cache) = norm.forward(&row(x));
    let dx = norm.backward(&cache, row(dy), &mut norm.clone());
    let numbers = |x: Matrix| x.into_iter().collect();
    (numbers(y), numbers(dx))
}

/// An error with what caused it, as one sentence.
pub fn sentence(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut error = error;
    while let Some(cause) = error.source() {
        said += &format!(": {cause}");
        error = cause;
    }
    said
}
