//! Whether there is memory enough: a sentence before the work begins, where the
//! system would only end the program in the middle of it.

use std::fs;
use std::path::Path;

/// Refuses work that takes some `bytes` of memory, if they can't be had.
pub fn check_memory(bytes: f64) -> Result<(), String> {
    let takes = format!("takes some {} of memory", size(bytes));
    let limit = limit(Path::new("/"));
    if bytes > limit {
        return Err(format!("{takes}, and there are {} here", size(limit)));
    }
    // What `ulimit` forbids the system doesn't give: ask, and hand it back.
    // Some more is for the program itself, and for the gaps between numbers
    let room = 1.05 * bytes;
    let asked = Vec::<u8>::new().try_reserve_exact(room as usize);
    asked.map_err(|_| {
        format!("{takes}, which this process is not allowed; see `ulimit -a`")
    })
}

/// Refuses a folder whose weights, as they are in its files, can't be had.
pub fn check_folder(folder: &Path) -> Result<(), String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_weights = |path: &Path| {
        path.extension().is_some_and(|ending| ending == "safetensors")
    };
    let weights = files.filter(|file| is_weights(&file.path()));
    let bytes = weights.flat_map(|file| file.metadata());
    check_memory(bytes.map(|metadata| metadata.len() as f64).sum())
}

/// The bytes of memory of this machine, or of the control groups in which the
/// process is, such as a container's, if that is less; infinite where nobody
/// says. `root` is the root of the file system.
pub fn limit(root: &Path) -> f64 {
    let read = |path: &Path| fs::read_to_string(root.join(path));
    let machine = read(Path::new("proc/meminfo")).unwrap_or_default();
    let total = machine.strip_prefix("MemTotal:").unwrap_or_default();
    let kilobytes = total.split_whitespace().next().map(str::parse::<f64>);
    let mut least = match kilobytes {
        Some(Ok(kilobytes)) => 1024.0 * kilobytes,
        _ => f64::INFINITY,
    };
    let groups = read(Path::new("proc/self/cgroup")).unwrap_or_default();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (kind, group) = (parts.next(), parts.next().unwrap_or_default());
        let (mounted, file) = match kind {
            Some("") => ("sys/fs/cgroup", "memory.max"), // version 2
            Some("memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        // A group is held to the limits of those around it, too
        for group in Path::new(group.trim_start_matches('/')).ancestors() {
            let limit = read(&Path::new(mounted).join(group).join(file));
            if let Ok(Ok(bytes)) = limit.map(|text| text.trim().parse()) {
                least = least.min(bytes);
            }
        }
    }
    least
}

/// A number of bytes, to be read.
fn size(bytes: f64) -> String {
    match bytes {
        ..1e9 => format!("{:.0} MB", (bytes / 1e6).ceil()),
        _ => format!("{:.0} GB", bytes / 1e9),
    }
}
