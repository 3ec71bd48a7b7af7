//! # Tokenization
//!
//! Text to integers and back. The vocabulary is the sorted list of a text's
//! distinct characters, and a character's id is its place in that list.
//!
//! To copy this module, bring nothing: it needs only the standard library.

use std::collections::BTreeSet;
use std::fmt;

// ANCHOR: char_tokenizer
/// Maps characters to ids `0..vocab_size` and back.
///
/// An id is a name: neighbouring ids mean nothing to each other. Ids are `u16`,
/// two bytes for each character of a corpus.
///
/// ```
/// use microgpt::tokenization::CharTokenizer;
///
/// let tokenizer = CharTokenizer::new("to be")?;
/// assert_eq!(tokenizer.vocabulary(), [' ', 'b', 'e', 'o', 't']);
/// let ids = tokenizer.encode("bet")?;
/// assert_eq!(ids, [1, 2, 4]);
/// assert_eq!(tokenizer.decode(&ids)?, "bet");
/// let error = tokenizer.encode("bet!").unwrap_err().to_string();
/// assert!(error.starts_with("unknown character '!' at 3"));
/// # Ok::<(), microgpt::tokenization::TokenizerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CharTokenizer {
    vocabulary: Vec<char>, // sorted, distinct; the id is the index
}
// ANCHOR_END: char_tokenizer

// ANCHOR: char_tokenizer_new
impl CharTokenizer {
    /// The most distinct characters a vocabulary can hold.
    pub const MAX_VOCAB_SIZE: usize = 1 << 16;

    /// Builds the vocabulary of `text`: its distinct characters, sorted.
    ///
    /// # Errors
    /// [`TokenizerError::EmptyVocabulary`] if `text` is empty,
    /// [`TokenizerError::TooManyCharacters`] beyond 65,536 distinct ones.
    pub fn new(text: &str) -> Result<Self, TokenizerError> {
        let mut distinct = BTreeSet::new();
        distinct.extend(text.chars()); // to collect would first list them all
        Self::from_vocabulary(distinct.into_iter().collect())
    }

    /// Restores a tokenizer from a vocabulary saved earlier.
    ///
    /// # Errors
    /// Also [`TokenizerError::NotSorted`], if a character is not greater than
    /// the one before it: then the list did not come from a tokenizer.
    pub fn from_vocabulary(
        vocabulary: Vec<char>,
    ) -> Result<Self, TokenizerError> {
        if vocabulary.is_empty() {
            return Err(TokenizerError::EmptyVocabulary);
        }
        if vocabulary.len() > Self::MAX_VOCAB_SIZE {
            return Err(TokenizerError::TooManyCharacters(vocabulary.len()));
        }
        match vocabulary.windows(2).position(|pair| pair[0] >= pair[1]) {
            Some(i) => Err(TokenizerError::NotSorted { position: i + 1 }),
            None => Ok(Self { vocabulary }),
        }
    }
}
// ANCHOR_END: char_tokenizer_new

// ANCHOR: char_tokenizer_vocabulary
impl CharTokenizer {
    /// The vocabulary, sorted: the character with id `i` is at index `i`.
    pub fn vocabulary(&self) -> &[char] {
        &self.vocabulary
    }

    /// How many ids there are.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.len()
    }
}
// ANCHOR_END: char_tokenizer_vocabulary

// ANCHOR: encode
impl CharTokenizer {
    /// Looks up the id of every character.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownCharacters`], which names each distinct
    /// character that the vocabulary lacks and where it came first.
    pub fn encode(&self, text: &str) -> Result<Vec<u16>, TokenizerError> {
        let mut ids = Vec::with_capacity(text.len());
        let mut unknown: Vec<(char, usize)> = Vec::new();
        for (position, c) in text.chars().enumerate() {
            match self.vocabulary.binary_search(&c) {
                Ok(id) => ids.push(id as u16),
                Err(_) if unknown.iter().any(|&(known, _)| known == c) => {}
                Err(_) => unknown.push((c, position)),
            }
        }
        if unknown.is_empty() {
            return Ok(ids);
        }
        let vocab_size = self.vocab_size();
        Err(TokenizerError::UnknownCharacters { unknown, vocab_size })
    }
}
// ANCHOR_END: encode

// ANCHOR: decode
impl CharTokenizer {
    /// Looks up the character of every id: the inverse of
    /// [`encode`](CharTokenizer::encode).
    ///
    /// # Errors
    /// [`TokenizerError::UnknownId`] for the first id that is not below
    /// [`vocab_size`](CharTokenizer::vocab_size).
    pub fn decode(&self, ids: &[u16]) -> Result<String, TokenizerError> {
        let character = |(position, &id): (usize, &u16)| {
            let vocab_size = self.vocab_size();
            let error = TokenizerError::UnknownId { id, position, vocab_size };
            self.vocabulary.get(usize::from(id)).ok_or(error)
        };
        ids.iter().enumerate().map(character).collect()
    }
}
// ANCHOR_END: decode

