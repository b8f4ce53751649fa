use super::{Mistake, check};
use ottla_core::types::ErrorCode;

#[test]
fn a_mistake_is_one_line_that_ends_in_what_to_do_next() {
    let mistake = check(ErrorCode::UnknownTopicOrPartition.code(), None, "topic a").unwrap_err();
    let shown = mistake.to_string();
    assert!(shown.starts_with("topic a: there is no such topic or partition; "), "{shown}");
    assert!(shown.contains("ottla topic create"), "{shown}");
    let told = check(ErrorCode::InvalidConfig.code(), Some("two\nlines."), "topic a").unwrap_err().to_string();
    assert_eq!(told, "topic a: two lines (InvalidConfig)");
    assert_eq!(check(0, None, "topic a"), Ok(()));
    assert!(check(9999, None, "topic a").unwrap_err().to_string().contains("9999"));
}

#[test]
fn only_what_may_go_well_the_next_time_is_tried_again() {
    assert!(Mistake::lost("away").is_retriable());
    assert!(!Mistake::new("wrong").is_retriable());
    assert!(check(ErrorCode::NotLeaderOrFollower.code(), None, "x").unwrap_err().is_retriable());
    assert!(!check(ErrorCode::MessageTooLarge.code(), None, "x").unwrap_err().is_retriable());
}
