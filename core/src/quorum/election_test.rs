use super::{VoteAsk, VoteTold};
use crate::log::Log;
use crate::quorum::quorum_test::{boot, with};
use crate::quorum::{FetchAsk, Quorum, QuorumOut, Voter};
use crate::record::Functions;
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Mono, Now, Offset, Uuid, Wall};
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

const ME: Voter = Voter { id: BrokerId(2), directory: Uuid([2; 16]) };
const FIRST: BrokerId = BrokerId(1);
const THIRD: BrokerId = BrokerId(3);

fn node(id: BrokerId) -> Voter {
    Voter { id, directory: Uuid::ZERO }
}

fn at(millis: u64) -> Now {
    Now { mono: Mono(millis * 1_000_000), wall: Wall(0) }
}

/// Voter 2 of three, with an empty log.
fn voter() -> Quorum {
    boot(ME, &[1, 2, 3], Some((LeaderEpoch(4), None)), Log::empty(Offset::ZERO))
}

fn ask(from: BrokerId, term: i32, is_pre: bool) -> VoteAsk {
    VoteAsk { from, term: LeaderEpoch(term), last: LeaderEpoch(4), end: Offset(9), is_pre }
}

/// Asked by a voter, with the answer as far as there is one.
fn asked(quorum: &mut Quorum, ask: &VoteAsk) -> (Option<bool>, Vec<QuorumOut>) {
    let mut out = Vec::new();
    with(at(100), |cx| quorum.vote_asked(ask, cx, &mut out));
    (quorum.verdict(ask).map(|told| told.is_granted), out)
}

/// The last vote that was to be kept is durable.
fn keep(quorum: &mut Quorum, out: &[QuorumOut]) -> Vec<QuorumOut> {
    let kept = out.iter().rev().find_map(|one| match one {
        QuorumOut::Vote { term, voted } => Some((*term, *voted)),
        _ => None,
    });
    let mut said = Vec::new();
    with(at(101), |cx| quorum.voted(kept.expect("something is to be kept"), cx, &mut said));
    said
}

/// Stands and is elected with the vote of voter 3.
fn elected() -> (Quorum, Vec<QuorumOut>) {
    let mut quorum = voter();
    let mut out = Vec::new();
    with(at(1000), |cx| quorum.wake(cx, &mut out));
    let told = |term, is_granted| VoteTold { term: LeaderEpoch(term), leader: None, is_granted };
    let pre = VoteAsk { from: ME.id, term: LeaderEpoch(4), last: LeaderEpoch::NONE, end: Offset::ZERO, is_pre: true };
    assert_eq!(out, [FIRST, THIRD].map(|to| QuorumOut::AskVote { to, ask: pre }));
    let mut out = Vec::new();
    with(at(1001), |cx| quorum.vote_told((THIRD, &pre), told(4, true), cx, &mut out));
    assert_eq!(
        out,
        [QuorumOut::Vote { term: LeaderEpoch(5), voted: Some(ME.id) }],
        "nothing is said before it is kept"
    );
    let said = keep(&mut quorum, &out);
    let real = VoteAsk { term: LeaderEpoch(5), is_pre: false, ..pre };
    assert_eq!(said, [FIRST, THIRD].map(|to| QuorumOut::AskVote { to, ask: real }));
    let mut out = Vec::new();
    with(at(1002), |cx| quorum.vote_told((FIRST, &real), told(5, false), cx, &mut out));
    assert_eq!(out, [], "one of three is against it");
    with(at(1003), |cx| quorum.vote_told((THIRD, &real), told(5, true), cx, &mut out));
    (quorum, out)
}

#[test]
fn a_majority_elects_and_a_new_leader_makes_itself_known() {
    let (quorum, out) = elected();
    assert_eq!((quorum.leader(), quorum.term()), (Some(ME.id), LeaderEpoch(5)));
    let told: Vec<_> = out.iter().filter(|one| matches!(one, QuorumOut::TellVoter { .. })).collect();
    assert!(matches!(out[0], QuorumOut::Lead { .. }) && told.len() == 2, "{out:?}");
}

