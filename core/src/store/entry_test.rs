use super::{Change, Cut, JournalEntry};
use crate::boundary::{LogSettings, LogSpec};
use crate::record::{Builder, Functions, Header, NewRecord};
use crate::types::{BrokerEpoch, BrokerId, LeaderEpoch, LogId, Offset, Uuid, Wall};
use bytes::{Bytes, BytesMut};
use std::vec::Vec;

fn header() -> Header {
    let mut builder = Builder::new().at(Offset(4), LeaderEpoch(2));
    builder.push(&NewRecord::default());
    *builder.build_plain(&Functions::slow()).header()
}

fn every_kind() -> Vec<Change> {
    let settings = LogSettings { retention_bytes: Some(5), ..LogSettings::default() };
    let bytes = Bytes::from_static(b"bytes");
    let id = LogId { topic: Uuid([7; 16]), partition: 3 };
    let (segment, position) = (Offset(9), 4096);
    std::vec![
        Change::Create { id, spec: LogSpec { topic: "orders".into(), settings: settings.clone() }, at: Wall(6) },
        Change::Configure(settings),
        Change::Append { segment, position, batches: bytes.clone() },
        Change::Tail { segment, position, bytes: bytes.clone() },
        Change::Bypass { segment, position, headers: std::vec![header(), header()], tail: bytes.clone() },
        Change::Void,
        Change::Producers(bytes.clone()),
        Change::Roll { base: segment, at: Wall(8) },
        Change::Truncate(Cut { end: segment, segment, position, max_time: Wall(-1), max_time_base: Offset(4) }),
        Change::Trim { start: segment, at: Wall(7) },
        Change::Delete,
        Change::Vote { term: LeaderEpoch(4), voted: None },
        Change::Registration(BrokerEpoch(7)),
        Change::Vote { term: LeaderEpoch(4), voted: Some(BrokerId(2)) },
    ]
}

#[test]
fn every_change_is_read_as_it_was_written() {
    let entries: Vec<JournalEntry> =
        every_kind().into_iter().zip(0..).map(|(change, log)| JournalEntry { log, change }).collect();
    let mut bytes = BytesMut::new();
    entries.iter().for_each(|entry| bytes.extend_from_slice(&entry.to_bytes()));
    let mut rest = bytes.freeze();
    for entry in entries {
        assert_eq!(JournalEntry::take(&mut rest), Some(entry));
    }
    assert!(rest.is_empty() && JournalEntry::take(&mut rest).is_none());
}

#[test]
fn an_entry_that_ends_early_is_none() {
    for change in every_kind() {
        let whole = JournalEntry { log: 1, change }.to_bytes();
        for len in 0..whole.len() {
            assert_eq!(JournalEntry::take(&mut Bytes::copy_from_slice(&whole[..len])), None);
        }
    }
}
