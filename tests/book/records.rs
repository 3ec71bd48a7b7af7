//! The index of the recorded runs, from their headers.

use crate::library::Book;

/// Where the records are.
pub const RECORDS: &str = "book/records/";

const HEAD: &str = "\
# Records

Runs that take too long for a test to repeat, as they were printed. Each file begins with what it is, the command, the \
machine and the date. (A test writes this page from those lines.)
";

/// What a line of a record's header says, like `# date: …`.
fn header<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let lines = text.lines().take_while(|line| line.starts_with('#'));
    lines.filter_map(|line| line[1..].trim().strip_prefix(key)).next()
}

/// The records without one of the four lines.
pub fn headless(book: &Book) -> Vec<String> {
    const KEYS: [&str; 4] = ["what: ", "command: ", "machine: ", "date: "];
    let records = book.files_in(RECORDS, ".txt");
    let faults = records.flat_map(|(path, text)| {
        let missing = KEYS.iter().filter(|key| header(text, key).is_none());
        missing.map(move |key| format!("{path} has no line \"# {key}…\""))
    });
    faults.collect()
}

/// The index as it should be: a table for each subject, a row for each record.
pub fn index(book: &Book) -> String {
    let mut index = HEAD.to_string();
    let mut last = "";
    for (path, text) in book.files_in(RECORDS, ".txt") {
        let file = path.trim_start_matches(RECORDS);
        let subject = file.split('/').next().unwrap_or("");
        if subject != last {
            index += &format!("\n## {subject}\n\n| record | what | date |\n");
            index += "| --- | --- | --- |\n";
            last = subject;
        }
        let says = |key| header(text, key).unwrap_or("–").replace('|', "\\|");
        let name = file.rsplit('/').next().unwrap_or(file);
        let (what, date) = (says("what: "), says("date: "));
        let date = date.split(';').next().unwrap_or(&date);
        index += &format!("| [{name}]({file}) | {what} | {date} |\n");
    }
    index
}
