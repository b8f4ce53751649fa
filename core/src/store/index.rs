//! Where in a segment which batch lies: one entry every so many bytes. An index is a hint, never the truth: whoever uses
//! an entry looks at the batch it points to, and forgets the entry if it lied. So its file needs no flush in time, and a
//! missing, short or damaged one only costs a longer walk.
//!
//! The file is a head (magic, format version, the segment's base offset, its salt) and entries of 32 bytes, each with a
//! CRC-32C that is continued from the head's salt: entries of an earlier life of the segment do not fit any more.

use super::parse::{Parse, Put};
use crate::plant::{Bug, planted};
use crate::record::{Functions, NO_TIMESTAMP};
use crate::types::{Offset, Wall};
use alloc::vec::Vec;

/// A batch, and what is known of the segment before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The batch's base offset.
    pub(super) base: Offset,
    /// Where it begins in the segment's file.
    pub(super) position: u64,
    /// The largest maximum timestamp of the batches before it; [`NO_TIMESTAMP`] if there is none.
    pub(super) max_time: Wall,
    /// The base offset of the first batch that has it.
    pub(super) max_time_base: Offset,
}

impl Place {
    /// The first batch of a segment.
    pub(super) fn front(base: Offset) -> Self {
        Self { base, position: 0, max_time: NO_TIMESTAMP, max_time_base: base }
    }
}

/// The index of one segment, as far as it is known. The front of the segment always is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Index {
    places: Vec<Place>,
    /// True once the file was read, or if the segment was born in this process.
    pub(super) is_loaded: bool,
    /// So many of the places are in the file.
    pub(super) saved: usize,
}

impl Index {
    /// The index of a segment that is born now.
    pub(super) fn newborn() -> Self {
        Self { places: Vec::new(), is_loaded: true, saved: 0 }
    }

    /// Takes a batch in if it lies far enough behind the last one that was.
    pub(super) fn note(&mut self, place: Place, interval: u64) {
        let last = self.places.last().map_or(0, |last| last.position);
        if place.position >= last + interval {
            self.places.push(place);
        }
    }

    /// The last known place at or before this offset.
    pub(super) fn floor(&self, at: Offset) -> Option<Place> {
        let after = self.places.partition_point(|place| place.base <= at);
        after.checked_sub(1).map(|last| self.places[last])
    }

    /// The last known place at or before this byte.
    pub(super) fn floor_at(&self, position: u64) -> Option<Place> {
        let after = self.places.partition_point(|place| place.position <= position);
        after.checked_sub(1).map(|last| self.places[last])
    }

    /// The last known place before which nothing is as late as `target`.
    pub(super) fn before(&self, target: Wall) -> Option<Place> {
        let after = self.places.partition_point(|place| place.max_time < target);
        after.checked_sub(1).map(|last| self.places[last])
    }

    /// A place lied: it goes, and all behind it.
    pub(super) fn distrust(&mut self, place: Place) {
        self.cut(place.position);
    }

    /// Nothing at or behind this position is in the segment any more.
    pub(super) fn cut(&mut self, position: u64) {
        let kept = self.places.partition_point(|place| place.position < position);
        self.places.truncate(kept);
        self.saved = self.saved.min(kept);
    }

    /// The bytes that the file lacks, and where they belong; none if it lacks nothing or its content is not known.
    pub(super) fn unsaved(&self, base: Offset, salt: u64, f: &Functions) -> Option<(u64, Vec<u8>)> {
        if !self.is_loaded || self.saved == self.places.len() {
            return None;
        }
        let mut out = Vec::with_capacity(HEAD_BYTES + (self.places.len() - self.saved) * PLACE_BYTES);
        if self.saved == 0 {
            out.put(&head(base, salt));
        }
        for place in &self.places[self.saved..] {
            put(place, salt, f, &mut out);
        }
        let at = if self.saved == 0 { 0 } else { HEAD_BYTES + self.saved * PLACE_BYTES };
        Some((at as u64, out))
    }

    /// Everything is in the file now.
    pub(super) fn mark_saved(&mut self) {
        self.saved = self.places.len();
    }

    /// Takes in what the file says about the part of the segment before what is known here.
    pub(super) fn load(&mut self, bytes: &[u8], base: Offset, salt: u64, f: &Functions) {
        let mut known = core::mem::take(&mut self.places);
        let is_ours = bytes.get(..HEAD_BYTES).is_some_and(|found| found == head(base, salt));
        let entries = if is_ours { &bytes[HEAD_BYTES..] } else { &[] };
        for entry in entries.chunks_exact(PLACE_BYTES) {
            let Some(place) = get(entry, salt, f) else {
                break;
            };
            let is_growing =
                self.places.last().is_none_or(|last| last.position < place.position && last.base < place.base);
            let is_before = known.first().is_none_or(|first| place.position < first.position);
            if !is_growing || !is_before {
                break;
            }
            self.places.push(place);
        }
        self.saved = self.places.len();
        self.places.append(&mut known);
        self.is_loaded = true;
    }

    /// What is known, in order.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.places.capacity() * core::mem::size_of::<Place>()
    }
}

/// A file holds at most this.
pub(super) const INDEX_BYTES_MAX: u64 = 64 << 20;

const MAGIC: &[u8; 4] = b"OTTI";
const VERSION: u16 = 1;
const HEAD_BYTES: usize = 24;
const PLACE_BYTES: usize = 32;

fn head(base: Offset, salt: u64) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(MAGIC);
    head[4..6].copy_from_slice(&VERSION.to_le_bytes());
    head[8..16].copy_from_slice(&base.0.to_le_bytes());
    head[16..].copy_from_slice(&salt.to_le_bytes());
    head
}

fn put(place: &Place, salt: u64, f: &Functions, out: &mut Vec<u8>) {
    let at = out.len();
    out.i64(place.base.0);
    out.u32(u32::try_from(place.position).expect("a segment stays below 4 GiB"));
    out.i64(place.max_time.0);
    out.i64(place.max_time_base.0);
    let crc = (f.crc32c)(salt as u32, &out[at..]);
    out.u32(crc);
}

fn get(entry: &[u8], salt: u64, f: &Functions) -> Option<Place> {
    let mut parse = Parse::new(entry);
    let (base, position) = (Offset(parse.i64()?), u64::from(parse.u32()?));
    let place = Place { base, position, max_time: Wall(parse.i64()?), max_time_base: Offset(parse.i64()?) };
    let crc = parse.u32()?;
    let is_whole = (f.crc32c)(salt as u32, &entry[..PLACE_BYTES - 4]) == crc;
    (is_whole || planted(Bug::TrustIndex)).then_some(place)
}

#[cfg(test)]
#[path = "index_test.rs"]
mod index_test;
