//! Copies of the package, with patches in them.

use std::fs;
use std::path::Path;

use super::faults::Patch;

/// `text` with `patch` applied.
///
/// # Panics
/// If what it replaces is not there, or there more than once: the code has
/// changed, and the patch has to follow.
pub fn patched(text: &str, patch: &Patch) -> String {
    let found = text.matches(patch.from).count();
    let Patch { file, from, to } = patch;
    assert_eq!(found, 1, "stale patch: in {file}, not once:\n{from}");
    text.replacen(from, to, 1)
}

/// Writes a copy of the files and folders of `root` that `paths` names, and of
/// the manifest, to `folder`, and applies the patches there. A file that comes
/// out as it was before is not touched.
pub fn copy(
    root: &Path,
    folder: &Path,
    paths: &[&str],
    patches: &[Patch],
) -> std::io::Result<()> {
    let manifest = manifest(&fs::read_to_string(root.join("Cargo.toml"))?);
    write(&folder.join("Cargo.toml"), &manifest)?;
    let mut paths: Vec<String> = paths.iter().map(|p| p.to_string()).collect();
    paths.push("Cargo.lock".to_string());
    while let Some(path) = paths.pop() {
        let from = root.join(&path);
        if from.is_dir() {
            for entry in fs::read_dir(&from)? {
                let name = entry?.file_name().into_string();
                paths.extend(name.map(|name| format!("{path}/{name}")));
            }
        } else {
            let text = fs::read_to_string(&from)?;
            let patches = patches.iter().filter(|patch| patch.file == path);
            let text = patches.fold(text, |text, p| patched(&text, p));
            write(&folder.join(&path), &text)?;
        }
    }
    Ok(())
}

/// Writes a file, unless it is there already, word for word.
pub fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, text)
}

/// What the program `variants` is made of.
pub const PROGRAM: &[&str] = &[
    "chapters-code/data",
    "chapters-code/zoo",
    "crates/double",
    "examples/terminal",
    "src",
];

/// Crates that neither the library nor the tests of a copy need.
pub const UNNEEDED: [&str; 3] = ["clap", "insta", "mimalloc"];

/// The package's manifest without programs, benchmarks and tests with a place
/// or a feature of their own, but for the example `variants`; and without the
/// crates that only those need.
fn manifest(root: &str) -> String {
    let paragraphs = root.split("\n\n").filter(|paragraph| {
        let has = |header| paragraph.lines().any(|line| line == header);
        !["[[bench]]", "[[test]]", "[workspace]"].into_iter().any(has)
    });
    let kept = paragraphs.collect::<Vec<&str>>().join("\n\n");
    let lines = kept.lines().filter(|line| {
        let name = line.split(' ').next().unwrap_or_default();
        let program = line.starts_with("    { name = ");
        !UNNEEDED.contains(&name)
            && !line.starts_with("libmimalloc-sys.") // a profile of its own
            && (!program || line.contains("variants"))
    });
    let lines: Vec<&str> = lines.collect();
    lines.join("\n") + "\n\n[workspace]\n"
}
