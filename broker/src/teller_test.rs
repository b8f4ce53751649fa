use super::Teller;
use crate::mail::DiskState;
use crate::telemetry::write_field;
use ottla_core::boundary::{DiskFault, Note, Turn};
use ottla_core::types::{BrokerId, LeaderEpoch, LogId, Mono, Offset, Str, Uuid};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::debug_fn;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one thread").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The lines from INFO on that a teller makes of something.
pub fn lines(teller: &mut Teller, say: impl FnOnce(&mut Teller)) -> Vec<String> {
    captured(|| say(teller))
}

/// The lines from INFO on that are logged meanwhile.
pub fn captured(say: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let format = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).compact();
    let subscriber = format.fmt_fields(debug_fn(write_field)).finish();
    tracing::subscriber::with_default(subscriber, say);
    let text = String::from_utf8(lines.0.lock().expect("one thread").clone()).expect("text");
    text.lines().map(str::to_owned).collect()
}

fn log(partition: i32) -> LogId {
    LogId { topic: Uuid([1; 16]), partition }
}

fn offline(teller: &mut Teller, partition: i32, fault: DiskFault) -> Vec<String> {
    let note = Note::LogOffline { log: log(partition), fault };
    lines(teller, |teller| teller.note(&note, &|log| format!("orders-{}", log.partition)))
}

#[test]
fn a_log_that_fails_twice_is_told_and_counted_once_with_its_reason() {
    let mut teller = Teller::default();
    let told = offline(&mut teller, 0, DiskFault::Rot);
    assert!(told.len() == 1 && told[0].contains("ERROR"), "{told:?}");
    assert!(told[0].contains("orders-0 is offline: its bytes on disk are not those that were written"), "{told:?}");
    assert_eq!(offline(&mut teller, 0, DiskFault::Rot), [""; 0]);
    assert_eq!(offline(&mut teller, 0, DiskFault::Offline), [""; 0]);
    assert_eq!(teller.offline(), 1);
    offline(&mut teller, 1, DiskFault::Rot);
    assert_eq!(teller.offline(), 2);
    let (leader, to, committed) = (BrokerId(3), Offset(40), Offset(57));
    let note = Note::Contradicted { log: log(2), leader, to, committed };
    let told = lines(&mut teller, |teller| teller.note(&note, &|_| "orders-2".to_owned()));
    assert!(
        told.len() == 1 && told[0].contains("ERROR") && told[0].contains("orders-2 is offline: broker 3"),
        "{told:?}"
    );
    assert_eq!(teller.offline(), 3);
    teller.note(&Note::LogDeleted { log: log(2) }, &|_| String::new());
    teller.note(&Note::LogDeleted { log: log(0) }, &|_| String::new());
    assert_eq!(teller.offline(), 1, "a topic that is gone has no failed partitions");
}

#[test]
fn a_directory_that_fails_is_one_line_however_many_logs_it_has() {
    let mut teller = Teller::default();
    for partition in 0..100 {
        assert_eq!(offline(&mut teller, partition, DiskFault::Offline), [""; 0]);
    }
    let told = lines(&mut teller, |teller| teller.disk(Mono(0), DiskState::Offline, 0));
    assert!(told.len() == 1 && told[0].contains("ERROR") && told[0].contains("(100 logs)"), "{told:?}");
}

#[test]
fn a_full_disk_is_two_lines_however_many_appends_it_refuses() {
    let mut teller = Teller::default();
    let told = lines(&mut teller, |teller| {
        teller.disk(Mono(1_000_000_000), DiskState::Full, 7);
        for _ in 0..100 {
            teller.note(&Note::DiskFull { log: log(0) }, &|_| "orders-0".into());
        }
        teller.disk(Mono(13_500_000_000), DiskState::Well, 107);
    });
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("WARN") && told[0].contains("the disk is full"), "{told:?}");
    assert!(told[1].contains("room again after 12.5 s, in which 100 appends were refused"), "{told:?}");
}

#[test]
fn a_log_that_is_led_in_another_epoch_is_still_one_log() {
    let mut teller = Teller::default();
    for epoch in [1, 2] {
        let note = Note::Leading { log: log(0), epoch: LeaderEpoch(epoch), from: Offset(0) };
        teller.note(&note, &|_| String::new());
    }
    assert_eq!(teller.leading(), 1);
}

