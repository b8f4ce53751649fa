//! Canonical bytes of state, made by `#[derive(Hash)]`: whatever a type hashes is written down instead.
//!
//! A state type derives `Hash`; all its containers are ordered, so equal states give equal bytes, and a field that is
//! added later is covered without anybody thinking of it.

use alloc::vec::Vec;
use core::hash::Hasher;

/// Collects what `Hash` writes, byte for byte, little end first.
#[derive(Clone, Default, Debug)]
pub struct Ice {
    bytes: Vec<u8>,
}

impl Ice {
    /// The canonical bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Hasher for Ice {
    fn finish(&self) -> u64 {
        let mut digest = Digest::default();
        digest.write(&self.bytes);
        digest.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn write_u16(&mut self, value: u16) {
        self.write(&value.to_le_bytes());
    }

    fn write_u32(&mut self, value: u32) {
        self.write(&value.to_le_bytes());
    }

    fn write_u64(&mut self, value: u64) {
        self.write(&value.to_le_bytes());
    }

    fn write_u128(&mut self, value: u128) {
        self.write(&value.to_le_bytes());
    }

    fn write_usize(&mut self, value: usize) {
        self.write(&(value as u64).to_le_bytes());
    }
}

/// A 64-bit fingerprint of state or of a whole run: wide multiplications over eight bytes at a time. It tells runs
/// apart; it is no defence against an adversary.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Digest {
    fn mix(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word) * 0xd6e8_feb8_6659_fd93_u128;
        self.0 = (wide as u64) ^ ((wide >> 64) as u64) ^ word.rotate_left(32);
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.mix(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }
}
