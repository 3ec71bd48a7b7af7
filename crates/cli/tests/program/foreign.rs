//! Files of strangers: nothing in them commands a terminal.

use std::fs;

use microgpt::checkpoint::KEY;
use serde_json::{Value, json};

use crate::support::*;
use crate::terminal::Printer;

/// Sets a title, the colour and the clipboard, goes back, begins a control
/// sequence in one character, and turns the direction of writing.
const COMMANDS: &str = "\u{1b}]0;x\u{7}\u{1b}[31m\u{1b}]52;c;eA==\u{7}\r\u{8}\
                        \u{9b}2J\u{202e}\u{2066}\u{200f}\u{7f}";

/// The document with commands in one of its names and values, for each.
fn infected(value: &Value) -> Vec<Value> {
    let infect = |text: &str| text.to_owned() + COMMANDS;
    match value {
        Value::String(text) => {
            vec![infect(text).into(), "\u{9b}".into(), "\u{202e}".into()]
        }
        Value::Array(items) => {
            let with = |i: usize| {
                infected(&items[i]).into_iter().map(move |item| {
                    let mut items = items.clone();
                    items[i] = item;
                    items.into()
                })
            };
            (0..items.len()).flat_map(with).collect()
        }
        Value::Object(fields) => {
            let with = |(name, field): (&String, &Value)| {
                let mut renamed = fields.clone();
                renamed.remove(name);
                renamed.insert(infect(name), field.clone());
                let mut all = vec![renamed.into()];
                all.extend(infected(field).into_iter().map(|field| {
                    let mut fields = fields.clone();
                    fields[name] = field;
                    fields.into()
                }));
                all
            };
            fields.iter().flat_map(with).collect()
        }
        _ => vec![COMMANDS.into()], // an error may quote what it cannot use
    }
}

/// Whether a terminal would do more with it than write it.
fn is_command(c: char) -> bool {
    c != '\n' && c.is_control() || "\u{202e}\u{2066}\u{200f}".contains(c)
}

fn assert_harmless(folder: &Folder, arguments: &str) {
    let printed = output(folder, arguments);
    for text in [printed.stdout, printed.stderr] {
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains(is_command), "{arguments}: {text:?}");
    }
}

/// The header of a safetensors file, and what follows it.
fn parts(file: &[u8]) -> (Value, &[u8]) {
    let (length, rest) = file.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
    let (header, tensors) = rest.split_at(length);
    (serde_json::from_slice(header).unwrap(), tensors)
}

fn with_header(header: &Value, tensors: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), tensors].concat()
}

#[test]
fn nothing_in_a_run_commands_the_terminal() {
    let folder = Folder::new("foreign-run");
    succeed(&folder, &format!("{TINY} --steps 2 --checkpoint a"));
    let file = content(&folder, "a");
    let (header, tensors) = parts(&file);
    let path = folder.0.join("b");
    for header in infected(&header) {
        fs::write(&path, with_header(&header, tensors)).unwrap();
        assert_harmless(&folder, "inspect b");
    }
    let record = header["__metadata__"][KEY].as_str().unwrap();
    for record in infected(&serde_json::from_str(record).unwrap()) {
        let mut header = header.clone();
        header["__metadata__"][KEY] = record.to_string().into();
        fs::write(&path, with_header(&header, tensors)).unwrap();
        assert_harmless(&folder, "inspect b");
        assert_harmless(&folder, "generate b --length 200");
        assert_harmless(&folder, "resume b --data text.txt --length 5");
        assert_harmless(&folder, "average b --data text.txt");
    }
}

#[test]
fn nothing_in_a_folder_commands_the_terminal() {
    let folder = Folder::new("foreign-folder");
    succeed(&folder, &format!("{TINY} --steps 2 --checkpoint a"));
    succeed(&folder, "export a hf");
    let try_with = |name: &str, bytes: &[u8]| {
        let path = folder.0.join("hf").join(name);
        let before = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        assert_harmless(&folder, "generate hf --length 200");
        assert_harmless(&folder, "import hf b --data text.txt");
        let _ = fs::remove_file(folder.0.join("b"));
        fs::write(&path, before).unwrap();
    };
    for name in ["config.json", "tokenizer.json"] {
        let document = content(&folder, &format!("hf/{name}"));
        for document in infected(&serde_json::from_slice(&document).unwrap()) {
            try_with(name, document.to_string().as_bytes());
        }
    }
    let file = content(&folder, "hf/model.safetensors");
    let (header, tensors) = parts(&file);
    for header in infected(&header) {
        try_with("model.safetensors", &with_header(&header, tensors));
    }
    let index = json!({ "weight_map": { COMMANDS: COMMANDS } });
    fs::remove_file(folder.0.join("hf/model.safetensors")).unwrap();
    let path = folder.0.join("hf/model.safetensors.index.json");
    fs::write(path, index.to_string()).unwrap();
    assert_harmless(&folder, "import hf b --data text.txt");
}

/// The name of a file may come out of an archive.
#[cfg(unix)]
#[test]
fn no_name_of_a_file_commands_the_terminal() {
    let folder = Folder::new("foreign-name");
    let name = "\u{1b}]0;x\u{7}\u{1b}[31m\u{9b}2J\u{202e}\r\nx";
    let runs = [
        format!("{TINY} --steps 2 --checkpoint {name}"),
        format!("{TINY} --steps 2 --checkpoint {name}"), // is there already
        format!("inspect {name}"),
        format!("generate {name} --length 5"),
        format!("resume {name} --data text.txt --steps 4 --length 5"),
        format!("export {name} {name}.hf"),
        format!("export {name} {name}.hf"),
        format!("import {name}.hf {name}.b --data text.txt"),
        format!("import {name}.hf {name}.c --data {name}"),
        format!("average {name} --data text.txt"),
        format!("inspect {name}.none"),
        format!("train --data {name}.none"),
    ];
    for arguments in runs {
        assert_harmless(&folder, &arguments);
    }
    assert_eq!(step(&folder, name), 4);
}

/// A model that has learned them writes them, and they are seen.
#[test]
fn generated_commands_are_spelled_out() {
    let folder = Folder::new("foreign-text");
    let text = "\u{1b}\u{9b}\u{7}\u{202e}\u{200f}\r".repeat(100);
    fs::write(folder.0.join("commands.txt"), text).unwrap();
    let options = TINY.replace("text.txt", "commands.txt");
    let options = options.replace("--length 5", "--length 50");
    assert_harmless(&folder, &format!("{options} --steps 2 --checkpoint a"));
    assert_harmless(&folder, "inspect a");
    let printed = succeed(&folder, "generate a --length 50");
    let spelled = printed.matches('\\').count();
    assert_eq!(spelled, 50, "{printed}");
}

/// A carriage return ends a line together with a line break, however they come,
/// and alone it would hide what was printed before.
#[test]
fn a_carriage_return_goes_back_nowhere() {
    for (parts, printed) in [
        (&["a\r\nb"][..], "a\r\nb\n"),
        (&["a\r", "\nb"], "a\r\nb\n"),
        (&["a", "\r", "", "\n", "b\r\n"], "a\r\nb\r\n\n"),
        (&["a\rb"], "a\\rb\n"),
        (&["a\r", "b"], "a\\rb\n"),
        (&["\r", "\r", "\n"], "\\r\r\n\n"),
        (&["a\r"], "a\\r\n"),
    ] {
        let mut out = Vec::new();
        let mut printer = Printer::new(&mut out);
        for part in parts {
            printer.print(part).unwrap();
        }
        printer.finish().unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), printed, "{parts:?}");
    }
}
