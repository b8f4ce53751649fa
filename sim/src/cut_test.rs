use super::Cut;
use crate::fault::Strike;
use crate::plan::{Plan, Role};

fn of(cut: Cut, seed: u64) -> Plan {
    Plan::of(seed, &Cut { cluster: true, ..cut })
}

#[test]
fn whatever_stays_in_a_cut_plan_keeps_its_number_and_its_chance() {
    let whole = of(Cut::default(), 3);
    let left = of(Cut { ops: Some(vec![2, 5]), clients: Some(vec![1]), ..Cut::default() }, 3);
    assert_eq!(left.ops, [whole.ops[2], whole.ops[5]]);
    assert_eq!((left.clients[0].number, left.clients[0].seed), (1, whole.clients[1].seed));
    assert_eq!(left.clients.len(), 1);
}

#[test]
fn a_plan_of_fewer_machines_speaks_of_no_others() {
    for seed in 0..300 {
        let whole = of(Cut::default(), seed);
        for machines in 2..=whole.options.machines {
            let plan = of(Cut { machines: Some(machines), ..Cut::default() }, seed);
            let options = &plan.options;
            assert!(options.machines == machines && options.shape.voters <= machines, "seed {seed}");
            assert!(options.replicas as usize <= machines && options.shape.replicas_min <= options.replicas);
            assert!(options.topics.iter().all(|topic| topic.replicas_min() <= options.replicas as usize));
            let brokers = (0..machines).filter(|machine| options.is_broker(*machine)).count();
            assert!(brokers >= options.replicas as usize, "seed {seed}: {brokers} brokers");
            for (_, op) in &plan.ops {
                match op.strike {
                    Strike::Part(some, ..) => assert!(some > 0 && some < (1 << machines) - 1),
                    Strike::Cut(from, to, _) => assert!(from < machines && to < machines),
                    _ => assert!(op.machine < machines),
                }
            }
        }
    }
}

#[test]
fn a_plan_of_fewer_topics_has_clients_of_those_alone() {
    for seed in 0..300 {
        let whole = of(Cut::default(), seed);
        for kept in 0..whole.options.topics.len() {
            let cut = Cut { topics: Some(vec![kept]), partitions: Some(1), ..Cut::default() };
            let plan = of(cut, seed);
            assert_eq!(plan.options.topics.len(), 1);
            assert_eq!(plan.options.topics[0].name, whole.options.topics[kept].name);
            assert_eq!(plan.options.topics[0].partitions, 1);
            let topics = plan.clients.iter().filter_map(|client| match &client.role {
                Role::Producer(habits) => Some(&habits.topics),
                Role::Consumer(habits) => Some(&habits.topics),
                Role::Member(habits) => Some(&habits.topics),
                Role::Trimmer(topics, _) => Some(topics),
                Role::Mover(_) | Role::Outlaw(_) | Role::Recycler(_) | Role::Tuner(_) | Role::Turnover(_) => None,
            });
            assert!({ topics }.all(|topics| *topics == [0]), "seed {seed}");
        }
    }
}

#[test]
fn the_flags_of_a_cut_say_all_of_it() {
    let cut = Cut {
        ops: Some(vec![3, 9]),
        clients: Some(Vec::new()),
        topics: Some(vec![1]),
        partitions: Some(2),
        machines: Some(3),
        end_secs: Some(41),
        liar: true,
        recorded: true,
        cluster: true,
        chain: None,
        storm: false,
    };
    let wanted =
        " --cluster --strikes 3,9 --clients none --topics 1 --partitions 2 --machines 3 --end 41 --liar --recorded";
    assert_eq!(cut.flags(), wanted);
}
