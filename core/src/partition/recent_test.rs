use super::{PLENTY, Recent};
use crate::types::{Offset, limit};

fn two_batches() -> Recent {
    let mut recent = Recent::from(Offset(10));
    recent.push(Offset(10), 100);
    recent.push(Offset(15), 50);
    recent
}

#[test]
fn a_reader_in_the_middle_of_a_batch_gets_all_of_it() {
    assert_eq!(two_batches().bytes_between(Offset(12), Offset(20)), 150);
    assert_eq!(two_batches().bytes_between(Offset(15), Offset(20)), 50);
}

#[test]
fn a_batch_that_begins_at_the_bound_is_not_counted() {
    assert_eq!(two_batches().bytes_between(Offset(10), Offset(15)), 100);
    assert_eq!(two_batches().bytes_between(Offset(15), Offset(15)), 0);
}

#[test]
fn what_is_too_old_to_be_known_counts_as_plenty() {
    assert_eq!(two_batches().bytes_between(Offset(3), Offset(20)), PLENTY);
    let mut recent = Recent::from(Offset(0));
    for at in 0..=limit::RECENT_BATCHES_KEPT as i64 {
        recent.push(Offset(at), 10);
    }
    assert_eq!(recent.bytes_between(Offset(0), Offset(2)), PLENTY);
    assert_eq!(recent.bytes_between(Offset(1), Offset(3)), 20);
}
