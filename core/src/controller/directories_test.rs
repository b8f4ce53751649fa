//! Brokers with several data directories, and what becomes of their replicas when they lose one (KIP-858).

use super::brokers::Registration;
use super::controller_test::Rig;
use super::replicas_test::ids;
use super::{Ask, Heartbeat, Reply};
use crate::metadata::Endpoint;
use crate::msg::create_topics::{CreatableReplicaAssignment, CreatableTopic};
use crate::types::{BrokerEpoch, BrokerId, LogId, Uuid};
use alloc::vec;
use alloc::vec::Vec;

pub(super) const ONE: Uuid = Uuid([21; 16]);
pub(super) const OTHER: Uuid = Uuid([22; 16]);
const PARTITIONS: i32 = 6;

/// Broker 2 comes with these directories, and catches up.
pub(super) fn come(
    rig: &mut Rig,
    incarnation: u8,
    directories: &[Uuid],
    whole_since: Option<BrokerEpoch>,
) -> BrokerEpoch {
    come_as(rig, (incarnation, false), directories, whole_since)
}

/// The same, or it is the only voter and registers itself.
fn come_as(
    rig: &mut Rig,
    (incarnation, is_controller): (u8, bool),
    directories: &[Uuid],
    whole_since: Option<BrokerEpoch>,
) -> BrokerEpoch {
    let endpoint = Endpoint { listener: "PLAINTEXT".into(), host: "h".into(), port: 9092, protocol: 0 };
    let registration = Registration {
        id: BrokerId(2),
        incarnation: Uuid([incarnation; 16]),
        is_controller,
        endpoints: vec![endpoint],
        rack: None,
        directories: directories.to_vec(),
        unproved: Vec::new(),
        is_durable: true,
        whole_since,
        epoch: BrokerEpoch(rig.image().end().0),
    };
    let Reply::Registered(epoch) = rig.ask(&Ask::Register(registration)) else { panic!("it is registered") };
    beat(rig, epoch, &[]);
    epoch
}

pub(super) fn beat(rig: &mut Rig, epoch: BrokerEpoch, lost: &[Uuid]) {
    let known = rig.image().end();
    let lost = lost.to_vec();
    rig.ask(&Ask::Heartbeat(Heartbeat {
        id: BrokerId(2),
        epoch,
        known,
        want_fence: false,
        want_shut_down: false,
        lost,
    }));
}

