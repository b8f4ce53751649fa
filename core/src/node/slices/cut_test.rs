use super::{Image, Request, Response, join, next, turn};
use crate::msg::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
    ListOffsetsTopicResponse,
};
use crate::msg::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use crate::types::Str;
use alloc::vec::Vec;
use proptest::prelude::*;
use std::string::ToString;
use std::vec;

const PIECE_MAX: usize = 50;

fn offsets(sizes: &[usize]) -> ListOffsetsRequest {
    let partition = |index| ListOffsetsPartition { partition_index: index, timestamp: -1, ..Default::default() };
    let topic = |(at, size): (usize, &usize)| ListOffsetsTopic {
        name: Str::from(at.to_string()),
        partitions: (0..*size as i32).map(partition).collect(),
    };
    let topics = sizes.iter().enumerate().map(topic).collect();
    ListOffsetsRequest { replica_id: -1, isolation_level: 1, topics, timeout_ms: 7 }
}

/// An answer that repeats what was asked.
fn echo(request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let partition = |asked: &ListOffsetsPartition| ListOffsetsPartitionResponse {
        partition_index: asked.partition_index,
        ..Default::default()
    };
    let topic = |asked: &ListOffsetsTopic| ListOffsetsTopicResponse {
        name: asked.name.clone(),
        partitions: asked.partitions.iter().map(partition).collect(),
    };
    ListOffsetsResponse { topics: request.topics.iter().map(topic).collect(), ..Default::default() }
}

/// All pieces of a request.
fn pieces(mut request: Request) -> Vec<Request> {
    let image = Image::default();
    turn(&mut request, 11, &image);
    let mut pieces = Vec::new();
    loop {
        let (piece, is_last) = next(&mut request, &image, PIECE_MAX);
        pieces.push(piece);
        if is_last {
            return pieces;
        }
    }
}

proptest! {
    #[test]
    fn the_answers_to_the_pieces_are_the_answer_to_the_whole(sizes in proptest::collection::vec(0usize..200, 1..8)) {
        let request = offsets(&sizes);
        let mut whole: Option<Response> = None;
        for piece in pieces(request.clone().into()) {
            let Request::ListOffsets(piece) = piece else { panic!("of the same kind") };
            let count: usize = piece.topics.iter().map(|topic| topic.partitions.len()).sum();
            prop_assert!(count <= PIECE_MAX && piece.topics.len() <= PIECE_MAX);
            prop_assert_eq!((piece.isolation_level, piece.timeout_ms), (1, 7));
            let answer = Response::ListOffsets(echo(&piece));
            match &mut whole {
                None => whole = Some(answer),
                Some(whole) => join(whole, answer),
            }
        }
        prop_assert_eq!(whole, Some(Response::ListOffsets(echo(&request))));
    }
}

#[test]
fn a_group_whose_partitions_are_many_is_cut_and_is_one_again() {
    let topic = |name: &str, partitions: i32| OffsetFetchRequestTopics {
        name: Str::from(name),
        partition_indexes: (0..partitions).collect(),
        ..Default::default()
    };
    let group = |id: &str, topics| OffsetFetchRequestGroup { group_id: Str::from(id), topics, ..Default::default() };
    let groups =
        vec![group("a", Some(vec![topic("x", 120), topic("y", 3)])), group("b", None), group("c", Some(vec![]))];
    let request = OffsetFetchRequest { groups, ..Default::default() };
    let mut whole: Option<Response> = None;
    for piece in pieces(request.into()) {
        let Request::OffsetFetch(piece) = piece else { panic!("of the same kind") };
        let partition = |index: &i32| OffsetFetchResponsePartitions { partition_index: *index, ..Default::default() };
        let topic = |topic: &OffsetFetchRequestTopics| OffsetFetchResponseTopics {
            name: topic.name.clone(),
            partitions: topic.partition_indexes.iter().map(partition).collect(),
            ..Default::default()
        };
        let group = |group: &OffsetFetchRequestGroup| OffsetFetchResponseGroup {
            group_id: group.group_id.clone(),
            topics: group.topics.iter().flatten().map(topic).collect(),
            ..Default::default()
        };
        let answer = OffsetFetchResponse { groups: piece.groups.iter().map(group).collect(), ..Default::default() };
        match &mut whole {
            None => whole = Some(answer.into()),
            Some(whole) => join(whole, answer.into()),
        }
    }
    let Some(Response::OffsetFetch(whole)) = whole else { panic!("answered") };
    let told = |group: &OffsetFetchResponseGroup| {
        group.topics.iter().map(|topic| (topic.name.to_string(), topic.partitions.len())).collect::<Vec<_>>()
    };
    let named: Vec<_> = whole.groups.iter().map(|group| group.group_id.to_string()).collect();
    assert_eq!(named, ["a", "b", "c"]);
    assert_eq!(told(&whole.groups[0]), [("x".to_string(), 120), ("y".to_string(), 3)]);
}
