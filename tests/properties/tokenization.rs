use byte_pairs::BytePairs;
use microgpt::tokenization::{CharTokenizer, TokenizerError};
use proptest::prelude::*;

#[path = "../../chapters-code/tokenization/byte_pairs.rs"]
mod byte_pairs;

/// Texts of all of Unicode: line breaks, accents and all else that a pattern
/// for what can be printed leaves out.
fn text() -> impl Strategy<Value = String> {
    let characters = prop::collection::vec(any::<char>(), 1..=80);
    characters.prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #[test]
    fn encode_then_decode_gives_the_text_back(text in text()) {
        let tokenizer = CharTokenizer::new(&text).unwrap();
        let ids = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(ids.len(), text.chars().count());
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }

    #[test]
    fn decode_then_encode_gives_the_ids_back(ids in prop::collection::vec(0u16..26, 0..50)) {
        let tokenizer = CharTokenizer::new("thequickbrownfxjmpsvlazydg").unwrap();
        prop_assert_eq!(tokenizer.vocab_size(), 26);
        let text = tokenizer.decode(&ids).unwrap();
        prop_assert_eq!(tokenizer.encode(&text).unwrap(), ids);
    }

    #[test]
    fn the_vocabulary_is_sorted_and_restores_the_tokenizer(text in text()) {
        let tokenizer = CharTokenizer::new(&text).unwrap();
        let vocabulary = tokenizer.vocabulary().to_vec();
        prop_assert!(vocabulary.windows(2).all(|pair| pair[0] < pair[1]));
        let restored = CharTokenizer::from_vocabulary(vocabulary).unwrap();
        prop_assert_eq!(restored, tokenizer);
    }

    /// Also of runs like `aaa`, in which pairs overlap; and each merge makes
    /// the text shorter by at least one token.
    #[test]
    fn byte_pairs_give_the_text_back(text in "[ab c]{1,60}", merges in 0usize..20) {
        let pairs = BytePairs::learn(&text, merges).unwrap();
        let ids = pairs.encode(&text).unwrap();
        prop_assert!(ids.len() + pairs.merges.len() <= text.len());
        prop_assert_eq!(pairs.decode(&ids), text);
    }
}

#[test]
fn ids_are_places_in_the_sorted_alphabet() {
    let tokenizer = CharTokenizer::new("hello\n").unwrap();
    assert_eq!(tokenizer.vocabulary(), ['\n', 'e', 'h', 'l', 'o']);
    assert_eq!(tokenizer.encode("hole").unwrap(), [2, 4, 3, 1]);
}

#[test]
fn every_unknown_character_is_named_once_with_its_place() {
    let tokenizer = CharTokenizer::new("abc").unwrap();
    let error = tokenizer.encode("a§b€c§").unwrap_err();
    let unknown = vec![('§', 1), ('€', 3)];
    assert_eq!(
        error,
        TokenizerError::UnknownCharacters { unknown, vocab_size: 3 }
    );
    assert_eq!(
        error.to_string(),
        "unknown characters '§' at 1, '€' at 3; the vocabulary has 3 characters"
    );
    assert_eq!(
        tokenizer.encode("\t").unwrap_err().to_string(),
        "unknown character '\\t' at 0; the vocabulary has 3 characters"
    );
}

/// By its code point and with what to do; of many, the first ten.
#[test]
fn an_unknown_character_that_cannot_be_seen_is_named() {
    let tokenizer = CharTokenizer::new("caf\u{e9}").unwrap();
    let said = |text: &str| tokenizer.encode(text).unwrap_err().to_string();
    assert_eq!(
        said("e\u{301}e\u{300}"),
        "unknown characters 'e' at 0, U+0301 (a combining mark: the text may be \
         in decomposed form; convert it to NFC) at 1, U+0300 at 3; the \
         vocabulary has 4 characters"
    );
    for (c, what) in [
        ('\u{feff}', "U+FEFF (a byte-order mark; remove it)"),
        ('\u{200b}', "U+200B (a zero-width character; remove it)"),
        ('\u{200d}', "U+200D (a zero-width character; remove it)"),
        ('\u{ad}', "U+00AD (a soft hyphen; remove it)"),
        ('\u{202e}', "U+202E (a mark of the direction of writing; remove it)"),
        ('\u{fe0f}', "U+FE0F (a variation selector; remove it)"),
        ('\u{a0}', "U+00A0 (a space of another kind; use the plain one)"),
        ('\u{2028}', "U+2028 (a separator; use a line break)"),
        ('\u{e0041}', "U+E0041 (a tag; remove it)"),
        ('\u{1}', "'\\u{1}'"),
    ] {
        let said = said(&format!("ca{c}"));
        let expected = format!("unknown character {what} at 2; ");
        assert!(said.starts_with(&expected), "{said}");
    }
    let many: String = ('\u{4e00}'..).take(12).collect();
    assert!(said(&many[..30]).contains(" at 9; the vocabulary has 4"));
    assert!(said(&many).contains(" at 9 and 2 more; the vocabulary has 4"));
}

#[test]
fn what_is_no_vocabulary_is_refused() {
    assert_eq!(CharTokenizer::new(""), Err(TokenizerError::EmptyVocabulary));
    for bad in [vec!['b', 'a'], vec!['a', 'a']] {
        assert_eq!(
            CharTokenizer::from_vocabulary(bad),
            Err(TokenizerError::NotSorted { position: 1 })
        );
    }
    let many: Vec<char> = ('\0'..=char::MAX).take(65_537).collect();
    assert!(CharTokenizer::from_vocabulary(many[..65_536].to_vec()).is_ok());
    assert_eq!(
        CharTokenizer::from_vocabulary(many),
        Err(TokenizerError::TooManyCharacters(65_537))
    );
}

#[test]
fn an_unknown_id_is_named_with_its_place() {
    let tokenizer = CharTokenizer::new("abc").unwrap();
    let error = tokenizer.decode(&[0, 3]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown id 3 at 1; the vocabulary has 3 characters, ids 0 to 2"
    );
}

#[test]
fn nothing_encodes_to_nothing() {
    let tokenizer = CharTokenizer::new("a").unwrap();
    assert_eq!(tokenizer.encode("").unwrap(), [0u16; 0]);
    assert_eq!(tokenizer.decode(&[]).unwrap(), "");
}
