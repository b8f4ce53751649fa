use super::{Member, NotLeader, Quorum, QuorumCx, QuorumOut, Times, Voter, Voters, in_version};
use crate::log::Log;
use crate::msg::describe_quorum::{DescribeQuorumRequest, RequestPartitionData, RequestTopicData};
use crate::msg::record::control::LeaderChangeMessage;
use crate::record::{CheckedBatch, ControlKind, Functions};
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Mono, Now, Offset, Rng, Str, Uuid, Wall};
use crate::wire::{decode_message, encode_message};
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

const ME: Voter = Voter { id: BrokerId(1), directory: Uuid([7; 16]) };
const NOW: Now = Now { mono: Mono(5), wall: Wall(1000) };

fn f() -> Functions {
    Functions::slow()
}

/// What every event comes with, at this moment.
pub fn with<T>(now: Now, act: impl FnOnce(&mut QuorumCx<'_>) -> T) -> T {
    act(&mut QuorumCx { now, rng: &mut Rng::new(now.mono.0), functions: &Functions::slow() })
}

/// A quorum with these voters.
pub fn boot(me: Voter, voters: &[i32], vote: Option<(LeaderEpoch, Option<BrokerId>)>, log: Log) -> Quorum {
    let voters = Voters::numbered(voters.iter().copied().map(BrokerId));
    let mut quorum = with(NOW, |cx| Quorum::boot(member(me, voters, true), vote, log, cx));
    // What is in these logs says nothing of voters.
    quorum.asleep_until = None;
    quorum
}

/// A member of a quorum with these voters.
pub fn member(me: Voter, voters: Voters, is_fixed: bool) -> Member {
    let (election, fetch) = (Duration::from_millis(1000), Duration::from_millis(2000));
    let times = Times { election, backoff_max: election, fetch };
    Member { me, voters, is_fixed, may_vote: true, doors: 0, times }
}

/// Runs an election to its end, all writes durable; gives the first batch of the reign.
fn elect(quorum: &mut Quorum) -> CheckedBatch {
    let mut out = Vec::new();
    with(NOW, |cx| quorum.wake(cx, &mut out));
    let [QuorumOut::Vote { term, voted }] = out[..] else { panic!("{out:?}") };
    assert_eq!(voted, Some(ME.id));
    out.clear();
    with(NOW, |cx| quorum.voted((term, voted), cx, &mut out));
    let [QuorumOut::Lead { .. }, QuorumOut::Append(batches)] = &out[..] else { panic!("{out:?}") };
    batches[0].clone()
}

fn fresh() -> Quorum {
    boot(ME, &[1], None, Log::empty(Offset::ZERO))
}

#[test]
fn the_only_voter_stands_at_once() {
    let mut quorum = fresh();
    assert_eq!(quorum.deadline(), Some(NOW.mono));
    assert_eq!(quorum.leader(), None);
    elect(&mut quorum);
    assert_eq!((quorum.leader(), quorum.term(), quorum.deadline()), (Some(ME.id), LeaderEpoch(1), None));
}

#[test]
fn nothing_is_said_before_the_vote_is_durable() {
    let mut quorum = fresh();
    let mut out = Vec::new();
    with(NOW, |cx| quorum.wake(cx, &mut out));
    with(NOW, |cx| quorum.wake(cx, &mut out));
    assert_eq!(out.len(), 1, "one vote, nothing else: {out:?}");
    assert_eq!(quorum.leader(), None);
    assert_eq!(quorum.append(&[Bytes::from_static(b"x")], NOW, &f()), Err(NotLeader));
}

#[test]
fn a_term_is_never_used_twice() {
    let log = || Log::empty(Offset::ZERO);
    let mut voted = boot(ME, &[1], Some((LeaderEpoch(7), Some(ME.id))), log());
    elect(&mut voted);
    assert_eq!(voted.term(), LeaderEpoch(8));
    // The vote was lost with its disk, but the log tells of a later term.
    let mut quorum = boot(ME, &[1], None, voted.log().clone());
    elect(&mut quorum);
    assert_eq!(quorum.term(), LeaderEpoch(9));
}

#[test]
fn a_reign_begins_with_a_record_that_says_who_leads() {
    let mut quorum = fresh();
    let batch = elect(&mut quorum);
    assert!(batch.header().attributes.is_control());
    assert_eq!((batch.base_offset(), batch.header().leader_epoch), (Offset::ZERO, LeaderEpoch(1)));
    let (f, mut scratch) = (f(), Vec::new());
    let mut walk = batch.walk(&f, &mut scratch).expect("ours");
    let record = walk.next().expect("one record").expect("sound").record;
    assert_eq!(ControlKind::from_key(record.key.expect("a key")), Some(ControlKind::LeaderChange));
    let value = Bytes::copy_from_slice(record.value.expect("a value"));
    let message: LeaderChangeMessage = decode_message(value, 0, 1 << 16).expect("ours");
    assert_eq!((message.leader_id, message.voters.len(), message.granting_voters.len()), (1, 1, 1));
}

#[test]
fn what_is_durable_is_committed_once_the_reign_has_begun() {
    let mut quorum = fresh();
    elect(&mut quorum);
    let batch = quorum.append(&[Bytes::from_static(b"a"), Bytes::from_static(b"b")], NOW, &f()).expect("leads");
    assert_eq!((batch.base_offset(), batch.end_offset()), (Offset(1), Offset(3)));
    let mut out = Vec::new();
    quorum.stored(Offset(1), &mut out);
    quorum.stored(Offset(1), &mut out);
    quorum.stored(Offset(3), &mut out);
    assert_eq!(out, [QuorumOut::Committed { end: Offset(1) }, QuorumOut::Committed { end: Offset(3) }]);
    assert_eq!(quorum.high_watermark(), Offset(3));
}

#[test]
fn the_log_of_earlier_reigns_is_committed_by_the_first_record_of_this_one() {
    let mut before = fresh();
    elect(&mut before);
    before.append(&[Bytes::from_static(b"a")], NOW, &f()).expect("leads");
    before.stored(Offset(2), &mut Vec::new());
    let mut after = boot(ME, &[1], Some((LeaderEpoch(1), Some(ME.id))), before.log().clone());
    assert_eq!(after.high_watermark(), Offset::ZERO, "not before it leads");
    elect(&mut after);
    let mut out = Vec::new();
    after.stored(Offset(3), &mut out);
    assert_eq!(out, [QuorumOut::Committed { end: Offset(3) }]);
}

#[test]
fn tools_are_told_who_votes_and_how_far_they_are() {
    let mut quorum = fresh();
    let ask = |topic: &'static str| DescribeQuorumRequest {
        topics: alloc::vec![RequestTopicData {
            topic_name: Str::from_static(topic),
            partitions: alloc::vec![RequestPartitionData { partition_index: 0 }],
        }],
    };
    let metadata = ask("__cluster_metadata");
    let answer = quorum.describe(&metadata, Vec::new(), Wall(9));
    assert_eq!(answer.error_code, ErrorCode::NotLeaderOrFollower.code());
    elect(&mut quorum);
    quorum.stored(Offset(1), &mut Vec::new());
    let answer = quorum.describe(&metadata, Vec::new(), Wall(9));
    let partition = &answer.topics[0].partitions[0];
    assert_eq!((partition.leader_id, partition.leader_epoch, partition.high_watermark), (1, 1, 1));
    assert_eq!((partition.current_voters[0].replica_id, partition.current_voters[0].log_end_offset), (1, 1));
    let answer = quorum.describe(&metadata, alloc::vec![Default::default()], Wall(9));
    assert_ne!(answer.topics[0].partitions[0].current_voters[0].replica_directory_id, Uuid::ZERO);
    for version in 0..=2 {
        encode_message(&in_version(answer.clone(), version), version).expect("a version is told what it can carry");
    }
    let stranger = quorum.describe(&ask("orders"), Vec::new(), Wall(9));
    assert_eq!(stranger.topics[0].partitions[0].error_code, ErrorCode::UnknownTopicOrPartition.code());
}

