use super::{Outbound, OutboundOut};
use crate::boundary::Lost;
use crate::msg::api_versions::{ApiVersion, ApiVersionsResponse};
use crate::msg::list_groups::{ListGroupsRequest, ListGroupsResponse};
use crate::msg::{ApiKey, Request, Response};
use crate::types::{CallId, Mono};
use crate::wire::{Reader, Writer, read_request_head, write_response_frame};
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

const WAIT: Duration = Duration::from_secs(2);

fn question() -> Request {
    Request::ListGroups(ListGroupsRequest::default())
}

fn outbound() -> Outbound {
    Outbound::new("node-1".into(), 1 << 20)
}

/// What was written, as the heads of the requests: which API, in which version, under which number.
fn heads(out: &mut Vec<OutboundOut>) -> Vec<(ApiKey, i16, i32)> {
    let written: Vec<u8> = out
        .extract_if(.., |one| matches!(one, OutboundOut::Write(_)))
        .flat_map(|one| match one {
            OutboundOut::Write(chunks) => chunks.into_iter().flatten().collect::<Vec<u8>>(),
            other => panic!("{other:?}"),
        })
        .collect();
    let (mut at, mut heads) = (0, Vec::new());
    while at < written.len() {
        let length = u32::from_be_bytes(written[at..at + 4].try_into().expect("four bytes")) as usize;
        let frame = Bytes::copy_from_slice(&written[at + 4..at + 4 + length]);
        let head = read_request_head(&mut Reader::new(&frame, 1 << 20)).expect("a good head");
        heads.push((head.api, head.version, head.correlation_id));
        at += 4 + length;
    }
    heads
}

fn answer(correlation: i32, version: i16, body: &Response) -> Bytes {
    let mut writer = Writer::new();
    write_response_frame(&mut writer, version, correlation, body).expect("a good answer");
    writer.take().into_iter().flatten().collect::<Vec<u8>>().into()
}

fn greeting(last: i16) -> Bytes {
    let versions = ApiVersion { api_key: ApiKey::ListGroups.code(), min_version: 0, max_version: last };
    let body = ApiVersionsResponse { api_keys: alloc::vec![versions], ..Default::default() };
    answer(0, 0, &Response::ApiVersions(body))
}

/// Open, with one call sent.
fn open(out: &mut Vec<OutboundOut>) -> Outbound {
    let mut outbound = outbound();
    outbound.call(Mono(0), CallId(1), question(), WAIT, out);
    outbound.connected(out);
    outbound.received(greeting(3), out);
    assert_eq!(heads(out), [(ApiKey::ApiVersions, 0, 0), (ApiKey::ListGroups, 3, 1)]);
    out.clear();
    outbound
}

#[test]
fn it_connects_when_it_is_asked_and_speaks_what_both_speak() {
    let mut out = Vec::new();
    let mut outbound = open(&mut out);
    outbound.call(Mono(0), CallId(2), question(), WAIT, &mut out);
    assert_eq!(heads(&mut out), [(ApiKey::ListGroups, 3, 2)]);
    let body = Response::ListGroups(ListGroupsResponse::default());
    outbound.received(answer(1, 3, &body), &mut out);
    outbound.received(answer(2, 3, &body), &mut out);
    let [OutboundOut::Ended(CallId(1), Ok(_)), OutboundOut::Ended(CallId(2), Ok(_))] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(outbound.deadline(), None);
}

#[test]
fn what_was_sent_may_have_taken_effect_and_what_was_not_has_not() {
    let mut out = Vec::new();
    let mut outbound = open(&mut out);
    outbound.dropped(&mut out);
    let [OutboundOut::Ended(CallId(1), Err(Lost::Unknown))] = &out[..] else { panic!("{out:?}") };
    out.clear();
    outbound.call(Mono(5), CallId(2), question(), WAIT, &mut out);
    outbound.dropped(&mut out);
    let [OutboundOut::Connect, OutboundOut::Ended(CallId(2), Err(Lost::NotSent))] = &out[..] else { panic!("{out:?}") };
    assert!(outbound.is_idle());
}

#[test]
fn an_answer_that_does_not_come_gives_the_connection_up() {
    let mut out = Vec::new();
    let mut outbound = open(&mut out);
    let at = outbound.deadline().expect("somebody waits");
    assert_eq!(at, Mono(0) + WAIT);
    outbound.wake(Mono(at.0 - 1), &mut out);
    assert!(out.is_empty(), "{out:?}");
    outbound.wake(at, &mut out);
    let [OutboundOut::Close, OutboundOut::Ended(CallId(1), Err(Lost::Unknown))] = &out[..] else { panic!("{out:?}") };
}

#[test]
fn a_version_that_nobody_shares_is_not_sent() {
    let mut out = Vec::new();
    let mut outbound = outbound();
    outbound.call(Mono(0), CallId(1), question(), WAIT, &mut out);
    outbound.connected(&mut out);
    outbound.received(greeting(-1), &mut out);
    assert_eq!(heads(&mut out), [(ApiKey::ApiVersions, 0, 0)]);
    let [OutboundOut::Connect, OutboundOut::Ended(CallId(1), Err(Lost::NotSent))] = &out[..] else { panic!("{out:?}") };
}

#[test]
fn nonsense_gives_the_connection_up() {
    let mut out = Vec::new();
    let mut outbound = open(&mut out);
    outbound.received(Bytes::from_static(&[0xff; 16]), &mut out);
    let [OutboundOut::Close, OutboundOut::Ended(CallId(1), Err(Lost::Unknown))] = &out[..] else { panic!("{out:?}") };
}
