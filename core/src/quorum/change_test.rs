use super::Change;
use crate::log::Log;
use crate::quorum::quorum_test::{member, with};
use crate::quorum::voters::voters_test::{key, node};
use crate::quorum::{FetchAsk, Quorum, QuorumOut, VoteTold, VoterNode, Voters};
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Mono, Now, Offset, Uuid, Wall};
use alloc::vec::Vec;

fn at(millis: u64) -> Now {
    Now { mono: Mono(millis * 1_000_000), wall: Wall(0) }
}

/// Everything that was asked of the disk is done.
fn settle(quorum: &mut Quorum) -> Vec<QuorumOut> {
    let mut out = Vec::new();
    quorum.stored(quorum.log().end(), &mut out);
    out
}

/// The only founder leads, and its reign has begun.
fn led() -> Quorum {
    let start = member(key(1), Voters::new([node(1)]), false);
    let mut quorum = with(at(0), |cx| Quorum::boot(start, None, Log::empty(Offset::ZERO), cx));
    let mut out = Vec::new();
    with(at(1), |cx| quorum.wake(cx, &mut out));
    let kept = (LeaderEpoch(1), Some(BrokerId(1)));
    with(at(2), |cx| quorum.voted(kept, cx, &mut out));
    assert!(quorum.is_leader(), "nobody else votes: {out:?}");
    settle(&mut quorum);
    assert!(quorum.is_caught_up());
    assert_eq!(quorum.log().end(), Offset(3), "its reign begins with who votes");
    quorum
}

/// A follower has everything.
fn follow(quorum: &mut Quorum, id: i32, now: Now) -> Vec<QuorumOut> {
    let ask = FetchAsk {
        term: quorum.term(),
        from: quorum.log().end(),
        last: quorum.term(),
        high_watermark: quorum.high_watermark(),
    };
    let mut out = Vec::new();
    quorum.heard_of(key(id), ask, now, &mut out);
    out
}

fn change(quorum: &mut Quorum, change: &Change) -> Result<Offset, ErrorCode> {
    with(at(20), |cx| quorum.change_voters(change, cx, &mut Vec::new()))
}

#[test]
fn a_voter_counts_from_its_record_on() {
    let mut quorum = led();
    let add = Change::Add(node(2));
    assert_eq!(change(&mut quorum, &add), Err(ErrorCode::RequestTimedOut), "it was never heard of");
    follow(&mut quorum, 2, at(10));
    let needed = change(&mut quorum, &add).expect("it has everything");
    assert_eq!(settle(&mut quorum), [], "it takes both now");
    assert_eq!(follow(&mut quorum, 2, at(30)), [QuorumOut::Committed { end: needed }]);
}

#[test]
fn one_change_at_a_time() {
    let mut quorum = led();
    follow(&mut quorum, 2, at(10));
    follow(&mut quorum, 3, at(10));
    change(&mut quorum, &Change::Add(node(2))).expect("nothing is under way");
    assert_eq!(change(&mut quorum, &Change::Add(node(3))), Err(ErrorCode::RequestTimedOut));
    settle(&mut quorum);
    follow(&mut quorum, 2, at(15));
    change(&mut quorum, &Change::Add(node(3))).expect("the other is committed");
}

#[test]
fn what_cannot_be_is_refused() {
    let mut quorum = led();
    follow(&mut quorum, 2, at(10));
    assert_eq!(change(&mut quorum, &Change::Add(node(1))), Err(ErrorCode::DuplicateVoter));
    assert_eq!(change(&mut quorum, &Change::Remove(key(2))), Err(ErrorCode::VoterNotFound));
    assert_eq!(change(&mut quorum, &Change::Update(node(2))), Err(ErrorCode::VoterNotFound));
    assert_eq!(change(&mut quorum, &Change::Remove(key(1))), Err(ErrorCode::InvalidRequest), "nobody would be left");
    let end = quorum.log().end();
    assert_eq!(change(&mut quorum, &Change::Update(node(1))), Ok(end), "nothing is to be done");
    assert_eq!(quorum.log().end(), end);
}

#[test]
fn voters_of_the_settings_become_voters_of_the_log_once_all_are_there() {
    let named = |id: i32| VoterNode { directory: Uuid::ZERO, ..node(id) };
    let start = member(key(1), Voters::new([1, 2, 3].map(named)), true);
    let log = Log::empty(Offset::ZERO);
    let mut quorum = with(at(0), |cx| Quorum::boot(start, Some((LeaderEpoch(4), Some(BrokerId(1)))), log, cx));
    let mut out = Vec::new();
    let write = |quorum: &mut Quorum, is_tried, millis| {
        with(at(millis), |cx| quorum.write_voters(is_tried, cx, &mut Vec::new()))
    };
    assert_eq!(write(&mut quorum, false, 1), Err(ErrorCode::NotLeaderOrFollower));
    lead(&mut quorum, &mut out);
    settle(&mut quorum);
    follow(&mut quorum, 2, at(5000));
    assert!(quorum.is_caught_up());
    assert_eq!(write(&mut quorum, false, 5001), Err(ErrorCode::RequestTimedOut), "nobody knows where 3 keeps its log");
    follow(&mut quorum, 3, at(5002));
    let end = quorum.log().end();
    assert_eq!(write(&mut quorum, true, 5003), Ok(end));
    assert!(!quorum.is_changing() && quorum.log().end() == end, "it was only tried");
    assert_eq!(write(&mut quorum, false, 5004), Ok(end.plus(2)));
    assert_eq!(*quorum.voters(), Voters::new([1, 2, 3].map(node)), "each with its directory");
    assert_eq!(write(&mut quorum, false, 5005), Ok(end.plus(2)), "nothing is left to do");
    settle(&mut quorum);
    assert_eq!(follow(&mut quorum, 2, at(5006)), [QuorumOut::Committed { end: end.plus(2) }]);
    let removed = with(at(5007), |cx| quorum.change_voters(&Change::Remove(key(3)), cx, &mut out));
    assert_eq!(removed, Ok(end.plus(3)), "voters come and go now");
}

