use super::Uuid;
use alloc::string::ToString;

#[test]
fn the_metadata_topic_prints_as_kafka_prints_it() {
    assert_eq!(Uuid::METADATA_TOPIC.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
}

proptest::proptest! {
    #[test]
    fn what_is_printed_is_read_back(bytes: [u8; 16]) {
        let id = Uuid(bytes);
        assert_eq!(Uuid::parse(&id.to_string()), Some(id));
    }
}

#[test]
fn anything_else_is_refused() {
    for text in
        ["", "A", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAA AAAAAAAAAAA", "ÄAAAAAAAAAAAAAAAAAAAA"]
    {
        assert_eq!(Uuid::parse(text), None, "{text:?}");
    }
}