/// Partitions that brokers 2 and 3 hold, led by 2, which has two directories.
pub(super) fn led() -> (Rig, Vec<LogId>, BrokerEpoch) {
    let mut rig = Rig::new(&[]);
    let epoch = come(&mut rig, 200, &[ONE, OTHER], None);
    rig.join(3, None);
    let assigned = |index| CreatableReplicaAssignment { partition_index: index, broker_ids: vec![2, 3] };
    let topic = CreatableTopic {
        name: "orders".into(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: (0..PARTITIONS).map(assigned).collect(),
        ..CreatableTopic::default()
    };
    let topic = rig.create(vec![topic]).remove(0).topic_id;
    (rig, (0..PARTITIONS).map(|partition| LogId { topic, partition }).collect(), epoch)
}

fn placed(rig: &Rig, logs: &[LogId], directory: Uuid) -> Vec<LogId> {
    let is_there = |log: &&LogId| rig.partition(**log).directory_of(BrokerId(2)) == directory;
    logs.iter().filter(is_there).copied().collect()
}

#[test]
fn replicas_are_put_into_the_directory_with_the_fewest() {
    let (mut rig, logs, _) = led();
    assert_eq!((placed(&rig, &logs, ONE).len(), placed(&rig, &logs, OTHER).len()), (3, 3));
    let topic = CreatableTopic {
        name: "more".into(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: vec![CreatableReplicaAssignment { partition_index: 0, broker_ids: vec![3, 2] }],
        ..CreatableTopic::default()
    };
    let topic = rig.create(vec![topic]).remove(0).topic_id;
    let more = rig.partition(LogId { topic, partition: 0 });
    assert!([ONE, OTHER].contains(&more.directory_of(BrokerId(2))));
    assert_eq!(more.directory_of(BrokerId(3)), Uuid([3; 16]), "one that has one directory has no choice");
}

#[test]
fn a_lost_directory_takes_its_replicas_and_no_others() {
    let (mut rig, logs, epoch) = led();
    let (gone, kept) = (placed(&rig, &logs, OTHER), placed(&rig, &logs, ONE));
    beat(&mut rig, epoch, &[OTHER]);
    assert_eq!(rig.image().broker(BrokerId(2)).expect("it lives").directories, vec![ONE]);
    for log in &gone {
        let partition = rig.partition(*log);
        assert_eq!((partition.leader, &partition.isr), (BrokerId(3), &ids(&[3])));
    }
    for log in &kept {
        let partition = rig.partition(*log);
        assert_eq!((partition.leader, &partition.isr), (BrokerId(2), &ids(&[2, 3])));
    }
    let end = rig.image().end();
    beat(&mut rig, epoch, &[OTHER]);
    assert_eq!(rig.image().end(), end, "it is said once");
    // Nobody is left that could lead these but the broker that lost them.
    let three = rig.image().broker(BrokerId(3)).expect("it lives").epoch;
    rig.leave(3, three);
    for log in &gone {
        assert_eq!(rig.partition(*log).leader, BrokerId::NONE);
    }
    for log in &kept {
        assert_eq!(rig.partition(*log).leader, BrokerId(2));
    }
}

#[test]
fn who_led_last_and_has_another_disk_does_not_lead_by_itself_what_others_have_more_of() {
    let (mut rig, logs, epoch) = led();
    let gone = placed(&rig, &logs, OTHER);
    let three = rig.image().broker(BrokerId(3)).expect("it lives").epoch;
    rig.leave(3, three);
    rig.leave(2, epoch);
    for log in &logs {
        assert_eq!((rig.partition(*log).leader, &rig.partition(*log).last_eligible), (BrokerId::NONE, &ids(&[2])));
    }
    let epoch = come(&mut rig, 201, &[ONE], Some(epoch));
    rig.join(3, None);
    for log in &gone {
        assert_eq!(rig.partition(*log).leader, BrokerId::NONE, "who has least does not cut off what the other has");
    }
    rig.leave(2, epoch);
    come(&mut rig, 202, &[ONE], None);
    for log in &logs {
        let leader = if gone.contains(log) { BrokerId::NONE } else { BrokerId(2) };
        assert_eq!(rig.partition(*log).leader, leader, "its disk is what it was, whatever else it may have lost");
    }
}

#[test]
fn who_comes_back_without_a_directory_is_trusted_with_nothing_and_begins_its_replicas_anew() {
    let (mut rig, logs, epoch) = led();
    let gone = placed(&rig, &logs, OTHER);
    rig.leave(2, epoch);
    come(&mut rig, 201, &[ONE], Some(epoch));
    assert_eq!(placed(&rig, &logs, ONE).len(), logs.len(), "all are in the one that is left");
    for log in &gone {
        let partition = rig.partition(*log);
        assert_eq!((partition.leader, &partition.isr), (BrokerId(3), &ids(&[3])));
        assert!(!partition.eligible.contains(&BrokerId(2)), "whatever it says of itself");
    }
    assert_eq!(rig.partition(gone[0]).directory_of(BrokerId(3)), Uuid([3; 16]));
}

#[test]
fn the_only_voter_does_not_lead_with_an_empty_disk_what_others_have() {
    let (mut rig, logs, epoch) = led();
    let three = rig.image().broker(BrokerId(3)).expect("it joined").epoch;
    rig.leave(3, three);
    let (kept, gone) = (placed(&rig, &logs, ONE), placed(&rig, &logs, OTHER));
    let whole = Some(epoch);
    come_as(&mut rig, (201, true), &[ONE, Uuid([23; 16])], whole);
    for log in kept {
        assert_eq!(rig.partition(log).leader, BrokerId(2), "it has all of that");
    }
    for log in gone {
        assert_eq!(rig.partition(log).leader, BrokerId::NONE, "3 has some of it, and this one nothing");
    }
}
