use super::{
    Acks, Answer, Appended, Assignment, PartKey, Partition, PartitionCx, PartitionOut, PartitionSpec, Peers, ReadAsk,
    Readable, Then, WantedOffset,
};
use crate::boundary::{Action, DiskFault, Done, Job, LogSettings, LogSpec, Note, Query};
use crate::log::Log;
use crate::record::{Builder, Functions, NewRecord, ProveRules, Proved, TimestampType, TopicRules, prove};
use crate::types::{
    BrokerId, ConnId, ErrorCode, LeaderEpoch, LogId, Now, Offset, PartitionEpoch, ProducerEpoch, ProducerId, Str,
    Ticket, Uuid, Wall,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use std::vec;

const SLOW: Functions = Functions::slow();
const CX: PartitionCx<'static> = PartitionCx {
    now: Now { mono: crate::types::Mono(0), wall: Wall(1_000) },
    functions: &SLOW,
    producer_silence_ms: i64::MAX,
    peers: &Peers::NONE,
    lag_max: Duration::from_secs(30),
    fetch_backoff: Duration::from_secs(1),
    followers_serve: false,
    throttled_until: None,
};

/// A partition, and whatever it asked for and nobody has answered yet.
struct Scene {
    partition: Partition,
    out: Vec<PartitionOut>,
}

fn spec() -> PartitionSpec {
    PartitionSpec {
        assignment: Assignment {
            me: BrokerId(1),
            leader: BrokerId(1),
            leader_epoch: LeaderEpoch(3),
            partition_epoch: PartitionEpoch(0),
            replicas: vec![BrokerId(1)],
            isr: vec![BrokerId(1)],
            eligible: Vec::new(),
            lost: Vec::new(),
            isr_min: 1,
            recovering: false,
        },
        rules: TopicRules {
            batch_bytes_max: 1 << 20,
            segment_bytes: 1 << 30,
            compacted: false,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: i64::MAX,
            compression: None,
        },
        log: LogSpec { topic: Str::from("orders"), settings: LogSettings::default() },
        is_leader_throttled: false,
        is_follower_throttled: false,
        compacted_only: false,
    }
}

fn key(seq: u64) -> PartKey {
    PartKey { ticket: Ticket { conn: ConnId(1), seq }, topic: 0, partition: 0 }
}

fn batch(records: usize, producer: Option<(i64, i32)>) -> Proved {
    let mut builder = Builder::new();
    if let Some((id, sequence)) = producer {
        builder = builder.numbered(ProducerId(id), ProducerEpoch(0), sequence);
    }
    for _ in 0..records {
        builder.push(&NewRecord { timestamp: Wall(900), value: Some(b"value"), ..NewRecord::default() });
    }
    let bytes = builder.build_plain(&SLOW).to_bytes();
    prove(bytes, &ProveRules { version: 9, batch_bytes_max: 1 << 20 }, &SLOW, &mut Vec::new()).expect("well made")
}

impl Scene {
    fn new() -> Self {
        let mut out = Vec::new();
        let id = LogId { topic: Uuid([1; 16]), partition: 0 };
        let partition = Partition::create(CX, id, spec(), &mut out);
        out.clear();
        Self { partition, out }
    }

    fn produce(&mut self, seq: u64, proved: Proved) {
        self.partition.produce(CX, (key(seq), Acks::Committed), proved, &mut self.out);
        self.partition.check();
    }

    fn done(&mut self, then: Then, outcome: Result<Done, DiskFault>) {
        self.partition.done(CX, then, outcome, &mut self.out);
        self.partition.check();
    }

    fn stored(&mut self, end: i64) {
        let done = Done::Stored { start: self.partition.log().start(), end: Offset(end) };
        self.done(Then::Appended(Offset(end)), Ok(done));
    }

    fn answers(&mut self) -> Vec<(u64, Answer)> {
        let mut answers = Vec::new();
        self.out.retain(|out| match out {
            PartitionOut::Answer(key, answer) => {
                answers.push((key.ticket.seq, answer.clone()));
                false
            }
            _ => true,
        });
        answers
    }

    fn read(&mut self, seq: u64, from: i64, watch_below: u64) -> Readable {
        let ask = ReadAsk {
            from: Offset(from),
            current_epoch: LeaderEpoch::NONE,
            last_fetched: LeaderEpoch::NONE,
            watch_below,
            only_leader: true,
        };
        self.partition.read(key(seq), ask, &[])
    }
}

