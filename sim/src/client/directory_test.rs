use super::Directory;
use crate::client::{Address, Cx, Versions};
use crate::clock::At;
use crate::model::{LogName, Model, Topic};
use ottla_core::msg::Response;
use ottla_core::msg::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_core::types::{Rng, Str};

fn address(host: &'static str) -> Address {
    (Str::from_static(host), 9092)
}

/// Two brokers, and a topic whose partitions are led by these.
fn told(leaders: &[i32]) -> Response {
    let broker = |(node_id, host)| MetadataResponseBroker {
        node_id,
        host: Str::from_static(host),
        port: 9092,
        ..Default::default()
    };
    let partitions = leaders.iter().zip(0..).map(|(leader_id, partition_index)| MetadataResponsePartition {
        leader_id: *leader_id,
        partition_index,
        ..Default::default()
    });
    let topic = MetadataResponseTopic {
        name: Some(Str::from_static("topic-0")),
        partitions: partitions.collect(),
        ..Default::default()
    };
    let brokers = [(1, "10.0.0.1"), (2, "10.0.0.2")].map(broker).to_vec();
    Response::Metadata(MetadataResponse { brokers, topics: vec![topic], ..Default::default() })
}

/// What a client that is connected to the first broker makes of it: whether that will do, and for each partition whether
/// it is led there, or where else.
fn learnt(cluster: bool, leaders: &[i32]) -> (bool, Vec<(bool, Option<Address>)>) {
    let partitions = leaders.len() as i32;
    let topic =
        Topic { name: "topic-0".into(), partitions, settings: vec![], create_time: true, expires: false, id: None };
    let mut model = Model { topics: vec![topic], cluster, ..Model::default() };
    let (mut rng, at) = (Rng::new(1), address("10.0.0.1"));
    let versions = Versions::draw(&mut rng);
    let mut cx = Cx {
        now: At::START,
        rng: &mut rng,
        model: &mut model,
        versions: &versions,
        up: true,
        at: &at,
        asks: vec![],
        wake: None,
        hang_up: false,
        home: None,
    };
    let mut directory = Directory::default();
    let complete = directory.answered(&mut cx, &[0], told(leaders));
    let log = |partition| LogName { topic: 0, partition };
    let found = (0..partitions).map(|at| (directory.is_here(&cx, log(at)), directory.elsewhere(&cx, log(at))));
    (complete, found.collect())
}

#[test]
fn a_client_of_a_cluster_knows_where_each_partition_is_led() {
    let (complete, found) = learnt(true, &[1, 2, -1]);
    assert!(complete, "some partition may have no leader for a while");
    assert_eq!(found, [(true, None), (false, Some(address("10.0.0.2"))), (false, None)]);
}

#[test]
fn a_broker_that_is_alone_has_to_lead_everything() {
    assert_eq!(learnt(false, &[1, 1]), (true, vec![(true, None), (true, None)]));
    assert!(!learnt(false, &[1, -1]).0);
}
