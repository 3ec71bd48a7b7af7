//! Chapter 2: `encode(text: &str, vocab: &[char]) -> Result<Vec<usize>, char>`.

use along::encode;

const VOCAB: [char; 5] = [' ', 'b', 'e', 'o', 't'];

#[test]
fn an_id_is_a_place_in_the_vocabulary() {
    assert_eq!(encode("to be", &VOCAB), Ok(vec![4, 3, 0, 1, 2]));
    assert_eq!(encode("", &VOCAB), Ok(vec![]));
}

#[test]
fn characters_are_not_bytes() {
    assert_eq!(encode("né", &['n', 'é']), Ok(vec![0, 1]));
}

#[test]
fn the_first_unknown_character_is_named() {
    assert_eq!(encode("tobaz", &VOCAB), Err('a'));
}
