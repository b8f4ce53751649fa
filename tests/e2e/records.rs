//! Records as tests compare them, and how client programs spell them: bytes in hexadecimal, so that nothing is lost in JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One record, sent or read. A sent one has no offset yet, and may leave the partition to the client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Partition, or −1.
    pub p: i32,
    /// Offset, or −1.
    #[serde(default = "minus_one")]
    pub o: i64,
    /// Key in hexadecimal.
    pub k: Option<String>,
    /// Value in hexadecimal.
    pub v: Option<String>,
    /// Headers in order: name and value in hexadecimal.
    #[serde(default)]
    pub h: Vec<(String, String)>,
    /// Create time, unix milliseconds.
    pub t: i64,
}

fn minus_one() -> i64 {
    -1
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A mix of records: keyed and not, empty and null values, headers (a name twice), every byte, up to some kilobytes.
pub fn mix(count: usize, partitions: i32, label: &str) -> Vec<Record> {
    let base = 1_700_000_000_000;
    (0..count)
        .map(|index| {
            let text = format!("{label} {index} ");
            let value = match index % 7 {
                0 => Some(Vec::new()),
                1 => Some((0..=255).collect()),
                2 => Some(text.repeat(1 + index % 300).into_bytes()),
                // A record without value needs a key (a tombstone).
                3 => None,
                _ => Some(text.into_bytes()),
            };
            let keyed = index % 3 != 0 || value.is_none();
            let header = |name: &str, value: &str| (name.to_owned(), hex(value.as_bytes()));
            let h = if index % 5 == 0 {
                vec![header("a", "1"), header("b", "ação"), header("a", "2")]
            } else {
                Vec::new()
            };
            Record {
                p: index as i32 % partitions,
                o: -1,
                k: keyed.then(|| hex(format!("{label}-key-{}", index % 11).as_bytes())),
                v: value.map(|bytes| hex(&bytes)),
                h,
                t: base + index as i64,
            }
        })
        .collect()
}

/// The records of an answer to `consume`.
pub fn read(answer: &Value) -> Vec<Record> {
    serde_json::from_value(answer["records"].clone()).unwrap_or_else(|fault| panic!("{fault}: {answer}"))
}

/// What was sent, with the places that the broker gave in the answer to `produce`.
pub fn placed(sent: &[Record], answer: &Value) -> Vec<Record> {
    let places: Vec<(i32, i64)> =
        serde_json::from_value(answer["at"].clone()).unwrap_or_else(|fault| panic!("{fault}: {answer}"));
    assert_eq!(places.len(), sent.len(), "every record is acknowledged");
    let placed = sent.iter().zip(places).map(|(record, (p, o))| {
        assert!(record.p == -1 || record.p == p, "a record for partition {} came to {p}", record.p);
        Record { p, o, ..record.clone() }
    });
    placed.collect()
}

/// Fails unless both hold the same records, and those read came in order of their offsets in each partition.
pub fn assert_same(sent: &[Record], read: &[Record], whose: &str) {
    let mut last: BTreeMap<i32, i64> = BTreeMap::new();
    for record in read {
        let before = last.insert(record.p, record.o);
        assert!(
            before.is_none_or(|before| before < record.o),
            "{whose}: out of order in partition {}: {before:?} {}",
            record.p,
            record.o
        );
    }
    let place = |record: &Record| (record.p, record.o);
    let mut sent: Vec<Record> = sent.to_vec();
    let mut read: Vec<Record> = read.to_vec();
    sent.sort_by_key(place);
    read.sort_by_key(place);
    assert_eq!(sent.len(), read.len(), "{whose}: as many read as sent");
    for (sent, read) in sent.iter().zip(&read) {
        assert_eq!(sent, read, "{whose}: equal in every byte");
    }
}
