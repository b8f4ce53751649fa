//! Why a batch of a client was refused before it came to the node.

use super::FlightFault;
use super::kept::{Kept, Taker, fields};
use crate::record::{RecordError, RecordReason, Refusal};
use crate::types::Wall;
use alloc::vec::Vec;

fields! {
    RecordError { index, reason }
}

impl Kept for RecordReason {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        match self {
            Self::Keyless => 0u8.put(out),
            Self::Timestamp { found, first, last } => {
                1u8.put(out)?;
                found.put(out)?;
                first.put(out)?;
                last.put(out)
            }
        }
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        match u8::take(from)? {
            0 => Ok(Self::Keyless),
            1 => Ok(Self::Timestamp { found: Wall::take(from)?, first: Wall::take(from)?, last: Wall::take(from)? }),
            kind => Err(FlightFault::Kind("reason", kind)),
        }
    }
}

impl Kept for Refusal {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        kind(self).put(out)?;
        match self {
            Self::Magic(magic) => magic.put(out),
            Self::Length(length) => length.put(out),
            Self::Crc { stored, computed } => (*stored, *computed).put(out),
            Self::TooLarge { bytes, bytes_max } | Self::OverSegment { bytes, bytes_max } => {
                (*bytes, *bytes_max).put(out)
            }
            Self::BaseOffset(offset) => offset.put(out),
            Self::Count { count, last_offset_delta } => (*count, *last_offset_delta).put(out),
            Self::Record(index) => index.put(out),
            Self::Keyless(errors) | Self::Timestamps(errors) => errors.put(out),
            Self::NoBatch
            | Self::SecondBatch
            | Self::ZstdTooEarly
            | Self::UnknownCompression
            | Self::NotDecompressible
            | Self::Bomb
            | Self::Control
            | Self::Producer
            | Self::Trailing
            | Self::TimestampType => Ok(()),
        }
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        Ok(match u8::take(from)? {
            0 => Self::NoBatch,
            1 => Self::SecondBatch,
            2 => Self::Magic(i8::take(from)?),
            3 => Self::Length(i32::take(from)?),
            4 => Self::Crc { stored: u32::take(from)?, computed: u32::take(from)? },
            5 => Self::TooLarge { bytes: usize::take(from)?, bytes_max: usize::take(from)? },
            6 => Self::OverSegment { bytes: usize::take(from)?, bytes_max: usize::take(from)? },
            7 => Self::ZstdTooEarly,
            8 => Self::UnknownCompression,
            9 => Self::NotDecompressible,
            10 => Self::Bomb,
            11 => Self::Control,
            12 => Self::BaseOffset(i64::take(from)?),
            13 => Self::Count { count: i32::take(from)?, last_offset_delta: i32::take(from)? },
            14 => Self::Producer,
            15 => Self::Record(u32::take(from)?),
            16 => Self::Trailing,
            17 => Self::TimestampType,
            18 => Self::Keyless(Vec::take(from)?),
            19 => Self::Timestamps(Vec::take(from)?),
            kind => return Err(FlightFault::Kind("refusal", kind)),
        })
    }
}

fn kind(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::NoBatch => 0,
        Refusal::SecondBatch => 1,
        Refusal::Magic(_) => 2,
        Refusal::Length(_) => 3,
        Refusal::Crc { .. } => 4,
        Refusal::TooLarge { .. } => 5,
        Refusal::OverSegment { .. } => 6,
        Refusal::ZstdTooEarly => 7,
        Refusal::UnknownCompression => 8,
        Refusal::NotDecompressible => 9,
        Refusal::Bomb => 10,
        Refusal::Control => 11,
        Refusal::BaseOffset(_) => 12,
        Refusal::Count { .. } => 13,
        Refusal::Producer => 14,
        Refusal::Record(_) => 15,
        Refusal::Trailing => 16,
        Refusal::TimestampType => 17,
        Refusal::Keyless(_) => 18,
        Refusal::Timestamps(_) => 19,
    }
}
