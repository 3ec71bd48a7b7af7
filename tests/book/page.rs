//! A page of the book: what is code on it, what is prose, what it includes.

use std::collections::BTreeSet;

/// A page, taken apart.
pub struct Page {
    /// From the root of the repository: `book/gpt.md`.
    pub path: String,
    pub lines: Vec<String>,
    pub fences: Vec<Fence>,
    /// The lines with code, comments and maths blanked out.
    pub prose: Vec<String>,
    /// The lines where maths begins that does not end.
    pub open_maths: Vec<usize>,
    pub includes: Vec<Include>,
    /// Directives that are no includes: the line, what it says.
    pub other_directives: Vec<(usize, String)>,
}

/// A block of code.
pub struct Fence {
    pub line: usize,
    pub language: String,
    pub content: Vec<String>,
}

/// A directive that brings in another file, or a part of it.
pub struct Include {
    pub line: usize,
    /// The file as written, relative to the page.
    pub target: String,
    pub part: Part,
    /// The language of the fence around it, if there is one.
    pub fence: Option<String>,
}

pub enum Part {
    Whole,
    Anchor(String),
    /// The first line, and the last, if it is not the file's.
    Lines(usize, Option<usize>),
}

pub struct Link {
    pub line: usize,
    pub image: bool,
    pub text: String,
    pub target: String,
}

pub struct Heading {
    pub line: usize,
    pub level: usize,
    pub text: String,
    /// The id that mdBook gives it, where that can be told.
    pub id: Option<String>,
}

impl Page {
    pub fn new(path: &str, text: &str) -> Self {
        let lines: Vec<String> = text.lines().map(str::to_string).collect();
        let fences = fences(&lines);
        let fence_at = |line: usize| {
            fences.iter().find(|f| (f.line..=f.last()).contains(&line))
        };
        let outside = (1..).zip(&lines).map(|(number, line)| {
            if fence_at(number).is_some() { "" } else { line.as_str() }
        });
        let outside: Vec<&str> = outside.collect();
        let (prose, open_maths) = mask(&outside.join("\n"));
        let mut includes = Vec::new();
        let mut other_directives = Vec::new();
        for (number, line) in (1..).zip(&lines) {
            let Some((target, part)) = include(line) else {
                if is_directive(line) {
                    other_directives.push((number, line.trim().to_string()));
                }
                continue;
            };
            let fence = fence_at(number).map(|f| f.language.clone());
            includes.push(Include { line: number, target, part, fence });
        }
        Self {
            path: path.to_string(),
            prose: prose.split('\n').map(str::to_string).collect(),
            lines,
            fences,
            open_maths,
            includes,
            other_directives,
        }
    }

    /// The links and images of the page, in Markdown and in HTML, and the
    /// targets of its reference definitions.
    pub fn links(&self) -> Vec<Link> {
        let text = self.prose.join("\n");
        let line = |at: usize| 1 + text[..at].matches('\n').count();
        let mut links = Vec::new();
        for (at, _) in text.match_indices("](") {
            let target = &text[at + 2..][..closing(&text[at + 2..], '(', ')')];
            let start = opening(&text[..at]);
            links.push(Link {
                line: line(at),
                image: text[..start].ends_with("!["),
                text: text[start..at].to_string(),
                target: address(target),
            });
        }
        for attribute in ["href=\"", "src=\""] {
            for (at, _) in text.match_indices(attribute) {
                let target = &text[at + attribute.len()..];
                let tag = &text[text[..at].rfind('<').unwrap_or(at)..];
                let tag = &tag[..tag.find('>').unwrap_or(tag.len())];
                let alt = tag.split_once("alt=\"").unwrap_or_default().1;
                links.push(Link {
                    line: line(at),
                    image: tag.starts_with("<img"),
                    text: alt.split('"').next().unwrap_or("").to_string(),
                    target: target.split('"').next().unwrap_or("").to_string(),
                });
            }
        }
        for (line, label, target) in self.definitions() {
            if !label.starts_with('^') {
                let (text, target) = (label, address(&target));
                links.push(Link { line, image: false, text, target });
            }
        }
        links
    }

    /// Lines of the form `[label]: text`: references, and footnotes `[^x]`.
    pub fn definitions(&self) -> Vec<(usize, String, String)> {
        let mut definitions = Vec::new();
        for (number, line) in (1..).zip(&self.prose) {
            let line = line.trim_start().strip_prefix('[');
            if let Some((label, rest)) = line.and_then(|l| l.split_once("]:"))
                && !label.contains(']')
            {
                let rest = rest.trim().to_string();
                definitions.push((number, label.to_string(), rest));
            }
        }
        definitions
    }

    /// The labels that the page refers to by `[text][label]`.
    pub fn references(&self) -> Vec<(usize, String)> {
        let mut references = Vec::new();
        for (number, line) in (1..).zip(&self.prose) {
            for (at, _) in line.match_indices("][") {
                let label = line[at + 2..].split(']').next().unwrap_or("");
                let text = &line[opening(&line[..at])..at];
                let label = if label.is_empty() { text } else { label };
                if !label.starts_with('^') {
                    references.push((number, label.to_string()));
                }
            }
        }
        references
    }

