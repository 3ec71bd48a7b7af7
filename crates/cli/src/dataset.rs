//! The text that a model is trained on: read, encoded, split.

use std::collections::BTreeSet;
use std::io::{Write, stdout};
use std::path::PathBuf;

use indicatif::HumanCount;
use microgpt::checkpoint::Corpus;
use microgpt::orientation::{Rung, ladder};
use microgpt::tokenization::CharTokenizer;
use microgpt::training::split;

use crate::terminal::read_text;
use crate::{Error, counted, typed};

const SONNETS: &str = include_str!("../../../chapters-code/data/sonnets.txt");

/// The text in a file, or the sonnets.
fn read(path: &Option<PathBuf>) -> Result<String, Error> {
    match path {
        Some(path) => read_text(path),
        None => Ok(SONNETS.to_owned()),
    }
}

/// A text of characters that are ids now.
pub struct Dataset {
    /// What a run remembers of the text.
    pub corpus: Corpus,
    ids: Vec<u16>,
    path: Option<PathBuf>, // none: the sonnets
}

impl Dataset {
    /// The text in a file, or the sonnets.
    pub fn read(path: Option<PathBuf>) -> Result<Self, Error> {
        let text = read(&path)?;
        let corpus = Corpus::new(&text)?;
        let ids = corpus.tokenizer.encode(&text)?;
        Ok(Self { corpus, ids, path })
    }

    /// The same for a model that knows these characters, of which the text may
    /// lack some.
    pub fn read_with(
        path: Option<PathBuf>,
        tokenizer: CharTokenizer,
    ) -> Result<Self, Error> {
        let text = read(&path)?;
        let corpus = Corpus::with_tokenizer(&text, tokenizer)?;
        let ids = corpus.tokenizer.encode(&text)?;
        Ok(Self { corpus, ids, path })
    }

    /// Takes over the characters that a run has learned this text with; whether
    /// it is this text.
    pub fn adopt(&mut self, learned: &Corpus) -> Result<bool, Error> {
        if !self.corpus.same_text(learned) {
            return Ok(false);
        }
        if self.corpus != *learned {
            let text = self.tokenizer().decode(&self.ids)?;
            self.ids = learned.tokenizer.encode(&text)?;
            self.corpus = learned.clone();
        }
        Ok(true)
    }

    /// The characters that the model knows, among them those of the text.
    pub fn tokenizer(&self) -> &CharTokenizer {
        &self.corpus.tokenizer
    }

    /// What a model continues that is given no prompt: a line break, or where
    /// the text has none, its first character.
    pub fn beginning(&self) -> Vec<u16> {
        self.tokenizer().encode("\n").unwrap_or(vec![self.ids[0]])
    }

    /// The training set and the validation set.
    pub fn parts(&self) -> (&[u16], &[u16]) {
        split(&self.ids)
    }

    /// The option that names this text again, after a space.
    pub fn option(&self) -> String {
        let path = self.path.as_ref();
        path.map_or(String::new(), |path| format!(" --data {}", typed(path)))
    }

    /// Refuses a text that is too short for sequences of `context` characters.
    pub fn check_length(&self, context: usize) -> Result<(), Error> {
        let (train, validation) = self.parts();
        let needed = context.saturating_add(1);
        if train.len() < needed {
            let found = counted(train.len(), "character");
            Err(format!(
                "the training set, nine tenths of the text, has {found}, but \
                 a sequence and the character after it take \
                 {needed}; give a longer text or a smaller context length"
            ))?;
        }
        if validation.len() < 2 {
            Err("the validation set, a tenth of the text, has 1 character, \
                 but a loss takes 2; give a longer text")?;
        }
        Ok(())
    }

    /// Prints how long the text is, and how it is split.
    pub fn print(&self) -> Result<(), Error> {
        let (train, validation) = self.parts();
        let [all, train, validation] = [&self.ids, train, validation]
            .map(|ids| HumanCount(ids.len() as u64));
        let known = self.tokenizer().vocab_size();
        let distinct = BTreeSet::from_iter(&self.ids).len();
        let of = match distinct == known {
            true => String::new(),
            false => format!(" of the {known} that the model knows"),
        };
        writeln!(
            stdout(),
            "corpus      {all} characters, {distinct} distinct{of}\n            \
             {train} for training, {validation} for validation",
        )?;
        Ok(())
    }

    /// Counts, and prints what counting achieves. Of a large text it counts
    /// only the two million characters before the validation set; of a short one
    /// there is nothing to score.
    pub fn print_ladder(&self) -> Result<Vec<Rung>, Error> {
        let vocabulary = self.tokenizer().vocabulary();
        let characters = |ids: &[u16]| -> Vec<char> {
            ids.iter().map(|&id| vocabulary[usize::from(id)]).collect()
        };
        let (train, validation) = self.parts();
        let train = &train[train.len().saturating_sub(2_000_000)..];
        let rungs = ladder(&characters(train), &characters(validation));
        if rungs.iter().any(|rung| rung.loss.is_nan()) {
            writeln!(
                stdout(),
                "ladder      none: with {} for validation there is too little to \
                 count\n",
                counted(validation.len(), "character"),
            )?;
            return Ok(Vec::new());
        }
        let losses =
            rungs.iter().map(|Rung { name, loss }| format!("{name} {loss:.3}"));
        let losses: Vec<String> = losses.collect();
        let (low, high) = losses.split_at(4);
        writeln!(
            stdout(),
            "ladder      {},\n            {}\n            (validation losses \
             of counting models, in nats per character)\n",
            low.join(", "),
            high.join(", "),
        )?;
        Ok(rungs)
    }
}
