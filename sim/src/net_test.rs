use super::{End, Net, Quality};
use crate::clock::At;
use bytes::Bytes;
use ottla_core::types::Rng;
use std::time::Duration;

fn net(seed: u64) -> Net {
    Net::new(Quality { delay_us: 300, pieces_max: 6 }, Rng::new(seed))
}

#[test]
fn bytes_arrive_whole_and_in_order_however_they_are_cut() {
    for seed in 0..50 {
        let mut net = net(seed);
        let (link, accepted) = net.connect(At::START, 0);
        let mut arrived = Vec::new();
        let mut last = accepted;
        for step in 0..20u8 {
            let now = At::millis(u64::from(step));
            for (at, piece) in net.send(now, link, End::Broker, Bytes::from(vec![step; usize::from(step) + 1])) {
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
    let (link, _) = net.connect(At::START, 4);
    net.sever(link);
    assert!(net.is_broken(link) && net.live().is_empty());
    assert!(net.send(At::START, link, End::Client, Bytes::from_static(b"x")).is_empty());
    assert_eq!(net.client_of(link), Some(4));
}

#[test]
fn a_stall_holds_one_direction_back() {
    let mut net = net(2);
    let (link, _) = net.connect(At::START, 0);
    net.stall(End::Broker, At::secs(9));
    assert!(net.arrival(At::secs(1), link, End::Broker) >= At::secs(9));
    assert!(net.arrival(At::secs(1), link, End::Client) < At::secs(1) + Duration::from_secs(1));
}
