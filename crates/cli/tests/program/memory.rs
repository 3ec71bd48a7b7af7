//! Less memory than the machine has: in a container, or by `ulimit`.

use std::fs;
use std::process::{Command, Output};

use crate::support::*;
use crate::terminal::memory;

/// The program in a shell, after a command of the shell's.
fn after(shell: &str, folder: &Folder, arguments: &str) -> Output {
    Command::new("sh")
        .args(["-c", &format!("{shell}\nexec \"$0\" \"$@\""), PROGRAM])
        .args(command(folder, arguments).get_args())
        .current_dir(&folder.0)
        .output()
        .unwrap()
}

fn refused(output: Output, said: &str) {
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(output.stdout.is_empty(), "{error}");
    assert!(error.contains(said), "{error}");
}

/// The numbers take 203 MB, on two threads, and the program some 60 MB more of
/// addresses, or some 25 MB of data.
#[test]
fn the_limits_of_the_shell_are_seen_before_the_work() {
    let folder = Folder::new("ulimit");
    let long = "train --preset long --steps 1 --threads 2 --length 5";
    let said = "error: training at these sizes takes some 203 MB of memory, \
                which this process is not allowed; see `ulimit -a`; choose a \
                smaller model, context length or batch\n";
    for limit in ["v 200000", "v 240000", "d 100000", "d 200000"] {
        refused(after(&format!("ulimit -{limit}"), &folder, long), said);
    }
    let output = after("ulimit -v 400000", &folder, long);
    assert!(output.status.success(), "{output:?}");
}

/// Reading takes less than training, and may be refused as well.
#[test]
fn what_is_read_must_fit_too() {
    let folder = Folder::new("read");
    let sizes =
        "--data text.txt --n-layer 6 --n-head 4 --n-embd 768 --batch-size 1";
    let train = format!("train {sizes} --block-size 16 --steps 1 --length 1");
    succeed(&folder, &format!("{train} --average 0 --checkpoint run"));
    succeed(&folder, "export run hf");
    let run = "run: takes some 511 MB of memory, which this process is not";
    let hf = "hf: takes some 171 MB of memory, which this process is not";
    let little =
        |arguments: &str| after("ulimit -v 200000", &folder, arguments);
    for arguments in ["generate run", "inspect run", "export run other"] {
        refused(little(arguments), run);
    }
    refused(little("generate hf"), hf);
    refused(little("train --from hf --data text.txt"), hf);
    assert!(!folder.0.join("other").exists());
}

#[test]
#[ignore = "needs root, to make a control group"]
fn the_limit_of_a_control_group_is_seen_before_the_work() {
    let first = "/sys/fs/cgroup/memory"; // version 1, or what has both
    let (mounted, file, limit) = match fs::exists(first).unwrap() {
        true => (first, "memory.limit_in_bytes", "100M"),
        false => ("/sys/fs/cgroup", "memory.max", "100M"),
    };
    let folder = Folder::new("group");
    let group = format!("{mounted}/microgpt-{}", std::process::id());
    fs::create_dir_all(format!("{group}/inner")).unwrap();
    fs::write(format!("{group}/{file}"), limit).unwrap();
    let inside = format!("echo $$ > {group}/inner/cgroup.procs");
    let long = "train --preset long --steps 1 --threads 2";
    let output = after(&inside, &folder, long);
    fs::remove_dir(format!("{group}/inner")).unwrap();
    fs::remove_dir(group).unwrap();
    let said = "takes some 203 MB of memory, and there are 105 MB here; choose";
    refused(output, said);
}

/// What it is called, what the system says of itself, in files, and the limit.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

#[test]
fn the_least_of_all_limits_counts() {
    let machine = "MemTotal:       16000000 kB\nMemFree:  1 kB\n";
    let unlimited = "9223372036854771712\n";
    let version_2 = "0::/user.slice/run.scope\n";
    let version_1 = "4:cpu,cpuacct:/a\n3:memory:/docker/c0ffee\n0::/\n";
    let cases: [Case; 11] = [
        ("nothing is said", &[], f64::INFINITY),
        ("the machine", &[("proc/meminfo", machine)], 16_384e6),
        ("noise", &[("proc/meminfo", "MemTotal: kB")], f64::INFINITY),
        (
            "a group's own limit",
            &[
                ("proc/meminfo", machine),
                ("proc/self/cgroup", version_2),
                ("sys/fs/cgroup/user.slice/run.scope/memory.max", "5000\n"),
            ],
            5000.0,
        ),
        (
            "the limit of the group around it",
            &[
                ("proc/self/cgroup", version_2),
                ("sys/fs/cgroup/user.slice/run.scope/memory.max", "5000\n"),
                ("sys/fs/cgroup/user.slice/memory.max", "4000\n"),
            ],
            4000.0,
        ),
        (
            "no limit",
            &[
                ("proc/meminfo", machine),
                ("proc/self/cgroup", version_2),
                ("sys/fs/cgroup/user.slice/run.scope/memory.max", "max\n"),
            ],
            16_384e6,
        ),
        (
            "a container that sees itself as the root",
            &[
                ("proc/self/cgroup", "0::/\n"),
                ("sys/fs/cgroup/memory.max", "3000\n"),
            ],
            3000.0,
        ),
        (
            "version 1",
            &[
                ("proc/self/cgroup", version_1),
                (
                    "sys/fs/cgroup/memory/docker/c0ffee/memory.limit_in_bytes",
                    "2000\n",
                ),
            ],
            2000.0,
        ),
        (
            "version 1, in a container that knows its outer name",
            &[
                ("proc/self/cgroup", version_1),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n"),
            ],
            1000.0,
        ),
        (
            "version 1, without a limit",
            &[
                ("proc/meminfo", machine),
                ("proc/self/cgroup", version_1),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", unlimited),
            ],
            16_384e6,
        ),
        (
            "both versions, memory in the first",
            &[
                ("proc/self/cgroup", "3:memory:/\n0::/\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "900\n"),
                ("sys/fs/cgroup/memory.max", "800\n"),
            ],
            800.0,
        ),
    ];
    for (case, files, limit) in cases {
        let root = Folder::new("root");
        for (name, content) in files {
            let path = root.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        assert_eq!(memory::limit(&root.0), limit, "{case}");
    }
}
