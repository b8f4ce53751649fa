//! Batches that were checked before and come back: from a disk that may have rotted or torn them, or from a leader over
//! a network. Their records were walked when they were produced; here the CRC proves that nothing has changed since.

use super::{CRC_FROM, CheckedBatch, Functions, HEADER_BYTES, Header, HeaderFault};
use crate::types::Offset;
use bytes::Bytes;

/// A run of batches back to back, taken apart one by one. Ends after the last whole good batch, or with the one fault
/// that hides whatever follows.
#[derive(Clone, Debug)]
pub struct StoredBatches {
    rest: Bytes,
    position: usize,
    functions: Functions,
}

/// The first byte of a run that is no good.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StoredFault {
    /// Where the bad batch begins: all bytes before it are good.
    pub position: usize,
    /// What is wrong with it.
    pub kind: StoredFaultKind,
}

/// What is wrong with a stored batch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StoredFaultKind {
    /// The bytes end before the batch does: normal at the end of a fetch answer, torn at the end of a file.
    Short,
    /// No header of a batch.
    Header(HeaderFault),
    /// The checksum does not fit the bytes.
    Crc,
    /// The checksum fits, but the fields are such as nobody ever stored.
    Fields,
}

/// Takes a run of batches apart; bodies share `bytes`. Nothing in them makes this panic.
pub fn check_stored(bytes: Bytes, f: &Functions) -> StoredBatches {
    StoredBatches { rest: bytes, position: 0, functions: *f }
}

impl StoredBatches {
    /// How many bytes were good so far.
    pub fn position(&self) -> usize {
        self.position
    }

    fn check_first(&self) -> Result<CheckedBatch, StoredFaultKind> {
        let header = Header::read(&self.rest).map_err(|fault| match fault {
            HeaderFault::Short => StoredFaultKind::Short,
            HeaderFault::Magic(_) | HeaderFault::Length(_) => StoredFaultKind::Header(fault),
        })?;
        let Some(batch) = self.rest.get(..header.batch_bytes()) else {
            return Err(StoredFaultKind::Short);
        };
        if (self.functions.crc32c)(0, &batch[CRC_FROM..]) != header.crc {
            return Err(StoredFaultKind::Crc);
        }
        if !is_sound(&header) {
            return Err(StoredFaultKind::Fields);
        }
        Ok(CheckedBatch { header, body: self.rest.slice(HEADER_BYTES..header.batch_bytes()) })
    }
}

impl Iterator for StoredBatches {
    type Item = Result<CheckedBatch, StoredFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match self.check_first() {
            Ok(batch) => {
                let bytes = batch.bytes_len();
                self.rest = self.rest.slice(bytes..);
                self.position += bytes;
                Some(Ok(batch))
            }
            Err(kind) => {
                self.rest = Bytes::new();
                Some(Err(StoredFault { position: self.position, kind }))
            }
        }
    }
}

/// Base offset and leader epoch lie outside the CRC, and a peer may be broken in ways of its own: what later arithmetic
/// relies on is looked at. A compacted batch may hold fewer records than offsets, or none.
fn is_sound(header: &Header) -> bool {
    let Header { base_offset, last_offset_delta, count, attributes, .. } = *header;
    base_offset >= Offset::ZERO
        && base_offset.0 <= i64::MAX - (1 << 32)
        && last_offset_delta >= 0
        && count >= 0
        && i64::from(count) <= i64::from(last_offset_delta) + 1
        && attributes.compression().is_some()
}

#[cfg(test)]
#[path = "stored_test.rs"]
mod stored_test;
