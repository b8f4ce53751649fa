//! Zigzag varints: seven bits a byte, lowest first, the sign in the lowest bit.

use alloc::vec::Vec;

/// Why bytes are no varint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum VarintFault {
    /// The bytes end before the number does.
    Short,
    /// More bits than the type has.
    Long,
}

/// Takes a 32-bit number off `bytes`.
#[inline]
pub(super) fn take_i32(bytes: &mut &[u8]) -> Result<i32, VarintFault> {
    let raw = match take_short(bytes) {
        Some(raw) => raw,
        None => u32::try_from(take_raw(bytes, 5)?).map_err(|_| VarintFault::Long)?,
    };
    Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// Takes a 64-bit number off `bytes`.
#[inline]
pub(super) fn take_i64(bytes: &mut &[u8]) -> Result<i64, VarintFault> {
    let raw = match take_short(bytes) {
        Some(raw) => u64::from(raw),
        None => take_raw(bytes, 10)?,
    };
    Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

/// Nearly every length, delta and count of a record fits one byte or two.
#[inline(always)]
fn take_short(bytes: &mut &[u8]) -> Option<u32> {
    match **bytes {
        [low, ref rest @ ..] if low < 0x80 => {
            *bytes = rest;
            Some(u32::from(low))
        }
        [low, high, ref rest @ ..] if high < 0x80 => {
            *bytes = rest;
            Some(u32::from(low & 0x7f) | u32::from(high) << 7)
        }
        _ => None,
    }
}

fn take_raw(bytes: &mut &[u8], bytes_max: usize) -> Result<u64, VarintFault> {
    let mut value = 0u64;
    for (at, &byte) in bytes.iter().take(bytes_max).enumerate() {
        let seven = u64::from(byte & 0x7f);
        if at == 9 && seven > 1 {
            return Err(VarintFault::Long);
        }
        value |= seven << (7 * at);
        if byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Ok(value);
        }
    }
    Err(if bytes.len() >= bytes_max { VarintFault::Long } else { VarintFault::Short })
}

/// Appends a number; a 32-bit one is written the same as a 64-bit one.
pub(super) fn put_i64(value: i64, out: &mut Vec<u8>) {
    let mut raw = (value << 1 ^ value >> 63) as u64;
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// How many bytes [`put_i64`] will append.
pub(super) fn len_i64(value: i64) -> usize {
    let raw = (value << 1 ^ value >> 63) as u64;
    (64 - (raw | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
#[path = "varint_test.rs"]
mod varint_test;
