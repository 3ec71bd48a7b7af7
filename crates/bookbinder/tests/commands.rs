//! Every command that the README or a page tells a reader to type, typed.
//!
//! `cargo test --package bookbinder --test commands -- --nocapture` prints how long
//! each took.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use bookbinder::root;

/// Why a command is not run here.
enum Why {
    /// It takes minutes: what it printed is kept in these files of `book/records`,
    /// whose second line says by which command. That a program begins is seen
    /// here all the same, unless it needs a file.
    Recorded(&'static [&'static str]),
    /// The same, and each command has a record of its own.
    RecordedEach(&'static [&'static str]),
    /// `.ci/run` has this line.
    Decides(&'static str),
    /// Something else stands against it.
    Because(&'static str),
}

use Why::{Because, Decides, Recorded, RecordedEach};

/// Why commands of the page "Build along" are not run here.
const ALONG: &str =
    "in a crate that the reader writes; tests/along.rs does both";

/// What is not run here. With `…` at its end an entry is about all commands
/// that begin like it.
const ELSEWHERE: [(&str, Why); 72] = [
    // What a release takes
    ("cargo publish --package microgpt-book", Because("publishes")),
    ("bash .ci/package", Decides("bash .ci/package")),
    (
        "cargo install --locked cargo-deny",
        Because("minutes; .ci/run installs it"),
    ),
    (
        "cargo deny --workspace check licenses sources",
        Decides("  \"$deny\" --locked --workspace check licenses sources"),
    ),
    // What decides whether a change lands
    ("bash .ci/run", Because("runs this")),
    ("cargo test", Decides("cargo test --locked")),
    (
        "cargo test --package bookbinder",
        Decides("cargo test --locked --package bookbinder"),
    ),
    (
        "cargo book --pdf",
        Decides(
            "  cargo test --locked -p bookbinder --test browser -- --ignored --skip axe",
        ),
    ),
    (
        "cargo test --package bookbinder --test epub -- --ignored",
        Decides(
            "  cargo test --locked --package bookbinder --test epub -- --ignored",
        ),
    ),
    (
        "cargo test --package microgpt-cli",
        Because("a member that plain `cargo test` tests, too"),
    ),
    ("cargo install --path crates/cli", Because("minutes, and installs")),
    ("cargo test --workspace", Because("both halves are steps of .ci/run")),
    (
        "cargo test --package bookbinder --test taking",
        Decides("cargo test --locked --package bookbinder"),
    ),
    (
        "cargo test --package bookbinder --test browser lab",
        Decides("cargo test --locked --package bookbinder"),
    ),
    (
        "cargo test --package bookbinder --test browser axe -- --ignored",
        Decides(
            "  cargo test --locked --package bookbinder --test browser axe \
             -- --ignored",
        ),
    ),
    (
        "cargo test --package bookbinder --test lab",
        Decides("cargo test --locked --package bookbinder"),
    ),
    (
        "cargo test --package bookbinder --test along",
        Decides("cargo test --locked --package bookbinder"),
    ),
    ("cargo test --test orientation", Because(ALONG)),
    ("cargo test --test tokenization", Because(ALONG)),
    ("cargo test --test embeddings", Because(ALONG)),
    ("cargo test --test transformer_block", Because(ALONG)),
    ("cargo test --test gpt", Because(ALONG)),
    ("cargo test --test training", Because(ALONG)),
    ("cargo test --test generation", Because(ALONG)),
    (
        "cargo run --example shakespeare -- --temperature 0.5 --prompt \"Shall I\"",
        Because("a minute more; without options it is typed"),
    ),
    ("cargo run", Because("in a project of the reader's: tests/taking.rs")),
    ("cargo run --example learn -- ../data/sonnets.txt", Because(ALONG)),
    // What takes minutes
    ("cargo bench", Recorded(&["speed/scaling.txt"])),
    (
        "cargo bench -- --config S --mode train --threads 2",
        Recorded(&["speed/peers.txt", "speed/steps.txt"]),
    ),
    (
        "cargo bench -- --config 4,4,256,64,12 --mode gen",
        Because("a minute; .ci/run begins every mode of `cargo bench`"),
    ),
    (
        "cargo microgpt train --data tinyshakespeare.txt",
        Because("needs what was downloaded; with other sizes it is recorded"),
    ),
    (
        "cargo microgpt train --data tinyshakespeare.txt --…",
        RecordedEach(&[
            "training/tinyshakespeare-S.txt",
            "training/tinyshakespeare-half-minute.txt",
            "training/tinyshakespeare-below-counting.txt",
            "training/tinyshakespeare-long.txt",
            "training/tinyshakespeare-decay-2.txt",
            "training/tinyshakespeare-hour.txt",
            "training/tinyshakespeare-12-minutes.txt",
        ]),
    ),
    ("cargo run --example variants -- …", Recorded(&["studies/variants.txt"])),
    (
        "cargo run --example training -- …",
        Recorded(&[
            "studies/repairs.txt",
            "studies/batches.txt",
            "studies/rates.txt",
            "studies/over-fitting.txt",
            "studies/dropout.txt",
        ]),
    ),
    ("cargo run --example rungs", Recorded(&["training/rungs-sonnets.txt"])),
    ("cargo run --example context", Recorded(&["studies/context.txt"])),
    ("cargo microgpt average…", Recorded(&["training/averaged-weights.txt"])),
    (
        "cargo test --test zoo -- --ignored --nocapture",
        Recorded(&["proofs/zoo.txt"]),
    ),
    (
        "cargo test --test caches -- …",
        Because("needs root; .ci/run runs it where it has that"),
    ),
    (
        "cargo test -p microgpt-cli -- --ignored",
        Because("needs root; .ci/run runs it where it has that"),
    ),
    ("cargo mutants", Recorded(&["proofs/mutants.txt"])),
    (
        "cargo mutants -j 2 --timeout 60 --re '^src/gpt.rs'",
        Because("minutes; .ci/mutants does it to what a change touches"),
    ),
    ("cargo +nightly fuzz run checkpoint…", Recorded(&["proofs/fuzz.txt"])),
    // What needs more than this repository and its compiler
    (
        "cargo run --manifest-path fuzz/Cargo.toml --bin seeds",
        Because("a workspace of its own, whose crates need a C++ compiler"),
    ),
    ("cargo install --locked cargo-fuzz", Because("minutes, and a network")),
    ("pip install huggingface_hub", Because("needs a network")),
    ("hf download openai-community/gpt2 …", Because("needs a network")),
    ("sha256sum gpt2/…", Because("needs what was downloaded")),
    (
        "cargo run --release --features tokenizers --example gpt2 -- …",
        Because("needs what was downloaded"),
    ),
    (
        "cargo run --example names -- --data names.txt",
        Recorded(&["training/names.txt"]),
    ),
    (
        "cargo run --example names_studies -- variants names.txt",
        Recorded(&["studies/names-variants.txt"]),
    ),
    (
        "cargo test --test names -- --ignored",
        Decides("  cargo test --locked --test names -- --ignored"),
    ),
    (
        "mpirun -n 2 target/debug/examples/parallel",
        Recorded(&["studies/parallel.txt"]),
    ),
    (
        "mpirun -n 3 target/debug/examples/parallel_failures panic",
        Recorded(&["studies/parallel-failures.txt"]),
    ),
    ("cargo build --features mpi --example parallel…", Because(MPI)),
    ("cargo test --features mpi --test parallel…", Because(MPI)),
    (
        "cargo run --example shakespeare --features bf16",
        Because("a minute; .ci/run runs the tests of the feature"),
    ),
    (
        "cargo run --package microgpt-cli --features bf16 -- …",
        Because("an hour, and needs what was downloaded"),
    ),
    (
        "cargo test --features bf16 --test bf16…",
        Because("needs AMX; .ci/run runs it where it has that"),
    ),
    (
        "cargo microgpt generate model.safetensors --length 300",
        Because("needs a file that was saved in the lab's page"),
    ),
    (
        "rustup target add wasm32-unknown-unknown",
        Because("needs a network; .ci/run does it"),
    ),
    ("apt-get …", Because("changes the machine")),
    ("curl -O …", Because("needs a network")),
    ("mv input.txt tinyshakespeare.txt", Because("needs what was downloaded")),
    (
        "cargo install --locked mdbook@0.5.4 mdbook-katex@0.10.0",
        Because("minutes; the book is built with the same crates"),
    ),
    (
        "cargo install --locked cargo-mutants",
        Because("a minute; .ci/run installs it"),
    ),
    ("mdbook serve --open", Because("serves until it is stopped")),
    (
        "INSTA_UPDATE=always cargo test --test outputs",
        Because("writes what the tests compare with"),
    ),
    (
        "INSTA_UPDATE=always cargo test --test book",
        Because("writes what the tests compare with"),
    ),
    (
        "INSTA_UPDATE=always cargo test --package bookbinder --test lab",
        Because("writes what the tests compare with"),
    ),
    // What a sentence names and nobody is asked to type
    ("cargo run", Because("no command yet")),
    ("pip install", Because("no command yet")),
];

const MPI: &str = "needs an MPI library; where there is one, .ci/run tests it";

/// How a command begins, in a sentence: these are programs, or set a variable
/// for one.
const PROGRAMS: [&str; 15] = [
    "INSTA_UPDATE=",
    "apt-get ",
    "bash ",
    "cargo ",
    "curl ",
    "git ",
    "hf ",
    "mdbook ",
    "mpirun ",
    "mv ",
    "npm ",
    "pip ",
    "python ",
    "rustup ",
    "sh ",
];

/// How a command should end.
enum End {
    /// Well.
    Success,
    /// With a failed test: an exercise that nobody has solved.
    Unsolved,
    /// Not within minutes: it is stopped when it has printed a line.
    Begun,
    /// It is not run here.
    Elsewhere,
}

fn end(command: &str) -> End {
    if command.contains("--test exercises -- --ignored") {
        return End::Unsolved;
    }
    let mut about = ELSEWHERE.iter().filter(|one| is_about(one.0, command));
    let program = command.starts_with("cargo run --example ");
    match about.next() {
        None => End::Success,
        Some((_, Recorded(_))) if program && !command.contains(".txt") => {
            End::Begun
        }
        Some(_) => End::Elsewhere,
    }
}

fn is_about(entry: &str, command: &str) -> bool {
    match entry.strip_suffix('…') {
        Some(start) => command.starts_with(start),
        None => command == entry,
    }
}

/// The README, the guide to contributing and all pages: names and texts.
fn pages() -> Vec<(String, String)> {
    let mut pages = vec![root().join("README.md")];
    pages.push(root().join("CONTRIBUTING.md"));
    for folder in ["book", "book/appendix"] {
        let entries = std::fs::read_dir(root().join(folder)).expect("the book");
        let paths = entries.map(|entry| entry.expect("a page").path());
        let is_page = |path: &PathBuf| path.extension() == Some("md".as_ref());
        pages.extend(paths.filter(is_page));
    }
    pages.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("a page in UTF-8");
        let name = path.file_name().expect("a name").to_string_lossy();
        (name.into_owned(), text)
    };
    pages.iter().map(read).collect()
}

