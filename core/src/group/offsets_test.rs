use crate::group::stage_test::{Stage, again, consumer, error, offset, subscribing};
use crate::group::{Ask, GroupRecord};
use crate::msg::Response;
use crate::msg::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::msg::offset_commit::{OffsetCommitRequest, OffsetCommitRequestTopic};
use crate::msg::offset_delete::{OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use crate::msg::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics, OffsetFetchResponse,
};
use crate::types::{ErrorCode, Str, Uuid};
use alloc::vec;
use alloc::vec::Vec;

fn fetch(stage: &mut Stage, version: i16, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let ticket = stage.ask(version, Ask::Fetch(request));
    let Response::OffsetFetch(body) = stage.taken(ticket) else { panic!("a fetch") };
    body
}

fn fetch_of(group: &str, topics: Option<Vec<OffsetFetchRequestTopics>>) -> OffsetFetchRequest {
    let groups = vec![OffsetFetchRequestGroup { group_id: group.into(), topics, ..Default::default() }];
    OffsetFetchRequest { groups, ..Default::default() }
}

fn committed(stage: &mut Stage) -> i64 {
    let topics = vec![OffsetFetchRequestTopics { name: "t".into(), partition_indexes: vec![0], ..Default::default() }];
    fetch(stage, 9, fetch_of("g", Some(topics))).groups[0].topics[0].partitions[0].committed_offset
}

#[test]
fn whoever_joins_no_group_commits_without_a_generation() {
    let mut stage = Stage::new();
    assert_eq!(stage.commit(9, offset(-1, "", 5)), ErrorCode::None);
    assert_eq!((committed(&mut stage), stage.state()), (5, "Empty"));
    stage.reload();
    assert_eq!((committed(&mut stage), stage.state()), (5, "Empty"));
}

#[test]
fn a_commit_of_a_generation_needs_the_group() {
    let mut stage = Stage::new();
    assert_eq!(stage.commit(9, offset(1, "m", 5)), ErrorCode::GroupIdNotFound);
    assert_eq!(stage.commit(8, offset(1, "m", 5)), ErrorCode::IllegalGeneration);
    assert!(stage.log.is_empty());
}

#[test]
fn only_members_of_the_generation_commit() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer()]);
    let cases = [
        (offset(1, &ids[0], 5), ErrorCode::None),
        (offset(0, &ids[0], 6), ErrorCode::IllegalGeneration),
        (offset(2, &ids[0], 6), ErrorCode::IllegalGeneration),
        (offset(-1, &ids[0], 6), ErrorCode::IllegalGeneration),
        (offset(1, "stranger", 6), ErrorCode::UnknownMemberId),
        (offset(1, "", 6), ErrorCode::UnknownMemberId),
        (offset(-1, "", 6), ErrorCode::UnknownMemberId),
    ];
    for (request, expected) in cases {
        assert_eq!(stage.commit(9, request), expected);
    }
    assert_eq!(committed(&mut stage), 5);
    stage.leave(&[&ids[0]]);
    assert_eq!(stage.commit(9, offset(2, &ids[0], 6)), ErrorCode::UnknownMemberId);
    assert_eq!(stage.commit(9, offset(-1, "", 6)), ErrorCode::None);
}

#[test]
fn members_commit_while_they_are_called_together_but_not_before_the_assignment() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer()]);
    let leader = stage.join(again(&ids[0], consumer()));
    assert_eq!(stage.commit(9, offset(1, &ids[1], 5)), ErrorCode::None);
    stage.join(again(&ids[1], consumer()));
    assert_eq!(stage.joined(leader).generation_id, 2);
    assert_eq!(stage.commit(9, offset(2, &ids[1], 6)), ErrorCode::RebalanceInProgress);
    assert_eq!(stage.commit(9, offset(1, &ids[1], 6)), ErrorCode::IllegalGeneration);
    assert_eq!(committed(&mut stage), 5);
}

#[test]
fn a_commit_is_a_sign_of_life() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer()]);
    for at in 0..5 {
        stage.pass(9_000);
        assert_eq!(stage.commit(9, offset(1, &ids[0], at)), ErrorCode::None);
    }
    assert_eq!(stage.state(), "Stable");
}

