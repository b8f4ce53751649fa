use super::{FileKind, Line, Value, dump};
use crate::boundary::{FileId, LogSettings, LogSpec};
use crate::record::{Builder, Functions, NewRecord};
use crate::store::buffer::Pool;
use crate::store::catalogue::{self, Identity};
use crate::store::entry::{Change, JournalEntry};
use crate::store::index::{Index, Place};
use crate::store::journal::Journal;
use crate::types::{BrokerId, LeaderEpoch, LogId, Offset, Uuid, Wall};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

fn told(bytes: &Bytes) -> Vec<Line> {
    let mut lines = Vec::new();
    let kind = FileKind::of(bytes).expect("a file of the store");
    dump(kind, bytes, &Functions::slow(), &mut |line| lines.push(line));
    lines
}

fn of<'a>(line: &'a Line, name: &str) -> &'a Value {
    &line.fields.iter().find(|(field, _)| *field == name).expect("the field is there").1
}

fn journal() -> Journal {
    Journal {
        files: [FileId(0), FileId(1)],
        half_bytes: 65536,
        salt: 77,
        generation: 5,
        at: 0,
        sequence: 9,
        flushed: 9,
        chain: 0,
        logs_before: vec![3, 4],
        is_open: true,
        is_other_free: true,
        bypassed: 0,
        graves: Vec::new(),
        voided: Vec::new(),
        mark: Default::default(),
    }
}

fn group() -> Bytes {
    let f = Functions::slow();
    let record = NewRecord { timestamp: Wall(1), value: Some(b"v"), ..NewRecord::default() };
    let batch = Builder::new().at(Offset(40), LeaderEpoch(2)).with(&record).with(&record).build_plain(&f);
    let spec = LogSpec { topic: "orders".into(), settings: LogSettings::default() };
    let id = LogId { topic: Uuid([1; 16]), partition: 6 };
    let create = Change::Create { id, spec, at: Wall(3) };
    let append = Change::Append { segment: Offset(0), position: 9, batches: batch.to_bytes() };
    let mut pool = Pool::of(0);
    let mut buffer = pool.take(8192);
    journal().begin(&mut buffer);
    for change in [create, append, Change::Delete] {
        buffer.put(&JournalEntry { log: 3, change }.to_bytes());
    }
    journal().seal(&mut buffer, 3, Wall(5), &f);
    pool.freeze(buffer)
}

#[test]
fn every_change_of_the_journal_is_told() {
    let lines = told(&group());
    let kinds: Vec<&str> = lines.iter().map(|line| line.kind).collect();
    assert_eq!(kinds, ["group", "create", "append", "delete"]);
    assert_eq!(of(&lines[0], "generation"), &Value::Large(5));
    assert_eq!(of(&lines[1], "topic"), &Value::Text("orders".to_string()));
    assert_eq!(of(&lines[2], "base_offset"), &Value::Number(40));
    assert_eq!(of(&lines[2], "end_offset"), &Value::Number(42));
}

#[test]
fn damage_is_told_and_what_follows_it_too() {
    let mut bytes = group().to_vec();
    bytes[100] ^= 1;
    bytes.extend(group());
    let kinds: Vec<&str> = told(&bytes.into()).iter().map(|line| line.kind).collect();
    assert_eq!(kinds, ["damage", "group", "create", "append", "delete"]);
}

#[test]
fn the_catalogue_says_whose_directory_it_is_and_keeps_the_salt() {
    let identity = Identity { directory: Uuid([2; 16]), cluster: "c".into(), node: BrokerId(7) };
    let bytes = catalogue::write(&identity, &journal(), 1, &BTreeMap::new(), &Functions::slow());
    let lines = told(&bytes);
    assert_eq!((lines.len(), of(&lines[0], "node")), (1, &Value::Number(7)));
    assert!(lines[0].fields.iter().all(|(_, value)| *value != Value::Large(77)));
    let mut rotten = bytes.to_vec();
    *rotten.last_mut().unwrap() ^= 1;
    assert_eq!(told(&rotten.into())[0].kind, "damage");
}

#[test]
fn every_place_of_an_index_is_told() {
    let mut index = Index::newborn();
    let place =
        |at: i64| Place { base: Offset(at), position: 8 * at as u64, max_time: Wall(at), max_time_base: Offset(0) };
    (1..4).for_each(|at| index.note(place(at), 1));
    let (_, bytes) = index.unsaved(Offset(0), 7, &Functions::slow()).unwrap();
    let lines = told(&bytes.into());
    assert_eq!((lines.len(), of(&lines[3], "position")), (4, &Value::Large(24)));
}

#[test]
fn a_journal_told_in_pieces_says_the_same() {
    let f = Functions::slow();
    let whole: Bytes = [group(), Bytes::from(vec![0; 8192]), group(), group()].concat().into();
    let expected = told(&whole);
    for piece in [4096, 5000, 12_288] {
        let (mut lines, mut from, mut len) = (Vec::new(), 0, piece);
        loop {
            let end = whole.len().min(from + len);
            let is_last = end == whole.len();
            let bytes = whole.slice(from..end);
            let told = super::journal(&bytes, (from as u64, is_last), &f, &mut |line| lines.push(line));
            if is_last {
                break;
            }
            assert!(told.bytes > 0 || told.wanted > len, "it goes on");
            from += told.bytes;
            len = piece.max(told.wanted);
        }
        assert_eq!(lines, expected, "{piece}");
    }
}
