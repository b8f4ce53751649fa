use crate::boundary::{DiskFault, Ignored, Input, Note};
use crate::msg::create_topics::{CreatableTopic, CreateTopicsRequest};
use crate::msg::delete_topics::DeleteTopicsRequest;
use crate::msg::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use crate::msg::fetch::{FetchPartition, FetchRequest, FetchTopic};
use crate::msg::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use crate::msg::metadata::{MetadataRequest, MetadataRequestTopic};
use crate::msg::{ApiKey, Request, Response};
use crate::node::scene_test::{Scene, batch};
use crate::types::{ConnId, ErrorCode, Str, Ticket, Uuid, limit};
use crate::wire;
use core::time::Duration;
use std::format;
use std::vec;
use std::vec::Vec;

/// What a step may ask of the world at most for a request that names thousands.
const EFFECTS_MAX: usize = 1000;

fn names(count: usize) -> Vec<Str> {
    (0..count).map(|at| Str::from(format!("t{at:05}"))).collect()
}

fn create(scene: &mut Scene, names: &[Str], partitions: i32) -> Ticket {
    let topic = |name: &Str| CreatableTopic {
        name: name.clone(),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    let topics = names.iter().map(topic).collect();
    scene.ask(7, Request::CreateTopics(CreateTopicsRequest { topics, ..Default::default() }))
}

/// The answer that was encoded off the node's thread.
fn sent(scene: &mut Scene, ticket: Ticket, api: ApiKey, version: i16) -> Option<Response> {
    let at = scene.sent.iter().position(|(known, _)| *known == ticket)?;
    let (_, body) = scene.sent.remove(at);
    let mut reader = wire::Reader::new(&body, 1 << 30);
    Some(wire::decode_response(api, version, &mut reader).expect("well encoded"))
}

fn metadata(scene: &mut Scene, topics: Option<Vec<Str>>) -> Ticket {
    let named = |name| MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some(name) };
    let topics = topics.map(|names| names.into_iter().map(named).collect());
    scene.ask(12, Request::Metadata(MetadataRequest { topics, ..Default::default() }))
}

#[test]
fn many_topics_are_made_described_and_deleted_in_pieces_and_others_come_between() {
    let mut scene = Scene::new(&[]);
    let wanted = names(300);
    let made = create(&mut scene, &wanted, 1);
    let all = metadata(&mut scene, None);
    assert!(scene.answer(all).is_some(), "whoever comes later need not wait for all of it");
    scene.pass(Duration::from_millis(1));
    let Some(Response::CreateTopics(made)) = sent(&mut scene, made, ApiKey::CreateTopics, 7) else { panic!("made") };
    assert_eq!(made.topics.iter().map(|topic| topic.name.clone()).collect::<Vec<_>>(), wanted);
    assert!(made.topics.iter().all(|topic| topic.error_code == 0));

    let all = metadata(&mut scene, None);
    let few = metadata(&mut scene, Some(names(3)));
    assert!(scene.answer(few).is_some());
    scene.pass(Duration::from_millis(1));
    let Some(Response::Metadata(all)) = sent(&mut scene, all, ApiKey::Metadata, 12) else { panic!("told") };
    assert_eq!(all.topics.iter().filter_map(|topic| topic.name.clone()).collect::<Vec<_>>(), wanted);
    assert_eq!(all.brokers.len(), 1);

    let gone = DeleteTopicsRequest { topic_names: wanted, timeout_ms: 1000, ..Default::default() };
    let gone = scene.ask(5, Request::DeleteTopics(gone));
    scene.pass(Duration::from_millis(1));
    let Some(Response::DeleteTopics(gone)) = sent(&mut scene, gone, ApiKey::DeleteTopics, 5) else { panic!("gone") };
    assert!(gone.responses.len() == 300 && gone.responses.iter().all(|topic| topic.error_code == 0));
    assert!(scene.effects_most <= EFFECTS_MAX, "{} effects in one step", scene.effects_most);
    assert!(scene.replies.is_empty(), "nobody else was answered");
}