#[test]
fn one_vote_a_term_and_only_once_it_is_kept() {
    let mut quorum = voter();
    let (granted, out) = asked(&mut quorum, &ask(FIRST, 5, false));
    assert_eq!(granted, None, "not before the vote is durable");
    keep(&mut quorum, &out);
    assert_eq!(quorum.verdict(&ask(FIRST, 5, false)).map(|told| told.is_granted), Some(true));
    assert_eq!(asked(&mut quorum, &ask(THIRD, 5, false)), (Some(false), vec![]));
    assert_eq!(asked(&mut quorum, &ask(THIRD, 4, false)), (Some(false), vec![]), "of a term that is over");
}

#[test]
fn a_term_is_told_once_it_is_kept() {
    let mut quorum = voter();
    let mut out = Vec::new();
    with(at(50), |cx| quorum.begun((THIRD, LeaderEpoch(6)), cx, &mut out)).expect("it may lead");
    assert_eq!((quorum.term(), quorum.leader()), (LeaderEpoch(6), Some(THIRD)));
    assert_eq!(quorum.told(), (LeaderEpoch(4), None), "a crash would make it forget");
    keep(&mut quorum, &out);
    assert_eq!(quorum.told(), (LeaderEpoch(6), Some(THIRD)));
}

#[test]
fn the_only_voter_goes_back_to_what_its_disk_has() {
    let mut quorum = boot(ME, &[ME.id.0], Some((LeaderEpoch(4), Some(ME.id))), Log::empty(Offset::ZERO));
    with(at(1000), |cx| quorum.wake(cx, &mut Vec::new()));
    assert_eq!((quorum.term(), quorum.told()), (LeaderEpoch(5), (LeaderEpoch(4), None)));
    with(at(1001), |cx| quorum.reload(Log::empty(Offset::ZERO), cx, &mut Vec::new()));
    assert_eq!((quorum.term(), quorum.is_leader()), (LeaderEpoch(4), false), "its vote did not become durable");
    assert!(quorum.is_sole() && quorum.asleep_until().is_none(), "nobody else is to be asked");
}

#[test]
fn whoever_only_asks_gets_a_word_and_no_vote() {
    let mut quorum = voter();
    assert_eq!(asked(&mut quorum, &ask(FIRST, 4, true)), (Some(true), vec![]));
    assert_eq!(asked(&mut quorum, &ask(THIRD, 4, true)), (Some(true), vec![]));
    assert_eq!(quorum.term(), LeaderEpoch(4));
}

#[test]
fn who_can_reach_its_leader_helps_nobody_to_depose_it() {
    let mut quorum = voter();
    let mut out = Vec::new();
    with(at(50), |cx| quorum.begun((THIRD, LeaderEpoch(4)), cx, &mut out)).expect("it may lead");
    assert_eq!(out, [QuorumOut::Follow { leader: THIRD, term: LeaderEpoch(4) }]);
    assert_eq!(asked(&mut quorum, &ask(FIRST, 4, true)).0, Some(false));
    let fetch = quorum.ask().expect("it asks its leader");
    with(at(60), |cx| quorum.unanswered(fetch, cx, &mut out));
    assert_eq!(asked(&mut quorum, &ask(FIRST, 4, true)).0, Some(true), "it cannot reach it either");
}

#[test]
fn nobody_votes_for_less_than_it_has() {
    let (mut quorum, _) = elected();
    quorum.stored(Offset(1), &mut Vec::new());
    let less = VoteAsk { last: LeaderEpoch(4), end: Offset(900), ..ask(FIRST, 6, false) };
    let (granted, out) = asked(&mut quorum, &less);
    assert_eq!(granted, None);
    assert!(out.contains(&QuorumOut::Deposed), "there is a higher term: {out:?}");
    keep(&mut quorum, &out);
    assert_eq!(quorum.verdict(&less).map(|told| told.is_granted), Some(false), "its last record is of an older term");
}

