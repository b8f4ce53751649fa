use super::{Aligned, Pool, block_ceil, block_floor};
use crate::types::limit::BLOCK_BYTES;

#[test]
fn a_frozen_buffer_is_whole_blocks_at_a_block_border() {
    for len in [0, 1, 4095, 4096, 4097, 100_000] {
        let mut buffer = Aligned::new(len);
        buffer.put(&std::vec![7; len]);
        let bytes = buffer.freeze();
        assert_eq!(bytes.as_ptr() as usize % BLOCK_BYTES, 0);
        assert_eq!(bytes.len(), len.next_multiple_of(BLOCK_BYTES));
        assert!(bytes[..len].iter().all(|byte| *byte == 7) && bytes[len..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_buffer_is_used_again_once_nobody_holds_it() {
    let mut pool = Pool::default();
    let mut buffer = pool.take(100_000);
    buffer.put(&[1; 100_000]);
    let bytes = buffer.freeze();
    let (at, held) = (bytes.as_ptr(), bytes.slice(5..6));
    pool.give(bytes.clone());
    assert!(pool.free.is_empty(), "somebody else holds it");
    drop(held);
    pool.give(bytes);
    assert_eq!(pool.free.len(), 1);
    assert_eq!(pool.take(100_000).freeze().as_ptr(), at.wrapping_add(0));
}

#[test]
fn blocks_are_rounded_both_ways() {
    assert_eq!((block_floor(4095), block_floor(4096)), (0, 4096));
    assert_eq!((block_ceil(0), block_ceil(1), block_ceil(4096)), (0, 4096, 4096));
}

#[test]
fn little_is_never_kept_in_a_large_buffer() {
    let mut pool = Pool::default();
    let mut large = pool.take(1 << 20);
    large.put(&[1; 5000]);
    pool.give(large.freeze());
    let mut small = pool.take(1000);
    small.put(&[1; 10]);
    pool.give(small.freeze());
    assert_eq!(pool.free.iter().filter(|free| free.capacity() < 64 << 10).count(), 1, "it got one of its own size");
}
