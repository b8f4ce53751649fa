use super::{At, Clock};
use ottla_core::types::{Mono, Wall};

#[test]
fn a_deadline_comes_when_the_local_clock_shows_it_and_not_before() {
    for pace in [500, 999, 1000, 1333, 2000] {
        let mut clock = Clock::new(Wall(1_000));
        clock.set_pace(At::secs(3), pace);
        let deadline = Mono(clock.now(At::secs(3)).mono.0 + 7_777_777_777);
        let at = clock.when(deadline).expect("it runs");
        assert!(clock.now(at).mono >= deadline);
        assert!(clock.now(At(at.0 - 2)).mono < deadline, "at pace {pace}");
    }
}

#[test]
fn a_clock_that_stands_still_reaches_no_deadline_and_loses_no_time_already_counted() {
    let mut clock = Clock::new(Wall(0));
    clock.freeze(At::secs(5));
    assert_eq!(clock.when(Mono(6_000_000_000)), None);
    assert_eq!(clock.now(At::secs(50)).mono, Mono(5_000_000_000));
    clock.thaw(At::secs(60));
    assert_eq!(clock.when(Mono(6_000_000_000)), Some(At::secs(61)));
}

#[test]
fn the_wall_clock_jumps_and_the_monotonic_one_does_not() {
    let mut clock = Clock::new(Wall(1_000_000));
    clock.jump(At::secs(10), -500_000);
    let now = clock.now(At::secs(11));
    assert_eq!((now.mono, now.wall), (Mono(11_000_000_000), Wall(511_000)));
    clock.reboot(At::secs(12));
    assert_eq!((clock.now(At::secs(13)).mono, clock.now(At::secs(13)).wall), (Mono(1_000_000_000), Wall(513_000)));
}
