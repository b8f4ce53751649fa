//! Little-endian numbers in files of our own: written to a `Vec`, read back with every length looked at.

use crate::log::Producers;
use crate::types::Str;
use alloc::vec::Vec;
use bytes::Bytes;

/// Reads from the front; `None` where the bytes end too early or make no sense.
pub(super) struct Parse<'a> {
    rest: &'a [u8],
}

impl<'a> Parse<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn id(&mut self) -> Option<[u8; 16]> {
        self.array()
    }

    pub(super) fn text(&mut self) -> Option<Str> {
        let len = self.u16()?;
        Str::from_utf8(Bytes::copy_from_slice(self.bytes(len.into())?)).ok()
    }

    pub(super) fn producers(&mut self) -> Option<Producers> {
        Producers::decode(&mut self.rest).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }
}

/// Appends numbers.
pub(super) trait Put {
    fn put(&mut self, bytes: &[u8]);

    fn u8(&mut self, value: u8) {
        self.put(&value.to_le_bytes());
    }

    fn u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.put(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.put(&value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u16(u16::try_from(text.len()).expect("names are short"));
        self.put(text.as_bytes());
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
