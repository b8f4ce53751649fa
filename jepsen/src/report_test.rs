use super::*;
use crate::check::Kind;
use crate::check::replicas::Compared;
use crate::history::History;
use crate::measure::KillFigures;

fn outcome() -> Outcome {
    let roles = vec!["leader".to_owned()];
    let kill = |gap| KillFigures {
        at: BUCKET,
        nodes: vec![2],
        roles: roles.clone(),
        gap,
        slowest: 0,
        up: Some(BUCKET),
        whole: None,
    };
    let figures = Figures {
        time: 4 * BUCKET,
        operations: 3,
        records: 300,
        buckets: vec![100, 0, 200, 0],
        kills: vec![kill(Some(70_000_000)), kill(None)],
        ..Figures::default()
    };
    Outcome { history: History::default(), findings: Findings::default(), figures, compared: Compared::default() }
}

#[test]
fn the_page_needs_nothing_else_and_says_how_it_went() {
    let page = page(&Plan::short("unused".into()), &outcome(), "kill <now>");
    assert!(page.contains("class=\"good\">valid") && page.contains("kill &lt;now&gt;"), "{page}");
    assert!(page.contains("<td>70.0 ms<td>") && page.contains("<td>never<td>"), "{page}");
    for foreign in ["http:", "https:", "src=", "NaN", "inf"] {
        assert!(!page.contains(foreign), "{foreign} in {page}");
    }
}

#[test]
fn what_is_wrong_is_counted_and_told() {
    let mut findings = Findings::default();
    findings.add(Kind::Lost, "record 7");
    findings.add(Kind::Lost, "record 8");
    assert_eq!(verdict(&findings), "INVALID\n  Lost: 2\n  Lost: record 7\n  Lost: record 8\n");
}
