use crate::msg::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic, ReplicaState};
use crate::msg::{Request, Response};
use crate::node::node_test::with_topic;
use crate::node::scene_test::{Scene, batch};
use crate::types::{ErrorCode, Str, limit};
use alloc::vec::Vec;
use std::vec;

fn request(id: i32, epoch: i32, partitions: &[(i32, i64)]) -> FetchRequest {
    let partition = |(partition, from): &(i32, i64)| FetchPartition {
        partition: *partition,
        fetch_offset: *from,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let partitions: Vec<_> = partitions.iter().map(partition).collect();
    let topic = FetchTopic { topic: Str::from("orders"), partitions, ..Default::default() };
    FetchRequest {
        replica_id: -1,
        max_bytes: 1 << 20,
        session_id: id,
        session_epoch: epoch,
        topics: if topic.partitions.is_empty() { vec![] } else { vec![topic] },
        ..Default::default()
    }
}

fn ask(scene: &mut Scene, request: FetchRequest) -> FetchResponse {
    let ticket = scene.ask(11, Request::Fetch(request));
    match scene.answer(ticket) {
        Some(Some(Response::Fetch(response))) => response,
        other => panic!("{other:?}"),
    }
}

/// Which partitions are told of, and whether records came with them.
fn told(response: &FetchResponse) -> Vec<(i32, bool)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|one| (one.partition_index, !one.records.is_empty())).collect()
}

#[test]
fn a_session_tells_everything_once_and_then_only_what_is_new() {
    let mut scene = with_topic(3);
    let first = ask(&mut scene, request(0, 0, &[(0, 0), (1, 0), (2, 0)]));
    assert_ne!(first.session_id, 0);
    assert_eq!(told(&first), vec![(0, false), (1, false), (2, false)]);
    let id = first.session_id;
    let second = ask(&mut scene, request(id, 1, &[]));
    assert_eq!((second.session_id, told(&second)), (id, vec![]), "nothing has changed");
    scene.produce(1, "orders", vec![(1, batch(1))]);
    let third = ask(&mut scene, request(id, 2, &[]));
    assert_eq!(told(&third), vec![(1, true)]);
    let fourth = ask(&mut scene, request(id, 3, &[(1, 1)]));
    assert_eq!(told(&fourth), vec![], "its high watermark was told with the records");
}

#[test]
fn whoever_was_served_goes_to_the_end_of_the_order() {
    let mut scene = with_topic(2);
    scene.produce(1, "orders", vec![(0, batch(1)), (1, batch(1))]);
    let first = ask(&mut scene, request(0, 0, &[(0, 0)]));
    let both = ask(&mut scene, request(first.session_id, 1, &[(1, 0)]));
    assert_eq!(told(&both), vec![(0, true), (1, true)]);
    scene.produce(1, "orders", vec![(0, batch(1))]);
    let one = ask(&mut scene, request(first.session_id, 2, &[(0, 1), (1, 1)]));
    assert_eq!(told(&one), vec![(0, true)]);
    scene.produce(1, "orders", vec![(0, batch(1)), (1, batch(1))]);
    let turned = ask(&mut scene, request(first.session_id, 3, &[(0, 2), (1, 1)]));
    assert_eq!(told(&turned), vec![(1, true), (0, true)]);
}

