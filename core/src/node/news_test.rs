use super::super::node_test::with_topic;
use super::super::scene_test::{Scene, batch};
use super::news_of;
use crate::boundary::Note;
use crate::metadata::{LogChange, Partition};
use crate::msg::Request;
use crate::msg::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use crate::msg::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use crate::msg::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use crate::msg::delete_topics::DeleteTopicsRequest;
use crate::msg::incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest};
use crate::types::{BrokerId, LeaderEpoch, LogId, Offset, PartitionEpoch, Str, Uuid};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::vec;

/// Notes about topics and their records since the last look.
fn notes(scene: &mut Scene) -> Vec<Note> {
    let is_news = |note: &Note| {
        matches!(
            note,
            Note::TopicCreated { .. }
                | Note::TopicDeleted { .. }
                | Note::PartitionsAdded { .. }
                | Note::TopicConfigured { .. }
                | Note::Trimmed { .. }
        )
    };
    scene.notes.drain(..).filter(is_news).collect()
}

fn alter(scene: &mut Scene, config_operation: i8, value: Option<&str>) {
    let configs = vec![AlterableConfig { name: "retention.ms".into(), config_operation, value: value.map(Str::from) }];
    let resources = vec![AlterConfigsResource { resource_type: 2, resource_name: "orders".into(), configs }];
    let body = IncrementalAlterConfigsRequest { resources, validate_only: false };
    scene.ask(1, Request::IncrementalAlterConfigs(body));
}

#[test]
fn each_change_of_a_topic_is_noted_once_by_its_name() {
    let mut scene = with_topic(2);
    let created = notes(&mut scene);
    let [Note::TopicCreated { topic, partitions: 2, replicas: 1, settings, .. }] = &created[..] else {
        panic!("{created:?}")
    };
    assert!(topic == "orders" && settings.is_empty());
    alter(&mut scene, 0, Some("5000"));
    let set = vec![("retention.ms".into(), "5000".into())];
    assert_eq!(notes(&mut scene), [Note::TopicConfigured { topic: "orders".into(), set, unset: vec![] }]);
    alter(&mut scene, 1, None);
    let unset = vec!["retention.ms".into()];
    assert_eq!(notes(&mut scene), [Note::TopicConfigured { topic: "orders".into(), set: vec![], unset }]);
    let topics = vec![CreatePartitionsTopic { name: "orders".into(), count: 5, assignments: None }];
    scene.ask(2, Request::CreatePartitions(CreatePartitionsRequest { topics, timeout_ms: 1000, validate_only: false }));
    assert_eq!(notes(&mut scene), [Note::PartitionsAdded { topic: "orders".into(), before: 2, after: 5 }]);
    let body = DeleteTopicsRequest { topic_names: vec!["orders".into()], timeout_ms: 1000, ..Default::default() };
    scene.ask(4, Request::DeleteTopics(body));
    let deleted = notes(&mut scene);
    assert!(matches!(&deleted[..], [Note::TopicDeleted { topic, .. }] if topic == "orders"), "{deleted:?}");
}

#[test]
fn a_topic_of_thousands_of_partitions_is_one_note_and_so_is_each_of_many() {
    let mut scene = with_topic(1);
    notes(&mut scene);
    let topic = |at: usize| CreatableTopic {
        name: format!("t-{at}").into(),
        num_partitions: if at == 0 { 2000 } else { 1 },
        replication_factor: 1,
        configs: vec![CreatableTopicConfig { name: "retention.ms".into(), value: Some("5".into()) }],
        ..Default::default()
    };
    let topics = (0..100).map(topic).collect();
    scene.ask(7, Request::CreateTopics(CreateTopicsRequest { topics, ..Default::default() }));
    scene.pass(Duration::from_secs(1));
    let told = notes(&mut scene);
    assert_eq!(told.len(), 100);
    let wanted = vec![("retention.ms".into(), "5".into())];
    let is_large =
        |note: &Note| matches!(note, Note::TopicCreated { settings, partitions: 2000, .. } if *settings == wanted);
    assert_eq!(told.iter().filter(|note| is_large(note)).count(), 1, "{told:?}");
}

#[test]
fn a_start_is_no_news() {
    let mut scene = with_topic(1);
    notes(&mut scene);
    scene.restart(&[]);
    assert!(scene.node.view().image().topic_named("orders").is_some());
    assert_eq!(notes(&mut scene), []);
}

#[test]
fn records_that_a_client_deletes_are_noted_with_both_beginnings() {
    let mut scene = with_topic(1);
    scene.produce(-1, "orders", vec![(0, batch(3))]);
    notes(&mut scene);
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: 2 }];
    let topics = vec![DeleteRecordsTopic { name: "orders".into(), partitions }];
    let ask = |scene: &mut Scene| {
        let body = DeleteRecordsRequest { topics: topics.clone(), timeout_ms: 1000 };
        scene.ask(2, Request::DeleteRecords(body));
        notes(scene)
    };
    let told = ask(&mut scene);
    let is_it = |note: &Note| matches!(note, Note::Trimmed { before: Offset(0), after: Offset(2), is_asked: true, log } if log.partition == 0);
    assert!(told.len() == 1 && is_it(&told[0]), "{told:?}");
    assert_eq!(ask(&mut scene), [], "nothing went");
}

/// A partition that this one leads, and so on: replicas, those on their way in, those in sync.
fn held(replicas: &[i32], adding: &[i32], isr: &[i32]) -> Arc<Partition> {
    let ids = |all: &[i32]| -> Vec<BrokerId> { all.iter().copied().map(BrokerId).collect() };
    Arc::new(Partition {
        replicas: ids(replicas),
        directories: vec![Uuid::ZERO; replicas.len()],
        isr: ids(isr),
        removing: Vec::new(),
        adding: ids(adding),
        eligible: Vec::new(),
        last_eligible: Vec::new(),
        leader: BrokerId(1),
        leader_epoch: LeaderEpoch(1),
        partition_epoch: PartitionEpoch(1),
        recovering: false,
    })
}

#[test]
fn a_reassignment_is_noted_by_who_leads_once_it_is_over() {
    let log = LogId { topic: Uuid([1; 16]), partition: 0 };
    let change = |before: &Arc<Partition>, after: &Arc<Partition>| LogChange::Changed {
        log,
        before: before.clone(),
        after: after.clone(),
    };
    let (begun, grown, over) = (held(&[1, 2], &[2], &[1]), held(&[1, 2], &[2], &[1, 2]), held(&[1, 2], &[], &[1, 2]));
    let ids = |all: &[i32]| -> Vec<BrokerId> { all.iter().copied().map(BrokerId).collect() };
    let joined = Note::IsrChanged { log, isr: ids(&[1, 2]), joined: ids(&[2]), left: vec![], replicas: 2 };
    let done = Note::Reassigned { log, before: ids(&[1, 2]), replicas: ids(&[1, 2]) };
    let both = [joined, done];
    assert_eq!(news_of(BrokerId(1), &change(&begun, &grown)), both[..1]);
    assert_eq!(news_of(BrokerId(1), &change(&grown, &over)), both[1..]);
    assert_eq!(news_of(BrokerId(1), &change(&begun, &over)), both);
    assert_eq!(news_of(BrokerId(2), &change(&begun, &over)), [], "who leads says it");
}
