//! The module that the lab's pages load is what these sources give: to the
//! digest of the sources always, and to the byte where the compiler is the one
//! that made it.
//!
//! `INSTA_UPDATE=always cargo test --package bookbinder --test lab` makes it
//! anew. It takes `rustup target add wasm32-unknown-unknown`.

#[path = "support/packed.rs"]
mod packed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use packed::{pack, unpack};
use sha2::{Digest, Sha256};

const TARGET: &str = "wasm32-unknown-unknown";

/// What a page may have to load: the crate, checkpoints and the sonnets.
const MOST: usize = 420_000; // bytes

/// What the module is made of.
fn sources() -> Vec<PathBuf> {
    let root = bookbinder::root();
    let mut found: Vec<PathBuf> = ["Cargo.toml", "Cargo.lock"]
        .iter()
        .chain(&["crates/lab/Cargo.toml", "chapters-code/data/sonnets.txt"])
        .map(|file| root.join(file))
        .collect();
    let mut folders = vec![root.join("src"), root.join("crates/lab/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn digest() -> String {
    let mut hash = Sha256::new();
    for source in sources() {
        let path = source.strip_prefix(bookbinder::root()).unwrap();
        let path = path.to_str().unwrap().replace('\\', "/");
        let bytes = fs::read(&source).unwrap();
        hash.update(format!("{path} {}\n", bytes.len()));
        hash.update(bytes);
    }
    let hash = hash.finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn has_target() -> bool {
    let rustc = |what| {
        let asked = ["--print", what, "--target", TARGET];
        let output = Command::new("rustc").args(asked).output().unwrap();
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    };
    rustc("target-libdir").is_dir()
}

/// Compiles the module, with no path of this machine in it.
fn build() -> Vec<u8> {
    let root = bookbinder::root();
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let hide = |path: &Path, name: &str| {
        format!("--remap-path-prefix={}={name}", path.display())
    };
    let flags = [
        "-Ctarget-feature=+simd128".to_owned(),
        hide(&root, "/microgpt"),
        hide(&home.expect("a home"), "/cargo"),
    ];
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", "lab"])
        .args(["--profile", "page", "--target", TARGET, "--target-dir"])
        .arg(&folder)
        .current_dir(&root)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .status()
        .unwrap();
    assert!(status.success(), "the lab does not compile");
    fs::read(folder.join(TARGET).join("page/lab.wasm")).unwrap()
}

fn script(module: &[u8]) -> String {
    let sonnets = bookbinder::root().join("chapters-code/data/sonnets.txt");
    format!(
        "// {}; sources {}; made by crates/bookbinder/tests/lab.rs\n\
         'use strict';\n\
         globalThis.MICROGPT = {{\n    \
             module: '{}',\n    \
             sonnets: '{}',\n\
         }};\n",
        compiler(),
        digest(),
        pack(module),
        pack(&fs::read(sonnets).unwrap()),
    )
}

#[test]
fn the_module_is_made_of_these_sources() {
    let file = bookbinder::root().join("book/lab/microgpt.js");
    let renew = std::env::var("INSTA_UPDATE").is_ok_and(|it| it == "always");
    if renew {
        fs::write(&file, script(&build())).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap();
    assert!(found.len() <= MOST, "{} bytes are too many", found.len());
    let (first, _) = found.split_once('\n').unwrap();
    let made_by = first.strip_prefix("// ").unwrap();
    let (version, rest) = made_by.split_once("; sources ").unwrap();
    assert!(
        rest.starts_with(&digest()),
        "the sources have changed since book/lab/microgpt.js was made; make it \
         anew: INSTA_UPDATE=always cargo test --package bookbinder --test lab"
    );
    if version != compiler() {
        eprintln!(
            "book/lab/microgpt.js was made by {version}, and this is {}: only \
             the digest of its sources was compared",
            compiler()
        );
        return;
    }
    if !has_target() {
        eprintln!(
            "no standard library for {TARGET} (rustup target add {TARGET}): \
             only the digest of the sources was compared"
        );
        return;
    }
    let packed = found.split("module: '").nth(1).unwrap();
    let (packed, _) = packed.split_once('\'').unwrap();
    assert!(unpack(packed) == build(), "other bytes than in microgpt.js");
    assert!(found == script(&unpack(packed)), "the script around the module");
}

/// A reader may study these scripts, on paper or beside a page.
#[test]
fn the_scripts_are_short_and_narrow() {
    let made = ["microgpt.js", "trained.js"];
    let folder = bookbinder::root().join("book/lab");
    let mut looked_at = 0;
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if made.contains(&name.as_str()) {
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        let lines = text.lines().count();
        assert!(lines <= 280, "{name} has {lines} lines");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
        looked_at += 1;
    }
    assert!(looked_at > 9);
}

/// The runs that the widget of chapter 6 shows beside the reader's are those of
/// the page, rounded.
#[test]
fn the_page_s_runs_in_the_lab_are_those_of_the_record() {
    let root = bookbinder::root();
    let read = |path| fs::read_to_string(root.join(path)).unwrap();
    let record = read("book/records/training/sweep.txt");
    let (_, rows) = record.split_once("validation\n").unwrap();
    let recorded = rows.lines().map(|row| {
        let (rate, loss) = row.split_once(' ').unwrap();
        let number = |text: &str| text.trim().parse::<f64>().unwrap();
        (number(rate), format!("{:.2}", number(loss)))
    });
    let script = read("book/lab/training.js");
    let (_, list) = script.split_once("PAGE = [[").unwrap();
    let (list, _) = list.split_once("]];").unwrap();
    let shown = list.split("], [").flat_map(|it| it.split("],\n        ["));
    let shown = shown.map(|pair| {
        let (rate, loss) = pair.split_once(", ").unwrap();
        (rate.parse::<f64>().unwrap(), loss.to_owned())
    });
    let shown: Vec<_> = shown.collect();
    assert_eq!(shown, recorded.collect::<Vec<_>>());
}
