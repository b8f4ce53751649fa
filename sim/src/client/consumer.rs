//! A consumer that follows partitions from some offset on, with any limits, with and without fetch sessions (KIP-227), and
//! complains of everything a real one would stumble over: gaps, repetitions, bytes beyond its limits, watermarks that fall.

use super::batch::{Found, decode};
use super::directory::{self, DIRECTORY, Directory};
use super::{Actor, Address, Cx, Happened};
use crate::clock::At;
use crate::model::LogName;
use ottla_core::msg::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};
use ottla_core::msg::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic};
use ottla_core::msg::{ApiKey, Response};
use ottla_core::record::Functions;
use ottla_core::types::{ErrorCode, Str, Uuid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a consumer is like.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Habits {
    /// The topics it reads.
    pub topics: Vec<usize>,
    /// `fetch.max.bytes`.
    pub bytes_max: i32,
    /// `max.partition.fetch.bytes`.
    pub partition_bytes_max: i32,
    /// `fetch.min.bytes`.
    pub bytes_min: i32,
    /// `fetch.max.wait.ms`.
    pub wait_max_ms: i32,
    /// Uses incremental sessions where the version has them.
    pub sessions: bool,
    /// Reads only what is committed, as far as transactions go.
    pub read_committed: bool,
    /// A usual wait between two fetches.
    pub pace: Duration,
    /// In one of so many fetches it seeks somewhere else; 0 for never.
    pub seeks: u64,
    /// Reads everything there is once, and is done.
    pub once: bool,
    /// `client.rack`; empty if it has none.
    pub rack: String,
}

/// What the model knew when a question was asked: no answer may show less.
#[derive(Clone, Copy, Debug)]
struct Floor {
    start: i64,
    watermark: i64,
    acked_end: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Nothing,
    Fetch,
    Start,
    End,
}

/// The consumer.
pub struct Consumer {
    habits: Habits,
    functions: Functions,
    directory: Directory,
    /// A broker no longer leads what it was taken to lead.
    stale: bool,
    /// Not before then it asks again who leads.
    refresh_at: At,
    positions: BTreeMap<LogName, i64>,
    starts: BTreeMap<LogName, i64>,
    ends: BTreeMap<LogName, i64>,
    floors: BTreeMap<LogName, Floor>,
    /// What this fetch asked for, in the order of service.
    wanted: Vec<LogName>,
    session: (i32, i32),
    in_session: BTreeMap<LogName, i64>,
    asked: Asked,
    tag: u64,
    /// How many partitions there are.
    total: usize,
    finishing: bool,
    learnt: bool,
    /// How often a partition could not be read since its disk had failed.
    refusals: BTreeMap<LogName, u32>,
}

impl Consumer {
    /// A consumer that has read nothing.
    pub fn new(habits: Habits, functions: Functions) -> Self {
        Self {
            habits,
            functions,
            directory: Directory::default(),
            stale: false,
            refresh_at: At::START,
            positions: BTreeMap::new(),
            starts: BTreeMap::new(),
            ends: BTreeMap::new(),
            floors: BTreeMap::new(),
            wanted: Vec::new(),
            session: (0, 0),
            in_session: BTreeMap::new(),
            asked: Asked::Nothing,
            tag: 0,
            total: 0,
            finishing: false,
            learnt: false,
            refusals: BTreeMap::new(),
        }
    }

    fn logs(&self, cx: &Cx) -> Vec<LogName> {
        let mut logs = Vec::new();
        for topic in &self.habits.topics {
            let partitions = 0..cx.model.topics[*topic].partitions;
            logs.extend(partitions.map(|partition| LogName { topic: *topic, partition }));
        }
        logs
    }

    /// The next question: where partitions begin, where they end, or what is in them.
    fn ask(&mut self, cx: &mut Cx) {
        if !cx.up || !self.learnt || self.asked != Asked::Nothing || self.is_done() {
            return;
        }
        self.tag += 1;
        let mut logs = self.logs(cx);
        if self.habits.once {
            for log in cx.model.excused.clone() {
                self.let_go(log);
            }
            logs.retain(|log| !cx.model.excused.contains(log));
            if logs.is_empty() {
                return;
            }
        }
        if cx.model.cluster {
            logs = self.logs_here(cx, &logs);
            if logs.is_empty() {
                return;
            }
        }
        let homeless: Vec<LogName> = logs.iter().filter(|log| !self.positions.contains_key(log)).copied().collect();
        let endless: Vec<LogName> = logs.iter().filter(|log| !self.ends.contains_key(log)).copied().collect();
        if !homeless.is_empty() {
            self.asked = Asked::Start;
            self.look_up(cx, &homeless, -2);
        } else if self.habits.once && !endless.is_empty() {
            self.asked = Asked::End;
            self.look_up(cx, &endless, -1);
        } else {
            self.asked = Asked::Fetch;
            self.fetch(cx, &logs);
        }
    }

    /// A consumer speaks to one broker at a time: those of the partitions that are led where it is. None if there is
    /// nothing to do here; it is then on its way to where there is, or asks who leads.
    fn logs_here(&mut self, cx: &mut Cx, logs: &[LogName]) -> Vec<LogName> {
        let is_read = |log: &&LogName| {
            self.habits.once
                && self.ends.get(log).is_some_and(|end| self.positions.get(log).is_some_and(|position| position >= end))
        };
        let left: Vec<LogName> = logs.iter().filter(|log| !is_read(log)).copied().collect();
        let homes: Vec<Address> = left.iter().filter_map(|log| self.directory.elsewhere(cx, *log)).collect();
        let is_busy = left.iter().any(|log| self.directory.is_here(cx, *log));
        if self.stale || !is_busy && homes.is_empty() {
            // The answer makes it go on; before that it waits a little, since whoever is asked may not know either.
            if cx.now < self.refresh_at {
                cx.wake_at(self.refresh_at);
            } else {
                self.refresh_at = cx.now + Duration::from_millis(100);
                self.stale = false;
                self.learnt = false;
                directory::ask(cx, &self.habits.topics);
            }
            return Vec::new();
        }
        if !homes.is_empty() && (!is_busy || cx.rng.chance(1, 4)) {
            let home = homes[cx.rng.below(homes.len() as u64) as usize].clone();
            cx.move_to(home);
            return Vec::new();
        }
        logs.iter().filter(|log| self.directory.is_here(cx, **log)).copied().collect()
    }

    fn look_up(&mut self, cx: &mut Cx, logs: &[LogName], timestamp: i64) {
        self.note_floors(cx, logs);
        let mut topics: BTreeMap<usize, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for log in logs {
            let partition = ListOffsetsPartition { partition_index: log.partition, timestamp, ..Default::default() };
            topics.entry(log.topic).or_default().push(partition);
        }
        let named = |(topic, partitions): (usize, Vec<_>)| ListOffsetsTopic {
            name: Str::from(cx.model.topics[topic].name.as_str()),
            partitions,
        };
        let topics = topics.into_iter().map(named).collect();
        let isolation_level = self.isolation(cx, ApiKey::ListOffsets, 2);
        let body = ListOffsetsRequest { replica_id: -1, isolation_level, topics, timeout_ms: 1000 };
        cx.ask(self.tag, body);
    }

    fn isolation(&self, cx: &Cx, api: ApiKey, first: i16) -> i8 {
        i8::from(self.habits.read_committed && cx.versions.of(api) >= first)
    }

    fn note_floors(&mut self, cx: &mut Cx, logs: &[LogName]) {
        self.floors.clear();
        let replicated = cx.model.replicated;
        for log in logs {
            let facts = cx.model.log(*log);
            // A leader that is new may have yet to forget what nobody was promised to be forgotten.
            let start = if replicated { facts.delete_done } else { facts.start };
            let floor = Floor { start, watermark: facts.watermark, acked_end: facts.acked_end };
            self.floors.insert(*log, floor);
        }
    }

    fn fetch(&mut self, cx: &mut Cx, logs: &[LogName]) {
        self.note_floors(cx, logs);
        let version = cx.versions.of(ApiKey::Fetch);
        let sessions = self.habits.sessions && version >= 7;
        let open = sessions && self.session.1 > 0;
        let mut wanted: Vec<LogName> = logs.to_vec();
        let turn = cx.rng.below(wanted.len() as u64) as usize;
        wanted.rotate_left(turn);
        let mut topics: Vec<FetchTopic> = Vec::new();
        for log in &wanted {
            let position = self.positions[log];
            if open && self.in_session.get(log) == Some(&position) {
                continue;
            }
            self.in_session.insert(*log, position);
            let topic = &cx.model.topics[log.topic];
            let partition = FetchPartition {
                partition: log.partition,
                fetch_offset: position,
                partition_max_bytes: self.habits.partition_bytes_max,
                ..Default::default()
            };
            let topic_id = topic.id.unwrap_or(Uuid::ZERO);
            match topics.last_mut().filter(|last| *last.topic == *topic.name) {
                Some(last) => last.partitions.push(partition),
                None => {
                    let topic = Str::from(topic.name.as_str());
                    topics.push(FetchTopic { topic, topic_id, partitions: vec![partition] });
                }
            }
        }
        self.wanted = wanted;
        let (session_id, session_epoch) = if sessions { self.session } else { (0, -1) };
        let body = FetchRequest {
            max_wait_ms: self.habits.wait_max_ms,
            min_bytes: self.habits.bytes_min,
            max_bytes: self.habits.bytes_max,
            isolation_level: self.isolation(cx, ApiKey::Fetch, 4),
            session_id,
            session_epoch,
            topics,
            rack_id: Str::from(self.habits.rack.as_str()),
            ..Default::default()
        };
        cx.ask(self.tag, body);
    }

    fn listed(&mut self, cx: &mut Cx, asked: Asked, body: &ListOffsetsResponse) {
        for topic in &body.topics {
            let Some(index) = cx.model.topic_named(&topic.name) else { continue };
            for answer in &topic.partitions {
                let log = LogName { topic: index, partition: answer.partition_index };
                let Some(floor) = self.floors.get(&log).copied() else { continue };
                if answer.error_code != ErrorCode::None.code() {
                    cx.model.mark("list offsets refused");
                    self.stumbled(cx, log, answer.error_code);
                    continue;
                }
                let (what, lowest) = match asked {
                    Asked::End => ("end", floor.watermark.max(floor.acked_end)),
                    Asked::Start | Asked::Fetch | Asked::Nothing => ("start", floor.start),
                };
                if answer.offset < lowest && cx.model.may_lack(log, &cx.at.0) {
                    // One that was a leader and has not heard of its end: whoever is asked next may know more.
                    cx.model.mark("leaders of the past heard");
                    self.stumbled(cx, log, ErrorCode::NotLeaderOrFollower.code());
                    continue;
                }
                if answer.offset < lowest {
                    let text = format!("{}: the {what} is {}, but was {lowest}", cx.model.name(log), answer.offset);
                    cx.model.find("watermark", text);
                }
                if asked == Asked::End {
                    self.ends.insert(log, answer.offset);
                    cx.model.log(log).watermark = cx.model.log(log).watermark.max(answer.offset);
                } else {
                    self.positions.insert(log, answer.offset);
                    self.starts.insert(log, answer.offset);
                    cx.model.log(log).start = cx.model.log(log).start.max(answer.offset);
                }
            }
        }
    }

    fn fetched(&mut self, cx: &mut Cx, body: FetchResponse) {
        let error = ErrorCode::from_code(body.error_code).unwrap_or(ErrorCode::UnknownServerError);
        if error != ErrorCode::None {
            cx.model.mark("fetch sessions lost");
            self.session = (0, 0);
            self.in_session.clear();
            return;
        }
        if body.session_id != 0 {
            cx.model.mark("incremental fetches");
            self.session = (body.session_id, self.session.1.wrapping_add(1).max(1));
        } else {
            self.session = (0, 0);
            self.in_session.clear();
        }
        let mut sizes = Vec::new();
        let mut behind = Vec::new();
        let mut any_error = false;
        for topic in body.responses {
            let known = match topic.topic_id.is_zero() {
                true => cx.model.topic_named(&topic.topic),
                false => cx.model.topic_with_id(topic.topic_id),
            };
            let Some(index) = known else { continue };
            for answer in topic.partitions {
                let log = LogName { topic: index, partition: answer.partition_index };
                let Some(floor) = self.floors.get(&log).copied() else {
                    // The session still has what is read elsewhere by now: it may have taken the room of others.
                    any_error |= !answer.records.is_empty();
                    continue;
                };
                if answer.error_code == ErrorCode::None.code() && answer.preferred_read_replica >= 0 {
                    any_error = true;
                    self.sent_away(cx, log, &answer);
                } else if answer.error_code == ErrorCode::None.code() {
                    let from = self.positions[&log];
                    sizes.push((log, self.took(cx, log, floor, &answer)));
                    if from < answer.high_watermark && answer.records.is_empty() {
                        behind.push(log);
                    }
                } else {
                    any_error = true;
                    self.stumbled(cx, log, answer.error_code);
                }
            }
        }
        self.judge_sizes(cx, &sizes, &behind, any_error);
    }

    /// The leader knows of a follower that is nearer (KIP-392).
    fn sent_away(&mut self, cx: &mut Cx, log: LogName, answer: &PartitionData) {
        cx.model.mark("reads sent to a follower");
        if self.habits.rack.is_empty() || !answer.records.is_empty() {
            let text = format!("{}: sent to {}", cx.model.name(log), answer.preferred_read_replica);
            cx.model.find("fetch", text);
        }
        self.directory.sent_to(log, answer.preferred_read_replica);
    }

    /// KIP-74: limits hold, but the first batch of the first partition that has one always comes.
    fn judge_sizes(&self, cx: &mut Cx, sizes: &[(LogName, Vec<usize>)], behind: &[LogName], any_error: bool) {
        let full: Vec<&(LogName, Vec<usize>)> = sizes.iter().filter(|(_, batches)| !batches.is_empty()).collect();
        let total: usize = full.iter().flat_map(|(_, batches)| batches).sum();
        let count: usize = full.iter().map(|(_, batches)| batches.len()).sum();
        if count > 1 && total > self.habits.bytes_max as usize {
            cx.model
                .find("fetch size", format!("{total} bytes in {count} batches, max_bytes {}", self.habits.bytes_max));
        }
        for (log, batches) in &full {
            let bytes: usize = batches.iter().sum();
            if batches.len() > 1 && bytes > self.habits.partition_bytes_max as usize {
                let text = format!("{}: {bytes} bytes in {} batches", cx.model.name(*log), batches.len());
                cx.model.find("fetch size", text);
            }
        }
        if full.is_empty() && !any_error && !behind.is_empty() {
            let text = format!("no records although {} is behind its watermark", cx.model.name(behind[0]));
            cx.model.find("fetch stuck", text);
        }
    }

    /// Records of one partition. Returns the lengths of the batches.
    fn took(&mut self, cx: &mut Cx, log: LogName, floor: Floor, answer: &PartitionData) -> Vec<usize> {
        let watermark = answer.high_watermark;
        if watermark < floor.watermark.max(floor.acked_end) && !cx.model.replicated {
            let text = format!("{}: high watermark {watermark}, known before: {floor:?}", cx.model.name(log));
            cx.model.find("watermark", text);
        }
        let has_start = cx.versions.of(ApiKey::Fetch) >= 5;
        let start = if has_start { answer.log_start_offset } else { floor.start };
        // One that led and has not heard of its end keeps what others have forgotten, and so does a follower that was away.
        let is_past = cx.model.is_led_elsewhere(log, &cx.at.0) || self.directory.is_at_follower(log);
        let is_back = start < floor.start && !is_past;
        if is_back || has_start && start > watermark || answer.last_stable_offset > watermark {
            let text = format!("{}: start {start} with {floor:?} and {watermark}", cx.model.name(log));
            cx.model.find("watermark", text);
        }
        let facts = cx.model.log(log);
        facts.watermark = facts.watermark.max(watermark);
        facts.start = facts.start.max(start);
        let position = self.positions[&log];
        match decode(&answer.records.to_bytes(), &self.functions) {
            Ok(batches) => {
                let next = self.walk(cx, log, position, watermark, &batches);
                self.positions.insert(log, next);
                batches.iter().map(|batch| batch.len).collect()
            }
            Err(fault) => {
                cx.model.find("corrupt", format!("{} from {position} on: {fault}", cx.model.name(log)));
                Vec::new()
            }
        }
    }

    /// Every record from the position on, without a gap; returns the next position.
    fn walk(&self, cx: &mut Cx, log: LogName, from: i64, watermark: i64, batches: &[Found]) -> i64 {
        let mut next = from;
        for (index, batch) in batches.iter().enumerate() {
            if index == 0 && batch.base_offset > from || index > 0 && batch.base_offset != next {
                let text = format!("{}: at {next} came the batch of {}", cx.model.name(log), batch.base_offset);
                cx.model.find("poll skip", text);
            }
            for (offset, entry) in batch.entries.iter().filter(|(offset, _)| *offset >= from) {
                if *offset != next {
                    let text = format!("{}: at {next} came the record of {offset}", cx.model.name(log));
                    cx.model.find("poll skip", text);
                }
                next = offset + 1;
                if !batch.control {
                    cx.model.read(log, *offset, entry);
                    cx.model.mark("records read");
                    if self.directory.is_at_follower(log) {
                        cx.model.mark("records read from a follower");
                    }
                }
            }
            let stale = batch.entries.last().is_none_or(|(offset, _)| *offset < from);
            if stale || next > watermark {
                let text = format!("{}: asked from {from}, watermark {watermark}, got {next}", cx.model.name(log));
                cx.model.find("fetch range", text);
            }
        }
        next
    }

    fn stumbled(&mut self, cx: &mut Cx, log: LogName, code: i16) {
        let error = ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError);
        self.stale |= cx.model.cluster && error.is_retriable();
        // Whatever went wrong there, the leader knows.
        if self.directory.back_to_leader(log) && error == ErrorCode::OffsetOutOfRange {
            self.in_session.remove(&log);
            return cx.model.mark("offsets out of range at a follower");
        }
        match error {
            ErrorCode::OffsetOutOfRange => {
                let position = self.positions.remove(&log).unwrap_or(0);
                self.in_session.remove(&log);
                let gone = cx.model.log(log).delete_asked > position || cx.model.topics[log.topic].expires;
                // One that led and has not heard of its end lacks what others took since.
                let gone = gone || cx.model.is_led_elsewhere(log, &cx.at.0);
                cx.model.mark("offsets out of range");
                if !gone {
                    cx.model.find("out of range", format!("{}: {position} is out of range", cx.model.name(log)));
                }
            }
            ErrorCode::KafkaStorageError | ErrorCode::CorruptMessage => self.unreadable(cx, log),
            error if error.is_retriable() => cx.model.mark("fetch retried"),
            error => cx.model.find("fetch", format!("{}: {error:?}", cx.model.name(log))),
        }
    }

    /// Where bytes were damaged the only copy is gone: a partition that says so again and again is let go.
    fn unreadable(&mut self, cx: &mut Cx, log: LogName) {
        cx.model.mark("storage errors shown");
        let refusals = self.refusals.entry(log).or_default();
        *refusals += 1;
        if *refusals > REFUSALS_MAX && self.habits.once && cx.model.damaged {
            cx.model.mark("partitions lost to damage");
            cx.model.excused.insert(log);
            self.let_go(log);
        }
    }

    fn let_go(&mut self, log: LogName) {
        if self.habits.topics.contains(&log.topic) {
            self.starts.insert(log, 0);
            self.ends.insert(log, 0);
            self.positions.insert(log, 0);
        }
    }

    fn maybe_seek(&mut self, cx: &mut Cx) {
        if self.habits.seeks == 0 || !cx.rng.chance(1, self.habits.seeks) {
            return;
        }
        cx.model.mark("seeks");
        for (log, position) in &mut self.positions {
            let start = cx.model.log(*log).start;
            if *position > start {
                *position = cx.rng.between(start as u64, *position as u64) as i64;
            }
        }
    }

    fn next_turn(&mut self, cx: &mut Cx) {
        self.asked = Asked::Nothing;
        if self.is_done() {
            return self.report(cx);
        }
        self.maybe_seek(cx);
        if !self.habits.rack.is_empty() && cx.rng.chance(1, 50) {
            // As a client does every `metadata.max.age.ms`: another follower may be nearer by now.
            for log in self.logs(cx) {
                self.directory.back_to_leader(log);
            }
        }
        let pace = self.habits.pace.as_micros() as u64;
        let wait = cx.rng.between(pace / 4 + 1, pace * 2 + 1);
        cx.wake_in(Duration::from_micros(wait));
    }

    /// What it read once, from where to where.
    fn report(&self, cx: &mut Cx) {
        if !self.habits.once {
            return;
        }
        for (log, end) in &self.ends {
            if !cx.model.excused.contains(log) {
                cx.model.read_whole(*log, self.starts[log], *end);
            }
        }
    }
}