fn appended(base: i64) -> Answer {
    Answer::Produced(Ok(Appended { base: Offset(base), append_time: None, log_start: Offset(0) }))
}

fn error_of(answer: &Answer) -> Option<ErrorCode> {
    match answer {
        Answer::Produced(Err(refused)) => Some(refused.error),
        Answer::Offset(Err(error)) | Answer::EpochEnd(Err(error)) | Answer::Trimmed(Err(error)) => Some(*error),
        _ => None,
    }
}

#[test]
fn an_acknowledgement_waits_for_the_flush_and_flushes_are_acknowledged_in_order() {
    let mut scene = Scene::new();
    scene.produce(1, batch(2, None));
    scene.produce(2, batch(3, None));
    assert_eq!(scene.answers(), vec![]);
    assert_eq!(scene.partition.high_watermark(), Offset(0));
    scene.stored(2);
    assert_eq!(scene.answers(), vec![(1, appended(0))]);
    scene.stored(5);
    assert_eq!(scene.answers(), vec![(2, appended(2))]);
    assert_eq!(scene.partition.high_watermark(), Offset(5));
}

#[test]
fn batches_are_stamped_with_their_place_and_the_reign() {
    let mut scene = Scene::new();
    scene.produce(1, batch(2, None));
    scene.produce(2, batch(1, None));
    let stamps: Vec<_> = scene
        .out
        .iter()
        .filter_map(|out| match out {
            PartitionOut::Act(Action::Append { batches }, _) => {
                Some((batches[0].header().base_offset, batches[0].header().leader_epoch))
            }
            _ => None,
        })
        .collect();
    assert_eq!(stamps, vec![(Offset(0), LeaderEpoch(3)), (Offset(2), LeaderEpoch(3))]);
}

#[test]
fn without_acks_the_answer_comes_at_once_and_nothing_waits() {
    let mut scene = Scene::new();
    scene.partition.produce(CX, (key(1), Acks::None), batch(1, None), &mut scene.out);
    assert_eq!(scene.answers(), vec![(1, Answer::Produced(Ok(Appended::UNKNOWN)))]);
    scene.stored(1);
    assert_eq!(scene.answers(), vec![]);
}

#[test]
fn a_batch_sent_twice_is_stored_once_and_acknowledged_twice_at_its_first_place() {
    let mut scene = Scene::new();
    scene.produce(1, batch(2, Some((7, 0))));
    scene.produce(2, batch(2, Some((7, 0))));
    let appends = scene.out.iter().filter(|out| matches!(out, PartitionOut::Act(Action::Append { .. }, _))).count();
    assert_eq!(appends, 1);
    assert_eq!(scene.answers(), vec![], "the second is no more durable than the first");
    scene.stored(2);
    let bases: Vec<_> = scene
        .answers()
        .into_iter()
        .map(|(seq, answer)| (seq, matches!(answer, Answer::Produced(Ok(Appended { base: Offset(0), .. })))))
        .collect();
    assert_eq!(bases, vec![(1, true), (2, true)]);
    scene.produce(3, batch(2, Some((7, 0))));
    assert_eq!(scene.answers().len(), 1, "what is durable already is acknowledged at once");
}

#[test]
fn a_gap_in_the_sequence_is_refused() {
    let mut scene = Scene::new();
    scene.produce(1, batch(2, Some((7, 0))));
    scene.produce(2, batch(2, Some((7, 5))));
    let answers = scene.answers();
    assert_eq!(error_of(&answers[0].1), Some(ErrorCode::OutOfOrderSequenceNumber));
}

#[test]
fn who_is_not_known_waits_for_what_may_have_been_sent_before() {
    let mut scene = Scene::new();
    scene.produce(1, batch(2, Some((7, 12))));
    assert_eq!(error_of(&scene.answers()[0].1), Some(ErrorCode::OutOfOrderSequenceNumber), "nobody is forgotten here");
    scene.produce(2, batch(12, Some((7, 0))));
    scene.produce(3, batch(2, Some((7, 12))));
    scene.stored(14);
    assert_eq!(scene.answers(), vec![(2, appended(0)), (3, appended(12))]);

    scene.produce(4, batch(2, Some((8, 12))));
    assert_eq!(error_of(&scene.answers()[0].1), Some(ErrorCode::NotLeaderOrFollower), "this reign is young");
    let now = Now { mono: crate::types::Mono(3_000_000_000), ..CX.now };
    let later = PartitionCx { now, ..CX };
    scene.partition.produce(later, (key(5), Acks::Committed), batch(2, Some((8, 12))), &mut scene.out);
    scene.stored(16);
    assert_eq!(scene.answers(), vec![(5, appended(14))], "whoever fell silent is taken at his word");
}

