use tokenization::{CharTokenizer, TokenizerError};

fn main() -> Result<(), TokenizerError> {
    let tokenizer = CharTokenizer::new("to be")?;
    let ids = tokenizer.encode("to be")?; // of ' ', b, e, o, t
    println!("{ids:?} {}", tokenizer.decode(&ids)?);
    Ok(())
}
