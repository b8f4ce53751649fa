//! A good history, and what is found when it is falsified.

use super::*;
use crate::history::Event;

/// Process 1 sends 0..10 and 10..20 to partition 0, process 2 sends 0..5 to it between; a reader reads along.
fn good() -> History {
    History::new(vec![
        invoke(10, 1, 0, 10),
        ok(20, 1, 0, &[(0, 10)]),
        invoke(30, 2, 0, 5),
        ok(40, 2, 0, &[(10, 5)]),
        invoke(50, 1, 10, 10),
        ok(60, 1, 10, &[(15, 10)]),
        read(25, Act::Poll, &[(0, 0, 1, 0, 10)]),
        read(70, Act::Poll, &[(0, 10, 2, 0, 5), (0, 15, 1, 10, 10)]),
        read(80, Act::Final, &[(0, 0, 1, 0, 10), (0, 10, 2, 0, 5), (0, 15, 1, 10, 10)]),
        end(90, 25),
    ])
}

fn invoke(time: i64, process: i64, first: i64, count: i64) -> Event {
    let event = Event::new(time, process, Type::Invoke, Act::Send);
    Event { p: Some(0), first: Some(first), count, ..event }
}

fn ok(time: i64, process: i64, first: i64, places: &[(i64, i64)]) -> Event {
    let count = places.iter().map(|(_, count)| count).sum();
    let event = Event::new(time, process, Type::Ok, Act::Send);
    Event { p: Some(0), first: Some(first), count, places: places.to_vec(), ..event }
}

fn read(time: i64, f: Act, runs: &[(i64, i64, i64, i64, i64)]) -> Event {
    Event { runs: runs.to_vec(), ..Event::new(time, 100_000, Type::Ok, f) }
}

fn end(time: i64, end: i64) -> Event {
    Event { ends: vec![(0, end)], ..Event::new(time, 200_000, Type::Ok, Act::Final) }
}

/// The good history with its last reading (and, unless they matter, without its polls) changed.
fn with_log(runs: &[(i64, i64, i64, i64, i64)], keeps_polls: bool) -> History {
    let mut history = good();
    history.events.retain(|event| keeps_polls || event.f != Act::Poll);
    let size: i64 = runs.iter().map(|run| run.4).sum();
    for event in &mut history.events {
        match (event.f, event.ends.is_empty()) {
            (Act::Final, true) => event.runs = runs.to_vec(),
            (Act::Final, false) => event.ends = vec![(0, size)],
            _ => {}
        }
    }
    history
}

fn kinds(history: &History) -> Vec<Kind> {
    judge(history).counts().keys().copied().collect()
}

#[test]
fn nothing_is_wrong_with_a_good_history() {
    assert_eq!(judge(&good()), Findings::default());
}

#[test]
fn operations_of_which_nobody_knows_may_be_there_or_not() {
    let mut history = good();
    history.events.push(invoke(61, 2, 5, 5));
    history.events.push(Event { at: Type::Info, ..ok(95, 2, 5, &[]) });
    assert_eq!(judge(&history), Findings::default(), "not there");
    for event in &mut history.events {
        match event.f {
            Act::Final if event.ends.is_empty() => event.runs.push((0, 25, 2, 5, 5)),
            Act::Final => event.ends = vec![(0, 30)],
            _ => {}
        }
    }
    assert_eq!(judge(&history), Findings::default(), "there");
}

#[test]
fn a_lost_record_is_found() {
    let lost = with_log(&[(0, 0, 1, 0, 10), (0, 10, 2, 0, 5), (0, 15, 1, 10, 9)], false);
    assert_eq!(kinds(&lost), [Kind::Lost]);
    assert!(judge(&lost).kept()[0].what.starts_with("record 19 at offset 24"), "{:?}", judge(&lost));
    let middle = with_log(&[(0, 0, 1, 0, 10), (0, 10, 1, 10, 10)], false);
    assert_eq!(kinds(&middle), [Kind::Lost, Kind::Moved], "and what came behind it has moved");
}

