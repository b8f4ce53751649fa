use super::fill_offset;
use crate::msg::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse};
use crate::partition::PartKey;
use crate::types::{ConnId, ErrorCode, Ticket};
use std::vec;

#[test]
fn old_clients_are_told_in_codes_that_they_know() {
    let codes = [(4, ErrorCode::LeaderNotAvailable), (5, ErrorCode::OffsetNotAvailable)];
    for (version, code) in codes {
        let partitions = vec![ListOffsetsPartitionResponse::default()];
        let topics = vec![ListOffsetsTopicResponse { partitions, ..Default::default() }];
        let mut response = ListOffsetsResponse { topics, ..Default::default() };
        let key = PartKey { ticket: Ticket::first(ConnId(1)), topic: 0, partition: 0 };
        fill_offset(&mut response, version, key, Err(ErrorCode::OffsetNotAvailable));
        assert_eq!(response.topics[0].partitions[0].error_code, code.code(), "in version {version}");
    }
}
