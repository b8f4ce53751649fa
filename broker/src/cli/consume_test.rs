use super::first;

#[test]
fn offsets_are_counted_from_either_end_and_never_leave_the_log() {
    for (wanted, offset) in
        [("beginning", 5), ("end", 20), ("7", 7), ("3", 5), ("-2", 18), ("-100", 5), ("-9223372036854775808", 5)]
    {
        assert_eq!(first(wanted, 5, 20), Ok(offset), "{wanted}");
    }
    assert!(first("yesterday", 5, 20).is_err());
}
