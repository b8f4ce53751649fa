//! A fetch answer and the record bytes that the store found for it → the whole answer.

use crate::boundary::{DiskFault, Slot};
use crate::msg::fetch::FetchResponse;
use crate::record::Records;
use crate::types::{ErrorCode, LogId};
use alloc::vec::Vec;

/// Puts the records of each slot where they belong. A slot that could not be read gets an error that makes the client
/// ask again; the first such fault is given back, for the node to hear of.
pub fn splice(
    body: &mut FetchResponse,
    slots: &[Slot],
    found: Vec<Result<Records, DiskFault>>,
) -> Result<(), (LogId, DiskFault)> {
    assert_eq!(slots.len(), found.len(), "the store answers every slot");
    let mut outcome = Ok(());
    for (slot, found) in slots.iter().zip(found) {
        let partition = &mut body.responses[slot.topic].partitions[slot.partition];
        match found {
            Ok(records) => partition.records = records,
            Err(fault) => {
                partition.records = Records::EMPTY;
                partition.error_code = code_of(fault).code();
                outcome = outcome.and(Err((slot.log, fault)));
            }
        }
    }
    outcome
}

fn code_of(fault: DiskFault) -> ErrorCode {
    match fault {
        DiskFault::OutOfRange => ErrorCode::OffsetOutOfRange,
        DiskFault::NoSuchLog => ErrorCode::NotLeaderOrFollower,
        DiskFault::Full | DiskFault::Offline | DiskFault::Rot => ErrorCode::KafkaStorageError,
    }
}

#[cfg(test)]
#[path = "splice_test.rs"]
mod splice_test;
