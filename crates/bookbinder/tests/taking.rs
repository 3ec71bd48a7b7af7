//! The page that says how to take a chapter along, followed to the letter: a
//! new project for each row of its table, built and run.

use std::collections::BTreeSet;
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::Path;
use std::process::Command;

use bookbinder::root;

/// What the program `chapters-code/taking/MODULE.rs` prints.
const PRINTED: [(&str, &str); 7] = [
    ("orientation", "0.25 0.75 11"),
    ("tokenization", "[4, 3, 0, 1, 2] to be"),
    ("embeddings", "4 2"),
    ("transformer_block", "12 of 12 derivatives agree with measured ones"),
    ("gpt", "2.3 0.000"),
    ("training", "1.4 true"),
    ("generation", "[2, 2, 2, 2, 2, 2]"),
];

fn read(path: &str) -> String {
    let text = fs::read_to_string(root().join(path));
    text.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The words between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_string).collect()
}

/// What a module needs, as the page says.
struct Row {
    module: String,
    files: Vec<String>, // modules, without `.rs`
    lines: Vec<String>,
    crates: Vec<String>, // and their features
}

fn rows() -> Vec<Row> {
    let page = read("book/appendix/taking.md");
    let table = page.lines().filter(|line| line.starts_with("| [`"));
    let rows = table.map(|line| {
        let mut cells = line.split('|').skip(1).map(quoted);
        let mut next = || cells.next().expect("four columns");
        let stem = |file: String| file.replace(".rs", "");
        let module = next().into_iter().map(stem).collect();
        let files = next().into_iter().map(stem).collect();
        Row { module, files, lines: next(), crates: next() }
    });
    rows.collect()
}

/// The line of `chapters-code/root.rs` that declares `name`.
fn line(name: &str) -> String {
    let root = read("chapters-code/root.rs");
    let declares = |line: &&str| {
        let head = line.split(['=', '(', ';']).next().unwrap_or("").trim();
        head.ends_with(name)
    };
    let line = root.lines().find(declares);
    line.unwrap_or_else(|| panic!("no line declares {name}")).to_string()
}

/// The lines of `Cargo.toml` that the page shows.
fn dependencies() -> String {
    let manifest = read("Cargo.toml");
    let (_, rest) = manifest.split_once("# ANCHOR: taking\n").expect("begin");
    rest.split_once("# ANCHOR_END: taking").expect("an end").0.to_string()
}

/// Writes the project that a row describes.
fn write(row: &Row, float: &str, folder: &Path) {
    let Row { module, files, lines, crates } = row;
    let mut main = String::from(
        "#![allow(dead_code)]\n\
         #![deny(unused_crate_dependencies, unused_imports)]\n",
    );
    fs::create_dir_all(folder.join("src")).expect("a new folder");
    for file in files.iter().chain([module]) {
        main += &format!("mod {file};\n");
        let text = read(&format!("src/{file}.rs"));
        fs::write(folder.join(format!("src/{file}.rs")), text).expect("a copy");
    }
    for name in lines {
        main += &(line(name).replace("f32", float) + "\n");
    }
    main += &read(&format!("chapters-code/taking/{module}.rs"));
    fs::write(folder.join("src/main.rs"), main).expect("a program");

    let mut manifest = format!(
        "[package]\nname = \"{module}-{float}\"\nedition = \"2024\"\n\n\
         [dependencies]\n"
    );
    for line in dependencies().lines() {
        let name = line.split(" =").next().unwrap_or("");
        if crates.iter().any(|needed| needed == name) {
            manifest += &format!("{line}\n");
        }
    }
    fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
}

#[test]
fn every_module_runs_in_a_new_project() {
    let (rows, target) = (rows(), root().join("target/taking"));
    let modules: Vec<&str> = rows.iter().map(|row| &row.module[..]).collect();
    assert_eq!(modules, PRINTED.map(|(module, _)| module), "the table's rows");

    let workspace = tempfile::tempdir().expect("a temporary folder");
    let folder = workspace.path();
    let members = "[workspace]\nresolver = \"3\"\nmembers = [\"*-f*\"]\n\
                   [profile.dev]\ndebug = false\nincremental = false\n";
    fs::write(folder.join("Cargo.toml"), members).expect("a workspace");
    fs::write(folder.join("Cargo.lock"), read("Cargo.lock")).expect("a lock");
    for (row, float) in rows.iter().flat_map(|row| [(row, "f32"), (row, "f64")])
    {
        write(row, float, &folder.join(format!("{}-{float}", row.module)));
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--offline", "--quiet"]).current_dir(folder);
    let built = cargo.env("CARGO_TARGET_DIR", &target).output().expect("cargo");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );

    for (module, wanted) in PRINTED {
        for float in ["f32", "f64"] {
            let name = format!("debug/{module}-{float}{EXE_SUFFIX}");
            let run = Command::new(target.join(name)).output().expect("a run");
            let printed = String::from_utf8_lossy(&run.stdout);
            assert_eq!(printed.trim_end(), wanted, "{module} in {float}");
        }
    }
}

/// The compiler finds what is missing and what crate is too many; a file or a
/// line too many is one that no file of the row imports.
#[test]
fn no_row_lists_too_much() {
    for Row { module, files, lines, crates } in rows() {
        let sources = files.iter().chain([&module]);
        let sources: Vec<String> =
            sources.map(|file| read(&format!("src/{file}.rs"))).collect();
        let imports = sources.iter().flat_map(|text| {
            text.split("\nuse super::").skip(1).filter_map(|rest| {
                rest.split(';').next().map(|import| import.to_string())
            })
        });
        let imports: String = imports.collect::<Vec<_>>().join(" ");
        let words = imports.split(|c: char| !c.is_alphanumeric() && c != '_');
        let words: BTreeSet<&str> = words.collect();
        for name in files.iter().chain(&lines) {
            assert!(words.contains(&name[..]), "{module} needs no {name}");
        }
        let code = sources.iter().flat_map(|text| text.lines());
        let mut code = code.filter(|line| !line.trim().starts_with("//"));
        let chacha = code.any(|line| line.contains("ChaCha"));
        let listed = crates.iter().any(|name| name == "chacha");
        assert_eq!(listed, chacha, "whether {module} needs chacha");
    }
}

/// What the words `To copy this module` name, and what those need that it
/// names.
fn said(module: &str) -> BTreeSet<String> {
    let source = read(&format!("src/{module}.rs"));
    let docs = source.lines().map_while(|line| line.strip_prefix("//!"));
    let docs = docs.collect::<Vec<_>>().join("\n");
    let (_, words) = docs.split_once("To copy this module").expect(module);
    let mut names: BTreeSet<String> = quoted(words).into_iter().collect();
    if words.contains("need") {
        for (module, _) in PRINTED {
            if names.contains(module) {
                names.extend(said(module));
            }
        }
    }
    names
}

#[test]
fn each_module_says_what_its_row_says() {
    for Row { module, files, lines, crates } in rows() {
        let row = [files, lines, crates].concat().into_iter().collect();
        assert_eq!(said(&module), row, "what {module} needs");
    }
}

#[test]
fn the_page_shows_the_lines() {
    let page = read("book/appendix/taking.md");
    for shown in [
        "../../chapters-code/root.rs",
        "../../Cargo.toml:taking",
        "../../chapters-code/taking/transformer_block.rs",
    ] {
        assert!(page.contains(&format!("{{{{#include {shown}}}}}")), "{shown}");
    }
    assert!(read("README.md").contains("[five short lines]"));
}
