//! CRC-32C and the compression codecs for the core, which is `no_std` and takes them as plain functions. The same bytes
//! go in and come out on every machine; what comes out is capped, whatever a stranger sent.
//!
//! | codec | format | read also |
//! |---|---|---|
//! | gzip | RFC 1952 | several members back to back |
//! | snappy | xerial's framing, 32 KiB a chunk | raw snappy, as librdkafka and Go clients send it |
//! | lz4 | LZ4 frame, independent blocks | block and content checksums |
//! | zstd | RFC 8878 | several frames back to back |

mod gzip;
mod lz4;
mod snappy;
mod zstd;

use ottla_core::record::{CodecFault, Compression, Functions};

/// What production, simulation and fuzzing hand to the core.
pub const fn functions() -> Functions {
    Functions { crc32c, decompress, compress }
}

/// CRC-32C of what came before (0 at the start) continued over `bytes`, with the widest instructions of this machine.
pub fn crc32c(before: u32, bytes: &[u8]) -> u32 {
    if before == 0 {
        return crc_fast::crc32_iscsi(bytes);
    }
    // The digest keeps its state as it stands before the final inversion.
    let mut digest = crc_fast::Digest::new_with_init_state(crc_fast::CrcAlgorithm::Crc32Iscsi, u64::from(!before));
    digest.update(bytes);
    digest.finalize() as u32
}

fn decompress(codec: Compression, bytes: &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), CodecFault> {
    out.clear();
    match codec {
        Compression::None => Err(CodecFault::Unknown),
        Compression::Gzip => gzip::decompress(bytes, cap, out),
        Compression::Snappy => snappy::decompress(bytes, cap, out),
        Compression::Lz4 => lz4::decompress(bytes, cap, out),
        Compression::Zstd => zstd::decompress(bytes, cap, out),
    }
}

fn compress(codec: Compression, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CodecFault> {
    out.clear();
    match codec {
        Compression::None => return Err(CodecFault::Unknown),
        Compression::Gzip => gzip::compress(bytes, out),
        Compression::Snappy => snappy::compress(bytes, out),
        Compression::Lz4 => lz4::compress(bytes, out),
        Compression::Zstd => zstd::compress(bytes, out),
    }
    Ok(())
}
