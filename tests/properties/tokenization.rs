use microgpt::tokenization::{CharTokenizer, TokenizerError};
use proptest::prelude::*;

proptest! {
    #[test]
    fn encode_then_decode_gives_the_text_back(text in "\\PC{1,80}") {
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
    fn the_vocabulary_is_sorted_and_restores_the_tokenizer(text in "\\PC{1,40}") {
        let tokenizer = CharTokenizer::new(&text).unwrap();
        let vocabulary = tokenizer.vocabulary().to_vec();
        prop_assert!(vocabulary.windows(2).all(|pair| pair[0] < pair[1]));
        let restored = CharTokenizer::from_vocabulary(vocabulary).unwrap();
        prop_assert_eq!(restored, tokenizer);
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
