use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn targets(brokers: &[(i32, &str)]) -> Targets {
    brokers.iter().map(|(id, rack)| (*id, (!rack.is_empty()).then(|| (*rack).to_owned()))).collect()
}

fn placed(rows: &[&[i32]]) -> Vec<Placed> {
    let one = |(index, replicas): (i32, &&[i32])| Placed { topic: "t".into(), index, replicas: replicas.to_vec() };
    (0..).zip(rows).map(one).collect()
}

fn rows(placed: &[Placed]) -> Vec<Vec<i32>> {
    placed.iter().map(|one| one.replicas.clone()).collect()
}

#[test]
fn what_is_level_stays_as_it_is() {
    let now = placed(&[&[1, 2], &[2, 3], &[3, 1]]);
    let then = spread(&now, &targets(&[(1, ""), (2, ""), (3, "")]), None).expect("it fits");
    assert_eq!(then, now);
}

#[test]
fn a_broker_is_emptied_and_only_what_it_held_is_copied() {
    let now = placed(&[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]]);
    let then = spread(&now, &targets(&[(1, ""), (2, ""), (4, "")]), None).expect("it fits");
    for (now, then) in now.iter().zip(&then) {
        let new: Vec<_> = then.replicas.iter().filter(|broker| !now.replicas.contains(broker)).collect();
        assert_eq!(new, [&4]);
    }
    let firsts: BTreeSet<_> = then.iter().map(|one| one.replicas[0]).collect();
    assert_eq!(firsts.len(), 3, "each leads one: {:?}", rows(&then));
}

#[test]
fn new_brokers_get_their_share() {
    let now = placed(&[&[1], &[1], &[1], &[1]]);
    let then = spread(&now, &targets(&[(1, ""), (2, "")]), None).expect("it fits");
    assert_eq!(rows(&then).concat().iter().filter(|broker| **broker == 2).count(), 2);
}

#[test]
fn replicas_stay_in_racks_of_their_own() {
    let now = placed(&[&[1, 2], &[1, 2], &[1, 2]]);
    let then = spread(&now, &targets(&[(1, "a"), (2, "b"), (3, "b")]), None).expect("it fits");
    assert!(then.iter().all(|one| one.replicas.contains(&1)), "{:?}", rows(&then));
}

#[test]
fn too_few_brokers_are_told() {
    let told = spread(&placed(&[&[1, 2, 3]]), &targets(&[(1, ""), (2, "")]), None);
    assert!(told.expect_err("it cannot be").contains("t-0: 3 replicas"));
}

proptest! {
    #[test]
    fn whatever_is_asked_for_is_whole_and_level(
        held in prop::collection::vec(prop::collection::btree_set(0..7, 1..4), 1..30),
        brokers in prop::collection::btree_set(0..9, 3..8),
        factor in prop::option::of(1_usize..4),
    ) {
        let now: Vec<Placed> = (0..).zip(held).map(|(index, replicas)| {
            Placed { topic: "t".into(), index, replicas: replicas.into_iter().collect() }
        }).collect();
        let targets: Targets = brokers.iter().map(|broker| (*broker, None)).collect();
        let then = spread(&now, &targets, factor).expect("three brokers suffice");
        let mut loads: BTreeMap<i32, usize> = brokers.iter().map(|broker| (*broker, 0)).collect();
        for (now, then) in now.iter().zip(&then) {
            prop_assert_eq!((&now.topic, now.index), (&then.topic, then.index));
            prop_assert_eq!(then.replicas.len(), factor.unwrap_or(now.replicas.len()));
            let distinct: BTreeSet<_> = then.replicas.iter().collect();
            prop_assert_eq!(distinct.len(), then.replicas.len());
            for broker in &then.replicas {
                *loads.get_mut(broker).expect("it is a target") += 1;
            }
        }
        let (most, least) = (loads.values().max(), loads.values().min());
        prop_assert!(most.unwrap_or(&0) - least.unwrap_or(&0) <= 1, "{:?}", loads);
    }
}
