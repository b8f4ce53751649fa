use super::{Attributes, Compression, HEADER_BYTES, Header, HeaderFault, TimestampType, sequence_after};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

proptest! {
    #[test]
    fn what_is_read_is_written_back(mut bytes in any::<[u8; 32]>(), rest in any::<[u8; 29]>()) {
        bytes[8] &= 0x7f;
        bytes[11] |= 49;
        bytes[16] = 2;
        let whole: [u8; HEADER_BYTES] = core::array::from_fn(|at| if at < 32 { bytes[at] } else { rest[at - 32] });
        let header = Header::read(&whole).unwrap();
        prop_assert_eq!(header.to_bytes(), whole);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: std::vec::Vec<u8>) {
        if let Ok(header) = Header::read(&bytes) {
            prop_assert!(header.batch_bytes() >= HEADER_BYTES);
        }
    }
}

#[test]
fn short_foreign_and_impossible_headers_are_named() {
    let mut bytes = [0; HEADER_BYTES];
    assert_eq!(Header::read(&bytes[..60]), Err(HeaderFault::Short));
    assert_eq!(Header::read(&bytes), Err(HeaderFault::Magic(0)));
    bytes[16] = 2;
    bytes[11] = 48;
    assert_eq!(Header::read(&bytes), Err(HeaderFault::Length(48)));
    bytes[8] = 0xff;
    assert!(matches!(Header::read(&bytes), Err(HeaderFault::Length(length)) if length < 0));
}

#[test]
fn sequences_wrap_from_the_largest_to_zero() {
    assert_eq!(sequence_after(i32::MAX, 1), 0);
    assert_eq!(sequence_after(i32::MAX - 2, 5), 2);
    assert_eq!(sequence_after(0, i32::MAX), i32::MAX);
    assert_eq!(sequence_after(7, 0), 7);
}

#[test]
fn attributes_name_their_bits() {
    let plain = Attributes::default();
    assert_eq!(plain.with_compression(Compression::Zstd).transactional().control().0, 0x34);
    assert_eq!(Attributes(0x3c).with_timestamp_type(TimestampType::CreateTime).0, 0x34);
    assert_eq!(plain.with_timestamp_type(TimestampType::LogAppendTime).0, 8);
    assert!(Attributes(0x40).has_delete_horizon());
    assert_eq!(Attributes(5).compression(), None);
    for codec in Compression::ALL {
        assert_eq!(Compression::from_id(codec.id()), Some(codec));
    }
}
