use super::{Calls, CallsOut};
use crate::net::LinkId;
use bytes::Bytes;
use ottla_core::boundary::{Line, Lost, Purpose};
use ottla_core::msg::Request;
use ottla_core::msg::list_groups::ListGroupsRequest;
use ottla_core::types::{BrokerId, CallId, Mono, Str};
use std::sync::Arc;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(2);
const LINK: LinkId = LinkId(7);

fn line(purpose: Purpose) -> Arc<Line> {
    Arc::new(Line { to: BrokerId(1), host: Str::from_static("10.0.0.1"), port: 9092, purpose })
}

fn ask(calls: &mut Calls, id: u64, purpose: Purpose) -> Vec<CallsOut> {
    let mut out = Vec::new();
    let body = Request::ListGroups(ListGroupsRequest::default());
    calls.call(Mono(0), CallId(id), line(purpose), (body, WAIT), &mut out);
    out
}

/// One call, on its way over a connection that stands.
fn open() -> Calls {
    let mut calls = Calls::new(Str::from_static("node-2"));
    let out = ask(&mut calls, 1, Purpose::Lease);
    let [CallsOut::Connect(0, (host, 9092))] = &out[..] else { panic!("{out:?}") };
    assert_eq!(*host, "10.0.0.1");
    assert!(calls.reached_out(0, LINK));
    let mut out = Vec::new();
    calls.connected(LINK, &mut out);
    let [CallsOut::Send(LINK, _)] = &out[..] else { panic!("{out:?}") };
    calls
}

#[test]
fn each_line_has_a_connection_of_its_own() {
    let mut calls = open();
    assert!(ask(&mut calls, 2, Purpose::Lease).is_empty(), "the line is there already");
    let out = ask(&mut calls, 3, Purpose::Metadata);
    let [CallsOut::Connect(1, _)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(calls.open(), 3);
}

#[test]
fn a_call_that_is_refused_ends_once() {
    let mut calls = Calls::new(Str::from_static("node-2"));
    ask(&mut calls, 1, Purpose::Lease);
    assert!(calls.reached_out(0, LINK));
    let mut out = Vec::new();
    calls.dropped(LINK, &mut out);
    calls.dropped(LINK, &mut out);
    let [CallsOut::Ended(CallId(1), Err(Lost::NotSent))] = &out[..] else { panic!("{out:?}") };
    let out = ask(&mut calls, 2, Purpose::Lease);
    let [CallsOut::Connect(1, _)] = &out[..] else { panic!("a lost line is opened again: {out:?}") };
}

#[test]
fn after_its_time_a_call_ends_and_what_comes_late_reaches_nobody() {
    let mut calls = open();
    let at = calls.deadline().expect("somebody waits");
    let mut out = Vec::new();
    calls.woken(at, &mut out);
    let [CallsOut::Close(LINK), CallsOut::Ended(CallId(1), Err(Lost::NotSent))] = &out[..] else { panic!("{out:?}") };
    let mut late = Vec::new();
    calls.received(LINK, Bytes::from_static(b"late"), &mut late);
    calls.dropped(LINK, &mut late);
    assert!(late.is_empty() && calls.open() == 0 && calls.deadline().is_none(), "{late:?}");
}

#[test]
fn an_attempt_that_was_given_up_wants_no_link() {
    let mut calls = Calls::new(Str::from_static("node-2"));
    ask(&mut calls, 1, Purpose::Lease);
    let mut out = Vec::new();
    calls.woken(Mono(0) + WAIT, &mut out);
    let [CallsOut::Ended(CallId(1), Err(Lost::NotSent))] = &out[..] else { panic!("{out:?}") };
    assert!(!calls.reached_out(0, LINK));
}

#[test]
fn a_name_that_is_used_twice_is_found_out() {
    let mut calls = open();
    let out = ask(&mut calls, 1, Purpose::Lease);
    let [CallsOut::Finding(_)] = &out[..] else { panic!("{out:?}") };
}
