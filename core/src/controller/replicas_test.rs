use super::controller_test::Rig;
use super::{Ask, Heartbeat, Reply};
use crate::metadata::Partition;
use crate::msg::Response;
use crate::msg::alter_partition::{AlterPartitionRequest, BrokerState, PartitionData, TopicData};
use crate::msg::broker_heartbeat::BrokerHeartbeatResponse;
use crate::msg::create_topics::{CreatableReplicaAssignment, CreatableTopic};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LogId, Offset, Uuid};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

impl Rig {
    fn heartbeat(&mut self, id: i32, epoch: BrokerEpoch, known: Offset) -> BrokerHeartbeatResponse {
        self.heartbeat_as(Heartbeat {
            id: BrokerId(id),
            epoch,
            known,
            want_fence: false,
            want_shut_down: false,
            lost: Vec::new(),
        })
    }

    fn heartbeat_as(&mut self, heartbeat: Heartbeat) -> BrokerHeartbeatResponse {
        match self.ask(&Ask::Heartbeat(heartbeat)) {
            Reply::Response(Response::BrokerHeartbeat(response)) => response,
            other => panic!("{other:?}"),
        }
    }

    /// A broker starts elsewhere, and catches up.
    pub fn join(&mut self, id: i32, whole_since: Option<BrokerEpoch>) -> BrokerEpoch {
        let epoch = self.register_as(id, whole_since, false);
        let end = self.image().end();
        assert!(!self.heartbeat(id, epoch, end).is_fenced);
        epoch
    }

    pub fn partition(&self, log: LogId) -> Arc<Partition> {
        self.image().partition(log).expect("it exists").clone()
    }

    pub fn leave(&mut self, id: i32, epoch: BrokerEpoch) {
        assert_eq!(self.ask(&Ask::Fence(BrokerId(id), epoch)), Reply::Fenced);
    }

    pub fn alter_isr(&mut self, broker: (i32, BrokerEpoch), log: LogId, isr: &[(i32, i64)]) -> (ErrorCode, Vec<i32>) {
        let partition = self.partition(log);
        let data = PartitionData {
            partition_index: log.partition,
            leader_epoch: partition.leader_epoch.0,
            new_isr_with_epochs: isr
                .iter()
                .map(|(broker_id, broker_epoch)| BrokerState { broker_id: *broker_id, broker_epoch: *broker_epoch })
                .collect(),
            partition_epoch: partition.partition_epoch.0,
            ..PartitionData::default()
        };
        self.alter_isr_as(broker, log.topic, data)
    }

    fn alter_isr_as(
        &mut self,
        broker: (i32, BrokerEpoch),
        topic_id: Uuid,
        data: PartitionData,
    ) -> (ErrorCode, Vec<i32>) {
        let topics = vec![TopicData { topic_id, partitions: vec![data] }];
        let request = AlterPartitionRequest { broker_id: broker.0, broker_epoch: broker.1.0, topics };
        let Reply::Response(Response::AlterPartition(response)) = self.ask(&Ask::AlterPartition(request)) else {
            panic!("another reply")
        };
        if response.error_code != 0 {
            return (ErrorCode::from_code(response.error_code).expect("known"), Vec::new());
        }
        let partition = &response.topics[0].partitions[0];
        (ErrorCode::from_code(partition.error_code).expect("known"), partition.isr.clone())
    }
}

pub fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

/// Brokers 1, 2 and 3, and a partition that they hold in this order.
pub fn three() -> (Rig, LogId, [BrokerEpoch; 2]) {
    three_with(&[])
}

/// The same under these settings.
pub fn three_with(settings: &[(&str, &str)]) -> (Rig, LogId, [BrokerEpoch; 2]) {
    let mut rig = Rig::new(settings);
    let epochs = [rig.join(2, None), rig.join(3, None)];
    let assignments = vec![CreatableReplicaAssignment { partition_index: 0, broker_ids: vec![2, 3, 1] }];
    let topic = CreatableTopic {
        name: "orders".into(),
        num_partitions: -1,
        replication_factor: -1,
        assignments,
        ..CreatableTopic::default()
    };
    let topic = rig.create(vec![topic]).remove(0).topic_id;
    (rig, LogId { topic, partition: 0 }, epochs)
}

