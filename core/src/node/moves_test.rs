use crate::boundary::{Input, MoveStage};
use crate::msg::alter_replica_log_dirs::{AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest};
use crate::msg::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use crate::msg::create_topics::{CreatableTopic, CreateTopicsRequest};
use crate::msg::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResult};
use crate::msg::incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest};
use crate::msg::metadata::{MetadataRequest, MetadataRequestTopic};
use crate::msg::{Request, Response};
use crate::node::scene_test::{Scene, batch};
use crate::types::{BrokerId, ErrorCode, LogId, Str, Uuid};
use core::time::Duration;
use std::vec;
use std::vec::Vec;

const TWO: (&str, &str) = ("log.dirs", "one,two");

fn create(scene: &mut Scene, name: &str, partitions: i32) -> Uuid {
    let topic = CreatableTopic {
        name: Str::from(name),
        num_partitions: partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let body = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    let ticket = scene.ask(7, Request::CreateTopics(body));
    scene.answer(ticket).expect("it is answered");
    scene.node.view().image().topic_named(name).expect("it is there").id
}

/// A broker with two directories and a topic of two partitions, one in each.
fn with_two() -> (Scene, LogId, LogId) {
    let mut scene = Scene::new(&[TWO]);
    let topic = create(&mut scene, "orders", 2);
    let [first, second] = [0, 1].map(|partition| LogId { topic, partition });
    let is_elsewhere = |log: &LogId| scene.places.contains_key(log);
    match (is_elsewhere(&first), is_elsewhere(&second)) {
        (false, true) => (scene, first, second),
        (true, false) => (scene, second, first),
        other => panic!("one in each: {other:?}"),
    }
}

fn alter(scene: &mut Scene, path: &str, topic: &str, partition: i32) -> ErrorCode {
    let topics = vec![AlterReplicaLogDirTopic { name: Str::from(topic), partitions: vec![partition] }];
    let dirs = vec![AlterReplicaLogDir { path: Str::from(path), topics }];
    let ticket = scene.ask(2, Request::AlterReplicaLogDirs(AlterReplicaLogDirsRequest { dirs }));
    match scene.answer(ticket) {
        Some(Some(Response::AlterReplicaLogDirs(body))) => {
            assert_eq!((body.results.len(), body.results[0].topic_name.as_str()), (1, topic));
            let partitions = &body.results[0].partitions;
            assert_eq!((partitions.len(), partitions[0].partition_index), (1, partition));
            ErrorCode::from_code(partitions[0].error_code).expect("a code of Kafka's")
        }
        other => panic!("{other:?}"),
    }
}

fn described(scene: &mut Scene) -> Vec<DescribeLogDirsResult> {
    let ticket = scene.ask(4, Request::DescribeLogDirs(DescribeLogDirsRequest { topics: None }));
    match scene.answer(ticket) {
        Some(Some(Response::DescribeLogDirs(body))) => body.results,
        other => panic!("{other:?}"),
    }
}

/// The partitions in a directory, with what is said of each: is it a copy in the making, and how far does it lag?
fn held(result: &DescribeLogDirsResult) -> Vec<(i32, bool, i64)> {
    let partitions = result.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|one| (one.partition_index, one.is_future_key, one.offset_lag)).collect()
}

fn directory_in_image(scene: &Scene, log: LogId) -> Uuid {
    let view = scene.node.view();
    let partition = view.image().partition(log).expect("it is there");
    partition.directory_of(partition.replicas[0])
}

#[test]
fn a_replica_goes_to_another_directory_and_the_metadata_say_so() {
    let (mut scene, log, _) = with_two();
    assert_eq!(alter(&mut scene, "two", "orders", log.partition), ErrorCode::None);
    assert_eq!(scene.moves, [(log, 1)]);
    scene.step(Input::Moved { log, directory: 1, stage: MoveStage::Begun });
    scene.futures.insert(log, 7);
    let results = described(&mut scene);
    assert_eq!(held(&results[0]), [(log.partition, false, 0)]);
    assert!(held(&results[1]).contains(&(log.partition, true, 7)), "{results:?}");
    assert_ne!(directory_in_image(&scene, log), Uuid([10; 16]));
    scene.step(Input::Moved { log, directory: 1, stage: MoveStage::Ended });
    scene.pass(Duration::from_millis(10));
    let results = described(&mut scene);
    assert_eq!(held(&results[0]), []);
    assert!(held(&results[1]).contains(&(log.partition, false, 0)), "{results:?}");
    assert_eq!(directory_in_image(&scene, log), Uuid([10; 16]));
}

#[test]
fn a_move_that_ends_where_it_began_changes_nothing() {
    let (mut scene, log, _) = with_two();
    let before = directory_in_image(&scene, log);
    alter(&mut scene, "two", "orders", log.partition);
    scene.step(Input::Moved { log, directory: 1, stage: MoveStage::Begun });
    alter(&mut scene, "one", "orders", log.partition);
    assert_eq!(scene.moves, [(log, 1), (log, 0)]);
    scene.step(Input::Moved { log, directory: 0, stage: MoveStage::Ended });
    scene.pass(Duration::from_secs(3));
    assert_eq!(held(&described(&mut scene)[0]), [(log.partition, false, 0)]);
    assert_eq!(directory_in_image(&scene, log), before);
}

