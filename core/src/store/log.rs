//! One log as the store knows it. Every change is applied by the same function whether it is made now or replayed.

use super::buffer::block_floor;
use super::entry::Cut;
use super::segment::{Segment, Writer, folder};
use super::whence::Whence;
use crate::boundary::{CopyId, HardState, LogSpec};
use crate::log::{Epochs, Log as Facts, Producers};
use crate::record::{CheckedBatch, Header, NO_TIMESTAMP};
use crate::types::{LogId, Offset, OffsetRange, Str, Wall};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

/// One log. It has at least one segment, the last of which takes the appends.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) id: LogId,
    pub(super) spec: LogSpec,
    pub(super) start: Offset,
    pub(super) end: Offset,
    /// The end as far as the journal has it for good; nothing behind it is read by anybody.
    pub(super) durable: Offset,
    pub(super) segments: VecDeque<Segment>,
    /// The newest batches, without a gap up to the end; among them all that no file holds yet.
    pub(super) cached: VecDeque<Cached>,
    pub(super) epochs: Epochs,
    pub(super) producers: Producers,
    /// What the node keeps with it; nothing but of the metadata log.
    pub(super) hard: Option<Box<HardState>>,
    /// What it knows of other copies; nothing if it was never moved.
    pub(super) whence: Option<Box<Whence>>,
    /// The journal's generation that holds the partial last block of the log.
    pub(super) covered: u64,
    /// The journal's generation of the last change.
    pub(super) changed: u64,
    /// How often the log was cut in this process: reads under way look at it.
    pub(super) cuts: u64,
    /// Whether it is to be used.
    pub(super) soundness: Soundness,
    /// An append was refused for want of room. Those behind it are refused too, whether there is room again or not, until
    /// somebody has asked what is there: they were submitted by somebody who believed that the first is before them.
    pub(super) is_refusing: bool,
    /// True once its folder is there.
    pub(super) has_folder: bool,
    /// The first of those that wait needs the last segment's file to be ready for it, not something to be read.
    pub(super) waits_for_file: bool,
    /// Actions wait here, in order, for something to be read first.
    pub(super) waiting: VecDeque<super::commit::Queued>,
}

/// Can what a log holds be believed?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Soundness {
    /// Nothing speaks against it.
    Whole,
    /// A segment does not hold what was written to it, or cannot be read, from this place on. Nobody uses the log before a
    /// later start has found it whole (prove.rs). What is in memory is still moved to its files.
    Unreadable(Option<(Offset, u64)>),
    /// A change of it is lost, for good. Its files are left alone.
    Rotten,
}

/// All logs of a store, by their numbers. In the map itself they would take up twice the room, since half of it is empty.
pub(super) type Logs = BTreeMap<u32, Box<Log>>;

/// One batch in memory.
#[derive(Clone, Debug)]
pub(super) struct Cached {
    pub(super) base: Offset,
    pub(super) end: Offset,
    /// Base offset of its segment.
    pub(super) segment: Offset,
    /// Where in the segment.
    pub(super) position: u64,
    pub(super) bytes: Bytes,
}

impl Log {
    /// A log that begins now. `salt` tells its first segment from an earlier file of that name.
    pub(super) fn newborn(id: LogId, spec: LogSpec, at: Wall, salt: u64) -> Self {
        let mut segments = VecDeque::with_capacity(1);
        segments.push_back(Segment::newborn(Offset::ZERO, at, salt));
        Self::with_segments(id, spec, segments)
    }

    /// A log of these segments; the caller fills in the rest.
    pub(super) fn with_segments(id: LogId, spec: LogSpec, segments: VecDeque<Segment>) -> Self {
        Self {
            id,
            spec,
            start: Offset::ZERO,
            end: Offset::ZERO,
            durable: Offset::ZERO,
            segments,
            cached: VecDeque::new(),
            epochs: Epochs::default(),
            producers: Producers::default(),
            hard: None,
            whence: None,
            covered: 0,
            changed: 0,
            cuts: 0,
            soundness: Soundness::Whole,
            has_folder: false,
            waits_for_file: false,
            is_refusing: false,
            waiting: VecDeque::new(),
        }
    }

    /// What it knows of other copies.
    pub(super) fn whence_mut(&mut self) -> &mut Whence {
        self.whence.get_or_insert_default()
    }

    /// What the node keeps with it.
    pub(super) fn hard(&self) -> HardState {
        self.hard.as_deref().copied().unwrap_or_default()
    }

    /// The same, to be changed.
    pub(super) fn hard_mut(&mut self) -> &mut HardState {
        self.hard.get_or_insert_default()
    }

    /// True of a copy that does not count.
    pub(super) fn is_future(&self) -> bool {
        self.whence.as_ref().is_some_and(|whence| whence.is_future)
    }

