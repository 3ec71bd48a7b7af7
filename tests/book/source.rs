//! What the laws have to know of a Rust file, without a parser of Rust.

use std::collections::BTreeSet;

/// An anchor comment, as mdBook finds it: anywhere in a line.
pub struct Mark<'a> {
    pub line: usize,
    pub name: &'a str,
    pub ends: bool,
    /// Whether the line is the comment alone, at column 0.
    pub exact: bool,
}

/// The anchor comments of a file, from top to bottom.
pub fn marks(text: &str) -> Vec<Mark<'_>> {
    let mut marks = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        for (word, ends) in [("ANCHOR:", false), ("ANCHOR_END:", true)] {
            let Some((before, after)) = content.split_once(word) else {
                continue;
            };
            let name = word_at(after.trim_start());
            let comment = matches!(before, "// " | "# ");
            let exact = comment && after.strip_prefix(' ') == Some(name);
            if !name.is_empty() {
                marks.push(Mark { line, name, ends, exact });
            }
        }
    }
    marks
}

/// The word that `text` starts with; may be empty.
fn word_at(text: &str) -> &str {
    let of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    &text[..text.find(|c| !of_word(c)).unwrap_or(text.len())]
}

/// The marks that are no pairs, one after the other: the line, the fault.
pub fn unpaired(text: &str) -> Vec<(usize, String)> {
    let mut faults = Vec::new();
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut inside = Vec::new();
    let mut names = BTreeSet::new();
    for Mark { line, name, ends, exact } in marks(text) {
        let begun = open.iter().position(|(_, other)| *other == name);
        if !exact {
            let fault = "is not marked by a comment of its own, at column 0";
            faults.push((line, format!("`{name}` {fault}")));
        }
        match begun {
            Some(at) if ends => {
                open.remove(at);
            }
            None if ends => {
                faults.push((line, format!("`{name}` ends, but never began")));
            }
            _ => {
                inside.extend(open.last().map(|outer| (line, name, *outer)));
                open.push((line, name));
                if !names.insert(name) {
                    faults.push((line, format!("`{name}` begins once more")));
                }
            }
        }
    }
    // Everything is inside of what never ends: that is fault enough
    inside.retain(|(_, _, outer)| !open.contains(outer));
    for (line, name, (_, outer)) in inside {
        let fault = format!("`{name}` begins inside of `{outer}`");
        faults.push((line, format!("{fault}; end that one first")));
    }
    let never = |name| format!("`{name}` never ends; mark where it does");
    faults.extend(open.into_iter().map(|(line, name)| (line, never(name))));
    faults
}

/// The lines of the one anchor of that name, or what is wrong with it.
pub fn anchored<'a>(
    text: &'a str,
    name: &str,
) -> Result<Vec<(usize, &'a str)>, String> {
    let marks = marks(text);
    let at = |ends: bool| -> Vec<usize> {
        let named = |m: &&Mark| m.name == name && m.ends == ends;
        marks.iter().filter(named).map(|m| m.line).collect()
    };
    let (start, end) = match (&at(false)[..], &at(true)[..]) {
        ([], _) => return Err(format!("no anchor `{name}`")),
        ([start], [end]) if start < end => (*start, *end),
        ([_], _) => return Err(format!("anchor `{name}` is not closed once")),
        _ => return Err(format!("anchor `{name}` more than once")),
    };
    let lines = (1..).zip(text.lines()).take(end - 1).skip(start);
    let inner = |line| marks.iter().any(|mark| mark.line == line);
    Ok(lines.filter(|(line, _)| !inner(*line)).collect())
}

/// The file with spaces for comments, strings and characters, so that what
/// looks like code is code. Every line and column stays where it was.
pub fn scrub(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut scrubbed = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = chars.len().min(i + opaque(&chars[i..]));
        if end == i {
            scrubbed.push(chars[i]);
            i += 1;
        }
        while i < end {
            scrubbed.push(if chars[i] == '\n' { '\n' } else { ' ' });
            i += 1;
        }
    }
    scrubbed
}

