use super::{Door, End, Flow, LinkId, Net, Plug, Quality, Who};
use crate::clock::At;
use bytes::Bytes;
use ottla_core::types::Rng;
use std::time::Duration;

const DOOR: Door = Door { machine: Some(0), port: 9092 };

fn net(seed: u64) -> Net {
    Net::new(Quality { delay_us: 300, pieces_max: 6 }, Rng::new(seed))
}

fn between(net: &mut Net, from: usize, to: usize) -> LinkId {
    net.connect(At::START, Who::Machine(from), Door { machine: Some(to), port: 9092 }).0
}

#[test]
fn bytes_arrive_whole_and_in_order_however_they_are_cut() {
    for seed in 0..50 {
        let mut net = net(seed);
        let (link, accepted) = net.connect(At::START, Who::Client(0), DOOR);
        let mut arrived = Vec::new();
        let mut last = accepted;
        for step in 0..20u8 {
            let now = At::millis(u64::from(step));
            let bytes = Bytes::from(vec![step; usize::from(step) + 1]);
            for (at, piece) in net.send(now, Plug::accepter(link), bytes) {
                assert!(at >= last && at > now && !piece.is_empty());
                last = at;
                arrived.extend_from_slice(&piece);
            }
        }
        let sent: Vec<u8> = (0..20u8).flat_map(|step| vec![step; usize::from(step) + 1]).collect();
        assert_eq!(arrived, sent);
    }
}

#[test]
fn nothing_passes_a_broken_connection() {
    let mut net = net(1);
    let (link, _) = net.connect(At::START, Who::Client(4), DOOR);
    net.sever(link);
    assert!(net.is_broken(link) && net.live().is_empty());
    assert!(net.send(At::START, Plug::opener(link), Bytes::from_static(b"x")).is_empty());
    assert_eq!(net.at(Plug::opener(link)), Some(Who::Client(4)));
    assert_eq!(net.at(Plug::accepter(link)), Some(Who::Machine(0)));
}

#[test]
fn a_stall_holds_one_direction_back() {
    let mut net = net(2);
    let (link, _) = net.connect(At::START, Who::Client(0), DOOR);
    net.stall(0, Flow::In, At::secs(9));
    assert!(net.arrival(At::secs(1), Plug::accepter(link)) >= At::secs(9));
    assert!(net.arrival(At::secs(1), Plug::opener(link)) < At::secs(1) + Duration::from_secs(1));
    let elsewhere = between(&mut net, 2, 1);
    assert!(net.arrival(At::secs(1), Plug::accepter(elsewhere)) < At::secs(9), "machine 0 has no part in it");
}

#[test]
fn a_cut_holds_back_what_one_machine_sends_to_another_whoever_connected() {
    let mut net = net(3);
    let (there, back, client) =
        (between(&mut net, 0, 1), between(&mut net, 1, 0), net.connect(At::START, Who::Client(0), DOOR).0);
    net.cut(0, 1, At::secs(9));
    for held in [Plug::accepter(there), Plug::opener(back)] {
        assert!(net.arrival(At::secs(1), held) >= At::secs(9), "{held:?}");
    }
    for free in [Plug::opener(there), Plug::accepter(back), Plug::accepter(client), Plug::opener(client)] {
        assert!(net.arrival(At::secs(1), free) < At::secs(9), "{free:?}");
    }
}

#[test]
fn a_connection_of_machines_is_known_until_both_ends_know_that_it_is_over() {
    let mut net = net(4);
    let link = between(&mut net, 0, 1);
    net.ended(Plug::opener(link));
    assert_eq!(net.at(Plug::accepter(link)), Some(Who::Machine(1)), "it has to be told");
    net.ended(Plug { link, end: End::Accepter });
    assert_eq!(net.at(Plug::accepter(link)), None);
}
