//! Help, and how the program calls itself.

use crate::support::*;

const SUBCOMMANDS: [&str; 7] =
    ["train", "resume", "generate", "inspect", "export", "import", "average"];

#[test]
fn help_fits_a_screen() {
    let folder = Folder::new("help");
    for subcommand in SUBCOMMANDS.iter().chain(&[""]) {
        let help = succeed(&folder, &format!("{subcommand} --help"));
        let (lines, width) =
            (help.lines().count(), help.lines().map(str::len).max());
        assert!(lines <= 45, "{subcommand}: {lines} lines\n{help}");
        assert!(width <= Some(80), "{subcommand}: {width:?}\n{help}");
        assert_eq!(succeed(&folder, &format!("{subcommand} -h")), help);
    }
    let all = succeed(&folder, "--help");
    assert!(SUBCOMMANDS.iter().all(|it| all.contains(&format!("  {it} "))));
}

/// `cargo microgpt` is what was typed if cargo runs the program.
#[test]
fn the_program_calls_itself_as_it_was_called() {
    let folder = Folder::new("called");
    let run = format!("{TINY} --steps 2 --checkpoint");
    for (package, program, file) in [
        (None, "microgpt", "a"),
        (Some("microgpt-cli"), "cargo microgpt", "b"),
        (Some("another"), "microgpt", "c"),
    ] {
        let said = |arguments: &str| {
            let mut command = command(&folder, arguments);
            if let Some(package) = package {
                command.env("CARGO_PKG_NAME", package);
            }
            let output = command.output().unwrap();
            let said = [output.stdout, output.stderr].map(String::from_utf8);
            said.map(Result::unwrap).concat()
        };
        let next = format!("with `{program} generate {file}`\n");
        let printed = said(&format!("{run} {file}"));
        assert!(printed.contains(&next), "{printed}");
        let next = format!("with `{program} resume {file}`");
        let refused = said(&format!("{run} {file}"));
        assert!(refused.contains(&next), "{refused}");
        let usage = format!("Usage: {program} train ");
        assert!(said("train --help").contains(&usage));
    }
}
