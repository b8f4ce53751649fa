use super::{Facts, Keyless, ProveRules, Proved, TopicRules, admit, prove};
use crate::record::{
    Attributes, Builder, CheckedBatch, Compression, Functions, Header, NewRecord, RecordError, RecordReason, Refusal,
    TimestampType, check_stored,
};
use crate::types::{ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Wall, limit};
use bytes::Bytes;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use std::vec;
use std::vec::Vec;

const F: Functions = Functions::slow();
const NOW: Wall = Wall(1_000_000);

fn proved(bytes: Bytes) -> Result<Proved, Refusal> {
    prove(bytes, &ProveRules { version: 12, batch_bytes_max: 1 << 20 }, &F, &mut Vec::new())
}

fn topic() -> TopicRules {
    TopicRules {
        batch_bytes_max: 1 << 20,
        segment_bytes: 1 << 30,
        compacted: false,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        compression: None,
    }
}

fn batch(records: &[(i64, bool)]) -> CheckedBatch {
    let mut builder = Builder::new().numbered(ProducerId(1), ProducerEpoch(0), 0);
    for (time, has_key) in records {
        let key = has_key.then_some(&b"key"[..]);
        builder.push(&NewRecord { timestamp: Wall(*time), key, value: Some(b"value"), headers: &[(b"h", None)] });
    }
    builder.build_plain(&F)
}

/// A batch whose header was changed by somebody who knows how to make a CRC.
fn with(change: impl FnOnce(&mut Header)) -> Bytes {
    let good = batch(&[(1, true), (2, true)]);
    let mut header = *good.header();
    change(&mut header);
    CheckedBatch::sealed(header, good.body().clone(), &F).to_bytes()
}

#[test]
fn what_no_producer_may_send_is_refused_by_name() {
    let refused = |bytes: Bytes, refusal: Refusal| assert_eq!(proved(bytes), Err(refusal));
    refused(Bytes::new(), Refusal::NoBatch);
    refused(with(|_| ()).slice(..60), Refusal::NoBatch);
    refused(with(|_| ()).slice(..70), Refusal::NoBatch);
    refused(Bytes::from([with(|_| ()), with(|_| ())].concat()), Refusal::SecondBatch);
    refused(with(|header| header.base_offset = Offset(5)), Refusal::BaseOffset(5));
    refused(with(|header| header.attributes = Attributes(0x30)), Refusal::Control);
    refused(with(|header| header.attributes = Attributes(5)), Refusal::UnknownCompression);
    refused(with(|header| header.attributes = Attributes(4)), Refusal::UnknownCompression);
    refused(with(|header| header.attributes = Attributes(8)), Refusal::TimestampType);
    refused(with(|header| header.base_sequence = -1), Refusal::Producer);
    refused(with(|header| header.producer_epoch = ProducerEpoch(-1)), Refusal::Producer);
    let lonely = |header: &mut Header| {
        header.producer_id = ProducerId::NONE;
        header.attributes = header.attributes.transactional();
    };
    refused(with(lonely), Refusal::Producer);
    let count = |count: i32, last_offset_delta: i32| {
        let bytes = with(|header| (header.count, header.last_offset_delta) = (count, last_offset_delta));
        refused(bytes, Refusal::Count { count, last_offset_delta });
    };
    count(0, -1);
    count(2, 2);
    count(-1, -2);
    count(i32::MIN, i32::MAX);
    refused(with(|header| (header.count, header.last_offset_delta) = (3, 2)), Refusal::Record(2));
    refused(with(|header| (header.count, header.last_offset_delta) = (1, 0)), Refusal::Trailing);
    refused(with(|header| header.base_timestamp = Wall(i64::MAX)), Refusal::Record(1));
}

#[test]
fn zstd_needs_produce_version_7() {
    let bytes = with(|header| header.attributes = header.attributes.with_compression(Compression::Zstd));
    let rules = ProveRules { version: 6, batch_bytes_max: 1 << 20 };
    let refusal = prove(bytes, &rules, &F, &mut Vec::new()).unwrap_err();
    assert_eq!((refusal.code(), refusal), (ErrorCode::UnsupportedCompressionType, Refusal::ZstdTooEarly));
}