impl Actor for Consumer {
    fn happened(&mut self, cx: &mut Cx, what: Happened) {
        match what {
            Happened::Up => {
                self.session = (0, 0);
                self.in_session.clear();
                directory::ask(cx, &self.habits.topics);
            }
            Happened::Answer { tag: DIRECTORY, body } => {
                self.learnt = self.directory.answered(cx, &self.habits.topics, body);
                self.total = self.logs(cx).len();
                match self.learnt {
                    true => self.ask(cx),
                    false => cx.hang_up(),
                }
            }
            Happened::Answer { body: Response::Fetch(body), .. } => {
                self.fetched(cx, body);
                self.next_turn(cx);
            }
            Happened::Answer { body: Response::ListOffsets(body), .. } => {
                let asked = self.asked;
                self.listed(cx, asked, &body);
                self.next_turn(cx);
            }
            Happened::Answer { body, .. } => panic!("a consumer never asked for {body:?}"),
            Happened::Down { .. } => {
                self.asked = Asked::Nothing;
                self.learnt = false;
            }
            Happened::Wake => self.ask(cx),
        }
    }

    fn is_done(&self) -> bool {
        let read = |(log, end): (&LogName, &i64)| self.positions.get(log).is_some_and(|at| at >= end);
        match self.habits.once {
            false => self.finishing,
            true => self.total > 0 && self.ends.len() == self.total && self.ends.iter().all(read),
        }
    }

    fn finish(&mut self) {
        self.finishing = true;
    }
}

/// Refusals of one partition after which a reader of everything lets it go.
const REFUSALS_MAX: u32 = 20;
