use super::{Due, Timer, Timers};
use crate::types::Mono;

fn timer(member: &str) -> Timer {
    Timer { group: "g".into(), due: Due::Session(member.into()) }
}

#[test]
fn a_timer_that_was_moved_goes_off_at_its_new_time_only() {
    let mut timers = Timers::default();
    timers.set(timer("a"), Mono(10));
    timers.set(timer("a"), Mono(30));
    timers.set(timer("b"), Mono(20));
    assert_eq!(timers.pop(Mono(15)), None);
    assert_eq!(timers.pop(Mono(25)), Some(timer("b")));
    assert_eq!(timers.pop(Mono(25)), None);
    timers.set(timer("a"), Mono(26));
    assert_eq!(timers.next(), Some(Mono(26)));
    assert_eq!(timers.pop(Mono(26)), Some(timer("a")));
    assert_eq!(timers.next(), None);
}

#[test]
fn a_cancelled_timer_never_goes_off() {
    let mut timers = Timers::default();
    timers.set(timer("a"), Mono(10));
    timers.set(timer("a"), Mono(20));
    timers.cancel(&timer("a"));
    timers.cancel(&timer("b"));
    assert_eq!((timers.next(), timers.pop(Mono(99))), (None, None));
}
