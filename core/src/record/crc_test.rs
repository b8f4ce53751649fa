use super::crc32c;
use proptest::prelude::{prop_assert_eq, proptest};
use std::vec::Vec;

#[test]
fn the_vectors_of_rfc_3720_hold() {
    assert_eq!(crc32c(0, b"123456789"), 0xe306_9283);
    assert_eq!(crc32c(0, &[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(0, &[0xff; 32]), 0x62a8_ab43);
    let counting: Vec<u8> = (0..32).collect();
    assert_eq!(crc32c(0, &counting), 0x46dd_794e);
}

proptest! {
    #[test]
    fn two_pieces_give_the_crc_of_the_whole(bytes: Vec<u8>, at: usize) {
        let (head, tail) = bytes.split_at(if bytes.is_empty() { 0 } else { at % bytes.len() });
        prop_assert_eq!(crc32c(crc32c(0, head), tail), crc32c(0, &bytes));
    }
}
