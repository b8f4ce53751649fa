use super::controller_test::Rig;
use super::replicas_test::{epoch_of, ids, three, three_with};
use super::{Ask, Reply};
use crate::metadata::Resource;
use crate::msg::Response;
use crate::msg::create_topics::{CreatableReplicaAssignment, CreatableTopic};
use crate::msg::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use crate::types::{BrokerId, ErrorCode, LogId};
use alloc::vec;
use alloc::vec::Vec;

impl Rig {
    fn elect(&mut self, election_type: i8, partitions: Option<&[i32]>) -> Vec<(i32, ErrorCode)> {
        let topics = partitions.map(|all| vec![TopicPartitions { topic: "orders".into(), partitions: all.to_vec() }]);
        let request = ElectLeadersRequest { election_type, topic_partitions: topics, timeout_ms: 1000 };
        let Reply::Response(Response::ElectLeaders(response)) = self.ask(&Ask::ElectLeaders(request)) else {
            panic!("another reply")
        };
        assert_eq!(response.error_code, 0);
        let results = response.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
        results.map(|one| (one.partition_id, ErrorCode::from_code(one.error_code).expect("known"))).collect()
    }

    /// Leader, ISR, eligible and last known leader.
    fn state(&self, log: LogId) -> (i32, Vec<BrokerId>, Vec<BrokerId>, Vec<BrokerId>) {
        let partition = self.partition(log);
        (partition.leader.0, partition.isr.clone(), partition.eligible.clone(), partition.last_eligible.clone())
    }
}

const TWO_MUST_HAVE_IT: &[(&str, &str)] = &[("min.insync.replicas", "2")];

#[test]
fn who_leaves_an_isr_that_becomes_too_small_stays_eligible_until_it_is_large_again() {
    let (mut rig, log, [two, three]) = three_with(TWO_MUST_HAVE_IT);
    rig.leave(3, three);
    assert_eq!(rig.state(log), (2, ids(&[2, 1]), ids(&[]), ids(&[])), "two are enough to go on without the third");
    assert_eq!(rig.alter_isr((2, two), log, &[(2, two.0)]).0, ErrorCode::None);
    assert_eq!(rig.state(log), (2, ids(&[2]), ids(&[1]), ids(&[])));
    let three = rig.join(3, Some(three));
    assert_eq!(rig.alter_isr((2, two), log, &[(2, two.0), (3, three.0)]).0, ErrorCode::None);
    assert_eq!(rig.state(log), (2, ids(&[2, 3]), ids(&[]), ids(&[])), "from here on 1 may lack what is committed");
}

#[test]
fn all_that_were_killed_at_once_lead_again_if_they_are_whole() {
    let (mut rig, log, [two, three]) = three_with(TWO_MUST_HAVE_IT);
    let one = epoch_of(&rig, 1);
    rig.leave(2, two);
    rig.leave(3, three);
    rig.leave(1, one);
    assert_eq!(rig.state(log), (-1, ids(&[]), ids(&[3, 1]), ids(&[1])));
    rig.join(2, Some(two));
    assert_eq!(rig.state(log).0, -1, "2 was out of the ISR while that was large enough to go on");
    rig.join(3, Some(three));
    assert_eq!(rig.state(log), (3, ids(&[3]), ids(&[1]), ids(&[])));
    assert!(!rig.partition(log).recovering, "nothing can be lost");
}

#[test]
fn who_lost_something_is_not_eligible_any_more() {
    let (mut rig, log, [two, three]) = three_with(TWO_MUST_HAVE_IT);
    let one = epoch_of(&rig, 1);
    rig.leave(2, two);
    rig.leave(3, three);
    rig.leave(1, one);
    rig.join(3, None);
    assert_eq!(rig.state(log), (-1, ids(&[]), ids(&[1]), ids(&[1])));
    rig.register_as(1, None, false);
    assert_eq!(rig.state(log), (-1, ids(&[]), ids(&[]), ids(&[1])), "nobody is left that has it all");
    let one = rig.join(1, None);
    assert_eq!(rig.state(log), (1, ids(&[1]), ids(&[]), ids(&[])), "so the last that led goes on with what it has");
    assert!(rig.partition(log).recovering);
    let two = rig.join(2, None);
    assert_eq!(rig.alter_isr((1, one), log, &[(1, one.0), (2, two.0)]).0, ErrorCode::None);
    assert!(rig.partition(log).recovering, "3 may have more, and has to give it up");
    let three = epoch_of(&rig, 3);
    assert_eq!(rig.alter_isr((1, one), log, &[(1, one.0), (2, two.0), (3, three.0)]).0, ErrorCode::None);
    assert!(!rig.partition(log).recovering);
}