    /// Is it to be used?
    pub(super) fn is_sound(&self) -> bool {
        self.soundness == Soundness::Whole
    }

    /// What no two logs of a directory have in common at the same time.
    pub(super) fn name(&self) -> (Str, i32) {
        (self.spec.topic.clone(), self.id.partition)
    }

    pub(super) fn folder(&self) -> String {
        folder(self.id, &self.spec.topic)
    }

    pub(super) fn active(&self) -> &Segment {
        self.segments.back().expect("a log has a segment")
    }

    pub(super) fn active_mut(&mut self) -> &mut Segment {
        self.segments.back_mut().expect("a log has a segment")
    }

    /// The segment with this base offset.
    pub(super) fn segment(&self, base: Offset) -> Option<&Segment> {
        let at = self.segments.binary_search_by_key(&base, |segment| segment.base).ok()?;
        self.segments.get(at)
    }

    /// The segment with this base offset.
    pub(super) fn segment_mut(&mut self, base: Offset) -> Option<&mut Segment> {
        let at = self.segments.binary_search_by_key(&base, |segment| segment.base).ok()?;
        self.segments.get_mut(at)
    }

    /// The index of the segment that would hold this offset.
    pub(super) fn segment_at(&self, offset: Offset) -> usize {
        self.segments.partition_point(|segment| segment.base <= offset).saturating_sub(1)
    }

    /// The first offset behind the segment with this index.
    pub(super) fn segment_end(&self, at: usize) -> Offset {
        self.segments.get(at + 1).map_or(self.end, |next| next.base)
    }

    /// Must a batch of so many bytes, up to this timestamp, go to a new segment?
    pub(super) fn must_roll(&self, header: &Header, now: Wall) -> bool {
        let active = self.active();
        if active.bytes == 0 {
            return false;
        }
        let settings = &self.spec.settings;
        let bytes = active.bytes + header.batch_bytes() as u64;
        let (from, to) = match active.first_time {
            NO_TIMESTAMP => (active.created, now),
            first => (first, header.max_timestamp),
        };
        let age = i128::from(to.0) - i128::from(from.0);
        bytes > u64::from(settings.segment_bytes)
            || age > settings.segment_age.as_millis() as i128
            || header.last_offset().since(active.base) > i32::MAX as u64
    }

    /// Appends one batch, which is stamped, to the last segment.
    pub(super) fn append(&mut self, batch: &CheckedBatch, at: Wall, index_interval_min: u32) {
        self.place(batch.header(), index_interval_min);
        self.producers.apply(batch, at);
    }

    /// The same for a batch of which only the header is at hand; it is no control batch.
    pub(super) fn append_unseen(&mut self, header: &Header, at: Wall, index_interval_min: u32) {
        self.place(header, index_interval_min);
        self.producers.apply_data(header, at);
    }

    fn place(&mut self, header: &Header, index_interval_min: u32) {
        assert!(header.base_offset >= self.end, "batches follow each other: {header:?} at {:?}", self.end);
        let interval = self.spec.settings.index_interval_bytes.max(index_interval_min);
        self.active_mut().append(header, interval.into());
        self.epochs.append(header.leader_epoch, header.base_offset);
        self.end = header.end_offset();
    }

    /// From now on the log goes on in a new segment.
    pub(super) fn roll(&mut self, base: Offset, at: Wall, salt: u64) {
        assert!(base >= self.end && base > self.active().base, "a segment begins behind the one before");
        self.segments.push_back(Segment::newborn(base, at, salt));
    }

    /// Everything at and behind the cut is forgotten. Returns the segments that are gone.
    pub(super) fn cut(&mut self, cut: &Cut, salt: u64) -> Vec<Segment> {
        self.cuts += 1;
        self.end = cut.end;
        self.durable = self.durable.min(cut.end);
        self.epochs.truncate(cut.end);
        if self.producers.reach_behind(cut.end) {
            // What is known of these before the cut was found out before it is made, and is taken in after it.
            let kept = self.producers.iter().filter(|(_, producer)| producer.last_offset < cut.end);
            self.producers = kept.map(|(id, producer)| (id, producer.clone())).collect();
        }
        if self.end <= self.start {
            // Nothing of what is left says that what came before it was true.
            self.producers = Producers::default();
        }
        // The partial last block is another one now: whatever appends next puts it into the journal first.
        self.covered = 0;
        while self.cached.back().is_some_and(|last| last.end > cut.end) {
            self.cached.pop_back();
        }
        let kept = self.segments.partition_point(|segment| segment.base <= cut.segment);
        let gone = self.segments.split_off(kept);
        let last = self.active_mut();
        assert_eq!(last.base, cut.segment, "the segment of the cut is there");
        last.bytes = cut.position;
        last.durable = last.durable.min(cut.position);
        last.max_time = cut.max_time;
        last.max_time_base = cut.max_time_base;
        last.index.cut(cut.position);
        last.index.saved = 0;
        last.salt = salt;
        if cut.position == 0 {
            last.first_time = NO_TIMESTAMP;
        }
        if let Some(writer) = &mut last.writer {
            writer.is_long = true;
            writer.goal = writer.goal.map(|goal| goal.min(cut.position));
            if writer.written > cut.position {
                let is_same_block = block_floor(cut.position) == block_floor(writer.written);
                writer.written = cut.position;
                match &mut writer.head {
                    Some(head) if is_same_block => head.truncate((cut.position - block_floor(cut.position)) as usize),
                    head => *head = (block_floor(cut.position) == cut.position).then(Vec::new),
                }
                writer.is_suspect &= is_same_block && block_floor(cut.position) != cut.position;
            }
        }
        gone.into()
    }

