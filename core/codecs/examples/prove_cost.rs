//! What proving a batch costs: `cargo run --release --package ottla-codecs --example prove_cost`.

use bytes::Bytes;
use ottla_codecs::functions;
use ottla_core::record::{Builder, Compression, Functions, NewRecord, ProveRules, crc32c, prove};
use std::hint::black_box;
use std::time::{Duration, Instant};

const F: Functions = functions();
const RULES: ProveRules = ProveRules { version: 12, batch_bytes_max: usize::MAX };

fn batch(records: usize, value_bytes: usize, codec: Compression) -> Bytes {
    let mut builder = Builder::new().compressed(codec);
    let mut state = 1u64;
    for index in 0..records {
        let value: Vec<u8> = (0..value_bytes)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                b'a' + (state >> 60) as u8
            })
            .collect();
        let timestamp = ottla_core::types::Wall(1_700_000_000_000 + index as i64);
        builder.push(&NewRecord { timestamp, key: Some(b"some key"), value: Some(&value), headers: &[] });
    }
    builder.build(&F).expect("the codec is known").to_bytes()
}

/// The best of 41 rounds, each long enough for the clock: what it costs when nobody else is on the machine.
fn cost(mut work: impl FnMut()) -> Duration {
    let started = Instant::now();
    work();
    let repeats = (2_000_000 / started.elapsed().as_nanos().max(1)).clamp(1, 100_000) as u32;
    let rounds = (0..41).map(|_| {
        let started = Instant::now();
        (0..repeats).for_each(|_| work());
        started.elapsed() / repeats
    });
    rounds.min().expect("there are rounds")
}

fn main() {
    for (records, value_bytes) in [(1, 1024), (1000, 1024), (1000, 100), (100, 10)] {
        for codec in Compression::ALL {
            let bytes = batch(records, value_bytes, codec);
            let mut scratch = Vec::new();
            let best = cost(|| {
                black_box(prove(black_box(bytes.clone()), &RULES, &F, &mut scratch)).expect("a good batch");
            });
            println!("prove {records:>5} x {value_bytes:>4} B {:>6}: {best:>10.1?} ({} B)", codec.name(), bytes.len());
        }
    }
    for length in [100, 1100, 16 << 10, 1 << 20] {
        let bytes = vec![7; length];
        let fast = cost(|| {
            black_box((F.crc32c)(0, black_box(&bytes)));
        });
        let going_on = cost(|| {
            black_box((F.crc32c)(1, black_box(&bytes)));
        });
        let slow = cost(|| {
            black_box(crc32c(0, black_box(&bytes)));
        });
        println!("crc {length:>8} B: {fast:.1?}, going on {going_on:.1?}, the core's own {slow:.1?}");
    }
}
