use super::{Aside, KnownTopics, complete, resolve};
use crate::group::Ask;
use crate::group::stage_test::{error, offset};
use crate::msg::Response;
use crate::msg::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::msg::offset_delete::{OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use crate::msg::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponseTopics,
};
use crate::types::{ErrorCode, Str, Uuid};
use alloc::vec;
use alloc::vec::Vec;

/// Topic `t`, id 7, two partitions.
struct OneTopic;

const ID: Uuid = Uuid([7; 16]);

impl KnownTopics for OneTopic {
    fn by_name(&self, name: &Str) -> Option<(Uuid, i32)> {
        (*name == "t").then_some((ID, 2))
    }

    fn by_id(&self, id: Uuid) -> Option<Str> {
        (id == ID).then(|| "t".into())
    }
}

fn commit_of(topics: &[(&str, Uuid, &[i32])]) -> OffsetCommitRequest {
    let partition = |index: &i32| OffsetCommitRequestPartition { partition_index: *index, ..Default::default() };
    let topic = |(name, topic_id, indexes): &(&str, Uuid, &[i32])| OffsetCommitRequestTopic {
        name: (*name).into(),
        topic_id: *topic_id,
        partitions: indexes.iter().map(partition).collect(),
    };
    OffsetCommitRequest { topics: topics.iter().map(topic).collect(), ..offset(-1, "", 1) }
}

fn errors(response: Response) -> Vec<(i32, ErrorCode)> {
    let Response::OffsetCommit(body) = response else { panic!("a commit") };
    let partitions = body.topics.into_iter().flat_map(|topic| topic.partitions);
    partitions.map(|partition| (partition.partition_index, error(partition.error_code))).collect()
}

#[test]
fn a_commit_reaches_the_coordinator_with_names_and_ids() {
    for (version, name, id) in [(9, "t", Uuid::ZERO), (10, "", ID)] {
        let (ask, aside) = resolve(Ask::Commit(commit_of(&[(name, id, &[0])])), version, &OneTopic);
        let Ok(Ask::Commit(request)) = ask else { panic!("a commit") };
        assert_eq!((&*request.topics[0].name, request.topics[0].topic_id), ("t", ID));
        assert_eq!(aside, Aside::Commit(Default::default()));
    }
}

#[test]
fn what_does_not_exist_is_answered_beside_the_coordinator() {
    let asked = commit_of(&[("t", Uuid::ZERO, &[0, 2, -1]), ("u", Uuid::ZERO, &[0])]);
    let (ask, aside) = resolve(Ask::Commit(asked), 9, &OneTopic);
    let Ok(Ask::Commit(request)) = ask else { panic!("a commit") };
    assert_eq!(request.topics.len(), 1);
    let answer = crate::group::ask::commit_refused(&request, ErrorCode::None);
    let unknown = ErrorCode::UnknownTopicOrPartition;
    let expected = [(2, unknown), (-1, unknown), (0, ErrorCode::None), (0, unknown)];
    assert_eq!(errors(complete(answer.into(), aside, &OneTopic)), expected);
    let asked = commit_of(&[("", Uuid([8; 16]), &[0])]);
    let (Err(answer), _) = resolve(Ask::Commit(asked), 10, &OneTopic) else { panic!("nothing is left to ask") };
    assert_eq!(errors(answer), [(0, ErrorCode::UnknownTopicId)]);
}

fn fetch_of(topics: Option<Vec<Uuid>>) -> Ask {
    let topic =
        |topic_id: Uuid| OffsetFetchRequestTopics { topic_id, partition_indexes: vec![0], ..Default::default() };
    let topics = topics.map(|ids| ids.into_iter().map(topic).collect());
    let groups = vec![OffsetFetchRequestGroup { group_id: "g".into(), topics, ..Default::default() }];
    Ask::Fetch(OffsetFetchRequest { groups, ..Default::default() })
}

fn fetched(topics: &[&str]) -> Response {
    let topic = |name: &&str| OffsetFetchResponseTopics { name: (*name).into(), ..Default::default() };
    let topics = topics.iter().map(topic).collect();
    let groups = vec![OffsetFetchResponseGroup { group_id: "g".into(), topics, ..Default::default() }];
    OffsetFetchResponse { groups, ..Default::default() }.into()
}

#[test]
fn ids_of_a_fetch_become_names_and_unknown_ones_errors() {
    let (ask, aside) = resolve(fetch_of(Some(vec![Uuid([8; 16]), ID])), 10, &OneTopic);
    let Ok(Ask::Fetch(request)) = ask else { panic!("a fetch") };
    let asked = request.groups[0].topics.as_ref().expect("topics");
    assert_eq!((asked.len(), &*asked[0].name), (1, "t"));
    let Response::OffsetFetch(body) = complete(fetched(&["t"]), aside, &OneTopic) else { panic!("a fetch") };
    let unknown = &body.groups[0].topics[1];
    assert_eq!((unknown.topic_id, error(unknown.partitions[0].error_code)), (Uuid([8; 16]), ErrorCode::UnknownTopicId));
    assert_eq!(unknown.partitions[0].committed_offset, -1);
}

#[test]
fn a_fetch_of_everything_gets_its_ids_from_the_metadata() {
    let (ask, aside) = resolve(fetch_of(None), 10, &OneTopic);
    assert!(ask.is_ok());
    let Response::OffsetFetch(body) = complete(fetched(&["gone", "t"]), aside, &OneTopic) else { panic!("a fetch") };
    let topics: Vec<_> = body.groups[0].topics.iter().map(|topic| (topic.name.as_str(), topic.topic_id)).collect();
    assert_eq!(topics, [("t", ID)]);
}

#[test]
fn offsets_of_missing_topics_are_deleted_by_nobody() {
    let partition = |index: i32| OffsetDeleteRequestPartition { partition_index: index };
    let topic = |name: &str, indexes: &[i32]| OffsetDeleteRequestTopic {
        name: name.into(),
        partitions: indexes.iter().map(|index| partition(*index)).collect(),
    };
    let topics = vec![topic("t", &[0, 5]), topic("u", &[0])];
    let request = OffsetDeleteRequest { group_id: "g".into(), topics };
    let (ask, aside) = resolve(Ask::OffsetDelete(request), 0, &OneTopic);
    let Ok(Ask::OffsetDelete(request)) = ask else { panic!("a delete") };
    assert_eq!(request.topics, [topic("t", &[0])]);
    let failed = crate::msg::offset_delete::OffsetDeleteResponse { error_code: 69, ..Default::default() };
    assert_eq!(complete(failed.clone().into(), aside.clone(), &OneTopic), failed.into());
    let Response::OffsetDelete(body) = complete(Response::OffsetDelete(Default::default()), aside, &OneTopic) else {
        panic!("a delete")
    };
    assert_eq!(body.topics.len(), 2);
}
