use super::place;
use crate::metadata::{Image, MetadataRecord, advance};
use crate::msg::record::metadata::RegisterBrokerRecord;
use crate::types::{BrokerId, ErrorCode, Offset, Rng, Str};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use proptest::prelude::*;

/// Brokers numbered from 0: rack and whether they are fenced.
fn cluster(brokers: &[(Option<&str>, bool)]) -> Arc<Image> {
    let record = |(id, (rack, fenced)): (i32, &(Option<&str>, bool))| {
        MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: id,
            rack: rack.map(Str::from),
            fenced: *fenced,
            ..RegisterBrokerRecord::default()
        })
    };
    let records: Vec<_> = (0..).zip(brokers).map(record).collect();
    advance(&Arc::default(), Offset::ZERO, &records).expect("fits").0
}

#[test]
fn a_single_broker_gets_everything() {
    let image = cluster(&[(None, false)]);
    let placed = place(&image, &mut Rng::new(1), 5, 1).expect("possible");
    assert_eq!(placed, alloc::vec![alloc::vec![BrokerId(0)]; 5]);
}

#[test]
fn impossible_factors_are_refused() {
    let code = |image: &Image, factor| place(image, &mut Rng::new(1), 1, factor).map_err(|(code, _)| code);
    let refused = Err(ErrorCode::InvalidReplicationFactor);
    assert_eq!(code(&cluster(&[(None, false)]), 2), refused);
    assert_eq!(code(&cluster(&[(None, false)]), 0), refused);
    assert_eq!(code(&cluster(&[(None, true)]), 1), refused);
    assert_eq!(code(&cluster(&[]), 1), refused);
}

#[test]
fn replicas_are_spread_over_racks() {
    let image = cluster(&[(Some("a"), false), (Some("a"), false), (Some("b"), false), (Some("c"), false)]);
    for replicas in place(&image, &mut Rng::new(3), 50, 3).expect("possible") {
        let racks: BTreeSet<_> = replicas.iter().map(|id| image.broker(*id).expect("there").rack.clone()).collect();
        assert_eq!(racks.len(), 3, "{replicas:?}");
    }
}

proptest! {
    #[test]
    fn leaders_are_up_replicas_differ_and_shares_are_even(
        fenced in prop::collection::vec(any::<bool>(), 1..7),
        factor in 1i16..5,
        seed in any::<u64>(),
    ) {
        let brokers: Vec<(Option<&str>, bool)> = fenced.iter().map(|fenced| (None, *fenced)).collect();
        let image = cluster(&brokers);
        let up = fenced.iter().filter(|fenced| !**fenced).count();
        let outcome = place(&image, &mut Rng::new(seed), 60, factor);
        prop_assert_eq!(outcome.is_ok(), up > 0 && factor as usize <= fenced.len());
        let mut led: BTreeMap<BrokerId, usize> = BTreeMap::new();
        for replicas in outcome.unwrap_or_default() {
            prop_assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), factor as usize);
            prop_assert!(!image.broker(replicas[0]).expect("there").fenced);
            *led.entry(replicas[0]).or_default() += 1;
        }
        // Sixty partitions over at most six brokers: everybody leads its share.
        prop_assert!(led.values().all(|count| *count == 60 / up || 60 % up != 0), "{:?}", led);
    }
}
