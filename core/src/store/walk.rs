//! Walking a log batch by batch, through segments and cache, until a goal is reached. One walk answers fetches, look-ups
//! by time and the question where a truncation cuts. It takes whole batches only, goes on exactly where the last one
//! ended, over the border of segments too, and stops for good at the first batch that is not wanted.

use super::entry::Cut;
use super::index::Place;
use super::log::Log;
use super::lookback::Lookback;
use super::ops::Key;
use crate::boundary::DiskFault;
use crate::log::{Producer, Producers};
use crate::plant::{Bug, planted};
use crate::record::{CheckedBatch, Functions, HEADER_BYTES, Header, NO_TIMESTAMP, Records, check_stored};
use crate::types::{Offset, ProducerId, Wall};
use alloc::vec::Vec;
use bytes::Bytes;

/// What a walk looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goal {
    /// Batches from the one that holds `from`, none from `end` on, at most so many bytes; with `is_first_whole` the first
    /// one goes in any case.
    Records { from: Offset, end: Offset, bytes_max: u32, is_first_whole: bool },
    /// The first batch before `end` that is as late as `target`.
    Time { target: Wall, end: Offset },
    /// The first of the latest batches before `end`.
    Latest { end: Offset },
    /// The batch that holds this offset.
    Batch { at: Offset },
    /// Where the log is to be cut.
    Cut { end: Offset },
    /// What the batches of a stretch say of some numbering producers; a longer one is looked at if it does not say enough.
    Producers(Lookback),
    /// Plain bytes of a segment: its partial last block.
    Block { segment: Offset, from: u64, len: usize },
}

/// What a walk ends with.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Records(Records),
    Batch(Option<CheckedBatch>),
    Cut(Cut),
    Producers(Producers),
    Block(Bytes),
    Fault(DiskFault),
}

/// What a walk does next.
pub(super) enum Step {
    Done(Answer),
    /// These bytes of a segment are wanted, at least so many of them.
    Chunk {
        key: Key,
        at: u64,
        len: usize,
        need: usize,
    },
    /// The segment's index is wanted.
    Index(Key),
    /// The log is not what it should be.
    Rot,
}

/// A walk under way.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) log: u32,
    goal: Goal,
    place: Option<Standing>,
    window: Option<Window>,
    taken: Vec<Bytes>,
    taken_bytes: usize,
    /// The latest batch so far, for [`Goal::Latest`].
    latest: (Wall, Offset),
    /// Who is looked for with [`Goal::Producers`], and what was found.
    sought: (Vec<ProducerId>, Wall, Producers),
    cuts: u64,
    read_bytes_max: usize,
    /// So many bytes were asked for, of this segment.
    asked: (Offset, usize),
    /// What was read ahead for it could not be read: it reads by itself, and sees what is wrong.
    is_alone: bool,
}

/// Where a walk stands.
#[derive(Clone, Copy, Debug)]
struct Standing {
    segment: Offset,
    /// What comes next begins here, and what came before in this segment.
    next: Place,
    /// That is the word of an index, and not looked at yet.
    is_hearsay: bool,
    /// What `next` says of timestamps is right.
    knows_times: bool,
}

/// Bytes of a segment.
#[derive(Debug)]
struct Window {
    segment: Offset,
    position: u64,
    bytes: Bytes,
    /// What is taken of it but not yet handed over.
    run: Option<(usize, usize)>,
}

impl Walk {
    pub(super) fn new(log: u32, goal: Goal, read_bytes_max: usize) -> Self {
        Self {
            log,
            goal,
            place: None,
            window: None,
            taken: Vec::new(),
            taken_bytes: 0,
            latest: (NO_TIMESTAMP, Offset::NONE),
            sought: (Vec::new(), Wall(0), Producers::default()),
            cuts: 0,
            read_bytes_max,
            asked: (Offset::NONE, 0),
            is_alone: false,
        }
    }

    /// These producers are looked for, who count as heard of now.
    pub(super) fn seeking(mut self, sought: Vec<ProducerId>, now: Wall) -> Self {
        self.sought = (sought, now, Producers::default());
        self
    }

