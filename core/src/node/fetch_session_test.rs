use super::{FetchSession, NAMED_AT_ONCE};
use crate::partition::FollowerFetch;
use crate::types::{LeaderEpoch, LogId, Offset, Uuid};
use std::vec;

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

/// A session of these many logs that its leader knows of.
fn open(logs: i32) -> FetchSession {
    let mut session = FetchSession::default();
    (0..logs).for_each(|at| session.want(log(at), from(0)));
    session.ask();
    session.answered(77);
    session
}

#[test]
fn what_does_not_change_is_named_once() {
    let mut session = FetchSession::default();
    (0..3).for_each(|at| session.want(log(at), from(0)));
    let first = session.ask();
    assert_eq!((first.session, first.named.len(), first.has_more), ((0, 0), 3, false));
    session.answered(77);
    session.want(log(1), from(5));
    session.want(log(2), from(0));
    let second = session.ask();
    assert_eq!((second.session, second.named), ((77, 1), vec![(log(1), from(5))]));
    session.answered(77);
    let third = session.ask();
    assert_eq!((third.session, third.named, third.forgotten), ((77, 2), vec![], vec![]));
    assert_eq!(session.asked(log(0)), Some(from(0)), "it is wanted still");
}

#[test]
fn what_is_wanted_no_more_is_forgotten_unless_it_is_wanted_again_before() {
    let mut session = open(3);
    assert_eq!(session.forget(log(0)), Some(from(0)));
    session.forget(log(1));
    session.want(log(1), from(0));
    let ask = session.ask();
    assert_eq!((ask.named, ask.forgotten), (vec![], vec![log(0)]));
    assert_eq!(session.asked(log(0)), None);
    session.answered(77);
    session.forget(log(1));
    session.want(log(1), from(9));
    let ask = session.ask();
    assert_eq!((ask.named, ask.forgotten), (vec![(log(1), from(9))], vec![]));
    session.forget(log(1));
    session.forget(log(2));
    assert!(session.is_empty());
}

#[test]
fn everything_is_named_anew_when_nobody_knows_what_the_leader_holds() {
    let mut session = open(2);
    session.forget(log(0));
    session.want(log(5), from(1));
    session.broken();
    let ask = session.ask();
    assert_eq!((ask.session, ask.named, ask.forgotten), ((77, 0), vec![(log(1), from(0)), (log(5), from(1))], vec![]));
    session.answered(8);
    session.ask();
    session.answered(0);
    assert_eq!(session.ask().session, (8, 0), "the leader ended the session");
}

#[test]
fn thousands_are_named_in_several_asks_but_all_at_once_where_there_is_no_session() {
    let many = NAMED_AT_ONCE as i32 + 5;
    let mut session = FetchSession::default();
    (0..many).for_each(|at| session.want(log(at), from(0)));
    let ask = session.ask();
    assert_eq!((ask.named.len(), ask.has_more), (NAMED_AT_ONCE, true));
    session.answered(77);
    let ask = session.ask();
    assert_eq!((ask.session, ask.named.len(), ask.has_more), ((77, 1), 5, false));
    session.broken();
    session.ask();
    session.answered(0);
    let ask = session.ask();
    assert_eq!((ask.session, ask.named.len(), ask.has_more), ((0, 0), many as usize, false));
}
