use super::From;

#[test]
fn offsets_are_counted_from_either_end_and_never_leave_the_log() {
    let known = [("beginning", 5), ("end", 20), ("7", 7), ("3", 5), ("99", 20), ("-2", 18), ("-0", 20), ("-100", 5)];
    for (wanted, offset) in known {
        assert_eq!(From::parse(wanted).unwrap().within(5, 20, None), offset, "{wanted}");
    }
}

#[test]
fn a_time_after_the_last_record_means_the_end() {
    let from = From::parse("1970-01-01T00:00:01Z").unwrap();
    assert_eq!(from, From::Time(1000));
    assert_eq!(from, From::parse("@1000").unwrap());
    assert_eq!(from.within(5, 20, Some(-1)), 20);
    assert_eq!(from.within(5, 20, Some(9)), 9);
}

#[test]
fn nonsense_is_refused() {
    for wrong in ["yesterday", "", "-", "@", "@-1", "--1", "9223372036854775808", "-9223372036854775809"] {
        assert!(From::parse(wrong).is_err(), "{wrong}");
    }
}
