//! Batches that the real Java client wrote, byte for byte.

use bytes::Bytes;
use ottla_codecs::functions;
use ottla_core::record::{
    Builder, CheckedBatch, Compression, EndTxn, NewRecord, ProveRules, check_stored, find_max_time, prove, recompress,
};
use ottla_core::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Wall};
use std::path::Path;

struct Expected {
    timestamp: Wall,
    key: Option<String>,
    value: Option<String>,
    has_headers: bool,
}

const HEADERS: [(&[u8], Option<&[u8]>); 2] = [(b"h", Some(&[1, 2])), (b"h", None)];
const RULES: ProveRules = ProveRules { version: 12, batch_bytes_max: 1 << 20 };

fn records() -> Vec<Expected> {
    let value = |i: usize| (0..i).map(|j| format!("minha mensagem {} ", i * j % 11)).collect();
    let record = |i: usize| Expected {
        timestamp: Wall(1_700_000_000_000 + (i as i64 * 37) % 100),
        key: (!i.is_multiple_of(3)).then(|| format!("key-{}", i % 7)),
        value: (i % 5 != 4).then(|| value(i)),
        has_headers: i.is_multiple_of(4),
    };
    (0..40).map(record).collect()
}

fn golden(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    Bytes::from(std::fs::read(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display())))
}

fn only(bytes: Bytes) -> CheckedBatch {
    let mut batches = check_stored(bytes, &functions());
    let batch = batches.next().expect("a batch").expect("a good one");
    assert_eq!(batches.next(), None);
    batch
}

fn assert_holds_the_records(batch: &CheckedBatch) {
    let mut scratch = Vec::new();
    let found: Vec<_> = batch.walk(&functions(), &mut scratch).unwrap().map(Result::unwrap).collect();
    let expected = records();
    assert_eq!(found.len(), expected.len());
    for (placed, expected) in found.iter().zip(expected) {
        assert_eq!(placed.timestamp, expected.timestamp);
        assert_eq!(placed.record.key, expected.key.as_deref().map(str::as_bytes));
        assert_eq!(placed.record.value, expected.value.as_deref().map(str::as_bytes));
        let headers: Vec<_> = placed.record.headers().collect();
        assert_eq!(headers, if expected.has_headers { &HEADERS[..] } else { &[] });
    }
}

fn ours() -> Builder {
    let mut builder = Builder::new().numbered(ProducerId(4711), ProducerEpoch(3), 17);
    for record in records() {
        let headers: &[_] = if record.has_headers { &HEADERS } else { &[] };
        let key = record.key.as_deref().map(str::as_bytes);
        let value = record.value.as_deref().map(str::as_bytes);
        builder.push(&NewRecord { timestamp: record.timestamp, key, value, headers });
    }
    builder
}

#[test]
fn batches_of_the_java_client_are_proved_and_read_in_every_codec() {
    for codec in Compression::ALL {
        let bytes = golden(&format!("java-{}.batch", codec.name()));
        let proved = prove(bytes.clone(), &RULES, &functions(), &mut Vec::new()).unwrap();
        assert_eq!(proved.batch().compression(), codec);
        assert_eq!(proved.batch(), &only(bytes));
        assert_holds_the_records(proved.batch());
        let (latest, index) = proved.facts().latest.unwrap();
        assert_eq!(latest, proved.batch().header().max_timestamp);
        let found = find_max_time(proved.batch(), &functions()).unwrap();
        assert_eq!(found, Some((Offset(i64::from(index)), latest)));
        assert_eq!(proved.facts().keyless.unwrap().count, 14);
    }
}

#[test]
fn what_we_build_is_what_the_java_client_builds() {
    assert_eq!(ours().build_plain(&functions()).to_bytes(), golden("java-none.batch"));
    assert_eq!(ours().transactional().build_plain(&functions()).to_bytes(), golden("java-transactional.batch"));
}

#[test]
fn a_marker_is_what_the_java_broker_writes() {
    let marker = EndTxn {
        producer_id: ProducerId(4711),
        producer_epoch: ProducerEpoch(3),
        is_commit: true,
        coordinator_epoch: 8,
    };
    let bytes = golden("java-commit-marker.batch");
    assert_eq!(EndTxn::read(&only(bytes.clone())), Some(marker));
    let ours = marker.batch(Wall(1_700_000_000_123), &functions()).stamped(Offset(99), LeaderEpoch(5));
    assert_eq!(ours.to_bytes(), bytes);
}

#[test]
fn a_rebuilt_batch_says_the_same_in_another_codec() {
    for from in Compression::ALL {
        let proved =
            prove(golden(&format!("java-{}.batch", from.name())), &RULES, &functions(), &mut Vec::new()).unwrap();
        for to in Compression::ALL {
            let rebuilt = recompress(&proved, to, &functions()).unwrap();
            assert_eq!(rebuilt.batch().compression(), to);
            assert_eq!(rebuilt.facts(), proved.facts());
            assert_holds_the_records(&only(rebuilt.batch().to_bytes()));
            if to == Compression::None {
                assert_eq!(rebuilt.batch().to_bytes(), golden("java-none.batch"));
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_a_compressed_batch_is_refused() {
    for codec in [Compression::Gzip, Compression::Zstd] {
        let good = golden(&format!("java-{}.batch", codec.name()));
        for bit in (0..good.len() * 8).filter(|bit| !(12..16).contains(&(bit / 8))) {
            let mut flipped = good.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let proved = prove(Bytes::from(flipped), &RULES, &functions(), &mut Vec::new());
            assert!(proved.is_err(), "{} bit {bit}", codec.name());
        }
    }
}
