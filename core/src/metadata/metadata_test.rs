use super::{Delta, Image, LogChange, MetadataRecord, Resource, advance, check_name, record};
use crate::config::Config;
use crate::msg::record::metadata::{
    ConfigRecord, FeatureLevelRecord, NoOpRecord, PartitionChangeRecord, PartitionRecord, ProducerIdsRecord,
    RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
};
use crate::types::{BrokerId, LeaderEpoch, LogId, Offset, PartitionEpoch, Str, Uuid};
use alloc::sync::Arc;
use alloc::vec::Vec;
use proptest::prelude::*;

const ME: BrokerId = BrokerId(1);

fn id(number: u8) -> Uuid {
    Uuid([number; 16])
}

fn topic(number: u8, name: &str) -> MetadataRecord {
    MetadataRecord::Topic(TopicRecord { name: name.into(), topic_id: id(number) })
}

fn partition(number: u8, index: i32, replicas: &[i32]) -> MetadataRecord {
    MetadataRecord::Partition(PartitionRecord {
        partition_id: index,
        topic_id: id(number),
        replicas: replicas.to_vec(),
        isr: replicas.to_vec(),
        leader: replicas[0],
        leader_epoch: 0,
        partition_epoch: 0,
        directories: replicas.iter().map(|_| Uuid::ZERO).collect(),
        ..PartitionRecord::default()
    })
}

fn setting(kind: i8, resource: &str, name: &str, value: Option<&str>) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: kind,
        resource_name: resource.into(),
        name: name.into(),
        value: value.map(Str::from),
    })
}

fn remove(number: u8) -> MetadataRecord {
    MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: id(number) })
}

fn step(image: &Arc<Image>, records: &[MetadataRecord]) -> (Arc<Image>, Delta) {
    advance(image, image.end(), records).expect("fits")
}

fn with(records: &[MetadataRecord]) -> Arc<Image> {
    step(&Arc::default(), records).0
}

#[test]
fn a_broker_learns_which_logs_it_gains_changes_and_loses() {
    let (image, delta) = step(&Arc::default(), &[topic(1, "a"), partition(1, 0, &[1]), partition(1, 1, &[2])]);
    let log = LogId { topic: id(1), partition: 0 };
    let [LogChange::Gained { log: gained, topic: name, .. }] = &delta.logs(ME)[..] else { panic!("{delta:?}") };
    assert_eq!((*gained, name.as_str()), (log, "a"));
    let change =
        PartitionChangeRecord { topic_id: id(1), partition_id: 0, leader: 1, ..PartitionChangeRecord::default() };
    let (image, delta) = step(&image, &[MetadataRecord::PartitionChange(change)]);
    let [LogChange::Changed { before, after, .. }] = &delta.logs(ME)[..] else { panic!("{delta:?}") };
    assert_eq!((before.leader_epoch, after.leader_epoch), (LeaderEpoch(0), LeaderEpoch(1)));
    assert_eq!(after.partition_epoch, PartitionEpoch(1));
    let (image, delta) = step(&image, &[remove(1)]);
    assert_eq!(delta.logs(ME), [LogChange::Lost { log }]);
    assert_eq!(delta.topics_deleted()[0].name.as_str(), "a");
    assert_eq!(image.topic_count(), 0);
    assert!(image.topic_named("a").is_none());
}

#[test]
fn a_topic_deleted_and_made_again_in_one_batch_is_another_topic() {
    let image = with(&[topic(1, "a"), partition(1, 0, &[1])]);
    let (_, delta) = step(&image, &[remove(1), topic(2, "a"), partition(2, 0, &[1])]);
    let changes = delta.logs(ME);
    assert!(matches!(changes[..], [LogChange::Lost { .. }, LogChange::Gained { .. }]), "{changes:?}");
    assert_eq!((delta.topics_created().len(), delta.topics_deleted().len()), (1, 1));
}

#[test]
fn a_topic_made_and_deleted_in_one_batch_never_was() {
    let (_, delta) = step(&Arc::default(), &[topic(1, "a"), partition(1, 0, &[1]), remove(1)]);
    assert_eq!((delta.logs(ME).len(), delta.topics_created().len(), delta.topics_deleted().len()), (0, 0, 0));
}

#[test]
fn at_start_every_log_is_gained() {
    let image =
        with(&[topic(1, "a"), partition(1, 0, &[1]), topic(2, "b"), partition(2, 0, &[1]), partition(2, 1, &[2])]);
    assert_eq!(Delta::from_nothing(image).logs(ME).len(), 2);
}

#[test]
fn settings_go_with_their_topic() {
    let image = with(&[topic(1, "a"), setting(2, "a", "retention.ms", Some("1000"))]);
    let name = Str::from("a");
    let typed = image.topic_config(&name, &Config::default()).expect("allowed");
    assert_eq!(typed.log.retention_age, Some(core::time::Duration::from_secs(1)));
    let (image, _) = step(&image, &[remove(1), topic(2, "a")]);
    assert!(image.settings(&Resource::topic(&name)).is_none());
}

#[test]
fn a_deleted_setting_leaves_nothing_behind() {
    let image = with(&[setting(4, "", "log.retention.ms", Some("5"))]);
    let (image, delta) = step(&image, &[setting(4, "", "log.retention.ms", None)]);
    assert_eq!(image.resources().count(), 0);
    assert!(delta.is_broker_configured(ME));
    assert!(delta.topics_configured().is_empty());
}

