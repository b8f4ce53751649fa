//! A short run of everything: real brokers, real clients, kills, history, verdict, page.

use std::fs;

use ottla_jepsen::plan::Plan;
use ottla_jepsen::{report, run};
use ottla_tests::harness::tools::target;

#[test]
fn a_leader_a_controller_and_then_all_are_killed_and_nothing_is_lost() {
    let out = target().join("jepsen-short");
    fs::create_dir_all(&out).expect("a folder");
    let plan = Plan::short(out.clone());
    let outcome = run::run(&plan).expect("the files can be read and written");
    let page = report::page(&plan, &outcome, "the short run");
    fs::write(out.join("report.html"), &page).expect("the page can be written");
    assert!(outcome.findings.is_empty(), "{}{}", report::figures(&outcome), report::verdict(&outcome.findings));
    assert_eq!(outcome.figures.kills.len(), 3, "{:?}", outcome.figures.kills);
    assert_eq!(outcome.compared.partitions, 4);
}