    /// The footnotes that the page refers to by `[^x]`.
    pub fn footnotes(&self) -> Vec<(usize, String)> {
        let mut footnotes = Vec::new();
        for (number, line) in (1..).zip(&self.prose) {
            for (at, _) in line.match_indices("[^") {
                let Some((name, rest)) = line[at + 1..].split_once(']') else {
                    continue;
                };
                let defines = line[..at].trim().is_empty();
                if !(defines && rest.starts_with(':')) {
                    footnotes.push((number, name.to_string()));
                }
            }
        }
        footnotes
    }

    pub fn headings(&self) -> Vec<Heading> {
        let mut headings = Vec::new();
        let mut used = BTreeSet::new();
        for ((line, raw), prose) in (1..).zip(&self.lines).zip(&self.prose) {
            let level = prose.chars().take_while(|&c| c == '#').count();
            if !(1..=6).contains(&level) || !prose[level..].starts_with(' ') {
                continue;
            }
            let text = raw[level..].trim().trim_end_matches('#').trim_end();
            let (text, id) = match text.rsplit_once(" {#") {
                Some((text, id)) => {
                    (text, Some(id.trim_end_matches('}').to_string()))
                }
                None if text.contains('$') => (text, None),
                None => (text, Some(unique(heading_id(text), &mut used))),
            };
            headings.push(Heading { line, level, text: text.to_string(), id });
        }
        headings
    }

    /// What a link can lead to on this page.
    pub fn fragments(&self) -> BTreeSet<String> {
        let headings = self.headings().into_iter().filter_map(|h| h.id);
        let prose = self.prose.join("\n");
        let written = prose.split(" id=\"").skip(1);
        let written = written.filter_map(|rest| rest.split('"').next());
        headings.chain(written.map(str::to_string)).collect()
    }

    /// The prose without the targets of links and without tags of HTML.
    pub fn words(&self) -> Vec<String> {
        let mut prose = self.prose.clone();
        for (line, label, _) in self.definitions() {
            if !label.starts_with('^') {
                prose[line - 1].clear();
            }
        }
        let prose = prose.join("\n");
        let mut rest = &prose[..];
        let mut words = String::new();
        while let Some(at) = rest.find([']', '<']) {
            words.push_str(&rest[..at]);
            rest = &rest[at..];
            let hidden = if let Some(target) = rest.strip_prefix("](") {
                2 + closing(target, '(', ')')
            } else if is_tag(rest) {
                rest.find('>').unwrap_or(rest.len())
            } else {
                1
            };
            words.extend(rest[..hidden].chars().filter(|&c| c == '\n'));
            words.push(' ');
            rest = &rest[hidden..];
        }
        words.push_str(rest);
        words.split('\n').map(str::to_string).collect()
    }
}

impl Fence {
    /// The line that closes it.
    pub fn last(&self) -> usize {
        self.line + self.content.len() + 1
    }

    /// Its first line of content.
    pub fn first(&self) -> &str {
        self.content.first().map_or("", |line| line)
    }
}

/// The blocks of code, each from the line that opens it to the line that
/// closes it, or to the end of the page.
fn fences(lines: &[String]) -> Vec<Fence> {
    let mut fences: Vec<Fence> = Vec::new();
    let mut open: Option<&str> = None;
    let mut comment = false;
    for (line, content) in (1..).zip(lines) {
        let bare = content.trim_start_matches([' ', '>']);
        let marker = marker(bare);
        if let Some(opened) = open {
            let closes = marker.starts_with(opened) && bare.trim() == marker;
            if closes {
                open = None;
            } else if let Some(fence) = fences.last_mut() {
                fence.content.push(content.clone());
            }
        } else if comment {
            comment = !content.contains("-->");
        } else if !marker.is_empty() {
            let info = bare[marker.len()..].trim();
            let language = info.split([',', ' ']).next().unwrap_or("");
            let (language, content) = (language.to_string(), Vec::new());
            fences.push(Fence { line, language, content });
            open = Some(marker);
        } else {
            comment = content.rfind("<!--") > content.rfind("-->");
        }
    }
    fences
}

/// The three or more backticks or tildes that a line starts with, or nothing.
fn marker(line: &str) -> &str {
    let first = line.chars().next().filter(|c| ['`', '~'].contains(c));
    let length = line.chars().take_while(|&c| Some(c) == first).count();
    let inline = first == Some('`') && line[length..].contains('`');
    if length < 3 || inline { "" } else { &line[..length] }
}