#[test]
fn whoever_was_not_served_for_want_of_room_is_next() {
    let mut scene = with_topic(4);
    scene.produce(1, "orders", (0..4).map(|partition| (partition, batch(9))).collect());
    let all: Vec<_> = (0..4).map(|partition| (partition, 0)).collect();
    let given = |response: &FetchResponse| told(response).iter().find(|(_, is_given)| *is_given).map(|(one, _)| *one);
    // Either there is no room in the whole answer, or none for one batch of any partition but the first.
    for (max_bytes, partition_max_bytes) in [(1, 1 << 20), (1 << 20, 1)] {
        let narrow = |id, epoch, partitions: &[_]| {
            let mut narrow = FetchRequest { max_bytes, ..request(id, epoch, partitions) };
            let named = narrow.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            named.for_each(|one| one.partition_max_bytes = partition_max_bytes);
            narrow
        };
        let first = ask(&mut scene, narrow(0, 0, &all));
        let id = first.session_id;
        let mut served = vec![given(&first)];
        for epoch in 1..8 {
            // Nobody reads on: all have more than there is room for, all the time.
            served.push(given(&ask(&mut scene, narrow(id, epoch, &[]))));
        }
        assert_eq!(served, [0, 1, 2, 3, 0, 1, 2, 3].map(Some), "of {max_bytes} and {partition_max_bytes} bytes");
    }
}

#[test]
fn a_request_out_of_turn_or_of_nobody_is_refused() {
    let mut scene = with_topic(1);
    let id = ask(&mut scene, request(0, 0, &[(0, 0)])).session_id;
    let skipped = ask(&mut scene, request(id, 2, &[]));
    assert_eq!(skipped.error_code, ErrorCode::InvalidFetchSessionEpoch.code());
    let unknown = ask(&mut scene, request(id.wrapping_add(1).max(1), 1, &[]));
    assert_eq!(unknown.error_code, ErrorCode::FetchSessionIdNotFound.code());
    assert_eq!(ask(&mut scene, request(id, 1, &[])).error_code, 0, "the session has not moved");
}

#[test]
fn a_full_request_without_a_session_ends_the_one_it_names() {
    let mut scene = with_topic(1);
    let id = ask(&mut scene, request(0, 0, &[(0, 0)])).session_id;
    assert_eq!(ask(&mut scene, request(id, -1, &[(0, 0)])).session_id, 0);
    let gone = ask(&mut scene, request(id, 1, &[]));
    assert_eq!(gone.error_code, ErrorCode::FetchSessionIdNotFound.code());
}

#[test]
fn a_partition_that_is_forgotten_is_told_of_no_more() {
    let mut scene = with_topic(2);
    let id = ask(&mut scene, request(0, 0, &[(0, 0), (1, 0)])).session_id;
    scene.produce(1, "orders", vec![(0, batch(1)), (1, batch(1))]);
    let mut forget = request(id, 1, &[]);
    forget.forgotten_topics_data =
        vec![ForgottenTopic { topic: Str::from("orders"), partitions: vec![0], ..Default::default() }];
    assert_eq!(told(&ask(&mut scene, forget)), vec![(1, true)]);
}

#[test]
fn an_error_is_told_every_time() {
    let mut scene = with_topic(1);
    let id = ask(&mut scene, request(0, 0, &[(0, 99)])).session_id;
    for epoch in 1..3 {
        let again = ask(&mut scene, request(id, epoch, &[]));
        let code = again.responses[0].partitions[0].error_code;
        assert_eq!(code, ErrorCode::OffsetOutOfRange.code());
    }
}

/// A session of so many partitions, none of which exists.
fn wide(id: i32, epoch: i32, partitions: usize) -> FetchRequest {
    let mut request = request(id, epoch, &(0..partitions as i32).map(|index| (index, 0)).collect::<Vec<_>>());
    request.topics[0].topic = Str::from("nowhere");
    request
}

#[test]
fn all_sessions_together_name_only_so_many_partitions() {
    let most = limit::FETCH_SESSION_PARTITIONS_MAX;
    let mut scene = with_topic(1);
    let first = ask(&mut scene, wide(0, 0, most - 10));
    assert_ne!(first.session_id, 0);
    let second = ask(&mut scene, wide(0, 0, 20));
    assert_eq!((second.session_id, told(&second).len()), (0, 20), "served, without a session");
    let third = ask(&mut scene, wide(0, 0, 10)).session_id;
    assert_ne!(third, 0);
    let grown = ask(&mut scene, request(third, 1, &[(0, 0)]));
    assert_eq!((grown.session_id, told(&grown).len()), (0, 11), "told in full, and over");
    assert_eq!(ask(&mut scene, request(third, 2, &[])).error_code, ErrorCode::FetchSessionIdNotFound.code());
    assert_eq!(ask(&mut scene, wide(first.session_id, -1, 1)).session_id, 0);
    assert_ne!(ask(&mut scene, wide(0, 0, most)).session_id, 0, "the room is free again");
}

