//! How far counting gets: the tables of chapter 1 beside better ones.
//!
//! `cargo run --example counting` judges both on the sonnets, and
//! `cargo run --example counting -- FILE` on a text of your own.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::error::Error;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) mod terminal; // `context` borrows it with the rest

use microgpt::orientation::CountModel;
use microgpt::training::split;
use terminal::read_text;

/// A language model made of counts, smoothed as Kneser and Ney do it.
///
/// Only the longest runs are counted as they occur. A shorter run counts once
/// for each different character that stands before it: `ing` follows many, and
/// is a good bet where the context is new; `hou` is as frequent in the sonnets,
/// but stands nearly always after a `t` or an `s`.
pub struct KneserNey<'a> {
    order: usize,      // characters in the longest run
    vocabulary: usize, // how many characters can occur
    counts: HashMap<&'a [char], usize>,
    contexts: HashMap<&'a [char], Context>,
    discounts: Vec<[f64; 4]>, // by the length of a run, and by its count
}

/// All runs that are a context and one character more, together.
#[derive(Default)]
struct Context {
    total: f64, // of their counts
    kept: f64,  // of what was taken off their counts
}

impl<'a> KneserNey<'a> {
    /// Counts the runs of up to `order` characters of `text`.
    pub fn new(text: &'a [char], vocabulary: usize, order: usize) -> Self {
        let mut counts = HashMap::new();
        for run in text.windows(order) {
            *counts.entry(run).or_insert(0) += 1;
        }
        for length in 2..=order {
            let different: HashSet<&[char]> = text.windows(length).collect();
            for run in different {
                *counts.entry(&run[1..]).or_insert(0) += 1;
            }
        }
        let mut frequencies = vec![[0.0; 5]; order + 1];
        for (run, &count) in &counts {
            if let Some(n) = frequencies[run.len()].get_mut(count) {
                *n += 1.0;
            }
        }
        let discounts: Vec<_> = frequencies.iter().map(discounts).collect();
        let mut contexts: HashMap<_, Context> = HashMap::new();
        for (run, &count) in &counts {
            let context = contexts.entry(&run[..run.len() - 1]).or_default();
            context.total += count as f64;
            context.kept += discounts[run.len()][count.min(3)];
        }
        Self { order, vocabulary, counts, contexts, discounts }
    }
}

/// What is taken off a count of zero, one, two, or more, where `n[k]` runs were
/// counted `k` times: `k − (k + 1)·n₁/(n₁ + 2·n₂)·n[k + 1]/n[k]`.
///
/// It is what a run of `k` has too much, on the average, beside another text of
/// the same kind. Where there are no such runs to learn it from, half of `k`.
///
/// Chen & Goodman (1998), §3.
fn discounts(n: &[f64; 5]) -> [f64; 4] {
    let ratio = n[1] / (n[1] + 2.0 * n[2]);
    [0, 1, 2, 3].map(|k| {
        let count = k as f64;
        let discount = count - (count + 1.0) * ratio * n[k + 1] / n[k];
        if discount > 0.0 { discount } else { count / 2.0 }
    })
}

// ANCHOR: kneser_ney_probability
impl KneserNey<'_> {
    /// The probability of the last character of `run` after the ones before it:
    ///
    /// `P(c | h) = (count(hc) − discount + kept(h)·P(c | h')) / total(h)`
    ///
    /// Kneser & Ney (1995), interpolated: Chen & Goodman (1998), §3.
    pub fn probability(&self, run: &[char]) -> f64 {
        let run = &run[run.len().saturating_sub(self.order)..];
        let Some((_, context)) = run.split_last() else {
            return 1.0 / self.vocabulary as f64;
        };
        let shorter = self.probability(&run[1..]);
        let Some(Context { total, kept }) = self.contexts.get(context) else {
            return shorter;
        };
        let count = self.counts.get(run).copied().unwrap_or(0);
        let discount = self.discounts[run.len()][count.min(3)];
        (count as f64 - discount + kept * shorter) / total
    }
}
// ANCHOR_END: kneser_ney_probability

const LONGEST: usize = 8; // characters in a run

fn main() -> ExitCode {
    terminal::run(run)
}

fn run() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args_os().nth(1).map(PathBuf::from) {
        None => include_str!("../chapters-code/data/sonnets.txt").to_owned(),
        Some(path) => read_text(&path)?,
    };
    let text: Vec<char> = text.chars().collect();
    let (train, validation) = split(&text);
    if validation.len() < LONGEST {
        let (found, least) = (text.len(), 10 * LONGEST - 9);
        Err(format!(
            "of {found} characters the last tenth is too little to judge by; \
             give a text of at least {least}"
        ))?;
    }
    let characters: BTreeSet<char> = text.iter().copied().collect();
    let vocabulary: Vec<char> = characters.into_iter().collect();
    writeln!(stdout(), "runs of  Witten–Bell  Kneser–Ney")?;
    for order in 2..=LONGEST {
        let old = CountModel::new(train, &vocabulary, order);
        let new = KneserNey::new(train, vocabulary.len(), order);
        let old = loss(validation, |run| old.probability(run));
        let new = loss(validation, |run| new.probability(run));
        writeln!(stdout(), "{order:>7}  {old:>11.3}  {new:>10.3}")?;
    }
    Ok(())
}

/// The mean of `−ln P` over the characters with seven before them, whatever the
/// model: so all judge the same ones.
fn loss(text: &[char], probability: impl Fn(&[char]) -> f64) -> f64 {
    let runs = text.windows(LONGEST);
    let count = runs.len() as f64;
    runs.map(|run| -probability(run).ln()).sum::<f64>() / count
}
