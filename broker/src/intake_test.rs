use super::*;

const NEVER: Option<usize> = None;

#[test]
fn whoever_is_muted_is_woken_once_there_is_room() {
    let intake = Intake::new(2);
    intake.began(Waiting::Request);
    assert!(!intake.is_full(NEVER));
    intake.began(Waiting::Request);
    assert!(intake.is_full(NEVER));
    intake.mute(ConnId(7));
    intake.mute(ConnId(3));
    assert_eq!(intake.unmuted(|_| NEVER), []);
    intake.ended(Waiting::Request);
    assert_eq!(intake.unmuted(|_| NEVER), [ConnId(7), ConnId(3)]);
    assert_eq!(intake.unmuted(|_| NEVER), [], "once");
}

#[test]
fn proofs_hold_up_those_who_send_them_and_nobody_else() {
    let intake = Intake::new(4);
    for _ in 0..4 {
        intake.began(Waiting::Proof);
    }
    assert!(!intake.is_full(NEVER), "a follower is read from");
    assert!(intake.is_full(Some(0)));
    intake.ended(Waiting::Proof);
    intake.ended(Waiting::Proof);
    assert!(!intake.is_full(Some(1)));
    assert!(intake.is_full(Some(2)), "two are one connection's share, however much room there is");
}

#[test]
fn whoever_has_its_share_stays_muted_while_others_are_woken() {
    let intake = Intake::new(3);
    for _ in 0..3 {
        intake.began(Waiting::Proof);
    }
    let proving = |conn| Some(if conn == ConnId(7) { 2 } else { 0 });
    intake.mute(ConnId(7));
    intake.mute(ConnId(3));
    assert_eq!(intake.unmuted(proving), []);
    intake.ended(Waiting::Proof);
    assert_eq!(intake.unmuted(proving), [ConnId(3)]);
    assert_eq!(intake.unmuted(|_| Some(1)), [ConnId(7)]);
}
