//! Reads Kafka's primitive types from a reference-counted buffer. Texts and byte fields share the buffer; only arrays
//! allocate, and what they allocate is charged to a budget before it happens.

use super::{Wire, WireError, read};
use crate::record::Records;
use crate::types::{Str, Uuid};
use alloc::vec::Vec;
use bytes::Bytes;
use core::mem;

/// The longest text of the protocol, in bytes: its length must fit an i16, in compact form too.
const TEXT_BYTES_MAX: usize = i16::MAX as usize;

/// A place in a buffer, the end of what may be read, and what may still be allocated.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// The whole buffer, which texts and byte fields share.
    frame: &'a Bytes,
    /// What is left of it; inside a tagged field, what is left of that.
    rest: &'a [u8],
    /// How many bytes arrays may still take.
    budget: usize,
    flexible: bool,
}

/// A tagged field that is being read.
pub(super) struct Tag<'a> {
    pub(super) number: u32,
    /// What follows it.
    after: &'a [u8],
}

/// The bytes become a number before they become a `Result`: a `Result` of an array is taken apart byte by byte.
macro_rules! fixed {
    ($($(#[$doc:meta])* $seen:vis fn $name:ident() -> $kind:ty = $make:expr;)*) => {$(
        $(#[$doc])*
        #[inline]
        $seen fn $name(&mut self) -> Result<$kind, WireError> {
            let Some((taken, rest)) = self.rest.split_first_chunk() else { return Err(WireError::Short) };
            self.rest = rest;
            Ok($make(*taken))
        }
    )*};
}

impl<'a> Reader<'a> {
    /// Reads a frame from the start; arrays may take `budget` bytes of memory together.
    pub fn new(frame: &'a Bytes, budget: usize) -> Self {
        Self { frame, rest: frame, budget, flexible: false }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// How much memory arrays may still take, in bytes.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// Refuses what follows the end of a message.
    pub fn finish(&self) -> Result<(), WireError> {
        match self.remaining() {
            0 => Ok(()),
            bytes => Err(WireError::Trailing { bytes }),
        }
    }

    /// Compact lengths and tagged fields (KIP-482) from here on, or not.
    pub(super) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    #[inline]
    pub(super) fn flexible(&self) -> bool {
        self.flexible
    }

    #[inline]
    fn slice(&mut self, len: usize) -> Result<Bytes, WireError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(WireError::Short)?;
        self.rest = rest;
        Ok(self.frame.slice_ref(taken))
    }

    fn charge(&mut self, bytes: usize) -> Result<(), WireError> {
        self.budget = self.budget.checked_sub(bytes).ok_or(WireError::OverBudget)?;
        Ok(())
    }

    #[inline]
    pub(super) fn bool(&mut self) -> Result<bool, WireError> {
        Ok(self.i8()? != 0)
    }

    fixed! {
        pub(super) fn i8() -> i8 = i8::from_be_bytes;
        /// An i16 as it stands in front of records and headers.
        pub fn i16() -> i16 = i16::from_be_bytes;
        pub(super) fn u16() -> u16 = u16::from_be_bytes;
        /// An i32 as it stands in headers.
        pub fn i32() -> i32 = i32::from_be_bytes;
        pub(super) fn i64() -> i64 = i64::from_be_bytes;
        pub(super) fn uuid() -> Uuid = Uuid;
        fn u8() -> u8 = u8::from_be_bytes;
    }

    /// An unsigned number of up to 32 bits, seven to a byte, the lowest first.
    #[inline]
    pub(super) fn uvarint(&mut self) -> Result<u32, WireError> {
        match self.rest {
            [byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u32::from(*byte))
            }
            _ => self.long_uvarint(),
        }
    }

    fn long_uvarint(&mut self) -> Result<u32, WireError> {
        let mut value: u32 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.u8()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                return Err(WireError::LongVarint);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::LongVarint)
    }

    /// A length in front of a byte field or an array; `None` is null.
    #[inline]
    fn length(&mut self) -> Result<Option<usize>, WireError> {
        if self.flexible {
            return Ok((self.uvarint()? as usize).checked_sub(1));
        }
        match self.i32()? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| WireError::NegativeLength),
        }
    }

    fn old_text_length(&mut self) -> Result<Option<usize>, WireError> {
        match self.i16()? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| WireError::NegativeLength),
        }
    }

    fn text(&mut self, length: Option<usize>) -> Result<Option<Str>, WireError> {
        let Some(length) = length else { return Ok(None) };
        if length > TEXT_BYTES_MAX {
            return Err(WireError::LongText);
        }
        Str::from_utf8(self.slice(length)?).map(Some).map_err(|_| WireError::NotUtf8)
    }

    pub(super) fn nullable_string(&mut self) -> Result<Option<Str>, WireError> {
        let length = if self.flexible { (self.uvarint()? as usize).checked_sub(1) } else { self.old_text_length()? };
        self.text(length)
    }

    pub(super) fn string(&mut self) -> Result<Str, WireError> {
        self.nullable_string()?.ok_or(WireError::UnexpectedNull)
    }

    /// A text whose length is an i16 in every version: the client id of the request header.
    pub(super) fn nullable_old_string(&mut self) -> Result<Option<Str>, WireError> {
        let length = self.old_text_length()?;
        self.text(length)
    }

    #[inline]
    pub(super) fn nullable_bytes(&mut self) -> Result<Option<Bytes>, WireError> {
        match self.length()? {
            None => Ok(None),
            Some(length) => self.slice(length).map(Some),
        }
    }

    #[inline]
    pub(super) fn bytes(&mut self) -> Result<Bytes, WireError> {
        self.nullable_bytes()?.ok_or(WireError::UnexpectedNull)
    }

    #[inline]
    pub(super) fn nullable_records(&mut self) -> Result<Records, WireError> {
        match self.length()? {
            None => Ok(Records::NULL),
            Some(length) => self.slice(length).map(Records::from),
        }
    }

    pub(super) fn nullable_array<T: Wire>(&mut self, v: i16) -> Result<Option<Vec<T>>, WireError> {
        let Some(length) = self.length()? else { return Ok(None) };
        // Every element takes at least one byte, so a length beyond the bytes is refused before anything is allocated.
        if length > self.remaining() {
            return Err(WireError::Short);
        }
        self.charge(length.saturating_mul(mem::size_of::<T>()))?;
        let mut array = Vec::with_capacity(length);
        array.resize_with(length, T::default);
        array.iter_mut().try_for_each(|element| element.read(self, v))?;
        Ok(Some(array))
    }

    pub(super) fn array<T: Wire>(&mut self, v: i16) -> Result<Vec<T>, WireError> {
        self.nullable_array(v)?.ok_or(WireError::UnexpectedNull)
    }

    pub(super) fn structure<T: Wire>(&mut self, v: i16) -> Result<T, WireError> {
        read(self, v)
    }

    pub(super) fn nullable_structure<T: Wire>(&mut self, v: i16) -> Result<Option<T>, WireError> {
        if self.i8()? < 0 { Ok(None) } else { read(self, v).map(Some) }
    }

    /// How many tagged fields follow. The number is not to be trusted, but each takes two bytes at least.
    #[inline]
    pub(super) fn tags(&mut self) -> Result<u32, WireError> {
        self.uvarint()
    }

    /// Enters a tagged field: until [`Reader::end_tag`] nothing behind it can be read.
    pub(super) fn tag(&mut self) -> Result<Tag<'a>, WireError> {
        let number = self.uvarint()?;
        let size = self.uvarint()? as usize;
        let (content, after) = self.rest.split_at_checked(size).ok_or(WireError::Short)?;
        self.rest = content;
        Ok(Tag { number, after })
    }

    /// Passes over the content of a tagged field that is not known here; its bytes are charged as if they were kept.
    pub(super) fn skip_tag(&mut self) -> Result<(), WireError> {
        self.charge(self.remaining())?;
        self.rest = &[];
        Ok(())
    }

    /// Leaves a tagged field, which must have been read to its end.
    pub(super) fn end_tag(&mut self, tag: Tag<'a>) -> Result<(), WireError> {
        if !self.rest.is_empty() {
            return Err(WireError::TagSize);
        }
        self.rest = tag.after;
        Ok(())
    }
}

#[cfg(test)]
#[path = "read_test.rs"]
mod read_test;
