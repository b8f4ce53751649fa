use super::Case;
use crate::cut::Cut;
use crate::model::Finding;
use crate::plan::Plan;
use crate::run::run_plan;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ottla-case-{}", std::process::id())).join(name)
}

fn kept(plan: Plan, name: &str) -> Plan {
    let finding = Finding { oracle: "durable", text: "something".to_owned() };
    let path = path(name);
    Case::new(plan, &finding).write(&path).expect("it can be written");
    let case = Case::read(&path).expect("it can be read");
    std::fs::remove_file(&path).expect("it is there");
    assert_eq!((case.oracle.as_str(), case.text.as_str()), ("durable", "something"));
    case.plan
}

#[test]
fn every_kind_of_plan_comes_back_from_its_file_as_it_was() {
    for seed in 0..200 {
        for cluster in [false, true] {
            let plan = Plan::of(seed, &Cut { cluster, ..Cut::default() });
            let told = kept(plan.clone(), &format!("{seed}-{cluster}.json"));
            assert_eq!(format!("{told:?}"), format!("{plan:?}"));
        }
    }
}

#[test]
fn a_run_from_a_file_is_the_run_of_its_seed() {
    let cut = Cut { cluster: true, end_secs: Some(8), ..Cut::default() };
    let plan = Plan::of(11, &cut);
    let (told, _) = run_plan(kept(plan.clone(), "run.json"), false);
    assert_eq!(told.digest, run_plan(plan, false).0.digest);
}

#[test]
fn a_file_that_is_no_case_is_refused_by_name() {
    let path = path("none.json");
    let fault = Case::read(&path).expect_err("there is no such file").to_string();
    assert!(fault.contains("none.json"), "{fault}");
}
