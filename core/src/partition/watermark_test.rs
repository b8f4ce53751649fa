use super::{IsrSize, of_follower, of_leader};
use crate::types::Offset;

const ENOUGH: IsrSize = IsrSize { members: 3, needed: 2 };

#[test]
fn what_every_counted_replica_has_flushed_is_committed() {
    assert_eq!(of_leader(Offset(2), Offset(9), [Offset(7), Offset(8)], ENOUGH), Offset(7));
    assert_eq!(of_leader(Offset(2), Offset(6), [Offset(7), Offset(8)], ENOUGH), Offset(6), "the leader counts as well");
    assert_eq!(of_leader(Offset(2), Offset(6), [], ENOUGH), Offset(6), "and alone it counts alone");
}

#[test]
fn a_leaders_high_watermark_never_goes_back() {
    assert_eq!(of_leader(Offset(7), Offset(9), [Offset(3)], ENOUGH), Offset(7));
    assert_eq!(of_leader(Offset(7), Offset(9), [Offset::NONE], ENOUGH), Offset(7), "one that was not heard of yet");
}

#[test]
fn nothing_is_committed_while_too_few_replicas_are_in_sync() {
    let few = IsrSize { members: 1, needed: 2 };
    assert_eq!(of_leader(Offset(2), Offset(9), [Offset(9)], few), Offset(2));
}

#[test]
fn no_more_replicas_are_needed_than_there_are() {
    assert!(IsrSize::new(1, 2, 1).is_enough());
    assert!(!IsrSize::new(1, 2, 3).is_enough());
    assert!(IsrSize::new(2, 2, 3).is_enough());
}

#[test]
fn a_follower_believes_its_leader_as_far_as_it_has_flushed_itself() {
    assert_eq!(of_follower(Offset(2), Offset(9), Offset(5)), Offset(5));
    assert_eq!(of_follower(Offset(2), Offset(4), Offset(5)), Offset(4));
    assert_eq!(of_follower(Offset(3), Offset(1), Offset(5)), Offset(3), "a new leader may know less at first");
}
