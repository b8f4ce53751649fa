use crate::group::stage_test::{Stage, consumer, offset, subscribing};
use crate::group::{Ask, GroupRecord};
use crate::msg::join_group::JoinGroupRequest;
use crate::msg::offset_commit::OffsetCommitRequest;
use crate::types::{ErrorCode, Uuid};
use alloc::format;
use alloc::vec;

const DAY_MS: u64 = 24 * 3600 * 1000;
const TEN_MINUTES_MS: u64 = 600_000;

fn offsets(stage: &Stage) -> usize {
    stage.shard.offsets.values().flat_map(|topics| topics.values()).map(|partitions| partitions.len()).sum()
}

#[test]
fn offsets_of_a_consumer_without_a_group_expire_a_week_after_their_commit() {
    let mut stage = Stage::new();
    stage.commit(9, offset(-1, "", 5));
    stage.pass(7 * DAY_MS - TEN_MINUTES_MS);
    assert_eq!((offsets(&stage), stage.state()), (1, "Empty"));
    stage.pass(2 * TEN_MINUTES_MS);
    assert_eq!((offsets(&stage), stage.state()), (0, "Dead"));
    assert!(matches!(stage.last(), GroupRecord::Metadata { value: None, .. }));
}

#[test]
fn offsets_of_a_group_expire_a_week_after_its_last_member_left() {
    let mut stage = Stage::new();
    stage.commit(9, offset(-1, "", 5));
    let request = JoinGroupRequest { session_timeout_ms: 1_800_000, ..consumer() };
    let ids = stage.stable(vec![request]);
    for _ in 0..10 * 48 {
        stage.pass(DAY_MS / 48 - 1);
        assert_eq!(stage.heartbeat(1, &ids[0]), ErrorCode::None);
    }
    assert_eq!(offsets(&stage), 1, "ten days later somebody still subscribes");
    stage.leave(&[&ids[0]]);
    stage.pass(7 * DAY_MS - TEN_MINUTES_MS);
    assert_eq!((offsets(&stage), stage.state()), (1, "Empty"));
    stage.reload();
    stage.pass(2 * TEN_MINUTES_MS);
    assert_eq!((offsets(&stage), stage.state()), (0, "Dead"));
}

#[test]
fn an_active_group_forgets_what_it_no_longer_subscribes_to() {
    let mut stage = Stage::new();
    stage.commit(9, offset(-1, "", 5));
    let mut request = JoinGroupRequest { session_timeout_ms: 1_800_000, ..consumer() };
    request.protocols[0].metadata = subscribing(&["other"]);
    let ids = stage.stable(vec![request]);
    for _ in 0..8 * 48 {
        stage.pass(DAY_MS / 48 - 1);
        assert_eq!(stage.heartbeat(1, &ids[0]), ErrorCode::None);
    }
    assert_eq!((offsets(&stage), stage.state()), (0, "Stable"));
}

#[test]
fn a_commit_with_a_retention_of_its_own_expires_by_it() {
    let mut stage = Stage::new();
    stage.commit(4, OffsetCommitRequest { retention_time_ms: 60_000, ..offset(-1, "", 5) });
    stage.pass(TEN_MINUTES_MS);
    assert_eq!((offsets(&stage), stage.state()), (0, "Dead"));
}

#[test]
fn a_group_that_nobody_stayed_in_is_forgotten() {
    let mut stage = Stage::new();
    let promise = stage.join(consumer());
    assert_eq!(crate::group::stage_test::error(stage.joined(promise).error_code), ErrorCode::MemberIdRequired);
    assert_eq!(stage.state(), "Empty");
    stage.pass(TEN_MINUTES_MS);
    assert_eq!(stage.state(), "Dead");
    stage.reload();
    assert_eq!(stage.state(), "Dead");
}

#[test]
fn many_groups_are_looked_at_in_many_steps() {
    let mut stage = Stage::new();
    for number in 0..250 {
        let request = OffsetCommitRequest {
            group_id: format!("g{number}").into(),
            retention_time_ms: 1_000,
            ..offset(-1, "", 5)
        };
        stage.ask(4, Ask::Commit(request));
    }
    assert_eq!(offsets(&stage), 250);
    stage.pass(TEN_MINUTES_MS);
    assert_eq!((offsets(&stage), stage.log.len()), (0, 250 + 500));
}

#[test]
fn offsets_of_a_deleted_topic_go_with_it() {
    let mut stage = Stage::new();
    stage.commit(9, offset(-1, "", 5));
    stage.step(|shard, cx, out| shard.topics_deleted(cx, &[(Uuid([9; 16]), "t".into())], out));
    assert_eq!(offsets(&stage), 1, "that was another topic of this name");
    stage.step(|shard, cx, out| shard.topics_deleted(cx, &[(Uuid([7; 16]), "t".into())], out));
    assert_eq!(offsets(&stage), 0);
    stage.reload();
    assert_eq!(offsets(&stage), 0);
}
