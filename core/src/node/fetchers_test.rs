use super::Fetchers;
use crate::types::{BrokerId, LogId, Mono, Uuid};
use core::time::Duration;

const LEADER: BrokerId = BrokerId(7);

fn log(partition: i32) -> LogId {
    LogId { topic: Uuid([1; 16]), partition }
}

#[test]
fn a_leader_is_asked_once_at_a_time_for_all_that_want_more() {
    let mut fetchers = Fetchers::default();
    fetchers.wants(LEADER, log(0));
    fetchers.wants(LEADER, log(1));
    let (leader, logs) = fetchers.next(Mono(0)).expect("two want more");
    assert_eq!((leader, logs.len()), (LEADER, 2));
    fetchers.wants(LEADER, log(2));
    assert!(fetchers.next(Mono(0)).is_none(), "it is being asked");
    fetchers.rests(LEADER, log(0));
    fetchers.ended(LEADER, Mono(5), Duration::ZERO);
    assert_eq!(fetchers.next(Mono(5)).expect("again").1.len(), 2);
}

#[test]
fn after_a_failure_there_is_a_pause_and_nobody_is_kept_in_mind_for_nothing() {
    let mut fetchers = Fetchers::default();
    fetchers.wants(LEADER, log(0));
    fetchers.next(Mono(0)).expect("one wants more");
    fetchers.ended(LEADER, Mono(10), Duration::from_nanos(90));
    assert!(fetchers.next(Mono(50)).is_none());
    assert_eq!(fetchers.deadline(Mono(50)), Some(Mono(100)));
    assert!(fetchers.next(Mono(100)).is_some());
    fetchers.rests(LEADER, log(0));
    fetchers.ended(LEADER, Mono(100), Duration::ZERO);
    assert!(fetchers.leaders.is_empty());
}