#[test]
fn who_was_refused_something_sends_that_first() {
    let mut scene = Scene::new();
    scene.produce(1, batch(2, None));
    scene.stored(2);
    scene.answers();
    scene.produce(2, batch(2, Some((8, 12))));
    assert_eq!(error_of(&scene.answers()[0].1), Some(ErrorCode::NotLeaderOrFollower), "this reign is young");
    let later = |seconds: u64| {
        let now = Now { mono: crate::types::Mono(seconds * 1_000_000_000), ..CX.now };
        PartitionCx { now, ..CX }
    };
    let mut at = |seconds, number, (id, sequence)| {
        let produced = batch(2, Some((id, sequence)));
        scene.partition.produce(later(seconds), (key(number), Acks::Committed), produced, &mut scene.out);
        scene.answers().first().and_then(|(_, answer)| error_of(answer))
    };
    // What was on its way right behind it when it was refused.
    assert_eq!(at(3, 3, (8, 14)), Some(ErrorCode::NotLeaderOrFollower));
    assert_eq!(at(3, 4, (9, 14)), None, "who was refused nothing is taken at its word");
    assert_eq!(at(4, 5, (8, 12)), None);
    assert_eq!(at(4, 6, (8, 14)), None, "and now its turn has come");
}

#[test]
fn a_producer_that_gave_up_what_it_was_refused_is_not_awaited_for_ever() {
    let mut scene = Scene::new();
    scene.produce(1, batch(2, None));
    scene.stored(2);
    scene.answers();
    scene.produce(2, batch(2, Some((8, 12))));
    scene.answers();
    for (seconds, error) in [(29, Some(ErrorCode::NotLeaderOrFollower)), (30, None)] {
        let now = Now { mono: crate::types::Mono(seconds * 1_000_000_000), ..CX.now };
        let produced = batch(2, Some((8, 14)));
        scene.partition.produce(PartitionCx { now, ..CX }, (key(3), Acks::Committed), produced, &mut scene.out);
        assert_eq!(scene.answers().first().and_then(|(_, answer)| error_of(answer)), error, "{seconds}");
    }
}

#[test]
fn a_full_disk_refuses_all_that_waits_and_opens_again_with_what_the_store_holds() {
    let mut scene = Scene::new();
    scene.produce(1, batch(2, None));
    scene.stored(2);
    scene.answers();
    scene.produce(2, batch(2, None));
    scene.produce(3, batch(2, None));
    scene.done(Then::Appended(Offset(4)), Err(DiskFault::Full));
    let errors: Vec<_> = scene.answers().iter().map(|(_, answer)| error_of(answer)).collect();
    assert_eq!(errors, vec![Some(ErrorCode::KafkaStorageError); 2]);
    assert!(scene.out.iter().any(|out| matches!(out, PartitionOut::Ask(Query::Log, Then::Reloaded))));
    scene.done(Then::Appended(Offset(6)), Err(DiskFault::Full));
    scene.produce(4, batch(1, None));
    assert_eq!(error_of(&scene.answers()[0].1), Some(ErrorCode::KafkaStorageError), "not open yet");

    let mut log = Log::empty(Offset(0));
    log.append(&batch(2, None).batch().stamped(Offset(0), LeaderEpoch(3)), Wall(0));
    log.stored(Offset(2));
    scene.done(Then::Reloaded, Ok(Done::Log(Box::new(log))));
    scene.produce(5, batch(1, None));
    scene.stored(3);
    assert_eq!(scene.answers(), vec![(5, appended(2))]);
}

#[test]
fn what_is_deleted_while_a_full_disk_is_looked_at_is_confirmed_after_that() {
    let mut scene = Scene::new();
    scene.produce(1, batch(2, None));
    scene.stored(2);
    scene.answers();
    scene.partition.trim(CX, key(7), Offset(2), &mut scene.out);
    scene.produce(2, batch(2, None));
    scene.done(Then::Appended(Offset(4)), Err(DiskFault::Full));
    scene.answers();
    scene.done(Then::Trimmed(key(7)), Ok(Done::Stored { start: Offset(2), end: Offset(2) }));
    scene.done(Then::Reloaded, Ok(Done::Log(Box::new(Log::empty(Offset(2))))));
    assert_eq!(scene.answers(), vec![(7, Answer::Trimmed(Ok(Offset(2))))]);
}