/// The commands of a page: the lines of its blocks of shell, and what begins
/// like one within a sentence.
fn commands_of(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut block = None;
    let mut sentences = String::new();
    let text = text.replace("<code>", "`").replace("</code>", "`");
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language) };
            sentences += "\n\n";
        } else if block == Some("sh") {
            let command = line.split(" #").next().unwrap_or("").trim();
            commands.extend((!command.is_empty()).then(|| command.to_string()));
        } else if block.is_none() {
            sentences += &format!("{}\n", line.trim());
        }
    }
    for paragraph in sentences.split("\n\n") {
        let spans = paragraph.split('`').skip(1).step_by(2);
        let spans = spans.map(|span| span.replace('\n', " "));
        commands.extend(spans.filter(|span| {
            PROGRAMS.iter().any(|program| span.starts_with(program))
        }));
    }
    commands
}

/// Every command, in the order in which a reader comes to it, with the page it
/// was first seen on: what one has made, the next may need.
fn commands() -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for (page, text) in pages() {
        for command in commands_of(&text) {
            if commands.iter().all(|(known, _)| *known != command) {
                commands.push((command, page.clone()));
            }
        }
    }
    commands
}

/// What the commands make in the root, and refuse to overwrite.
const MADE: [&str; 8] = [
    "brief.safetensors",
    "brief.best.safetensors",
    "brief.safetensors.lock",
    "run.safetensors",
    "run.best.safetensors",
    "run.safetensors.lock",
    "sonnets-hf",
    "sonnets.gguf",
];