/// How many characters of comment, string or character `rest` starts with.
fn opaque(rest: &[char]) -> usize {
    let find = |from: usize, pattern: &[char]| {
        let mut windows = rest[from..].windows(pattern.len());
        let found = windows.position(|window| window == pattern);
        found.map_or(rest.len(), |at| from + at + pattern.len())
    };
    match rest {
        ['/', '/', ..] => {
            rest.iter().position(|&c| c == '\n').unwrap_or(rest.len())
        }
        ['/', '*', ..] => {
            let (mut end, mut depth) = (2, 1);
            while depth > 0 && end < rest.len() {
                match &rest[end..] {
                    ['/', '*', ..] => (depth, end) = (depth + 1, end + 2),
                    ['*', '/', ..] => (depth, end) = (depth - 1, end + 2),
                    _ => end += 1,
                }
            }
            end
        }
        ['"', ..] => {
            let mut end = 1;
            while end < rest.len() && rest[end] != '"' {
                end += if rest[end] == '\\' { 2 } else { 1 };
            }
            end + 1
        }
        ['r', '"' | '#', ..] => {
            let marks = rest[1..].iter().take_while(|&&c| c == '#').count();
            if rest.get(1 + marks) != Some(&'"') {
                return 0; // a raw identifier
            }
            let mut closing = vec!['#'; marks + 1];
            closing[0] = '"';
            find(2 + marks, &closing)
        }
        ['\'', '\\', _, ..] => find(3, &['\'']),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

/// Why lines are no sequence of whole items at column 0: the line, the reason.
pub fn no_whole_items(lines: &[(usize, &str)]) -> Option<(usize, String)> {
    let text: Vec<&str> = lines.iter().map(|(_, line)| *line).collect();
    let scrubbed = scrub(&text.join("\n"));
    let numbers = lines.iter().map(|(number, _)| *number);
    let mut code = numbers.zip(scrubbed.lines());
    let Some(first) = code.clone().find(|(_, line)| !line.trim().is_empty())
    else {
        let at = lines.first().map_or(1, |(number, _)| *number);
        return Some((at, "holds no code".into()));
    };
    if first.1.starts_with(' ') {
        return Some((first.0, "begins with an indented line".into()));
    }
    let mut open = Vec::new();
    for (number, line) in code.clone() {
        for c in line.chars() {
            let matching = match c {
                '(' | '[' | '{' => {
                    open.push(c);
                    continue;
                }
                ')' => '(',
                ']' => '[',
                '}' => '{',
                _ => continue,
            };
            if open.pop() != Some(matching) {
                return Some((number, format!("closes a {c} it never opened")));
            }
        }
    }
    let last = lines.iter().rposition(|(_, line)| !line.trim().is_empty())?;
    let (number, line) = code.nth(last)?;
    let ends = line.trim_end().ends_with(['}', ';', ')']);
    if let Some(c) = open.last() {
        Some((number, format!("never closes a {c}")))
    } else if line.starts_with(' ') || !ends {
        Some((number, "does not end with the end of an item".into()))
    } else {
        None
    }
}

/// The public items of a file, whatever their indentation: the line, and what
/// stands there. Fields and variants belong to their item.
pub fn public_items(text: &str) -> Vec<(usize, String)> {
    const KINDS: [&str; 12] = [
        "fn", "struct", "enum", "type", "const", "trait", "mod", "static",
        "use", "unsafe", "async", "union",
    ];
    let scrubbed = scrub(text);
    let mut items = Vec::new();
    for (number, line) in (1..).zip(scrubbed.lines()) {
        let Some(item) = line.trim_start().strip_prefix("pub ") else {
            continue;
        };
        if KINDS.contains(&word_at(item)) {
            let end = item.find(['(', '{', ';', '=', '<', ':']);
            let name = item[..end.unwrap_or(item.len())].trim();
            items.push((number, name.to_string()));
        }
    }
    items
}

/// The sibling modules that a module names: `super::x` and `crate::x`, also
/// inside of braces.
pub fn imports(text: &str) -> Vec<(usize, String)> {
    let scrubbed = scrub(text);
    let mut imports = Vec::new();
    for root in ["super::", "crate::"] {
        for (at, _) in scrubbed.match_indices(root) {
            let line = 1 + scrubbed[..at].matches('\n').count();
            for name in heads(&scrubbed[at + root.len()..]) {
                imports.push((line, name.to_string()));
            }
        }
    }
    imports
}

/// The first names of a path, or of each path in a group of them.
pub fn heads(path: &str) -> Vec<&str> {
    let path = path.trim_start();
    if !path.starts_with('{') {
        return vec![word_at(path)];
    }
    let (mut depth, mut start, mut names) = (0, 1, Vec::new());
    for (i, c) in path.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || depth == 1 && c == ',' {
            names.push(word_at(path[start..i].trim_start()));
            start = i + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// The identifiers of a text.
pub fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| {
        word.starts_with(|c: char| c.is_alphabetic() || c == '_')
    })
}
