//! Whether a program and the processor that runs it are made for each other.
//!
//! `.cargo/config.toml` compiles for the processor at hand, so that loops use
//! its widest registers. Carried to an older one, such a program would end at
//! the first instruction that is missing there. And `RUSTFLAGS` of your own
//! replace those of the file, which costs time. Both are said at the start.

/// Ends the program with a sentence if it needs instructions that this
/// processor doesn't have; warns if it leaves wide registers unused.
///
/// To be called before anything else. It is itself compiled for that processor,
/// so until everything has been found it only compares integers, and prints
/// what needs no formatting.
#[inline(never)]
pub fn check_processor() {
    use std::io::Write;
    let mut error = std::io::stderr();
    let mut missing = 0;
    for (name, compiled, has) in kinds() {
        if *compiled && has() == 0 {
            let before = match missing {
                0 => "error: this program was compiled for a processor with ",
                _ => ", ",
            };
            let _ = error.write_all(before.as_bytes());
            let _ = error.write_all(name.as_bytes());
            missing += 1;
        }
    }
    if missing > 0 {
        let after = ", and this one is older; compile it here, or for every \
                     processor, with RUSTFLAGS=\"-C target-cpu=x86-64\"\n";
        let _ = error.write_all(after.as_bytes());
        std::process::exit(2);
    }
    if let Some(warning) = unused(kinds()) {
        super::warn(&warning);
    }
    if cfg!(feature = "bf16") && !rounds_to_bf16() {
        super::warn(
            "warning: the feature bf16 needs AMX (Intel's servers since 2023) \
             and Linux; here every product is in f32, as without it",
        );
    }
}

/// Whether the factors of large products are rounded to bf16.
pub fn rounds_to_bf16() -> bool {
    #[cfg(all(
        feature = "bf16",
        target_arch = "x86_64",
        target_os = "linux"
    ))]
    return microgpt::bf16::is_supported();
    #[allow(unreachable_code)]
    false
}

/// Instructions: their name, whether the compiler was allowed to use them, and
/// what is zero if the processor doesn't have them.
pub type Kind = (&'static str, bool, fn() -> u32);

/// What is said of wide registers that are left unused.
pub fn unused(kinds: &[Kind]) -> Option<String> {
    let wide = ["avx", "avx2", "fma", "avx512f"];
    let unused = kinds.iter().filter(|(name, compiled, has)| {
        wide.contains(name) && !compiled && has() != 0
    });
    let names: Vec<&str> = unused.map(|(name, ..)| *name).collect();
    (!names.is_empty()).then(|| {
        format!(
            "warning: compiled without {}, which this processor has, so \
             training takes longer; RUSTFLAGS of your own replace those of \
             .cargo/config.toml: add -C target-cpu=native to them",
            names.join(", "),
        )
    })
}

/// Those that a compiler uses on its own, by the register and the bit in which
/// the instruction `cpuid` tells them.
#[cfg(target_arch = "x86_64")]
fn kinds() -> &'static [Kind] {
    use raw_cpuid::cpuid;
    use std::hint::black_box; // bit by bit, in no wide register
    macro_rules! kinds {
        ($($leaf:literal $register:ident $bit:literal $name:literal)*) => {
            [$((
                $name,
                cfg!(target_feature = $name),
                || black_box(cpuid!($leaf, 0).$register) & 1 << $bit,
            )),*]
        };
    }
    static KINDS: [Kind; 22] = kinds! {
        1 ecx 12 "fma"
        1 ecx 20 "sse4.2"
        1 ecx 22 "movbe"
        1 ecx 23 "popcnt"
        1 ecx 28 "avx"
        1 ecx 29 "f16c"
        7 ebx 3 "bmi1"
        7 ebx 5 "avx2"
        7 ebx 8 "bmi2"
        7 ebx 16 "avx512f"
        7 ebx 17 "avx512dq"
        7 ebx 21 "avx512ifma"
        7 ebx 28 "avx512cd"
        7 ebx 30 "avx512bw"
        7 ebx 31 "avx512vl"
        7 ecx 1 "avx512vbmi"
        7 ecx 6 "avx512vbmi2"
        7 ecx 8 "gfni"
        7 ecx 11 "avx512vnni"
        7 ecx 12 "avx512bitalg"
        7 ecx 14 "avx512vpopcntdq"
        7 edx 23 "avx512fp16"
    };
    &KINDS
}

/// Elsewhere a program is compiled for all processors of its kind.
#[cfg(not(target_arch = "x86_64"))]
fn kinds() -> &'static [Kind] {
    &[]
}
