use super::{Peer, Peers, Progress};
use crate::types::{BrokerEpoch, BrokerId, Mono, Offset};
use core::time::Duration;
use std::vec;

const LAG: Duration = Duration::from_nanos(10);
const B: BrokerId = BrokerId(2);

fn follower() -> Progress {
    Progress::unknown(B, false, Mono(0))
}

fn ask(follower: &mut Progress, now: u64, from: i64, leader_end: i64) {
    follower.asked(Mono(now), Offset(from), BrokerEpoch(4), Offset(leader_end));
}

#[test]
fn a_follower_is_caught_up_when_it_asks_for_what_is_not_there_yet() {
    let mut follower = follower();
    ask(&mut follower, 100, 7, 7);
    assert!(follower.is_caught_up(Offset(9), Mono(110), LAG));
    assert!(!follower.is_caught_up(Offset(9), Mono(111), LAG));
    assert!(follower.is_caught_up(Offset(7), Mono(999), LAG), "while there is nothing new nobody lags");
}

#[test]
fn a_follower_is_caught_up_if_it_has_what_there_was_when_it_fetched_before() {
    let mut follower = follower();
    ask(&mut follower, 100, 3, 7);
    assert!(!follower.is_caught_up(Offset(7), Mono(100), LAG));
    ask(&mut follower, 105, 7, 9);
    assert!(follower.is_caught_up(Offset(9), Mono(110), LAG), "as of its first fetch");
    assert!(!follower.is_caught_up(Offset(9), Mono(111), LAG));
    ask(&mut follower, 106, 8, 12);
    assert!(!follower.is_caught_up(Offset(12), Mono(111), LAG), "8 is not 9");
}

#[test]
fn a_member_has_the_usual_time_in_a_new_reign_and_another_has_none() {
    let member = Progress::unknown(B, true, Mono(50));
    assert!(member.is_caught_up(Offset(1), Mono(60), LAG));
    assert_eq!(member.lags_from(Offset(1), LAG), Some(Mono(61)));
    assert!(!follower().is_caught_up(Offset(1), Mono(0), LAG));
    assert_eq!(follower().lags_from(Offset(1), LAG), None);
}

#[test]
fn the_time_at_which_a_follower_lags_is_the_first_at_which_it_is_not_caught_up() {
    let mut follower = follower();
    ask(&mut follower, 100, 7, 7);
    let at = follower.lags_from(Offset(8), LAG).expect("it will");
    assert!(!follower.is_caught_up(Offset(8), at, LAG));
    assert!(follower.is_caught_up(Offset(8), Mono(at.0 - 1), LAG));
    assert_eq!(follower.lags_from(Offset(7), LAG), None);
}

#[test]
fn only_the_registered_life_of_a_broker_may_join() {
    let mut follower = follower();
    ask(&mut follower, 100, 7, 7);
    let peers = |epoch, may_join| Peers::new(vec![Peer { id: B, epoch: BrokerEpoch(epoch), may_join }]);
    assert!(peers(4, true).may_join(&follower));
    assert!(!peers(5, true).may_join(&follower), "it restarted since");
    assert!(!peers(3, true).may_join(&follower), "its new life is not heard of yet");
    assert!(!peers(4, false).may_join(&follower), "fenced, or about to stop");
    assert!(!Peers::NONE.may_join(&follower));
}
