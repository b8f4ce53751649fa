use super::{Clock, FAR};
use crate::seam::Instant;
use ottla_core::types::Mono;
use std::time::Duration;

#[test]
fn a_timer_is_as_far_away_after_a_year_as_on_the_first_day() {
    let second = Duration::from_secs(1);
    // As if it had run for two days, and days were years.
    let Some(started) = Instant::now().checked_sub(2 * second) else { return };
    for (age, clock) in [(0, Clock::start()), (2, Clock { started })] {
        let now = clock.now().mono;
        let wait = clock.instant(now + second).saturating_duration_since(Instant::now());
        assert!(wait <= second && wait > second / 2, "{wait:?} at the age of {age} s");
        let never = clock.instant(Mono(u64::MAX)).saturating_duration_since(Instant::now());
        assert!(never > FAR - second, "{never:?} at the age of {age} s");
    }
}
