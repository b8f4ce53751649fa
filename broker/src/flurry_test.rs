use super::LINES_MAX;
use crate::teller::Teller;
use crate::teller::teller_test::lines;
use crate::watch::Sight;
use ottla_core::boundary::Note;
use ottla_core::types::{BrokerId, LeaderEpoch, LogId, Mono, Offset, Uuid};

fn log(partition: i32) -> LogId {
    LogId { topic: Uuid([1; 16]), partition }
}

fn leading(partition: i32) -> Note {
    Note::Leading { log: log(partition), epoch: LeaderEpoch(4), from: Offset(7) }
}

fn shrunk(partition: i32) -> Note {
    let isr = vec![BrokerId(1), BrokerId(2)];
    Note::IsrChanged { log: log(partition), isr, joined: vec![], left: vec![BrokerId(3)], replicas: 3 }
}

#[test]
fn of_many_partitions_a_few_are_told_and_the_rest_is_a_number() {
    let mut teller = Teller::default();
    let sight = Sight { has_controller: true, ..Sight::default() };
    let second = |teller: &mut Teller, leads: i32, shrinks: i32| {
        let name_of = |log: LogId| format!("orders-{}", log.partition);
        lines(teller, |teller| {
            (0..leads).for_each(|partition| teller.note(&leading(partition), &name_of));
            (0..shrinks).for_each(|partition| teller.note(&shrunk(partition), &name_of));
            teller.look(Mono(0), sight.clone());
        })
    };
    let told = second(&mut teller, 812, 1);
    assert_eq!(told.len(), LINES_MAX + 2);
    assert!(told[0].contains("leading orders-0 in epoch 4 from offset 7"), "{told:?}");
    assert!(!told[0].contains("epoch=") && !told[0].contains("isr="), "said once: {told:?}");
    let shrinks = "broker 3 fell out of sync of orders-0: of 3 replicas 1, 2 are in sync";
    assert!(told[LINES_MAX].contains(shrinks), "{told:?}");
    assert!(told[LINES_MAX + 1].contains("leading 807 partitions more, 812 in all"), "{told:?}");
    assert_eq!(second(&mut teller, 2, 0).len(), 2, "each second anew");
}