#[test]
fn a_record_that_only_a_reader_saw_and_that_is_gone_is_found() {
    let mut history = good();
    history.events.push(invoke(62, 2, 5, 5));
    history.events.push(read(75, Act::Poll, &[(0, 25, 2, 5, 5)]));
    assert_eq!(kinds(&History::new(history.events)), [Kind::Lost]);
}

#[test]
fn a_duplicated_record_is_found() {
    let twice = with_log(&[(0, 0, 1, 0, 10), (0, 10, 2, 0, 5), (0, 15, 1, 10, 10), (0, 25, 2, 3, 1)], true);
    assert_eq!(kinds(&twice), [Kind::Duplicated, Kind::Reordered]);
    let alone = with_log(&[(0, 0, 1, 0, 10), (0, 10, 2, 0, 5), (0, 15, 1, 10, 10), (0, 25, 1, 19, 1)], true);
    assert_eq!(kinds(&alone), [Kind::Duplicated, Kind::Reordered]);
}

#[test]
fn a_reordered_record_is_found() {
    let swapped = with_log(&[(0, 0, 1, 10, 10), (0, 10, 2, 0, 5), (0, 15, 1, 0, 10)], false);
    assert!(kinds(&swapped).contains(&Kind::Reordered), "{:?}", judge(&swapped));
    let mut early = good();
    // The second process is told an offset before one that was acknowledged before it asked.
    for event in early.events.iter_mut().filter(|event| event.process == 2 && event.at == Type::Ok) {
        event.places = vec![(5, 5)];
    }
    assert!(kinds(&early).contains(&Kind::Reordered), "{:?}", judge(&early));
    let mut back = good();
    back.events.push(read(71, Act::Poll, &[(0, 10, 2, 0, 5)]));
    assert_eq!(kinds(&History::new(back.events)), [Kind::Reordered], "a reader that goes back");
}

#[test]
fn an_invented_record_is_found() {
    let of_nobody = with_log(&[(0, 0, 1, 0, 10), (0, 10, 2, 0, 5), (0, 15, 1, 10, 10), (0, 25, 3, 0, 1)], true);
    assert_eq!(kinds(&of_nobody), [Kind::Invented]);
    let beyond = with_log(&[(0, 0, 1, 0, 10), (0, 10, 2, 0, 5), (0, 15, 1, 10, 11)], true);
    assert_eq!(kinds(&beyond), [Kind::Invented]);
    let mut elsewhere = good();
    for event in elsewhere.events.iter_mut().filter(|event| event.process == 2) {
        event.p = Some(7);
    }
    assert!(kinds(&elsewhere).contains(&Kind::Invented), "sent to another partition");
    let mut refused = good();
    for event in refused.events.iter_mut().filter(|event| event.process == 2 && event.at == Type::Ok) {
        event.at = Type::Fail;
    }
    assert_eq!(kinds(&refused), [Kind::Invented], "refused, and there");
}

#[test]
fn holes_and_skips_are_found() {
    let hole = with_log(&[(0, 0, 1, 0, 10), (0, 10, 2, 0, 5), (0, 16, 1, 10, 10)], false);
    assert_eq!(kinds(&hole), [Kind::Moved, Kind::Skipped]);
    let mut skips = good();
    skips.events.retain(|event| event.f != Act::Poll);
    skips.events.push(read(71, Act::Poll, &[(0, 15, 1, 10, 10)]));
    assert_eq!(kinds(&History::new(skips.events)), [Kind::Skipped]);
}

#[test]
fn a_client_that_gives_up_is_found() {
    let mut history = good();
    history.events.push(invoke(61, 2, 5, 5));
    let given_up = Event { at: Type::Info, error: "OUT_OF_ORDER_SEQUENCE_NUMBER".into(), ..ok(64, 2, 5, &[]) };
    history.events.push(given_up);
    assert_eq!(kinds(&History::new(history.events)), [Kind::Fatal]);
}

#[test]
fn a_reading_that_does_not_end_proves_nothing() {
    let mut history = good();
    history.events.retain(|event| event.ends.is_empty());
    assert_eq!(kinds(&history), [Kind::Unread]);
}
