use super::{Partitioner, murmur2};

/// Values of `org.apache.kafka.common.utils.Utils.murmur2` (its own test has them).
#[test]
fn keys_meet_those_of_the_java_client() {
    let known: [(&[u8], i32); 6] = [
        (b"21", -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        (b"abc", 479_470_107),
    ];
    for (key, hash) in known {
        assert_eq!(murmur2(key) as i32, hash, "{}", String::from_utf8_lossy(key));
    }
}

#[test]
fn records_without_a_key_stay_together_until_the_next_batch() {
    let mut partitioner = Partitioner::new(3, 5);
    assert_eq!([partitioner.choose(None), partitioner.choose(None)], [2, 2]);
    partitioner.next();
    assert_eq!(partitioner.choose(None), 0);
    assert_eq!(partitioner.choose(Some(b"abc")), 479_470_107 % 3);
}
