use super::readiness;
use crate::mail::{DiskState, Facts};

#[test]
fn only_a_broker_that_serves_is_ready_and_what_ails_it_is_said() {
    let told = |is_ready, disk, offline| {
        let (code, body) =
            readiness(Some(&Facts { is_ready, disk, offline, has_controller: true, ..Facts::default() }));
        (code.as_u16(), body)
    };
    assert_eq!(readiness(None).0.as_u16(), 503);
    assert_eq!(told(false, DiskState::Well, 0), (503, "starting\n".into()));
    assert_eq!(told(true, DiskState::Well, 0), (200, "ready\n".into()));
    for (disk, offline, code, wanted) in [
        (DiskState::Full, 0, 200, "a disk is full"),
        (DiskState::Well, 3, 200, "offline: 3"),
        (DiskState::Offline, 54, 503, "the data directory is offline"),
    ] {
        let (told_code, body) = told(true, disk, offline);
        assert!(told_code == code && body.contains(wanted), "{told_code} {body}");
    }
}

#[test]
fn a_broker_that_knows_no_controller_says_so_whether_it_serves_or_not() {
    let told = |is_ready, offline| readiness(Some(&Facts { is_ready, offline, ..Facts::default() }));
    let (code, body) = told(true, 0);
    assert!(code == 200 && body.starts_with("ready, but no controller is known"), "{body}");
    let (code, body) = told(true, 3);
    assert!(code == 200 && body.contains("no controller is known") && body.contains("offline: 3"), "{body}");
    let (code, body) = told(false, 0);
    assert!(code == 503 && body.starts_with("starting, but no controller is known"), "{body}");
}