// ANCHOR: tokenizer_error
/// What can be wrong with a text, a list of ids or a saved vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenizerError {
    /// There is no character to make a vocabulary of.
    EmptyVocabulary,
    /// More distinct characters (the number given) than ids of two bytes.
    TooManyCharacters(usize),
    /// A saved vocabulary is not in strictly ascending order.
    NotSorted {
        /// The index of the first character out of order.
        position: usize,
    },
    /// The text holds characters that the vocabulary does not.
    UnknownCharacters {
        /// Each of them once, with the place (in characters) of its first use.
        unknown: Vec<(char, usize)>,
        /// The size of the vocabulary.
        vocab_size: usize,
    },
    /// An id is not in the vocabulary.
    UnknownId {
        /// The id.
        id: u16,
        /// Its index in the list.
        position: usize,
        /// The size of the vocabulary.
        vocab_size: usize,
    },
}
// ANCHOR_END: tokenizer_error

/// What a character is that cannot be seen, or not told from another, and what
/// to do about it; `None` for all others.
///
/// ```
/// use microgpt::tokenization::unseen;
///
/// let what = unseen('\u{301}').unwrap(); // the accent alone of a decomposed é
/// assert!(what.starts_with("a combining mark"));
/// assert_eq!(unseen('é'), None);
/// ```
pub fn unseen(c: char) -> Option<&'static str> {
    let what = match u32::from(c) {
        0x300..=0x36f
        | 0x1ab0..=0x1aff
        | 0x1dc0..=0x1dff
        | 0x20d0..=0x20ff
        | 0xfe20..=0xfe2f
        | 0x3099
        | 0x309a => {
            "a combining mark: the text may be in decomposed form; convert it \
             to NFC"
        }
        0xfeff => "a byte-order mark; remove it",
        0x200b..=0x200d | 0x2060..=0x2064 | 0x180e => {
            "a zero-width character; remove it"
        }
        0xad => "a soft hyphen; remove it",
        0x61c | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069 => {
            "a mark of the direction of writing; remove it"
        }
        0xfe00..=0xfe0f | 0xe0100..=0xe01ef => {
            "a variation selector; remove it"
        }
        0xe0000..=0xe007f => "a tag; remove it",
        0xa0 | 0x1680 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000 => {
            "a space of another kind; use the plain one"
        }
        0x2028 | 0x2029 => "a separator; use a line break",
        _ => return None,
    };
    Some(what)
}

impl fmt::Display for TokenizerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyVocabulary => {
                write!(f, "the text is empty; a vocabulary needs a character")
            }
            Self::TooManyCharacters(count) => write!(
                f,
                "the text has {count} distinct characters; ids of two bytes \
                 allow {}",
                CharTokenizer::MAX_VOCAB_SIZE
            ),
            Self::NotSorted { position } => write!(
                f,
                "the vocabulary is out of order at {position}; a tokenizer \
                 keeps its characters sorted, each once"
            ),
            Self::UnknownCharacters { unknown, vocab_size } => {
                let s = if unknown.len() == 1 { "" } else { "s" };
                write!(f, "unknown character{s} ")?;
                write_unknown(f, unknown)?;
                write!(f, "; the vocabulary has {vocab_size} characters")
            }
            Self::UnknownId { id, position, vocab_size } => write!(
                f,
                "unknown id {id} at {position}; the vocabulary has \
                 {vocab_size} characters, ids 0 to {}",
                vocab_size - 1
            ),
        }
    }
}

/// The first ten, and how many more.
fn write_unknown(
    f: &mut fmt::Formatter<'_>,
    unknown: &[(char, usize)],
) -> fmt::Result {
    let mut told = None; // the same advice only once
    for (i, &(c, position)) in unknown.iter().take(10).enumerate() {
        let (comma, code) = (if i == 0 { "" } else { ", " }, u32::from(c));
        match unseen(c) {
            None => write!(f, "{comma}{c:?}")?,
            what if what == told => write!(f, "{comma}U+{code:04X}")?,
            Some(what) => write!(f, "{comma}U+{code:04X} ({what})")?,
        }
        told = unseen(c).or(told);
        write!(f, " at {position}")?;
    }
    match unknown.len().saturating_sub(10) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

impl std::error::Error for TokenizerError {}
