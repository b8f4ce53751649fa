//! Gzip (RFC 1952), by flate2 on zlib-rs.

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use ottla_core::record::CodecFault;
use std::io::{Read, Write};

pub fn decompress(bytes: &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), CodecFault> {
    let mut decoder = MultiGzDecoder::new(bytes);
    let mut filled = 0;
    loop {
        if filled == out.len() {
            if filled > cap {
                return Err(CodecFault::OverCap);
            }
            // One byte beyond the cap, so that the end of the stream is told apart from the end of the room.
            let room = (filled * 2).max(bytes.len() * 4).clamp(ROOM_MIN, ROOM_STEP.max(filled * 2));
            out.resize(room.min(cap + 1), 0);
        }
        match decoder.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(_) => return Err(CodecFault::Corrupt),
        }
    }
    out.truncate(filled);
    Ok(())
}

pub fn compress(bytes: &[u8], out: &mut Vec<u8>) {
    let mut encoder = GzEncoder::new(out, Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes every byte");
}

/// The first room that is made for what comes out.
const ROOM_MIN: usize = 4 << 10;
/// The most room that is made before anything has come out.
const ROOM_STEP: usize = 1 << 20;