#[test]
fn a_failed_flush_closes_the_partition_for_good() {
    let mut scene = Scene::new();
    scene.produce(1, batch(1, None));
    scene.read(9, 0, 1);
    scene.done(Then::Appended(Offset(1)), Err(DiskFault::Offline));
    assert_eq!(error_of(&scene.answers()[0].1), Some(ErrorCode::KafkaStorageError));
    let told = scene
        .out
        .iter()
        .any(|out| matches!(out, PartitionOut::Grew(_, readable) if readable.error == ErrorCode::KafkaStorageError));
    assert!(told, "who watches is told");
    let note = Note::LogOffline { log: scene.partition.id, fault: DiskFault::Offline };
    assert!(
        scene.out.iter().any(|out| matches!(out, PartitionOut::Note(said) if *said == note)),
        "and people, and why"
    );
    scene.produce(2, batch(1, None));
    assert_eq!(error_of(&scene.answers()[0].1), Some(ErrorCode::KafkaStorageError));
    assert_eq!(scene.read(3, 0, 0).error, ErrorCode::KafkaStorageError);
}

#[test]
fn a_watcher_hears_of_every_flush_until_it_goes() {
    let mut scene = Scene::new();
    assert_eq!(scene.read(9, 0, 1).bytes, 0);
    scene.produce(1, batch(1, None));
    assert!(!scene.out.iter().any(|out| matches!(out, PartitionOut::Grew(..))), "what is not durable is not read");
    scene.stored(1);
    let size = batch(1, None).batch().bytes_len() as u64;
    let heard = |scene: &Scene| {
        let heard =
            scene.out.iter().filter(|out| matches!(out, PartitionOut::Grew(_, readable) if readable.bytes >= size));
        heard.count()
    };
    assert_eq!(heard(&scene), 1);
    scene.partition.unwatch(key(9).ticket);
    scene.produce(2, batch(1, None));
    scene.stored(2);
    assert_eq!(heard(&scene), 1);
}

#[test]
fn a_reader_outside_the_log_is_told_so_and_one_at_its_end_waits() {
    let mut scene = Scene::new();
    scene.produce(1, batch(2, None));
    assert_eq!(scene.read(2, 2, 1).error, ErrorCode::None, "appended, not durable: it waits");
    assert_eq!(scene.read(3, 3, 1).error, ErrorCode::OffsetOutOfRange);
    assert_eq!(scene.read(4, -1, 1).error, ErrorCode::OffsetOutOfRange);
}

#[test]
fn a_reader_of_another_reign_is_fenced() {
    let mut scene = Scene::new();
    let ask = |epoch| ReadAsk {
        from: Offset(0),
        current_epoch: LeaderEpoch(epoch),
        last_fetched: LeaderEpoch::NONE,
        watch_below: 0,
        only_leader: true,
    };
    assert_eq!(scene.partition.read(key(1), ask(2), &[]).error, ErrorCode::FencedLeaderEpoch);
    assert_eq!(scene.partition.read(key(1), ask(3), &[]).error, ErrorCode::None);
    assert_eq!(scene.partition.read(key(1), ask(4), &[]).error, ErrorCode::UnknownLeaderEpoch);
}

#[test]
fn a_reader_whose_history_diverges_learns_where() {
    let mut scene = Scene::new();
    scene.produce(1, batch(2, None));
    scene.stored(2);
    let ask = ReadAsk {
        from: Offset(2),
        current_epoch: LeaderEpoch::NONE,
        last_fetched: LeaderEpoch(5),
        watch_below: 0,
        only_leader: true,
    };
    assert_eq!(scene.partition.read(key(1), ask, &[]).error, ErrorCode::OffsetOutOfRange, "we never knew that epoch");
    let mut newer = spec();
    newer.assignment.leader_epoch = LeaderEpoch(6);
    scene.partition.assign(CX, newer, &mut scene.out);
    scene.produce(2, batch(1, None));
    scene.stored(3);
    let readable = scene.partition.read(key(1), ask, &[]);
    assert_eq!(readable.diverging, Some((LeaderEpoch(3), Offset(2))));
}

