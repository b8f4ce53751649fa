use super::{Entry, campaigns, put, read, table};
use crate::fleet::Fleet;
use std::ops::Range;
use std::time::Duration;

fn entry(what: &str, range: Range<u64>, findings: Vec<u64>) -> Entry {
    let fleet = Fleet { seeds: range.end - range.start, events: 2_000_000, ..Fleet::default() };
    let is_well = findings.is_empty();
    Entry { findings, ..Entry::of(what.to_owned(), range, &fleet, is_well, Duration::from_secs(36)) }
}

#[test]
fn what_was_run_is_known_by_its_flags_and_its_range_alone() {
    let folder = std::env::temp_dir().join(format!("ottla-ledger-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("ledger");
    std::fs::write(&path, "a line of a hunt\n").expect("it can be written");
    entry("--cluster", 0..500, Vec::new()).enter(&path).expect("it is entered");
    assert_eq!(read(&path).expect("it is there").len(), 1, "and the other line is passed over");
    assert!(Entry::known(&path, "--cluster", &(0..500)).is_some_and(|entry| entry.is_well));
    assert!(Entry::known(&path, "--cluster", &(0..501)).is_none());
    assert!(Entry::known(&path, "--store", &(0..500)).is_none(), "seeds of the store are others");
    std::fs::remove_dir_all(&folder).expect("it was made above");
}

#[test]
fn ranges_of_one_campaign_are_added_up_and_those_that_touch_are_one() {
    let entries = [
        entry("--cluster", 500..1_000, vec![777]),
        entry("--store", 0..10, Vec::new()),
        entry("--cluster", 0..500, Vec::new()),
        entry("--cluster", 2_000..2_500, Vec::new()),
    ];
    let campaigns = campaigns(&entries);
    assert_eq!(campaigns.len(), 2);
    let (ranges, all) = &campaigns[0];
    assert_eq!(*ranges, [0..1_000, 2_000..2_500]);
    assert_eq!((all.seeds, all.events, all.is_well), (1_500, 6_000_000, false));
    let text = table(&campaigns);
    assert!(text.contains("| `--cluster` | 0..1000, 2000..2500 | 1500 | 0.0 | 0.03 | 6 million | 777 |"), "{text}");
}

#[test]
fn a_text_is_put_between_its_marks_and_nowhere_else() {
    let path = std::env::temp_dir().join(format!("ottla-marks-{}", std::process::id()));
    std::fs::write(&path, "a\n<!-- one: begin -->\nold\n<!-- one: end -->\nb\n").expect("it can be written");
    put(&path, "one", "new\n").expect("it has the marks");
    let text = std::fs::read_to_string(&path).expect("it is there");
    assert_eq!(text, "a\n<!-- one: begin -->\nnew\n<!-- one: end -->\nb\n");
    assert!(put(&path, "two", "new\n").is_err());
    std::fs::remove_file(&path).expect("it was made above");
}