#[test]
fn a_leader_commits_what_a_majority_has() {
    let (mut quorum, _) = elected();
    let fetch = |from| FetchAsk {
        term: LeaderEpoch(5),
        from: Offset(from),
        last: if from > 0 { LeaderEpoch(5) } else { LeaderEpoch::NONE },
        high_watermark: Offset::ZERO,
    };
    let mut out = Vec::new();
    quorum.stored(Offset(1), &mut out);
    assert_eq!(out, [], "nobody else has it");
    quorum.heard_of(node(BrokerId(7)), fetch(1), at(1010), &mut out);
    assert_eq!(out, [], "whoever has no vote does not count");
    quorum.heard_of(node(FIRST), fetch(0), at(1010), &mut out);
    assert_eq!(out, []);
    quorum.heard_of(node(FIRST), fetch(1), at(1011), &mut out);
    assert_eq!(out, [QuorumOut::Committed { end: Offset(1) }]);
    assert!(quorum.is_caught_up());
}

#[test]
fn a_leader_that_nobody_follows_leads_no_more() {
    let (mut quorum, _) = elected();
    let mut out = Vec::new();
    with(at(3900), |cx| quorum.wake(cx, &mut out));
    assert!(quorum.is_leader());
    with(at(4100), |cx| quorum.wake(cx, &mut out));
    assert!(!quorum.is_leader() && out.contains(&QuorumOut::Deposed), "{out:?}");
}

#[test]
fn a_leader_whose_disk_hangs_leads_no_more_and_one_that_is_only_slow_leads_on() {
    for is_hanging in [true, false] {
        let (mut quorum, _) = elected();
        quorum.stored(Offset(1), &mut Vec::new());
        let mut end = quorum.log().end();
        for millis in (1100..8000).step_by(100) {
            let fetch = FetchAsk { term: LeaderEpoch(5), from: end, last: LeaderEpoch(5), high_watermark: end };
            quorum.heard_of(node(THIRD), fetch, at(millis), &mut Vec::new());
            if millis % 2000 == 0 && quorum.is_leader() {
                // There is always something that is not durable yet.
                let before = quorum.log().end();
                let batch = quorum.append(&[Bytes::from_static(b"x")], at(millis), &Functions::slow()).expect("leads");
                if !is_hanging {
                    quorum.stored(before, &mut Vec::new());
                    end = before;
                }
                assert_eq!(batch.end_offset(), quorum.log().end());
            }
            let mut out = Vec::new();
            with(at(millis), |cx| quorum.wake(cx, &mut out));
            assert!(quorum.is_leader() || is_hanging && millis > 4000, "{is_hanging} {millis}");
        }
        assert_eq!(quorum.is_leader(), !is_hanging);
    }
}

#[test]
fn a_leader_that_resigns_names_who_is_next_and_that_one_stands_at_once() {
    let (mut quorum, _) = elected();
    quorum.stored(Offset(1), &mut Vec::new());
    let fetch = FetchAsk { term: LeaderEpoch(5), from: Offset(1), last: LeaderEpoch(5), high_watermark: Offset::ZERO };
    quorum.heard_of(node(THIRD), fetch, at(1010), &mut Vec::new());
    let mut out = Vec::new();
    with(at(1020), |cx| quorum.resign(cx, &mut out));
    let successors = vec![THIRD, FIRST];
    assert!(out.contains(&QuorumOut::TellEnd { to: THIRD, term: LeaderEpoch(5), successors: successors.clone() }));
    let (mut best, mut other) = (voter(), voter());
    best.me.id = THIRD;
    other.me.id = FIRST;
    for heir in [&mut best, &mut other] {
        with(at(1030), |cx| heir.ended((ME.id, LeaderEpoch(5)), &successors, cx, &mut Vec::new())).expect("it led");
    }
    assert_eq!(best.deadline(), Some(at(1030).mono));
    assert_eq!(other.deadline(), Some(at(1130).mono));
    let refused = with(at(1040), |cx| best.ended((ME.id, LeaderEpoch(4)), &successors, cx, &mut Vec::new()));
    assert_eq!(refused, Err(ErrorCode::FencedLeaderEpoch));
}