    /// Bytes that were asked for are here. False if they are fewer: the file is not as long as it was.
    pub(super) fn give(&mut self, position: u64, bytes: Bytes) -> bool {
        self.hand_over();
        let (segment, len) = self.asked;
        let is_whole = bytes.len() == len;
        self.window = Some(Window { segment, position, bytes, run: None });
        is_whole
    }

    /// Bytes that are wanted were at hand, and others around them.
    pub(super) fn give_ahead(&mut self, segment: Offset, position: u64, bytes: Bytes) {
        self.hand_over();
        self.window = Some(Window { segment, position, bytes, run: None });
    }

    /// Nothing is read ahead for this walk from now on.
    pub(super) fn go_alone(&mut self) {
        self.is_alone = true;
    }

    /// So many bytes this walk takes from here on if nothing ends it; none if it does not read one batch after the other,
    /// or goes alone.
    pub(super) fn wanted_bytes(&self) -> Option<usize> {
        match self.goal {
            _ if self.is_alone => None,
            Goal::Records { bytes_max, .. } => Some((bytes_max as usize).saturating_sub(self.taken_bytes)),
            Goal::Time { .. }
            | Goal::Latest { .. }
            | Goal::Batch { .. }
            | Goal::Cut { .. }
            | Goal::Producers(_)
            | Goal::Block { .. } => None,
        }
    }

    /// Where it stands: in which segment, and at which byte of it.
    pub(super) fn place(&self) -> Option<(Offset, u64)> {
        self.place.map(|place| (place.segment, place.next.position))
    }

    /// So many bytes were asked for.
    pub(super) fn asked_len(&self) -> usize {
        self.asked.1
    }

    /// Does the log still hold what was asked for?
    pub(super) fn is_still_there(&self, log: &Log) -> bool {
        let is_block_there = match self.goal {
            Goal::Block { segment, .. } => log.segment(segment).is_some(),
            Goal::Records { .. }
            | Goal::Time { .. }
            | Goal::Latest { .. }
            | Goal::Batch { .. }
            | Goal::Cut { .. }
            | Goal::Producers(_) => self.place.is_some_and(|place| log.segment(place.segment).is_some()),
        };
        is_block_there && (self.cuts == log.cuts || matches!(self.goal, Goal::Block { .. }))
    }

    /// Goes on as far as nothing has to be read.
    pub(super) fn step(&mut self, log: &mut Log, index_interval_min: u32, f: &Functions) -> Step {
        if !log.is_sound() {
            return Step::Done(Answer::Fault(DiskFault::Rot));
        }
        if let Goal::Block { segment, from, len } = self.goal {
            return self.step_block((self.log, segment), from, len);
        }
        if self.cuts != log.cuts || self.place.is_some_and(|place| log.segment(place.segment).is_none()) {
            self.restart();
        }
        self.cuts = log.cuts;
        let interval = u64::from(log.spec.settings.index_interval_bytes.max(index_interval_min));
        loop {
            let Some(place) = self.place else {
                match self.find_start(log) {
                    Ok(place) => self.place = Some(place),
                    Err(step) => return step,
                }
                continue;
            };
            let segment = log.segment(place.segment).expect("looked at above, and nothing changes a log meanwhile");
            if place.is_hearsay && place.next.position >= segment.bytes {
                // The index knows of batches that a loss of power took.
                match self.doubt(log, place) {
                    Some(step) => return step,
                    None => continue,
                }
            }
            if self.skips_whole(log, place) || place.next.position >= segment.bytes {
                match self.next_segment(log, place) {
                    Some(next) => self.place = Some(next),
                    None => match self.end(place) {
                        Some(answer) => return Step::Done(answer),
                        None => self.go_further(log),
                    },
                }
                continue;
            }
            let (header, bytes, place) = match self.batch_at(log, place, f) {
                Ok(found) => found,
                Err(Some(step)) => return step,
                // An index lied.
                Err(None) => continue,
            };
            match self.visit(log, &place, &header, &bytes, f) {
                Visit::On => {}
                Visit::Found(answer) => return Step::Done(answer),
                Visit::End => match self.end(place) {
                    Some(answer) => return Step::Done(answer),
                    None => {
                        self.go_further(log);
                        continue;
                    }
                },
            }
            let segment = log.segment_mut(place.segment).expect("looked at above");
            if segment.index.is_loaded && place.knows_times {
                segment.index.note(place.next, interval);
            }
            self.place = Some(place.behind(&header));
        }
    }

