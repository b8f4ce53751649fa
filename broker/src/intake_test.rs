use super::*;

#[test]
fn whoever_is_muted_is_woken_once_there_is_room() {
    let intake = Intake::new(2);
    intake.began();
    assert!(!intake.is_full());
    intake.began();
    assert!(intake.is_full());
    intake.mute(ConnId(7));
    intake.mute(ConnId(3));
    assert_eq!(intake.unmuted(), []);
    intake.ended(1);
    assert_eq!(intake.unmuted(), [ConnId(7), ConnId(3)]);
    assert_eq!(intake.unmuted(), [], "once");
}
