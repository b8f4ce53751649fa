use super::{Entry, Signature, decode, encode};
use ottla_core::record::{Compression, Functions, crc32c};

fn entries(count: usize) -> Vec<Entry> {
    let entry = |n: usize| Entry {
        timestamp: 1_000 - n as i64 * 7,
        key: n.is_multiple_of(2).then(|| vec![n as u8; n * 40]),
        value: (!n.is_multiple_of(3)).then(|| vec![1; n * 100]),
        headers: (0..n % 4).map(|h| (vec![h as u8], (h > 0).then(|| vec![9; h]))).collect(),
    };
    (0..count).map(entry).collect()
}

#[test]
fn what_is_encoded_is_decoded() {
    let functions = Functions { crc32c, ..Functions::slow() };
    let sent = entries(9);
    let signature = Signature { producer: 77, epoch: 3, sequence: 1000 };
    let mut bytes = encode(&sent, signature, Compression::None, &functions).to_vec();
    bytes[..8].copy_from_slice(&500i64.to_be_bytes());
    let twice = [bytes.clone(), bytes.clone()].concat();
    let found = decode(&twice, &functions).expect("it is whole");
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].base_offset, found[0].signature, found[0].max_timestamp), (500, signature, 1_000));
    let offsets: Vec<i64> = found[0].entries.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, (500..509).collect::<Vec<_>>());
    assert!(found[0].entries.iter().map(|(_, entry)| entry).eq(&sent));
    assert!(decode(&twice[..twice.len() - 1], &functions).is_err());
    bytes[70] ^= 1;
    assert!(decode(&bytes, &functions).is_err());
}