#[test]
fn what_no_topic_could_take_is_not_even_walked() {
    let bytes = with(|_| ());
    let rules = ProveRules { version: 12, batch_bytes_max: bytes.len() - 1 };
    let refusal = prove(bytes.clone(), &rules, &F, &mut Vec::new()).unwrap_err();
    assert_eq!(refusal, Refusal::TooLarge { bytes: bytes.len(), bytes_max: bytes.len() - 1 });
}

#[test]
fn records_whose_offsets_are_not_0_to_n_are_refused() {
    let good = batch(&[(1, true), (2, true)]);
    let mut body = good.body().to_vec();
    let second = body.len() / 2;
    assert_eq!(body[second + 3], 2, "the offset delta of the second record, zigzag");
    body[second + 3] = 4;
    let bytes = CheckedBatch::sealed(*good.header(), Bytes::from(body), &F).to_bytes();
    assert_eq!(proved(bytes), Err(Refusal::Record(1)));
}

#[test]
fn every_flipped_bit_is_refused_but_in_the_epoch_that_is_stamped_anyway() {
    let bytes = batch(&[(1, true), (2, false)]).to_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let is_epoch = (12..16).contains(&(bit / 8));
        assert_eq!(proved(Bytes::from(flipped)).is_ok(), is_epoch, "bit {bit}");
    }
}

proptest! {
    #[test]
    fn the_facts_are_those_of_a_naive_look(records in proptest::collection::vec((-3..9i64, any::<bool>()), 1..30)) {
        let batch = batch(&records);
        let timed = || records.iter().enumerate().filter(|(_, (time, _))| *time != -1);
        let fact = |(index, (time, _)): (usize, &(i64, bool))| (Wall(*time), index as u32);
        let keyless: Vec<_> = (0..records.len() as u32).filter(|&index| !records[index as usize].1).collect();
        let facts = Facts {
            sent_bytes: batch.bytes_len(),
            earliest: timed().min_by_key(|(_, (time, _))| *time).map(fact),
            latest: timed().rev().max_by_key(|(_, (time, _))| *time).map(fact),
            keyless: keyless.first().map(|first| Keyless {
                first: *first, last: *keyless.last().unwrap(), count: keyless.len() as u32,
            }),
        };
        let proved = proved(batch.to_bytes()).unwrap();
        prop_assert_eq!(proved.facts(), &facts);
    }

    #[test]
    fn any_bytes_behind_a_good_crc_are_proved_or_refused(body: Vec<u8>, count in 1..5i32) {
        let header = Header { count, last_offset_delta: count - 1, ..*batch(&[(1, true)]).header() };
        let _ = proved(CheckedBatch::sealed(header, Bytes::from(body), &F).to_bytes());
    }

    #[test]
    fn a_mutated_record_section_is_proved_or_refused(at: usize, to: u8, time: i64) {
        let good = batch(&[(time, true), (2, false), (3, true)]);
        let mut body = good.body().to_vec();
        let at = at % body.len();
        body[at] = to;
        if let Ok(proved) = proved(CheckedBatch::sealed(*good.header(), Bytes::from(body), &F).to_bytes()) {
            // Whatever is let in can be read by everybody afterwards.
            let mut scratch = Vec::new();
            prop_assert!(proved.batch().walk(&F, &mut scratch).unwrap().all(|placed| placed.is_ok()));
        }
    }
}

#[test]
fn a_topic_refuses_what_is_too_large_for_it() {
    let proved = proved(with(|_| ())).unwrap();
    let bytes = proved.batch().bytes_len();
    let small = TopicRules { batch_bytes_max: bytes - 1, ..topic() };
    let refusal = admit(&proved, &small, NOW, &F).unwrap_err();
    assert_eq!(
        (refusal.code(), refusal),
        (ErrorCode::MessageTooLarge, Refusal::TooLarge { bytes, bytes_max: bytes - 1 })
    );
    let small = TopicRules { segment_bytes: bytes - 1, ..topic() };
    let refusal = admit(&proved, &small, NOW, &F).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::RecordListTooLarge);
    assert_eq!(admit(&proved, &TopicRules { batch_bytes_max: bytes, ..topic() }, NOW, &F), Ok(proved.batch().clone()));
}

