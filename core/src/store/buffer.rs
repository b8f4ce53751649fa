//! Memory for direct I/O: buffers that begin at a block border, filled once, shared as `Bytes`, and used again.
//!
//! ```text
//!   chunk   ┌───────┬───┬─────────────┬────┬───────────────┐
//!           │ group │ … │    group    │ …  │   not used    │     each begins on a block
//!           └───────┴───┴─────────────┴────┴───────────────┘
//!   Once nobody holds a part of it any more, a chunk is filled again from its front.
//! ```

use crate::types::limit::BLOCK_BYTES;
use alloc::collections::VecDeque;
use bytes::{Bytes, BytesMut};

/// The largest multiple of the block size that is not above `position`.
pub(super) fn block_floor(position: u64) -> u64 {
    position & !(BLOCK_BYTES as u64 - 1)
}

/// The smallest multiple of the block size that is not below `position`.
pub(super) fn block_ceil(position: u64) -> u64 {
    block_floor(position + BLOCK_BYTES as u64 - 1)
}

/// A buffer in the making whose first byte lies at a block border. It never grows beyond the room it was given: moving
/// would lose the border.
pub(super) struct Aligned {
    /// All that is left of its chunk.
    bytes: BytesMut,
    room: usize,
}

impl Aligned {
    /// How many bytes are in it.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many more fit.
    pub(super) fn left(&self) -> usize {
        self.room - self.len()
    }

    /// What is in it.
    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Appends.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.left(), "an aligned buffer does not grow");
        self.bytes.extend_from_slice(bytes);
    }

    /// Fills the last block with zeros.
    pub(super) fn pad(&mut self) {
        self.bytes.resize(self.len().next_multiple_of(BLOCK_BYTES), 0);
    }
}

/// Where buffers are cut from, one behind the other: what is released in about the order in which it was taken is used
/// again without a long search, and no buffer has more memory than bytes. Fresh memory from the system is cleared by it
/// first, which costs more than all that is done to the bytes here.
#[derive(Default)]
pub(super) struct Pool {
    chunk: Option<BytesMut>,
    /// Chunks that are used up, oldest first, to be filled again when nobody holds a part of them.
    full: VecDeque<BytesMut>,
    /// A chunk that is still in use when so many others are is forgotten: its memory goes with its last part.
    full_max: usize,
}

impl Pool {
    /// A pool of which so many bytes are in use for long.
    pub(super) fn of(bytes: usize) -> Self {
        Self { full_max: bytes / CHUNK_BYTES * 5 / 4 + SPARE_MAX, ..Self::default() }
    }

    /// A buffer for `room` bytes, rounded up to whole blocks. It is to be handed to [`Pool::freeze`] or [`Pool::give_up`].
    pub(super) fn take(&mut self, room: usize) -> Aligned {
        let room = room.max(1).next_multiple_of(BLOCK_BYTES);
        let bytes = match self.chunk.take() {
            Some(chunk) if chunk.capacity() >= room => chunk,
            used => self.next_chunk(used, room.max(CHUNK_BYTES) + BLOCK_BYTES),
        };
        Aligned { bytes, room }
    }

    /// Done: whole blocks, to be shared.
    pub(super) fn freeze(&mut self, mut buffer: Aligned) -> Bytes {
        buffer.pad();
        let bytes = buffer.bytes.split().freeze();
        self.chunk = Some(buffer.bytes);
        bytes
    }

    /// Nothing came of it.
    pub(super) fn give_up(&mut self, mut buffer: Aligned) {
        buffer.bytes.clear();
        self.chunk = Some(buffer.bytes);
    }

    fn next_chunk(&mut self, used: Option<BytesMut>, bytes: usize) -> BytesMut {
        self.full.extend(used);
        let mut free = (0..self.full.len().min(SPARE_MAX)).filter(|at| self.full[*at].try_reclaim(bytes));
        let first = free.next();
        let is_plenty = first == Some(0) && free.count() + 1 == SPARE_MAX;
        let chunk = first.and_then(|at| self.full.remove(at));
        if is_plenty || self.full.len() > self.full_max {
            self.full.pop_front();
        }
        let mut chunk = chunk.unwrap_or_else(|| BytesMut::with_capacity(bytes));
        let before_border = (chunk.as_ptr() as usize).wrapping_neg() & (BLOCK_BYTES - 1);
        chunk.resize(before_border, 0);
        chunk.split_off(before_border)
    }
}

/// Buffers are cut from chunks of this size; a larger one has a chunk of its own.
const CHUNK_BYTES: usize = 4 << 20;
/// So many chunks are looked at for one that is free. Where all of them are, there are more than are needed.
const SPARE_MAX: usize = 4;

#[cfg(test)]
#[path = "buffer_test.rs"]
mod buffer_test;
