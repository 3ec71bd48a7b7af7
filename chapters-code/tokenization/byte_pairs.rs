//! Byte-pair encoding, on characters, as small as it can be.

#![allow(dead_code)] // the figures do not use all of it

use std::cmp::Reverse;
use std::collections::HashMap;

use double::tokenization::{CharTokenizer, TokenizerError};

// ANCHOR: merge
/// The most frequent pair of neighbors, and its count; of equals, the first.
/// (In `aaa` it counts two pairs, though `merge` can join only one.)
pub fn most_frequent_pair(ids: &[u16]) -> Option<([u16; 2], usize)> {
    let mut counts: HashMap<[u16; 2], (usize, Reverse<usize>)> = HashMap::new();
    for (position, pair) in ids.windows(2).enumerate() {
        let new = (0, Reverse(position));
        counts.entry([pair[0], pair[1]]).or_insert(new).0 += 1;
    }
    // The largest count; of equal ones, the smallest position.
    let (pair, (count, _)) = counts.into_iter().max_by_key(|entry| entry.1)?;
    Some((pair, count))
}

/// Replaces each such pair by one id, from left to right.
pub fn merge(ids: &[u16], pair: [u16; 2], id: u16) -> Vec<u16> {
    let mut merged = Vec::with_capacity(ids.len());
    for &next in ids {
        if next == pair[1] && merged.last() == Some(&pair[0]) {
            merged.pop();
            merged.push(id);
        } else {
            merged.push(next);
        }
    }
    merged
}
// ANCHOR_END: merge

/// A tokenizer of subwords: characters first, then what was merged, in order.
pub struct BytePairs {
    pub characters: CharTokenizer,
    /// Each with how often it occurred when it was merged.
    pub merges: Vec<([u16; 2], usize)>,
}

impl BytePairs {
    /// Merges `text` so many times, or until no pair occurs twice.
    pub fn learn(text: &str, merges: usize) -> Result<Self, TokenizerError> {
        let characters = CharTokenizer::new(text)?;
        let mut ids = characters.encode(text)?;
        let mut learned = Vec::new();
        for id in (characters.vocab_size() as u16..).take(merges) {
            match most_frequent_pair(&ids) {
                Some((pair, count @ 2..)) => {
                    ids = merge(&ids, pair, id);
                    learned.push((pair, count));
                }
                _ => break,
            }
        }
        Ok(Self { characters, merges: learned })
    }

    pub fn vocab_size(&self) -> usize {
        self.characters.vocab_size() + self.merges.len()
    }

    /// Splits into characters, then merges in the order that was learned.
    pub fn encode(&self, text: &str) -> Result<Vec<u16>, TokenizerError> {
        let mut ids = self.characters.encode(text)?;
        let new = self.characters.vocab_size() as u16..;
        for (id, &(pair, _)) in new.zip(&self.merges) {
            ids = merge(&ids, pair, id);
        }
        Ok(ids)
    }

    pub fn decode(&self, ids: &[u16]) -> String {
        ids.iter().map(|&id| self.piece(id)).collect()
    }

    /// What an id says: a character, or two pieces.
    pub fn piece(&self, id: u16) -> String {
        let id = usize::from(id);
        match self.characters.vocabulary().get(id) {
            Some(c) => c.to_string(),
            None => {
                let merge = id - self.characters.vocab_size();
                self.decode(&self.merges[merge].0)
            }
        }
    }

    /// The text of ids, with pieces of several characters in brackets.
    pub fn bracketed(&self, ids: &[u16]) -> String {
        let pieces = ids.iter().map(|&id| self.piece(id));
        let bracketed = pieces.map(|piece| match piece.chars().count() {
            1 => piece,
            _ => format!("[{piece}]"),
        });
        bracketed.collect()
    }
}