    fn step_block(&mut self, key: Key, from: u64, len: usize) -> Step {
        match self.window.take() {
            Some(window) if window.bytes.len() == len => Step::Done(Answer::Block(window.bytes)),
            Some(_) => Step::Rot,
            None => {
                self.asked = (key.1, len);
                Step::Chunk { key, at: from, len, need: len }
            }
        }
    }

    /// The log was cut, or lost a segment at hand: all is done again.
    fn restart(&mut self) {
        self.place = None;
        self.window = None;
        self.taken.clear();
        self.taken_bytes = 0;
        self.latest = (NO_TIMESTAMP, Offset::NONE);
        self.sought.2 = Producers::default();
    }

    /// Where to begin, or why not.
    fn find_start(&self, log: &Log) -> Result<Standing, Step> {
        let from = match self.goal {
            Goal::Records { from, .. } | Goal::Batch { at: from } => {
                if from < log.start || from > log.end {
                    return Err(Step::Done(Answer::Fault(DiskFault::OutOfRange)));
                }
                from
            }
            Goal::Cut { end } => end,
            Goal::Producers(back) => return self.find_back(log, back),
            Goal::Time { .. } | Goal::Latest { .. } => log.start,
            Goal::Block { .. } => unreachable!("no walk"),
        };
        let is_by_offset = matches!(self.goal, Goal::Records { .. } | Goal::Batch { .. });
        if let Some(cached) = log.cached_floor(from).filter(|_| is_by_offset) {
            let next = Place { position: cached.position, ..Place::front(cached.base) };
            return Ok(Standing { segment: cached.segment, next, is_hearsay: false, knows_times: false });
        }
        let mut at = log.segment_at(from);
        if let Goal::Time { target, .. } = self.goal {
            match log.segments.iter().skip(at).position(|segment| segment.max_time >= target) {
                Some(late) => at += late,
                None => return Err(Step::Done(Answer::Batch(None))),
            }
        }
        let segment = &log.segments[at];
        if !segment.index.is_loaded && log.disk_limit(segment.base) > 0 {
            return Err(Step::Index((self.log, segment.base)));
        }
        let mut place = segment.index.floor(from);
        if let Goal::Time { target, .. } = self.goal {
            let before = segment.index.before(target);
            place = [place, before].into_iter().flatten().max_by_key(|place| place.position);
        }
        Ok(match place {
            Some(next) => {
                Standing { segment: segment.base, next, is_hearsay: !planted(Bug::TrustIndex), knows_times: true }
            }
            None => Standing::front(segment.base),
        })
    }

    /// The same, where a stretch begins.
    fn find_back(&self, log: &Log, back: Lookback) -> Result<Standing, Step> {
        let beginning = back.beginning(log);
        let segment = &log.segments[beginning.segment];
        if beginning.position == 0 {
            return Ok(Standing::front(segment.base));
        }
        if !segment.index.is_loaded && log.disk_limit(segment.base) > 0 {
            return Err(Step::Index((self.log, segment.base)));
        }
        Ok(match Lookback::place(log, &beginning) {
            Some(next) => Standing { segment: segment.base, next, is_hearsay: true, knows_times: true },
            None => Standing::front(segment.base),
        })
    }

    /// A walk for the latest batch takes the word of segments that it wants as a whole.
    fn skips_whole(&mut self, log: &Log, place: Standing) -> bool {
        let Goal::Latest { end } = self.goal else {
            return false;
        };
        let at = log.segment_at(place.segment);
        let segment = &log.segments[at];
        let is_whole = place.next.position == 0 && segment.base >= log.start && log.segment_end(at) <= end;
        if is_whole && segment.max_time > self.latest.0 {
            self.latest = (segment.max_time, segment.max_time_base);
        }
        is_whole
    }

