use super::Fetchers;
use crate::partition::FollowerFetch;
use crate::types::{BrokerId, LeaderEpoch, LogId, Mono, Offset, Uuid};
use core::time::Duration;
use std::vec;
use std::vec::Vec;

const LEADER: BrokerId = BrokerId(7);

fn log(partition: i32) -> LogId {
    LogId { topic: Uuid([1; 16]), partition }
}

fn from(offset: i64) -> FollowerFetch {
    FollowerFetch {
        from: Offset(offset),
        current_epoch: LeaderEpoch(1),
        last_fetched: LeaderEpoch(1),
        log_start: Offset(0),
        watch_below: 1,
        is_glance: false,
    }
}

#[test]
fn a_leader_is_asked_once_at_a_time_for_all_that_want_more() {
    let mut fetchers = Fetchers::default();
    fetchers.wants(LEADER, log(0), from(0));
    fetchers.wants(LEADER, log(1), from(0));
    let (leader, ask) = fetchers.next(Mono(0), None).expect("two want more");
    assert_eq!((leader, ask.named.len(), ask.session), (LEADER, 2, Some((0, 0))));
    fetchers.wants(LEADER, log(2), from(0));
    assert!(fetchers.next(Mono(0), None).is_none(), "it is being asked");
    assert_eq!(fetchers.asked(LEADER, log(2)), None, "it came later");
    fetchers.rests(LEADER, log(0));
    fetchers.ended(LEADER, Mono(5), Some(77), Duration::ZERO);
    let (_, ask) = fetchers.next(Mono(5), None).expect("again");
    assert_eq!((ask.session, ask.named, ask.forgotten), (Some((77, 1)), vec![(log(2), from(0))], vec![log(0)]));
}

#[test]
fn after_a_failure_there_is_a_pause_and_nobody_is_kept_in_mind_for_nothing() {
    let mut fetchers = Fetchers::default();
    fetchers.wants(LEADER, log(0), from(0));
    fetchers.next(Mono(0), None).expect("one wants more");
    fetchers.ended(LEADER, Mono(10), None, Duration::from_nanos(90));
    assert!(fetchers.next(Mono(50), None).is_none());
    assert_eq!(fetchers.deadline(Mono(50), None), Some(Mono(100)));
    assert_eq!(fetchers.next(Mono(100), None).expect("again").1.session, Some((0, 0)));
    fetchers.rests(LEADER, log(0));
    fetchers.ended(LEADER, Mono(100), Some(77), Duration::ZERO);
    assert!(fetchers.leaders.is_empty());
}

#[test]
fn those_who_only_look_have_their_turn_and_no_more() {
    let mut fetchers = Fetchers::default();
    let glance = FollowerFetch { is_glance: true, ..from(0) };
    fetchers.wants(LEADER, log(100), from(0));
    (0..20).for_each(|partition| fetchers.wants(LEADER, log(partition), glance));
    let mut asked = Vec::new();
    for at in 0..5 {
        let (_, ask) = fetchers.next(Mono(at), None).expect("somebody wants more");
        asked.push((ask.session.is_some(), ask.named.iter().map(|(log, _)| log.partition).collect::<Vec<_>>()));
        assert_eq!(ask.by, Some(Mono(at)), "nobody waits for records while others look");
        // Nothing comes of it: all of them look again.
        fetchers.ended(LEADER, Mono(at), Some(77), Duration::ZERO);
    }
    let all = (16..20).chain(0..12).collect();
    let expected = [
        (false, (0..16).collect()),
        (true, vec![100]),
        (false, all),
        (true, vec![]),
        (false, (12..20).chain(0..8).collect()),
    ];
    assert_eq!(asked, expected);
}

