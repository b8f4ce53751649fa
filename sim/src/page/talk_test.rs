use super::{Ends, Kind, Talk};
use crate::clock::At;
use crate::net::{Door, LinkId, Plug, Who};
use crate::settings::{CONTROLLER_PORT, PORT};
use bytes::Bytes;
use ottla_core::conn::client::Client;
use ottla_core::msg::fetch::FetchRequest;
use ottla_core::msg::vote::{VoteRequest, VoteResponse};
use ottla_core::msg::{Request, Response};
use ottla_core::types::Str;
use ottla_core::wire::{Writer, write_response_frame};

const LINK: LinkId = LinkId(7);
const NODES: (Who, Who) = (Who::Machine(1), Who::Machine(0));

fn ends(port: u16) -> Ends {
    Ends { opener: NODES.0, door: Door { machine: Some(0), port }, accepter: NODES.1 }
}

fn asked(client: &mut Client, body: impl Into<Request>) -> Vec<u8> {
    let (_, chunks) = client.request(&body.into(), 1).expect("it can be written");
    chunks.concat()
}

fn client() -> Client {
    Client::new(Str::from_static("somebody"), 1 << 20)
}

#[test]
fn requests_and_answers_are_told_apart_and_named_however_they_are_cut() {
    let mut talk = Talk::default();
    let bytes = Bytes::from(asked(&mut client(), VoteRequest::default()));
    let (from, at) = (ends(CONTROLLER_PORT), At::secs(1));
    for byte in 0..bytes.len() {
        talk.sent(from, Plug::accepter(LINK), &bytes.slice(byte..=byte), (at, Some(at)));
    }
    let mut writer = Writer::new();
    write_response_frame(&mut writer, 1, 0, &Response::Vote(VoteResponse::default())).expect("it can be written");
    talk.sent(from, Plug::opener(LINK), &writer.into_bytes(), (at, Some(at)));
    let told: Vec<_> = talk.said.iter().map(|said| (said.from, said.to, said.kind, said.is_answer)).collect();
    assert_eq!(told, [(NODES.0, NODES.1, Kind::Vote, false), (NODES.1, NODES.0, Kind::Vote, true)]);
    assert!(talk.said[0].text().contains("VoteRequest"), "{}", talk.said[0].text());
    assert!(talk.said[1].text().contains("VoteResponse"), "{}", talk.said[1].text());
}

#[test]
fn fetches_of_metadata_are_others_than_fetches_of_replicas() {
    let mut talk = Talk::default();
    let mut client = client();
    for (link, port) in [(1, CONTROLLER_PORT), (2, PORT)] {
        let (_, chunks) = client.request(&FetchRequest::default().into(), 13).expect("it can be written");
        let bytes = Bytes::from(chunks.concat());
        talk.sent(ends(port), Plug::accepter(LinkId(link)), &bytes, (At::START, None));
    }
    assert_eq!(talk.said.iter().map(|said| said.kind).collect::<Vec<_>>(), [Kind::Metadata, Kind::Replica]);
}

#[test]
fn what_was_on_its_way_when_a_connection_broke_never_arrives() {
    let mut talk = Talk::default();
    let mut client = client();
    for arrives in [2, 4] {
        let bytes = Bytes::from(asked(&mut client, VoteRequest::default()));
        let times = (At::secs(1), Some(At::secs(arrives)));
        talk.sent(ends(CONTROLLER_PORT), Plug::accepter(LINK), &bytes, times);
    }
    talk.severed(At::secs(3), LINK);
    assert_eq!(talk.said.iter().map(|said| said.arrives).collect::<Vec<_>>(), [Some(At::secs(2)), None]);
}

#[test]
fn bytes_that_are_no_request_are_passed_over() {
    let mut talk = Talk::default();
    let bytes = Bytes::from_static(&[0, 0, 0, 2, 0x7f, 0xff]);
    talk.sent(ends(PORT), Plug::accepter(LINK), &bytes, (At::START, None));
    talk.sent(ends(PORT), Plug::opener(LINK), &bytes, (At::START, None));
    assert!(talk.said.is_empty());
}
