use super::SnapshotFault;
use crate::log::{EpochStart, Epochs, KeptBatch, Log, Producer, Producers, Window};
use crate::record::{Builder, Functions, NewRecord};
use crate::types::{LeaderEpoch, Offset, OffsetRange, ProducerEpoch, ProducerId, Wall};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use std::vec::Vec;

fn kept() -> impl Strategy<Value = KeptBatch> {
    any::<(i32, i32, i64, i64, i64)>().prop_map(|(base_sequence, last_sequence, start, end, timestamp)| KeptBatch {
        base_sequence,
        last_sequence,
        range: OffsetRange { start: Offset(start), end: Offset(end) },
        timestamp: Wall(timestamp),
    })
}

fn producer() -> impl Strategy<Value = Producer> {
    let window = proptest::collection::vec(kept(), 0..6);
    let numbers = (0..i16::MAX, any::<i32>(), any::<[i64; 3]>(), proptest::option::of(0..i64::MAX));
    (numbers, window).prop_map(|((epoch, coordinator_epoch, wide, txn_start), batches)| {
        let mut window = Window::default();
        batches.into_iter().for_each(|batch| window.push(batch));
        Producer {
            epoch: ProducerEpoch(epoch),
            coordinator_epoch,
            last_timestamp: Wall(wide[0]),
            seen: Wall(wide[1]),
            txn_start: txn_start.map(Offset),
            last_offset: Offset(wide[2]),
            window,
        }
    })
}

proptest! {
    #[test]
    fn a_snapshot_is_read_back_and_nothing_more_is_taken(
        producers in proptest::collection::btree_map(any::<i64>().prop_map(ProducerId), producer(), 0..8),
        steps in proptest::collection::vec((1..9i32, 1..9i64), 0..9),
        behind: Vec<u8>,
    ) {
        let producers: Producers = producers.into_iter().collect();
        let (mut epochs, mut at) = (Epochs::default(), (0, 0));
        for (epoch, start) in steps {
            at = (at.0 + epoch, at.1 + start);
            epochs.append(LeaderEpoch(at.0), Offset(at.1));
        }
        let mut bytes = Vec::new();
        producers.encode(&mut bytes);
        epochs.encode(&mut bytes);
        let whole = bytes.len();
        bytes.extend_from_slice(&behind);
        let mut rest = &bytes[..];
        prop_assert_eq!(Producers::decode(&mut rest), Ok(producers));
        prop_assert_eq!(Epochs::decode(&mut rest), Ok(epochs));
        prop_assert_eq!(rest, &behind[..]);
        let mut cut = &bytes[..whole - 1];
        prop_assert!(Producers::decode(&mut cut).and_then(|_| Epochs::decode(&mut cut)).is_err());
    }

    #[test]
    fn any_bytes_are_a_snapshot_or_a_fault(mut bytes: Vec<u8>) {
        if let Some(version) = bytes.first_mut() {
            *version = 1;
        }
        let _ = (Producers::decode(&mut &bytes[..]), Epochs::decode(&mut &bytes[..]));
    }
}

#[test]
fn a_later_version_is_named() {
    assert_eq!(Producers::decode(&mut &[2, 0, 0, 0, 0][..]), Err(SnapshotFault::Version(2)));
    assert_eq!(Epochs::decode(&mut &[1, 0, 0, 0][..]), Err(SnapshotFault::Short));
    let huge = [1, 0xff, 0xff, 0xff, 0xff, 0, 0];
    assert_eq!(Producers::decode(&mut &huge[..]), Err(SnapshotFault::Short));
}

#[test]
fn a_log_comes_back_as_it_was_and_in_order_only() {
    let range = OffsetRange { start: Offset(3), end: Offset(9) };
    let epochs = Epochs::from_entries(std::vec![EpochStart { epoch: LeaderEpoch(2), start: Offset(3) }]);
    let mut log = Log::recovered(range, epochs.expect("one entry"), Producers::default());
    let batch =
        Builder::new().with(&NewRecord { value: Some(b"v"), ..Default::default() }).build_plain(&Functions::slow());
    // Not durable yet.
    log.append(&batch.stamped(Offset(9), LeaderEpoch(5)), Wall(7));
    let mut bytes = Vec::new();
    log.encode(&mut bytes);
    assert_eq!(Log::decode(&mut &bytes[..]), Ok(log));
    assert_eq!(Log::decode(&mut &bytes[..bytes.len() - 1]), Err(SnapshotFault::Short));
    bytes[7] = 10;
    assert_eq!(Log::decode(&mut &bytes[..]), Err(SnapshotFault::Fields), "it would start behind its durable end");
}