    /// The segment behind the one that is walked through, if the goal lies there.
    fn next_segment(&self, log: &Log, place: Standing) -> Option<Standing> {
        let mut at = log.segment_at(place.segment) + 1;
        if let Goal::Time { target, .. } = self.goal {
            at += log.segments.iter().skip(at).take_while(|segment| segment.max_time < target).count();
        }
        let next = log.segments.get(at)?;
        let is_wanted = match self.goal {
            Goal::Records { end, .. } | Goal::Time { end, .. } | Goal::Latest { end } => next.base < end,
            Goal::Producers(back) => next.base < back.end,
            Goal::Batch { .. } => true,
            Goal::Cut { .. } | Goal::Block { .. } => false,
        };
        is_wanted.then(|| Standing::front(next.base))
    }

    /// The batch that comes next: its header, its bytes, and where it is for certain. `Err(None)`: begin anew.
    fn batch_at(
        &mut self,
        log: &mut Log,
        place: Standing,
        f: &Functions,
    ) -> Result<(Header, Bytes, Standing), Option<Step>> {
        if let Some(cached) = log.cached_at(place.segment, place.next.position) {
            let header = Header::read(&cached.bytes).expect("only batches are cached");
            let place = Standing { next: Place { base: cached.base, ..place.next }, is_hearsay: false, ..place };
            return Ok((header, cached.bytes.clone(), place));
        }
        let limit = log.disk_limit(place.segment);
        if place.next.position >= limit {
            return Err(self.doubt(log, place));
        }
        match self.parse(place, limit, f) {
            Parsed::Batch(header, bytes) => {
                let is_expected = if place.is_hearsay {
                    header.base_offset == place.next.base
                } else {
                    header.base_offset >= place.next.base
                };
                // Offset and epoch lie outside of the batch's CRC: that they rotted shows here alone.
                let is_within = header.end_offset() <= log.segment_end(log.segment_at(place.segment));
                if !is_expected || !is_within || !log.knows_epoch(&header) {
                    return Err(self.doubt(log, place));
                }
                if header.base_offset > place.next.base {
                    // Offsets were left out, or this one rotted: then it reaches into the next batch.
                    match self.base_at(log, place.next.position + bytes.len() as u64, (place.segment, limit)) {
                        Base::Known(next) if next < header.end_offset() => return Err(self.doubt(log, place)),
                        Base::Unread => return Err(Some(self.chunk(place, limit, bytes.len() + HEADER_BYTES))),
                        Base::Known(_) | Base::Elsewhere => {}
                    }
                }
                let next = Place { base: header.base_offset, ..place.next };
                Ok((header, bytes, Standing { next, is_hearsay: false, ..place }))
            }
            Parsed::Nonsense => Err(self.doubt(log, place)),
            Parsed::Short(need) => {
                if let Goal::Records { bytes_max, .. } = self.goal
                    && self.taken_bytes > 0
                    && self.taken_bytes + need > bytes_max as usize
                {
                    return Err(self.end(place).map(Step::Done));
                }
                Err(Some(self.chunk(place, limit, need)))
            }
        }
    }

    /// Asks for what comes next, at least so much.
    fn chunk(&mut self, place: Standing, limit: u64, need: usize) -> Step {
        let want = self.want().max(need);
        let len = (limit - place.next.position).min(want as u64) as usize;
        self.asked = (place.segment, len);
        let key = (self.log, place.segment);
        Step::Chunk { key, at: place.next.position, len, need: need.min(len) }
    }

    /// Where the batch at this position of a segment says that it begins.
    fn base_at(&self, log: &Log, position: u64, (segment, limit): (Offset, u64)) -> Base {
        if let Some(cached) = log.cached_at(segment, position) {
            return Base::Known(cached.base);
        }
        if position >= limit {
            return Base::Elsewhere;
        }
        let window = self.window.as_ref().filter(|window| window.segment == segment && window.position <= position);
        let bytes = window.and_then(|window| window.bytes.get((position - window.position) as usize..));
        match bytes.and_then(|bytes| bytes.first_chunk::<8>()) {
            Some(base) => Base::Known(Offset(i64::from_be_bytes(*base))),
            None => Base::Unread,
        }
    }

    /// What is at hand is no batch, or the wrong one: either an index lied or the segment is rotten.
    fn doubt(&mut self, log: &mut Log, place: Standing) -> Option<Step> {
        if !place.is_hearsay {
            return Some(Step::Rot);
        }
        log.segment_mut(place.segment).expect("at hand").index.distrust(place.next);
        self.place = None;
        None
    }

