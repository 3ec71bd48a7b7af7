//! `cargo book`: the book, in `target/book`.

use std::process::ExitCode;

use anyhow::Result;

fn main() -> Result<ExitCode> {
    let root = bookbinder::root();
    let dest = root.join("target/book");
    let warnings = bookbinder::build(&root, &dest)?;
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    println!("The book is built. Open {}", dest.join("index.html").display());
    Ok(ExitCode::from(u8::from(!warnings.is_empty())))
}
