use super::observe_test::{BROKER, CONTROLLER, talk};
use super::scene_test::Scene;
use crate::boundary::{Input, Lost, Purpose};
use crate::msg::create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse};
use crate::msg::{Request, Response};
use crate::types::{CallId, ConnId, Str};
use core::time::Duration;
use std::vec;

/// A broker that knows its controller, and nothing under way.
fn broker() -> (Scene, Scene) {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    (broker, controller)
}

fn creation() -> Request {
    let topic = CreatableTopic {
        name: Str::from_static("t"),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    Request::CreateTopics(CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() })
}

/// What is passed on to the controller at the moment.
fn passed_on(broker: &Scene) -> Option<CallId> {
    let mut forwarded = broker.calls.iter().filter(|(_, line, _)| line.purpose == Purpose::Forward);
    let call = forwarded.next().map(|(call, ..)| *call);
    assert!(forwarded.next().is_none(), "once");
    call
}

fn end(broker: &mut Scene, call: CallId, body: Result<Response, Lost>) {
    broker.calls.retain(|(known, ..)| *known != call);
    broker.step(Input::Response { call, body });
}

/// Nobody answers what this broker asks for itself.
fn all_lost(broker: &mut Scene) {
    for (call, line, body) in core::mem::take(&mut broker.calls) {
        match line.purpose {
            Purpose::Forward => broker.calls.push((call, line, body)),
            _ => broker.step(Input::Response { call, body: Err(Lost::NotSent) }),
        }
    }
}

#[test]
fn what_did_not_reach_the_controller_is_asked_again_until_it_does() {
    let (mut broker, _controller) = broker();
    let ticket = broker.ask(7, creation());
    for _ in 0..5 {
        let call = passed_on(&broker).expect("the controller is asked");
        end(&mut broker, call, Err(Lost::NotSent));
        assert_eq!(passed_on(&broker), None, "a moment later");
        broker.pass(Duration::from_millis(50));
    }
    let call = passed_on(&broker).expect("and again");
    end(&mut broker, call, Ok(Response::CreateTopics(CreateTopicsResponse::default())));
    assert!(broker.answer(ticket).is_some() && broker.hangups.is_empty());
}

#[test]
fn what_the_controller_may_have_done_is_not_asked_twice() {
    let (mut broker, _controller) = broker();
    broker.ask(7, creation());
    let call = passed_on(&broker).expect("the controller is asked");
    end(&mut broker, call, Err(Lost::Unknown));
    broker.pass(Duration::from_secs(1));
    assert_eq!((passed_on(&broker), &*broker.hangups), (None, &[ConnId(1)][..]));
}

#[test]
fn who_asks_while_there_is_no_controller_is_answered_once_there_is() {
    let (mut broker, mut controller) = broker();
    for _ in 0..100 {
        broker.pass(Duration::from_millis(100));
        all_lost(&mut broker);
    }
    assert_eq!(broker.node.cluster.lease(), None, "whoever led has not been heard of for ten seconds");
    let ticket = broker.ask(7, creation());
    broker.pass(Duration::from_secs(5));
    assert_eq!((passed_on(&broker), broker.hangups.len()), (None, 0));
    all_lost(&mut broker);
    talk(&mut broker, &mut controller);
    broker.pass(Duration::from_millis(50));
    talk(&mut broker, &mut controller);
    assert!(broker.answer(ticket).is_some() && broker.hangups.is_empty());
    assert_eq!(broker.node.view().image().topics().count(), 1);
}

#[test]
fn patience_ends_after_a_minute_and_with_the_connection() {
    for is_closed in [false, true] {
        let (mut broker, _controller) = broker();
        broker.ask(7, creation());
        let call = passed_on(&broker).expect("the controller is asked");
        end(&mut broker, call, Err(Lost::NotSent));
        if is_closed {
            broker.step(Input::Closed { conn: ConnId(1) });
            broker.pass(Duration::from_secs(1));
            assert_eq!((passed_on(&broker), broker.hangups.len()), (None, 0));
            continue;
        }
        let mut tries = 0;
        while broker.hangups.is_empty() {
            broker.pass(Duration::from_millis(50));
            if let Some(call) = passed_on(&broker) {
                end(&mut broker, call, Err(Lost::NotSent));
            }
            tries += 1;
            assert!(tries <= 1200, "a minute is over");
        }
        assert_eq!((tries, passed_on(&broker)), (1200, None));
    }
}