#[test]
fn a_move_that_ends_before_its_log_is_claimed_is_not_forgotten() {
    let (mut scene, log, other) = with_two();
    let second = directory_in_image(&scene, other);
    scene.is_slow = true;
    scene.restart(&[TWO]);
    scene.step(Input::Moved { log, directory: 1, stage: MoveStage::Ended });
    scene.release();
    scene.pass(Duration::from_secs(3));
    assert_eq!(held(&described(&mut scene)[0]), []);
    assert_eq!(directory_in_image(&scene, log), second);
}

#[test]
fn what_cannot_be_moved_is_refused_as_by_kafka() {
    let (mut scene, log, other) = with_two();
    assert_eq!(alter(&mut scene, "three", "orders", 0), ErrorCode::LogDirNotFound);
    assert_eq!(alter(&mut scene, "two", "orders", 9), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(alter(&mut scene, "two", "nobody", 0), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(alter(&mut scene, "two", "__cluster_metadata", 0), ErrorCode::UnknownTopicOrPartition);
    let long = "a".repeat(230);
    assert_eq!(alter(&mut scene, "two", &long, 0), ErrorCode::InvalidTopicException);
    scene.step(Input::DirectoryLost { directory: 1 });
    scene.pass(Duration::from_millis(10));
    assert_eq!(alter(&mut scene, "two", "orders", log.partition), ErrorCode::KafkaStorageError);
    assert_eq!(alter(&mut scene, "one", "orders", other.partition), ErrorCode::KafkaStorageError);
    assert_eq!(scene.moves, []);
}

#[test]
fn a_replica_that_is_not_there_yet_remembers_its_directory() {
    let (mut scene, log, _) = with_two();
    for partition in 2..8 {
        assert_eq!(alter(&mut scene, "two/", "orders", partition), ErrorCode::UnknownTopicOrPartition);
    }
    let topics = vec![CreatePartitionsTopic { name: Str::from("orders"), count: 8, assignments: None }];
    let body = CreatePartitionsRequest { topics, timeout_ms: 1000, validate_only: false };
    let ticket = scene.ask(3, Request::CreatePartitions(body));
    scene.answer(ticket).expect("it is answered");
    scene.pass(Duration::from_secs(2));
    for partition in 2..8 {
        let made = LogId { partition, ..log };
        assert_eq!(scene.places.get(&made), Some(&1), "{partition}");
        assert_eq!(directory_in_image(&scene, made), Uuid([10; 16]), "the controller chose for itself: {partition}");
    }
}

#[test]
fn the_store_is_told_how_much_may_be_copied() {
    let mut scene = Scene::new(&[TWO, ("replica.alter.log.dirs.io.max.bytes.per.second", "1000")]);
    scene.pass(Duration::from_secs(1));
    assert_eq!(scene.move_rates, [1000]);
    let configs = vec![AlterableConfig {
        name: Str::from("replica.alter.log.dirs.io.max.bytes.per.second"),
        config_operation: 0,
        value: Some(Str::from("5000")),
    }];
    let resources = vec![AlterConfigsResource { resource_type: 4, resource_name: Str::from(""), configs }];
    let body = IncrementalAlterConfigsRequest { resources, validate_only: false };
    let ticket = scene.ask(1, Request::IncrementalAlterConfigs(body));
    scene.answer(ticket).expect("it is answered");
    scene.pass(Duration::from_secs(1));
    assert_eq!(scene.move_rates, [1000, 5000]);
}

#[test]
fn who_is_alone_leads_nothing_in_a_directory_that_is_lost() {
    let (mut scene, kept, lost) = with_two();
    scene.produce(1, "orders", vec![(0, batch(1)), (1, batch(1))]);
    scene.step(Input::DirectoryLost { directory: 1 });
    scene.pass(Duration::from_secs(1));
    let topics = Some(vec![MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some(Str::from("orders")) }]);
    let body = MetadataRequest { topics, ..MetadataRequest::default() };
    let ticket = scene.ask(12, Request::Metadata(body));
    let Some(Some(Response::Metadata(body))) = scene.answer(ticket) else { panic!("it is answered") };
    for partition in &body.topics[0].partitions {
        let is_lost = partition.partition_index == lost.partition;
        assert_eq!(partition.leader_id == -1, is_lost, "{partition:?}");
        assert_eq!(!partition.offline_replicas.is_empty(), is_lost, "{partition:?}");
        let error = if is_lost { ErrorCode::LeaderNotAvailable } else { ErrorCode::None };
        assert_eq!(partition.error_code, error.code());
    }
    assert_ne!(kept, lost);
    scene.restart(&[TWO]);
    scene.pass(Duration::from_secs(2));
    for log in [kept, lost] {
        let view = scene.node.view();
        assert!(!view.image().partition(log).expect("it is there").leader.eq(&BrokerId::NONE), "{log:?} is led again");
    }
}
