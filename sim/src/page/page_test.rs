use super::{Recorded, names, record};
use crate::clock::At;
use crate::cut::Cut;
use crate::fault::{Op, Strike};
use crate::plan::Plan;
use crate::run::run_plan;
use std::time::Duration;

/// A short run of three machines of which two are killed.
fn plan() -> Plan {
    let cut = Cut { cluster: true, machines: Some(3), end_secs: Some(9), ops: Some(Vec::new()), ..Cut::default() };
    let seed = (0..).find(|seed| Plan::of(*seed, &Cut { cluster: true, ..Cut::default() }).options.machines == 4);
    let mut plan = Plan::of(seed.expect("there is one"), &cut);
    for (number, (machine, secs)) in [(0, 5), (1, 7)].into_iter().enumerate() {
        let op = Op { at: At::secs(secs), machine, strike: Strike::Kill(Duration::from_millis(900)) };
        plan.ops.push((number, op));
    }
    plan
}

#[test]
fn a_page_shows_each_machine_each_end_and_each_leader_and_changes_nothing() {
    let Recorded { outcome, lines, page } = record(plan(), "cargo sim -- --seed <1>", None);
    let (alone, told) = run_plan(plan(), true);
    assert_eq!((outcome.digest, &lines), (alone.digest, &told), "the page changes the run");
    for node in 0..3 {
        assert!(page.contains(&format!(">node {node}<")), "node {node} is missing");
    }
    assert!(page.matches(">✖<").count() >= 4, "two kills, in the whole run and in detail");
    assert!(page.contains("leads the quorum, term ") && page.contains(">leads, epoch "));
    assert!(page.contains("metadata log") && page.contains("class=\"committed n0\"") && page.contains(">✓<"));
    assert!(page.contains("cargo sim -- --seed &lt;1&gt;"), "what comes from outside is escaped");
    assert!(page.contains("nothing found") && !page.contains("http://") && !page.contains("https://"));
}

#[test]
fn a_page_of_a_finding_begins_with_it_and_shows_what_led_to_it() {
    let liar = |seed| Plan::of(seed, &Cut { liar: true, ..Cut::default() });
    let found = (0..20).map(|seed| record(liar(seed), "cargo sim", None)).find(|one| one.outcome.finding.is_some());
    let Recorded { outcome, page, .. } = found.expect("somebody sees a disk that lies");
    let oracle = outcome.finding.expect("it was just looked at").oracle;
    let head = page.find(&format!("found {oracle}")).expect("the finding is named");
    assert!(head < page.find("The whole run").expect("there is a chart of it"));
    assert!(page.contains("class=\"finding\"") && page.contains("class=\"l-finding\""));
}

#[test]
fn a_partition_is_not_taken_for_one_with_a_longer_number() {
    assert!(names("topic-0-1 ends at 87", "topic-0-1") && names("of topic-0-1", "topic-0-1"));
    assert!(!names("topic-0-12 ends at 87", "topic-0-1"));
}
