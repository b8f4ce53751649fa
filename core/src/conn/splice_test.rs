use super::splice;
use crate::boundary::{DiskFault, Slot};
use crate::msg::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
use crate::record::Records;
use crate::types::{ErrorCode, LogId, Offset, Uuid};
use alloc::vec;
use bytes::Bytes;

fn slot(partition: usize) -> Slot {
    let log = LogId { topic: Uuid([7; 16]), partition: partition as i32 };
    Slot { topic: 0, partition, log, from: Offset(0), end: Offset(9), bytes_max: 100 }
}

#[test]
fn records_land_where_their_slots_say_and_faults_become_errors() {
    let partitions = vec![PartitionData::default(); 3];
    let mut body = FetchResponse {
        responses: vec![FetchableTopicResponse { partitions, ..Default::default() }],
        ..Default::default()
    };
    let found = vec![Ok(Records::from(Bytes::from_static(b"abc"))), Err(DiskFault::Rot)];
    let outcome = splice(&mut body, &[slot(2), slot(0)], found);
    let [rotten, untouched, whole] = &body.responses[0].partitions[..] else { panic!("three partitions") };
    assert_eq!(whole.records.to_bytes(), "abc");
    assert_eq!((untouched.error_code, &untouched.records), (0, &PartitionData::default().records));
    assert_eq!((rotten.error_code, &rotten.records), (ErrorCode::KafkaStorageError.code(), &Records::EMPTY));
    assert_eq!(outcome, Err((slot(0).log, DiskFault::Rot)));
}
