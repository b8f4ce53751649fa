//! The pure functions that the core is handed: the fast crates behind them are not `no_std`. Broker, simulator and
//! fuzzing hand in the same ones (package `ottla-codecs`).

use super::{Compression, crc};
use alloc::vec::Vec;

/// Checksum and codecs, as plain function pointers: no state, so the same arguments give the same bytes for ever.
#[derive(Clone, Copy)]
pub struct Functions {
    /// CRC-32C of what came before (0 at the start) continued over more bytes; see [`crc::crc32c`].
    pub crc32c: fn(before: u32, bytes: &[u8]) -> u32,
    /// Decompresses one whole compressed record section.
    pub decompress: Decompress,
    /// Compresses one whole record section.
    pub compress: Compress,
}

/// Replaces what is in `out` by the compressed form of the bytes. Not for [`Compression::None`].
pub type Compress = fn(codec: Compression, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CodecFault>;

/// Replaces what is in `out` by what the bytes decompress to, at most `cap` bytes, and never holds much more than that: a
/// bomb ends in [`CodecFault::OverCap`] before it is unpacked. Not for [`Compression::None`]. On a fault `out` holds
/// anything.
pub type Decompress = fn(codec: Compression, bytes: &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), CodecFault>;

/// Why a codec gave up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CodecFault {
    /// The bytes are not in this codec's format, or end too early.
    Corrupt,
    /// More would come out than the caller allows.
    OverCap,
    /// This set of functions does not know the codec.
    Unknown,
}

impl Functions {
    /// What the core has by itself: the slow CRC and no codec. For tests of the core.
    pub const fn slow() -> Self {
        Self {
            crc32c: crc::crc32c,
            decompress: |_, _, _, _| Err(CodecFault::Unknown),
            compress: |_, _, _| Err(CodecFault::Unknown),
        }
    }
}

impl core::fmt::Debug for Functions {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Functions")
    }
}