#[test]
fn what_is_described_in_pieces_is_described_as_of_one_moment() {
    let mut scene = Scene::new(&[]);
    create(&mut scene, &names(300), 1);
    scene.pass(Duration::from_millis(1));
    scene.sent.clear();
    let all = metadata(&mut scene, None);
    let last =
        DeleteTopicsRequest { topic_names: vec![names(300).remove(299)], timeout_ms: 1000, ..Default::default() };
    scene.ask(5, Request::DeleteTopics(last));
    scene.pass(Duration::from_millis(1));
    let Some(Response::Metadata(all)) = sent(&mut scene, all, ApiKey::Metadata, 12) else { panic!("told") };
    assert!(all.topics.len() == 300 && all.topics.iter().all(|topic| topic.error_code == 0));
}

#[test]
fn thousands_of_partitions_are_asked_in_pieces() {
    let mut scene = Scene::new(&[]);
    create(&mut scene, &names(1), 10);
    let partition = |index| ListOffsetsPartition { partition_index: index, timestamp: -1, ..Default::default() };
    let topic = |name| ListOffsetsTopic { name, partitions: (0..1000).map(partition).collect() };
    let topics = names(2).into_iter().map(topic).collect();
    let ticket = scene.ask(6, Request::ListOffsets(ListOffsetsRequest { topics, ..Default::default() }));
    scene.pass(Duration::from_millis(1));
    let Some(Response::ListOffsets(told)) = sent(&mut scene, ticket, ApiKey::ListOffsets, 6) else { panic!("told") };
    let errors = |topic: usize| told.topics[topic].partitions.iter().filter(|one| one.error_code != 0).count();
    assert_eq!((told.topics.len(), errors(0), errors(1)), (2, 990, 1000));
}

#[test]
fn settings_of_many_topics_are_told_in_pieces() {
    let mut scene = Scene::new(&[]);
    let resource =
        |resource_name| DescribeConfigsResource { resource_type: 2, resource_name, configuration_keys: None };
    let request =
        DescribeConfigsRequest { resources: names(50).into_iter().map(resource).collect(), ..Default::default() };
    let ticket = scene.ask(4, Request::DescribeConfigs(request));
    scene.pass(Duration::from_millis(1));
    let Some(Response::DescribeConfigs(told)) = sent(&mut scene, ticket, ApiKey::DescribeConfigs, 4) else {
        panic!("told")
    };
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert!(told.results.len() == 50 && told.results.iter().all(|one| one.error_code == unknown));
}

#[test]
fn what_may_be_created_at_once_is_counted_over_all_pieces() {
    let mut scene = Scene::new(&[("num.partitions", "100")]);
    let ticket = create(&mut scene, &names(300), -1);
    let Some(Some(Response::CreateTopics(refused))) = scene.answer(ticket) else { panic!("refused at once") };
    assert!(refused.topics.iter().all(|topic| topic.error_code == ErrorCode::PolicyViolation.code()));
    let named = |name| MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some(name) };
    let topics = Some(names(300).into_iter().map(named).collect());
    scene.ask(12, Request::Metadata(MetadataRequest { topics, allow_auto_topic_creation: true, ..Default::default() }));
    scene.pass(Duration::from_millis(1));
    assert_eq!(scene.node.view().image().topics().count(), 100);
}

#[test]
fn whoever_left_is_not_answered() {
    let mut scene = Scene::new(&[]);
    create(&mut scene, &names(300), 1);
    scene.step(Input::Closed { conn: ConnId(1) });
    scene.pass(Duration::from_millis(1));
    assert!(scene.sent.is_empty() && scene.replies.is_empty());
    let all = metadata(&mut scene, None);
    assert!(scene.answer(all).is_some(), "what was not begun is not done");
}

#[test]
fn where_nobody_knows_what_became_of_a_piece_the_connection_ends() {
    let mut scene = Scene::new(&[]);
    scene.append_fault = Some(DiskFault::Full);
    create(&mut scene, &names(300), 1);
    scene.pass(Duration::from_millis(1));
    assert_eq!(scene.hangups, [ConnId(1)]);
    assert!(scene.sent.is_empty() && scene.replies.is_empty());
}

