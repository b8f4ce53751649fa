//! One record as it lies in an uncompressed record section:
//! length, attributes, timestamp delta, offset delta, key, value, headers; all lengths are zigzag varints (KIP-98).

use super::varint::{VarintFault, take_i32, take_i64};

/// One record, borrowed from its batch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Record<'a> {
    /// Milliseconds after the batch's base timestamp.
    pub timestamp_delta: i64,
    /// Offsets after the batch's base offset.
    pub offset_delta: i32,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// How many headers there are.
    pub header_count: u32,
    headers: &'a [u8],
}

/// Why bytes are no record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RecordFault {
    /// The record, or a part of it, ends before its length says so.
    Short,
    /// A number of more bytes than its type has, or beyond its range.
    Varint,
    /// A length below −1, or a negative one where null is not allowed.
    Negative,
    /// The parts do not add up to the record's own length.
    Length,
}

impl<'a> Record<'a> {
    /// Takes the next record off `bytes`. Never panics and never looks beyond the record's own length.
    pub fn take(bytes: &mut &'a [u8]) -> Result<Self, RecordFault> {
        let length = take_i32(bytes)?;
        let mut rest = take_bytes(bytes, length)?;
        // The attributes of a record: no bit of them means anything.
        let (_, after) = rest.split_first().ok_or(RecordFault::Short)?;
        rest = after;
        let timestamp_delta = take_i64(&mut rest)?;
        let offset_delta = take_i32(&mut rest)?;
        let key = take_nullable(&mut rest)?;
        let value = take_nullable(&mut rest)?;
        let count = take_i32(&mut rest)?;
        let header_count = u32::try_from(count).map_err(|_| RecordFault::Negative)?;
        let headers = rest;
        for _ in 0..header_count {
            let key_length = take_i32(&mut rest)?;
            take_bytes(&mut rest, key_length)?;
            take_nullable(&mut rest)?;
        }
        if !rest.is_empty() {
            return Err(RecordFault::Length);
        }
        Ok(Self { timestamp_delta, offset_delta, key, value, header_count, headers })
    }

    /// The headers in their order; keys are UTF-8 by convention only.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let mut rest = self.headers;
        (0..self.header_count).map(move |_| {
            let key_length = take_i32(&mut rest).expect("walked when the record was taken");
            let key = take_bytes(&mut rest, key_length).expect("walked when the record was taken");
            let value = take_nullable(&mut rest).expect("walked when the record was taken");
            (key, value)
        })
    }
}

impl From<VarintFault> for RecordFault {
    fn from(fault: VarintFault) -> Self {
        match fault {
            VarintFault::Short => Self::Short,
            VarintFault::Long => Self::Varint,
        }
    }
}

fn take_bytes<'a>(bytes: &mut &'a [u8], length: i32) -> Result<&'a [u8], RecordFault> {
    let length = usize::try_from(length).map_err(|_| RecordFault::Negative)?;
    let (taken, rest) = bytes.split_at_checked(length).ok_or(RecordFault::Short)?;
    *bytes = rest;
    Ok(taken)
}

fn take_nullable<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordFault> {
    let length = take_i32(bytes)?;
    if length == -1 {
        return Ok(None);
    }
    take_bytes(bytes, length).map(Some)
}
