use super::Telemetry;
use crate::mail::{Facts, Lag};

#[test]
fn the_manual_explains_every_metric() {
    let manual = include_str!("../../docs/operations.md");
    let lag = Lag { group: "g".into(), topic: "t".into(), partition: 0, offsets: 7 };
    let text = Telemetry::new()
        .text(Some(&Facts { is_ready: true, lags: vec![lag], ..Facts::default() }), &[std::env::temp_dir()]);
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let unexplained: Vec<&str> = names.filter(|name| !manual.contains(&format!("`{name}`"))).collect();
    assert_eq!(unexplained, [""; 0]);
    let free = text
        .lines()
        .find_map(|line| line.strip_prefix("ottla_disk_free_bytes{")?.split(' ').nth(1)?.parse::<u64>().ok());
    assert!(free.is_some_and(|bytes| bytes > 0), "{text}");
    assert!(text.contains("ottla_consumer_lag{group=\"g\",topic=\"t\",partition=\"0\"} 7"), "{text}");
}
