//! Programs that are compiled for one processor and run by another.

use std::process::Command;

use crate::support::*;
use crate::terminal::processor::unused;

/// Processors that have less than the one that compiled the program, if that
/// was made since 2013.
#[test]
#[ignore = "needs qemu-x86_64"]
fn on_an_older_processor_the_program_says_so() {
    let folder = Folder::new("older");
    for older in ["Opteron_G1", "Nehalem", "SandyBridge", "Haswell,-avx2"] {
        for arguments in ["--help", "inspect nothing", "train --steps 1"] {
            let output = Command::new("qemu-x86_64")
                .args(["-cpu", older, PROGRAM])
                .args(command(&folder, arguments).get_args())
                .output()
                .unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{older}: {error}");
            assert!(output.stdout.is_empty(), "{older}");
            let (_, said) = error.rsplit_once("error: ").unwrap();
            let begins = "this program was compiled for a processor with ";
            assert!(said.starts_with(begins), "{said}");
            let ends = ", and this one is older; compile it here, or for every \
                        processor, with RUSTFLAGS=\"-C target-cpu=x86-64\"\n";
            assert!(said.ends_with(ends), "{said}");
        }
    }
}

#[test]
fn wide_registers_that_are_left_unused_are_named() {
    let has = || 1 << 28;
    let lacks = || 0;
    let said = |compiled, has: fn() -> u32| {
        let names = ["popcnt", "avx2", "gfni", "avx512f"];
        unused(&names.map(|name| (name, compiled, has)))
    };
    assert_eq!(said(true, has), None);
    assert_eq!(said(false, lacks), None);
    let said = said(false, has).unwrap();
    let begins =
        "warning: compiled without avx2, avx512f, which this processor";
    assert!(said.starts_with(begins), "{said}");
}
