use super::topics;
use crate::msg::record::consumer::ConsumerProtocolSubscription;
use crate::types::Str;
use crate::wire::encode_versioned;
use alloc::vec::Vec;
use bytes::Bytes;

fn subscription(version: i16, names: &[&str]) -> Bytes {
    let topics = names.iter().map(|name| Str::from(*name)).collect();
    let body = ConsumerProtocolSubscription { topics, ..Default::default() };
    encode_versioned(&body, version).expect("it is carried")
}

#[test]
fn topics_are_read_from_every_version() {
    for version in 0..=3 {
        let found = topics([subscription(version, &["a", "b"]), subscription(0, &["b", "c"])].into_iter());
        let names: Vec<Str> = found.expect("they are subscriptions").into_iter().collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
    let mut newer = subscription(3, &["a"]).to_vec();
    newer[1] = 99;
    assert!(topics([Bytes::from(newer)].into_iter()).is_some());
}

#[test]
fn cut_or_foreign_metadata_is_no_subscription() {
    let whole = subscription(0, &["topic"]);
    for length in 0..whole.len() {
        assert_eq!(topics([whole.slice(..length)].into_iter()), None, "{length}");
    }
    assert_eq!(topics([Bytes::from_static(b"\0\0\x7f\xff\xff\xff\0\0")].into_iter()), None);
    assert_eq!(topics([Bytes::from_static(b"\0\0\0\0\0\x01\0\x01\xff\xff\xff\xff\xff")].into_iter()), None);
}
