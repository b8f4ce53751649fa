use super::super::parse::Parse;
use super::{COPIES_REMEMBERED_MAX, Whence};
use crate::boundary::CopyId;
use crate::types::Uuid;
use std::vec;
use std::vec::Vec;

fn copy(directory: u8, number: u32) -> CopyId {
    CopyId { directory: Uuid([directory; 16]), number }
}

/// A log of the first directory, which is left for a copy in the second.
fn left() -> (Whence, Whence) {
    let mut own = Whence { leaving: Some(copy(2, 7)), ..Whence::default() };
    let (over, stays) = own.passed_on(copy(1, 3));
    let promoted = Whence { over, stays, ..Whence::default() };
    own.over.push(copy(9, 9));
    (own, promoted)
}

#[test]
fn what_was_promoted_counts_and_not_what_it_was_made_of() {
    let (own, promoted) = left();
    assert!(promoted.is_over((copy(2, 7), copy(1, 3)), &own));
    assert!(!own.is_over((copy(1, 3), copy(2, 7)), &promoted));
}

#[test]
fn what_stays_counts_whatever_was_promoted() {
    let (mut own, promoted) = left();
    own.stay();
    assert_eq!((own.leaving, &own.stays), (None, &vec![copy(2, 7)]));
    assert!(own.is_over((copy(1, 3), copy(2, 7)), &promoted));
    assert!(!promoted.is_over((copy(2, 7), copy(1, 3)), &own));
}

#[test]
fn what_was_made_of_a_copy_counts_over_all_before_it() {
    let (_, promoted) = left();
    let (over, stays) = promoted.passed_on(copy(2, 7));
    let third = Whence { over, stays, ..Whence::default() };
    assert!(third.is_over((copy(3, 1), copy(1, 3)), &Whence::default()));
    assert!(third.is_over((copy(3, 1), copy(2, 7)), &promoted));
    let (one, other) = (Whence::default(), Whence::default());
    assert!(!one.is_over((copy(1, 1), copy(2, 1)), &other), "of two strangers neither counts");
}

#[test]
fn the_newest_copies_are_remembered() {
    let mut own = Whence::default();
    for number in 0..40 {
        own.leaving = Some(copy(2, number));
        own.stay();
    }
    assert_eq!(own.stays.len(), COPIES_REMEMBERED_MAX);
    assert_eq!(own.stays.last(), Some(&copy(2, 39)));
}

#[test]
fn it_is_read_as_it_was_written() {
    let (own, promoted) = left();
    for one in [own, promoted, Whence { is_future: true, ..Whence::default() }] {
        let mut bytes = Vec::new();
        one.write(&mut bytes);
        let mut parse = Parse::new(&bytes);
        assert_eq!(Whence::read(&mut parse), Some(one));
        assert!(parse.is_empty());
    }
}
