use super::scene_test::{Scene, batch, bytes};
use crate::boundary::{DiskFault, Input, Note};
use crate::msg::api_versions::ApiVersionsRequest;
use crate::msg::create_topics::{CreatableTopic, CreateTopicsRequest};
use crate::msg::delete_groups::DeleteGroupsRequest;
use crate::msg::delete_topics::DeleteTopicsRequest;
use crate::msg::describe_groups::DescribeGroupsRequest;
use crate::msg::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use crate::msg::find_coordinator::FindCoordinatorRequest;
use crate::msg::init_producer_id::InitProducerIdRequest;
use crate::msg::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::msg::list_groups::{ListGroupsRequest, ListGroupsResponse};
use crate::msg::metadata::{MetadataRequest, MetadataRequestTopic};
use crate::msg::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::msg::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic};
use crate::msg::produce::ProduceResponse;
use crate::msg::{Request, Response};
use crate::types::{ConnId, ErrorCode, LogId, Offset, Str, Ticket, Uuid};
use alloc::vec::Vec;
use core::time::Duration;
use std::vec;

pub fn with_topic(partitions: i32) -> Scene {
    let mut scene = Scene::new(&[("group.initial.rebalance.delay.ms", "0"), ("offsets.topic.num.partitions", "3")]);
    assert!(scene.node.view().is_ready());
    let topic = CreatableTopic {
        name: Str::from("orders"),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    let ticket = scene.ask(7, Request::CreateTopics(CreateTopicsRequest { topics: vec![topic], ..Default::default() }));
    let Some(Some(Response::CreateTopics(response))) = scene.answer(ticket) else { panic!("answered at once") };
    assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    scene
}

fn produced(scene: &mut Scene, ticket: Ticket) -> ProduceResponse {
    match scene.answer(ticket) {
        Some(Some(Response::Produce(response))) => response,
        other => panic!("{other:?}"),
    }
}

fn errors(response: &ProduceResponse) -> Vec<i16> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.map(|partition| partition.error_code).collect()
}

fn fetch(scene: &mut Scene, from: i64, min_bytes: i32) -> Ticket {
    fetch_of(scene, from, (min_bytes, 1 << 20))
}

fn fetch_of(scene: &mut Scene, from: i64, (min_bytes, partition_max_bytes): (i32, i32)) -> Ticket {
    let partition = FetchPartition { partition: 0, fetch_offset: from, partition_max_bytes, ..Default::default() };
    let topic = FetchTopic { topic: Str::from("orders"), partitions: vec![partition], ..Default::default() };
    let request = FetchRequest {
        replica_id: -1,
        max_wait_ms: 500,
        min_bytes,
        max_bytes: 1 << 20,
        topics: vec![topic],
        ..Default::default()
    };
    scene.ask(11, Request::Fetch(request))
}

