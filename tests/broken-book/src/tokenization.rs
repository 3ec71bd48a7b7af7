//! A method that no page shows.

// ANCHOR: tokenizer
pub struct Tokenizer {
    pub vocabulary: Vec<char>,
}
// ANCHOR_END: tokenizer

impl Tokenizer {
    pub(crate) fn of_the_crate(&self) {}

    pub const fn hidden(&self) {}
}
