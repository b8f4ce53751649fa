use super::*;
use crate::types::BrokerId;

fn found() -> Life {
    let me = Voter { id: BrokerId(6), directory: Uuid::ZERO };
    let mut life = Life::new(me, true, (Uuid::ZERO, true), Offset(262));
    life.survey(Offset(200), BrokerEpoch(199));
    life.survey(Offset(246), BrokerEpoch(245));
    life
}

#[test]
fn a_log_that_makes_room_has_told_of_the_last_registration() {
    let mut life = found();
    life.forget_found_log();
    assert_eq!((life.found_end, life.found_epoch), (Offset::ZERO, Some(BrokerEpoch(245))));
    life.forget_found_log();
    assert_eq!(life.found_epoch, Some(BrokerEpoch(245)), "it was told once");
}

#[test]
fn a_registration_that_was_cut_away_is_nobodys() {
    let mut life = found();
    life.cut(Offset(203));
    life.forget_found_log();
    assert_eq!(life.found_epoch, Some(BrokerEpoch(199)), "the one of the other history was never committed");
}

#[test]
fn what_came_after_its_own_registration_was_not_found() {
    let mut life = found();
    life.registered();
    life.forget_found_log();
    assert_eq!(life.found_epoch, None);
}
