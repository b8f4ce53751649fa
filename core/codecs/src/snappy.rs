//! Snappy in the framing of xerial's Java library, which Kafka's clients write: a magic, two versions, then chunks of
//! raw snappy, each behind its length. librdkafka and some others send one raw block without any framing.

use ottla_core::record::CodecFault;
use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

/// Magic, version 1 and lowest compatible version 1.
const HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
/// How much of the magic decides between framed and raw.
const MAGIC_BYTES: usize = 8;
/// What xerial's library puts into a chunk.
const CHUNK_BYTES: usize = 32 << 10;
/// Three bytes of snappy copy at most 64: whoever promises more than 22 for one is lying.
const RATIO_MAX: usize = 22;

pub fn decompress(bytes: &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), CodecFault> {
    if !bytes.starts_with(&HEADER[..MAGIC_BYTES]) {
        return block(bytes, cap, out);
    }
    let mut rest = bytes.get(HEADER.len()..).ok_or(CodecFault::Corrupt)?;
    while !rest.is_empty() {
        // Streams that were concatenated carry their header once more.
        if rest.starts_with(&HEADER[..MAGIC_BYTES]) {
            rest = rest.get(HEADER.len()..).ok_or(CodecFault::Corrupt)?;
            continue;
        }
        let (length, after) = rest.split_first_chunk::<4>().ok_or(CodecFault::Corrupt)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| CodecFault::Corrupt)?;
        let (chunk, after) = after.split_at_checked(length).ok_or(CodecFault::Corrupt)?;
        block(chunk, cap, out)?;
        rest = after;
    }
    Ok(())
}

fn block(bytes: &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), CodecFault> {
    let length = decompress_len(bytes).map_err(|_| CodecFault::Corrupt)?;
    if length > bytes.len().saturating_mul(RATIO_MAX) {
        return Err(CodecFault::Corrupt);
    }
    if length > cap - out.len() {
        return Err(CodecFault::OverCap);
    }
    let from = out.len();
    out.resize(from + length, 0);
    let written = Decoder::new().decompress(bytes, &mut out[from..]).map_err(|_| CodecFault::Corrupt)?;
    assert_eq!(written, length, "snap checks the length that the block declares");
    Ok(())
}

pub fn compress(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&HEADER);
    let mut encoder = Encoder::new();
    for chunk in bytes.chunks(CHUNK_BYTES) {
        let at = out.len();
        out.resize(at + 4 + max_compress_len(chunk.len()), 0);
        let length = encoder.compress(chunk, &mut out[at + 4..]).expect("the room is what the encoder asks for");
        let head = u32::try_from(length).expect("a chunk is small");
        out[at..at + 4].copy_from_slice(&head.to_be_bytes());
        out.truncate(at + 4 + length);
    }
}