    /// Reads the batch at this position out of the window.
    fn parse(&self, place: Standing, limit: u64, f: &Functions) -> Parsed {
        let position = place.next.position;
        let window = self.window.as_ref().filter(|window| {
            window.segment == place.segment
                && window.position <= position
                && position < window.position + window.bytes.len() as u64
        });
        let Some(window) = window else {
            return Parsed::Short(HEADER_BYTES);
        };
        let bytes = window.bytes.slice((position - window.position) as usize..);
        let is_all = position + bytes.len() as u64 >= limit;
        let length = match Header::read(&bytes) {
            Ok(header) => header.batch_bytes(),
            Err(_) if bytes.len() < HEADER_BYTES && !is_all => return Parsed::Short(HEADER_BYTES),
            Err(_) => return Parsed::Nonsense,
        };
        if position + length as u64 > limit {
            return Parsed::Nonsense;
        }
        if length > bytes.len() {
            return Parsed::Short(length);
        }
        let bytes = bytes.slice(..length);
        if planted(Bug::CrcUnchecked)
            && let Ok(header) = Header::read(&bytes)
        {
            return Parsed::Batch(header, bytes);
        }
        match check_stored(bytes.clone(), f).next() {
            Some(Ok(batch)) => Parsed::Batch(*batch.header(), bytes),
            Some(Err(_)) | None => Parsed::Nonsense,
        }
    }

    /// How many bytes are worth reading at once.
    fn want(&self) -> usize {
        match self.goal {
            Goal::Records { bytes_max, .. } => {
                let left = (bytes_max as usize).saturating_sub(self.taken_bytes);
                left.clamp(LOOK_BYTES, self.read_bytes_max.max(LOOK_BYTES))
            }
            Goal::Producers(_) => self.read_bytes_max.max(LOOK_BYTES),
            Goal::Time { .. } | Goal::Latest { .. } | Goal::Batch { .. } | Goal::Cut { .. } | Goal::Block { .. } => {
                (LOOK_BYTES * 4).min(self.read_bytes_max)
            }
        }
    }

    /// Looks at one batch.
    fn visit(&mut self, log: &Log, place: &Standing, header: &Header, bytes: &Bytes, f: &Functions) -> Visit {
        let batch = || Answer::Batch(check_stored(bytes.clone(), f).next().and_then(Result::ok));
        let is_behind = |end: Offset| header.base_offset >= end.min(log.durable);
        match self.goal {
            Goal::Records { from, end, bytes_max, is_first_whole } => {
                if header.end_offset() <= from {
                    return Visit::On;
                }
                let is_first = self.taken_bytes == 0 && is_first_whole;
                let fits = self.taken_bytes + bytes.len() <= bytes_max as usize;
                if is_behind(end) || !(fits || is_first) {
                    let skips = planted(Bug::LeftoverSkips) && !is_behind(end);
                    return if skips { Visit::On } else { Visit::End };
                }
                self.take(place, bytes);
                Visit::On
            }
            Goal::Time { end, .. } | Goal::Latest { end } if is_behind(end) => Visit::End,
            Goal::Time { target, .. } => {
                let is_found = header.max_timestamp >= target && header.end_offset() > log.start;
                if is_found { Visit::Found(batch()) } else { Visit::On }
            }
            Goal::Latest { .. } => {
                if header.end_offset() > log.start && header.max_timestamp > self.latest.0 {
                    self.latest = (header.max_timestamp, header.base_offset);
                }
                Visit::On
            }
            Goal::Batch { at } if header.end_offset() > at => Visit::Found(batch()),
            Goal::Producers(back) if header.base_offset >= back.end => Visit::End,
            Goal::Producers(_) => {
                let (sought, now, found) = &mut self.sought;
                if header.has_producer()
                    && sought.contains(&header.producer_id)
                    && let Some(Ok(batch)) = check_stored(bytes.clone(), f).next()
                {
                    found.apply(&batch, *now);
                }
                Visit::On
            }
            Goal::Cut { end } if header.end_offset() > end => {
                // A batch goes whole, and then nobody is to think that its beginning is there.
                let end = end.min(header.base_offset).max(log.start);
                Visit::Found(Answer::Cut(place.cut(end)))
            }
            Goal::Batch { .. } | Goal::Cut { .. } => Visit::On,
            Goal::Block { .. } => unreachable!("no walk"),
        }
    }

