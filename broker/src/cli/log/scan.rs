//! The batches of a segment, read in pieces, and what lies between them: room that was made ahead, or damage, after which
//! the next good batch is looked for.
//!
//! ```text
//!   │ batch │ batch │ ╳╳╳╳╳╳╳╳╳ │ batch │ 0000000000000 │
//!     Batch   Batch   Gap         Batch   Gap, is_empty
//! ```

use super::dump::{WINDOW_BYTES, fill};
use crate::cli::Done;
use bytes::{Buf, Bytes, BytesMut};
use ottla_core::record::{CheckedBatch, Functions, HEADER_BYTES, Header, HeaderFault, StoredFaultKind, check_stored};
use std::fs::File;
use std::io;

/// What stands at a place of a segment.
pub enum Found {
    /// A batch whose checksum fits.
    Batch(CheckedBatch),
    /// Bytes that are no batch.
    Gap {
        /// How many.
        bytes: u64,
        /// True where all of them are zero.
        is_empty: bool,
        /// Why no batch begins here.
        says: String,
    },
}

/// A part of the file.
pub struct Window<'a> {
    file: &'a mut File,
    bytes: Bytes,
    /// Where in the file it begins.
    at: u64,
    /// True once it reaches to the end of the file.
    is_last: bool,
    functions: Functions,
}

/// Where the next batch is.
enum Next {
    Good(usize),
    /// More has to be read to know.
    Unsure(usize),
    Nowhere,
}

impl<'a> Window<'a> {
    /// The front of a file, of which so much was read already.
    pub fn new(file: &'a mut File, front: BytesMut, functions: Functions) -> Self {
        Self { file, bytes: front.freeze(), at: 0, is_last: false, functions }
    }

    /// Tells everything that the file holds, each with its place.
    pub fn scan(mut self, tell: &mut impl FnMut(u64, Found) -> Done<()>) -> io::Result<Done<()>> {
        loop {
            let at = self.at;
            let found = match check_stored(self.bytes.clone(), &self.functions).next() {
                None if self.is_last => return Ok(Ok(())),
                None => {
                    self.read_on()?;
                    continue;
                }
                Some(Ok(batch)) => {
                    self.skip(batch.bytes_len());
                    Found::Batch(batch)
                }
                Some(Err(fault)) if fault.kind == StoredFaultKind::Short && self.may_grow() => {
                    self.read_on()?;
                    continue;
                }
                Some(Err(fault)) => self.gap(fault.kind)?,
            };
            if let Err(mistake) = tell(at, found) {
                return Ok(Err(mistake));
            }
        }
    }

    fn gap(&mut self, fault: StoredFaultKind) -> io::Result<Found> {
        let begin = self.at;
        let mut is_empty = true;
        let mut from = 1;
        loop {
            let (end, is_done) = match self.next_batch(from) {
                Next::Good(at) => (at, true),
                Next::Unsure(at) => (at, false),
                Next::Nowhere if self.is_last => (self.bytes.len(), true),
                Next::Nowhere => (self.bytes.len().saturating_sub(HEADER_BYTES - 1), false),
            };
            is_empty &= self.bytes[..end].iter().all(|byte| *byte == 0);
            self.skip(end);
            if is_done {
                return Ok(Found::Gap { bytes: self.at - begin, is_empty, says: says(fault) });
            }
            self.read_on()?;
            from = 0;
        }
    }

    fn next_batch(&self, from: usize) -> Next {
        let mut unsure = None;
        for at in from..self.bytes.len() {
            if self.bytes.get(at + MAGIC_AT) != Some(&2) {
                continue;
            }
            match check_stored(self.bytes.slice(at..), &self.functions).next() {
                Some(Ok(_)) => return Next::Good(at),
                Some(Err(fault)) if fault.kind == StoredFaultKind::Short && self.is_likely(at) => {
                    unsure = unsure.or(Some(at));
                }
                Some(Err(_)) | None => {}
            }
        }
        unsure.map_or(Next::Nowhere, Next::Unsure)
    }

    /// A batch that goes beyond the window may begin here.
    fn is_likely(&self, at: usize) -> bool {
        !self.is_last
            && Header::read(&self.bytes.slice(at..)).is_ok_and(|header| header.batch_bytes() <= BATCH_BYTES_MAX)
    }

    /// Nothing longer is taken for a batch: a damaged length must not make us hold the whole file.
    fn may_grow(&self) -> bool {
        !self.is_last && self.bytes.len() < BATCH_BYTES_MAX
    }

    fn skip(&mut self, bytes: usize) {
        self.bytes.advance(bytes);
        self.at += bytes as u64;
    }

    fn read_on(&mut self) -> io::Result<()> {
        let mut longer = BytesMut::from(&self.bytes[..]);
        let wanted = longer.len() + WINDOW_BYTES;
        self.is_last = fill(self.file, &mut longer, wanted)?;
        self.bytes = longer.freeze();
        Ok(())
    }
}

fn says(fault: StoredFaultKind) -> String {
    match fault {
        StoredFaultKind::Short => "the file ends inside this batch".to_owned(),
        StoredFaultKind::Crc => "the checksum of this batch does not fit".to_owned(),
        StoredFaultKind::Fields => "the header of this batch contradicts itself".to_owned(),
        StoredFaultKind::Header(HeaderFault::Magic(magic)) => format!("no batch of format 2 (magic {magic})"),
        StoredFaultKind::Header(HeaderFault::Length(length)) => format!("no batch is {length} bytes long"),
        StoredFaultKind::Header(HeaderFault::Short) => "the file ends inside a header".to_owned(),
    }
}

/// Where a batch says of which format it is.
const MAGIC_AT: usize = 16;
const BATCH_BYTES_MAX: usize = 128 << 20;

#[cfg(test)]
#[path = "scan_test.rs"]
mod scan_test;
