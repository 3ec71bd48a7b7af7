//! The product of two matrices on machines with unusual caches: what Linux says
//! of them is put in the place of `/sys/devices/system/cpu`, for one process.
//! `cargo test --test caches -- --ignored`, as root.

#[allow(dead_code)] // `exp` and others, which other tests see
#[path = "../src/root.rs"]
mod root;
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gemm_common::cache::CacheInfo;
use ndarray::{Array2, s};
use root::{blocks_fit, caches_can_be_read, general_mat_mul};
use support::Folder;

/// What Linux says of caches: a name, and the files of each cache. A file that
/// is not named is not there.
type Machine = (&'static str, &'static [&'static str]);

const L1: &str = "level=1 type=Data size=32K ways=8 shared=0,4";
const L2: &str = "level=2 type=Unified size=256K ways=8 shared=0,4";
const L3: &str = "level=3 type=Unified size=6144K ways=12 shared=0-7";
const OWN_L2: &str = "level=2 type=Unified size=1024K ways=16 shared=0";

/// Machines whose caches `gemm` takes as they are, or replaces by ordinary ones.
const USUAL: &[Machine] = &[
    ("no cache is listed", &[]),
    ("a server", &[L1, OWN_L2, L3]),
    ("sizes in M", &[L1, "level=2 type=Unified size=2M ways=16 shared=0", L3]),
    ("sizes in bytes", &[L1, "level=2 type=Unified size=1048576 shared=0"]),
    (
        "sizes of 0K",
        &[
            "level=1 type=Data size=0K shared=0",
            "level=2 type=Unified size=0K shared=0",
            "level=3 type=Unified size=0K shared=0",
        ],
    ),
    ("sizes of nothing", &["level=1 type=Data size= shared=0"]),
    ("no sizes", &["level=2 type=Unified shared=0", OWN_L2]),
    ("no third level", &[L1, OWN_L2]),
    ("no second level", &[L1, L3]),
    ("only a first level", &[L1]),
    (
        "a list of no cores",
        &[
            "level=1 type=Data size=32K ways=8 shared=",
            "level=2 type=Unified size=1M ways=8 shared=",
        ],
    ),
    (
        "ways of 0",
        &[
            "level=1 type=Data size=32K ways=0 shared=0",
            "level=2 type=Unified size=1M ways=0 shared=0",
            "level=3 type=Unified size=8M ways=0 shared=0",
        ],
    ),
    (
        "one way",
        &[
            "level=1 type=Data size=32K ways=1 shared=0",
            "level=2 type=Unified size=1M ways=1 shared=0",
            "level=3 type=Unified size=8M ways=1 shared=0",
        ],
    ),
    (
        "an instruction cache",
        &["level=1 type=Instruction size=1K ways=1 shared=0-127", L1, OWN_L2],
    ),
    (
        "cores that are off, numbers that are left out",
        &[
            "cpu=0 level=2 type=Unified size=2M ways=16 shared=0,3,9-10",
            "cpu=9 level=2 type=Unified size=2M ways=16 shared=0,3,9-10",
            "cpu=1",
        ],
    ),
    (
        "two kinds of cores",
        &[
            "cpu=0 level=1 type=Data size=48K ways=12 shared=0-1",
            "cpu=0 level=2 type=Unified size=1280K ways=10 shared=0-1",
            "cpu=0 level=3 type=Unified size=24M ways=12 shared=0-15",
            "cpu=8 level=1 type=Data size=32K ways=8 shared=8",
            "cpu=8 level=2 type=Unified size=2M ways=16 shared=8-11",
            "cpu=8 level=3 type=Unified size=24M ways=12 shared=0-15",
        ],
    ),
    ("a folder among the files", &[L1, OWN_L2, "level=3 shared=0 power/="]),
];

/// Machines on which it would panic while it reads.
const UNREADABLE: &[Machine] = &[
    (
        "a fourth level",
        &[L1, L2, L3, "level=4 type=Unified size=131072K ways=16 shared=0-7"],
    ),
    (
        "a fourth level, and a folder among the files",
        &[
            L1,
            OWN_L2,
            "level=4 type=Unified size=128M ways=16 shared=0 power/=",
        ],
    ),
    ("no list of cores", &["level=2 type=Unified size=1M ways=8"]),
    ("no level", &["type=Unified size=1M ways=8 shared=0"]),
];

/// Machines on which it would divide by zero, never end or run out of memory;
/// the first, with wide registers only.
const SMALL: &[Machine] = &[
    ("a laptop", &[L1, L2, L3]),
    (
        "16 cores share the second level",
        &[L1, "level=2 type=Unified size=1M ways=16 shared=0-15", L3],
    ),
    ("32 cores", &[L1, "level=2 type=Unified size=1M ways=16 shared=0-31"]),
    ("64 cores", &[L1, "level=2 type=Unified size=4M ways=16 shared=0-63"]),
    (
        "128 cores",
        &[L1, "level=2 type=Unified size=4M ways=16 shared=0-63,128-191"],
    ),
    (
        "a second level in the size of a first",
        &[L1, "level=2 type=Unified size=32K ways=8 shared=0"],
    ),
    (
        "as many ways as bytes",
        &[L1, "level=2 type=Unified size=1K ways=1025 shared=0"],
    ),
    (
        "a first level larger than the second",
        &["level=1 type=Data size=4M ways=8 shared=0", OWN_L2],
    ),
    (
        "a first level of 1024 ways",
        &["level=1 type=Data size=32K ways=1024 shared=0", OWN_L2],
    ),
    (
        "a small third level",
        &[L1, OWN_L2, "level=3 type=Unified size=8K ways=16 shared=0-7"],
    ),
    (
        "a second level without bounds",
        &[L1, "level=2 type=Unified size=9007199254740991K ways=8 shared=0"],
    ),
];

/// Lays out the files as Linux does.
fn lay_out(cpus: &Path, caches: &[&str]) {
    for (i, cache) in caches.iter().enumerate() {
        let (mut cpu, mut files) = ("0", Vec::new());
        for file in cache.split(' ') {
            match file.split_once('=').unwrap() {
                ("cpu", number) => cpu = number,
                ("ways", text) => files.push(("ways_of_associativity", text)),
                ("shared", text) => files.push(("shared_cpu_list", text)),
                other => files.push(other),
            }
        }
        let cpu = cpus.join(format!("cpu{cpu}"));
        fs::create_dir_all(&cpu).unwrap();
        for (name, text) in files {
            let index = cpu.join(format!("cache/index{i}"));
            fs::create_dir_all(&index).unwrap();
            match name.strip_suffix('/') {
                Some(folder) => fs::create_dir(index.join(folder)).unwrap(),
                None => {
                    fs::write(index.join(name), format!("{text}\n")).unwrap()
                }
            }
        }
    }
    // Of these `lscpu` makes its list, which `gemm` asks where files are unreadable
    fs::write(cpus.join("possible"), "0-191\n").unwrap();
    fs::write(cpus.join("present"), "0-191\n").unwrap();
    fs::write(cpus.join("online"), "0-191\n").unwrap();
}

/// Runs the test `products_are_right` in a process that finds `folder` at
/// `place`, and returns what went wrong.
fn multiply_with(folder: &Path, place: &str) -> Result<(), String> {
    let script = r#"mount --bind "$1" "$2" && shift 2 && exec "$@""#;
    let mut child = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .args([folder, Path::new(place), &std::env::current_exe().unwrap()])
        .args(["--exact", "products_are_right", "--nocapture"])
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("unshare, from util-linux");
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err("does not end".to_string());
        }
        sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    let right = output.status.success() && said.contains("1 passed");
    if right && complaints.is_empty() {
        return Ok(());
    }
    Err(format!("{}, {complaints}", output.status))
}

/// Whole numbers, and so few that every sum is exact in any order.
#[test]
fn products_are_right() {
    for (m, k, n) in [
        (1, 1, 1),
        (3, 0, 4),
        (64, 600, 64),
        (40, 2000, 33),
        (65, 30_000, 5),
        (70, 3000, 130),
        (300, 700, 260),
        (1, 1009, 1511), // shared among threads
    ] {
        let entry = |(i, j)| ((i * 7 + j * 3) % 5) as f32 - 2.0;
        let (a, b) = (
            Array2::from_shape_fn((m, k), entry),
            Array2::from_shape_fn((n, k), |(j, i)| entry((i + 1, j))),
        );
        let rows = b.t().as_standard_layout().to_owned();
        for b in [b.t(), rows.view()] {
            // What was in c does not matter, if it is not asked for
            let mut c = Array2::from_elem((m, n), f32::NAN);
            general_mat_mul(2.0, &a, &b, 0.0, &mut c);
            let mut twice = c.clone();
            general_mat_mul(2.0, &a, &b, 1.0, &mut twice);
            for ((i, j), &found) in c.indexed_iter() {
                let terms = a.row(i).into_iter().zip(b.slice(s![.., j]));
                let sum = terms.map(|(x, y)| (x * y) as i32).sum::<i32>();
                assert_eq!(found, 2.0 * sum as f32, "{m} {k} {n}: {i} {j}");
                assert_eq!(twice[[i, j]], 4.0 * sum as f32);
            }
        }
    }
}

#[test]
#[ignore = "needs root, and Linux"]
fn products_are_right_whatever_the_caches() {
    let mut wrong = Vec::new();
    for &(name, caches) in [USUAL, UNREADABLE, SMALL].concat().iter() {
        let folder = Folder::new("caches");
        lay_out(&folder.0, caches);
        if let Err(how) = multiply_with(&folder.0, "/sys/devices/system/cpu") {
            wrong.push(format!("{name}: {how}"));
        }
    }
    let nothing = Folder::new("caches");
    if let Err(how) = multiply_with(&nothing.0, "/sys") {
        wrong.push(format!("no /sys: {how}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_cannot_be_read_is_seen_beforehand() {
    let can_be_read = |caches| {
        let folder = Folder::new("caches");
        lay_out(&folder.0, caches);
        caches_can_be_read(&folder.0)
    };
    for &(name, caches) in [USUAL, SMALL].concat().iter() {
        assert!(can_be_read(caches), "{name}");
    }
    for &(name, caches) in UNREADABLE {
        assert!(!can_be_read(caches), "{name}");
    }
    assert!(caches_can_be_read(Path::new("there is no such folder")));
}

/// Of that many bytes and ways.
const fn cache(cache_bytes: usize, associativity: usize) -> CacheInfo {
    CacheInfo { associativity, cache_bytes, cache_line_bytes: 64 }
}

const KIB: usize = 1 << 10;
const NONE: CacheInfo = cache(0, 8);

/// A core's part of each cache, as `gemm` counts it.
#[test]
fn usual_machines_are_let_through() {
    let large = cache(8192 * KIB, 16);
    for (name, rows, l1, l2) in [
        (
            "Sandy Bridge, two threads",
            2,
            cache(16 * KIB, 8),
            cache(128 * KIB, 8),
        ),
        ("Haswell, two threads", 16, cache(16 * KIB, 8), cache(128 * KIB, 8)),
        ("Skylake, two threads", 16, cache(16 * KIB, 8), cache(128 * KIB, 4)),
        ("Ice Lake, two threads", 64, cache(24 * KIB, 12), cache(256 * KIB, 8)),
        (
            "Skylake-SP, two threads",
            64,
            cache(16 * KIB, 8),
            cache(512 * KIB, 16),
        ),
        ("Zen 2, two threads", 16, cache(16 * KIB, 8), cache(256 * KIB, 8)),
        ("Zen 5", 64, cache(48 * KIB, 12), cache(1024 * KIB, 16)),
        ("Raspberry Pi 3", 16, cache(32 * KIB, 4), cache(128 * KIB, 16)),
        ("Raspberry Pi 4", 16, cache(32 * KIB, 2), cache(256 * KIB, 16)),
        ("Apple M1", 16, cache(128 * KIB, 8), cache(3072 * KIB, 8)),
    ] {
        for l3 in [large, NONE] {
            assert!(blocks_fit([l1, l2, l3], rows), "{name}");
        }
    }
}

/// A panel is 128 KiB here: 64 rows of 512 numbers.
#[test]
fn a_byte_less_is_refused() {
    let fit = |l1, l2, l3| blocks_fit([l1, l2, l3], 64);
    let (l1, l2) = (cache(32 * KIB, 8), cache(256 * KIB, 8));
    assert!(fit(l1, l2, NONE));
    assert!(!fit(l1, cache(256 * KIB - 1, 8), NONE));
    assert!(!fit(l1, cache(8192 * KIB, 3), NONE));
    assert!(fit(l1, l2, cache(256 * KIB, 8)));
    assert!(!fit(l1, l2, cache(256 * KIB - 1, 8)));
    assert!(fit(l1, l2, cache(1 << 31, 1 << 16)));
    assert!(!fit(l1, l2, cache((1 << 31) + 1, 8)));
    assert!(!fit(l1, l2, cache(1 << 20, (1 << 16) + 1)));
    assert!(fit(cache(32 * KIB, 512), l2, NONE));
    assert!(!fit(cache(32 * KIB, 513), l2, NONE));
    assert!(!fit(CacheInfo { cache_line_bytes: 96, ..l1 }, l2, NONE));
    // A longer panel, of 192 KiB: 12 ways count as 16
    assert!(fit(cache(144 * KIB, 12), cache(384 * KIB, 8), NONE));
    assert!(!fit(cache(144 * KIB, 12), cache(384 * KIB - 1, 8), NONE));
}

/// What `gemm` does (`kernel_params` and the lines before its call, in 0.19) for
/// a sum of `k` terms; `None` where it would panic or never end.
fn plan(caches: [CacheInfo; 3], mr: usize, nr: usize, k: usize) -> Option<()> {
    fn gcd(a: usize, b: usize) -> usize {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    let [l1, l2, l3] = caches;
    let ways = |cache: CacheInfo| cache.associativity.max(2);
    let line = l1.cache_line_bytes.max(64);
    let set = line * (l1.cache_bytes.max(32 * KIB) / (line * ways(l1)));
    let gcd = gcd(mr * 4, set);
    let kc = set / gcd;
    let taken = mr * 4 / gcd + (nr * kc * 4).checked_div(set)?;
    let kc = (kc * (ways(l1) / taken).next_power_of_two()).max(512).min(k);
    let kc = k.div_ceil(k.div_ceil(kc));
    let one = l2.cache_bytes / ways(l2);
    let other = (nr * kc * 4).checked_add(one.checked_sub(1)?)? / one;
    let rest = (ways(l2) - 1).checked_sub(other)?.max(1);
    let mc = rest * l2.cache_bytes / (ways(l2) * 4 * kc) / mr;
    let nc = (ways(l3) - 1) * l3.cache_bytes / ways(l3) / (4 * kc) / nr;
    let small = l2.cache_bytes / 4 / k.min(512) / mr;
    let ends = mc > 0 && small > 0 && (nc > 0 || l3.cache_bytes == 0);
    ends.then_some(())
}

#[test]
fn what_is_let_through_has_blocks() {
    let ways =
        [0, 1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 15, 16, 20, 27, 32, 64, 4096];
    let first = [8, 31, 32, 39, 40, 48, 64, 96, 100, 128, 192, 1000];
    let mut count = 0;
    for (rows, mr, nr) in [(64, 64, 6), (16, 16, 6), (16, 16, 4), (2, 2, 4)] {
        for (size, l1_ways) in first.iter().flat_map(|s| ways.map(|w| (s, w))) {
            for l2_ways in ways {
                // The smallest that is let through, and two that are not round
                let caches = |l2_bytes| {
                    let further = cache(l2_bytes, l2_ways);
                    [cache(size * KIB, l1_ways), further, further]
                };
                let mut sizes = (4..4096).map(|n| n * 16 * KIB);
                let fit = |&l2: &usize| blocks_fit(caches(l2), rows);
                let Some(least) = sizes.find(fit) else { continue };
                for l2 in [least, least + 77 * KIB, least + 1001] {
                    for k in [3, 100, 512, 513, 1024, 2047, 4096, 100_000] {
                        let caches = caches(l2);
                        assert!(fit(&l2), "{caches:?}");
                        let found = plan(caches, mr, nr, k);
                        assert!(found.is_some(), "{mr} {k} {caches:?}");
                        count += 1;
                    }
                }
            }
        }
    }
    assert!(count > 100_000, "{count}");
}
