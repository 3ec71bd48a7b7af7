//! What is kept here from others is what others published, and the versions
//! that are named in several places agree.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

fn read(path: &str) -> String {
    fs::read_to_string(bookbinder::root().join(path)).expect(path)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The version of a crate that the workspace is built with.
fn locked(name: &str) -> String {
    let lock: toml::Table = read("Cargo.lock").parse().unwrap();
    let packages = lock["package"].as_array().unwrap().clone();
    let package = packages.iter().find(|p| p["name"].as_str() == Some(name));
    package.expect(name)["version"].as_str().unwrap().to_owned()
}

/// The versions that follow `name@` in a text.
fn asked_for<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let at = format!("{name}@");
    let starts = text.match_indices(&at).filter(|(index, _)| {
        // Not the end of another name
        !text[..*index].ends_with(|c: char| c.is_alphanumeric() || c == '-')
    });
    starts
        .map(|(index, _)| {
            let rest = &text[index + at.len()..];
            let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit());
            rest[..end.unwrap_or(rest.len())].trim_end_matches('.')
        })
        .collect()
}

/// Every file below `folder`, by its path from there.
fn files(folder: &Path, below: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            files(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
}

#[test]
fn the_files_of_katex_are_those_that_its_authors_published() {
    let readme = read("book/katex/README.md");
    let listed: BTreeMap<&str, &str> = readme
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.split('`').collect();
            (line.starts_with("| `")).then(|| (cells[1], cells[3]))
        })
        .collect();

    let folder = bookbinder::root().join("book/katex");
    let mut found = Vec::new();
    files(&folder, "", &mut found);
    found.retain(|name| name != "README.md");
    found.sort();
    assert_eq!(found, listed.keys().copied().collect::<Vec<_>>());

    for (name, sum) in listed {
        let bytes = fs::read(folder.join(name)).unwrap();
        assert_eq!(hex(&Sha256::digest(bytes)), sum, "{name} was changed");
    }
}

#[test]
fn the_stylesheet_is_of_the_katex_that_sets_the_formulas() {
    let header = mdbook_katex::preprocess::KATEX_HEADER;
    let bundled = asked_for(header, "katex");
    let ours = asked_for(&read("book/katex/README.md"), "katex").concat();
    assert_eq!(bundled, [ours]);
}

#[test]
fn the_programs_to_install_are_the_libraries_in_use() {
    for file in ["README.md", "book.toml"] {
        let text = read(file);
        for (program, library) in
            [("mdbook", "mdbook-driver"), ("mdbook-katex", "mdbook-katex")]
        {
            let versions = asked_for(&text, program);
            assert!(!versions.is_empty(), "{file} does not install {program}");
            for version in versions {
                assert_eq!(version, locked(library), "{program} in {file}");
            }
        }
    }
}
