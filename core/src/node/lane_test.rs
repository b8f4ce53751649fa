use super::{Lane, Order, Said};
use crate::boundary::{Done, Effect, Ignored, LogSettings, LogSpec, Note};
use crate::partition::{Assignment, PartitionCx, PartitionSpec, Peers};
use crate::record::{Functions, TimestampType, TopicRules};
use crate::types::{BrokerId, LeaderEpoch, LogId, Now, Offset, OpId, PartitionEpoch, Str, Uuid};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use std::vec;

const LOG: LogId = LogId { topic: Uuid([1; 16]), partition: 0 };

fn spec() -> Box<PartitionSpec> {
    let me = BrokerId(1);
    Box::new(PartitionSpec {
        assignment: Assignment {
            me,
            leader: me,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
            replicas: vec![me],
            isr: vec![me],
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
    })
}

/// What the lane says to an order.
fn obey(lane: &mut Lane, order: Order) -> Vec<Said> {
    let mut said = Vec::new();
    let functions = Functions::slow();
    let cx = PartitionCx {
        now: Now::default(),
        functions: &functions,
        producer_silence_ms: i64::MAX,
        peers: &Peers::NONE,
        lag_max: Duration::from_secs(1),
        fetch_backoff: Duration::from_secs(1),
        followers_serve: false,
        throttled_until: None,
    };
    lane.obey(cx, order, &mut Vec::new(), &mut said);
    lane.check();
    said
}

fn op_of(said: &[Said]) -> OpId {
    let op = said.iter().find_map(|one| match one {
        Said::Effect(Effect::Store { op, .. }) => Some(*op),
        _ => None,
    });
    op.expect("the store is asked for something")
}

#[test]
fn what_was_asked_for_a_log_that_went_and_came_back_is_not_told_to_the_new_one() {
    let mut lane = Lane::new(3);
    let first = op_of(&obey(&mut lane, Order::Hold(LOG, spec(), None)));
    obey(&mut lane, Order::Delete(LOG));
    let second = op_of(&obey(&mut lane, Order::Hold(LOG, spec(), None)));
    let done = || Ok(Done::Stored { start: Offset(0), end: Offset(0) });
    let said = obey(&mut lane, Order::Done(first, done()));
    assert!(matches!(said[..], [Said::Note(Note::Ignored(Ignored::LogGone))]));
    assert!(obey(&mut lane, Order::Done(second, done())).is_empty());
}