#[test]
fn what_became_of_topics_and_their_records_is_one_line_each_with_the_name() {
    let topic: Str = "orders".into();
    let settings = vec![("retention.ms".into(), "5".into()), ("x".into(), "two\nlines".into())];
    let id = Uuid([1; 16]);
    let notes = [
        (
            Note::TopicCreated { topic: topic.clone(), id, partitions: 6, replicas: 1, settings: settings.clone() },
            "topic orders is created: 6 partitions, 1 replicas",
        ),
        (
            Note::TopicConfigured { topic: topic.clone(), set: settings, unset: vec!["y".into()] },
            "topic orders is configured: retention.ms=5, x=",
        ),
        (
            Note::PartitionsAdded { topic: topic.clone(), before: 6, after: 12 },
            "topic orders has 12 partitions, before 6",
        ),
        (
            Note::Trimmed { log: log(3), before: Offset(7), after: Offset(9), is_asked: false },
            "orders-3 begins at 9, before at 7: older records were not to be kept longer",
        ),
        (Note::TopicDeleted { topic, id }, "topic orders is deleted"),
    ];
    for (note, wanted) in notes {
        let name_of = |log: LogId| format!("orders-{}", log.partition);
        let told = lines(&mut Teller::default(), |teller| teller.note(&note, &name_of));
        assert!(told.len() == 1 && told[0].contains("INFO") && told[0].contains(wanted), "{told:?}");
        assert!(!told[0].contains("topic=") && !told[0].contains("after="), "said once: {told:?}");
    }
}

#[test]
fn a_controller_of_another_cluster_is_told_once_until_there_is_one() {
    let mut teller = Teller::default();
    let (leader, host, own) = (BrokerId(1), Str::from("one.example"), Str::from("ours"));
    let foreign = Note::ForeignCluster { leader, host, port: 9093, own };
    let say = |teller: &mut Teller, note: &Note| lines(teller, |teller| teller.note(note, &|_| String::new()));
    let told = say(&mut teller, &foreign);
    assert!(
        told.len() == 1 && told[0].contains("broker 1 at one.example:9093 is the controller of another"),
        "{told:?}"
    );
    assert!(told[0].contains("cluster ours"), "{told:?}");
    assert_eq!(say(&mut teller, &foreign), [""; 0], "the same again is no news");
    say(&mut teller, &Note::Controller { leader, term: LeaderEpoch(1) });
    assert_eq!(say(&mut teller, &foreign).len(), 1);
}

#[test]
fn what_becomes_of_brokers_features_and_moved_partitions_is_one_line_each() {
    let turned = |turn| Note::BrokerTurned { broker: BrokerId(3), turn, active: 2, registered: 3 };
    let (before, replicas) = (vec![BrokerId(1), BrokerId(4)], vec![BrokerId(4)]);
    let notes = [
        (turned(Turn::Registered), "broker 3 has registered; 2 of 3 brokers may lead"),
        (
            turned(Turn::Fenced),
            "broker 3 is fenced, nothing is heard of it: others lead what it led; 2 of 3 brokers may lead",
        ),
        (turned(Turn::Unfenced), "broker 3 may lead; 2 of 3 brokers may lead"),
        (turned(Turn::Leaving), "broker 3 is about to stop"),
        (turned(Turn::Stopped), "broker 3 has stopped in order; 2 of 3 brokers may lead"),
        (turned(Turn::Unregistered), "broker 3 is unregistered"),
        (
            Note::Reassigned { log: log(0), before, replicas },
            "the reassignment of orders-0 is over: its replicas are 4, before 1, 4",
        ),
        (
            Note::FeatureSet { feature: "metadata.version".into(), before: None, after: Some(30) },
            "the feature metadata.version is at 30, before at no level",
        ),
        (
            Note::Following { log: log(0), epoch: LeaderEpoch(5), leader: BrokerId::NONE, from: Offset(9) },
            "nobody leads orders-0 in epoch 5: here it goes to offset 9",
        ),
    ];
    for (note, wanted) in notes {
        let name_of = |log: LogId| format!("orders-{}", log.partition);
        let told = lines(&mut Teller::default(), |teller| teller.note(&note, &name_of));
        assert!(told.len() == 1 && told[0].contains("INFO") && told[0].contains(wanted), "{told:?}");
        assert!(!told[0].contains('='), "said once: {told:?}");
    }
}
