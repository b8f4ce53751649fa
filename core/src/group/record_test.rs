use super::GroupRecord;
use crate::group::stage_test::{Stage, consumer, instance, offset};

#[test]
fn a_record_is_never_longer_than_its_bound() {
    let mut stage = Stage::new();
    let ids = stage.stable(alloc::vec![consumer(), instance("i")]);
    stage.commit(9, offset(1, &ids[0], i64::MAX));
    stage.leave(&[&ids[0], &ids[1]]);
    stage.pass(8 * 24 * 3_600_000);
    assert!(stage.log.len() >= 6);
    for (key, value) in &stage.log {
        let record = GroupRecord::decode(key.clone(), value.clone()).expect("ours").expect("known");
        // The frame of a record: five numbers of up to ten bytes, most of them one or two.
        let length = key.len() + value.as_ref().map_or(0, |value| value.len()) + 30;
        let bound = record.bytes_bound();
        assert!(length <= bound, "{length} of {bound} for {record:?}");
    }
}
