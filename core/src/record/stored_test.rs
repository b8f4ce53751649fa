use super::{StoredFault, StoredFaultKind, check_stored};
use crate::record::{Builder, CheckedBatch, Functions, Header, NewRecord};
use crate::types::{LeaderEpoch, Offset, Wall};
use bytes::Bytes;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use std::vec::Vec;

const F: Functions = Functions::slow();

fn run(values: &[Vec<u8>]) -> (Vec<CheckedBatch>, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut batches = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let record = NewRecord { timestamp: Wall(1), value: Some(value), ..NewRecord::default() };
        let batch = Builder::new().at(Offset(at as i64), LeaderEpoch(3)).with(&record).build_plain(&F);
        batch.write_to(&mut bytes);
        batches.push(batch);
    }
    (batches, bytes)
}

proptest! {
    #[test]
    fn what_was_written_comes_back(values: Vec<Vec<u8>>) {
        let (batches, bytes) = run(&values);
        let back: Result<Vec<_>, _> = check_stored(Bytes::from(bytes), &F).collect();
        prop_assert_eq!(back, Ok(batches));
    }

    #[test]
    fn a_cut_run_gives_its_whole_batches(values in proptest::collection::vec(any::<[u8; 5]>(), 1..5), cut: usize) {
        let values: Vec<_> = values.iter().map(|value| value.to_vec()).collect();
        let (batches, bytes) = run(&values);
        let one = bytes.len() / batches.len();
        let cut = cut % bytes.len();
        let mut stored = check_stored(Bytes::from(bytes).slice(..cut), &F);
        for batch in &batches[..cut / one] {
            prop_assert_eq!(stored.next(), Some(Ok(batch.clone())));
        }
        let position = cut / one * one;
        prop_assert_eq!(stored.position(), position);
        let torn = (position < cut).then_some(Err(StoredFault { position, kind: StoredFaultKind::Short }));
        prop_assert_eq!(stored.next(), torn);
        prop_assert_eq!(stored.next(), None);
    }

    #[test]
    fn any_bytes_end_in_at_most_one_fault(bytes: Vec<u8>, at: usize, flip: u8) {
        let (_, mut whole) = run(&[bytes.clone(), bytes.clone()]);
        let at = at % whole.len();
        whole[at] ^= flip;
        for bytes in [bytes, whole] {
            let found: Vec<_> = check_stored(Bytes::from(bytes), &F).collect();
            prop_assert!(found.iter().filter(|batch| batch.is_err()).count() <= 1);
            prop_assert!(found.iter().rev().skip(1).all(Result::is_ok));
        }
    }
}

#[test]
fn every_flipped_bit_under_the_crc_is_seen() {
    let (_, bytes) = run(&[Vec::from(&b"some value"[..])]);
    for bit in 17 * 8..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let fault = StoredFault { position: 0, kind: StoredFaultKind::Crc };
        assert_eq!(check_stored(Bytes::from(flipped), &F).next(), Some(Err(fault)), "bit {bit}");
    }
}

#[test]
fn fields_that_arithmetic_would_choke_on_are_refused() {
    let record = NewRecord { value: Some(b"v"), ..NewRecord::default() };
    let good = Builder::new().with(&record).build_plain(&F);
    let refused = |header: Header| {
        let batch = CheckedBatch::sealed(header, good.body().clone(), &F);
        let found = check_stored(batch.to_bytes(), &F).next();
        assert_eq!(found, Some(Err(StoredFault { position: 0, kind: StoredFaultKind::Fields })), "{header:?}");
    };
    let header = *good.header();
    refused(Header { base_offset: Offset(-1), ..header });
    refused(Header { base_offset: Offset(i64::MAX), ..header });
    refused(Header { last_offset_delta: -1, ..header });
    refused(Header { count: -1, ..header });
    refused(Header { count: 2, ..header });
    refused(Header { attributes: super::super::Attributes(7), ..header });
}
