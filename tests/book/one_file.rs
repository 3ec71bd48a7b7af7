//! The whole book as one file: the modules and the program `pipeline`, which a
//! reader can carry away as they carry away the original.

use std::path::Path;

use crate::library::READING_ORDER;

const HEAD: &str = "\
//! MicroGPT in one file, as the original is: the seven modules of the chapters,
//! each comment cut to its first paragraph, and the program `pipeline`.
//!
//! A test writes this file; change `src` and `pipeline.rs` instead. To take it
//! along, bring the text that it learns, `sonnets.txt`, and the crates
//! `gemm-common`, `gemm-f32`, `ndarray`, `rand`, `rand_distr` and `rayon`.

// The program does not use all that the chapters have made.
#![allow(dead_code)]

";

/// The file as it should be.
pub fn one_file(root: &Path) -> String {
    let read = |path: String| {
        let text = std::fs::read_to_string(root.join(&path));
        text.unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let root = read("src/root.rs".to_string());
    let (_, root) = root.split_once("\n\n").expect("its documentation");
    let mut file = HEAD.to_string() + &first_paragraphs(root);
    for module in READING_ORDER {
        let text = first_paragraphs(&read(format!("src/{module}.rs")));
        // Indented, lines are longer than rustfmt would have them
        file += &format!("\n#[rustfmt::skip]\npub mod {module} {{\n");
        file += &text.lines().map(indented).collect::<String>();
        file += "}\n";
    }
    let program = read("examples/pipeline.rs".to_string());
    let program = program.lines().filter(|line| !line.starts_with("//!"));
    let program: Vec<&str> = program.collect();
    file + &program.join("\n").replace("use microgpt::", "use crate::") + "\n"
}

/// The text without anchors, and with only the first paragraph of each comment
/// of documentation, after the title where there is one.
fn first_paragraphs(text: &str) -> String {
    let mut kept = String::new();
    let mut above = ""; // the line above, without its indentation
    let mut ended = false; // the first paragraph of the present comment
    for line in text.lines() {
        let here = line.trim_start();
        let empty = here == "///" || here == "//!";
        let documents = here.starts_with("///") || here.starts_with("//!");
        ended = documents && (ended || empty && !above.starts_with("//! # "));
        above = here;
        let anchor = here.starts_with("// ANCHOR");
        if !ended && !anchor {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

fn indented(line: &str) -> String {
    match line {
        "" => "\n".to_string(),
        line => format!("    {line}\n"),
    }
}