/// The text with a dot for each comment, code span, formula and escaped
/// character; and the lines on which maths begins that does not end.
fn mask(text: &str) -> (String, Vec<usize>) {
    let (mut masked, mut open) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let paragraph = &rest[..rest.find("\n\n").unwrap_or(rest.len())];
        let run = rest.len() - rest.trim_start_matches(first).len();
        let hidden = match first {
            '<' if rest.starts_with("<!--") => {
                Some(rest.find("-->").map_or(rest.len(), |at| at + 3))
            }
            '\\' => {
                Some(1 + rest[1..].chars().next().map_or(0, char::len_utf8))
            }
            '`' => Some(code_span(paragraph, run)),
            '$' => {
                let (sign, within) = match run {
                    1 => ("$", paragraph),
                    _ => ("$$", rest),
                };
                let end = within[sign.len()..].find(sign);
                if end.is_none() {
                    open.push(1 + masked.matches('\n').count());
                }
                Some(end.map_or(0, |end| end + sign.len()) + sign.len())
            }
            _ => None,
        };
        let length = hidden.unwrap_or(first.len_utf8());
        if hidden.is_some() {
            masked.push('·');
            masked.extend(rest[..length].chars().filter(|&c| c == '\n'));
        } else {
            masked.push(first);
        }
        rest = &rest[length..];
    }
    (masked, open)
}

/// The length of the code span that begins with a run of backticks, or of the
/// run, if nothing ends it.
fn code_span(paragraph: &str, run: usize) -> usize {
    let mut at = run;
    while let Some(next) = paragraph[at..].find('`') {
        at += next;
        let rest = &paragraph[at..];
        let closing = rest.len() - rest.trim_start_matches('`').len();
        at += closing;
        if closing == run {
            return at;
        }
    }
    run
}

/// Whether mdBook could take something in this line for a directive.
pub fn is_directive(line: &str) -> bool {
    line.match_indices("{{").any(|(at, braces)| {
        let inner = line[at + braces.len()..].trim_start();
        !line[..at].ends_with('\\') && inner.starts_with('#')
    })
}

/// The target and the part of a line that is an include and nothing else.
fn include(line: &str) -> Option<(String, Part)> {
    let inner = line.strip_prefix("{{#include ")?.strip_suffix("}}")?;
    if inner.contains(|c: char| c.is_whitespace() || "{}".contains(c)) {
        return None;
    }
    let mut parts = inner.split(':');
    let target = parts.next().filter(|target| !target.is_empty())?;
    let part = match (parts.next(), parts.next(), parts.next()) {
        (None, _, _) => Part::Whole,
        (Some(name), None, _) if name.starts_with(char::is_alphabetic) => {
            Part::Anchor(name.to_string())
        }
        (Some(line), None, _) => {
            let line = line.parse().ok()?;
            Part::Lines(line, Some(line))
        }
        (Some(first), Some(""), None) => Part::Lines(first.parse().ok()?, None),
        (Some(first), Some(last), None) => {
            Part::Lines(first.parse().ok()?, Some(last.parse().ok()?))
        }
        _ => return None,
    };
    Some((target.to_string(), part))
}

/// Where the bracket is closed that was opened just before `text`.
fn closing(text: &str, open: char, close: char) -> usize {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        depth += i32::from(c == open) - i32::from(c == close);
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Where the text within square brackets starts that ends with `text`.
fn opening(text: &str) -> usize {
    let mut depth = 1;
    for (at, c) in text.char_indices().rev() {
        depth += i32::from(c == ']') - i32::from(c == '[');
        if depth == 0 {
            return at + 1;
        }
    }
    0
}

/// A link's target without its title.
fn address(target: &str) -> String {
    let address = target.split_whitespace().next().unwrap_or("");
    address.trim_matches(['<', '>']).to_string()
}

/// Whether a tag of HTML begins here, or an address in angle brackets.
fn is_tag(text: &str) -> bool {
    let name = text.strip_prefix('<').map(|rest| rest.trim_start_matches('/'));
    name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// A heading's id as mdBook makes it: letters, digits, `-` and `_` of what the
/// reader sees, in lower case, with `-` for each space.
fn heading_id(text: &str) -> String {
    let mut seen = String::new();
    let (mut rest, mut code) = (text, false);
    while let Some(c) = rest.chars().next() {
        let hidden = if c == '`' {
            code = !code;
            1
        } else if !code && rest.starts_with("](") {
            2 + closing(&rest[2..], '(', ')')
        } else if !code && is_tag(rest) {
            rest.find('>').unwrap_or(rest.len())
        } else {
            0
        };
        let within = |c: char| c.is_alphanumeric();
        let after = rest[c.len_utf8()..].starts_with(within);
        let emphasis = c == '_' && !(seen.ends_with(within) && after);
        if hidden == 0 && (code || !emphasis) {
            seen.push(c);
        }
        rest = &rest[hidden.max(c.len_utf8())..];
    }
    let seen = seen.trim().to_lowercase();
    let seen = seen.chars().map(|c| if c.is_whitespace() { '-' } else { c });
    seen.filter(|&c| c.is_alphanumeric() || "-_".contains(c)).collect()
}

/// The id, or with `-1`, `-2`… behind it where it is taken.
fn unique(id: String, used: &mut BTreeSet<String>) -> String {
    let numbered = (1..).map(|n| format!("{id}-{n}"));
    let mut ids = std::iter::once(id.clone()).chain(numbered);
    ids.find(|id| used.insert(id.clone())).unwrap_or(id.clone())
}
