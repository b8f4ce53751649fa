use crate::msg::MetadataRecord;
use crate::msg::record::consumer::ConsumerProtocolSubscription;
use crate::msg::record::control::LeaderChangeMessage;
use crate::msg::record::group::{GroupMetadataKey, OffsetCommitKey, OffsetCommitValue};
use crate::msg::record::metadata::{PartitionChangeRecord, TopicRecord};
use crate::types::{Str, Uuid};
use crate::wire::{
    GroupKey, WireError, decode_group_key, decode_message, decode_metadata_record, decode_versioned, encode_group_key,
    encode_message, encode_metadata_record, encode_versioned,
};
use alloc::vec;
use bytes::Bytes;

#[test]
fn a_metadata_record_is_framed_by_three_varints() {
    let record = MetadataRecord::from(TopicRecord { name: Str::from_static("t"), topic_id: Uuid([7; 16]) });
    let bytes = encode_metadata_record(&record, 0).expect("it is carried");
    let expected = [&[1, 2, 0, 2, b't'][..], &[7; 16], &[0]].concat();
    assert_eq!(bytes, expected);
    assert_eq!(decode_metadata_record(bytes.clone(), 1 << 20), Ok(record));
    let framed = |frame: u8, key: u8, version: u8| {
        let mut bytes = bytes.to_vec();
        bytes[..3].copy_from_slice(&[frame, key, version]);
        decode_metadata_record(Bytes::from(bytes), 1 << 20)
    };
    assert_eq!(framed(2, 2, 0), Err(WireError::UnknownRecord(2)));
    assert_eq!(framed(1, 99, 0), Err(WireError::UnknownRecord(99)));
    assert_eq!(framed(1, 2, 1), Err(WireError::UnknownVersion { version: 1 }));
}

#[test]
fn a_partition_change_carries_only_what_changed() {
    let change =
        PartitionChangeRecord { partition_id: 1, isr: Some(vec![2]), leader: 2, ..PartitionChangeRecord::default() };
    let bytes = encode_metadata_record(&MetadataRecord::from(change), 0).expect("it is carried");
    let fields = [1, 5, 0, 0, 0, 0, 1];
    let expected = [&fields[..], &[0; 16], &[2, 0, 5, 2, 0, 0, 0, 2, 1, 4, 0, 0, 0, 2]].concat();
    assert_eq!(bytes, expected);
}

#[test]
fn the_key_of_a_group_record_begins_with_its_kind() {
    let commit = OffsetCommitKey { group: Str::from_static("g"), topic: Str::from_static("t"), partition: 5 };
    let bytes = encode_group_key(&GroupKey::OffsetCommit(commit.clone())).expect("it is carried");
    assert_eq!(bytes, &b"\0\x01\0\x01g\0\x01t\0\0\0\x05"[..]);
    assert_eq!(decode_group_key(bytes, 1 << 20), Ok(GroupKey::OffsetCommit(commit)));
    let group = GroupKey::GroupMetadata(GroupMetadataKey { group: Str::from_static("g") });
    assert_eq!(decode_group_key(encode_group_key(&group).expect("it is carried"), 1 << 20), Ok(group));
    assert_eq!(decode_group_key(Bytes::from_static(b"\0\x03\0\x01g"), 9), Err(WireError::UnknownRecord(3)));
}

#[test]
fn the_value_of_a_group_record_begins_with_its_version() {
    let value = OffsetCommitValue { offset: 3, leader_epoch: 4, ..OffsetCommitValue::default() };
    let bytes = encode_versioned(&value, 3).expect("it is carried");
    assert_eq!(bytes, &b"\0\x03\0\0\0\0\0\0\0\x03\0\0\0\x04\0\0\0\0\0\0\0\0\0\0"[..]);
    assert_eq!(decode_versioned(bytes, 1 << 20), Ok((3, value)));
    let future = Bytes::from_static(b"\0\x63\0");
    let refused = Err(WireError::UnknownVersion { version: 99 });
    assert_eq!(decode_versioned::<OffsetCommitValue>(future, 1 << 20).map(|_| ()), refused);
}

#[test]
fn messages_without_a_frame_come_back() {
    let leader = LeaderChangeMessage { leader_id: 4, ..LeaderChangeMessage::default() };
    let bytes = encode_message(&leader, 1).expect("it is carried");
    assert_eq!(decode_message(bytes, 1, 1 << 20), Ok(leader));
    let subscription = ConsumerProtocolSubscription { topics: vec![Str::from_static("t")], ..Default::default() };
    let bytes = encode_versioned(&subscription, 3).expect("it is carried");
    assert_eq!(decode_versioned(bytes, 1 << 20), Ok((3, subscription)));
}
