use super::observe_test::{BROKER, CONTROLLER, talk};
use super::scene_test::Scene;
use crate::boundary::{Input, Lost, Purpose};
use crate::msg::create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse};
use crate::msg::delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};
use crate::msg::init_producer_id::InitProducerIdRequest;
use crate::msg::update_features::{FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse};
use crate::msg::{ApiKey, Request, Response};
use crate::types::{CallId, ConnId, ErrorCode, ListenerType, Str, Uuid};
use crate::wire::{Reader, Writer, decode_request, encode_request};
use core::time::Duration;
use std::vec;
use std::vec::Vec;

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
fn a_producer_is_to_ask_for_its_number_again_where_nobody_gives_one_out() {
    let (mut broker, _controller) = broker();
    let ticket =
        broker.ask(4, Request::InitProducerId(InitProducerIdRequest { transactional_id: None, ..Default::default() }));
    let answer = loop {
        all_lost(&mut broker);
        broker.pass(Duration::from_secs(1));
        if let Some(answer) = broker.answer(ticket) {
            break answer;
        }
    };
    let Some(Response::InitProducerId(told)) = answer else { panic!("another answer") };
    assert_eq!(told.error_code, ErrorCode::CoordinatorLoadInProgress.code());
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

/// Carries what is passed on to the controller as it is on the wire, and its answer back.
fn carry(broker: &mut Scene, controller: &mut Scene) {
    let call = passed_on(broker).expect("the controller is asked");
    let (_, _, body) = broker.calls.iter().find(|(known, ..)| *known == call).expect("it is there");
    let (api, mut w) = (body.api_key(), Writer::new());
    let version = api.facts().last;
    encode_request(body, version, &mut w).expect("the newest version says all of it");
    let body = decode_request(api, version, &mut Reader::new(&w.into_bytes(), 1 << 20)).expect("it is whole");
    let ticket = controller.ask_on(ListenerType::Controller, version, body);
    let told = controller.answer(ticket).flatten().expect("it is answered");
    end(broker, call, Ok(told));
}

#[test]
fn topics_are_deleted_by_the_controller_in_whatever_version_they_are_named() {
    for version in ApiKey::DeleteTopics.facts().first..=5 {
        let (mut broker, mut controller) = broker();
        controller.ask(7, creation());
        assert_eq!(controller.node.view().image().topics().count(), 1);
        let names = vec![Str::from_static("t"), Str::from_static("nobody")];
        let body = DeleteTopicsRequest { topic_names: names, timeout_ms: 1000, ..DeleteTopicsRequest::default() };
        let ticket = broker.ask(version, Request::DeleteTopics(body));
        carry(&mut broker, &mut controller);
        let Some(Some(Response::DeleteTopics(told))) = broker.answer(ticket) else { panic!("it is answered") };
        let told: Vec<(Option<&str>, i16)> =
            told.responses.iter().map(|one| (one.name.as_deref(), one.error_code)).collect();
        assert_eq!(told, [(Some("t"), 0), (Some("nobody"), ErrorCode::UnknownTopicOrPartition.code())], "{version}");
        assert_eq!(controller.node.view().image().topics().count(), 0, "{version}");
    }
}

#[test]
fn who_may_not_delete_is_told_so_as_its_version_can_say_it() {
    for (version, error) in [(2, ErrorCode::InvalidRequest), (3, ErrorCode::TopicDeletionDisabled)] {
        let (mut broker, _controller) = broker();
        let names = vec![Str::from_static("t")];
        let body = DeleteTopicsRequest { topic_names: names, timeout_ms: 1000, ..DeleteTopicsRequest::default() };
        let ticket = broker.ask(version, Request::DeleteTopics(body));
        let call = passed_on(&broker).expect("the controller is asked");
        let result = DeletableTopicResult {
            name: Some("t".into()),
            topic_id: Uuid::ZERO,
            error_code: ErrorCode::TopicDeletionDisabled.code(),
            error_message: None,
        };
        let told = DeleteTopicsResponse { responses: vec![result], ..DeleteTopicsResponse::default() };
        end(&mut broker, call, Ok(Response::DeleteTopics(told)));
        let Some(Some(Response::DeleteTopics(told))) = broker.answer(ticket) else { panic!("it is answered") };
        assert_eq!(told.responses[0].error_code, error.code(), "{version}");
    }
}

#[test]
fn a_permission_to_go_down_is_passed_on() {
    let update = |allow_downgrade| FeatureUpdateKey {
        feature: "kraft.version".into(),
        max_version_level: 1,
        allow_downgrade,
        ..FeatureUpdateKey::default()
    };
    let asked = |scene: &mut Scene, allow_downgrade| {
        let feature_updates = vec![update(allow_downgrade)];
        scene.ask(0, Request::UpdateFeatures(UpdateFeaturesRequest { feature_updates, ..Default::default() }))
    };
    let (mut broker, mut controller) = broker();
    let said = |told: Option<Option<Response>>| match told {
        Some(Some(Response::UpdateFeatures(UpdateFeaturesResponse { error_code, error_message, .. }))) => {
            (error_code, error_message)
        }
        other => panic!("{other:?}"),
    };
    let ticket = asked(&mut controller, true);
    let there = said(controller.answer(ticket));
    assert!(there.1.as_ref().is_some_and(|why| why.contains("Can't downgrade to a newer version")), "{there:?}");
    let ticket = asked(&mut broker, true);
    carry(&mut broker, &mut controller);
    assert_eq!(said(broker.answer(ticket)), there);
    let ticket = asked(&mut broker, false);
    carry(&mut broker, &mut controller);
    assert_eq!(said(broker.answer(ticket)).0, 0);
}