#[test]
fn the_log_is_cut_only_when_all_of_a_snapshot_is_committed() {
    let mut quorum = fresh();
    elect(&mut quorum);
    quorum.append(&[Bytes::from(alloc::vec![1; 1000])], NOW, &f()).expect("leads");
    assert!(!quorum.wants_snapshot(2000));
    assert!(quorum.wants_snapshot(1000));
    let records: Vec<Bytes> = (0..5).map(|_| Bytes::from(alloc::vec![0; 300 << 10])).collect();
    let batches = quorum.snapshot(&records, NOW, &f()).expect("leads");
    assert_eq!(batches.iter().map(|batch| batch.header().count).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 1, 1]);
    assert!(!quorum.wants_snapshot(0), "one at a time");
    let (from, end) = (batches[0].base_offset(), batches[6].end_offset());
    let mut out = Vec::new();
    quorum.stored(Offset(end.0 - 1), &mut out);
    assert!(!out.iter().any(|one| matches!(one, QuorumOut::Trim { .. })), "{out:?}");
    out.clear();
    quorum.stored(end, &mut out);
    assert_eq!(out, [QuorumOut::Committed { end }, QuorumOut::Trim { start: from }]);
    quorum.trimmed(from);
    assert_eq!((quorum.log().start(), quorum.wants_snapshot(1)), (from, false));
}

#[test]
fn small_records_of_a_snapshot_share_batches() {
    let mut quorum = fresh();
    elect(&mut quorum);
    let records: Vec<Bytes> = (0..10_000).map(|_| Bytes::from_static(b"0123456789")).collect();
    let batches = quorum.snapshot(&records, NOW, &f()).expect("leads");
    assert_eq!(batches.len(), 3);
    assert!(batches.windows(2).all(|pair| pair[0].end_offset() == pair[1].base_offset()));
}

#[test]
fn only_a_leader_takes_snapshots() {
    assert_eq!(fresh().snapshot(&[], NOW, &f()), Err(NotLeader));
    assert!(!fresh().wants_snapshot(0));
}