#[test]
fn of_two_proposals_for_one_partition_the_second_is_refused() {
    let (mut rig, log, [second, _]) = three();
    let partition = rig.partition(log);
    let data = |isr: &[i32]| PartitionData {
        partition_index: log.partition,
        leader_epoch: partition.leader_epoch.0,
        new_isr_with_epochs: isr
            .iter()
            .map(|broker_id| BrokerState { broker_id: *broker_id, broker_epoch: -1 })
            .collect(),
        partition_epoch: partition.partition_epoch.0,
        ..PartitionData::default()
    };
    let topics = vec![TopicData { topic_id: log.topic, partitions: vec![data(&[2]), data(&[2, 3])] }];
    let request = AlterPartitionRequest { broker_id: 2, broker_epoch: second.0, topics };
    let Reply::Response(Response::AlterPartition(response)) = rig.ask(&Ask::AlterPartition(request)) else {
        panic!("another reply")
    };
    let errors: Vec<i16> = response.topics[0].partitions.iter().map(|one| one.error_code).collect();
    assert_eq!(errors, [0, ErrorCode::InvalidRequest.code()]);
    assert_eq!(rig.partition(log).isr, ids(&[2]));
}

#[test]
fn a_broker_leads_nothing_before_it_knows_of_its_registration() {
    let mut rig = Rig::new(&[]);
    let epoch = rig.register_as(2, None, false);
    assert!(rig.image().broker(BrokerId(2)).expect("registered").fenced);
    let told = rig.heartbeat(2, epoch, Offset(epoch.0));
    assert!(told.is_fenced && !told.is_caught_up);
    let told = rig.heartbeat(2, epoch, Offset(epoch.0 + 1));
    assert!(!told.is_fenced && told.is_caught_up);
    assert!(rig.image().broker(BrokerId(2)).expect("registered").is_active());
    assert_eq!(rig.heartbeat(2, BrokerEpoch(epoch.0 + 7), Offset(0)).error_code, ErrorCode::StaleBrokerEpoch.code());
    assert_eq!(rig.heartbeat(9, epoch, Offset(0)).error_code, ErrorCode::BrokerIdNotRegistered.code());
}

#[test]
fn who_goes_leads_no_more_and_leaves_the_isr_unless_it_is_the_last() {
    let (mut rig, log, [two, three]) = three();
    let before = rig.partition(log);
    assert_eq!((before.leader, &before.isr), (BrokerId(2), &ids(&[2, 3, 1])));
    rig.leave(2, two);
    let after = rig.partition(log);
    assert_eq!((after.leader, &after.isr), (BrokerId(3), &ids(&[3, 1])));
    assert_eq!(after.leader_epoch, before.leader_epoch.next());
    rig.leave(3, three);
    assert_eq!((rig.partition(log).leader, &rig.partition(log).isr), (BrokerId(1), &ids(&[1])));
    let three = rig.join(3, None);
    assert_eq!(rig.alter_isr((1, epoch_of(&rig, 1)), log, &[(1, -1), (3, three.0)]).0, ErrorCode::None);
    assert_eq!(rig.partition(log).isr, ids(&[3, 1]), "in the order of the replicas");
}

pub fn epoch_of(rig: &Rig, id: i32) -> BrokerEpoch {
    rig.image().broker(BrokerId(id)).expect("registered").epoch
}

#[test]
fn the_last_in_the_isr_stays_eligible_and_leads_again_when_it_is_back() {
    let (mut rig, log, [two, three]) = three();
    let one = epoch_of(&rig, 1);
    rig.leave(3, three);
    rig.leave(1, one);
    rig.leave(2, two);
    let alone = rig.partition(log);
    assert_eq!((alone.leader, &alone.isr, &alone.eligible), (BrokerId::NONE, &ids(&[]), &ids(&[2])));
    let three = rig.join(3, Some(three));
    assert_eq!(rig.partition(log).leader, BrokerId::NONE, "one that is not in the ISR may lack what was committed");
    rig.leave(3, three);
    rig.join(2, Some(two));
    assert_eq!((rig.partition(log).leader, &rig.partition(log).isr), (BrokerId(2), &ids(&[2])));
    assert!(rig.partition(log).leader_epoch > alone.leader_epoch);
    assert!(rig.partition(log).eligible.is_empty() && !rig.partition(log).recovering);
}

#[test]
fn a_broker_that_registers_again_is_out_of_every_isr_until_it_has_shown_what_it_kept() {
    let (mut rig, log, [two, _]) = three();
    let again = rig.register_as(2, Some(two), false);
    assert!(again > two);
    assert_eq!((rig.partition(log).leader, &rig.partition(log).isr), (BrokerId(3), &ids(&[3, 1])));
}

