use super::SharedMap;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn it_holds_what_an_ordinary_map_holds(steps in prop::collection::vec((any::<bool>(), 0u16..400, any::<u8>()), 0..600)) {
        let (mut ours, mut theirs) = (SharedMap::default(), BTreeMap::new());
        for (is_insert, key, value) in steps {
            if is_insert {
                prop_assert_eq!(ours.insert(key, value), theirs.insert(key, value));
            } else {
                prop_assert_eq!(ours.remove(&key), theirs.remove(&key));
            }
            prop_assert_eq!(ours.get(&key), theirs.get(&key));
        }
        prop_assert_eq!(ours.len(), theirs.len());
        prop_assert!(ours.iter().eq(theirs.iter()));
        for from in [0, 57, 199, 399, 400] {
            prop_assert!(ours.from(&from).eq(theirs.range(from..)), "from {}", from);
        }
    }
}

#[test]
fn a_change_leaves_copies_alone_and_shares_the_rest() {
    let mut map: SharedMap<u32, u32> = SharedMap::default();
    (0..10_000).for_each(|key| {
        map.insert(key, key);
    });
    let before = map.clone();
    *map.get_mut(&5000).expect("there") = 1;
    assert_eq!((before.get(&5000), map.get(&5000)), (Some(&5000), Some(&1)));
    let shared = before.chunks.iter().zip(map.chunks.iter()).filter(|(one, two)| Arc::ptr_eq(one, two)).count();
    assert_eq!(shared, map.chunks.len() - 1);
}

#[test]
fn equality_does_not_see_the_chunks() {
    let (mut up, mut down): (SharedMap<u32, u32>, SharedMap<u32, u32>) = (SharedMap::default(), SharedMap::default());
    let keys: Vec<u32> = (0..1000).collect();
    keys.iter().for_each(|key| {
        up.insert(*key, 0);
    });
    keys.iter().rev().for_each(|key| {
        down.insert(*key, 0);
    });
    assert_eq!(up, down);
    down.remove(&7);
    assert_ne!(up, down);
}
