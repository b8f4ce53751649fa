use super::range;
use std::collections::BTreeMap;

fn subscribers(of: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    of.iter().map(|(member, topics)| ((*member).into(), topics.iter().map(|topic| (*topic).into()).collect())).collect()
}

#[test]
fn the_first_members_get_one_partition_more() {
    let counts = BTreeMap::from([("a".to_owned(), 7)]);
    let assigned = range(&subscribers(&[("one", &["a"]), ("three", &["a"]), ("two", &["a"])]), &counts);
    assert_eq!(assigned["one"]["a"], [0, 1, 2]);
    assert_eq!(assigned["three"]["a"], [3, 4]);
    assert_eq!(assigned["two"]["a"], [5, 6]);
}

#[test]
fn only_subscribers_get_partitions_and_each_goes_to_one() {
    let counts = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
    let assigned = range(&subscribers(&[("one", &["a", "b"]), ("two", &["b"]), ("none", &["c"])]), &counts);
    assert_eq!(assigned["one"], BTreeMap::from([("a".into(), vec![0]), ("b".into(), vec![0])]));
    assert_eq!(assigned["two"], BTreeMap::from([("b".into(), vec![1])]));
    assert!(assigned["none"].is_empty());
}
