use super::{find, murmur2};

/// Values of `org.apache.kafka.common.utils.Utils.murmur2` (its own test has them), as unsigned numbers.
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
fn the_first_separator_cuts() {
    assert_eq!(find(b"a::b::c", b"::"), Some(1));
    assert_eq!(find(b"abc", b"::"), None);
}
