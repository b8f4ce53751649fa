use super::{Found, Journal, find};
use crate::boundary::FileId;
use crate::record::Functions;
use crate::store::buffer::Pool;
use crate::types::Wall;
use bytes::Bytes;
use std::vec;
use std::vec::Vec;

fn journal() -> Journal {
    Journal {
        files: [FileId(0), FileId(1)],
        half_bytes: 65536,
        salt: 77,
        generation: 5,
        at: 0,
        sequence: 9,
        flushed: 9,
        chain: 0,
        logs_before: vec![3, 4],
        is_open: true,
        is_other_free: true,
        bypassed: 0,
        graves: Vec::new(),
        voided: Vec::new(),
        mark: Default::default(),
    }
}

fn group() -> Bytes {
    let f = Functions::slow();
    let mut pool = Pool::of(0);
    let mut buffer = pool.take(8192);
    journal().begin(&mut buffer);
    buffer.put(b"entries");
    journal().seal(&mut buffer, 1, Wall(5), &f);
    pool.freeze(buffer)
}

#[test]
fn a_group_is_found_as_it_was_sealed() {
    let Found::Group(found) = find(&group(), 5, 77, &Functions::slow()) else {
        panic!("a whole group is found");
    };
    assert_eq!((found.sequence, found.flushed, found.entries_len), (9, 9, 1));
    assert_eq!((found.logs_before.as_slice(), &found.entries[..]), (&[3, 4][..], &b"entries"[..]));
    assert_eq!(found.blocks_bytes, 4096);
}

#[test]
fn a_group_of_another_generation_or_directory_or_with_a_flipped_bit_is_not_found() {
    let f = Functions::slow();
    assert!(matches!(find(&group(), 4, 77, &f), Found::Nothing));
    assert!(matches!(find(&group(), 5, 78, &f), Found::Nothing));
    for at in (0..87).filter(|at| *at != 7) {
        let mut bytes = group().to_vec();
        bytes[at] ^= 1;
        assert!(!matches!(find(&bytes.into(), 5, 77, &f), Found::Group(_)), "a flipped bit at {at}");
    }
    assert!(matches!(find(&group().slice(..70), 5, 77, &f), Found::Short(87)));
}
