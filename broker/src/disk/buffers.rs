//! Memory for large reads, used again and again: what the system gives anew it first fills with zeros, a page fault a block.

use bytes::Bytes;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Buffers that nobody uses.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
}

/// A buffer in use. Its bytes are what somebody else read before.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

impl Buffers {
    /// Memory for `len` bytes.
    pub(super) fn take(self: &Arc<Self>, len: usize) -> Buffer {
        let is_large = (LARGE_READ_BYTES_MIN..=LARGE_BYTES).contains(&len);
        let used = if is_large { self.lock().pop() } else { None };
        let bytes = used.unwrap_or_else(|| vec![0; if is_large { LARGE_BYTES } else { len }]);
        Buffer { bytes, home: Arc::clone(self) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    /// To be filled.
    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Filled: this part of it is wanted. It comes back when nobody holds any of that.
    pub(super) fn share(self, part: Range<usize>) -> Bytes {
        if self.bytes.len() < LARGE_BYTES {
            let mut buffer = self;
            return Bytes::from(std::mem::take(&mut buffer.bytes)).slice(part);
        }
        Bytes::from_owner(self).slice(part)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() == LARGE_BYTES {
            let mut free = self.home.lock();
            if free.len() < FREE_MAX {
                free.push(std::mem::take(&mut self.bytes));
            }
        }
    }
}

/// The length of a buffer that is kept: the longest usual read, and blocks for its alignment.
const LARGE_BYTES: usize = (1 << 20) + 3 * 4096;
/// What is shorter than this is not worth such a buffer.
pub(super) const LARGE_READ_BYTES_MIN: usize = 512 << 10;
/// So many are kept when nobody reads.
const FREE_MAX: usize = 12;
