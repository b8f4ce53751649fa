use crate::msg::metadata::MetadataRequest;
use crate::msg::{ApiKey, Request};
use crate::wire::{Reader, WireError, decode_request};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

/// A reader over a buffer that lives as long as the tests.
fn reader(bytes: &[u8]) -> Reader<'static> {
    Reader::new(Box::leak(Box::new(Bytes::copy_from_slice(bytes))), 1 << 20)
}

fn metadata(version: i16, bytes: &[u8]) -> Result<MetadataRequest, WireError> {
    match decode_request(ApiKey::Metadata, version, &mut reader(bytes))? {
        Request::Metadata(body) => Ok(body),
        other => panic!("not metadata: {other:?}"),
    }
}

#[test]
fn a_number_cut_short_is_refused() {
    assert_eq!(reader(&[0, 0, 1]).i32(), Err(WireError::Short));
    assert_eq!(reader(&[0, 0, 1, 2]).i32(), Ok(258));
}

#[test]
fn a_varint_of_more_than_32_bits_is_refused() {
    assert_eq!(reader(&[0xff, 0xff, 0xff, 0xff, 0x0f]).uvarint(), Ok(u32::MAX));
    assert_eq!(reader(&[0xff, 0xff, 0xff, 0xff, 0x1f]).uvarint(), Err(WireError::LongVarint));
    assert_eq!(reader(&[0xff, 0xff, 0xff, 0xff, 0x8f, 0]).uvarint(), Err(WireError::LongVarint));
    assert_eq!(reader(&[0xff]).uvarint(), Err(WireError::Short));
}

#[test]
fn an_array_longer_than_its_bytes_is_refused_before_it_is_allocated() {
    // The body of five bytes that makes other decoders reserve 200 GiB.
    assert_eq!(metadata(12, &[0xff, 0xff, 0xff, 0xff, 0x0f]), Err(WireError::Short));
    assert_eq!(metadata(4, &[0x7f, 0xff, 0xff, 0xff, 0]), Err(WireError::Short));
}

#[test]
fn arrays_are_charged_to_the_budget() {
    let count = 100u8;
    let mut body = vec![0, 0, 0, count];
    body.extend([0u8, 0].repeat(usize::from(count)));
    body.push(1);
    let with_budget = |budget| {
        let body = Bytes::from(body.clone());
        let mut r = Reader::new(&body, budget);
        decode_request(ApiKey::Metadata, 4, &mut r).map(|_| r.budget())
    };
    let size = size_of::<crate::msg::metadata::MetadataRequestTopic>();
    assert_eq!(with_budget(100 * size), Ok(0));
    assert_eq!(with_budget(100 * size - 1), Err(WireError::OverBudget));
}

#[test]
fn null_is_refused_where_the_version_does_not_know_it() {
    assert_eq!(metadata(0, &[0xff, 0xff, 0xff, 0xff]), Err(WireError::UnexpectedNull));
    assert_eq!(metadata(1, &[0xff, 0xff, 0xff, 0xff]).map(|body| body.topics), Ok(None));
    assert_eq!(metadata(1, &[0xff, 0xff, 0xff, 0xfe]), Err(WireError::NegativeLength));
}

#[test]
fn bytes_behind_a_request_are_left_unread() {
    assert_eq!(metadata(1, &[0, 0, 0, 0, 9, 9]), metadata(1, &[0, 0, 0, 0]));
    assert!(metadata(1, &[0, 0, 0, 0]).is_ok());
}

#[test]
fn a_text_must_be_utf8() {
    assert_eq!(metadata(0, &[0, 0, 0, 1, 0, 1, 0xff]), Err(WireError::NotUtf8));
}

#[test]
fn unknown_tagged_fields_are_passed_over_and_charged() {
    // Version 12: topics null, three booleans less one, then the tags.
    let body = |tags: &[u8]| [&[0, 1, 0], tags].concat();
    assert!(metadata(12, &body(&[0])).is_ok());
    assert!(metadata(12, &body(&[2, 7, 3, 1, 2, 3, 8, 0])).is_ok());
    assert_eq!(metadata(12, &body(&[1, 7, 4, 1, 2, 3])), Err(WireError::Short));
    let frame = Bytes::from(body(&[1, 7, 3, 1, 2, 3]));
    let mut r = Reader::new(&frame, 2);
    assert_eq!(decode_request(ApiKey::Metadata, 12, &mut r), Err(WireError::OverBudget));
}

#[test]
fn a_tagged_field_must_be_as_long_as_it_says() {
    // Fetch 12 with its cluster id, tag 0, in a field of five bytes that holds three.
    let mut body: Vec<u8> = vec![0; 25];
    body.extend([1, 1, 1]);
    let fetch = |tags: &[u8]| {
        let bytes = [body.as_slice(), tags].concat();
        decode_request(ApiKey::Fetch, 12, &mut reader(&bytes)).map(|_| ())
    };
    assert_eq!(fetch(&[1, 0, 3, 3, b'a', b'b']), Ok(()));
    assert_eq!(fetch(&[1, 0, 5, 3, b'a', b'b', 0, 0]), Err(WireError::TagSize));
    assert_eq!(fetch(&[1, 0, 2, 3, b'a', b'b']), Err(WireError::Short));
}

#[test]
fn a_version_that_is_not_spoken_is_refused() {
    let refused = |version| decode_request(ApiKey::Produce, version, &mut reader(&[0; 64])).map(|_| ());
    assert_eq!(refused(2), Err(WireError::UnknownVersion { version: 2 }));
    assert_eq!(refused(14), Err(WireError::UnknownVersion { version: 14 }));
    assert_eq!(refused(-1), Err(WireError::UnknownVersion { version: -1 }));
}

#[test]
fn texts_and_records_share_the_frame() {
    let mut body = vec![0xff, 0xff, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4];
    body.extend(b"rrrr");
    let frame = Bytes::from(body);
    let mut r = Reader::new(&frame, 1 << 20);
    let Ok(Request::Produce(request)) = decode_request(ApiKey::Produce, 3, &mut r) else { panic!("not decoded") };
    let inside = frame.as_ptr_range();
    let topic = &request.topic_data[0];
    assert!(inside.contains(&topic.name.as_bytes().as_ptr()));
    assert!(inside.contains(&topic.partition_data[0].records.pieces()[0].as_ptr()));
    assert_eq!(topic.partition_data[0].records.to_bytes(), "rrrr");
}
