use super::{Assignment, GroupFacts};
use crate::model::LogName;

const LOG: LogName = LogName { topic: 0, partition: 1 };
const OTHER: LogName = LogName { topic: 0, partition: 2 };

#[test]
fn a_committed_offset_is_the_last_confirmed_or_one_that_may_have_come_later() {
    let mut group = GroupFacts::default();
    let before = group.moment();
    assert!(group.fetched(LOG, -1, before).is_ok());
    let one = group.committing(LOG, 10);
    group.committed(one, true);
    let two = group.committing(LOG, 20);
    let lost = group.committing(LOG, 30);
    let asked = group.moment();
    assert!(group.fetched(LOG, -1, asked).is_err(), "10 was confirmed");
    for offset in [10, 20, 30] {
        assert!(group.fetched(LOG, offset, asked).is_ok(), "{offset}");
    }
    assert!(group.fetched(LOG, 15, asked).is_err(), "nobody committed that");
    group.committed(two, true);
    let asked = group.moment();
    assert!(group.fetched(LOG, 10, asked).is_err(), "20 came later and was confirmed");
    assert!(group.fetched(LOG, 20, asked).is_ok() && group.fetched(LOG, 30, asked).is_ok());
    assert!(group.fetched(LOG, 10, 0).is_ok(), "who was asked before anything was confirmed may not know more");
    assert!(group.fetched(LOG, 15, 0).is_err(), "nobody ever committed that");
    group.committed(lost, false);
    assert!(group.fetched(LOG, 30, asked).is_err(), "it was refused");
}

#[test]
fn a_generation_has_one_leader_and_a_partition_one_owner_in_it() {
    let mut group = GroupFacts::default();
    group.gave(3, assignment(&[("a", &[LOG]), ("b", &[LOG, OTHER])]));
    assert!(group.owns(3, "a", "a", &[LOG]).is_ok());
    assert!(group.owns(3, "a", "b", &[LOG, OTHER]).is_err(), "both own {LOG:?}");
    assert!(group.owns(3, "a", "a", &[]).is_err(), "it was given something");
    assert!(group.owns(3, "a", "c", &[OTHER]).is_err(), "nobody gave it anything");
    assert!(group.owns(3, "b", "b", &[]).is_err(), "it has another leader");
    assert!(group.joined(3, group.generation).is_ok());
    assert!(group.joined(2, group.generation).is_err(), "generations do not go back");
}

#[test]
fn of_two_assignments_of_one_generation_either_is_kept_and_never_parts_of_both() {
    let one = || assignment(&[("a", &[LOG]), ("b", &[OTHER]), ("c", &[])]);
    let two = || assignment(&[("a", &[OTHER]), ("b", &[LOG])]);
    let mut group = GroupFacts::default();
    assert!(!group.gave(3, one()), "the first");
    assert!(!group.gave(3, one()), "the same, sent again");
    assert!(group.gave(3, two()), "by a coordinator that never saw the first");
    assert!(group.owns(3, "a", "a", &[LOG, OTHER]).is_err(), "nobody gave it both");

    let mut first = group.clone();
    assert!(first.owns(3, "a", "a", &[LOG]).is_ok(), "the older may come back");
    assert!(first.owns(3, "a", "b", &[LOG]).is_err(), "this is the other one's");
    assert!(!first.gave(3, two()), "it is known what was kept");
    assert!(first.owns(3, "a", "a", &[OTHER]).is_err(), "it was told otherwise");
    assert!(first.owns(3, "a", "b", &[OTHER]).is_ok() && first.owns(3, "a", "c", &[]).is_ok());

    let mut second = group;
    assert!(second.owns(3, "a", "c", &[]).is_ok(), "it has nothing in either");
    assert!(second.owns(3, "a", "b", &[LOG]).is_ok(), "the newer may be kept");
    assert!(second.owns(3, "a", "a", &[LOG]).is_err(), "this is the other one's");
    assert!(second.owns(3, "a", "a", &[OTHER]).is_ok());
    assert!(second.owns(4, "a", "a", &[]).is_err(), "nobody gave anything in this one");
}

fn assignment(parts: &[(&str, &[LogName])]) -> Assignment {
    parts.iter().map(|(member, logs)| (member.to_string(), logs.iter().copied().collect())).collect()
}