#[test]
fn stale_sessions_make_room_for_partitions() {
    let mut scene = with_topic(1);
    let most = limit::FETCH_SESSION_PARTITIONS_MAX;
    ask(&mut scene, wide(0, 0, most / 2));
    ask(&mut scene, wide(0, 0, most / 2));
    scene.pass(core::time::Duration::from_secs(121));
    assert_ne!(ask(&mut scene, wide(0, 0, most)).session_id, 0);
}

#[test]
fn a_session_keeps_no_name_that_no_topic_can_have() {
    let mut scene = with_topic(1);
    let mut long = request(0, 0, &[(0, 0)]);
    long.topics[0].topic = Str::from("x".repeat(250));
    assert_eq!(ask(&mut scene, long.clone()).session_id, 0);
    let id = ask(&mut scene, request(0, 0, &[(0, 0)])).session_id;
    (long.session_id, long.session_epoch) = (id, 1);
    assert_eq!(ask(&mut scene, long).session_id, 0);
}

#[test]
fn there_are_only_so_many_sessions() {
    let mut scene = Scene::new(&[("max.incremental.fetch.session.cache.slots", "1")]);
    assert_ne!(ask(&mut scene, request(0, 0, &[(0, 0)])).session_id, 0);
    assert_eq!(ask(&mut scene, request(0, 0, &[(0, 0)])).session_id, 0, "served, without a session");
    scene.pass(core::time::Duration::from_secs(121));
    assert_ne!(ask(&mut scene, request(0, 0, &[(0, 0)])).session_id, 0, "the other one is stale");
}

#[test]
fn a_followers_session_is_known_to_nobody_else() {
    let mut scene = with_topic(1);
    let id = scene.node.view().image().topics().next().expect("it is there").id;
    let mut by = |replica_id: i32, replica_epoch: i64, session: (i32, i32)| {
        let mut request = request(session.0, session.1, &[(0, 0)]);
        request.replica_state = ReplicaState { replica_id, replica_epoch };
        request.topics[0].topic = Str::new();
        request.topics[0].topic_id = id;
        let ticket = scene.ask(17, Request::Fetch(request));
        match scene.answer(ticket) {
            Some(Some(Response::Fetch(response))) => response,
            other => panic!("{other:?}"),
        }
    };
    let session = by(5, 30, (0, 0)).session_id;
    assert_ne!(session, 0);
    let unknown = ErrorCode::FetchSessionIdNotFound.code();
    for (replica, epoch) in [(6, 30), (5, 31), (-1, -1)] {
        assert_eq!(by(replica, epoch, (session, 1)).error_code, unknown);
    }
    assert_eq!(by(5, 30, (session, 1)).error_code, 0);
}

#[test]
fn a_follower_takes_the_place_of_a_client_and_no_client_that_of_a_follower() {
    let mut scene = Scene::new(&[("max.incremental.fetch.session.cache.slots", "1")]);
    let mut by = |replica_id: i32| {
        let mut request = request(0, 0, &[(0, 0)]);
        request.replica_state = ReplicaState { replica_id, replica_epoch: 3 };
        request.topics[0].topic = Str::new();
        request.topics[0].topic_id = crate::types::Uuid([3; 16]);
        let ticket = scene.ask(17, Request::Fetch(request));
        match scene.answer(ticket) {
            Some(Some(Response::Fetch(response))) => response.session_id,
            other => panic!("{other:?}"),
        }
    };
    assert_ne!(by(-1), 0);
    assert_ne!(by(5), 0);
    assert_eq!(by(-1), 0);
    assert_eq!(by(6), 0);
}
