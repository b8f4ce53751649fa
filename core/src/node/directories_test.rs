use super::Directories;
use crate::boundary::Input;
use crate::msg::create_topics::{CreatableTopic, CreateTopicsRequest};
use crate::msg::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResult};
use crate::msg::{Request, Response};
use crate::node::scene_test::{Scene, batch};
use crate::types::{BrokerId, ErrorCode, LogId, Str, Uuid};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::vec;
use std::vec::Vec;

const PARTITIONS: i32 = 6;
const TWO: (&str, &str) = ("log.dirs", "one,two");

/// A broker with two directories, and a topic whose partitions have a record each.
fn with_two() -> Scene {
    let mut scene = Scene::new(&[TWO]);
    let topic = CreatableTopic {
        name: Str::from("orders"),
        num_partitions: PARTITIONS,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let body = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    let ticket = scene.ask(7, Request::CreateTopics(body));
    scene.answer(ticket).expect("it is answered");
    scene.produce(1, "orders", (0..PARTITIONS).map(|index| (index, batch(1))).collect());
    scene
}

fn described(scene: &mut Scene) -> Vec<DescribeLogDirsResult> {
    let ticket = scene.ask(4, Request::DescribeLogDirs(DescribeLogDirsRequest { topics: None }));
    match scene.answer(ticket) {
        Some(Some(Response::DescribeLogDirs(body))) => body.results,
        other => panic!("{other:?}"),
    }
}

/// How many partitions each directory is said to hold.
fn counts(results: &[DescribeLogDirsResult]) -> Vec<usize> {
    results.iter().map(|result| result.topics.iter().map(|topic| topic.partitions.len()).sum()).collect()
}

/// What a producer is told of each partition.
fn errors(scene: &mut Scene) -> Vec<i16> {
    let ticket = scene.produce(1, "orders", (0..PARTITIONS).map(|index| (index, batch(1))).collect());
    match scene.answer(ticket) {
        Some(Some(Response::Produce(body))) => {
            body.responses.iter().flat_map(|topic| &topic.partition_responses).map(|one| one.error_code).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn logs_are_dealt_out_over_directories_and_stay_where_they_are() {
    let mut scene = with_two();
    let places = scene.places.clone();
    assert_eq!(places.len(), 3, "half of them");
    let results = described(&mut scene);
    assert_eq!(results.iter().map(|result| result.log_dir.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(counts(&results), [3, 3]);
    scene.restart(&[TWO]);
    scene.pass(Duration::from_secs(1));
    assert_eq!((counts(&described(&mut scene)), scene.places.clone()), (vec![3, 3], places));
    assert_eq!(errors(&mut scene), [0; 6]);
}

#[test]
fn a_lost_directory_takes_its_logs_and_no_others() {
    let mut scene = with_two();
    let lost: Vec<i32> = scene.places.keys().map(|log| log.partition).collect();
    scene.step(Input::DirectoryLost { directory: 1 });
    scene.pass(Duration::from_millis(10));
    let (refused, unled) = (ErrorCode::KafkaStorageError.code(), ErrorCode::NotLeaderOrFollower.code());
    let expected: Vec<i16> = (0..PARTITIONS).map(|index| if lost.contains(&index) { unled } else { 0 }).collect();
    assert_eq!(errors(&mut scene), expected);
    let results = described(&mut scene);
    assert_eq!(results.iter().map(|result| result.error_code).collect::<Vec<_>>(), [0, refused]);
    assert_eq!(counts(&results), [3, 0]);
    scene.step(Input::DirectoryLost { directory: 1 });
    scene.pass(Duration::from_millis(10));
    assert_eq!(errors(&mut scene), expected, "it is lost once");
}

#[test]
fn a_directory_that_is_lost_before_its_broker_is_registered_is_told_of_behind_that() {
    let mut scene = with_two();
    scene.is_slow = true;
    scene.restart(&[TWO]);
    scene.step(Input::DirectoryLost { directory: 1 });
    scene.release();
    scene.pass(Duration::from_millis(10));
    let broker = scene.node.view().image().broker(BrokerId(1)).expect("it is registered").clone();
    assert_eq!(broker.directories, vec![Uuid([9; 16])]);
}

fn log(partition: i32) -> LogId {
    LogId { topic: Uuid([1; 16]), partition }
}

fn three() -> Directories {
    Directories::new((vec![Uuid([1; 16]), Uuid([2; 16]), Uuid([3; 16])], BTreeSet::new()), BTreeMap::new())
}

#[test]
fn a_log_goes_where_the_cluster_says_and_else_where_the_fewest_are() {
    let mut directories = three();
    assert_eq!(directories.choose(Uuid([3; 16]), || 0), 2);
    directories.holds(log(0), 2);
    assert_eq!((directories.place_of(log(0)), directories.place_of(log(1))), (2, 0));
    assert_eq!(directories.choose(Uuid::ZERO, || 2), 1, "one each in the first and the last");
    assert_eq!(directories.choose(Uuid([9; 16]), || 1), 0, "of a directory that is not here nobody knows");
    directories.forget(log(0));
    assert_eq!(directories.place_of(log(0)), 0);
}

#[test]
fn nothing_goes_into_a_directory_that_is_lost() {
    let mut directories = three();
    directories.lost.insert(1);
    assert_eq!(directories.choose(Uuid([2; 16]), || 5), 2);
    assert_eq!(directories.lost(), vec![Uuid([2; 16])]);
}
