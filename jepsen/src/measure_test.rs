use super::*;
use crate::history::NEMESIS;

fn send(time: i64, process: i64, at: Type, p: i64) -> Event {
    Event { p: Some(p), count: 10, ..Event::new(time, process, at, Act::Send) }
}

fn broken(time: i64, f: Act) -> Event {
    Event::new(time, NEMESIS, Type::Info, f)
}

#[test]
fn the_gap_ends_with_what_was_asked_after_the_kill() {
    let kill = Event { since: 100, nodes: vec![2], roles: vec!["leader".into()], ..broken(110, Act::Kill) };
    let figures = Figures::of(&History {
        events: vec![
            send(0, 0, Type::Invoke, 0),
            send(90, 1, Type::Invoke, 3),
            kill,
            // Under way when it was killed: that this is acknowledged says nothing of the new leader.
            send(120, 0, Type::Ok, 0),
            send(125, 0, Type::Invoke, 0),
            // Another partition is not the watched one.
            send(130, 1, Type::Ok, 3),
            broken(150, Act::Up),
            send(400, 0, Type::Ok, 0),
            broken(500, Act::Whole),
        ],
    });
    let [kill] = &figures.kills[..] else { panic!("one kill: {figures:?}") };
    assert_eq!((kill.gap, kill.up, kill.whole), (Some(300), Some(50), Some(400)));
    assert_eq!(kill.slowest, 120, "of those under way at the kill");
    assert_eq!((figures.operations, figures.records, figures.time), (3, 30, 400));
    assert_eq!(figures.gaps(&["leader".to_owned()]), [300]);
    assert_eq!(figures.watched, [120, 275]);
}

#[test]
fn a_kill_after_which_nothing_is_acknowledged_has_no_end() {
    let kill = Event { since: 100, nodes: vec![1], ..broken(110, Act::Kill) };
    let figures = Figures::of(&History { events: vec![kill, send(120, 0, Type::Invoke, 0)] });
    assert_eq!(figures.kills[0].gap, None);
}

#[test]
fn quantiles_are_of_what_is_there() {
    assert_eq!(quantile(&[], 0.5), None);
    assert_eq!(quantile(&[1, 2, 3], 0.5), Some(2));
    assert_eq!(quantile(&[1, 2, 3], 1.0), Some(3));
}