    /// The latest batch is known: the walk goes on to that one. Or a longer stretch is looked at.
    fn go_further(&mut self, log: &Log) {
        self.goal = match self.goal {
            Goal::Producers(back) => Goal::Producers(back.wider(log)),
            Goal::Records { .. }
            | Goal::Time { .. }
            | Goal::Latest { .. }
            | Goal::Batch { .. }
            | Goal::Cut { .. }
            | Goal::Block { .. } => Goal::Batch { at: self.latest.1.max(log.start) },
        };
        self.sought.2 = Producers::default();
        self.place = None;
    }

    /// Is everything known of those that are looked for?
    fn knows_all(&self) -> bool {
        let (sought, _, found) = &self.sought;
        sought.iter().all(|id| found.get(*id).is_some_and(Producer::rests_on_itself))
    }

    /// The walk is over, here; none if it has to go on to the batch that it found to be the latest, or has to look further back.
    fn end(&mut self, place: Standing) -> Option<Answer> {
        match self.goal {
            Goal::Records { .. } => {
                self.hand_over();
                Some(Answer::Records(Records::from(core::mem::take(&mut self.taken))))
            }
            Goal::Latest { .. } if self.latest.1 != Offset::NONE => None,
            Goal::Time { .. } | Goal::Batch { .. } | Goal::Latest { .. } => Some(Answer::Batch(None)),
            Goal::Cut { end } => Some(Answer::Cut(place.cut(end))),
            Goal::Producers(back) if !back.is_all() && !self.knows_all() => None,
            Goal::Producers(_) => Some(Answer::Producers(core::mem::take(&mut self.sought.2))),
            Goal::Block { .. } => unreachable!("no walk"),
        }
    }

    fn take(&mut self, place: &Standing, bytes: &Bytes) {
        self.taken_bytes += bytes.len();
        let position = place.next.position;
        let window = self.window.as_mut().filter(|window| {
            window.segment == place.segment
                && window.position <= position
                && position + bytes.len() as u64 <= window.position + window.bytes.len() as u64
                && window.bytes[(position - window.position) as usize..].as_ptr() == bytes.as_ptr()
        });
        let Some(window) = window else {
            self.hand_over();
            self.taken.push(bytes.clone());
            return;
        };
        let at = (position - window.position) as usize;
        match &mut window.run {
            Some((_, end)) if *end == at => *end = at + bytes.len(),
            Some((from, end)) => {
                self.taken.push(window.bytes.slice(*from..*end));
                window.run = Some((at, at + bytes.len()));
            }
            None => window.run = Some((at, at + bytes.len())),
        }
    }

    fn hand_over(&mut self) {
        if let Some(window) = &mut self.window
            && let Some((from, end)) = window.run.take()
        {
            self.taken.push(window.bytes.slice(from..end));
        }
    }
}

enum Parsed {
    Batch(Header, Bytes),
    Nonsense,
    /// It takes at least so many bytes.
    Short(usize),
}

/// The base offset of the next batch.
enum Base {
    Known(Offset),
    /// There is none in this segment.
    Elsewhere,
    Unread,
}

enum Visit {
    On,
    /// This is what was looked for.
    Found(Answer),
    /// Nothing from here on is wanted.
    End,
}

impl Standing {
    fn front(segment: Offset) -> Self {
        Self { segment, next: Place::front(segment), is_hearsay: false, knows_times: true }
    }

    /// Behind this batch.
    fn behind(self, header: &Header) -> Self {
        let is_later = header.max_timestamp > self.next.max_time;
        let next = Place {
            base: header.end_offset(),
            position: self.next.position + header.batch_bytes() as u64,
            max_time: if is_later { header.max_timestamp } else { self.next.max_time },
            max_time_base: if is_later { header.base_offset } else { self.next.max_time_base },
        };
        Self { next, ..self }
    }

    /// Cuts here.
    fn cut(self, end: Offset) -> Cut {
        let Place { position, max_time, max_time_base, .. } = self.next;
        Cut { end, segment: self.segment, position, max_time, max_time_base }
    }
}

/// The least that is read at once.
const LOOK_BYTES: usize = 16 << 10;
