//! What the original computed, under CPython.

/// Its losses, and the names that it invented.
pub fn original() -> (Vec<f64>, Vec<&'static str>) {
    let record = include_str!("../../book/records/training/microgpt-py.txt");
    let lines = record.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(' '));
    let (names, losses): (Vec<_>, Vec<_>) =
        pairs.partition(|(key, _)| *key == "name");
    let losses = losses.iter().map(|(_, loss)| loss.parse().expect("a loss"));
    (losses.collect(), names.into_iter().map(|(_, name)| name).collect())
}
