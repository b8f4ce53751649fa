//! The LZ4 frame format (version 1.6.2) as Kafka's clients speak it: one frame, independent blocks. Frames are read here
//! and only blocks by the crate: a block goes straight to where it belongs, and no stranger chooses how much is allocated.

use lz4_flex::block::{DecompressError, decompress_into};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use ottla_core::record::CodecFault;
use std::io::Write;
use twox_hash::XxHash32;

const MAGIC: u32 = 0x184d_2204;
/// In a block's length: the block is stored as it is.
const STORED: u32 = 1 << 31;

/// The flags of a frame.
#[derive(Clone, Copy)]
struct Flags(u8);

impl Flags {
    fn is_sound(self) -> bool {
        // Version 1, independent blocks, no reserved bit, no dictionary: Kafka's own reader accepts nothing else.
        self.0 & 0xe3 == 0x60
    }

    fn has_block_checksums(self) -> bool {
        self.0 & 0x10 != 0
    }

    fn has_content_size(self) -> bool {
        self.0 & 0x08 != 0
    }

    fn has_content_checksum(self) -> bool {
        self.0 & 0x04 != 0
    }
}

pub fn decompress(bytes: &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), CodecFault> {
    let mut rest = bytes;
    let (flags, block_bytes_max) = take_header(&mut rest)?;
    let mut filled = 0;
    loop {
        let head = take_u32(&mut rest)?;
        if head == 0 {
            break;
        }
        let (block, after) = rest.split_at_checked((head & !STORED) as usize).ok_or(CodecFault::Corrupt)?;
        rest = after;
        if block.len() > block_bytes_max {
            return Err(CodecFault::Corrupt);
        }
        if flags.has_block_checksums() && XxHash32::oneshot(0, block) != take_u32(&mut rest)? {
            return Err(CodecFault::Corrupt);
        }
        filled = if head & STORED == 0 {
            unpack(block, filled, block_bytes_max.min(cap - filled), out)
                .map_err(|fault| if cap - filled < block_bytes_max { fault } else { CodecFault::Corrupt })?
        } else {
            copy(block, filled, cap, out)?
        };
    }
    out.truncate(filled);
    if flags.has_content_checksum() && XxHash32::oneshot(0, out) != take_u32(&mut rest)? {
        return Err(CodecFault::Corrupt);
    }
    // A reader of Kafka's stops here; what it would not see must not be let in.
    if rest.is_empty() { Ok(()) } else { Err(CodecFault::Corrupt) }
}

fn take_header(rest: &mut &[u8]) -> Result<(Flags, usize), CodecFault> {
    if take_u32(rest)? != MAGIC {
        return Err(CodecFault::Corrupt);
    }
    let head = *rest.first_chunk::<2>().ok_or(CodecFault::Corrupt)?;
    let flags = Flags(head[0]);
    let block_bytes_max = match head[1] {
        0x40 => 64 << 10,
        0x50 => 256 << 10,
        0x60 => 1 << 20,
        0x70 => 4 << 20,
        _ => return Err(CodecFault::Corrupt),
    };
    if !flags.is_sound() {
        return Err(CodecFault::Corrupt);
    }
    let length = if flags.has_content_size() { 10 } else { 2 };
    let (descriptor, after) = rest.split_at_checked(length).ok_or(CodecFault::Corrupt)?;
    let (checksum, after) = after.split_first().ok_or(CodecFault::Corrupt)?;
    if (XxHash32::oneshot(0, descriptor) >> 8) as u8 != *checksum {
        return Err(CodecFault::Corrupt);
    }
    *rest = after;
    Ok((flags, block_bytes_max))
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, CodecFault> {
    let (word, after) = rest.split_first_chunk::<4>().ok_or(CodecFault::Corrupt)?;
    *rest = after;
    Ok(u32::from_le_bytes(*word))
}

/// Unpacks a block behind the first `filled` bytes of `out`, at most `room` of it; gives what is filled then. Bytes of
/// `out` that were zeroed once are not zeroed again: a frame of many tiny blocks would cost a full block each.
fn unpack(block: &[u8], filled: usize, room: usize, out: &mut Vec<u8>) -> Result<usize, CodecFault> {
    // A byte of LZ4 makes at most 255.
    let room = room.min(block.len().saturating_mul(256));
    if out.len() < filled + room {
        out.resize(filled + room, 0);
    }
    match decompress_into(block, &mut out[filled..filled + room]) {
        Ok(length) => Ok(filled + length),
        Err(DecompressError::OutputTooSmall { .. }) => Err(CodecFault::OverCap),
        Err(_) => Err(CodecFault::Corrupt),
    }
}

fn copy(block: &[u8], filled: usize, cap: usize, out: &mut Vec<u8>) -> Result<usize, CodecFault> {
    let end = filled + block.len();
    if end > cap {
        return Err(CodecFault::OverCap);
    }
    if out.len() < end {
        out.resize(end, 0);
    }
    out[filled..end].copy_from_slice(block);
    Ok(end)
}

pub fn compress(bytes: &[u8], out: &mut Vec<u8>) {
    let info = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder.write_all(bytes).expect("a vector takes every byte");
    encoder.finish().expect("a vector takes every byte");
}
