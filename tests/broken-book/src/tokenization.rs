//! A method that no page shows as code.

// ANCHOR: tokenizer
pub struct Tokenizer {
    pub vocabulary: Vec<char>,
}
// ANCHOR_END: tokenizer

// ANCHOR: hidden
impl Tokenizer {
    pub(crate) fn of_the_crate(&self) {}

    pub const fn hidden(&self) {}
}
// ANCHOR_END: hidden
