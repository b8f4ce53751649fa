//! Bytes of a stream → frames: a length in four bytes, then as many bytes.
//!
//! A frame that lies wholly in one read is a slice of that read. One that spans reads is assembled once, in a buffer
//! that grows with what has arrived and never with what was promised: a length costs its sender as many bytes.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::{Buf, Bytes};
use core::mem;

/// What has arrived and was not yet taken.
#[derive(Debug, Default)]
pub struct Inbox {
    /// Reads not yet looked at, in order; none is empty.
    fresh: VecDeque<Bytes>,
    /// The beginning of a frame (its length first) whose end is still on its way.
    partial: Vec<u8>,
}

/// A length that no honest peer sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadLength(pub i32);

impl Inbox {
    /// One more read.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.fresh.push_back(bytes);
        }
    }

    /// The next whole frame without its length, or `None` until more arrives. A length above `bytes_max` or below zero
    /// is a fault as soon as it is seen; nothing sensible can follow it.
    pub fn next_frame(&mut self, bytes_max: usize) -> Result<Option<Bytes>, BadLength> {
        loop {
            let Some(chunk) = self.fresh.front_mut() else { return Ok(None) };
            if self.partial.is_empty() && chunk.len() >= LENGTH_BYTES {
                let len = frame_len(&chunk[..LENGTH_BYTES], bytes_max)?;
                if chunk.len() - LENGTH_BYTES >= len {
                    chunk.advance(LENGTH_BYTES);
                    let frame = chunk.split_to(len);
                    if chunk.is_empty() {
                        self.fresh.pop_front();
                    }
                    return Ok(Some(frame));
                }
            }
            if let Some(frame) = self.assemble(bytes_max)? {
                return Ok(Some(frame));
            }
        }
    }

    /// Moves what the partial frame lacks out of the first read; its frame if that was all.
    fn assemble(&mut self, bytes_max: usize) -> Result<Option<Bytes>, BadLength> {
        let wanted = match self.partial.len() {
            have @ ..LENGTH_BYTES => LENGTH_BYTES - have,
            have => LENGTH_BYTES + frame_len(&self.partial[..LENGTH_BYTES], bytes_max)? - have,
        };
        let Some(chunk) = self.fresh.front_mut() else { return Ok(None) };
        let taken = chunk.split_to(wanted.min(chunk.len()));
        if chunk.is_empty() {
            self.fresh.pop_front();
        }
        self.reserve(wanted, taken.len());
        self.partial.extend_from_slice(&taken);
        if self.partial.len() < LENGTH_BYTES {
            return Ok(None);
        }
        let len = frame_len(&self.partial[..LENGTH_BYTES], bytes_max)?;
        if self.partial.len() < LENGTH_BYTES + len {
            return Ok(None);
        }
        let mut frame = Bytes::from(mem::take(&mut self.partial));
        frame.advance(LENGTH_BYTES);
        Ok(Some(frame))
    }

    /// Room for what arrives now, and beyond it at most as much again or [`AHEAD_BYTES`] of what is promised.
    fn reserve(&mut self, wanted: usize, arrived: usize) {
        let have = self.partial.len() + arrived;
        if self.partial.capacity() < have {
            self.partial.reserve_exact(wanted.min(arrived + have.max(AHEAD_BYTES)));
        }
    }

    /// True while a frame has begun that is not yet whole.
    pub fn is_amid_frame(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Bytes held: of a frame begun, and of reads not yet looked at.
    pub fn held_bytes(&self) -> usize {
        self.partial.capacity() + self.fresh.iter().map(Bytes::len).sum::<usize>()
    }
}

fn frame_len(bytes: &[u8], bytes_max: usize) -> Result<usize, BadLength> {
    let len = i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    usize::try_from(len).ok().filter(|len| *len <= bytes_max).ok_or(BadLength(len))
}

/// A frame's length on the wire.
const LENGTH_BYTES: usize = 4;
/// Room made for a frame in advance of its bytes.
const AHEAD_BYTES: usize = 16 * 1024;

#[cfg(test)]
#[path = "inbox_test.rs"]
mod inbox_test;