    /// What was found out of producers before a cut, once that is made.
    pub(super) fn adopt(&mut self, found: Producers) {
        if self.end > self.start {
            self.producers.adopt(found);
        }
    }

    /// Everything before `start` is forgotten; a start behind the end begins the log anew there. Returns the segments
    /// that are gone.
    pub(super) fn trim(&mut self, start: Offset, at: Wall, salt: u64) -> Vec<Segment> {
        self.start = self.start.max(start);
        self.epochs.trim(self.start);
        if start > self.end {
            self.end = start;
            self.durable = start;
            // Who numbered batches in between is unknown, and so is anybody's last number, and which epochs wrote them: but a voter judges
            // others by the last one that it knows.
            self.producers = Producers::default();
            if self.id != LogId::METADATA {
                self.epochs = Epochs::default();
            }
            self.cached.clear();
            self.roll(start, at, salt);
        }
        let mut gone = Vec::new();
        while self.segments.len() > 1 && self.segments[1].base <= self.start {
            gone.extend(self.segments.pop_front());
        }
        while self.cached.front().is_some_and(|first| first.segment < self.segments[0].base) {
            self.cached.pop_front();
        }
        gone
    }

    /// Copies the bytes `from .. end` of a segment, none of which may be in the file alone, to `out`. False, and nothing
    /// useful done, if they are not all in memory.
    pub(super) fn copy_cached(&self, segment: Offset, from: u64, end: u64, mut put: impl FnMut(&[u8])) -> bool {
        let before = |cached: &Cached| (cached.segment, cached.position + cached.bytes.len() as u64) <= (segment, from);
        let first = self.cached.partition_point(before);
        let mut at = from;
        for cached in self.cached.range(first..) {
            if at >= end || cached.segment != segment || cached.position > at {
                break;
            }
            let skip = (at - cached.position) as usize;
            let take = (cached.bytes.len() - skip).min((end - at) as usize);
            put(&cached.bytes[skip..skip + take]);
            at += take as u64;
        }
        at >= end
    }

    /// The cached batch at exactly this place.
    pub(super) fn cached_at(&self, segment: Offset, position: u64) -> Option<&Cached> {
        let at = self.cached.binary_search_by_key(&(segment, position), |cached| (cached.segment, cached.position));
        self.cached.get(at.ok()?)
    }

    /// The cached batch that holds this offset, or the last one before it; none if that is not in memory.
    pub(super) fn cached_floor(&self, at: Offset) -> Option<&Cached> {
        let after = self.cached.partition_point(|cached| cached.base <= at);
        after.checked_sub(1).map(|last| &self.cached[last])
    }

    /// Up to this position a segment's batches have to be read from its file; the others are in memory.
    pub(super) fn disk_limit(&self, segment: Offset) -> u64 {
        match self.cached.front() {
            Some(first) if first.segment == segment => first.position,
            Some(first) if first.segment < segment => 0,
            Some(_) | None => self.segment(segment).map_or(0, |segment| segment.bytes),
        }
    }

    /// Makes the last segment ready to be written on. False if its partial last block must be read first.
    pub(super) fn ready(&mut self) -> bool {
        let active = self.active();
        let head = match &active.writer {
            Some(writer) if writer.head.is_some() => return true,
            Some(writer) => self.partial(active.base, writer.written),
            None => self.partial(active.base, active.bytes),
        };
        let Some(head) = head else {
            return false;
        };
        self.give_head(head);
        true
    }

    /// The last segment's partial last block is this.
    pub(super) fn give_head(&mut self, head: Vec<u8>) {
        let active = self.active_mut();
        let written = active.bytes;
        let writer = active.writer.get_or_insert_with(|| Box::new(Writer { written, ..Writer::default() }));
        assert_eq!(head.len() as u64, writer.written - block_floor(writer.written), "a head ends where the file does");
        writer.head = Some(head);
    }

