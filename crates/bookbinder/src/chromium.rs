//! Where Chromium is.

use std::path::PathBuf;

/// What `CHROME` says, or the first of the usual names on the `PATH`.
pub fn find() -> Option<PathBuf> {
    if let Some(chosen) = std::env::var_os("CHROME") {
        return Some(chosen.into());
    }
    let mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .flat_map(|name| folders.iter().map(move |dir| dir.join(name)))
        .chain([mac.into()])
        .find(|file| file.is_file())
}
