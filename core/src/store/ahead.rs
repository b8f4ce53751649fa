//! Reading ahead: whoever reads a log on and on, outside of what memory holds, finds the next pieces here when it asks for
//! them. Without that each fetch waits for a disk that did nothing since the one before.
//!
//! ```text
//!   segment  ───────┬────────┬────────┬────────┬────────┬────────────▶
//!    what was read  │ piece  │ piece  │ piece  │ piece  │  not asked for yet
//!                   └────────┴────────┴────────┴────────┘
//!                       ▲ reader             on their way, some of them
//! ```
//!
//! It has memory of its own, so that a reader of everything does not drive out the newest batches, which all others read.

use super::ops::{Key, Purpose};
use super::read::Reading;
use super::{Store, StoreOut};
use crate::boundary::{FileDone, FileFault, FileOp};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::ops::RangeInclusive;

/// Everything that was read ahead, or is being read.
#[derive(Default)]
pub(super) struct Ahead {
    /// Who reads on and on; those that did lately come last.
    streams: VecDeque<Stream>,
    /// The name of the next piece.
    next: u64,
    /// Walks that wait for a piece.
    waiting: BTreeMap<u64, Vec<u64>>,
}

/// One reader on its way through a segment.
struct Stream {
    key: Key,
    /// How often the log was cut when the stream began: what was read before a cut is of no use after it.
    cuts: u64,
    /// What was asked for last begins here.
    at: u64,
    /// So far it was asked for.
    end: u64,
    /// So far ahead of the reader it is read: more with every time that it goes on.
    window: u64,
    /// Without a gap.
    pieces: VecDeque<Piece>,
}

struct Piece {
    id: u64,
    at: u64,
    len: usize,
    /// None while it is being read.
    bytes: Option<Bytes>,
}

/// What a walk wants next.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) key: Key,
    pub(super) cuts: u64,
    pub(super) at: u64,
    /// So much is worth reading at once …
    pub(super) len: usize,
    /// … so much it cannot do without …
    pub(super) need: usize,
    /// … and so much, this included, it will want if nothing ends it.
    pub(super) total: u64,
    /// Nothing behind this is in the file.
    pub(super) limit: u64,
}

/// What there is of that.
pub(super) enum Found {
    /// These bytes of the segment, from this position on.
    Bytes(u64, Bytes),
    /// This piece is on its way.
    Coming(u64),
    Nothing,
}

impl Piece {
    fn end(&self) -> u64 {
        self.at + self.len as u64
    }
}

impl Stream {
    fn find(&self, wanted: &Wanted) -> Found {
        let after = self.pieces.partition_point(|piece| piece.end() <= wanted.at);
        let Some(first) = self.pieces.get(after).filter(|piece| piece.at <= wanted.at) else {
            return Found::Nothing;
        };
        let Some(bytes) = &first.bytes else {
            return Found::Coming(first.id);
        };
        if first.end() - wanted.at >= wanted.need as u64 {
            return Found::Bytes(first.at, bytes.clone());
        }
        // A batch lies across a border: it is put together.
        let mut whole = BytesMut::with_capacity(wanted.need);
        whole.extend_from_slice(&bytes[(wanted.at - first.at) as usize..]);
        for piece in self.pieces.iter().skip(after + 1) {
            let Some(bytes) = &piece.bytes else {
                return Found::Coming(piece.id);
            };
            let more = bytes.len().min(wanted.need - whole.len());
            whole.extend_from_slice(&bytes[..more]);
            if whole.len() == wanted.need {
                return Found::Bytes(wanted.at, whole.freeze());
            }
        }
        Found::Nothing
    }
}

impl Ahead {
    /// What there is of what a walk wants. Its stream is the one that was used last from now on; where nothing is there
    /// its pieces begin anew.
    pub(super) fn find(&mut self, wanted: &Wanted) -> Found {
        self.streams.retain(|stream| stream.key != wanted.key || stream.cuts == wanted.cuts);
        let Wanted { key, cuts, at, len, .. } = *wanted;
        let has = |stream: &Stream| stream.key == key && !matches!(stream.find(wanted), Found::Nothing);
        // The index may send a reader back some way.
        let goes_on = |stream: &Stream| stream.key == key && at + len as u64 >= stream.at && at <= stream.end;
        let known = self.streams.iter().position(has).or_else(|| self.streams.iter().position(goes_on));
        let mut stream = known.and_then(|known| self.streams.remove(known)).unwrap_or_else(|| {
            let pieces = VecDeque::new();
            Stream { key, cuts, at, end: at, window: 0, pieces }
        });
        let found = stream.find(wanted);
        if let Found::Nothing = found {
            stream.pieces.clear();
        }
        let end = at + len as u64;
        if known.is_some() && end > stream.end {
            stream.window = stream.window.saturating_mul(2).max(2 * len as u64);
        }
        (stream.at, stream.end) = (at, stream.end.max(end));
        while let [first, second, ..] = stream.pieces.make_contiguous()
            && first.bytes.is_some()
            && second.end() <= at
        {
            stream.pieces.pop_front();
        }
        self.streams.push_back(stream);
        if self.streams.len() > STREAMS_MAX {
            self.streams.pop_front();
        }
        found
    }

    /// The same of the stream that was used last.
    fn find_again(&self, wanted: &Wanted) -> Found {
        self.streams.back().map_or(Found::Nothing, |stream| stream.find(wanted))
    }

    /// This walk waits for a piece.
    pub(super) fn wait(&mut self, piece: u64, walk: u64) {
        self.waiting.entry(piece).or_default().push(walk);
    }

