//! Memory for direct I/O: buffers that begin at a block border, filled once, shared as `Bytes`, and used again.

use crate::types::limit::BLOCK_BYTES;
use alloc::vec::Vec;
use bytes::Bytes;

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
    bytes: Vec<u8>,
    start: usize,
    room: usize,
}

impl Aligned {
    /// A buffer for `room` bytes, rounded up to whole blocks.
    pub(super) fn new(room: usize) -> Self {
        Self::within(Vec::with_capacity(Self::capacity(room)), room)
    }

    fn capacity(room: usize) -> usize {
        room.next_multiple_of(BLOCK_BYTES) + BLOCK_BYTES
    }

    fn within(mut bytes: Vec<u8>, room: usize) -> Self {
        bytes.clear();
        let start = (bytes.as_ptr() as usize).wrapping_neg() & (BLOCK_BYTES - 1);
        bytes.resize(start, 0);
        Self { bytes, start, room: room.next_multiple_of(BLOCK_BYTES) }
    }

    /// How many bytes are in it.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// How many more fit.
    pub(super) fn left(&self) -> usize {
        self.room - self.len()
    }

    /// What is in it.
    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// Appends.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.left(), "an aligned buffer does not grow");
        self.bytes.extend_from_slice(bytes);
    }

    /// Fills the last block with zeros.
    pub(super) fn pad(&mut self) {
        let len = self.len().next_multiple_of(BLOCK_BYTES);
        self.bytes.resize(self.start + len, 0);
    }

    /// Done: whole blocks, to be shared.
    pub(super) fn freeze(mut self) -> Bytes {
        self.pad();
        Bytes::from(self.bytes).slice(self.start..)
    }
}

/// Buffers that were used and are nobody's now: fresh memory from the system costs a page fault a block.
#[derive(Default)]
pub(super) struct Pool {
    free: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pool {
    /// A buffer for `room` bytes, used before if there is one that fits. A much larger one does not: what is cached in a
    /// buffer keeps all of it, and the cache counts only what was put there.
    pub(super) fn take(&mut self, room: usize) -> Aligned {
        let wanted = Aligned::capacity(room);
        let fits = |free: &Vec<u8>| (wanted..=2 * wanted).contains(&free.capacity());
        let found = self.free.iter().enumerate().filter(|(_, free)| fits(free));
        let Some((at, _)) = found.min_by_key(|(_, free)| free.capacity()) else {
            return Aligned::new(room);
        };
        let free = self.free.swap_remove(at);
        self.bytes -= free.capacity();
        Aligned::within(free, room)
    }

    /// Takes a buffer back if nobody else holds a part of it.
    pub(super) fn give(&mut self, buffer: Bytes) {
        let Ok(mut buffer) = buffer.try_into_mut() else {
            return;
        };
        // Cleared first: turning it into a vector would move what is in it.
        buffer.clear();
        let buffer = Vec::from(buffer);
        if self.bytes + buffer.capacity() <= Self::KEPT_BYTES_MAX {
            self.bytes += buffer.capacity();
            self.free.push(buffer);
        }
    }

    const KEPT_BYTES_MAX: usize = 8 << 20;
}

#[cfg(test)]
#[path = "buffer_test.rs"]
mod buffer_test;