#[test]
fn what_is_asked_a_thousand_times_is_not_answered_without_bound() {
    let mut scene = Scene::new(&[]);
    scene.node.slices.answer_bytes_max = 10_000;
    let broker = || DescribeConfigsResource {
        resource_type: 4,
        resource_name: Str::from("1"),
        configuration_keys: Some(vec![Str::from("log.dirs")]),
    };
    let many = |count| {
        let resources = (0..count).map(|_| broker()).collect();
        Request::DescribeConfigs(DescribeConfigsRequest { resources, ..Default::default() })
    };
    let few = scene.ask(4, many(50));
    scene.pass(Duration::from_millis(1));
    let Some(Response::DescribeConfigs(told)) = sent(&mut scene, few, ApiKey::DescribeConfigs, 4) else {
        panic!("told: {:?}", scene.hangups)
    };
    assert_eq!(told.results.len(), 50);
    scene.ask(4, many(1000));
    scene.pass(Duration::from_millis(1));
    assert_eq!(scene.hangups, [ConnId(1)]);
    assert!(scene.notes.contains(&Note::Ignored(Ignored::AnswerTooLong)));
    assert!(scene.sent.is_empty() && scene.replies.is_empty() && scene.node.slices.under_way.is_empty());
}

#[test]
fn of_many_requests_few_are_begun_at_a_time() {
    let mut scene = Scene::new(&[]);
    create(&mut scene, &names(300), 1);
    scene.pass(Duration::from_millis(1));
    scene.sent.clear();
    let all: Vec<Ticket> = (0..3 * limit::REQUESTS_SLICED_MAX).map(|_| metadata(&mut scene, None)).collect();
    while let Some(at) = scene.node.slices.deadline() {
        scene.now.mono = scene.now.mono.max(at);
        scene.step(Input::Wake);
        assert!(scene.node.slices.under_way.len() <= limit::REQUESTS_SLICED_MAX);
    }
    for ticket in all {
        let Some(Response::Metadata(told)) = sent(&mut scene, ticket, ApiKey::Metadata, 12) else { panic!("told") };
        assert_eq!(told.topics.len(), 300);
    }
}

#[test]
fn a_fetch_of_thousands_of_partitions_asks_them_in_short_steps() {
    let mut scene = Scene::new(&[]);
    create(&mut scene, &names(1), 1500);
    scene.pass(Duration::from_millis(1));
    scene.produce(1, "t00000", vec![(1499, batch(1))]);
    let partition =
        |partition| FetchPartition { partition, fetch_offset: 0, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic =
        FetchTopic { topic: Str::from("t00000"), partitions: (0..1500).map(partition).collect(), ..Default::default() };
    let request = FetchRequest {
        replica_id: -1,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![topic],
        ..Default::default()
    };
    let ticket = scene.ask(11, Request::Fetch(request));
    let all = metadata(&mut scene, Some(names(0)));
    assert!(scene.answer(ticket).is_none() && scene.answer(all).is_some(), "others come between");
    scene.pass(Duration::from_millis(1));
    let Some(Some(Response::Fetch(response))) = scene.answer(ticket) else { panic!("there is something") };
    let partitions = &response.responses[0].partitions;
    assert!(partitions.len() == 1500 && !partitions[1499].records.is_empty());
}

#[test]
fn what_is_known_at_start_is_taken_up_in_short_steps_before_anybody_is_let_in() {
    let mut scene = Scene::new(&[]);
    create(&mut scene, &names(1), 1500);
    scene.pass(Duration::from_millis(1));
    scene.notes_most = 0;
    scene.restart(&[]);
    assert!(!scene.node.view().is_ready());
    scene.pass(Duration::from_millis(1));
    assert!(scene.node.view().is_ready());
    assert_eq!(scene.node.view().partitions().count(), 1500);
    assert!(scene.notes_most <= EFFECTS_MAX, "{} notes in one step", scene.notes_most);
}