/// Runs a command as a reader does, in the root of the repository; of a pipe
/// every part must end well.
fn type_in(command: &str) -> (bool, String) {
    let mut shell = Command::new("bash");
    shell.args(["-o", "pipefail", "-c", command]).current_dir(root());
    let output = shell.output().expect("a shell");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// Starts a command and stops it, with all that it has started, at its first
/// line; returns that line, which is empty if there came none.
fn begin(command: &str) -> String {
    let mut shell = Command::new("bash");
    // In a group of processes of its own, whose number comes first
    let group = "set -m; bash -c 'echo $$; eval \"$0\"' \"$0\" & wait";
    shell.args(["-c", group, command]);
    shell.current_dir(root()).stdout(Stdio::piped());
    let mut shell = shell.spawn().expect("a shell");
    let said = BufReader::new(shell.stdout.take().expect("its output"));
    let mut lines = said.lines().map_while(Result::ok);
    let group = lines.next().expect("the number of a process");
    let line = lines.next().unwrap_or_default();
    let kill = format!("kill -KILL -- -{group}");
    let _ = Command::new("bash").args(["-c", &kill]).status();
    shell.wait().expect("the shell ends");
    line
}

#[test]
#[cfg_attr(windows, ignore = "the commands are written for a Unix shell")]
fn every_command_of_every_page_works() {
    let commands = commands();
    assert!(commands.len() > 20, "{commands:?}");
    for made in MADE {
        let there = root().join(made).exists();
        assert!(!there, "{made} is in the way of the commands; move it");
    }
    let mut problems = String::new();
    for (command, page) in &commands {
        let start = Instant::now();
        let problem = match end(command) {
            End::Elsewhere => continue,
            End::Success => {
                let (success, said) = type_in(command);
                (!success).then_some(said)
            }
            End::Unsolved => {
                let (success, said) = type_in(command);
                let asked = said.contains("::reader ... FAILED");
                (success || !asked).then_some(said)
            }
            End::Begun => {
                let nothing = begin(command).is_empty();
                nothing.then(|| "it ended without a line; see above".into())
            }
        };
        println!("{:6.1} s  {command}", start.elapsed().as_secs_f64());
        if let Some(said) = problem {
            problems += &format!("{page}: {command}\n{said}\n");
        }
    }
    for made in MADE.map(|made| root().join(made)) {
        // What a command should have made, and has not, is among the problems
        let _ = fs::remove_file(&made).or_else(|_| fs::remove_dir_all(&made));
    }
    assert!(problems.is_empty(), "{problems}");
}

/// A command in another kind of block would be seen by nobody.
#[test]
fn no_command_hides_in_another_block() {
    let known = ["", "json", "python", "rust", "sh", "text", "toml"];
    for (page, text) in pages() {
        let mut block = None;
        for line in text.lines() {
            if let Some(language) = line.strip_prefix("```") {
                assert!(known.contains(&language), "{page}: {line}");
                block = if block.is_some() { None } else { Some(language) };
            } else if block == Some("sh") {
                let whole = !line.starts_with('$') && !line.ends_with('\\');
                assert!(whole, "{page}: write one command a line: {line}");
            } else if block.is_some() {
                let command = PROGRAMS.iter().any(|p| line.starts_with(p));
                assert!(!command, "{page}: a command belongs in sh: {line}");
            }
        }
    }
}

#[test]
fn commands_are_found_in_blocks_and_in_sentences() {
    let page = "Type `cargo\nfirst`, not `Cargo.toml`.\n\n```sh\ncargo second \
                # so\n```\n\n```text\nnothing `cargo third`\n```\n";
    assert_eq!(commands_of(page), ["cargo second", "cargo first"]);
    assert!(is_about("cargo test", "cargo test"));
    assert!(!is_about("cargo test", "cargo test --test book"));
    assert!(is_about("curl …", "curl -O"));
}

#[test]
fn every_exception_is_needed_and_true() {
    let commands = commands();
    let decides = std::fs::read_to_string(root().join(".ci/run"));
    let decides = decides.expect("what decides");
    for (entry, why) in ELSEWHERE {
        let used = commands.iter().any(|(it, _)| is_about(entry, it));
        assert!(used, "`{entry}` is on no page; take it out");
        match why {
            Because(reason) => assert!(!reason.is_empty(), "{entry}: why?"),
            Decides(line) => {
                let there = decides.lines().any(|other| other == line);
                assert!(there, "`{line}` is no line of .ci/run");
            }
            Recorded(records) => {
                let start = entry.trim_end_matches([' ', '…']);
                for record in records {
                    let by = recorded_command(record);
                    let there = by.contains(start);
                    assert!(there, "{record} does not record `{entry}`: {by}");
                }
            }
            RecordedEach(records) => {
                let all: Vec<_> =
                    records.iter().map(|it| recorded_command(it)).collect();
                let all_of = commands.iter().map(|(command, _)| command);
                for command in all_of.filter(|it| is_about(entry, it)) {
                    let there = all.iter().any(|by| by == command);
                    assert!(there, "no record of `{command}`");
                }
            }
        }
    }
}

/// What the second line of a record says that it was made by.
fn recorded_command(record: &str) -> String {
    let text = fs::read_to_string(root().join("book/records").join(record));
    let text = text.unwrap_or_else(|e| panic!("{record}: {e}"));
    let line = text.lines().nth(1).unwrap_or("");
    let command = line.strip_prefix("# command: ");
    command.unwrap_or_else(|| panic!("{record} names none: {line}")).to_string()
}

/// A row of the README that names a record says what came of it.
#[test]
fn the_figures_of_the_readme_are_recorded() {
    let readme = std::fs::read_to_string(root().join("README.md"));
    let readme = readme.expect("the README");
    let rows = readme.lines().filter(|line| {
        line.starts_with("| ") && line.contains("](book/records/")
    });
    let mut seen = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, run, gpt, counting, _, _] = cells[..] else {
            panic!("four columns: {row}")
        };
        let (_, record) = run.split_once("([record](").expect("a record");
        let record = record.trim_end_matches("))");
        let text = std::fs::read_to_string(root().join(record));
        let text = text.unwrap_or_else(|e| panic!("{record}: {e}"));
        let number = |word: &str| -> f64 {
            word.trim_matches(',').parse().expect("a number")
        };
        let losses = text.split("validation ").skip(1);
        let losses = losses.filter_map(|rest| rest.split_whitespace().next());
        let last = losses.filter(|word| word.contains('.')).last();
        let last = number(last.expect("a loss"));
        assert_eq!(gpt, format!("{last:.2}"), "{row}");
        let rungs = text.split("-gram ").skip(1);
        let rungs = rungs.filter_map(|rest| rest.split_whitespace().next());
        let rungs =
            rungs.filter(|w| w.starts_with(|c: char| c.is_ascii_digit()));
        let best = rungs.map(number).fold(f64::INFINITY, f64::min);
        let rounded = (number(counting) - best).abs() <= 0.005 + 1e-9;
        assert!(rounded, "{row}: the ladder's best is {best}");
        seen += 1;
    }
    assert!(seen > 0, "no row names a record");
}