#[test]
fn a_topic_whose_settings_change_is_to_be_configured() {
    let image = with(&[topic(1, "a"), partition(1, 0, &[1])]);
    let (_, delta) = step(&image, &[setting(2, "a", "retention.ms", Some("5"))]);
    assert_eq!(delta.topics_configured().len(), 1);
    assert!(delta.logs(ME).is_empty());
    let (_, delta) = step(&image, &[topic(2, "b"), setting(2, "b", "retention.ms", Some("5"))]);
    assert!(delta.topics_configured().is_empty(), "a new topic is gained with its settings");
}

#[test]
fn names_with_dots_collide_with_names_with_underscores() {
    let image = with(&[topic(1, "a.b"), topic(2, "plain")]);
    assert_eq!(image.collision("a_b").map(|topic| topic.id), Some(id(1)));
    assert_eq!(image.collision("plain").map(|topic| topic.id), None);
    assert!(step(&image, &[remove(1)]).0.collision("a_b").is_none());
}

#[test]
fn records_that_contradict_the_image_are_unfit() {
    let image = with(&[
        topic(1, "a"),
        MetadataRecord::ProducerIds(ProducerIdsRecord { next_producer_id: 2000, ..ProducerIdsRecord::default() }),
    ]);
    let back = ProducerIdsRecord { next_producer_id: 2000, ..ProducerIdsRecord::default() };
    for wrong in [topic(1, "b"), topic(2, "a"), partition(9, 0, &[1]), remove(9), MetadataRecord::ProducerIds(back)] {
        assert!(advance(&image, image.end(), core::slice::from_ref(&wrong)).is_err(), "{wrong:?}");
    }
}

#[test]
fn names_of_topics_are_kafkas() {
    for good in ["a", "A.b_c-9", "__x", "...", &"n".repeat(249)] {
        assert_eq!(check_name(good), Ok(()), "{good}");
    }
    for bad in ["", ".", "..", "a b", "a/b", "naïve", "a:b", &"n".repeat(250)] {
        assert!(check_name(bad).is_err(), "{bad}");
    }
}

#[test]
fn every_record_that_is_written_can_be_read() {
    let records = [
        topic(1, "a"),
        partition(1, 0, &[1, 2]),
        setting(2, "a", "x", None),
        remove(1),
        MetadataRecord::NoOp(NoOpRecord::default()),
        MetadataRecord::FeatureLevel(FeatureLevelRecord { name: "metadata.version".into(), feature_level: 30 }),
        MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: 1,
            rack: None,
            ..RegisterBrokerRecord::default()
        }),
    ];
    for one in records {
        assert_eq!(record::decode(record::encode(&one)), Ok(one));
    }
    assert!(record::decode(bytes::Bytes::from_static(b"\x01\x7f\x00")).is_err());
}

/// Any sequence of records that fits.
fn history() -> impl Strategy<Value = Vec<MetadataRecord>> {
    let one = (0u8..7, 1u8..12, 0i32..4, 0u8..3);
    prop::collection::vec(one, 0..120).prop_map(|draws| {
        let mut image: Arc<Image> = Arc::default();
        let mut records = Vec::new();
        for (kind, number, index, value) in draws {
            let name = alloc::format!("t{number}.x");
            let record = match kind {
                0 => topic(number, &name),
                1 => partition(number, index, &[1, 2, 3]),
                2 => MetadataRecord::PartitionChange(PartitionChangeRecord {
                    topic_id: id(number),
                    partition_id: index,
                    isr: Some(alloc::vec![1]),
                    leader: [-2, -1, 1][usize::from(value)],
                    ..PartitionChangeRecord::default()
                }),
                3 => remove(number),
                4 => setting(2, &name, ["a", "b", "c"][usize::from(value)], (index > 0).then_some("v")),
                5 => MetadataRecord::ProducerIds(ProducerIdsRecord {
                    next_producer_id: image.producer_id_next() + 1000,
                    ..ProducerIdsRecord::default()
                }),
                _ => MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                    broker_id: index,
                    broker_epoch: image.end().0,
                    ..RegisterBrokerRecord::default()
                }),
            };
            if let Ok((next, _)) = advance(&image, image.end(), core::slice::from_ref(&record)) {
                image = next;
                records.push(record);
            }
        }
        records
    })
}

/// The same but for where the log ends.
fn alike(one: &Arc<Image>, other: &Arc<Image>) -> bool {
    one.to_records() == other.to_records() && one.topics == other.topics && one.folded == other.folded
}

proptest! {
    #[test]
    fn a_snapshot_and_the_rest_of_the_log_say_what_the_whole_log_says(records in history(), cut in any::<prop::sample::Index>()) {
        let whole = with(&records);
        let cut = cut.index(records.len() + 1);
        let snapshot = with(&with(&records[..cut]).to_records());
        let (joined, _) = advance(&snapshot, Offset(cut as i64), &records[cut..]).expect("fits");
        prop_assert!(alike(&whole, &joined));
        prop_assert_eq!(joined.end(), whole.end());
    }

    #[test]
    fn how_the_log_is_cut_into_batches_does_not_matter(records in history(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(records.len() + 1);
        let (joined, _) = step(&with(&records[..cut]), &records[cut..]);
        prop_assert_eq!(with(&records), joined);
    }
}
