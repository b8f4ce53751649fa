//! The flood at the size of the gate; `cargo run --release -p ottla-tests --bin flood -- 5000` is the large one.

use ottla_tests::harness::broker::Broker;
use ottla_tests::harness::flood::flood;

const BYTES: u64 = 100 << 20;

#[test]
fn a_hundred_megabytes_survive_three_kills_byte_for_byte() {
    let (records, bytes) = flood(&mut Broker::start(), BYTES);
    assert!(records > 40_000 && bytes > BYTES * 9 / 10, "{records} records, {bytes} bytes");
}