fn fetched(scene: &mut Scene, ticket: Ticket) -> Option<FetchResponse> {
    match scene.answer(ticket)? {
        Some(Response::Fetch(response)) => Some(response),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_produced_is_acknowledged_once_it_is_stored_and_then_fetched() {
    let mut scene = with_topic(1);
    scene.is_slow = true;
    let ticket = scene.produce(-1, "orders", vec![(0, batch(3))]);
    assert!(scene.answer(ticket).is_none(), "nothing is flushed yet");
    scene.release();
    let response = produced(&mut scene, ticket);
    assert_eq!((errors(&response), response.responses[0].partition_responses[0].base_offset), (vec![0], 0));
    let ticket = fetch(&mut scene, 0, 1);
    let response = fetched(&mut scene, ticket).expect("there is something");
    let data = &response.responses[0].partitions[0];
    assert_eq!((data.high_watermark, data.error_code), (3, 0));
    assert_eq!(bytes(&data.records), batch(3).batch().bytes_len());
}

#[test]
fn an_answer_waits_for_all_its_partitions() {
    let mut scene = with_topic(2);
    let ticket = scene.produce(-1, "orders", vec![(0, batch(1)), (1, batch(1)), (7, batch(1))]);
    let response = produced(&mut scene, ticket);
    assert_eq!(errors(&response), vec![0, 0, ErrorCode::UnknownTopicOrPartition.code()]);
}

#[test]
fn a_produce_that_is_never_stored_times_out_by_itself() {
    let mut scene = with_topic(1);
    scene.is_slow = true;
    let ticket = scene.produce(-1, "orders", vec![(0, batch(1))]);
    scene.pass(Duration::from_secs(31));
    assert_eq!(errors(&produced(&mut scene, ticket)), vec![ErrorCode::RequestTimedOut.code()]);
    scene.release();
    assert!(scene.answer(ticket).is_none(), "one answer a ticket");
}

#[test]
fn without_acks_there_is_silence_or_the_connection_ends() {
    let mut scene = with_topic(1);
    let ticket = scene.produce(0, "orders", vec![(0, batch(1))]);
    assert_eq!(scene.answer(ticket), Some(None));
    let ticket = scene.produce(0, "nowhere", vec![(0, batch(1))]);
    assert!(scene.answer(ticket).is_none());
    assert_eq!(scene.hangups, vec![ConnId(1)]);
}

#[test]
fn a_fetch_at_the_end_waits_for_records_or_for_its_time() {
    let mut scene = with_topic(1);
    let early = fetch(&mut scene, 0, 1);
    assert!(fetched(&mut scene, early).is_none());
    scene.produce(1, "orders", vec![(0, batch(1))]);
    let response = fetched(&mut scene, early).expect("records came");
    assert!(bytes(&response.responses[0].partitions[0].records) > 0);

    let late = fetch(&mut scene, 1, 1);
    scene.pass(Duration::from_millis(499));
    assert!(fetched(&mut scene, late).is_none());
    scene.pass(Duration::from_millis(2));
    let response = fetched(&mut scene, late).expect("its time is over");
    assert_eq!(bytes(&response.responses[0].partitions[0].records), 0);
}

#[test]
fn a_fetch_that_wants_more_bytes_waits_for_more_batches() {
    let mut scene = with_topic(1);
    let size = batch(1).batch().bytes_len() as i32;
    let ticket = fetch(&mut scene, 0, 2 * size);
    scene.produce(1, "orders", vec![(0, batch(1))]);
    assert!(fetched(&mut scene, ticket).is_none());
    scene.produce(1, "orders", vec![(0, batch(1))]);
    let response = fetched(&mut scene, ticket).expect("enough");
    assert_eq!(bytes(&response.responses[0].partitions[0].records), 2 * size as usize);
}

#[test]
fn a_fetch_that_may_have_less_of_a_partition_than_it_waits_for_hears_that_it_is_gone() {
    let mut scene = with_topic(1);
    scene.produce(1, "orders", vec![(0, batch(50))]);
    let ticket = fetch_of(&mut scene, 0, (100, 8));
    assert!(fetched(&mut scene, ticket).is_none());
    let request =
        DeleteTopicsRequest { topic_names: vec![Str::from("orders")], timeout_ms: 1000, ..Default::default() };
    scene.ask(5, Request::DeleteTopics(request));
    let response = fetched(&mut scene, ticket).expect("there is nothing to wait for");
    let gone = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(response.responses[0].partitions[0].error_code, gone);
}

#[test]
fn a_closed_connection_is_never_answered() {
    let mut scene = with_topic(1);
    fetch(&mut scene, 0, 1);
    scene.step(Input::Closed { conn: ConnId(1) });
    scene.produce(1, "orders", vec![(0, batch(1))]);
    scene.pass(Duration::from_secs(1));
    assert!(!scene.replies.iter().any(|(_, body)| matches!(body, Some(Response::Fetch(_)))));
}

#[test]
fn topics_records_and_producer_numbers_survive_a_restart() {
    let mut scene = with_topic(1);
    scene.produce(1, "orders", vec![(0, batch(2))]);
    let number = |scene: &mut Scene| {
        let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        let ticket = scene.ask(4, Request::InitProducerId(request));
        match scene.answer(ticket) {
            Some(Some(Response::InitProducerId(response))) => response.producer_id,
            other => panic!("{other:?}"),
        }
    };
    let first = number(&mut scene);
    assert_ne!(number(&mut scene), first);
    scene.restart(&[]);
    assert!(scene.node.view().is_ready());
    assert!(number(&mut scene) > first + 1, "a number is given out once, whatever happens");
    let ticket = fetch(&mut scene, 0, 1);
    let response = fetched(&mut scene, ticket).expect("records are there");
    assert_eq!(response.responses[0].partitions[0].high_watermark, 2);
}

#[test]
fn a_metadata_log_that_begins_with_a_snapshot_tells_everything() {
    let always = [("metadata.log.max.record.bytes.between.snapshots", "1")];
    let mut scene = Scene::new(&always);
    let known = |scene: &mut Scene| {
        let ticket = scene.ask(12, Request::Metadata(MetadataRequest { topics: None, ..Default::default() }));
        match scene.answer(ticket) {
            Some(Some(Response::Metadata(response))) => (response.brokers, response.topics),
            other => panic!("{other:?}"),
        }
    };
    let mut start = Offset::ZERO;
    for name in ["one", "two", "three"] {
        let topic =
            CreatableTopic { name: name.into(), num_partitions: 2, replication_factor: 1, ..Default::default() };
        scene.ask(7, Request::CreateTopics(CreateTopicsRequest { topics: vec![topic], ..Default::default() }));
        let log = scene.log(LogId::METADATA);
        assert!(log.start() > start && log.start() < log.end(), "what came before is gone: {log:?}");
        start = log.start();
    }
    let before = known(&mut scene);
    assert_eq!(before.1.len(), 3);
    scene.restart(&always);
    assert!(scene.node.view().is_ready());
    assert_eq!(known(&mut scene), before);
}

#[test]
fn a_new_reign_begins_only_after_a_life_that_may_have_lost_something() {
    let mut scene = with_topic(1);
    let reign = |scene: &Scene| {
        let topic = scene.node.view().image().topic_named("orders").expect("made").clone();
        topic.partitions.get(&0).expect("made").leader_epoch.0
    };
    let relaxed = [("ottla.durability", "relaxed")];
    for (settings, expected) in [(&[][..], 0), (&relaxed, 0), (&[], 1), (&[], 1)] {
        scene.restart(settings);
        assert_eq!(reign(&scene), expected, "{settings:?}");
    }
}

#[test]
fn a_topic_that_somebody_asks_for_comes_into_being() {
    let mut scene = Scene::new(&[]);
    let wanted = MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some(Str::from("new")) };
    let request = MetadataRequest { topics: Some(vec![wanted]), allow_auto_topic_creation: true, ..Default::default() };
    let ask = |scene: &mut Scene| {
        let ticket = scene.ask(12, Request::Metadata(request.clone()));
        match scene.answer(ticket) {
            Some(Some(Response::Metadata(response))) => response,
            other => panic!("{other:?}"),
        }
    };
    assert_ne!(ask(&mut scene).topics[0].error_code, 0, "not yet");
    let response = ask(&mut scene);
    assert_eq!((response.topics[0].error_code, response.topics[0].partitions.len()), (0, 1));
    assert_eq!(response.brokers.len(), 1);
}

#[test]
fn a_client_of_another_cluster_is_sent_away() {
    let mut scene = Scene::new(&[]);
    let request = ApiVersionsRequest { cluster_id: Some(Str::from("elsewhere")), node_id: -1, ..Default::default() };
    let ticket = scene.ask(5, Request::ApiVersions(request));
    let Some(Some(Response::ApiVersions(response))) = scene.answer(ticket) else { panic!("answered") };
    assert_eq!(response.error_code, ErrorCode::RebootstrapRequired.code());
}

fn coordinator(scene: &mut Scene) -> i16 {
    let request = FindCoordinatorRequest { key: Str::from("readers"), ..Default::default() };
    let ticket = scene.ask(2, Request::FindCoordinator(request));
    match scene.answer(ticket) {
        Some(Some(Response::FindCoordinator(response))) => response.error_code,
        other => panic!("{other:?}"),
    }
}

fn commit(scene: &mut Scene, offset: i64) -> Ticket {
    let partition = OffsetCommitRequestPartition { partition_index: 0, committed_offset: offset, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: Str::from("orders"), partitions: vec![partition], ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: Str::from("readers"),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    scene.ask(8, Request::OffsetCommit(request))
}

fn committed(scene: &mut Scene) -> (i16, i64) {
    let topic = OffsetFetchRequestTopic { name: Str::from("orders"), partition_indexes: vec![0] };
    let request =
        OffsetFetchRequest { group_id: Str::from("readers"), topics: Some(vec![topic]), ..Default::default() };
    let ticket = scene.ask(6, Request::OffsetFetch(request));
    match scene.answer(ticket) {
        Some(Some(Response::OffsetFetch(response))) => {
            let partition = response.topics.first().and_then(|topic| topic.partitions.first());
            (response.error_code, partition.map_or(-1, |partition| partition.committed_offset))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn before_any_group_a_list_is_empty_and_nobody_coordinates() {
    let mut scene = with_topic(1);
    let ticket = scene.ask(4, Request::ListGroups(ListGroupsRequest::default()));
    let Some(Some(Response::ListGroups(listed))) = scene.answer(ticket) else { panic!("answered") };
    assert_eq!(listed, ListGroupsResponse::default());
    let groups = vec![Str::from("readers")];
    let ticket = scene.ask(5, Request::DescribeGroups(DescribeGroupsRequest { groups, ..Default::default() }));
    let Some(Some(Response::DescribeGroups(described))) = scene.answer(ticket) else { panic!("answered") };
    assert_eq!(described.groups[0].error_code, ErrorCode::NotCoordinator.code());
}

#[test]
fn a_log_is_told_of_by_the_store_alone() {
    let mut scene = with_topic(1);
    let request =
        DeleteTopicsRequest { topic_names: vec![Str::from("orders")], timeout_ms: 1000, ..Default::default() };
    scene.ask(5, Request::DeleteTopics(request));
    let is_told = |note: &Note| matches!(note, Note::LogCreated { .. } | Note::LogDeleted { .. });
    assert!(!scene.notes.iter().any(is_told), "{:?}", scene.notes);
}

#[test]
fn the_first_question_for_a_coordinator_makes_its_topic() {
    let mut scene = with_topic(1);
    assert_eq!(coordinator(&mut scene), ErrorCode::CoordinatorNotAvailable.code());
    assert_eq!(coordinator(&mut scene), 0);
}

#[test]
fn a_committed_offset_is_acknowledged_when_stored_and_survives_a_restart() {
    let mut scene = with_topic(1);
    coordinator(&mut scene);
    scene.is_slow = true;
    let ticket = commit(&mut scene, 42);
    assert!(scene.answer(ticket).is_none(), "not stored yet");
    scene.release();
    assert!(scene.answer(ticket).is_some());
    assert_eq!(committed(&mut scene), (0, 42));
    scene.restart(&[("offsets.topic.num.partitions", "3")]);
    assert_eq!(committed(&mut scene), (0, 42));
}

#[test]
fn a_coordinator_that_cannot_store_forgets_what_it_decided() {
    let mut scene = with_topic(1);
    coordinator(&mut scene);
    commit(&mut scene, 1);
    scene.append_fault = Some(DiskFault::Full);
    let ticket = commit(&mut scene, 2);
    assert!(scene.answer(ticket).is_none());
    assert_eq!(scene.hangups.last(), Some(&ConnId(1)), "nobody knows whether it will stand");
    scene.append_fault = None;
    assert_eq!(committed(&mut scene), (0, 1));
}

#[test]
fn a_coordinator_speaks_only_when_all_that_was_committed_is_read() {
    let mut scene = with_topic(1);
    coordinator(&mut scene);
    commit(&mut scene, 1);
    commit(&mut scene, 42);
    scene.readable_to = Some(Offset(1));
    scene.restart(&[("offsets.topic.num.partitions", "3")]);
    let loading = ErrorCode::CoordinatorLoadInProgress.code();
    assert_eq!(committed(&mut scene).0, loading, "the second commit is missing");
    let short = |note: &Note| matches!(note, Note::LoadedShort { read: Offset(1), committed: Offset(2), .. });
    assert!(scene.notes.iter().any(short), "{:?}", scene.notes);
    scene.pass(Duration::from_secs(2));
    assert_eq!(committed(&mut scene).0, loading, "it is still missing");
    scene.readable_to = None;
    scene.pass(Duration::from_secs(2));
    assert_eq!(committed(&mut scene), (0, 42));
}

#[test]
fn a_coordinator_whose_append_failed_reads_all_that_was_committed_before() {
    let mut scene = with_topic(1);
    coordinator(&mut scene);
    commit(&mut scene, 1);
    commit(&mut scene, 42);
    scene.readable_to = Some(Offset(1));
    scene.append_fault = Some(DiskFault::Full);
    commit(&mut scene, 43);
    scene.append_fault = None;
    assert_eq!(committed(&mut scene).0, ErrorCode::CoordinatorLoadInProgress.code());
    scene.readable_to = None;
    scene.pass(Duration::from_secs(2));
    assert_eq!(committed(&mut scene), (0, 42));
}

#[test]
fn where_nobody_knows_which_groups_are_deleted_the_connection_ends() {
    let mut scene = with_topic(1);
    coordinator(&mut scene);
    commit(&mut scene, 1);
    scene.append_fault = Some(DiskFault::Full);
    let groups_names = vec![Str::from("readers"), Str::from("others")];
    let ticket = scene.ask(2, Request::DeleteGroups(DeleteGroupsRequest { groups_names }));
    assert!(scene.answer(ticket).is_none());
    assert_eq!(scene.hangups, [ConnId(1)]);
}

#[test]
fn what_coordinators_keep_is_written_by_nobody_else() {
    let mut scene = with_topic(1);
    coordinator(&mut scene);
    let ticket = scene.produce(-1, "__consumer_offsets", vec![(0, batch(1))]);
    assert_eq!(errors(&produced(&mut scene, ticket)), vec![ErrorCode::InvalidTopicException.code()]);
    commit(&mut scene, 42);
    scene.restart(&[("offsets.topic.num.partitions", "3")]);
    assert_eq!(committed(&mut scene), (0, 42));
}

#[test]
fn whoever_wants_transactions_is_told_at_once_that_there_are_none() {
    let mut scene = with_topic(1);
    let no = ErrorCode::TransactionalIdAuthorizationFailed.code();
    let request = FindCoordinatorRequest { key: Str::from("bank"), key_type: 1, ..Default::default() };
    let ticket = scene.ask(2, Request::FindCoordinator(request));
    let Some(Some(Response::FindCoordinator(response))) = scene.answer(ticket) else { panic!("answered") };
    assert_eq!(response.error_code, no);
    assert_eq!(response.error_message.as_deref(), Some("transactions are not supported yet"));
    let request = InitProducerIdRequest { transactional_id: Some(Str::from("bank")), ..Default::default() };
    let ticket = scene.ask(4, Request::InitProducerId(request));
    let Some(Some(Response::InitProducerId(response))) = scene.answer(ticket) else { panic!("answered") };
    assert_eq!((response.error_code, response.producer_id), (no, -1));
}

#[test]
fn whoever_wants_the_consumer_protocol_is_told_that_it_is_not_there() {
    let mut scene = with_topic(1);
    let ticket = scene.ask(1, Request::ConsumerGroupHeartbeat(Default::default()));
    let Some(Some(Response::ConsumerGroupHeartbeat(response))) = scene.answer(ticket) else { panic!("answered") };
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
}

#[test]
fn a_fetch_that_is_refused_has_an_answer_in_every_version() {
    for version in 4..=18 {
        let mut scene = with_topic(1);
        let partition = FetchPartition { partition: 0, ..Default::default() };
        let topic = FetchTopic { topic: Str::from("orders"), partitions: vec![partition], ..Default::default() };
        let mut request = FetchRequest { replica_id: 3, topics: vec![topic], ..Default::default() };
        request.replica_state.replica_id = 3;
        let ticket = scene.ask(version, Request::Fetch(request));
        let response = fetched(&mut scene, ticket).expect("refused at once");
        let data = &response.responses[0].partitions[0];
        assert_eq!(data.error_code, ErrorCode::NotLeaderOrFollower.code());
        assert_eq!(data.current_leader.leader_id, if version >= 12 { 1 } else { -1 }, "version {version}");
        let encoded = crate::wire::encode_response(&response.into(), version, &mut crate::wire::Writer::new());
        assert!(encoded.is_ok(), "version {version}: {encoded:?}");
    }
}

#[test]
fn a_full_disk_stops_decisions_until_there_is_room() {
    let mut scene = with_topic(1);
    scene.append_fault = Some(DiskFault::Full);
    let topic =
        || CreatableTopic { name: Str::from("more"), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let create = |scene: &mut Scene| {
        scene.ask(7, Request::CreateTopics(CreateTopicsRequest { topics: vec![topic()], ..Default::default() }))
    };
    let refused = create(&mut scene);
    assert!(scene.answer(refused).is_none());
    assert!(!scene.hangups.is_empty());
    scene.append_fault = None;
    scene.pass(Duration::from_secs(3));
    let ticket = create(&mut scene);
    let Some(Some(Response::CreateTopics(response))) = scene.answer(ticket) else { panic!("answered") };
    assert_eq!(response.topics[0].error_code, 0, "the failed attempt left nothing behind");
}

#[test]
fn a_member_joins_a_group() {
    let mut scene = with_topic(1);
    coordinator(&mut scene);
    let protocol = JoinGroupRequestProtocol { name: Str::from("range"), metadata: bytes::Bytes::new() };
    let request = JoinGroupRequest {
        group_id: Str::from("readers"),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: Str::from("consumer"),
        protocols: vec![protocol],
        ..Default::default()
    };
    let ticket = scene.ask(3, Request::JoinGroup(request));
    scene.pass(Duration::from_millis(1));
    let Some(Some(Response::JoinGroup(response))) = scene.answer(ticket) else { panic!("answered") };
    assert_eq!((response.error_code, response.generation_id), (0, 1));
    assert_eq!(response.leader, response.member_id);
}

#[test]
fn equal_histories_have_equal_digests_and_any_difference_shows() {
    let run = |extra: bool| {
        let mut scene = with_topic(2);
        scene.produce(1, "orders", vec![(0, batch(1))]);
        if extra {
            fetch(&mut scene, 1, 1);
        }
        (scene.node.digest(), scene.node.freeze())
    };
    assert_eq!(run(false), run(false));
    assert_ne!(run(false).0, run(true).0);
}
