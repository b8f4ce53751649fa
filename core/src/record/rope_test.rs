use super::Records;
use alloc::vec;
use bytes::Bytes;

#[test]
fn null_and_empty_are_told_apart() {
    assert_ne!(Records::NULL, Records::EMPTY);
    assert!(Records::NULL.is_null() && Records::NULL.is_empty());
    assert!(!Records::EMPTY.is_null() && Records::EMPTY.is_empty());
    assert_eq!(Records::default(), Records::NULL);
    assert_eq!(Records::from(vec![]), Records::EMPTY);
}

#[test]
fn equal_bytes_are_equal_however_they_are_cut() {
    let whole = Records::from(Bytes::from_static(b"abcdef"));
    let cut = Records::from(vec![Bytes::from_static(b"ab"), Bytes::from_static(b"cde"), Bytes::from_static(b"f")]);
    assert_eq!(whole, cut);
    assert_eq!((cut.len(), cut.pieces().len()), (6, 3));
    assert_eq!(cut.to_bytes(), "abcdef");
    assert_ne!(cut, Records::from(Bytes::from_static(b"abcdeg")));
}

#[test]
fn one_piece_is_handed_out_without_a_copy() {
    let bytes = Bytes::from_static(b"abc");
    assert_eq!(Records::from(bytes.clone()).to_bytes().as_ptr(), bytes.as_ptr());
}
