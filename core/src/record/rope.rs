//! Record bytes in several pieces: what a Fetch answer carries is cut from caches and files, and is never copied together.

use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::hash::{Hash, Hasher};
use core::{fmt, slice};

/// The records of one partition in a Produce request or a Fetch response: batches back to back, in one or many
/// reference-counted pieces. Null and empty are two things on the wire and here. A clone copies no bytes.
#[derive(Clone, Default)]
pub struct Records(Pieces);

#[derive(Clone, Default)]
enum Pieces {
    #[default]
    Null,
    One(Bytes),
    Many {
        pieces: Arc<[Bytes]>,
        len: usize,
    },
}

impl Records {
    /// No records field at all.
    pub const NULL: Self = Self(Pieces::Null);
    /// Records of length zero.
    pub const EMPTY: Self = Self(Pieces::One(Bytes::new()));

    /// True for [`Records::NULL`].
    pub fn is_null(&self) -> bool {
        matches!(self.0, Pieces::Null)
    }

    /// True where there is no byte, null included.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length in bytes over all pieces.
    pub fn len(&self) -> usize {
        match &self.0 {
            Pieces::Null => 0,
            Pieces::One(bytes) => bytes.len(),
            Pieces::Many { len, .. } => *len,
        }
    }

    /// The pieces in order; null has none.
    pub fn pieces(&self) -> &[Bytes] {
        match &self.0 {
            Pieces::Null => &[],
            Pieces::One(bytes) => slice::from_ref(bytes),
            Pieces::Many { pieces, .. } => pieces,
        }
    }

    /// All bytes in one piece; copies only where there are several.
    pub fn to_bytes(&self) -> Bytes {
        match self.pieces() {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => {
                let mut whole = Vec::with_capacity(self.len());
                many.iter().for_each(|piece| whole.extend_from_slice(piece));
                Bytes::from(whole)
            }
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self(Pieces::One(bytes))
    }
}

impl From<Vec<Bytes>> for Records {
    fn from(mut pieces: Vec<Bytes>) -> Self {
        if pieces.len() <= 1 {
            return Self(Pieces::One(pieces.pop().unwrap_or_default()));
        }
        let len = pieces.iter().map(Bytes::len).sum();
        Self(Pieces::Many { pieces: pieces.into(), len })
    }
}

impl FromIterator<Bytes> for Records {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        Self::from(pieces.into_iter().collect::<Vec<_>>())
    }
}

/// Equal bytes are equal records, however they are cut; null equals null only.
impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        let bytes =
            |records: &Self| records.pieces().iter().flat_map(|piece| piece.iter().copied()).collect::<Vec<_>>();
        match (self.pieces(), other.pieces()) {
            _ if self.is_null() != other.is_null() || self.len() != other.len() => false,
            ([one], [two]) => one == two,
            _ => bytes(self) == bytes(other),
        }
    }
}

impl Eq for Records {}

impl Hash for Records {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_null().hash(state);
        self.len().hash(state);
        self.pieces().iter().flat_map(|piece| piece.iter()).for_each(|byte| state.write_u8(*byte));
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_null() {
            true => f.write_str("Records(null)"),
            false => write!(f, "Records({} bytes in {})", self.len(), self.pieces().len()),
        }
    }
}

#[cfg(test)]
#[path = "rope_test.rs"]
mod rope_test;
