use crate::msg::fetch::{FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData};
use crate::msg::metadata::MetadataRequest;
use crate::msg::{Request, Response};
use crate::record::Records;
use crate::types::Str;
use crate::wire::{Reader, WireError, Writer, decode_response, encode_request, encode_response};
use alloc::string::String;
use alloc::vec;
use bytes::Bytes;

fn fetched(records: Records) -> Response {
    let partition = PartitionData { records, ..PartitionData::default() };
    let topic = FetchableTopicResponse { partitions: vec![partition], ..FetchableTopicResponse::default() };
    Response::from(FetchResponse { responses: vec![topic], ..FetchResponse::default() })
}

#[test]
fn record_pieces_are_handed_on_and_not_copied() {
    let pieces = vec![Bytes::from(vec![1; 5000]), Bytes::from(vec![2; 10]), Bytes::from(vec![3; 9000])];
    let response = fetched(Records::from(pieces.clone()));
    let mut w = Writer::new();
    encode_response(&response, 12, &mut w).expect("it can be carried");
    let length = w.len();
    let out = w.take();
    assert!(w.is_empty());
    assert_eq!(out.iter().map(Bytes::len).sum::<usize>(), length);
    assert_eq!(out.len(), 5, "fields, piece, fields with the small piece, piece, fields");
    assert_eq!(out[1].as_ptr(), pieces[0].as_ptr());
    assert_eq!(out[3].as_ptr(), pieces[2].as_ptr());
    let bytes = Records::from(out).to_bytes();
    let mut r = Reader::new(&bytes, 1 << 20);
    assert_eq!(decode_response(response.api_key(), 12, &mut r), Ok(response));
}

#[test]
fn null_and_empty_records_stay_apart_on_the_wire() {
    for version in [4, 12, 18] {
        for records in [Records::NULL, Records::EMPTY] {
            let mut w = Writer::new();
            encode_response(&fetched(records.clone()), version, &mut w).expect("it can be carried");
            let bytes = w.into_bytes();
            let mut r = Reader::new(&bytes, 1 << 20);
            assert_eq!(decode_response(crate::msg::ApiKey::Fetch, version, &mut r), Ok(fetched(records)));
        }
    }
}

#[test]
fn a_value_that_the_version_cannot_carry_is_an_error_unless_it_is_ignorable() {
    let encode = |request: FetchRequest, version| encode_request(&Request::from(request), version, &mut Writer::new());
    let ignorable = FetchRequest { rack_id: Str::from_static("r1"), ..FetchRequest::default() };
    assert_eq!(encode(ignorable, 4), Ok(()));
    let replica = FetchRequest { replica_id: 3, ..FetchRequest::default() };
    assert_eq!(encode(replica.clone(), 14), Ok(()));
    assert_eq!(encode(replica, 15), Err(WireError::NotCarried("replica_id")));
    let mut state = FetchRequest::default();
    state.replica_state.replica_id = 3;
    assert_eq!(encode(state.clone(), 15), Ok(()));
    assert_eq!(encode(state, 14), Err(WireError::NotCarried("replica_state")));
}

#[test]
fn null_is_an_error_in_a_version_that_does_not_know_it() {
    let all = Request::from(MetadataRequest { topics: None, ..MetadataRequest::default() });
    assert_eq!(encode_request(&all, 0, &mut Writer::new()), Err(WireError::NullField("topics")));
    assert_eq!(encode_request(&all, 1, &mut Writer::new()), Ok(()));
}

#[test]
fn a_text_above_32767_bytes_is_an_error() {
    let text = |length: usize| Str::from("x".repeat(length));
    for flexible in [false, true] {
        let mut w = Writer::new();
        w.set_flexible(flexible);
        assert_eq!(w.string(&text(32767)), Ok(()));
        assert_eq!(w.string(&text(32768)), Err(WireError::TooLong));
        assert_eq!(w.string(&text(70000)), Err(WireError::TooLong));
    }
}

#[test]
fn the_length_of_a_tagged_field_is_put_in_front_of_it() {
    for length in [0, 1, 126, 127, 128, 20000] {
        let mut w = Writer::new();
        w.set_flexible(true);
        let tag = w.begin_tag(3);
        w.string(&Str::from(String::from("y").repeat(length))).expect("short enough");
        w.end_tag(tag).expect("short enough");
        let bytes = w.into_bytes();
        let mut r = Reader::new(&bytes, 0);
        r.set_flexible(true);
        let tag = r.tag().expect("a tag");
        assert_eq!((tag.number, r.string().expect("a text").len()), (3, length));
        r.end_tag(tag).expect("the end of the tag");
        r.finish().expect("the end");
    }
}
