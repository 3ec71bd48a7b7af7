//! Any text, vocabulary and ids: there and back, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microgpt::tokenization::CharTokenizer;

fuzz_target!(|input: (String, String, Vec<char>, Vec<u16>)| {
    let (text, other, vocabulary, ids) = input;
    if let Ok(tokenizer) = CharTokenizer::new(&text) {
        let ids = tokenizer.encode(&text).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        let again = tokenizer.vocabulary().to_vec();
        assert_eq!(CharTokenizer::from_vocabulary(again).unwrap(), tokenizer);
        match tokenizer.encode(&other) {
            Ok(ids) => assert_eq!(tokenizer.decode(&ids).unwrap(), other),
            Err(error) => drop(error.to_string()),
        }
    } else {
        assert!(text.is_empty());
    }
    match CharTokenizer::from_vocabulary(vocabulary) {
        Ok(tokenizer) => match tokenizer.decode(&ids) {
            Ok(text) => assert_eq!(tokenizer.encode(&text).unwrap(), ids),
            Err(error) => drop(error.to_string()),
        },
        Err(error) => drop(error.to_string()),
    }
});
