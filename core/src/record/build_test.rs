use super::{Builder, NewRecord};
use crate::record::{Functions, HEADER_BYTES, ProveRules, Record, prove};
use crate::types::{ProducerEpoch, ProducerId, Wall};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use std::vec::Vec;

type Parts = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn parts() -> impl Strategy<Value = Parts> {
    let part = || vec(any::<u8>(), 0..80);
    (any::<i64>(), of(part()), of(part()), vec((part(), of(part())), 0..4))
}

const RULES: ProveRules = ProveRules { version: 12, batch_bytes_max: usize::MAX };

proptest! {
    #[test]
    fn what_is_built_is_proved_and_read_back(records in vec(parts(), 1..10)) {
        let f = Functions::slow();
        let mut builder = Builder::new().numbered(ProducerId(7), ProducerEpoch(0), 0);
        for (timestamp, key, value, headers) in &records {
            let headers: Vec<_> = headers.iter().map(|(key, value)| (&key[..], value.as_deref())).collect();
            let timestamp = Wall(*timestamp >> 2);
            builder.push(&NewRecord { timestamp, key: key.as_deref(), value: value.as_deref(), headers: &headers });
        }
        let expected = builder.bytes_len();
        let batch = builder.build_plain(&f);
        let bytes = batch.to_bytes();
        prop_assert_eq!(bytes.len(), expected);
        let proved = prove(bytes, &RULES, &f, &mut Vec::new()).unwrap();
        prop_assert_eq!(proved.batch(), &batch);
        prop_assert_eq!(batch.bytes_len(), batch.body().len() + HEADER_BYTES);
        let mut rest = &batch.body()[..];
        for (index, (timestamp, key, value, headers)) in records.iter().enumerate() {
            let record = Record::take(&mut rest).unwrap();
            prop_assert_eq!(record.offset_delta as usize, index);
            prop_assert_eq!(batch.header().base_timestamp.0 + record.timestamp_delta, *timestamp >> 2);
            prop_assert_eq!(record.key, key.as_deref());
            prop_assert_eq!(record.value, value.as_deref());
            let read: Vec<_> = record.headers().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect();
            prop_assert_eq!(&read, headers);
        }
        prop_assert_eq!(rest.len(), 0);
    }
}
