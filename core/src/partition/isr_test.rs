use super::{Isr, IsrAnswer, IsrAsk, Settled};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, PartitionEpoch};
use alloc::vec::Vec;
use std::vec;

const A: BrokerId = BrokerId(1);
const B: BrokerId = BrokerId(2);
const C: BrokerId = BrokerId(3);

fn ask(epoch: i32, members: &[BrokerId]) -> IsrAsk {
    let members = members.iter().map(|id| (*id, BrokerEpoch(7))).collect();
    IsrAsk { leader_epoch: LeaderEpoch(4), partition_epoch: PartitionEpoch(epoch), members }
}

fn is(epoch: i32, members: &[BrokerId]) -> IsrAnswer {
    IsrAnswer::Is { leader_epoch: LeaderEpoch(4), partition_epoch: PartitionEpoch(epoch), members: members.to_vec() }
}

fn growing() -> Isr {
    let mut isr = Isr::new(PartitionEpoch(5), vec![A, B]);
    isr.grow(C, ask(5, &[A, B, C]));
    isr
}

fn shrinking() -> Isr {
    let mut isr = Isr::new(PartitionEpoch(5), vec![A, B, C]);
    isr.shrink(ask(5, &[A, B]));
    isr
}

fn counted(isr: &Isr) -> Vec<BrokerId> {
    [A, B, C].into_iter().filter(|id| isr.counts(*id)).collect()
}

#[test]
fn who_is_proposed_counts_before_anybody_has_agreed() {
    assert_eq!(counted(&Isr::new(PartitionEpoch(5), vec![A, B])), vec![A, B]);
    assert_eq!(counted(&growing()), vec![A, B, C]);
    assert_eq!(growing().members(), &[A, B], "but is no member");
}

#[test]
fn who_is_to_go_counts_until_it_is_gone() {
    let mut isr = shrinking();
    assert_eq!(counted(&isr), vec![A, B, C]);
    assert_eq!(isr.answered(&ask(5, &[A, B]), is(6, &[A, B])), Settled::Waits);
    assert_eq!(counted(&isr), vec![A, B, C], "it may be eligible still, and the metadata are to tell");
    assert!(isr.learn(PartitionEpoch(6), &[A, B]));
    assert_eq!(counted(&isr), vec![A, B]);
    assert_eq!(isr.epoch(), PartitionEpoch(6));
}

#[test]
fn a_refusal_that_means_never_ends_the_proposal() {
    for code in [ErrorCode::IneligibleReplica, ErrorCode::OperationNotAttempted] {
        let mut isr = growing();
        assert_eq!(isr.answered(&ask(5, &[A, B, C]), IsrAnswer::Refused(code)), Settled::Kept);
        assert_eq!(isr, Isr::new(PartitionEpoch(5), vec![A, B]));
    }
}

#[test]
fn a_refusal_that_means_something_else_happened_waits_for_the_news_and_goes_on_counting() {
    let codes = [
        ErrorCode::FencedLeaderEpoch,
        ErrorCode::InvalidUpdateVersion,
        ErrorCode::InvalidRequest,
        ErrorCode::NewLeaderElected,
        ErrorCode::UnknownTopicId,
        ErrorCode::UnknownTopicOrPartition,
    ];
    for code in codes {
        let mut isr = growing();
        assert_eq!(isr.answered(&ask(5, &[A, B, C]), IsrAnswer::Refused(code)), Settled::Waits);
        assert_eq!(isr, growing(), "the proposal may have been carried out");
        assert!(isr.learn(PartitionEpoch(6), &[A, C]));
        assert_eq!(isr, Isr::new(PartitionEpoch(6), vec![A, C]));
    }
}

#[test]
fn a_lost_answer_is_asked_for_again_with_the_same_registrations() {
    let mut isr = growing();
    let asked = ask(5, &[A, B, C]);
    assert_eq!(isr.answered(&asked, IsrAnswer::Lost), Settled::Again(asked.clone()));
    assert_eq!(isr.answered(&asked, IsrAnswer::Refused(ErrorCode::NotController)), Settled::Again(asked));
    assert_eq!(counted(&isr), vec![A, B, C]);
}

#[test]
fn what_was_asked_without_an_answer_is_not_over_because_another_refuses_it() {
    let mut isr = growing();
    let (asked, mut as_it_is) = (ask(5, &[A, B, C]), ask(5, &[A, B]));
    // They may have registered anew since, and would be refused by their old epochs for ever.
    as_it_is.members.iter_mut().for_each(|(_, epoch)| *epoch = BrokerEpoch::NONE);
    isr.answered(&asked, IsrAnswer::Lost);
    let refused = IsrAnswer::Refused(ErrorCode::IneligibleReplica);
    assert_eq!(isr.answered(&asked, refused.clone()), Settled::Again(as_it_is.clone()));
    assert_eq!(counted(&isr), vec![A, B, C], "whoever has the first may carry it out");
    assert_eq!(isr.answered(&asked, refused.clone()), Settled::Stale);
    assert_eq!(
        isr.answered(&as_it_is, refused),
        Settled::Again(as_it_is.clone()),
        "B is not fit either: there will be news"
    );
    assert_eq!(isr.answered(&as_it_is, IsrAnswer::Refused(ErrorCode::InvalidUpdateVersion)), Settled::Waits);
    assert_eq!(counted(&isr), vec![A, B, C]);
    assert_eq!(isr.answered(&as_it_is, is(6, &[A, B])), Settled::Changed);
    assert_eq!(isr, Isr::new(PartitionEpoch(6), vec![A, B]));
}

#[test]
fn the_answer_to_an_old_proposal_does_not_settle_a_new_one() {
    let mut isr = growing();
    assert!(isr.learn(PartitionEpoch(6), &[A, B]));
    isr.grow(C, ask(6, &[A, B, C]));
    let before = isr.clone();
    let refused = IsrAnswer::Refused(ErrorCode::IneligibleReplica);
    assert_eq!(isr.answered(&ask(5, &[A, B, C]), refused), Settled::Stale);
    assert_eq!(isr.answered(&ask(5, &[A, B, C]), is(7, &[A])), Settled::Stale);
    assert_eq!(isr, before);
}

#[test]
fn old_news_change_nothing() {
    let mut isr = growing();
    assert!(!isr.learn(PartitionEpoch(5), &[A]));
    assert_eq!(isr, growing());
    let stale = IsrAnswer::Is { leader_epoch: LeaderEpoch(5), partition_epoch: PartitionEpoch(9), members: vec![B] };
    assert_eq!(isr.answered(&ask(5, &[A, B, C]), stale), Settled::Waits, "another reign's");
    assert_eq!(isr, growing());
}

#[test]
fn what_was_so_already_settles_too() {
    let mut isr = growing();
    assert_eq!(isr.answered(&ask(5, &[A, B, C]), is(5, &[A, B])), Settled::Changed);
    assert!(isr.is_settled());
}
