//! Disks that are full or cannot be written to, and names that cannot be made.

#[cfg(target_os = "linux")]
use std::process::Command;

#[cfg(target_os = "linux")]
use microgpt::checkpoint;

use crate::support::*;

/// A device that is always full stands for a log on a full disk.
#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error_and_costs_no_step() {
    let folder = Folder::new("log");
    let run = format!("{TINY} --steps 50 --checkpoint a");
    assert!(succeed(&folder, &run).contains("trained in"));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = command(&folder, "resume a --data text.txt --length 9");
    let output = command.stdout(full.unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("o space left"), "{error}");
    assert_eq!(step(&folder, "a"), 50);
}

/// A network's file system may have no locks: then a run is kept all the same.
/// Here the system is made to say so.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs strace"]
fn without_file_locks_a_run_is_kept_and_the_lack_of_them_told() {
    let folder = Folder::new("no-locks");
    let trained = format!("{TINY} --steps 3 --checkpoint");
    let resumed = "resume a --data text.txt --length 5 --lr 1e-3 --steps";
    succeed(&folder, &format!("{trained} hf.run"));
    succeed(&folder, "export hf.run hf");
    let run = |arguments: &str, fault: &str| {
        Command::new("strace")
            .args(["-f", "-o", "trace", "-e"])
            .arg(format!("inject=flock:error={fault}"))
            .arg(PROGRAM)
            .args(command(&folder, arguments).get_args())
            .current_dir(&folder.0)
            .output()
            .unwrap()
    };
    for fault in ["ENOLCK", "ENOSYS", "EOPNOTSUPP"] {
        for (arguments, file, step_now) in [
            (format!("{trained} a"), "a", 3),
            (format!("{resumed} 5"), "a", 5),
            (format!("{resumed} 6 --checkpoint b"), "b", 6),
            ("import hf c --data text.txt".to_owned(), "c", 0),
        ] {
            let output = run(&arguments, fault);
            assert!(output.status.success(), "{fault}: {output:?}");
            let warning = format!(
                "warning: {file}: this file system has no locks; make sure \
                 that no other run saves there\n"
            );
            assert_eq!(String::from_utf8(output.stderr).unwrap(), warning);
            assert_eq!(step(&folder, file), step_now);
        }
        for file in ["a", "b", "c"] {
            let lock = folder.0.join(format!("{file}.lock"));
            assert!(!lock.exists(), "{fault}: {file}.lock is left");
            std::fs::remove_file(folder.0.join(file)).unwrap();
            let _ = std::fs::remove_file(folder.0.join(format!("{file}.best")));
        }
    }
    // A lock that fails for another reason may be there
    let output = run(&format!("{trained} a"), "EIO");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!folder.0.join("a").exists());
}

/// A name so long that there is none for the best state: the run is kept.
#[test]
fn a_best_that_cannot_be_saved_costs_a_warning_and_not_the_run() {
    let folder = Folder::new("long-name");
    let name = "a".repeat(246); // a name has 255 bytes at most
    let run = format!("{TINY} --steps 3 --checkpoint {name}");
    let output = output(&folder, &run);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(".best: cannot write: "), "{error}");
    assert_eq!(output.status.code(), Some(2), "{error}");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(!printed.contains("checkpoint saved"), "{printed}");
    assert_eq!(step(&folder, &name), 3);
}

/// On a disk of 64 kB the first file fits, and the second, beside it, does not.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root, to mount a small disk"]
fn a_full_disk_costs_a_warning_and_no_file() {
    let folder = Folder::new("full");
    let disk = folder.0.join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(&disk)
        .output()
        .unwrap();
    assert!(mount.status.success(), "{mount:?}");
    let run = format!("{TINY} --steps 4 --eval-interval 2 --checkpoint disk/a");
    let filler = vec![0; 18_000];
    let full = std::fs::write(disk.join("filler"), filler);
    let output = output(&folder, &run);
    let (loaded, left) = (
        checkpoint::load(&disk.join("a")),
        ["a.part", "a.best.part"].iter().any(|part| disk.join(part).exists()),
    );
    let _ = Command::new("umount").arg(&disk).status();
    full.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("training goes on"), "{error}");
    assert!(error.contains("o space left"), "{error}");
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(loaded.is_ok(), "{loaded:?}");
    assert!(!left, "the part is still there");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root, to mount a disk that cannot be written to"]
fn on_a_read_only_disk_a_run_can_be_read_and_not_kept() {
    let folder = Folder::new("read-only");
    let run = format!("{TINY} --steps 3");
    let disk = folder.0.join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = |arguments: &[&str]| {
        let mount = Command::new("mount").args(arguments).arg(&disk).output();
        assert!(mount.unwrap().status.success(), "{arguments:?}");
    };
    mount(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
    succeed(&folder, &format!("{run} --checkpoint disk/a"));
    mount(&["-o", "remount,ro"]);
    let outputs = [
        format!("{run} --checkpoint disk/b"),
        "generate disk/a --length 5".to_owned(),
        "inspect disk/a".to_owned(),
    ]
    .map(|arguments| output(&folder, &arguments));
    let _ = Command::new("umount").arg(&disk).output();
    let [kept, generated, inspected] = outputs;
    assert_eq!(kept.status.code(), Some(2), "{kept:?}");
    assert!(kept.stdout.is_empty(), "it began to work: {kept:?}");
    let error = String::from_utf8(kept.stderr).unwrap();
    let said = "error: disk/b: cannot lock: ";
    assert!(error.starts_with(said), "{error}");
    assert!(generated.status.success(), "{generated:?}");
    assert!(inspected.status.success(), "{inspected:?}");
}