/// The text at the top of the README is what the recorded run wrote.
#[test]
fn the_text_of_the_readme_is_recorded() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let readme = read("README.md");
    let (_, text) = readme.split_once("```text\n").expect("a text");
    let (text, _) = text.split_once("```").expect("its end");
    assert!(text.lines().count() >= 12, "{text}");
    let record = read("book/records/training/tinyshakespeare-hour.txt");
    assert!(record.contains(text), "{text}");
}

/// Where the README's links to pages lead: to the published book, once the
/// manifest says where that is, and until then nowhere, since a raw page is
/// full of directives that only mdBook follows.
fn wrong_about_the_book(readme: &str, manifest: &str) -> Option<&'static str> {
    let homepage = manifest.lines().find_map(|l| l.strip_prefix("homepage = "));
    let defined = readme.lines().find_map(|l| l.strip_prefix("[book]: "));
    let mut links = readme.split("](book/").skip(1);
    let raw = |rest: &str| {
        rest.split(')').next().is_some_and(|page| page.ends_with(".md"))
    };
    if links.any(raw) {
        return Some("a link to a raw page");
    }
    match (homepage.map(|url| url.trim_matches('"')), defined) {
        (Some(url), Some(book)) if url != book => Some("another address"),
        (Some(_), None) => Some("no definition of [book]"),
        (None, Some(_)) => Some("a book that the manifest does not know"),
        (None, None) if !readme.contains("cargo book") => Some("no way in"),
        _ => None,
    }
}

#[test]
fn the_readme_leads_to_the_book() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (readme, manifest) = (read("README.md"), read("Cargo.toml"));
    assert_eq!(wrong_about_the_book(&readme, &manifest), None);

    let (here, there) = ("homepage = \"a\"", "[book]: a");
    for (readme, manifest, wrong) in [
        (there, here, false),
        ("[book]: b", here, true),
        ("cargo book", here, true),
        (there, "", true),
        ("", "", true),
        ("cargo book", "", false),
        ("cargo book, [more](book/gpt.md)", "", true),
        ("cargo book, [runs](book/records/a.txt)", "", false),
    ] {
        let found = wrong_about_the_book(readme, manifest);
        assert_eq!(found.is_some(), wrong, "{readme} {manifest}: {found:?}");
    }
}

#[test]
#[cfg_attr(windows, ignore = "the commands are written for a Unix shell")]
fn a_command_begins_or_does_not() {
    assert_eq!(begin("sleep 600 | echo first; sleep 600"), "first");
    assert_eq!(begin("echo only 1>&2; false"), "");
}
