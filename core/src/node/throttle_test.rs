use super::Throttle;
use crate::types::{Mono, Now, Wall};

fn at(ms: u64) -> Now {
    Now { mono: Mono(ms * 1_000_000), wall: Wall(0) }
}

#[test]
fn over_any_long_time_a_rate_holds_however_large_one_answer_is() {
    for (rate, answer) in [(1_000u64, 10u64), (1_000, 5_000), (1_000_000, 1_000_000), (7, 100)] {
        let mut throttle = Throttle::default();
        let (mut sent, mut now) = (0, 0);
        while now < 1_000_000 {
            match throttle.opens_at(at(now), rate) {
                Some(opens) => now = opens.0.div_ceil(1_000_000),
                None => {
                    throttle.spend(at(now), rate, answer);
                    sent += answer;
                }
            }
        }
        let allowed = rate * 1_000;
        assert!(sent <= allowed + rate + answer, "{sent} of {allowed}");
        assert!(sent + rate + answer >= allowed, "and it is made use of: {sent} of {allowed}");
    }
}

#[test]
fn nothing_is_owed_where_there_is_no_bound_and_nothing_goes_where_there_is_no_rate() {
    let mut throttle = Throttle::default();
    let none = u64::try_from(i64::MAX).expect("positive");
    throttle.spend(at(0), none, u64::MAX / 4);
    assert_eq!(throttle.opens_at(at(0), none), None);
    assert!(Throttle::default().opens_at(at(0), 0).is_some());
}

#[test]
fn a_rate_that_is_raised_is_noticed_within_a_second() {
    let mut throttle = Throttle::default();
    throttle.spend(at(0), 1, 1 << 20);
    assert_eq!(throttle.opens_at(at(0), 1), Some(at(1_000).mono));
    assert_eq!(throttle.opens_at(at(1_000), 1 << 20), None);
}