    /// The next piece of the stream that was used last, if there is to be one; `piece_bytes` long.
    fn next_piece(&mut self, wanted: &Wanted, piece_bytes: usize, bytes_max: usize) -> Option<(u64, u64, usize)> {
        let stream = self.streams.back()?;
        let piece = piece_bytes as u64;
        if stream.window == 0 && wanted.total < 2 * piece {
            // Nobody knows whether this reader goes on.
            return None;
        }
        let ahead = wanted.len as u64 + stream.window.min(WINDOW_PIECES * piece);
        let goal = (wanted.at + ahead.max(wanted.total.min(TOTAL_PIECES * piece))).min(wanted.limit);
        let at = stream.pieces.back().map_or(wanted.at, Piece::end);
        if at + piece / 4 >= goal {
            return None;
        }
        let len = piece.min(wanted.limit - at) as usize;
        if !self.make_room(len, bytes_max) {
            return None;
        }
        let id = self.next;
        self.next += 1;
        let stream = self.streams.back_mut().expect("looked at above");
        stream.pieces.push_back(Piece { id, at, len, bytes: None });
        Some((id, at, len))
    }

    /// Lets go of what others had read ahead, those first that did not ask for long.
    fn make_room(&mut self, len: usize, bytes_max: usize) -> bool {
        let pieces = self.streams.iter().flat_map(|stream| &stream.pieces);
        let mut bytes: usize = pieces.map(|piece| piece.len).sum();
        let others = self.streams.len() - 1;
        for stream in self.streams.iter_mut().take(others) {
            while bytes + len > bytes_max
                && let Some(last) = stream.pieces.pop_back_if(|piece| piece.bytes.is_some())
            {
                bytes -= last.len;
            }
        }
        bytes + len <= bytes_max
    }

    /// A piece is here, or is not. Returns who waited for it, and whether it is.
    fn came(&mut self, id: u64, bytes: Option<Bytes>) -> (Vec<u64>, bool) {
        let mut is_here = false;
        let mut pieces = self.streams.iter_mut().flat_map(|stream| &mut stream.pieces);
        if let Some(piece) = pieces.find(|piece| piece.id == id) {
            piece.bytes = bytes.filter(|bytes| bytes.len() == piece.len);
            is_here = piece.bytes.is_some();
            if !is_here {
                self.streams.retain(|stream| stream.pieces.iter().all(|piece| piece.id != id));
            }
        }
        (self.waiting.remove(&id).unwrap_or_default(), is_here)
    }

    /// These segments are not read any more.
    pub(super) fn forget(&mut self, keys: RangeInclusive<Key>) {
        self.streams.retain(|stream| !keys.contains(&stream.key));
    }

    /// Nothing is read any more.
    pub(super) fn clear(&mut self) {
        self.streams.clear();
        self.waiting.clear();
    }
}

impl Store {
    /// Is what a walk wants in memory, or on its way there? What it will want then is asked for, if the file is open.
    pub(super) fn find_ahead(
        &mut self,
        reading: &Reading,
        key: Key,
        (at, len, need): (u64, usize, usize),
        out: &mut Vec<StoreOut>,
    ) -> Found {
        let (Some(log), Some(total)) = (self.logs.get(&key.0), reading.walk.wanted_bytes()) else {
            return Found::Nothing;
        };
        let total = total as u64;
        let wanted = Wanted { key, cuts: log.cuts, at, len, need, total, limit: log.disk_limit(key.1) };
        let found = self.reads.ahead.find(&wanted);
        let (piece_bytes, bytes_max) = (self.config.read_bytes_max, self.config.ahead_bytes_max);
        // A batch that is longer than a piece is read by whoever wants it.
        let Some(file) = self.reads.use_file(key).filter(|_| need <= piece_bytes) else {
            return found;
        };
        while let Some((id, at, len)) = self.reads.ahead.next_piece(&wanted, piece_bytes, bytes_max) {
            self.ops.ask(Purpose::Ahead(id, key, at), FileOp::ReadAt { file, at, len }, out);
        }
        match found {
            Found::Nothing => self.reads.ahead.find_again(&wanted),
            Found::Bytes(..) | Found::Coming(_) => found,
        }
    }

    /// A piece was read, or not.
    pub(super) fn piece_read(
        &mut self,
        (id, key, at): (u64, Key, u64),
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) {
        let bytes = match outcome {
            Ok(FileDone::Read(bytes)) => Some(bytes),
            Ok(FileDone::Ok | FileDone::Opened { .. } | FileDone::Listed(_)) => unreachable!("a read brings bytes"),
            Err(_) => None,
        };
        let segment = self.logs.get(&key.0).and_then(|log| log.segment(key.1));
        let bytes = bytes.zip(segment).map(|(bytes, segment)| segment.mend(at, bytes.len(), bytes));
        let (walks, is_here) = self.reads.ahead.came(id, bytes);
        for walk in walks {
            if !is_here && let Some(reading) = self.reads.walk_mut(walk) {
                reading.go_alone();
            }
            self.resume(walk, out);
        }
        self.pump_reads(out);
    }
}

/// So many pieces are on their way ahead of a reader at most …
const WINDOW_PIECES: u64 = 4;
/// … or, together, of what one fetch wants.
const TOTAL_PIECES: u64 = 8;
/// So many readers are known; a look at each costs little.
const STREAMS_MAX: usize = 32;

#[cfg(test)]
#[path = "ahead_test.rs"]
mod ahead_test;