#[test]
fn the_next_ask_waits_for_what_the_last_one_brought_to_be_flushed() {
    let mut fetchers = Fetchers::default();
    fetchers.wants(LEADER, log(0), from(0));
    fetchers.wants(LEADER, log(1), from(0));
    fetchers.next(Mono(0), None).expect("two want more");
    fetchers.takes(LEADER, log(0));
    fetchers.ended(LEADER, Mono(1), Some(77), Duration::ZERO);
    assert!(
        fetchers.next(Mono(1), None).is_none(),
        "the other log alone would be kept waiting, and what was taken with it"
    );
    fetchers.wants(LEADER, log(0), from(4));
    let (_, ask) = fetchers.next(Mono(1), None).expect("now");
    assert_eq!((ask.named, ask.forgotten, ask.by), (vec![(log(0), from(4))], vec![], None));
}

#[test]
fn a_log_that_fails_is_left_out_for_a_while_and_holds_up_nobody() {
    let mut fetchers = Fetchers::default();
    fetchers.wants(LEADER, log(0), from(0));
    fetchers.wants(LEADER, log(1), from(0));
    fetchers.next(Mono(0), None).expect("two want more");
    fetchers.fails(LEADER, log(0), Mono(100));
    fetchers.ended(LEADER, Mono(1), Some(77), Duration::ZERO);
    let (_, ask) = fetchers.next(Mono(1), None).expect("the other one does not wait");
    assert_eq!((ask.named, ask.forgotten, ask.by), (vec![], vec![log(0)], Some(Mono(100))));
    fetchers.ended(LEADER, Mono(90), Some(77), Duration::ZERO);
    assert_eq!(fetchers.deadline(Mono(90), None), Some(Mono(100)));
    let (_, ask) = fetchers.next(Mono(100), None).expect("both");
    assert_eq!((ask.named, ask.by), (vec![(log(0), from(0))], None));
}

#[test]
fn a_glance_belongs_to_no_session_and_goes_first() {
    let mut fetchers = Fetchers::default();
    fetchers.wants(LEADER, log(0), from(0));
    let glance = FollowerFetch { is_glance: true, ..from(50) };
    fetchers.wants(LEADER, log(1), glance);
    let (_, ask) = fetchers.next(Mono(0), None).expect("two want more");
    assert_eq!((ask.session, ask.named, ask.by), (None, vec![(log(1), glance)], Some(Mono(0))));
    assert_eq!((fetchers.asked(LEADER, log(0)), fetchers.asked(LEADER, log(1))), (None, Some(glance)));
    fetchers.wants(LEADER, log(1), from(50));
    fetchers.ended(LEADER, Mono(1), Some(0), Duration::ZERO);
    assert_eq!(fetchers.next(Mono(1), None).expect("the session").1.named.len(), 2);
}

#[test]
fn what_the_throttle_holds_back_is_asked_for_once_it_opens_and_holds_nobody_up() {
    let mut fetchers = Fetchers::default();
    let closed = Some(Mono(100));
    fetchers.holds_back(LEADER, log(0), from(0));
    fetchers.wants(LEADER, log(1), from(0));
    let (_, ask) = fetchers.next(Mono(0), closed).expect("one wants more");
    assert_eq!(
        (ask.named, ask.by),
        (vec![(log(1), from(0))], closed),
        "the answer is not to be waited for beyond that"
    );
    fetchers.ended(LEADER, Mono(1), Some(77), Duration::ZERO);
    assert_eq!(fetchers.deadline(Mono(1), closed), closed);
    let (_, ask) = fetchers.next(Mono(100), None).expect("it is open");
    assert_eq!(ask.named, vec![(log(0), from(0))]);
    fetchers.ended(LEADER, Mono(101), Some(77), Duration::ZERO);
    fetchers.holds_back(LEADER, log(0), from(5));
    let (_, ask) = fetchers.next(Mono(101), closed).expect("the other");
    assert_eq!((ask.named, ask.forgotten), (vec![], vec![log(0)]), "the leader is not to answer for it");
    fetchers.rests(LEADER, log(0));
    fetchers.rests(LEADER, log(1));
    fetchers.ended(LEADER, Mono(102), Some(77), Duration::ZERO);
    assert!(fetchers.leaders.is_empty());
}
