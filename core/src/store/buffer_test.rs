use super::{CHUNK_BYTES, Pool, block_ceil, block_floor};
use crate::types::limit::BLOCK_BYTES;

#[test]
fn a_frozen_buffer_is_whole_blocks_at_a_block_border() {
    let mut pool = Pool::of(0);
    for len in [0, 1, 4095, 4096, 4097, 100_000, CHUNK_BYTES, 3 * CHUNK_BYTES, 1] {
        let mut buffer = pool.take(len);
        buffer.put(&std::vec![7; len]);
        let bytes = pool.freeze(buffer);
        assert_eq!(bytes.as_ptr() as usize % BLOCK_BYTES, 0);
        assert_eq!(bytes.len(), len.next_multiple_of(BLOCK_BYTES));
        assert!(bytes[..len].iter().all(|byte| *byte == 7) && bytes[len..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_chunk_is_used_again_once_nobody_holds_a_part_of_it() {
    let mut pool = Pool::of(0);
    let mut fill = |byte| {
        let mut buffer = pool.take(CHUNK_BYTES);
        buffer.put(&[byte; 5000]);
        buffer.put(&std::vec![byte; CHUNK_BYTES - 5000]);
        pool.freeze(buffer)
    };
    let first = fill(1);
    let (at, held) = (first.as_ptr(), first.slice(5..6));
    drop(first);
    let second = fill(2);
    assert_ne!(second.as_ptr(), at, "somebody holds a part of the first");
    drop(held);
    assert_eq!(fill(3).as_ptr(), at);
    assert_eq!(second[CHUNK_BYTES - 1], 2, "the second is as it was");
}

#[test]
fn blocks_are_rounded_both_ways() {
    assert_eq!((block_floor(4095), block_floor(4096)), (0, 4096));
    assert_eq!((block_ceil(0), block_ceil(1), block_ceil(4096)), (0, 4096, 4096));
}

#[test]
fn small_buffers_lie_block_by_block_and_what_was_given_up_is_not_lost() {
    let mut pool = Pool::of(0);
    let mut ends = std::vec::Vec::new();
    for _ in 0..100 {
        let unused = pool.take(300_000);
        pool.give_up(unused);
        let mut buffer = pool.take(9_000);
        buffer.put(&[1; 10]);
        ends.push(pool.freeze(buffer));
    }
    assert!(ends.windows(2).all(|two| two[1].as_ptr() as usize == two[0].as_ptr() as usize + BLOCK_BYTES));
}
