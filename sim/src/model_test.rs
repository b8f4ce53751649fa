use super::{Fate, LogName, Model, RecordId, Topic, stamp};
use crate::client::batch::Entry;

const LOG: LogName = LogName { topic: 0, partition: 0 };

fn model() -> Model {
    let topic =
        Topic { name: "t".into(), partitions: 1, settings: Vec::new(), create_time: true, expires: false, id: None };
    Model { topics: vec![topic], ..Model::default() }
}

fn entry(id: RecordId) -> Entry {
    Entry { timestamp: 5, key: None, value: Some(stamp(id).to_vec()), headers: Vec::new() }
}

/// A record that was sent once.
fn sent(model: &mut Model, idempotent: bool) -> (RecordId, Entry) {
    let entry = entry(model.next_id());
    let id = model.made(LOG, (1, 0), idempotent, &entry);
    model.tried(id);
    (id, entry)
}

fn oracles(model: &Model) -> Vec<&'static str> {
    model.findings.iter().map(|finding| finding.oracle).collect()
}

#[test]
fn what_was_acknowledged_and_read_is_no_finding() {
    let mut model = model();
    let (one, first) = sent(&mut model, true);
    let (two, second) = sent(&mut model, true);
    model.acked(LOG, Some(0), &[one, two]);
    assert_eq!(model.read(LOG, 0, &first), Some(one));
    assert_eq!(model.read(LOG, 1, &second), Some(two));
    model.read_whole(LOG, 0, 2);
    assert!(model.findings.is_empty(), "{:?}", model.findings);
}

#[test]
fn an_acknowledged_record_behind_the_end_is_lost() {
    let mut model = model();
    let (one, _) = sent(&mut model, false);
    model.acked(LOG, Some(7), &[one]);
    model.read_whole(LOG, 0, 7);
    assert_eq!(oracles(&model), ["lost"]);
}

#[test]
fn a_start_that_nobody_asked_for_is_a_loss() {
    let mut model = model();
    model.read_whole(LOG, 3, 9);
    assert_eq!(oracles(&model), ["lost"]);
    model.findings.clear();
    model.log(LOG).delete_asked = 5;
    model.log(LOG).delete_done = 5;
    model.read_whole(LOG, 3, 9);
    assert_eq!(oracles(&model), ["resurrected"]);
}

#[test]
fn another_record_at_the_same_offset_is_found() {
    let mut model = model();
    let (one, _) = sent(&mut model, false);
    let (_, second) = sent(&mut model, false);
    model.acked(LOG, Some(0), &[one]);
    model.read(LOG, 0, &second);
    assert_eq!(oracles(&model), ["changed"]);
}

#[test]
fn a_record_that_was_never_sent_or_differs_is_found() {
    let mut model = model();
    let unsent = entry(model.next_id());
    model.made(LOG, (1, 0), false, &unsent);
    model.read(LOG, 0, &unsent);
    let (_, mut changed) = sent(&mut model, false);
    changed.timestamp += 1;
    model.read(LOG, 1, &changed);
    model.read(LOG, 2, &entry(RecordId(99)));
    assert_eq!(oracles(&model), ["changed", "changed", "invented"]);
}

#[test]
fn a_refused_record_must_stay_away() {
    let mut model = model();
    let (one, first) = sent(&mut model, false);
    model.refused(one);
    model.read(LOG, 0, &first);
    assert_eq!(oracles(&model), ["refused"]);
    let (two, _) = sent(&mut model, false);
    model.tried(two);
    model.refused(two);
    assert_eq!(model.sent[1].fate, Fate::Unknown, "an earlier try may have been stored");
}

#[test]
fn a_record_is_stored_as_often_as_it_was_sent_and_once_if_numbered() {
    let mut model = model();
    let (one, first) = sent(&mut model, false);
    model.tried(one);
    model.read(LOG, 0, &first);
    model.read(LOG, 1, &first);
    assert!(model.findings.is_empty());
    model.read(LOG, 2, &first);
    let (two, second) = sent(&mut model, true);
    model.tried(two);
    model.read(LOG, 3, &second);
    model.read(LOG, 4, &second);
    assert_eq!(oracles(&model), ["duplicate", "duplicate"]);
}

#[test]
fn a_numbered_record_may_be_stored_again_once_it_was_dropped_where_logs_have_replicas() {
    for (cluster, dropped) in [(true, 4), (true, 3), (false, 4)] {
        let mut model = Model { cluster, ..model() };
        let (_, entry) = sent(&mut model, true);
        model.read(LOG, 3, &entry);
        model.log(LOG).dropped = dropped;
        model.read(LOG, 9, &entry);
        let is_forgotten = cluster && dropped == 4;
        assert_eq!(model.findings.is_empty(), is_forgotten, "{cluster} {dropped}");
        model.read(LOG, 12, &entry);
        assert!(!model.findings.is_empty(), "both of them are there");
    }
}

#[test]
fn numbered_records_out_of_order_are_found() {
    let mut model = model();
    let (one, _) = sent(&mut model, true);
    let (two, _) = sent(&mut model, true);
    model.acked(LOG, Some(4), &[two]);
    model.acked(LOG, Some(5), &[one]);
    model.judge_order(LOG);
    assert_eq!(oracles(&model), ["reordered"]);
}