#[test]
fn a_compacted_topic_names_the_records_without_a_key() {
    let compacted = TopicRules { compacted: true, ..topic() };
    let refused = |records: &[(i64, bool)]| {
        let proved = proved(batch(records).to_bytes()).unwrap();
        assert!(admit(&proved, &topic(), NOW, &F).is_ok());
        let refusal = admit(&proved, &compacted, NOW, &F).err()?;
        assert_eq!(refusal.code(), ErrorCode::InvalidRecord);
        Some(refusal.record_errors().iter().map(|error| error.index).collect::<Vec<_>>())
    };
    assert_eq!(refused(&[(1, true)]), None);
    assert_eq!(refused(&[(1, true), (1, false), (1, true)]), Some(vec![1]));
    assert_eq!(refused(&[(1, false), (1, false), (1, false)]), Some(vec![0, 1, 2]));
    assert_eq!(refused(&[(1, true), (1, false), (1, true), (1, false)]), Some(vec![1]), "the first of several runs");
    assert_eq!(refused(&vec![(1, false); 1000]).map(|named| named.len()), Some(limit::RECORD_ERRORS_MAX));
}

#[test]
fn timestamps_outside_the_window_are_refused_and_named() {
    let window = TopicRules { timestamp_before_max_ms: 100, timestamp_after_max_ms: 50, ..topic() };
    let admitted = |times: &[i64]| {
        let records: Vec<_> = times.iter().map(|time| (*time, true)).collect();
        admit(&proved(batch(&records).to_bytes()).unwrap(), &window, NOW, &F)
    };
    let error = |index, found| RecordError {
        index,
        reason: RecordReason::Timestamp { found: Wall(found), first: Wall(999_900), last: Wall(1_000_050) },
    };
    assert!(admitted(&[999_900, 1_000_050, -1]).is_ok(), "both ends are inside, and none at all is allowed");
    let refusal = admitted(&[1_000_000, 999_899, 1_000_051]).unwrap_err();
    assert_eq!(refusal, Refusal::Timestamps(vec![error(1, 999_899), error(2, 1_000_051)]));
    assert_eq!(refusal.code(), ErrorCode::InvalidTimestamp);
    let open = TopicRules { timestamp_after_max_ms: i64::MAX, ..topic() };
    let far = proved(batch(&[(i64::MAX - 1, true)]).to_bytes()).unwrap();
    assert!(admit(&far, &open, NOW, &F).is_ok(), "the largest window has no end");
}

#[test]
fn under_log_append_time_the_leader_writes_its_own_clock_and_a_new_crc() {
    let proved = proved(batch(&[(1, true), (i64::MAX / 2, true)]).to_bytes()).unwrap();
    let rules = TopicRules { timestamp_type: TimestampType::LogAppendTime, ..topic() };
    let batch = admit(&proved, &rules, NOW, &F).unwrap();
    assert_eq!(batch.header().log_append_time(), Some(NOW));
    assert_eq!(batch.body(), proved.batch().body());
    assert_eq!(check_stored(batch.to_bytes(), &F).next(), Some(Ok(batch)));
}

#[test]
fn a_maximum_timestamp_that_the_records_contradict_is_put_right() {
    for (told, times) in [(7, [1, 2]), (0, [1, 2]), (5, [-1, -1])] {
        let good = batch(&times.map(|time| (time, true)));
        let lying = good.with_max_timestamp(TimestampType::CreateTime, Wall(told), &F);
        let admitted = admit(&proved(lying.to_bytes()).unwrap(), &topic(), NOW, &F);
        assert_eq!(admitted, Ok(good), "told {told}");
    }
}

#[test]
fn stamping_leaves_the_crc_and_shares_the_body() {
    let sent = batch(&[(1, true)]);
    let stamped = sent.stamped(Offset(40), LeaderEpoch(3));
    assert_eq!(
        (stamped.base_offset(), stamped.end_offset(), stamped.last_offset()),
        (Offset(40), Offset(41), Offset(40))
    );
    assert_eq!(stamped.header().crc, sent.header().crc);
    assert_eq!(stamped.body().as_ptr(), sent.body().as_ptr());
    assert_eq!(check_stored(stamped.to_bytes(), &F).next(), Some(Ok(stamped)));
}

#[test]
fn only_another_codec_than_the_batch_has_asks_for_a_rebuild() {
    let proved = proved(batch(&[(1, true)]).to_bytes()).unwrap();
    let wants = |compression| TopicRules { compression, ..topic() }.wants(&proved);
    assert_eq!(wants(None), None);
    assert_eq!(wants(Some(Compression::None)), None);
    assert_eq!(wants(Some(Compression::Lz4)), Some(Compression::Lz4));
}
