//! The crate of the page "Build along", filled with functions as a reader would
//! write them: with right ones every judge is content, and with each of these
//! wrong ones, one is not.

use std::fs;
use std::path::Path;
use std::process::Command;

use bookbinder::root;

const CRATE: &str = "chapters-code/along";

/// A judge, what is wrong, and how it comes out of the right functions.
const FAULTS: [(&str, &str, &str, &str); 16] = [
    (
        "orientation",
        "the largest logit stays in",
        "(z - max).exp()).collect()",
        "z.exp()).collect()",
    ),
    (
        "orientation",
        "nothing is divided",
        "map(|e| e / sum)",
        "map(|e| e / 1.0f64.max(sum - sum))",
    ),
    (
        "tokenization",
        "bytes for characters",
        "text.chars().map(id)",
        "text.bytes().map(char::from).map(id)",
    ),
    (
        "tokenization",
        "unknown characters left out",
        "text.chars().map(id).collect()",
        "Ok(text.chars().map(id).flatten().collect())",
    ),
    ("embeddings", "the last look-up wins", "row += &dy", "row.assign(&dy)"),
    ("embeddings", "a row too few", "zip(dy.rows())", "zip(dy.rows()).skip(1)"),
    ("transformer_block", "no mask", "[..=i]", "[..]"),
    ("transformer_block", "a position does not see itself", "[..=i]", "[..i]"),
    (
        "transformer_block",
        "no root",
        "q.dot(&k.t()) / (q.ncols() as f64).sqrt()",
        "q.dot(&k.t())",
    ),
    (
        "transformer_block",
        "the mean is forgotten",
        "(dp - mean)",
        "(dp - 0.0 * mean)",
    ),
    ("gpt", "the sum for the mean", "(log_sum - z[y]) / n", "log_sum - z[y]"),
    (
        "gpt",
        "the target is forgotten",
        "f64::from(u8::from(j == y))",
        "0.0 * f64::from(u8::from(j == y))",
    ),
    ("training", "no bias correction", "*m / (1.0 - beta1.powi(t))", "*m"),
    (
        "training",
        "decay goes through the gradient",
        "zip(g).zip(m)",
        "zip(g.iter().map(|g| g + 2.0 * decay)).zip(m)",
    ),
    (
        "generation",
        "multiplied by the temperature",
        "z / temperature",
        "z * temperature",
    ),
    (
        "generation",
        "the sum of one is trusted",
        "p.iter().rposition(|&p| p > 0.0).unwrap_or(0)",
        "p.len()",
    ),
];

const JUDGES: [&str; 7] = [
    "orientation",
    "tokenization",
    "embeddings",
    "transformer_block",
    "gpt",
    "training",
    "generation",
];

fn read(path: &str) -> String {
    let text = fs::read_to_string(root().join(path));
    text.unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a new folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let from = entry.expect("a file").path();
        let to = to.join(from.file_name().expect("a name"));
        match from.is_dir() {
            true if to.ends_with("target") => {}
            true => copy(&from, &to),
            false => drop(fs::copy(&from, &to).expect("a copy")),
        }
    }
}

/// A reader's copy of the crate.
struct Copy(tempfile::TempDir);

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        copy(&root().join(CRATE), folder.path());
        Self(folder)
    }

    /// Whether cargo succeeds, and what is printed.
    fn cargo(&self, library: &str, arguments: &[&str]) -> (bool, String) {
        fs::write(self.0.path().join("src/lib.rs"), library)
            .expect("a library");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).args(["--offline", "--quiet"]);
        cargo.env("CARGO_TARGET_DIR", root().join("target/along"));
        let run = cargo.current_dir(self.0.path()).output().expect("cargo");
        let said = [run.stdout, run.stderr].concat();
        (run.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

/// `text` is what the page shows. `INSTA_UPDATE=always` renews it.
fn assert_shown(name: &str, text: &str) {
    let path = root().join(CRATE).join(format!("snapshots/{name}.snap"));
    let header = "---\nsource: crates/bookbinder/tests/along.rs\nexpression: text\n---\n";
    let text = format!("{header}{}\n", text.trim_end());
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&path, &text).expect("a place for the snapshot");
    }
    let shown = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown.replace("\r\n", "\n"), text, "{}", path.display());
}

/// Trains the model of the functions, as the page tells the reader to.
fn learn(copy: &Copy, library: &str) -> String {
    let (built, said) = copy.cargo(library, &["build", "--example", "learn"]);
    assert!(built, "{said}");
    let name = format!("debug/examples/learn{}", std::env::consts::EXE_SUFFIX);
    let mut program = Command::new(root().join("target/along").join(name));
    let run =
        program.arg(root().join("chapters-code/data/sonnets.txt")).output();
    let run = run.expect("a run");
    let failed = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{failed}");
    String::from_utf8_lossy(&run.stdout).into_owned()
}

/// One test, because two would take each other's crate out of the folder that
/// cargo builds in.
#[test]
fn judges_are_content_with_right_functions_only() {
    let copy = Copy::new();
    let right = read("chapters-code/along/solutions.rs");
    for judge in JUDGES {
        let (content, said) = copy.cargo(&right, &["test", "--test", judge]);
        assert!(content, "{judge}: {said}");
    }
    assert_shown("learn", &learn(&copy, &right));

    for (judge, fault, from, to) in FAULTS {
        assert_eq!(right.matches(from).count(), 1, "{fault}: {from}");
        let wrong = right.replace(from, to);
        let (content, said) = copy.cargo(&wrong, &["test", "--test", judge]);
        let failed = said.contains("test result: FAILED");
        assert!(!content && failed, "{judge}, {fault}: {said}");
        if fault == "the mean is forgotten" {
            let line = said.lines().find(|line| line.contains("yours is"));
            assert_shown("no_mean", line.expect("what is wrong"));
        }
    }
}

#[test]
fn the_crate_begins_empty_and_has_the_versions_of_the_book() {
    let library = read("chapters-code/along/src/lib.rs");
    assert!(!library.contains("fn "), "the reader has to write it:\n{library}");
    let lock = read("Cargo.lock");
    let packages = read("chapters-code/along/Cargo.lock");
    for package in packages.split("[[package]]").skip(1) {
        let own = package.contains("\"along\"");
        let part = package.split("dependencies").next().unwrap_or("");
        assert!(own || lock.contains(part.trim_end()), "{package}");
    }
}

#[test]
fn the_page_names_every_judge_and_its_chapter_names_it() {
    let page = read("book/appendix/build_along.md");
    for judge in JUDGES {
        let command = format!("cargo test --test {judge}");
        assert!(page.contains(&command), "{command}");
        let chapter = read(&format!("book/{judge}.md"));
        assert!(chapter.contains(&command), "{judge}: {command}");
    }
}
