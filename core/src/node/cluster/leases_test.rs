use super::*;

const ONE: BrokerId = BrokerId(1);

#[test]
fn a_connection_is_given_up_for_good_by_whoever_comes_over_a_later_one() {
    let mut leases = Leases::default();
    assert!(!leases.is_given_up(ONE, ConnId(5)), "nobody was heard of");
    leases.heard(ONE, BrokerEpoch(3), ConnId(7), Mono(10));
    assert!(leases.is_given_up(ONE, ConnId(5)) && !leases.is_given_up(ONE, ConnId(7)));
    assert!(!leases.is_given_up(BrokerId(2), ConnId(5)), "that is another's");
    assert_eq!(leases.end(|lease| lease.conn == Some(ConnId(7))), [(ONE, BrokerEpoch(3))]);
    assert!(leases.is_given_up(ONE, ConnId(5)), "although nothing is held");
    leases.abandon();
    leases.begin(&Image::default(), BrokerId(2), Mono(20), None);
    assert!(leases.is_given_up(ONE, ConnId(5)), "nor in another reign");
}

#[test]
fn connections_from_before_an_election_are_told_from_those_behind_it() {
    let mut leases = Leases::default();
    leases.asked_over(ConnId(8));
    leases.asked_over(ConnId(4));
    assert!(!leases.is_from_before(ConnId(4)), "there was no election");
    leases.elected();
    leases.asked_over(ConnId(9));
    assert!(leases.is_from_before(ConnId(4)) && leases.is_from_before(ConnId(8)));
    assert!(!leases.is_from_before(ConnId(9)));
}