    /// The bytes of a segment from the block border before `end` to `end`, if they are in memory.
    fn partial(&self, segment: Offset, end: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.copy_cached(segment, block_floor(end), end, |part| bytes.extend_from_slice(part)).then_some(bytes)
    }

    /// The bytes of the last segment from the last block border on. The segment is [`Log::ready`].
    pub(super) fn tail(&self) -> Vec<u8> {
        let active = self.active();
        let writer = active.writer.as_ref().expect("a segment that is ready has a writer");
        let from = block_floor(active.bytes);
        let mut tail = Vec::new();
        if writer.written > from {
            tail.extend_from_slice(writer.head.as_ref().expect("a segment that is ready has a head"));
        }
        let is_whole = self.copy_cached(active.base, from.max(writer.written), active.bytes, |part| {
            tail.extend_from_slice(part);
        });
        assert!(is_whole, "what no file holds is in memory");
        tail
    }

    /// Is this the epoch in which such a batch was written? Of what is deleted nobody knows.
    pub(super) fn knows_epoch(&self, header: &Header) -> bool {
        let is_deleted = header.end_offset() <= self.start;
        is_deleted || self.epochs.epoch_at(header.base_offset.max(self.start)) == Some(header.leader_epoch)
    }

    /// The group with the log's last change is flushed.
    pub(super) fn all_durable(&mut self) {
        self.durable = self.end;
        for segment in self.segments.iter_mut().rev() {
            if segment.durable == segment.bytes && segment.bytes > 0 {
                break;
            }
            segment.durable = segment.bytes;
        }
    }

    /// What a node wants to know of it.
    pub(super) fn facts(&self) -> Facts {
        let range = OffsetRange { start: self.start, end: self.end };
        Facts::recovered(range, self.epochs.clone(), self.producers.clone())
    }

    /// A copy that holds what the log holds begins to count, and knows what the log does. Behind the last batch of a log may be offsets
    /// that nobody has, where it was cut.
    pub(super) fn promote(&mut self, over: Vec<CopyId>, stays: Vec<CopyId>, (known, keeps_producers): (&Facts, bool)) {
        assert!(self.start == known.start() && self.end <= known.end(), "a copy counts once it holds everything");
        self.end = known.end();
        self.epochs = known.epochs().clone();
        if !keeps_producers {
            self.producers = known.producers().clone();
        }
        *self.whence_mut() = Whence { is_future: false, leaving: None, over, stays };
    }

    /// Bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Is every batch of the front of the cache, up to this offset, in its file?
    pub(super) fn is_written_to(&self, end: Offset) -> bool {
        let behind = self.cached.partition_point(|cached| cached.base < end);
        self.cached.range(..behind).all(|cached| {
            let is_there = |segment: &Segment| segment.written() >= cached.position + cached.bytes.len() as u64;
            self.segment(cached.segment).is_none_or(is_there)
        })
    }

    /// Up to where a copy certainly holds what the log does: as far as they say that the same epochs wrote it.
    pub(super) fn parting(&self, copy: &Self) -> Offset {
        let (low, high) = (self.start.max(copy.start), self.end.min(copy.end));
        let starts = |epochs: &Epochs| epochs.entries().iter().map(|entry| entry.start).collect::<Vec<_>>();
        let mut borders = [starts(&self.epochs), starts(&copy.epochs), alloc::vec![low]].concat();
        borders.sort_unstable();
        let is_within = |at: &Offset| *at >= low && *at < high;
        let parts = |at: &Offset| self.epochs.epoch_at(*at) != copy.epochs.epoch_at(*at);
        borders.into_iter().filter(is_within).find(parts).unwrap_or(high)
    }

    /// What must hold at any time.
    pub(super) fn check(&self) {
        assert!(self.start <= self.end && self.durable <= self.end, "start, durable and end stand in order: {self:?}");
        assert!(self.active().base <= self.end, "the last segment begins within the log");
        for (one, next) in self.segments.iter().zip(self.segments.iter().skip(1)) {
            assert!(one.base < next.base && one.durable <= one.bytes, "segments stand in order");
        }
        for (one, next) in self.cached.iter().zip(self.cached.iter().skip(1)) {
            assert!(one.end <= next.base, "the cache has no overlap");
            let end = one.position + one.bytes.len() as u64;
            let follows = if one.segment == next.segment { end == next.position } else { next.position == 0 };
            assert!(follows, "the cache has no gap");
        }
        if let Some(last) = self.cached.back() {
            let end = last.position + last.bytes.len() as u64;
            let is_end = last.segment == self.active().base && end == self.active().bytes;
            assert!(is_end || self.active().bytes == 0, "the cache ends where the log does");
        }
    }
}
