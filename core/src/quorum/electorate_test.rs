use super::Electorate;
use crate::quorum::Voters;
use crate::quorum::change::voters_at;
use crate::quorum::voters::voters_test::{key, node};
use crate::record::{CheckedBatch, Functions};
use crate::types::{BrokerId, LeaderEpoch, Offset, Wall};

fn set(ids: &[i32]) -> Voters {
    Voters::new(ids.iter().map(|id| node(*id)))
}

/// A record of these voters, at this offset.
fn record(at: i64, ids: &[i32]) -> CheckedBatch {
    let mut batches = voters_at(&set(ids), (Offset(at - 1), LeaderEpoch(1)), Wall(0), &Functions::slow());
    batches.pop().expect("the second names the voters")
}

fn read(electorate: &mut Electorate, at: i64, ids: &[i32]) {
    electorate.learn(&record(at, ids)).expect("it can be read");
}

#[test]
fn the_last_record_counts_until_it_is_cut_away() {
    let mut electorate = Electorate::new(Voters::default(), false);
    read(&mut electorate, 1, &[1]);
    read(&mut electorate, 7, &[1, 2]);
    assert_eq!((electorate.now(), electorate.since()), (&set(&[1, 2]), Some(Offset(7))));
    electorate.cut(Offset(8));
    assert_eq!(electorate.since(), Some(Offset(7)));
    electorate.cut(Offset(7));
    assert_eq!((electorate.now(), electorate.since()), (&set(&[1]), Some(Offset(1))));
}

#[test]
fn what_was_trimmed_still_holds() {
    let mut electorate = Electorate::new(Voters::numbered([BrokerId(9)]), true);
    assert!(!electorate.is_changing());
    read(&mut electorate, 1, &[1]);
    read(&mut electorate, 7, &[1, 2]);
    electorate.trim(Offset(5));
    electorate.cut(Offset(6));
    assert_eq!((electorate.now(), electorate.since()), (&set(&[1]), None));
    assert!(electorate.is_changing() && !electorate.is_unwritten(), "the settings had it, and a record has it now");
}

#[test]
fn whoever_is_voted_out_may_be_needed_until_that_is_committed() {
    let mut electorate = Electorate::new(set(&[1, 2]), false);
    read(&mut electorate, 1, &[1, 2]);
    read(&mut electorate, 7, &[2]);
    assert!(!electorate.has(key(1)) && electorate.may_have(key(1), Offset(7)));
    assert!(!electorate.may_have(key(1), Offset(8)));
    assert!(!electorate.may_have(key(3), Offset(0)));
}

#[test]
fn what_the_founders_say_is_written_once() {
    let mut electorate = Electorate::new(set(&[1, 2]), false);
    assert!(electorate.is_unwritten() && electorate.is_changing());
    read(&mut electorate, 1, &[1, 2]);
    assert!(!electorate.is_unwritten());
    electorate.cut(Offset(1));
    assert!(electorate.is_unwritten(), "it was lost, and the next leader says it again");
}

#[test]
fn a_snapshot_that_says_it_again_is_no_change() {
    let mut electorate = Electorate::new(Voters::default(), false);
    read(&mut electorate, 1, &[1, 2]);
    read(&mut electorate, 40, &[1, 2]);
    assert_eq!(electorate.since(), Some(Offset(1)));
}
