//! Writes Kafka's primitive types. Small fields gather in one buffer; record bytes and other large fields are not copied
//! but noted with the place where they belong, so that a turn's answers leave in one vectored write.

use super::{Wire, WireError};
use crate::record::Records;
use crate::types::{Str, Uuid};
use alloc::vec::Vec;
use bytes::Bytes;
use core::mem;

/// Below this, copying is cheaper than one more piece in the vectored write.
const SHARED_BYTES_MIN: usize = 2048;

/// Bytes being written: one buffer of small fields, cut where shared bytes belong.
#[derive(Default, Debug)]
pub struct Writer {
    small: Vec<u8>,
    /// Shared bytes and the place in `small` before which they stand, in order.
    cuts: Vec<(usize, Bytes)>,
    /// The length of all shared bytes together.
    shared: usize,
    /// Inside tagged fields everything is copied, since their length stands in front of them.
    tag_depth: usize,
    flexible: bool,
}

/// A place to come back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    small: usize,
    cuts: usize,
    shared: usize,
}

/// A tagged field that is being written: where its content begins.
pub(super) struct OpenTag(usize);

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty writer with room for `bytes` of small fields.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { small: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// The length of all that was written.
    pub fn len(&self) -> usize {
        self.small.len() + self.shared
    }

    /// True before anything was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that was written, in order and in as few pieces as possible; the writer is empty afterwards.
    pub fn take(&mut self) -> Vec<Bytes> {
        let small = Bytes::from(mem::take(&mut self.small));
        let mut pieces = Vec::with_capacity(2 * self.cuts.len() + 1);
        let mut from = 0;
        for (at, shared) in self.cuts.drain(..) {
            if at > from {
                pieces.push(small.slice(from..at));
            }
            pieces.push(shared);
            from = at;
        }
        if small.len() > from {
            pieces.push(small.slice(from..));
        }
        self.shared = 0;
        pieces
    }

    /// All that was written in one piece, copied together if need be.
    pub fn into_bytes(mut self) -> Bytes {
        if self.cuts.is_empty() {
            return Bytes::from(self.small);
        }
        Records::from(self.take()).to_bytes()
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { small: self.small.len(), cuts: self.cuts.len(), shared: self.shared }
    }

    /// Forgets what was written since the mark.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.small.truncate(mark.small);
        self.cuts.truncate(mark.cuts);
        self.shared = mark.shared;
        self.tag_depth = 0;
    }

    /// Begins a frame: leaves room for its length.
    pub(super) fn begin_frame(&mut self) -> Mark {
        let mark = self.mark();
        self.i32(0);
        mark
    }

    /// Ends the frame that began at the mark: writes its length in front.
    pub(super) fn end_frame(&mut self, mark: Mark) -> Result<(), WireError> {
        let length = self.len() - (mark.small + mark.shared) - 4;
        let length = i32::try_from(length).map_err(|_| WireError::TooLong)?;
        self.small[mark.small..mark.small + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    pub(super) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    #[inline]
    pub(super) fn flexible(&self) -> bool {
        self.flexible
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.small.push(u8::from(value));
    }

    pub(super) fn i8(&mut self, value: i8) {
        self.small.extend_from_slice(&value.to_be_bytes());
    }

    /// An i16 as it stands in front of records.
    pub fn i16(&mut self, value: i16) {
        self.small.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.small.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.small.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.small.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn uuid(&mut self, value: Uuid) {
        self.small.extend_from_slice(&value.0);
    }

    pub(super) fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.small.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.small.push(value as u8);
    }

    /// The length of a byte field or an array; `None` is null.
    fn length(&mut self, length: Option<usize>) -> Result<(), WireError> {
        let length = length.map(i32::try_from).transpose().map_err(|_| WireError::TooLong)?;
        match (self.flexible, length) {
            (true, length) => self.uvarint(length.map_or(0, |length| length as u32 + 1)),
            (false, length) => self.i32(length.unwrap_or(-1)),
        }
        Ok(())
    }

    pub(super) fn string(&mut self, text: &Str) -> Result<(), WireError> {
        self.nullable_string(Some(text))
    }

    pub(super) fn nullable_string(&mut self, text: Option<&Str>) -> Result<(), WireError> {
        if !self.flexible {
            return self.nullable_old_string(text);
        }
        let bytes = text.map(Str::as_bytes);
        let length = bytes.map_or(Ok(0), |bytes| u16::try_from(bytes.len() + 1).map_err(|_| WireError::TooLong))?;
        if length > i16::MAX as u16 + 1 {
            return Err(WireError::TooLong);
        }
        self.uvarint(u32::from(length));
        self.small.extend_from_slice(bytes.map_or(&[], |bytes| bytes));
        Ok(())
    }

    pub(super) fn nullable_old_string(&mut self, text: Option<&Str>) -> Result<(), WireError> {
        let bytes = text.map(Str::as_bytes);
        let length = bytes.map_or(Ok(-1), |bytes| i16::try_from(bytes.len())).map_err(|_| WireError::TooLong)?;
        self.i16(length);
        self.small.extend_from_slice(bytes.map_or(&[], |bytes| bytes));
        Ok(())
    }

    pub(super) fn bytes(&mut self, bytes: &Bytes) -> Result<(), WireError> {
        self.nullable_bytes(Some(bytes))
    }

    pub(super) fn nullable_bytes(&mut self, bytes: Option<&Bytes>) -> Result<(), WireError> {
        self.length(bytes.map(Bytes::len))?;
        bytes.into_iter().for_each(|bytes| self.piece(bytes));
        Ok(())
    }

    pub(super) fn nullable_records(&mut self, records: &Records) -> Result<(), WireError> {
        self.length((!records.is_null()).then(|| records.len()))?;
        records.pieces().iter().for_each(|piece| self.piece(piece));
        Ok(())
    }

    pub(super) fn piece(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_BYTES_MIN || self.tag_depth > 0 {
            self.small.extend_from_slice(bytes);
            return;
        }
        self.shared += bytes.len();
        self.cuts.push((self.small.len(), bytes.clone()));
    }

    pub(super) fn array<T: Wire>(&mut self, array: &[T], v: i16) -> Result<(), WireError> {
        self.length(Some(array.len()))?;
        array.iter().try_for_each(|element| element.write(self, v))
    }

    pub(super) fn nullable_array<T: Wire>(&mut self, array: Option<&Vec<T>>, v: i16) -> Result<(), WireError> {
        match array {
            Some(array) => self.array(array, v),
            None => self.length(None),
        }
    }

    pub(super) fn structure<T: Wire>(&mut self, structure: &T, v: i16) -> Result<(), WireError> {
        structure.write(self, v)
    }

    pub(super) fn nullable_structure<T: Wire>(&mut self, structure: Option<&T>, v: i16) -> Result<(), WireError> {
        match structure {
            None => self.i8(-1),
            Some(structure) => {
                self.i8(1);
                structure.write(self, v)?;
            }
        }
        Ok(())
    }

    pub(super) fn begin_tag(&mut self, number: u32) -> OpenTag {
        self.uvarint(number);
        self.tag_depth += 1;
        OpenTag(self.small.len())
    }

    /// Puts the length in front of the content. Tagged fields are small, so moving them by a byte or two is cheaper than
    /// a pass over the message to learn their lengths.
    pub(super) fn end_tag(&mut self, tag: OpenTag) -> Result<(), WireError> {
        let OpenTag(from) = tag;
        let end = self.small.len();
        let length = u32::try_from(end - from).map_err(|_| WireError::TooLong)?;
        self.uvarint(length);
        let prefix = self.small.len() - end;
        self.small[from..].rotate_right(prefix);
        self.tag_depth -= 1;
        Ok(())
    }
}

/// A field that may be null in other versions, but not in this one.
pub(super) fn present<'a, T>(value: Option<&'a T>, field: &'static str) -> Result<&'a T, WireError> {
    value.ok_or(WireError::NullField(field))
}

#[cfg(test)]
#[path = "write_test.rs"]
mod write_test;
