use super::{Found, Window};
use bytes::BytesMut;
use ottla_core::record::{Builder, NewRecord};
use ottla_core::types::{LeaderEpoch, Offset, Wall};
use std::fs::{self, File};

/// `Ok` with the base offset of a batch, `Err` with the bytes of a gap and whether it is empty.
type Seen = Vec<(u64, Result<i64, (u64, bool)>)>;

fn batch(base: i64, bytes: usize) -> Vec<u8> {
    let value = vec![9; bytes];
    let record = NewRecord { timestamp: Wall(7), key: None, value: Some(&value), headers: &[] };
    let batch = Builder::new().at(Offset(base), LeaderEpoch(0)).with(&record).build_plain(&ottla_codecs::functions());
    batch.to_bytes().to_vec()
}

fn scanned(name: &str, bytes: &[u8]) -> Seen {
    let path = std::env::temp_dir().join(format!("ottla-scan-{name}-{}.log", std::process::id()));
    fs::write(&path, bytes).unwrap();
    let mut seen = Vec::new();
    let mut file = File::open(&path).unwrap();
    let window = Window::new(&mut file, BytesMut::new(), ottla_codecs::functions());
    let told = window.scan(&mut |at, found| {
        seen.push((
            at,
            match found {
                Found::Batch(batch) => Ok(batch.header().base_offset.0),
                Found::Gap { bytes, is_empty, .. } => Err((bytes, is_empty)),
            },
        ));
        Ok(())
    });
    assert!(told.unwrap().is_ok());
    fs::remove_file(path).unwrap();
    seen
}

#[test]
fn what_follows_a_damaged_batch_is_found_again_wherever_the_damage_is() {
    let (first, second, third) = (batch(0, 100), batch(1, 200), batch(2, 300));
    let (at, end) = (first.len() as u64, (first.len() + second.len()) as u64);
    for hit in [0, 8, 9, 16, 17, 40, second.len() - 1] {
        let mut bytes = [&first[..], &second, &third, &[0; 1000]].concat();
        bytes[first.len() + hit] ^= 0x40;
        let whole = (end + third.len() as u64, Err((1000, true)));
        let expected = match hit {
            // The checksum does not cover the base offset.
            0 => vec![(0, Ok(0)), (at, Ok(0x40 << 56 | 1)), (end, Ok(2)), whole],
            _ => vec![(0, Ok(0)), (at, Err((second.len() as u64, false))), (end, Ok(2)), whole],
        };
        assert_eq!(scanned(&format!("hit-{hit}"), &bytes), expected, "byte {hit}");
    }
}

#[test]
fn a_good_batch_that_is_longer_than_what_was_read_is_found_behind_damage() {
    let (first, second) = (batch(0, 3 << 20), batch(1, 6 << 20));
    let mut bytes = [&first[..], &second].concat();
    bytes[100] ^= 1;
    let at = first.len() as u64;
    assert_eq!(scanned("long", &bytes), [(0, Err((at, false))), (at, Ok(1))]);
}

#[test]
fn a_torn_end_is_damage() {
    let (first, second) = (batch(0, 100), batch(1, 200));
    let bytes = [&first[..], &second[..second.len() - 1]].concat();
    assert_eq!(scanned("torn", &bytes), [(0, Ok(0)), (first.len() as u64, Err((second.len() as u64 - 1, false)))]);
}