#[test]
fn who_speaks_unasked_of_a_term_to_come_is_not_believed_and_who_is_asked_is() {
    let mut quorum = voter();
    for term in [4 + 17, i32::MAX] {
        for is_pre in [true, false] {
            let (_, out) = asked(&mut quorum, &ask(FIRST, term, is_pre));
            assert_eq!((quorum.term(), out), (LeaderEpoch(4), vec![]), "{term}");
        }
        let mut out = Vec::new();
        let begun = with(at(110), |cx| quorum.begun((FIRST, LeaderEpoch(term)), cx, &mut out));
        let ended = with(at(110), |cx| quorum.ended((FIRST, LeaderEpoch(term)), &[], cx, &mut out));
        assert_eq!((begun, ended), (Err(ErrorCode::InvalidRequest), Err(ErrorCode::InvalidRequest)));
        assert_eq!(quorum.term(), LeaderEpoch(4));
    }
    let (_, out) = asked(&mut quorum, &ask(FIRST, 4 + 16, false));
    assert!(!out.is_empty(), "so many may have been missed");
    let (mut out, pre) = (Vec::new(), ask(ME.id, 20, true));
    let told = |term| VoteTold { term: LeaderEpoch(term), leader: None, is_granted: false };
    with(at(120), |cx| quorum.vote_told((THIRD, &pre), told(1 << 29), cx, &mut out));
    assert_eq!(quorum.term(), LeaderEpoch(1 << 29), "or it would be apart from the others for ever");
    with(at(130), |cx| quorum.vote_told((THIRD, &pre), told(i32::MAX), cx, &mut out));
    assert_eq!(quorum.term(), LeaderEpoch(1 << 29), "no quorum comes to that one");
}

#[test]
fn a_leader_that_the_settings_do_not_name_is_followed_if_one_that_they_name_says_so() {
    let mut quorum = voter();
    let (mut out, leader) = (Vec::new(), BrokerId(4));
    let begun = with(at(110), |cx| quorum.begun((leader, LeaderEpoch(5)), cx, &mut out));
    assert_eq!((begun, quorum.term()), (Err(ErrorCode::InconsistentVoterSet), LeaderEpoch(4)));
    let told = VoteTold { term: LeaderEpoch(5), leader: Some(leader), is_granted: false };
    with(at(120), |cx| quorum.vote_told((THIRD, &ask(ME.id, 4, true)), told, cx, &mut out));
    assert_eq!(quorum.leader(), Some(leader));
}

#[test]
fn a_candidate_whose_disk_is_full_stands_no_more() {
    let mut quorum = voter();
    let mut out = Vec::new();
    with(at(1000), |cx| quorum.wake(cx, &mut out));
    let Some(QuorumOut::AskVote { ask: pre, .. }) = out.first().cloned() else { panic!("{out:?}") };
    with(at(1001), |cx| quorum.give_up(cx, &mut out));
    out.clear();
    let told = VoteTold { term: pre.term, leader: None, is_granted: true };
    with(at(1002), |cx| quorum.vote_told((THIRD, &pre), told, cx, &mut out));
    assert_eq!(out, [], "what it has in memory may not be on its disk");
}

#[test]
fn numbers_of_nodes_are_no_doors() {
    for id in [0, 1, i32::MAX, -1] {
        assert_eq!(crate::quorum::door_of(BrokerId(id)), None, "{id}");
    }
    assert_eq!(crate::quorum::door_of(crate::quorum::door(3)), Some(3));
}
