//! What a script can carry: base64 of gzip.

#![allow(dead_code)] // no test needs all of it

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::write::GzEncoder;
use flate2::{Compression, read::GzDecoder};

pub fn pack(bytes: &[u8]) -> String {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes).unwrap();
    BASE64_STANDARD.encode(out.finish().unwrap())
}

pub fn unpack(packed: &str) -> Vec<u8> {
    let bytes = BASE64_STANDARD.decode(packed).unwrap();
    let mut unpacked = Vec::new();
    GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
    unpacked
}
