//! Nothing is wrong here, but a reader in a hurry could think so.

// ANCHOR: shout
/// Says `{` and "(" aloud: brackets that open nothing.
#[derive(
    Clone,
    Debug,
)]
pub struct Shout<'a> {
    pub words: &'a [&'a str], // { [ (
}

/* A comment /* in a comment */ that opens { and never closes it. */
impl<'a> Shout<'a> {
    pub fn brackets() -> (char, char, char, &'static str) {
        ['\\','{'];
        ('{', '\'', '"', r#"{ " ["#)
    }
}
// ANCHOR_END: shout

// ANCHOR: a-constant
/// In the words of the manual: \"{\".
pub const BRACE: &str = "{ \" // {";
// ANCHOR_END: a-constant
