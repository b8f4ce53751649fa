use super::{ControlKind, EndTxn, quorum_control};
use crate::record::{Builder, Functions, NewRecord};
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Wall};
use proptest::prelude::{prop_assert_eq, proptest};
use std::vec::Vec;

const F: Functions = Functions::slow();

proptest! {
    #[test]
    fn a_marker_is_read_back(id in 0..i64::MAX, epoch in 0..i16::MAX, is_commit: bool, coordinator_epoch: i32) {
        let marker = EndTxn {
            producer_id: ProducerId(id), producer_epoch: ProducerEpoch(epoch), is_commit, coordinator_epoch,
        };
        let batch = marker.batch(Wall(5), &F);
        prop_assert_eq!(EndTxn::read(&batch), Some(marker));
    }

    #[test]
    fn a_control_batch_of_anything_is_read_or_not(key: Option<Vec<u8>>, value: Option<Vec<u8>>) {
        let record = NewRecord { key: key.as_deref(), value: value.as_deref(), ..NewRecord::default() };
        let builder = Builder::new().numbered(ProducerId(1), ProducerEpoch(1), -1).control();
        let _ = EndTxn::read(&builder.with(&record).build_plain(&F));
    }
}

#[test]
fn keys_are_those_of_kafka() {
    assert_eq!(ControlKind::Commit.key(), [0, 0, 0, 1]);
    assert_eq!(ControlKind::KRaftVoters.key(), [0, 0, 0, 6]);
    for kind in ControlKind::ALL {
        assert_eq!(ControlKind::from_key(&kind.key()), Some(kind));
    }
    assert_eq!(ControlKind::from_key(&[0, 9, 0, 1, 7]), Some(ControlKind::Commit), "a later version may be longer");
    assert_eq!(ControlKind::from_key(&[0xff, 0xff, 0, 1]), None);
    assert_eq!(ControlKind::from_key(&[0, 0, 0, 7]), None);
    assert_eq!(ControlKind::from_key(&[0, 0, 0xff, 0xff]), None);
    assert_eq!(ControlKind::from_key(&[0, 0, 0]), None);
}

#[test]
fn a_quorum_record_is_no_marker() {
    let batch = quorum_control(ControlKind::LeaderChange, b"value", (Offset(9), LeaderEpoch(2)), Wall(1), &F);
    assert!(batch.header().attributes.is_control());
    assert_eq!((batch.base_offset(), batch.header().leader_epoch), (Offset(9), LeaderEpoch(2)));
    assert_eq!(EndTxn::read(&batch), None);
}
