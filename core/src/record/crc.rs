//! CRC-32C (Castagnoli), one table and one byte at a time. Slow on purpose and obviously right: the core's own tests
//! use it, and it is the oracle for the fast one that production hands in.

/// Continues the CRC of what came before (0 at the start) over `bytes`: `crc32c(crc32c(0, a), b)` is the CRC of `a`
/// followed by `b`.
pub fn crc32c(before: u32, bytes: &[u8]) -> u32 {
    let state = bytes.iter().fold(!before, |state, byte| {
        let at = (state ^ u32::from(*byte)) & 0xff;
        state >> 8 ^ TABLE[at as usize]
    });
    !state
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 0 { value >> 1 } else { value >> 1 ^ 0x82f6_3b78 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
};

#[cfg(test)]
#[path = "crc_test.rs"]
mod crc_test;
