use super::{VarintFault, len_i64, put_i64, take_i32, take_i64};
use proptest::prelude::{prop_assert_eq, proptest};
use std::vec::Vec;

proptest! {
    #[test]
    fn what_is_put_is_taken_and_its_length_is_known(narrow: i32, wide: i64, shift in 0..64u32) {
        let wide = wide >> shift;
        let mut bytes = Vec::new();
        put_i64(i64::from(narrow), &mut bytes);
        prop_assert_eq!(bytes.len(), len_i64(i64::from(narrow)));
        put_i64(wide, &mut bytes);
        prop_assert_eq!(bytes.len(), len_i64(i64::from(narrow)) + len_i64(wide));
        let mut rest = &bytes[..];
        prop_assert_eq!(take_i32(&mut rest), Ok(narrow));
        prop_assert_eq!(take_i64(&mut rest), Ok(wide));
        prop_assert_eq!(rest.len(), 0);
    }
}

#[test]
fn endless_and_cut_numbers_are_refused() {
    assert_eq!(take_i32(&mut &[0x80; 4][..]), Err(VarintFault::Short));
    assert_eq!(take_i32(&mut &[0x80; 5][..]), Err(VarintFault::Long));
    assert_eq!(take_i32(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]), Err(VarintFault::Long));
    assert_eq!(take_i32(&mut &[0xff, 0xff, 0xff, 0xff, 0x0f][..]), Ok(i32::MIN));
    assert_eq!(take_i64(&mut &[0x80; 9][..]), Err(VarintFault::Short));
    assert_eq!(take_i64(&mut &[0x80; 10][..]), Err(VarintFault::Long));
    assert_eq!(take_i64(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2][..]), Err(VarintFault::Long));
    assert_eq!(take_i32(&mut &[][..]), Err(VarintFault::Short));
}
