use super::{Hunt, cells, known};
use std::time::Duration;

fn hunt(seeds: Option<u64>, cpu_ms: u64) -> Hunt {
    let oracle = if seeds.is_some() { "durable" } else { "" };
    Hunt { seeds, oracle: oracle.to_owned(), inside: 0, cpu: Duration::from_millis(cpu_ms) }
}

#[test]
fn several_campaigns_are_told_by_their_median_and_their_worst() {
    let hunts = [hunt(Some(40), 4_000), hunt(Some(7), 700), hunt(Some(500), 50_000)];
    assert_eq!(cells(&hunts), "40 / 500 | durable | 4.0 / 50.0");
    assert_eq!(cells(&hunts[..1]), "40 | durable | 4.0");
    assert_eq!(cells(&[]), "– | – | –");
}

#[test]
fn a_campaign_that_found_nothing_is_the_worst() {
    let hunts = [hunt(Some(3), 300), hunt(None, 9_000), hunt(Some(5), 500)];
    assert_eq!(cells(&hunts), "5 / not found | durable | 0.5 / 9.0");
}

#[test]
fn a_hunt_comes_back_from_the_ledger_as_it_was() {
    let path = std::env::temp_dir().join(format!("ottla-hunts-{}", std::process::id()));
    let hunts = [hunt(Some(12), 1_234), hunt(None, 5)];
    let text: String = hunts.iter().enumerate().map(|(at, hunt)| format!("key {at}: {}\n", hunt.line())).collect();
    std::fs::write(&path, text).expect("it can be written");
    assert_eq!(known(&path, "key 0: ").as_ref(), Some(&hunts[0]));
    assert_eq!(known(&path, "key 1: ").as_ref(), Some(&hunts[1]));
    assert_eq!(known(&path, "key 2: "), None);
    std::fs::remove_file(&path).expect("it is there");
}
