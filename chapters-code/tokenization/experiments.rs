//! What the chapter claims about the whole model, tried out on it.

use std::error::Error;

use double::orientation::CountModel;
use double::tokenization::CharTokenizer;
use double::training::split;
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

use crate::first_model::{SONNETS, train, untrained};

/// All of them, in the order of the page.
pub fn all() -> Result<(), Box<dyn Error>> {
    loss_of_line_ends();
    renamed_ids()
}

// ANCHOR: renamed_ids
/// Gives every id another's name, and the row of the table with it.
fn renamed_ids() -> Result<(), Box<dyn Error>> {
    println!("[renamed ids]");
    let tokenizer = CharTokenizer::new(SONNETS)?;
    let ids = tokenizer.encode(SONNETS)?;
    let model = untrained(2)?;

    let mut new_name: Vec<u16> = (0..59).collect();
    new_name.shuffle(&mut ChaCha8Rng::seed_from_u64(2));
    let renamed: Vec<u16> =
        ids.iter().map(|&id| new_name[usize::from(id)]).collect();
    let mut other = model.clone();
    for (old, &new) in new_name.iter().enumerate() {
        let row = model.embeddings.token.row(old);
        other.embeddings.token.row_mut(usize::from(new)).assign(&row);
    }

    println!("\"love\" is {:?},", tokenizer.encode("love")?);
    println!("and now   {:?}", {
        let ids = tokenizer.encode("love")?;
        ids.iter().map(|&id| new_name[usize::from(id)]).collect::<Vec<_>>()
    });
    let (_, losses) = train(model, &ids, 200, 100)?;
    let (_, renamed) = train(other, &renamed, 200, 100)?;
    println!("losses     {losses:.6?}\nrenamed    {renamed:.6?}");
    Ok(())
}
// ANCHOR_END: renamed_ids

/// What a second character at the end of each line does to a loss.
fn loss_of_line_ends() {
    println!("[loss of line ends]");
    let other = SONNETS.replace('\n', "\r\n");
    for (name, text) in [("\\n", SONNETS), ("\\r\\n", &other)] {
        let text: Vec<char> = text.chars().collect();
        let (train, validation) = split(&text);
        let model = CountModel::new(train, &text, 4);
        let loss = model.cross_entropy(validation);
        let tokens = validation.len();
        println!("{name:4}  {tokens} tokens, {loss:.4} nats each");
    }
}