#[test]
fn too_long_metadata_is_refused_alone() {
    let mut stage = Stage::new();
    let mut request = offset(-1, "", 5);
    let mut long = request.topics[0].partitions[0].clone();
    long.partition_index = 1;
    long.committed_metadata = Some("x".repeat(4097).as_str().into());
    request.topics[0].partitions.push(long.clone());
    long.partition_index = 2;
    // 4096 of Java's characters in 8192 bytes.
    long.committed_metadata = Some("ä".repeat(4096).as_str().into());
    request.topics[0].partitions.push(long);
    let ticket = stage.ask(9, Ask::Commit(request));
    let Response::OffsetCommit(body) = stage.taken(ticket) else { panic!("a commit") };
    let errors: Vec<_> = body.topics[0].partitions.iter().map(|partition| error(partition.error_code)).collect();
    assert_eq!(errors, [ErrorCode::None, ErrorCode::OffsetMetadataTooLarge, ErrorCode::None]);
    assert_eq!(stage.log.len(), 2);
}

#[test]
fn a_commit_that_no_batch_can_hold_is_refused_as_a_whole() {
    let mut stage = Stage::new();
    let mut request = offset(-1, "", 5);
    request.topics[0].partitions = vec![request.topics[0].partitions[0].clone(); 20_000];
    assert_eq!(stage.commit(9, request), ErrorCode::InvalidCommitOffsetSize);
    assert!(stage.log.is_empty());
}

#[test]
fn each_version_of_a_fetch_has_its_own_shape() {
    let mut stage = Stage::new();
    stage.commit(9, offset(-1, "", 5));
    let old = |topics| OffsetFetchRequest { group_id: "g".into(), topics, ..Default::default() };
    let asked = || Some(vec![OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0, 1] }]);
    for version in 1..=7 {
        let body = fetch(&mut stage, version, old(asked()));
        let offsets: Vec<_> = body.topics[0].partitions.iter().map(|partition| partition.committed_offset).collect();
        assert_eq!((offsets, body.groups.len()), (vec![5, -1], 0));
    }
    let all = fetch(&mut stage, 2, old(None));
    assert_eq!((all.topics.len(), all.topics[0].partitions.len()), (1, 1));
    let topics =
        vec![OffsetFetchRequestTopics { name: "t".into(), partition_indexes: vec![0, 1], ..Default::default() }];
    for asked in [Some(topics), None] {
        let body = fetch(&mut stage, 8, fetch_of("g", asked));
        assert_eq!((body.topics.len(), body.groups[0].topics[0].partitions[0].committed_offset), (0, 5));
    }
}

#[test]
fn a_group_that_nobody_knows_has_no_offsets_and_no_error() {
    let mut stage = Stage::new();
    assert_eq!(committed(&mut stage), -1);
    assert_eq!(fetch(&mut stage, 9, fetch_of("g", None)).groups[0].topics, []);
}

#[test]
fn version_1_says_errors_of_the_group_at_every_partition() {
    let topics = Some(vec![OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0, 1] }]);
    let request = OffsetFetchRequest { group_id: "g".into(), topics, ..Default::default() };
    let refused = |version| {
        let Response::OffsetFetch(body) = Ask::Fetch(request.clone()).refused(version, ErrorCode::NotCoordinator)
        else {
            panic!("a fetch")
        };
        body
    };
    let (one, two) = (refused(1), refused(2));
    assert_eq!((one.error_code, one.topics[0].partitions.len()), (0, 2));
    assert!(one.topics[0].partitions.iter().all(|p| (p.error_code, p.committed_offset) == (16, -1)));
    assert_eq!((two.error_code, two.topics.len()), (16, 0));
}

#[test]
fn an_offset_of_another_topic_of_the_same_name_is_none() {
    let mut stage = Stage::new();
    stage.commit(10, offset(-1, "", 5));
    let of = |stage: &mut Stage, id: Uuid| {
        let topic = OffsetFetchRequestTopics { name: "t".into(), topic_id: id, partition_indexes: vec![0] };
        fetch(stage, 10, fetch_of("g", Some(vec![topic]))).groups[0].topics[0].partitions[0].committed_offset
    };
    assert_eq!(of(&mut stage, Uuid([7; 16])), 5);
    assert_eq!(of(&mut stage, Uuid([8; 16])), -1);
    assert_eq!(of(&mut stage, Uuid::ZERO), 5);
}

