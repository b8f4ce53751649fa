use super::Steady;
use crate::types::{Mono, Now, Wall};

fn at(seconds: u64, wall_seconds: i64) -> Now {
    Now { mono: Mono(seconds * 1_000_000_000), wall: Wall(wall_seconds * 1000) }
}

#[test]
fn a_clock_is_steady_a_while_after_a_start_and_after_it_was_set() {
    let mut steady = Steady::default();
    assert!(!steady.for_long(at(100, 5_000)), "nobody knows what it was before the start");
    assert!(!steady.for_long(at(400, 5_301)));
    assert!(steady.for_long(at(1_000, 5_900)));
    for set in [1_000_000, 10] {
        let mut steady = steady.clone();
        assert!(!steady.for_long(at(1_300, set)), "it was set");
        assert!(!steady.for_long(at(2_199, set + 899)));
        assert!(steady.for_long(at(2_200, set + 900)));
    }
}
