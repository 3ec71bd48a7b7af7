//! The Kneser–Ney model of the program `counting`.

#[allow(dead_code)] // what only the program itself calls
#[path = "../examples/counting.rs"]
mod program;

use program::KneserNey;
use proptest::prelude::*;

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

proptest! {
    #[test]
    fn kneser_ney_probabilities_sum_to_one(
        text in "[abc]{8,60}",
        run in "[abcd]{0,6}",
        order in 1usize..6,
    ) {
        let text = chars(&text);
        let model = KneserNey::new(&text, 4, order);
        let bets = ['a', 'b', 'c', 'd'].map(|c| {
            let mut run = chars(&run);
            run.push(c);
            model.probability(&run)
        });
        prop_assert!(bets.iter().all(|bet| *bet > 0.0), "{bets:?}");
        prop_assert!((bets.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

/// Different pairs end in o three times, in a space four times, in t twice, in
/// b, e, r and n once each: 13. So 2/3, 1 and 1/3 are taken off one, two, and
/// more; for two the formula has nothing left, and half is the rule.
///
/// Of the pairs nine occur once and four twice: 9/17 and 2 are taken off.
#[test]
fn kneser_ney_by_hand() {
    let text = chars("to be or not to be");
    let model = KneserNey::new(&text, 7, 2);
    let kept = 4.0 * 2.0 / 3.0 + 1.0 + 2.0 / 3.0;
    let o = (3.0 - 1.0 / 3.0 + kept / 7.0) / 13.0;
    assert!((model.probability(&['o']) - o).abs() < 1e-15);
    let after_t = (2.0 - 2.0 + (9.0 / 17.0 + 2.0) * o) / 3.0;
    assert!((model.probability(&['t', 'o']) - after_t).abs() < 1e-15);
}

/// What the chapter says of *hou* and *ing*.
#[test]
fn hou_stands_in_few_places_and_ing_in_many() {
    let text = chars(include_str!("../chapters-code/data/sonnets.txt"));
    let (text, _) = microgpt::training::split(&text);
    let places = |run: &[char]| {
        let found = text.windows(4).filter(|window| window[1..] == *run);
        let mut before: Vec<char> = found.map(|window| window[0]).collect();
        let count = before.len();
        before.sort_unstable();
        before.dedup();
        (count, before.len())
    };
    assert_eq!(places(&['h', 'o', 'u']), (352, 4));
    assert_eq!(places(&['i', 'n', 'g']), (368, 22));
}
