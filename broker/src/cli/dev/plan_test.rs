use super::*;

fn flags(brokers: u16, port: u16, set: &[&str]) -> DevFlags {
    DevFlags {
        brokers,
        port,
        dir: "unused".into(),
        ephemeral: false,
        set: set.iter().map(|&text| text.to_owned()).collect(),
        log_level: "info".into(),
        json: false,
    }
}

#[test]
fn the_voters_are_controllers_and_everybody_knows_them() {
    let two = Plan::new(&flags(2, 9092, &[]), Path::new("/data")).expect("a plan");
    assert!(two.properties(1).contains("process.roles=broker,controller\n"), "{}", two.properties(1));
    assert!(two.properties(1).contains("listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:19092\n"));
    assert!(two.properties(2).contains("process.roles=broker\n"), "{}", two.properties(2));
    assert!(two.properties(2).contains("controller.quorum.voters=1@127.0.0.1:19092\n"));
    let four = Plan::new(&flags(4, 9092, &[]), Path::new("/data")).expect("a plan");
    let voters = "controller.quorum.voters=1@127.0.0.1:19092,2@127.0.0.1:19093,3@127.0.0.1:19094\n";
    for node in four.nodes() {
        let role = if node < 4 { "process.roles=broker,controller\n" } else { "process.roles=broker\n" };
        assert!(four.properties(node).contains(voters), "{}", four.properties(node));
        assert!(four.properties(node).contains(role), "{}", four.properties(node));
    }
}

#[test]
fn one_replica_may_be_missing() {
    for (brokers, replicas, in_sync) in [(1, 1, 1), (2, 2, 1), (3, 3, 2), (5, 3, 2)] {
        let plan = Plan::new(&flags(brokers, 9092, &[]), Path::new("/data")).expect("a plan");
        let told = plan.properties(1);
        assert!(told.contains(&format!("default.replication.factor={replicas}\n")), "{told}");
        assert!(told.contains(&format!("min.insync.replicas={in_sync}\n")), "{told}");
    }
}

#[test]
fn what_was_set_comes_last_and_means_what_it_says() {
    let plan = Plan::new(&flags(1, 9092, &[r"broker.rack=a\b"]), Path::new("/data")).expect("a plan");
    assert!(plan.properties(1).ends_with("\nbroker.rack=a\\\\b\n"), "{}", plan.properties(1));
}

#[test]
fn ports_end_at_65535() {
    assert!(Plan::new(&flags(3, 55_530, &[]), Path::new("/data")).is_ok());
    assert!(Plan::new(&flags(3, 55_533, &[]), Path::new("/data")).is_err());
}
