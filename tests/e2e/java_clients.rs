//! The Java client library, 4.4.0 and 3.9, beyond what every library is asked for: an administrator's calls, and groups whose
//! members come and go under each of the classic assignors.

use ottla_tests::harness::broker::Broker;
use ottla_tests::harness::driver::Driver;
use ottla_tests::harness::tools::java;
use serde_json::{Value, json};

const RANGE: &str = "org.apache.kafka.clients.consumer.RangeAssignor";
const COOPERATIVE: &str = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

#[test]
fn java_4_4_administrates() {
    administrate(java::start("java-4.4", &java::clients_4_4()));
}

#[test]
fn java_3_9_administrates() {
    administrate(java::start("java-3.9", &java::clients_3_9()));
}

#[test]
fn java_4_4_members_share_and_hand_over() {
    share(java::start("java-4.4", &java::clients_4_4()));
}

#[test]
fn java_3_9_members_share_and_hand_over() {
    share(java::start("java-3.9", &java::clients_3_9()));
}

fn administrate(mut client: Driver) {
    let broker = Broker::start();
    client.ask(&json!({"do": "connect", "bootstrap": broker.address()}));
    let mut found = client.ask(&json!({"do": "admin", "topic": "governed"}));
    let ids = [&found["madeId"], &found["describedId"]].map(|id| id.as_str().expect("a topic id").to_owned());
    assert_eq!(ids[0], ids[1], "a topic keeps its id");
    assert_eq!(found["clusterId"].as_str().map(str::len), Some(22), "a cluster id: {found}");
    let fields = found.as_object_mut().expect("an object");
    for known in ["madeId", "describedId", "clusterId"] {
        fields.remove(known);
    }
    let expected = json!({
        "nodes": 1, "controller": 1, "made": 2, "partitions": 3, "leader": 1, "segmentBytes": "1048576",
        "cleanup": "delete,compact", "source": "DYNAMIC_TOPIC_CONFIG", "default": true, "latest": 10, "earliest": 0,
        "earliestAfter": 4, "committed": 7, "metadata": "note", "state": "Empty", "forgotten": true, "producers": 1,
        "sized": true, "voters": 1, "gone": true,
    });
    assert_eq!(found, expected);
}

fn share(mut client: Driver) {
    let broker = Broker::start();
    client.ask(&json!({"do": "connect", "bootstrap": broker.address()}));
    client.ask(&json!({"do": "create_topic", "topic": "shared", "partitions": 4, "configs": {}}));
    let mut rebalance = |group: &str, assignor: &str, more: Value| {
        let config = json!({"partition.assignment.strategy": assignor, "heartbeat.interval.ms": "200"});
        let mut command =
            json!({"do": "rebalance", "topic": "shared", "partitions": 4, "group": group, "config": config});
        command.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        client.ask(&command)
    };
    let eager = rebalance("eager", RANGE, json!({}));
    assert_eq!(eager, json!({"held": [[4], [2, 2], [4]], "distinct": 4, "takenFromFirst": 4}));
    let cooperative = rebalance("cooperative", COOPERATIVE, json!({}));
    assert_eq!(
        cooperative,
        json!({"held": [[4], [2, 2], [4]], "distinct": 4, "takenFromFirst": 2}),
        "only what moves is taken"
    );
    let fixed = rebalance("static", RANGE, json!({"static": true}));
    assert_eq!(
        fixed,
        json!({"held": [[4], [2, 2], [2, 2]], "distinct": 4, "takenFromFirst": 4}),
        "a static member comes back"
    );
}