/// Voter 2 votes for voter 1.
fn lead(quorum: &mut Quorum, out: &mut Vec<QuorumOut>) {
    let stands_at = quorum.deadline().expect("a voter stands one day");
    with(Now { mono: stands_at, wall: Wall(0) }, |cx| quorum.wake(cx, out));
    for is_pre in [true, false] {
        let asked = out.iter().find_map(|one| match one {
            QuorumOut::AskVote { to: BrokerId(2), ask } if ask.is_pre == is_pre => Some(*ask),
            _ => None,
        });
        let ask = asked.expect("voter 2 is asked");
        let told = VoteTold { term: ask.term, leader: None, is_granted: true };
        with(at(4000), |cx| quorum.vote_told((BrokerId(2), &ask), told, cx, out));
        with(at(4001), |cx| quorum.voted((LeaderEpoch(5), Some(BrokerId(1))), cx, out));
    }
    assert!(quorum.is_leader(), "{out:?}");
}

#[test]
fn a_leader_that_is_voted_out_resigns_when_that_is_committed() {
    let mut quorum = led();
    follow(&mut quorum, 2, at(10));
    change(&mut quorum, &Change::Add(node(2))).expect("it has everything");
    settle(&mut quorum);
    follow(&mut quorum, 2, at(30));
    let needed = change(&mut quorum, &Change::Remove(key(1))).expect("there is another");
    settle(&mut quorum);
    assert!(quorum.is_leader() && quorum.high_watermark() < needed, "its own disk does not count any more");
    follow(&mut quorum, 2, at(40));
    assert_eq!(quorum.high_watermark(), needed);
    let mut out = Vec::new();
    with(at(41), |cx| quorum.wake(cx, &mut out));
    let [QuorumOut::TellEnd { to: BrokerId(2), successors, .. }, QuorumOut::Deposed] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(successors[..], [BrokerId(2)]);
    assert_eq!(quorum.deadline(), None, "whoever has no vote does not stand");
}

#[test]
fn a_node_that_is_no_voter_yet_votes_for_one_that_knows_better() {
    let start = member(key(2), Voters::default(), false);
    let mut quorum = with(at(0), |cx| Quorum::boot(start, None, Log::empty(Offset::ZERO), cx));
    let ask = crate::quorum::VoteAsk {
        from: BrokerId(1),
        term: LeaderEpoch(3),
        last: LeaderEpoch(2),
        end: Offset(9),
        is_pre: false,
    };
    let mut out = Vec::new();
    with(at(1), |cx| quorum.vote_asked(&ask, cx, &mut out));
    let kept = (LeaderEpoch(3), Some(BrokerId(1)));
    assert_eq!(out.last(), Some(&QuorumOut::Vote { term: kept.0, voted: kept.1 }));
    assert_eq!(quorum.verdict(&ask), None, "it says nothing before that is kept");
    with(at(2), |cx| quorum.voted(kept, cx, &mut out));
    assert!(quorum.verdict(&ask).is_some_and(|told| told.is_granted));
}

#[test]
fn whoever_is_voted_out_leads_again_if_only_it_has_the_record_that_says_so() {
    let mut quorum = led();
    follow(&mut quorum, 2, at(10));
    change(&mut quorum, &Change::Add(node(2))).expect("it has everything");
    settle(&mut quorum);
    follow(&mut quorum, 2, at(30));
    change(&mut quorum, &Change::Remove(key(1))).expect("there is another");
    settle(&mut quorum);
    let mut out = Vec::new();
    with(at(40), |cx| quorum.give_up(cx, &mut out));
    let stands_at = quorum.deadline().expect("voter 2 cannot be elected: its log lacks the record");
    out.clear();
    with(Now { mono: stands_at, wall: Wall(0) }, |cx| quorum.wake(cx, &mut out));
    for is_pre in [true, false] {
        let [QuorumOut::AskVote { to: BrokerId(2), ask }] = out[..] else {
            panic!("its own vote does not count: {out:?}")
        };
        assert_eq!(ask.is_pre, is_pre);
        let told = VoteTold { term: ask.term, leader: None, is_granted: true };
        out.clear();
        with(at(5000), |cx| quorum.vote_told((BrokerId(2), &ask), told, cx, &mut out));
        if is_pre {
            out.clear();
            with(at(5001), |cx| quorum.voted((LeaderEpoch(2), Some(BrokerId(1))), cx, &mut out));
        }
    }
    assert!(quorum.is_leader() && !quorum.is_voter());
}
