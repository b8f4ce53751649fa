use super::{Joining, named, unnamed};
use crate::boundary::DiskFault;
use crate::record::Records;
use crate::types::FileOpId;
use alloc::collections::BTreeMap;
use bytes::Bytes;
use std::vec;
use std::vec::Vec;

#[test]
fn the_operations_of_the_first_directory_are_called_what_it_calls_them() {
    assert_eq!(named(0, FileOpId(7)), FileOpId(7));
    for at in [0, 1, 63] {
        assert_eq!(unnamed(named(at, FileOpId(1 << 40))), (at, FileOpId(1 << 40)));
    }
}

#[test]
fn the_bound_of_a_fetch_holds_over_all_directories_and_the_first_records_always_go_out() {
    let records = |len: usize| Ok(Records::from(Bytes::from(vec![0; len])));
    let lens = |bytes_max: u32, found: Vec<Result<Records, DiskFault>>| {
        let slots = found.into_iter().map(Some).collect();
        let joining = Joining { bytes_max, slots, asked: BTreeMap::new() };
        let bounded = joining.bounded().into_iter();
        bounded.map(|one| one.map(|records| records.len())).collect::<Vec<_>>()
    };
    assert_eq!(lens(10, vec![records(0), records(20), records(1)]), [Ok(0), Ok(20), Ok(0)]);
    assert_eq!(lens(10, vec![records(4), records(6), records(1)]), [Ok(4), Ok(6), Ok(0)]);
    let lost = Err(DiskFault::Offline);
    assert_eq!(
        lens(10, vec![lost, records(4)]),
        [Err(DiskFault::Offline), Ok(4)],
        "one directory's loss is not another's"
    );
}
