use super::{VoterEndpoint, VoterNode, Voters};
use crate::quorum::change::voters_at;
use crate::quorum::{Unreadable, Voter};
use crate::record::{ControlKind, Functions, quorum_control};
use crate::types::{BrokerId, LeaderEpoch, Offset, Uuid, Wall};
use alloc::vec;
use alloc::vec::Vec;

/// A voter of this number, with a directory of the same.
pub fn node(id: i32) -> VoterNode {
    let endpoint = VoterEndpoint { name: "CONTROLLER".into(), host: "one.example".into(), port: 9093 };
    VoterNode { id: BrokerId(id), directory: Uuid([id as u8; 16]), endpoints: vec![endpoint] }
}

/// The voter that such a node is.
pub fn key(id: i32) -> Voter {
    Voter { id: BrokerId(id), directory: Uuid([id as u8; 16]) }
}

#[test]
fn voters_are_read_from_the_record_that_names_them() {
    let voters = Voters::new([node(3), node(1), node(2)]);
    let place = (Offset(7), LeaderEpoch(4));
    let batches = voters_at(&voters, place, Wall(5), &Functions::slow());
    let read: Vec<_> = batches.iter().map(Voters::in_batch).collect();
    assert_eq!(read, [Ok(None), Ok(Some(voters))]);
    let ends: Vec<Offset> = batches.iter().map(|batch| batch.end_offset()).collect();
    assert_eq!(ends, [Offset(8), Offset(9)]);
}

#[test]
fn a_record_that_names_nobody_or_breaks_off_is_none() {
    let batch = |value: &[u8]| {
        let place = (Offset(0), LeaderEpoch(1));
        quorum_control(ControlKind::KRaftVoters, value, place, Wall(0), &Functions::slow())
    };
    let whole = Voters::new([node(1)]).to_value();
    assert!(Voters::in_batch(&batch(&whole)).is_ok_and(|voters| voters.is_some()));
    assert_eq!(Voters::in_batch(&batch(&whole[..whole.len() - 3])), Err(Unreadable));
    assert_eq!(Voters::in_batch(&batch(&Voters::default().to_value())), Err(Unreadable));
}

#[test]
fn another_disk_is_another_voter_where_directories_are_known() {
    let other = Voter { id: BrokerId(1), directory: Uuid([9; 16]) };
    let named = Voters::new([node(1)]);
    assert_eq!((named.has(key(1)), named.has(other), named.contains(BrokerId(1))), (true, false, true));
    assert!(Voters::numbered([BrokerId(1)]).has(other));
}
