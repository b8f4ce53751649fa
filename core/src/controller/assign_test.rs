//! Brokers that tell where their replicas are (KIP-858).

use super::super::controller_test::Rig;
use super::super::directories_test::{ONE, OTHER, beat, come, led};
use super::super::replicas_test::ids;
use super::super::{Ask, Reply};
use crate::msg::Response;
use crate::msg::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, DirectoryData, PartitionData, TopicData,
};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LogId, Uuid};
use alloc::vec;

fn assign(rig: &mut Rig, epoch: BrokerEpoch, log: LogId, id: Uuid) -> AssignReplicasToDirsResponse {
    let partitions = vec![PartitionData { partition_index: log.partition }];
    let topics = vec![TopicData { topic_id: log.topic, partitions }];
    let directories = vec![DirectoryData { id, topics }];
    let request = AssignReplicasToDirsRequest { broker_id: 2, broker_epoch: epoch.0, directories };
    match rig.ask(&Ask::Assign(request)) {
        Reply::Response(Response::AssignReplicasToDirs(response)) => response,
        other => panic!("{other:?}"),
    }
}

fn error(response: &AssignReplicasToDirsResponse) -> ErrorCode {
    assert_eq!(response.error_code, 0);
    let topic = &response.directories[0].topics[0];
    ErrorCode::from_code(topic.partitions[0].error_code).expect("a code of Kafka's")
}

fn other_than(directory: Uuid) -> Uuid {
    if directory == ONE { OTHER } else { ONE }
}

#[test]
fn the_metadata_say_where_a_replica_is() {
    let (mut rig, logs, epoch) = led();
    let before = rig.image().partition(logs[0]).expect("it is there").clone();
    let to = other_than(before.directory_of(BrokerId(2)));
    assert_eq!(error(&assign(&mut rig, epoch, logs[0], to)), ErrorCode::None);
    let after = rig.image().partition(logs[0]).expect("it is there").clone();
    assert_eq!((after.directory_of(BrokerId(2)), after.leader), (to, before.leader));
    assert_eq!(after.directory_of(BrokerId(3)), before.directory_of(BrokerId(3)));
    let end = rig.image().end();
    assert_eq!(error(&assign(&mut rig, epoch, logs[0], to)), ErrorCode::None);
    assert_eq!(rig.image().end(), end, "what is known is not written again");
}

#[test]
fn a_replica_that_went_to_a_directory_which_is_lost_leads_no_more() {
    for gone in [Uuid([77; 16]), Uuid::LOST_DIRECTORY] {
        let (mut rig, logs, epoch) = led();
        assert_eq!(error(&assign(&mut rig, epoch, logs[0], gone)), ErrorCode::None);
        let after = rig.image().partition(logs[0]).expect("it is there").clone();
        assert_eq!((after.directory_of(BrokerId(2)), after.leader), (gone, BrokerId(3)));
        assert_eq!(after.isr, ids(&[3]));
        // The next life may have it again, and has to prove nothing of it.
        come(&mut rig, 201, &[ONE, OTHER], Some(epoch));
        let after = rig.image().partition(logs[0]).expect("it is there").clone();
        assert!([ONE, OTHER].contains(&after.directory_of(BrokerId(2))));
        assert_eq!((after.leader, &after.isr), (BrokerId(3), &ids(&[3])));
    }
}

#[test]
fn a_replica_that_was_taken_for_lost_and_is_not_leads_again() {
    let (mut rig, logs, epoch) = led();
    let third = rig.image().broker(BrokerId(3)).expect("it is there").epoch;
    rig.leave(3, third);
    let was_in = rig.image().partition(logs[0]).expect("it is there").directory_of(BrokerId(2));
    beat(&mut rig, epoch, &[was_in]);
    assert_eq!(rig.image().partition(logs[0]).expect("it is there").leader, BrokerId::NONE);
    assert_eq!(error(&assign(&mut rig, epoch, logs[0], other_than(was_in))), ErrorCode::None);
    let after = rig.image().partition(logs[0]).expect("it is there").clone();
    assert_eq!((after.leader, &after.isr), (BrokerId(2), &ids(&[2])), "it was in the other all the time");
}

#[test]
fn what_is_not_there_is_refused() {
    let (mut rig, logs, epoch) = led();
    let stale = assign(&mut rig, BrokerEpoch(epoch.0 - 1), logs[0], ONE);
    assert_eq!(stale.error_code, ErrorCode::StaleBrokerEpoch.code());
    let nowhere = LogId { topic: Uuid([99; 16]), partition: 0 };
    assert_eq!(error(&assign(&mut rig, epoch, nowhere, ONE)), ErrorCode::UnknownTopicId);
    let missing = LogId { partition: 99, ..logs[0] };
    assert_eq!(error(&assign(&mut rig, epoch, missing, ONE)), ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn a_lost_directory_of_two_takes_its_replicas_and_they_do_not_come_back_by_themselves() {
    let (mut rig, logs, _) = led();
    let epoch = come(&mut rig, 201, &[ONE, OTHER], None);
    let in_one =
        |rig: &Rig, log: &LogId| rig.image().partition(*log).is_some_and(|one| one.directory_of(BrokerId(2)) == ONE);
    super::super::directories_test::beat(&mut rig, epoch, &[ONE]);
    let broker = rig.image().broker(BrokerId(2)).expect("it is registered").clone();
    for log in logs.iter().filter(|log| in_one(&rig, log)) {
        let partition = rig.image().partition(*log).expect("it is there");
        assert!(!broker.has_online(partition.directory_of(BrokerId(2))));
        assert_eq!(partition.leader, BrokerId(3));
    }
}