#[test]
fn a_registration_that_is_not_the_last_proves_nothing() {
    let (mut rig, log, [two, three]) = three_with(TWO_MUST_HAVE_IT);
    let one = epoch_of(&rig, 1);
    rig.leave(1, one);
    rig.leave(3, three);
    assert_eq!(rig.state(log), (2, ids(&[2]), ids(&[3]), ids(&[])));
    let again = rig.join(3, Some(three));
    assert_eq!(rig.state(log).2, ids(&[3]));
    rig.leave(3, again);
    rig.join(3, Some(three));
    assert_eq!(rig.state(log), (2, ids(&[2]), ids(&[]), ids(&[])), "a disk of the life before came back");
    rig.leave(2, two);
    assert_eq!(rig.state(log), (-1, ids(&[]), ids(&[2]), ids(&[2])));
}

#[test]
fn a_preferred_leader_is_elected_if_it_is_in_sync() {
    let (mut rig, log, [two, _]) = three();
    assert_eq!(
        rig.elect(0, Some(&[0, 7])),
        [(0, ErrorCode::ElectionNotNeeded), (7, ErrorCode::UnknownTopicOrPartition)]
    );
    assert_eq!(rig.elect(0, None), [], "of all only those are told that are not led as they should be");
    rig.leave(2, two);
    assert_eq!(rig.elect(0, Some(&[0])), [(0, ErrorCode::PreferredLeaderNotAvailable)]);
    let two = rig.join(2, Some(two));
    assert_eq!(rig.elect(0, None), [(0, ErrorCode::PreferredLeaderNotAvailable)]);
    let three = epoch_of(&rig, 3);
    assert_eq!(rig.alter_isr((3, three), log, &[(3, -1), (1, -1), (2, two.0)]).0, ErrorCode::None);
    assert_eq!(rig.state(log).0, 3, "it waits to be asked");
    assert_eq!(rig.elect(0, Some(&[0, 0])), [(0, ErrorCode::None), (0, ErrorCode::ElectionNotNeeded)]);
    assert_eq!(rig.state(log), (2, ids(&[2, 3, 1]), ids(&[]), ids(&[])));
}

#[test]
fn preferred_leaders_are_seen_to_now_and_then() {
    let (mut rig, log, [two, three]) = three();
    rig.leave(2, two);
    let two = rig.join(2, Some(two));
    assert_eq!(rig.ask(&Ask::Tend { with_preferred: true }), Reply::Tended { has_more: false });
    assert_eq!(rig.state(log).0, 3, "it is not in sync yet");
    assert_eq!(rig.alter_isr((3, three), log, &[(3, -1), (1, -1), (2, two.0)]).0, ErrorCode::None);
    rig.ask(&Ask::Tend { with_preferred: false });
    assert_eq!(rig.state(log).0, 3);
    rig.ask(&Ask::Tend { with_preferred: true });
    assert_eq!(rig.state(log).0, 2);
    let end = rig.image().end();
    rig.ask(&Ask::Tend { with_preferred: true });
    assert_eq!(rig.image().end(), end, "nothing is left to be done");
}

/// Broker 3 is up and lacks what 2 and 1 committed, which are down.
fn forsaken() -> (Rig, LogId) {
    let (mut rig, log, [two, three]) = three();
    let one = epoch_of(&rig, 1);
    rig.leave(3, three);
    rig.leave(1, one);
    rig.leave(2, two);
    rig.join(3, Some(three));
    assert_eq!(rig.state(log), (-1, ids(&[]), ids(&[2]), ids(&[2])));
    (rig, log)
}

#[test]
fn a_leader_that_may_lack_records_is_elected_when_somebody_asks_for_it() {
    let (mut rig, log) = forsaken();
    assert_eq!(rig.elect(0, Some(&[0])), [(0, ErrorCode::PreferredLeaderNotAvailable)]);
    let epoch = rig.partition(log).leader_epoch;
    assert_eq!(rig.elect(1, Some(&[0])), [(0, ErrorCode::None)]);
    assert_eq!(rig.state(log), (3, ids(&[3]), ids(&[]), ids(&[])), "2 is not eligible beside it");
    assert!(rig.partition(log).recovering && rig.partition(log).leader_epoch > epoch);
    assert_eq!(rig.elect(1, Some(&[0])), [(0, ErrorCode::ElectionNotNeeded)]);
}

