use super::Replay;
use crate::log::Log;
use crate::metadata::{MetadataRecord, record};
use crate::msg::record::metadata::{ProducerIdsRecord, RemoveTopicRecord, TopicRecord};
use crate::quorum::{Member, Quorum, QuorumCx, QuorumOut, Times, Voter, Voters};
use crate::record::{CheckedBatch, Functions};
use crate::types::{BrokerId, LeaderEpoch, Mono, Now, Offset, Rng, Uuid, Wall};
use alloc::vec::Vec;
use core::time::Duration;
use proptest::prelude::*;

const NOW: Now = Now { mono: Mono(0), wall: Wall(7) };

/// A leader of the quorum that writes a log, and everything that it wrote.
struct Writer {
    quorum: Quorum,
    batches: Vec<CheckedBatch>,
    functions: Functions,
}

impl Writer {
    fn new() -> Self {
        let functions = Functions::slow();
        let mut writer = Self { quorum: boot(Log::empty(Offset::ZERO)), batches: Vec::new(), functions };
        writer.elect();
        writer
    }

    fn elect(&mut self) {
        let mut out = Vec::new();
        let mut cx = QuorumCx { now: NOW, rng: &mut Rng::new(1), functions: &self.functions };
        self.quorum.wake(&mut cx, &mut out);
        let [QuorumOut::Vote { term, voted }] = out[..] else { panic!("{out:?}") };
        self.quorum.voted((term, voted), &mut cx, &mut out);
        let Some(QuorumOut::Append(batch)) = out.pop() else { panic!("a reign begins with a record") };
        self.batches.extend(batch);
    }

    fn write(&mut self, records: &[MetadataRecord]) {
        let values: Vec<_> = records.iter().map(record::encode).collect();
        self.batches.push(self.quorum.append(&values, NOW, &self.functions).expect("leads"));
    }

    fn read(&self, from: Offset) -> Replay {
        let mut replay = Replay::default();
        for batch in self.batches.iter().filter(|batch| batch.base_offset() >= from) {
            replay.take(batch, &self.functions).expect("ours");
        }
        replay
    }

    /// Writes a snapshot of what the log says; gives the offset that the log may begin at from then on.
    fn snapshot(&mut self) -> Offset {
        let records: Vec<_> = self.read(Offset::ZERO).image().to_records().iter().map(record::encode).collect();
        let batches = self.quorum.snapshot(&records, NOW, &self.functions).expect("leads");
        let from = batches[0].base_offset();
        self.batches.extend(batches);
        from
    }

    /// The leader dies and leads again, with a log that ends before `end`.
    fn restart(&mut self, end: Offset) {
        self.batches.retain(|batch| batch.end_offset() <= end);
        let mut log = Log::empty(Offset::ZERO);
        self.batches.iter().for_each(|batch| log.append(batch, NOW.wall));
        self.quorum = boot(log);
        self.elect();
    }
}

fn boot(log: Log) -> Quorum {
    let me = Voter { id: BrokerId(1), directory: Uuid::ZERO };
    let second = Duration::from_secs(1);
    let times = Times { election: second, backoff_max: second, fetch: second };
    let voters = Voters::numbered([me.id]);
    let member = Member { me, voters, is_fixed: true, may_vote: true, doors: 0, times };
    let mut cx = QuorumCx { now: NOW, rng: &mut Rng::new(1), functions: &Functions::slow() };
    Quorum::boot(member, Some((LeaderEpoch(0), None)), log, &mut cx)
}

fn topic(number: u8) -> MetadataRecord {
    let name = alloc::format!("t{number}");
    MetadataRecord::Topic(TopicRecord { name: name.as_str().into(), topic_id: Uuid([number; 16]) })
}

#[test]
fn a_log_that_begins_with_a_snapshot_says_what_the_whole_log_said() {
    let mut writer = Writer::new();
    writer.write(&[topic(1), topic(2)]);
    let from = writer.snapshot();
    writer.write(&[topic(3)]);
    let (whole, cut) = (writer.read(Offset::ZERO), writer.read(from));
    assert_eq!(whole.image(), cut.image());
    assert_eq!(whole.image().topic_count(), 3);
    assert_eq!(whole.bytes(), writer.batches.last().expect("written").bytes_len() as u64);
    assert_eq!(whole.bytes(), cut.bytes());
}

#[test]
fn whoever_knows_what_came_before_learns_nothing_from_a_snapshot() {
    let mut writer = Writer::new();
    writer.write(&[topic(1)]);
    writer.snapshot();
    let mut replay = Replay::default();
    let changes =
        writer.batches.iter().filter_map(|batch| replay.take(batch, &writer.functions).expect("ours")).count();
    assert_eq!(changes, 1);
}

#[test]
fn a_snapshot_that_was_broken_off_is_passed_over() {
    let mut writer = Writer::new();
    writer.write(&[topic(1), topic(2)]);
    let from = writer.snapshot();
    writer.restart(from.plus(1));
    writer.write(&[topic(3)]);
    assert_eq!(writer.read(Offset::ZERO).image().topic_count(), 3);
    let again = writer.snapshot();
    assert_eq!(writer.read(again).image(), writer.read(Offset::ZERO).image());
}

#[test]
fn a_log_that_begins_within_a_snapshot_or_with_a_broken_one_cannot_be_read() {
    let mut writer = Writer::new();
    writer.write(&[topic(1)]);
    let from = writer.snapshot();
    let within = writer.batches.iter().filter(|batch| batch.base_offset() > from);
    let mut replay = Replay::default();
    assert!(within.map(|batch| replay.take(batch, &writer.functions)).any(|outcome| outcome.is_err()));
    writer.restart(from.plus(1));
    let broken = writer.batches.iter().filter(|batch| batch.base_offset() >= from);
    let mut replay = Replay::default();
    assert!(broken.map(|batch| replay.take(batch, &writer.functions)).any(|outcome| outcome.is_err()));
}

proptest! {
    #[test]
    fn wherever_snapshots_and_restarts_fall_the_log_says_the_same(
        steps in prop::collection::vec((0u8..6, 1u8..9), 0..40),
    ) {
        let mut writer = Writer::new();
        let mut start = Offset::ZERO;
        for (kind, number) in steps {
            let image = writer.read(Offset::ZERO).image().clone();
            let exists = image.topic(Uuid([number; 16])).is_some();
            match kind {
                0 | 1 if !exists => writer.write(&[topic(number)]),
                2 if exists => {
                    let record = RemoveTopicRecord { topic_id: Uuid([number; 16]) };
                    writer.write(&[MetadataRecord::RemoveTopic(record)]);
                }
                3 => {
                    let next_producer_id = image.producer_id_next() + 1000;
                    let record = ProducerIdsRecord { next_producer_id, ..ProducerIdsRecord::default() };
                    writer.write(&[MetadataRecord::ProducerIds(record)]);
                }
                4 => start = writer.snapshot(),
                5 => {
                    // A crash in the middle of a snapshot.
                    let from = writer.snapshot();
                    writer.restart(from.plus(i64::from(number % 3)));
                }
                _ => {}
            }
        }
        let (whole, cut) = (writer.read(Offset::ZERO), writer.read(start));
        prop_assert_eq!(whole.image().to_records(), cut.image().to_records());
        prop_assert_eq!(whole.image().end(), cut.image().end());
    }
}
