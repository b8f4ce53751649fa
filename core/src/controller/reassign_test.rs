use super::controller_test::Rig;
use super::replicas_test::{ids, three, three_with};
use super::{Ask, Reply};
use crate::metadata::{Partition, Resource};
use crate::msg::Response;
use crate::msg::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LogId};
use alloc::vec;
use alloc::vec::Vec;

impl Rig {
    fn reassign(&mut self, partition_index: i32, replicas: Option<&[i32]>) -> ErrorCode {
        self.reassign_as(partition_index, replicas, true)
    }

    fn reassign_as(&mut self, partition_index: i32, replicas: Option<&[i32]>, may_change: bool) -> ErrorCode {
        let partition = ReassignablePartition { partition_index, replicas: replicas.map(<[i32]>::to_vec) };
        let request = AlterPartitionReassignmentsRequest {
            timeout_ms: 1000,
            allow_replication_factor_change: may_change,
            topics: vec![ReassignableTopic { name: "orders".into(), partitions: vec![partition] }],
        };
        let Reply::Response(Response::AlterPartitionReassignments(response)) = self.ask(&Ask::Reassign(request)) else {
            panic!("another reply")
        };
        ErrorCode::from_code(response.responses[0].partitions[0].error_code).expect("known")
    }
}

/// Replicas, adding, removing, ISR and leader.
fn told(partition: &Partition) -> [Vec<i32>; 5] {
    let numbers = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect();
    [
        numbers(&partition.replicas),
        numbers(&partition.adding),
        numbers(&partition.removing),
        numbers(&partition.isr),
        vec![partition.leader.0],
    ]
}

/// Brokers 1 to 5; a partition on 2, 3 and 1.
fn five() -> (Rig, LogId, [BrokerEpoch; 4]) {
    let (mut rig, log, [two, three]) = three();
    let epochs = [two, three, rig.join(4, None), rig.join(5, None)];
    (rig, log, epochs)
}

#[test]
fn a_partition_moves_once_its_new_replicas_are_in_sync() {
    let (mut rig, log, [two, three, four, five]) = five();
    assert_eq!(rig.reassign(0, Some(&[4, 3, 5])), ErrorCode::None);
    let before = rig.partition(log);
    assert_eq!(told(&before), [vec![4, 3, 5, 2, 1], vec![4, 5], vec![2, 1], vec![2, 3, 1], vec![2]]);
    assert_eq!(before.directories.len(), 5);
    let isr = [(2, two.0), (3, three.0), (1, -1), (4, four.0)];
    assert_eq!(rig.alter_isr((2, two), log, &isr).0, ErrorCode::None);
    assert_eq!(rig.partition(log).adding, ids(&[4, 5]), "one of them is missing");
    let isr = [(2, two.0), (3, three.0), (1, -1), (4, four.0), (5, five.0)];
    assert_eq!(rig.alter_isr((2, two), log, &isr).0, ErrorCode::NewLeaderElected, "the leader is to go");
    let after = rig.partition(log);
    assert_eq!(told(&after), [vec![4, 3, 5], vec![], vec![], vec![4, 3, 5], vec![4]]);
    assert_eq!(after.leader_epoch, before.leader_epoch.next());
    assert_eq!(after.directory_of(BrokerId(4)), rig.image().broker(BrokerId(4)).expect("registered").directories[0]);
    assert_eq!(after.directories.len(), 3);
}

#[test]
fn a_leader_that_stays_begins_a_reign_when_others_are_gone() {
    let (mut rig, log, _) = five();
    let before = rig.partition(log);
    assert_eq!(rig.reassign(0, Some(&[2])), ErrorCode::None);
    let after = rig.partition(log);
    assert_eq!(told(&after), [vec![2], vec![], vec![], vec![2], vec![2]], "nobody is waited for");
    assert_eq!(after.leader_epoch, before.leader_epoch.next(), "3 and 1 find out that they are no replicas");
    assert_eq!(rig.reassign(0, Some(&[2])), ErrorCode::None);
    assert_eq!(*rig.partition(log), *after, "asked again nothing changes");
}

#[test]
fn the_order_of_replicas_alone_changes_at_once() {
    let (mut rig, log, _) = five();
    assert_eq!(rig.reassign(0, Some(&[1, 2, 3])), ErrorCode::None);
    assert_eq!(told(&rig.partition(log)), [vec![1, 2, 3], vec![], vec![], vec![2, 3, 1], vec![2]]);
}

#[test]
fn fewer_replicas_wait_for_all_that_stay() {
    let (mut rig, log, [two, three, ..]) = five();
    rig.leave(3, three);
    assert_eq!(rig.reassign(0, Some(&[3])), ErrorCode::None);
    assert_eq!(told(&rig.partition(log)), [vec![3, 2, 1], vec![], vec![2, 1], vec![2, 1], vec![2]]);
    let three = rig.join(3, Some(three));
    let isr = [(2, two.0), (1, -1), (3, three.0)];
    assert_eq!(rig.alter_isr((2, two), log, &isr).0, ErrorCode::NewLeaderElected);
    assert_eq!(told(&rig.partition(log)), [vec![3], vec![], vec![], vec![3], vec![3]]);
}