#[test]
fn an_isr_is_changed_by_its_leader_only_from_the_state_that_is_and_for_members_that_live() {
    let (mut rig, log, [two, three]) = three();
    let one = epoch_of(&rig, 1);
    assert_eq!(rig.alter_isr((2, two), log, &[(2, -1), (3, three.0)]), (ErrorCode::None, vec![2, 3]));
    assert_eq!(rig.alter_isr((2, two), log, &[(2, two.0), (3, three.0)]).0, ErrorCode::None, "nothing new is no error");
    let refusals = [
        ("a leader of another life", (2, BrokerEpoch(two.0 - 1)), vec![(2, -1)], ErrorCode::StaleBrokerEpoch),
        ("no leader", (3, three), vec![(3, -1)], ErrorCode::InvalidRequest),
        ("without the leader", (2, two), vec![(3, -1)], ErrorCode::InvalidRequest),
        ("no replica", (2, two), vec![(2, -1), (9, -1)], ErrorCode::InvalidRequest),
        ("a member of another life", (2, two), vec![(2, -1), (1, one.0 - 1)], ErrorCode::IneligibleReplica),
    ];
    for (why, who, isr, error) in refusals {
        assert_eq!(rig.alter_isr(who, log, &isr).0, error, "{why}");
    }
    let state = rig.partition(log);
    let data = |leader_epoch: i32, partition_epoch: i32| PartitionData {
        partition_index: 0,
        leader_epoch,
        partition_epoch,
        new_isr_with_epochs: vec![BrokerState { broker_id: 2, broker_epoch: -1 }],
        ..PartitionData::default()
    };
    let (reign, epoch) = (state.leader_epoch.0, state.partition_epoch.0);
    for (data, error) in [
        (data(reign - 1, epoch), ErrorCode::FencedLeaderEpoch),
        (data(reign + 1, epoch), ErrorCode::NotController),
        (data(reign, epoch - 1), ErrorCode::InvalidUpdateVersion),
        (data(reign, epoch + 1), ErrorCode::NotController),
    ] {
        assert_eq!(rig.alter_isr_as((2, two), log.topic, data).0, error);
    }
    assert_eq!(*rig.partition(log), *state, "what is refused changes nothing");
}

#[test]
fn who_wants_to_stop_leads_no_more_and_may_stop_when_that_is_decided() {
    let (mut rig, log, [two, _]) = three();
    let known = rig.image().end();
    let stop =
        Heartbeat { id: BrokerId(2), epoch: two, known, want_fence: false, want_shut_down: true, lost: Vec::new() };
    let told = rig.heartbeat_as(stop.clone());
    assert!(told.should_shut_down && !told.is_fenced);
    assert_eq!((rig.partition(log).leader, &rig.partition(log).isr), (BrokerId(3), &ids(&[3, 1])));
    let broker = rig.image().broker(BrokerId(2)).expect("registered").clone();
    assert!(broker.in_controlled_shutdown && !broker.fenced && !broker.is_active());
    let three = epoch_of(&rig, 3);
    let back = rig.alter_isr((3, three), log, &[(3, -1), (1, -1), (2, two.0)]);
    assert_eq!(back.0, ErrorCode::IneligibleReplica, "it would be gone a moment later");
    let state = rig.image().end();
    assert!(rig.heartbeat_as(stop.clone()).should_shut_down);
    assert_eq!(rig.image().end(), state, "asked again nothing more is decided");
    rig.leave(2, two);
    assert!(rig.heartbeat_as(stop.clone()).should_shut_down, "one that leads nothing may stop at any time");
    let two = rig.join(2, Some(two));
    assert!(rig.image().broker(BrokerId(2)).expect("registered").is_active() && two > epoch_of(&rig, 3));
}

#[test]
fn a_broker_that_is_gone_is_forgotten_and_one_that_lives_is_not() {
    let (mut rig, log, [two, three]) = three_with(&[("min.insync.replicas", "2")]);
    let ask = |rig: &mut Rig, id: i32| match rig.ask(&Ask::Unregister(BrokerId(id))) {
        Reply::Response(Response::UnregisterBroker(response)) => ErrorCode::from_code(response.error_code),
        other => panic!("{other:?}"),
    };
    assert_eq!(ask(&mut rig, 2), Some(ErrorCode::InvalidRequest));
    assert_eq!(ask(&mut rig, 9), Some(ErrorCode::BrokerIdNotRegistered));
    rig.leave(3, three);
    rig.leave(2, two);
    assert_eq!((&rig.partition(log).isr, &rig.partition(log).eligible), (&ids(&[1]), &ids(&[2])));
    assert_eq!(ask(&mut rig, 2), Some(ErrorCode::None));
    assert!(rig.image().broker(BrokerId(2)).is_none());
    assert_eq!((&rig.partition(log).isr, &rig.partition(log).eligible), (&ids(&[1]), &ids(&[])));
    assert_eq!(rig.partition(log).replicas, ids(&[2, 3, 1]), "where it is to be is for whoever moves it");
}
