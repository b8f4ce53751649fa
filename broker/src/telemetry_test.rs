use super::Telemetry;
use crate::mail::{Facts, Lag};
use ottla_core::boundary::Note;
use ottla_core::node::{Census, Held, Reign};
use ottla_core::types::{BrokerId, LeaderEpoch, LogId, Offset};

#[test]
fn the_manual_explains_every_metric() {
    let manual = include_str!("../../docs/operations.md");
    let lag = Lag { group: "g".into(), topic: "t".into(), partition: 0, offsets: 7 };
    let counts = Some((Census::default(), vec![lag]));
    let text =
        Telemetry::new().text(Some(&Facts { is_ready: true, counts, ..Facts::default() }), &[std::env::temp_dir()]);
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let unexplained: Vec<&str> = names.filter(|name| !manual.contains(&format!("`{name}`"))).collect();
    assert_eq!(unexplained, [""; 0]);
    let free = text
        .lines()
        .find_map(|line| line.strip_prefix("ottla_disk_free_bytes{")?.split(' ').nth(1)?.parse::<u64>().ok());
    assert!(free.is_some_and(|bytes| bytes > 0), "{text}");
    let build = concat!("ottla_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\",commit=\"");
    assert!(text.lines().any(|line| line.starts_with(build) && line.ends_with("\"} 1")), "{text}");
    assert!(text.contains("ottla_consumer_lag{group=\"g\",topic=\"t\",partition=\"0\"} 7"), "{text}");
}

/// The metrics with these names, and their values.
fn values<'a>(text: &'a str, names: &[&str]) -> Vec<(&'a str, &'a str)> {
    let all = text.lines().filter_map(|line| line.split_once(' '));
    all.filter(|(name, _)| names.contains(name)).collect()
}

#[test]
fn what_a_controller_and_a_leader_count_is_told_and_is_nothing_elsewhere() {
    let told = |census: Census| {
        let facts = Facts { counts: Some((census, Vec::new())), ..Facts::default() };
        let text = Telemetry::new().text(Some(&facts), &[]);
        let names = ["ottla_controller", "ottla_controller_partitions_leaderless", "ottla_under_replicated"];
        values(&text, &names).into_iter().map(|(_, value)| value.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told(Census::default()), ["0", "0", "0"]);
    let reign = Some(Reign { leaderless: 4, ..Reign::default() });
    let held = Held { under_replicated: 7, ..Held::default() };
    assert_eq!(told(Census { reign, held, ..Census::default() }), ["1", "4", "7"]);
}

#[test]
fn elections_and_changes_of_the_isr_are_counted() {
    let telemetry = Telemetry::new();
    let log = LogId { topic: Default::default(), partition: 0 };
    let (isr, joined, left) = (vec![BrokerId(1)], vec![], vec![BrokerId(2), BrokerId(3)]);
    for note in [
        Note::Leading { log, epoch: LeaderEpoch(3), from: Offset(0) },
        Note::IsrChanged { log, isr: isr.clone(), joined: joined.clone(), left: left.clone(), replicas: 3 },
        Note::IsrChanged { log, isr, joined: left[..1].to_vec(), left: joined, replicas: 3 },
    ] {
        telemetry.note(&note, &|_| "orders-0".to_owned());
    }
    let text = telemetry.text(None, &[]);
    let names = ["ottla_elections_total", "ottla_isr_shrinks_total", "ottla_isr_expands_total"];
    assert_eq!(values(&text, &names), [(names[0], "1"), (names[1], "2"), (names[2], "1")]);
}