fn delete(stage: &mut Stage, group: &str, names: &[&str]) -> (ErrorCode, Vec<ErrorCode>) {
    let topic = |name: &&str| OffsetDeleteRequestTopic {
        name: (*name).into(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let request = OffsetDeleteRequest { group_id: group.into(), topics: names.iter().map(topic).collect() };
    let ticket = stage.ask(0, Ask::OffsetDelete(request));
    let Response::OffsetDelete(body) = stage.taken(ticket) else { panic!("a delete") };
    let errors = body.topics.iter().map(|topic| error(topic.partitions[0].error_code)).collect();
    (error(body.error_code), errors)
}

#[test]
fn offsets_are_deleted_unless_somebody_subscribes_to_them() {
    let mut stage = Stage::new();
    assert_eq!(delete(&mut stage, "", &["t"]).0, ErrorCode::InvalidGroupId);
    assert_eq!(delete(&mut stage, "g", &["t"]).0, ErrorCode::GroupIdNotFound);
    let mut request = offset(-1, "", 5);
    request.topics.push(OffsetCommitRequestTopic { name: "u".into(), ..request.topics[0].clone() });
    stage.commit(9, request);
    let ids = stage.stable(vec![consumer()]);
    let lines = stage.log.len();
    let expected = vec![ErrorCode::GroupSubscribedToTopic, ErrorCode::None, ErrorCode::None];
    assert_eq!(delete(&mut stage, "g", &["t", "u", "v"]), (ErrorCode::None, expected));
    assert_eq!(stage.log.len(), lines + 1, "one tombstone");
    assert!(matches!(stage.last(), GroupRecord::Offset { key, value: None } if key.topic == "u"));
    stage.leave(&[&ids[0]]);
    assert_eq!(delete(&mut stage, "g", &["t"]), (ErrorCode::None, vec![ErrorCode::None]));
    assert_eq!(committed(&mut stage), -1);
}

#[test]
fn offsets_of_a_group_that_does_not_consume_are_deleted_only_while_it_is_empty() {
    let mut stage = Stage::new();
    let connect = JoinGroupRequest {
        protocol_type: "connect".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "sessioned".into(), metadata: subscribing(&[]) }],
        ..consumer()
    };
    let (_, waiting) = stage.enter(connect);
    assert!(stage.is_waiting(waiting));
    assert_eq!(delete(&mut stage, "g", &["t"]).0, ErrorCode::NonEmptyGroup);
}

#[test]
fn a_retention_of_its_own_is_remembered_in_the_old_version() {
    let mut stage = Stage::new();
    let request = OffsetCommitRequest { retention_time_ms: 60_000, ..offset(-1, "", 5) };
    assert_eq!(stage.commit(4, request), ErrorCode::None);
    let (_, value) = stage.log.last().expect("a record").clone();
    let value = value.expect("no tombstone");
    assert_eq!(value[..2], [0, 1]);
    let GroupRecord::Offset { value: Some(value), .. } = stage.last() else { panic!("an offset") };
    assert_eq!(value.expire_timestamp, stage.now.wall.0 + 60_000);
}

#[test]
fn a_commit_is_remembered_with_its_leader_epoch_and_topic_id() {
    let mut stage = Stage::new();
    let mut request = offset(-1, "", 5);
    request.topics[0].partitions[0].committed_leader_epoch = 3;
    request.topics[0].partitions[0].committed_metadata = Some("note".into());
    stage.commit(9, request);
    let (_, bytes) = stage.log.last().expect("a record").clone();
    assert_eq!(bytes.expect("no tombstone")[..2], [0, 4]);
    let GroupRecord::Offset { key, value: Some(value) } = stage.last() else { panic!("an offset") };
    let place: (Str, Str, i32) = (key.group, key.topic, key.partition);
    assert_eq!(place, ("g".into(), "t".into(), 0));
    assert_eq!((value.leader_epoch, &*value.metadata, value.topic_id), (3, "note", Uuid([7; 16])));
    let body = fetch(&mut stage, 9, fetch_of("g", None));
    assert_eq!(body.groups[0].topics[0].partitions[0].committed_leader_epoch, 3);
}
