use crate::msg::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::msg::heartbeat::HeartbeatResponse;
use crate::msg::metadata::MetadataRequest;
use crate::msg::{ApiKey, Request, Response};
use crate::types::Str;
use crate::wire::{
    Reader, RequestHead, WireError, Writer, frame_length, read_request_frame, read_request_head, read_response_frame,
    write_request_frame, write_response_frame,
};
use bytes::Bytes;

fn head(api: ApiKey, version: i16) -> RequestHead {
    RequestHead { api, version, correlation_id: 7, client_id: Some(Str::from_static("me")) }
}

#[test]
fn a_request_frame_is_laid_out_as_kafka_does() {
    let body = ApiVersionsRequest {
        client_software_name: Str::from_static("k"),
        client_software_version: Str::from_static("1"),
        ..ApiVersionsRequest::default()
    };
    let mut w = Writer::new();
    write_request_frame(&mut w, &head(ApiKey::ApiVersions, 3), &Request::from(body.clone())).expect("it is carried");
    let bytes = w.into_bytes();
    let expected = b"\0\0\0\x12\0\x12\0\x03\0\0\0\x07\0\x02me\0\x02k\x021\0";
    assert_eq!(&bytes[..], expected);
    let frame = bytes.slice(4..);
    let mut r = Reader::new(&frame, 1 << 20);
    assert_eq!(read_request_frame(&mut r), Ok((head(ApiKey::ApiVersions, 3), Request::from(body))));
}

#[test]
fn the_answer_to_api_versions_has_the_old_header_in_every_version() {
    let mut w = Writer::new();
    write_response_frame(&mut w, 3, 7, &Response::from(ApiVersionsResponse::default())).expect("it is carried");
    assert_eq!(&w.into_bytes()[..], b"\0\0\0\x0c\0\0\0\x07\0\0\x01\0\0\0\0\0");
    let mut w = Writer::new();
    write_response_frame(&mut w, 4, 7, &Response::from(HeartbeatResponse::default())).expect("it is carried");
    let bytes = w.into_bytes();
    assert_eq!(&bytes[..], b"\0\0\0\x0c\0\0\0\x07\0\0\0\0\0\0\0\0");
    let frame = bytes.slice(4..);
    let mut r = Reader::new(&frame, 1 << 20);
    let answer = Response::from(HeartbeatResponse::default());
    assert_eq!(read_response_frame(&mut r, ApiKey::Heartbeat, 4), Ok((7, answer)));
}

#[test]
fn the_header_of_a_version_from_the_future_can_be_read() {
    let frame = Bytes::from_static(b"\0\x12\0\x63\0\0\0\x07\0\x02me\0rest");
    let mut r = Reader::new(&frame, 1 << 20);
    assert_eq!(read_request_head(&mut r), Ok(head(ApiKey::ApiVersions, 99)));
    assert_eq!(r.remaining(), 4);
}

#[test]
fn an_api_that_is_not_spoken_is_refused() {
    let frame = Bytes::from_static(b"\x03\xe7\0\0\0\0\0\x07\xff\xff");
    let mut r = Reader::new(&frame, 1 << 20);
    assert_eq!(read_request_head(&mut r), Err(WireError::UnknownApi { code: 999 }));
}

#[test]
fn a_frame_length_out_of_bounds_is_refused() {
    assert_eq!(frame_length([0, 0, 1, 0], 256), Ok(256));
    assert_eq!(frame_length([0, 0, 1, 1], 256), Err(WireError::FrameLength { length: 257 }));
    assert_eq!(frame_length([0xff; 4], 256), Err(WireError::FrameLength { length: -1 }));
}

#[test]
fn a_frame_that_cannot_be_written_leaves_nothing_behind() {
    let mut w = Writer::new();
    let good = Request::from(MetadataRequest::default());
    let bad = Request::from(MetadataRequest { topics: None, ..MetadataRequest::default() });
    write_request_frame(&mut w, &head(ApiKey::Metadata, 1), &good).expect("it is carried");
    let before = w.len();
    assert_eq!(write_request_frame(&mut w, &head(ApiKey::Metadata, 0), &bad), Err(WireError::NullField("topics")));
    assert_eq!(w.len(), before);
    write_request_frame(&mut w, &head(ApiKey::Metadata, 1), &good).expect("it is carried");
    let bytes = w.into_bytes();
    assert_eq!(bytes[..before], bytes[before..], "two equal frames, one behind the other");
}