#[test]
fn records_go_up_to_the_high_watermark_and_no_further() {
    let mut scene = Scene::new();
    scene.produce(1, batch(4, None));
    scene.stored(4);
    scene.answers();
    scene.partition.trim(CX, key(2), Offset(5), &mut scene.out);
    assert_eq!(error_of(&scene.answers()[0].1), Some(ErrorCode::OffsetOutOfRange));
    scene.partition.trim(CX, key(3), Offset::NONE, &mut scene.out);
    assert!(scene.out.iter().any(|out| matches!(out, PartitionOut::Act(Action::Trim { start: Offset(4) }, _))));
    scene.done(Then::Trimmed(key(3)), Ok(Done::Stored { start: Offset(4), end: Offset(4) }));
    assert_eq!(scene.answers(), vec![(3, Answer::Trimmed(Ok(Offset(4))))]);
    assert_eq!(scene.read(4, 3, 0).error, ErrorCode::OffsetOutOfRange);
    scene.partition.trim(CX, key(5), Offset(1), &mut scene.out);
    assert_eq!(scene.answers(), vec![(5, Answer::Trimmed(Ok(Offset(4))))], "what is gone stays gone");
}

#[test]
fn a_topic_that_is_only_compacted_keeps_its_records() {
    let mut scene = Scene::new();
    scene.partition.assign(CX, PartitionSpec { compacted_only: true, ..spec() }, &mut scene.out);
    scene.partition.trim(CX, key(1), Offset(0), &mut scene.out);
    assert_eq!(error_of(&scene.answers()[0].1), Some(ErrorCode::PolicyViolation));
}

#[test]
fn the_offset_of_a_time_is_found_in_two_steps() {
    let mut scene = Scene::new();
    let none = LeaderEpoch::NONE;
    scene.produce(1, batch(2, None));
    scene.stored(2);
    scene.answers();
    scene.partition.offset_for(key(2), none, WantedOffset::Latest, &mut scene.out);
    scene.partition.offset_for(key(3), none, WantedOffset::Earliest, &mut scene.out);
    scene.partition.offset_for(key(4), none, WantedOffset::AtTime(Wall(900)), &mut scene.out);
    assert_eq!(
        scene.answers(),
        vec![
            (2, Answer::Offset(Ok((Wall(-1), Offset(2), LeaderEpoch(3))))),
            (3, Answer::Offset(Ok((Wall(-1), Offset(0), LeaderEpoch(3))))),
        ]
    );
    let stored = batch(2, None).batch().stamped(Offset(0), LeaderEpoch(3));
    scene.done(Then::FoundBatch(key(4), Some(Wall(900))), Ok(Done::Batch(Some(stored))));
    let Some(PartitionOut::Work(job @ Job::FindTime { .. }, then)) = scene.out.pop() else {
        panic!("the batch is searched elsewhere");
    };
    scene.done(then, Ok(Done::Job(job.run(&SLOW))));
    assert_eq!(scene.answers(), vec![(4, Answer::Offset(Ok((Wall(900), Offset(0), LeaderEpoch(3)))))]);
    scene.done(Then::FoundBatch(key(5), Some(Wall(2_000))), Ok(Done::Batch(None)));
    assert_eq!(scene.answers(), vec![(5, Answer::Offset(Ok((Wall(-1), Offset(-1), LeaderEpoch(-1)))))]);
}

#[test]
fn whoever_waits_for_a_deleted_partition_is_told() {
    let mut scene = Scene::new();
    scene.produce(1, batch(1, None));
    scene.read(2, 1, 1);
    let Scene { partition, mut out } = scene;
    partition.delete(&mut out);
    let mut told = Vec::new();
    for one in &out {
        match one {
            PartitionOut::Answer(key, answer) => told.push((key.ticket.seq, error_of(answer))),
            PartitionOut::Grew(key, readable) => told.push((key.ticket.seq, Some(readable.error))),
            _ => {}
        }
    }
    let gone = Some(ErrorCode::UnknownTopicOrPartition);
    assert_eq!(told, vec![(1, gone), (2, gone)]);
}

#[test]
fn retention_is_asked_for_only_where_something_may_go() {
    let mut scene = Scene::new();
    let asked = |scene: &mut Scene| {
        let mut out = Vec::new();
        scene.partition.retain(CX, &mut out);
        out.len()
    };
    assert_eq!(asked(&mut scene), 0, "an empty log");
    scene.produce(1, batch(1, None));
    scene.stored(1);
    assert_eq!(asked(&mut scene), 1);
    let mut kept = spec();
    kept.log.settings.retention_age = None;
    scene.partition.assign(CX, kept, &mut scene.out);
    assert_eq!(asked(&mut scene), 0, "kept for ever");
}
