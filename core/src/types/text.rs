//! Text that borrows the buffer it arrived in.

use super::limit;
use alloc::string::String;
use bytes::Bytes;
use core::borrow::Borrow;
use core::ops::Deref;
use core::{fmt, str};

/// UTF-8 in a reference-counted buffer: decoding a request copies no string. State that outlives the request keeps a
/// [`Str::detached`] copy, so that one topic name does not hold a megabyte of somebody's frame.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Str(Bytes);

/// The bytes were not UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotUtf8;

impl Str {
    /// The text of length zero.
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// A text that lives as long as the program.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Takes the bytes as they are, if they are UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, NotUtf8> {
        match str::from_utf8(&bytes) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(NotUtf8),
        }
    }

    /// What explains an error to a person: cut where it is longer than [`limit::EXPLANATION_BYTES_MAX`].
    pub fn explanation(why: &str) -> Self {
        Self::from(cut(why, limit::EXPLANATION_BYTES_MAX))
    }

    /// The same text in a buffer of its own.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// The text. It is proved once more, so hot paths compare and search by [`Str::as_bytes`].
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("checked when it was made")
    }

    /// True without any text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes of the text, sharing its buffer.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

/// As much of a foreign name or value as is quoted in an explanation.
pub fn quoted(text: &str) -> &str {
    cut(text, limit::QUOTED_BYTES_MAX)
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

/// Sorted as its bytes are, which is also how text is sorted. Maps are searched by bytes: `str` would be proved anew at
/// each comparison.
impl Borrow<[u8]> for Str {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Str {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(Bytes::from(text.into_bytes()))
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
#[path = "text_test.rs"]
mod text_test;