#[test]
fn a_leader_that_may_lack_records_is_elected_where_the_topic_allows_it() {
    let (mut rig, log) = forsaken();
    rig.ask(&Ask::Tend { with_preferred: true });
    assert_eq!(rig.state(log).0, -1);
    let allow = [("unclean.leader.election.enable", 0, Some("true"))];
    assert_eq!(rig.alter(Resource::TOPIC, "orders", &allow).0, ErrorCode::None);
    assert_eq!(rig.state(log), (3, ids(&[3]), ids(&[]), ids(&[])));
    let three = epoch_of(&rig, 3);
    rig.leave(3, three);
    let one = epoch_of(&rig, 1);
    rig.join(1, Some(one));
    assert_eq!(rig.state(log).0, 1, "by then whoever is up first");
}

#[test]
fn nobody_is_eligible_any_more_once_fewer_replicas_are_enough() {
    let (mut rig, log, [two, three]) = three_with(TWO_MUST_HAVE_IT);
    rig.leave(3, three);
    assert_eq!(rig.alter_isr((2, two), log, &[(2, two.0)]).0, ErrorCode::None);
    assert_eq!(rig.state(log).2, ids(&[1]));
    let more = [("min.insync.replicas", 0, Some("3"))];
    assert_eq!(rig.alter(Resource::TOPIC, "orders", &more).0, ErrorCode::None);
    assert_eq!(rig.state(log).2, ids(&[1]), "nothing is committed yet");
    let fewer = [("min.insync.replicas", 0, Some("1"))];
    assert_eq!(rig.alter(Resource::TOPIC, "orders", &fewer).0, ErrorCode::None);
    assert_eq!(rig.state(log), (2, ids(&[2]), ids(&[]), ids(&[])));
}

#[test]
fn who_is_elected_after_fewer_replicas_are_enough_is_enough_alone() {
    let (mut rig, log, [two, three]) = three_with(TWO_MUST_HAVE_IT);
    let one = epoch_of(&rig, 1);
    rig.leave(3, three);
    rig.leave(1, one);
    rig.leave(2, two);
    assert_eq!(rig.state(log), (-1, ids(&[]), ids(&[2, 1]), ids(&[2])));
    let fewer = [("min.insync.replicas", 0, Some("1"))];
    assert_eq!(rig.alter(Resource::TOPIC, "orders", &fewer).0, ErrorCode::None);
    rig.join(2, Some(two));
    assert_eq!(rig.state(log), (2, ids(&[2]), ids(&[]), ids(&[])), "nothing is committed while anybody else may lead");
}

#[test]
fn elections_beyond_a_thousand_have_their_turn_next() {
    let mut rig = Rig::new(&[]);
    rig.join(2, None);
    let one = epoch_of(&rig, 1);
    let assigned = |partition_index| CreatableReplicaAssignment { partition_index, broker_ids: vec![1, 2] };
    for name in ["a", "b"] {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: (0..1000).map(assigned).collect(),
            ..CreatableTopic::default()
        };
        rig.create(vec![topic]);
    }
    rig.leave(1, one);
    let one = rig.join(1, Some(one));
    let two = epoch_of(&rig, 2);
    let logs: Vec<LogId> = rig
        .image()
        .topics()
        .flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(|(partition, _)| LogId { topic: topic.id, partition: *partition })
                .collect::<Vec<_>>()
        })
        .collect();
    for log in logs {
        assert_eq!(rig.alter_isr((2, two), log, &[(2, two.0), (1, one.0)]).0, ErrorCode::None);
    }
    assert_eq!(rig.ask(&Ask::Tend { with_preferred: true }), Reply::Tended { has_more: true });
    assert_eq!(rig.ask(&Ask::Tend { with_preferred: true }), Reply::Tended { has_more: false });
    assert!(rig.image().topics().all(|topic| topic.partitions.iter().all(|(_, one)| one.leader == BrokerId(1))));
}

#[test]
fn who_ended_before_it_kept_its_registration_is_as_whole_as_before() {
    let (mut rig, log, [two, three]) = three_with(TWO_MUST_HAVE_IT);
    rig.leave(3, three);
    assert_eq!(rig.alter_isr((2, two), log, &[(2, two.0)]).0, ErrorCode::None);
    let one = epoch_of(&rig, 1);
    rig.leave(1, one);
    rig.register_as(1, Some(one), false);
    let kept = rig.register_as(1, Some(one), false);
    assert_eq!(rig.state(log).2, ids(&[1]), "killed before it had kept the first");
    rig.register_as(1, Some(kept), false);
    assert_eq!(rig.state(log).2, ids(&[1]), "it had kept the second, and done nothing under it");
    let heard = rig.join(1, Some(kept));
    assert_eq!(rig.state(log).2, ids(&[1]));
    rig.leave(1, heard);
    rig.register_as(1, Some(kept), false);
    assert_eq!(rig.state(log).2, ids(&[]), "but in a life in which it was up it may have acknowledged something");
}
