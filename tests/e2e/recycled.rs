//! A topic that is deleted and made again under the same name, by clients that ask brokers which are not the controller: what comes
//! back is what was written to the one that is there, and nothing of those before it.

use std::path::Path;

use ottla_tests::harness::broker::{self, Kind, Purpose};
use ottla_tests::harness::cluster::{Cluster, Shape};
use ottla_tests::harness::tools::{java, python};
use serde_json::json;

use crate::records::{Record, assert_same, mix, placed, read};

const TOPIC: &str = "again";
const PARTITIONS: i32 = 3;
const ROUNDS: usize = 3;

#[test]
fn a_topic_that_is_made_again_has_nothing_of_the_one_before() {
    let shape = Shape { kind: broker::chosen(), purpose: Purpose::Test, brokers: 3, voters: 1, turnover: false };
    let settings = [("offsets.topic.replication.factor", "1")];
    let mut cluster = Cluster::make(shape, &settings);
    cluster.restart_all();
    cluster.wait_until(|cluster| (cluster.metadata(&[])?.brokers.len() == 3).then_some(()));
    let mut clients =
        [("confluent", python::start("confluent")), ("java-4.4", java::start("java-4.4", &java::clients_4_4()))];
    for (at, (_, client)) in clients.iter_mut().enumerate() {
        // Brokers 2 and 3 are no controllers.
        client.ask(&json!({"do": "connect", "bootstrap": cluster.address(2 + at % 2)}));
    }
    for round in 0..ROUNDS {
        for (name, client) in &mut clients {
            let what = format!("{name}, round {round}");
            client.ask(&json!({"do": "create_topic", "topic": TOPIC, "partitions": PARTITIONS, "configs": {}}));
            let records = mix(40, PARTITIONS, &what);
            let sent: Vec<Record> = placed(
                &records,
                &client.ask(&json!({"do": "produce", "topic": TOPIC, "compression": "none", "records": records})),
            );
            assert!(sent.iter().any(|record| record.o == 0), "{what}: it begins at 0");
            let ask = json!({"do": "consume", "topic": TOPIC, "group": what, "count": sent.len()});
            assert_same(&sent, &read(&client.ask(&ask)), &what);
            client.ask(&json!({"do": "delete_topic", "topic": TOPIC}));
        }
    }
    if shape.kind != Kind::Ottla {
        // Kafka keeps what is deleted for a minute.
        return;
    }
    let is_gone = |cluster: &Cluster| {
        let left: Vec<String> = cluster.nodes().flat_map(|node| logs_of(&cluster.data(node))).collect();
        (!{ left }.iter().any(|name| name.starts_with(TOPIC))).then_some(())
    };
    cluster.wait_until(is_gone);
}

/// The folders of logs in a data folder.
fn logs_of(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a data folder").filter_map(Result::ok);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