#[test]
fn a_move_waits_for_as_many_as_must_be_in_sync() {
    let (mut rig, log, [two, three]) = three_with(&[("min.insync.replicas", "2")]);
    let four = rig.join(4, None);
    rig.leave(3, three);
    rig.leave(1, rig.image().broker(BrokerId(1)).expect("registered").epoch);
    assert_eq!(rig.reassign(0, Some(&[4, 3, 1])), ErrorCode::None);
    let isr = [(2, two.0), (4, four.0)];
    assert_eq!(rig.alter_isr((2, two), log, &isr).0, ErrorCode::None);
    let waiting = rig.partition(log);
    assert_eq!(
        told(&waiting),
        [vec![4, 3, 1, 2], vec![4], vec![2], vec![4, 2], vec![2]],
        "4 alone would have what 2 and 4 committed"
    );
    let three = rig.join(3, Some(three));
    let isr = [(2, two.0), (4, four.0), (3, three.0)];
    assert_eq!(rig.alter_isr((2, two), log, &isr).0, ErrorCode::NewLeaderElected);
    assert_eq!(told(&rig.partition(log)), [vec![4, 3, 1], vec![], vec![], vec![4, 3], vec![4]]);
}

#[test]
fn a_move_goes_on_once_fewer_must_be_in_sync() {
    let (mut rig, log, [two, three]) = three_with(&[("min.insync.replicas", "2")]);
    let four = rig.join(4, None);
    rig.leave(3, three);
    rig.leave(1, rig.image().broker(BrokerId(1)).expect("registered").epoch);
    assert_eq!(rig.reassign(0, Some(&[4, 3, 1])), ErrorCode::None);
    assert_eq!(rig.alter_isr((2, two), log, &[(2, two.0), (4, four.0)]).0, ErrorCode::None);
    assert_eq!(rig.partition(log).adding, ids(&[4]), "4 alone would have what 2 and 4 committed");
    let fewer = [("min.insync.replicas", 0, Some("1"))];
    assert_eq!(rig.alter(Resource::TOPIC, "orders", &fewer).0, ErrorCode::None);
    assert_eq!(told(&rig.partition(log)), [vec![4, 3, 1], vec![], vec![], vec![4], vec![4]]);
}

#[test]
fn the_factor_of_a_partition_that_moves_is_that_of_where_it_goes() {
    let (mut rig, _, _) = five();
    assert_eq!(rig.reassign_as(0, Some(&[4, 3, 5, 1]), true), ErrorCode::None);
    assert_eq!(rig.reassign_as(0, Some(&[4, 3, 5]), false), ErrorCode::InvalidReplicationFactor);
    assert_eq!(rig.reassign_as(0, Some(&[2, 3, 5, 1]), false), ErrorCode::None);
}

#[test]
fn a_move_is_not_cancelled_where_too_few_would_be_left() {
    let (mut rig, log, [two, three]) = three_with(&[("min.insync.replicas", "2")]);
    let (four, _) = (rig.join(4, None), rig.join(5, None));
    rig.leave(3, three);
    rig.leave(1, rig.image().broker(BrokerId(1)).expect("registered").epoch);
    assert_eq!(rig.reassign(0, Some(&[4, 5, 2])), ErrorCode::None);
    assert_eq!(rig.alter_isr((2, two), log, &[(2, two.0), (4, four.0)]).0, ErrorCode::None);
    let state = rig.partition(log);
    assert_eq!(told(&state)[3], [4, 2], "what is committed from now on is on 2 and 4");
    assert_eq!(rig.reassign(0, None), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(*rig.partition(log), *state);
    let three = rig.join(3, Some(three));
    assert_eq!(rig.alter_isr((2, two), log, &[(2, two.0), (4, four.0), (3, three.0)]).0, ErrorCode::None);
    assert_eq!(rig.reassign(0, None), ErrorCode::None);
    assert_eq!(told(&rig.partition(log))[3].len(), 2, "3 has it too");
}

#[test]
fn a_move_is_cancelled_or_aimed_elsewhere() {
    let (mut rig, log, [two, three, four, _]) = five();
    assert_eq!(rig.reassign(0, None), ErrorCode::NoReassignmentInProgress);
    assert_eq!(rig.reassign(0, Some(&[4, 5])), ErrorCode::None);
    assert_eq!(rig.reassign(0, Some(&[4, 2])), ErrorCode::None);
    assert_eq!(told(&rig.partition(log)), [vec![4, 2, 5, 3, 1], vec![4], vec![5, 3, 1], vec![2, 3, 1], vec![2]]);
    let isr = [(2, two.0), (3, three.0), (1, -1), (4, four.0)];
    assert_eq!(rig.alter_isr((2, two), log, &isr).0, ErrorCode::None);
    assert_eq!(told(&rig.partition(log)), [vec![4, 2], vec![], vec![], vec![4, 2], vec![2]]);
    assert_eq!(rig.reassign(0, Some(&[5, 3])), ErrorCode::None);
    assert_eq!(rig.reassign(0, None), ErrorCode::None);
    assert_eq!(told(&rig.partition(log)), [vec![4, 2], vec![], vec![], vec![4, 2], vec![2]]);
}

#[test]
fn what_cannot_be_moved_is_refused() {
    let (mut rig, log, _) = five();
    let state = rig.partition(log);
    for (index, replicas, error) in [
        (7, &[2][..], ErrorCode::UnknownTopicOrPartition),
        (0, &[], ErrorCode::InvalidReplicaAssignment),
        (0, &[2, 2], ErrorCode::InvalidReplicaAssignment),
        (0, &[2, 9], ErrorCode::InvalidReplicaAssignment),
        (0, &[2, -1], ErrorCode::InvalidReplicaAssignment),
    ] {
        assert_eq!(rig.reassign(index, Some(replicas)), error, "{replicas:?}");
    }
    assert_eq!(rig.reassign_as(0, Some(&[2, 3]), false), ErrorCode::InvalidReplicationFactor);
    assert_eq!(*rig.partition(log), *state);
    assert_eq!(rig.reassign_as(0, Some(&[4, 3, 5]), false), ErrorCode::None);
}
