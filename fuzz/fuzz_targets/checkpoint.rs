//! Bytes that claim to be a checkpoint: an error, or a run that makes the trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microgpt::checkpoint::{read, write};

fuzz_target!(|bytes: &[u8]| {
    let Ok((trainer, corpus)) = read(bytes, bytes.len() as u64) else { return };
    let mut written = Vec::new();
    write(&trainer, &corpus, &mut written).unwrap();
    let length = written.len() as u64;
    let (again, known) = read(&written[..], length).unwrap();
    assert_eq!(known, corpus);
    let mut twice = Vec::new();
    write(&again, &known, &mut twice).unwrap();
    assert_eq!(twice, written);
});
