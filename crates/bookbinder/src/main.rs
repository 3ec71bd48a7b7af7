//! `cargo book`: the book, in `target/book`, and beside it as one file.

use std::process::ExitCode;

use anyhow::Result;
use bookbinder::outline::Outline;
use bookbinder::{epub, pdf};
use clap::Parser;

/// Build the book into target/book
#[derive(Parser)]
#[command(bin_name = "cargo book")]
struct Options {
    /// Print it into target/microgpt-in-rust.pdf, with Chromium
    #[arg(long)]
    pdf: bool,
    /// Write target/microgpt-in-rust.epub, for e-readers
    #[arg(long)]
    epub: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(is_clean) => ExitCode::from(u8::from(!is_clean)),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what is asked for, and returns whether the book has no warnings.
fn run(options: &Options) -> Result<bool> {
    // Better missed before the work than after it
    let browser = options.pdf.then(pdf::browser).transpose()?;
    let root = bookbinder::root();
    let dest = root.join("target/book");
    let warnings = bookbinder::build(&root, &dest)?;
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    println!("The book is built. Open {}", dest.join("index.html").display());

    let outline = Outline::read(&root)?;
    if let Some(browser) = browser {
        let file = root.join("target/microgpt-in-rust.pdf");
        let pages = pdf::write(&browser, &outline, &dest, &file)?;
        println!("Its {pages} pages are in {}", file.display());
    }
    if options.epub {
        let file = root.join("target/microgpt-in-rust.epub");
        epub::write(&outline, &dest, &file)?;
        println!("For e-readers it is in {}", file.display());
    }
    Ok(warnings.is_empty())
}
