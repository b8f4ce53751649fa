use super::{date, duration, parse_date};
use std::time::Duration;

#[test]
fn dates_are_read_as_they_are_written() {
    assert_eq!(date(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(date(1_709_164_800_000), "2024-02-29T00:00:00.000Z");
    assert_eq!(date(-1), "-");
    let mut millis = 0;
    while millis < 5_000_000_000_000 {
        assert_eq!(parse_date(&date(millis)), Some(millis));
        millis += 86_399_999 * 7;
    }
}

#[test]
fn a_date_may_be_short_but_not_wrong() {
    assert_eq!(parse_date("1970-01-02"), Some(86_400_000));
    assert_eq!(parse_date("1970-01-01T00:01"), Some(60_000));
    assert_eq!(parse_date("1970-01-01 00:00:01.5"), Some(1500));
    for wrong in
        ["", "yesterday", "2026-02-29", "2026-13-01", "2026-1", "2026-01-01T25:00", "2026-01-01T", "-1-1-1", "7"]
    {
        assert_eq!(parse_date(wrong), None, "{wrong}");
    }
}

#[test]
fn durations_have_units() {
    assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
    assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
    assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
    assert!(duration("5 parsecs").is_err());
    assert!(duration("s").is_err());
}
