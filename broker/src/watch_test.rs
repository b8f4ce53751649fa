use super::{Other, Sight, Watch};
use crate::teller::teller_test::captured;
use ottla_core::types::{Mono, Uuid};

fn at(seconds: u64) -> Mono {
    Mono(seconds * 1_000_000_000)
}

fn sight(has_controller: bool, unreached: &[i32]) -> Sight {
    let node = |id: i32| (id, format!("node-{id}:9093"));
    Sight {
        has_controller,
        voters: [1, 2, 3].map(node).into(),
        is_turning_over: false,
        unreached: unreached.iter().copied().map(node).collect(),
    }
}

/// The lines of the seconds of a time in which it looks like this.
fn look(watch: &mut Watch, seconds: std::ops::Range<u64>, sight: &Sight) -> Vec<String> {
    captured(|| seconds.for_each(|second| watch.look(at(second), sight.clone())))
}

#[test]
fn a_controller_that_is_missed_is_told_after_a_while_seldom_and_when_it_is_back() {
    let mut watch = Watch::default();
    let told = look(&mut watch, 0..10, &sight(true, &[]));
    assert!(told.len() == 1 && told[0].contains("are 1 at node-1:9093, 2 at node-2:9093, 3 at"), "{told:?}");
    assert_eq!(look(&mut watch, 10..14, &sight(false, &[2, 3])), [""; 0], "an election");
    assert_eq!(look(&mut watch, 14..20, &sight(true, &[])), [""; 0]);
    let told = look(&mut watch, 20..84, &sight(false, &[2, 3]));
    assert!(told.len() == 1 && told[0].contains("WARN") && told[0].contains("known for 5 s"), "{told:?}");
    assert!(told[0].contains("these do not answer: 2 at node-2:9093, 3 at node-3:9093; start them"), "{told:?}");
    let again = look(&mut watch, 84..90, &sight(false, &[]));
    assert!(again.len() == 1 && again[0].contains("their logs say why"), "{again:?}");
    let back = look(&mut watch, 90..100, &sight(true, &[]));
    assert!(back.len() == 1 && back[0].contains("a controller is known again, after 70 s"), "{back:?}");
}

#[test]
fn voters_are_told_once_their_change_is_committed() {
    let mut watch = Watch::default();
    look(&mut watch, 0..1, &sight(true, &[]));
    let mut fewer = sight(true, &[]);
    fewer.voters.remove(0);
    fewer.is_turning_over = true;
    assert_eq!(look(&mut watch, 1..3, &fewer), [""; 0]);
    fewer.is_turning_over = false;
    let told = look(&mut watch, 3..5, &fewer);
    assert!(told.len() == 1 && told[0].contains("INFO"), "{told:?}");
    assert!(told[0].contains("are 2 at node-2:9093, 3 at node-3:9093, before 1 at node-1:9093, 2 at"), "{told:?}");
}

#[test]
fn a_double_is_told_once_its_session_could_not_be_an_old_one() {
    let mut watch = Watch::default();
    look(&mut watch, 0..1, &sight(true, &[]));
    let other = Other { broker: 2, at: ("two.example".into(), 9092), incarnation: Uuid([7; 16]) };
    let told = captured(|| {
        for second in 1..30 {
            watch.refused(other.clone());
            watch.look(at(second), sight(true, &[]));
        }
    });
    assert!(told.len() == 1 && told[0].contains("ERROR"), "{told:?}");
    assert!(told[0].contains("is broker 2 of this cluster, at two.example:9092, incarnation"), "{told:?}");
    assert_eq!(look(&mut watch, 30..60, &sight(true, &[])), [""; 0]);
}
