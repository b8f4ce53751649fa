use super::{
    Known, MetadataAnswer, describe_cluster, describe_configs, describe_topic_partitions, list_config_resources,
};
use crate::config::{Address, Config, Setting};
use crate::metadata::{Image, MetadataRecord, advance, features};
use crate::msg::api_versions::ApiVersionsResponse;
use crate::msg::describe_cluster::DescribeClusterRequest;
use crate::msg::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult,
};
use crate::msg::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicRequest,
};
use crate::msg::list_config_resources::ListConfigResourcesRequest;
use crate::msg::metadata::{MetadataRequest, MetadataRequestTopic};
use crate::msg::record::metadata::{
    BrokerEndpoint, ConfigRecord, FeatureLevelRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord,
};
use crate::msg::update_features::FeatureUpdateKey;
use crate::types::BrokerId;
use crate::types::{ErrorCode, Offset, Str, Uuid};
use crate::wire::encode_message;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

fn id(number: u8) -> Uuid {
    Uuid([number; 16])
}

fn broker(number: i32, listeners: &[&str], fenced: bool) -> MetadataRecord {
    let end_point =
        |name: &&str| BrokerEndpoint { name: (*name).into(), host: "h".into(), port: 9092, security_protocol: 0 };
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: number,
        end_points: listeners.iter().map(end_point).collect(),
        rack: None,
        fenced,
        ..RegisterBrokerRecord::default()
    })
}

fn topic(number: u8, name: &str) -> MetadataRecord {
    MetadataRecord::Topic(TopicRecord { name: name.into(), topic_id: id(number) })
}

fn partition(number: u8, index: i32, leader: i32, replicas: &[i32]) -> MetadataRecord {
    MetadataRecord::Partition(PartitionRecord {
        partition_id: index,
        topic_id: id(number),
        replicas: replicas.to_vec(),
        isr: replicas.to_vec(),
        leader,
        leader_epoch: 4,
        partition_epoch: 0,
        directories: replicas.iter().map(|_| Uuid::ZERO).collect(),
        ..PartitionRecord::default()
    })
}

fn setting(kind: i8, resource: &str, name: &str, value: &str) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: kind,
        resource_name: resource.into(),
        name: name.into(),
        value: Some(value.into()),
    })
}

/// A world to ask: three brokers, of which one is fenced and one lacks the listener; topics `a` (three partitions), `b`.
struct World {
    image: Arc<Image>,
    config: Config,
    cluster_id: Str,
}

impl World {
    fn new(more: &[MetadataRecord], settings: &[(&str, &str)]) -> Self {
        let mut records = alloc::vec![
            broker(1, &["PLAINTEXT", "INSIDE"], false),
            broker(2, &["PLAINTEXT"], true),
            broker(3, &["INSIDE"], false),
            topic(1, "a"),
            partition(1, 0, 1, &[1]),
            partition(1, 1, 1, &[1, 2]),
            partition(1, 2, 3, &[3]),
            topic(2, "b"),
            partition(2, 0, -1, &[2]),
        ];
        records.extend_from_slice(more);
        let (image, _) = advance(&Arc::default(), Offset::ZERO, &records).expect("fits");
        let setting =
            |(key, value): &(&str, &str)| Setting { key: (*key).into(), value: (*value).into(), origin: Str::new() };
        let (config, _) = Config::read(settings.iter().map(setting)).expect("allowed");
        let config = config.overlaid(image.broker_settings(config.broker.id).into_iter().flatten()).expect("allowed");
        Self { image, config, cluster_id: "cluster".into() }
    }

    fn known(&self, version: i16) -> Known<'_> {
        let (image, config, cluster_id) = (&*self.image, &self.config, &self.cluster_id);
        Known { image, config, cluster_id, leader: BrokerId(1), listener: "PLAINTEXT", version }
    }

    fn metadata(&self, version: i16, topics: Option<Vec<MetadataRequestTopic>>) -> MetadataAnswer {
        let request = MetadataRequest { topics, ..MetadataRequest::default() };
        let answer = super::metadata(&self.known(version), &request);
        encode_message(&answer.response, version).expect("a version is told what it can carry");
        answer
    }

    fn describe(&self, kind: i8, name: &str) -> DescribeConfigsResult {
        let resource =
            DescribeConfigsResource { resource_type: kind, resource_name: name.into(), configuration_keys: None };
        let request = DescribeConfigsRequest {
            resources: alloc::vec![resource],
            include_synonyms: true,
            include_documentation: true,
        };
        let mut response = describe_configs(&self.known(4), &request);
        (1..=4).for_each(|version| drop(encode_message(&response, version).expect("every version carries it")));
        response.results.remove(0)
    }

    fn portion(&self, topics: &[&str], limit: i32, cursor: Option<(&str, i32)>) -> DescribeTopicPartitionsResponse {
        let request = DescribeTopicPartitionsRequest {
            topics: topics.iter().map(|name| TopicRequest { name: (*name).into() }).collect(),
            response_partition_limit: limit,
            cursor: cursor.map(|(name, partition_index)| Cursor { topic_name: name.into(), partition_index }),
        };
        describe_topic_partitions(&self.known(0), &request)
    }
}

fn named(names: &[&str]) -> Option<Vec<MetadataRequestTopic>> {
    let one = |name: &&str| MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some((*name).into()) };
    Some(names.iter().map(one).collect())
}

fn with_ids(ids: &[Uuid]) -> Option<Vec<MetadataRequestTopic>> {
    Some(ids.iter().map(|topic_id| MetadataRequestTopic { topic_id: *topic_id, name: None }).collect())
}

fn error(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).expect("known")
}

fn names(answer: &MetadataAnswer) -> Vec<&str> {
    answer.response.topics.iter().map(|topic| topic.name.as_deref().unwrap_or("-")).collect()
}

#[test]
fn null_asks_for_all_topics_and_nothing_for_none_except_in_version_0() {
    let world = World::new(&[], &[]);
    assert_eq!(names(&world.metadata(13, None)), ["a", "b"]);
    assert!(names(&world.metadata(13, named(&[]))).is_empty());
    assert_eq!(names(&world.metadata(0, named(&[]))), ["a", "b"]);
}

#[test]
fn clients_are_told_of_brokers_that_they_can_reach() {
    let world = World::new(&[], &[]);
    let response = world.metadata(13, named(&[])).response;
    let brokers: Vec<_> = response.brokers.iter().map(|one| (one.node_id, one.host.as_str(), one.port)).collect();
    assert_eq!(brokers, [(1, "h", 9092)]);
    assert_eq!((response.cluster_id.as_deref(), response.controller_id), (Some("cluster"), 1));
}

#[test]
fn a_topic_nobody_has_is_unknown_and_comes_into_being_if_all_agree() {
    let world = World::new(&[], &[]);
    let answer = world.metadata(13, named(&["new", "bad name", "a", "new"]));
    let told: Vec<_> = answer.response.topics.iter().map(|one| error(one.error_code)).collect();
    assert_eq!(told, [ErrorCode::UnknownTopicOrPartition, ErrorCode::InvalidTopicException, ErrorCode::None]);
    assert_eq!(answer.create, [Str::from("new")]);
    let forbidden = World::new(&[], &[("auto.create.topics.enable", "false")]);
    assert!(forbidden.metadata(13, named(&["new"])).create.is_empty());
    let unwanted =
        MetadataRequest { topics: named(&["new"]), allow_auto_topic_creation: false, ..MetadataRequest::default() };
    assert!(super::metadata(&world.known(13), &unwanted).create.is_empty());
}

#[test]
fn topics_can_be_asked_for_by_id() {
    let world = World::new(&[], &[]);
    let answer = world.metadata(12, with_ids(&[id(2), id(9), id(2)]));
    assert_eq!(names(&answer), ["b", "-"]);
    assert_eq!(error(answer.response.topics[1].error_code), ErrorCode::UnknownTopicId);
    assert_eq!(answer.response.topics[1].topic_id, id(9));
    let early = world.metadata(11, with_ids(&[id(2)]));
    assert_eq!(error(early.response.topics[0].error_code), ErrorCode::InvalidRequest);
}

#[test]
fn partitions_say_who_leads_and_who_is_down() {
    let world = World::new(&[], &[]);
    let topics = world.metadata(13, None).response.topics;
    let told: Vec<_> = topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|one| (error(one.error_code), one.leader_id, one.leader_epoch, one.offline_replicas.clone()))
        .collect();
    assert_eq!(
        told,
        [
            (ErrorCode::None, 1, 4, alloc::vec![]),
            (ErrorCode::None, 1, 4, alloc::vec![2]),
            (ErrorCode::ListenerNotFound, -1, 4, alloc::vec![3]),
            (ErrorCode::LeaderNotAvailable, -1, 4, alloc::vec![2]),
        ]
    );
}

#[test]
fn version_0_leaves_brokers_out_that_are_down_and_says_so() {
    let world = World::new(&[], &[]);
    let topics = world.metadata(0, named(&["a"])).response.topics;
    let [_, second, third] = &topics[0].partitions[..] else { panic!("three partitions") };
    assert_eq!((error(second.error_code), &second.replica_nodes[..]), (ErrorCode::ReplicaNotAvailable, &[1][..]));
    assert_eq!(error(third.error_code), ErrorCode::LeaderNotAvailable);
}

#[test]
fn whoever_asks_what_it_may_do_may_do_everything() {
    let world = World::new(&[], &[]);
    let request = MetadataRequest {
        topics: named(&["a"]),
        include_cluster_authorized_operations: true,
        include_topic_authorized_operations: true,
        ..MetadataRequest::default()
    };
    let response = super::metadata(&world.known(9), &request).response;
    assert_eq!((response.cluster_authorized_operations, response.topics[0].topic_authorized_operations), (8096, 3576));
    let unasked = world.metadata(9, named(&["a"])).response;
    assert_eq!(unasked.topics[0].topic_authorized_operations, i32::MIN);
}

#[test]
fn internal_topics_are_marked() {
    let world = World::new(&[topic(7, "__consumer_offsets"), partition(7, 0, 1, &[1])], &[]);
    let topics = world.metadata(13, None).response.topics;
    assert_eq!(topics.iter().map(|one| one.is_internal).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn the_cluster_can_be_described_with_its_fenced_brokers() {
    let world = World::new(&[], &[]);
    let ask = |include_fenced_brokers, endpoint_type| {
        let request =
            DescribeClusterRequest { include_fenced_brokers, endpoint_type, ..DescribeClusterRequest::default() };
        describe_cluster(&world.known(2), &[], &request)
    };
    let ids = |fenced| ask(fenced, 1).brokers.iter().map(|one| (one.broker_id, one.is_fenced)).collect::<Vec<_>>();
    assert_eq!(ids(false), [(1, false)]);
    assert_eq!(ids(true), [(1, false), (2, true)]);
    assert_eq!(error(ask(false, 2).error_code), ErrorCode::MismatchedEndpointType);
    assert_eq!(error(ask(false, 5).error_code), ErrorCode::UnsupportedEndpointType);
}

#[test]
fn the_controllers_are_described_where_they_listen() {
    let listeners = [
        ("listeners", "PLAINTEXT://h:9092,CONTROLLER://c:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
    ];
    let world = World::new(&[], &listeners);
    let ask_with = |voters: &[(BrokerId, Address)], endpoint_type| {
        let request = DescribeClusterRequest { endpoint_type, ..DescribeClusterRequest::default() };
        describe_cluster(&Known { listener: "CONTROLLER", ..world.known(2) }, voters, &request)
    };
    let ask = |endpoint_type| ask_with(&[], endpoint_type);
    let at = Address { host: "d".into(), port: 9094 };
    let told: Vec<_> = ask_with(&[(BrokerId(4), at)], 2).brokers.iter().map(|one| (one.broker_id, one.port)).collect();
    assert_eq!(told, [(4, 9094)], "the voters that are known");
    assert_eq!(error(ask(1).error_code), ErrorCode::MismatchedEndpointType);
    let answer = ask(2);
    let told: Vec<_> = answer.brokers.iter().map(|one| (one.broker_id, &*one.host, one.port)).collect();
    assert_eq!((answer.endpoint_type, answer.controller_id, told), (2, 1, alloc::vec![(1, "c", 9093)]));
}

#[test]
fn partitions_come_in_portions_that_join_without_a_gap() {
    let world = World::new(&[], &[]);
    for limit in 1..=5 {
        let (mut told, mut cursor) = (Vec::new(), None);
        loop {
            let at = cursor.as_ref().map(|one: &Cursor| (one.topic_name.as_str(), one.partition_index));
            let portion = world.portion(&[], limit, at);
            for topic in &portion.topics {
                told.extend(
                    topic
                        .partitions
                        .iter()
                        .map(|one| (String::from(&**topic.name.as_ref().expect("named")), one.partition_index)),
                );
            }
            assert!(portion.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>() <= limit as usize);
            match portion.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        let told: Vec<_> = told.iter().map(|(name, index)| (name.as_str(), *index)).collect();
        assert_eq!(told, [("a", 0), ("a", 1), ("a", 2), ("b", 0)], "limit {limit}");
    }
}

#[test]
fn a_portion_of_named_topics_names_those_that_do_not_exist() {
    let world = World::new(&[], &[]);
    let portion = world.portion(&["b", "nobody", "?"], 2000, None);
    let told: Vec<_> =
        portion.topics.iter().map(|one| (one.name.as_deref().unwrap_or("-"), error(one.error_code))).collect();
    let (bad, unknown) = (ErrorCode::InvalidTopicException, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(told, [("?", bad), ("b", ErrorCode::None), ("nobody", unknown)]);
    let foreign = world.portion(&["b"], 2000, Some(("a", 0)));
    assert_eq!(error(foreign.topics[0].error_code), ErrorCode::InvalidRequest);
    let negative = world.portion(&["b"], 2000, Some(("b", -1)));
    assert_eq!(error(negative.topics[0].error_code), ErrorCode::InvalidRequest);
    assert!(world.portion(&[], 1, None).next_cursor.is_some());
    assert!(world.portion(&[], i32::MIN, None).next_cursor.is_some(), "at least one partition, whatever is asked");
}

fn entry<'a>(result: &'a DescribeConfigsResult, name: &str) -> &'a DescribeConfigsResourceResult {
    result.configs.iter().find(|one| one.name == *name).expect("described")
}

fn sources(entry: &DescribeConfigsResourceResult) -> Vec<(i8, &str, &str)> {
    entry.synonyms.iter().map(|one| (one.source, &*one.name, one.value.as_deref().unwrap_or("-"))).collect()
}

#[test]
fn a_topic_setting_tells_where_its_value_comes_from() {
    let more = [
        setting(2, "a", "max.message.bytes", "5"),
        setting(4, "", "message.max.bytes", "7"),
        setting(4, "1", "message.max.bytes", "6"),
    ];
    let world = World::new(&more, &[("message.max.bytes", "8")]);
    let a = world.describe(2, "a");
    let own = entry(&a, "max.message.bytes");
    assert_eq!((own.value.as_deref(), own.config_source, own.config_type, own.read_only), (Some("5"), 1, 3, false));
    assert_eq!(
        sources(own),
        [
            (1, "max.message.bytes", "5"),
            (2, "message.max.bytes", "6"),
            (3, "message.max.bytes", "7"),
            (4, "message.max.bytes", "8"),
            (5, "message.max.bytes", "1048588"),
        ]
    );
    assert!(own.documentation.is_some());
    let b = world.describe(2, "b");
    let inherited = entry(&b, "max.message.bytes");
    assert_eq!((inherited.value.as_deref(), inherited.config_source), (Some("6"), 2));
}

#[test]
fn a_setting_in_hours_is_a_value_but_no_source_as_in_kafka() {
    let world = World::new(&[], &[("log.retention.hours", "2")]);
    let result = world.describe(2, "a");
    let retention = entry(&result, "retention.ms");
    assert_eq!((retention.value.as_deref(), retention.config_source), (Some("7200000"), 5));
    assert!(retention.synonyms.is_empty());
}

#[test]
fn a_broker_tells_all_its_settings() {
    let world = World::new(
        &[setting(4, "1", "log.retention.ms", "5")],
        &[("num.partitions", "3"), ("delegation.token.secret.key", "hunter2")],
    );
    let result = world.describe(4, "1");
    let partitions = entry(&result, "num.partitions");
    assert_eq!((partitions.value.as_deref(), partitions.config_source, partitions.read_only), (Some("3"), 4, true));
    let retention = entry(&result, "log.retention.ms");
    assert_eq!((retention.value.as_deref(), retention.config_source, retention.read_only), (Some("5"), 2, false));
    let secret = entry(&result, "delegation.token.secret.key");
    assert_eq!((secret.value.as_deref(), secret.is_sensitive), (None, true));
    assert!(secret.synonyms.iter().all(|one| one.value.is_none()));
    assert_eq!(entry(&result, "broker.rack").value, None);
}

#[test]
fn settings_of_all_brokers_are_those_that_were_set() {
    let world = World::new(&[setting(4, "", "log.retention.ms", "5"), setting(4, "1", "log.roll.ms", "6")], &[]);
    let result = world.describe(4, "");
    assert_eq!(result.configs.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["log.retention.ms"]);
    assert_eq!(result.configs[0].config_source, 3);
}

#[test]
fn what_cannot_be_described_is_refused_by_itself() {
    let world = World::new(&[], &[]);
    for (kind, name, expected) in [
        (2, "nobody", ErrorCode::UnknownTopicOrPartition),
        (2, "?", ErrorCode::InvalidTopicException),
        (4, "2", ErrorCode::InvalidRequest),
        (4, "one", ErrorCode::InvalidRequest),
        (8, "1", ErrorCode::InvalidRequest),
        (99, "1", ErrorCode::InvalidRequest),
    ] {
        let result = world.describe(kind, name);
        assert_eq!((error(result.error_code), result.configs.len()), (expected, 0), "{kind} {name}");
    }
}

#[test]
fn only_the_keys_asked_for_are_described() {
    let world = World::new(&[], &[]);
    let resource = DescribeConfigsResource {
        resource_type: 2,
        resource_name: "a".into(),
        configuration_keys: Some(alloc::vec!["retention.ms".into(), "nothing".into()]),
    };
    let request = DescribeConfigsRequest { resources: alloc::vec![resource], ..DescribeConfigsRequest::default() };
    let response = describe_configs(&world.known(4), &request);
    let configs = &response.results[0].configs;
    assert_eq!(
        (configs.len(), configs[0].name.as_str(), configs[0].documentation.is_none()),
        (1, "retention.ms", true)
    );
}

#[test]
fn resources_are_listed_by_kind() {
    let world = World::new(&[], &[]);
    let list = |version, kinds: &[i8]| {
        let request = ListConfigResourcesRequest { resource_types: kinds.to_vec() };
        let response = list_config_resources(&world.known(version), &request);
        let told = response.config_resources.iter().map(|one| (one.resource_type, String::from(&*one.resource_name)));
        (error(response.error_code), told.collect::<Vec<_>>())
    };
    assert_eq!(list(1, &[2]).1, [(2, "a".into()), (2, "b".into())]);
    assert_eq!(list(1, &[]).1.len(), 8);
    assert_eq!(list(0, &[]), (ErrorCode::None, Vec::new()));
    assert_eq!(list(1, &[77]).0, ErrorCode::UnsupportedVersion);
    assert_eq!(list(0, &[2]).0, ErrorCode::UnsupportedVersion);
}

#[test]
fn features_are_told_as_they_are_finalized() {
    let level = FeatureLevelRecord { name: features::METADATA_VERSION.into(), feature_level: 30 };
    let world = World::new(&[MetadataRecord::FeatureLevel(level)], &[]);
    let mut response = ApiVersionsResponse::default();
    features::describe(&world.image, 0, &mut response);
    assert_eq!(response.finalized_features.len(), 1, "at level 0 a feature is not there");
    assert_eq!(response.finalized_features[0].max_version_level, 30);
    assert_eq!(response.supported_features[0].max_version, 30);
    assert_eq!(response.finalized_features_epoch, world.image.end().0 - 1);
    features::describe(&world.image, 1, &mut response);
    assert_eq!(&*response.finalized_features[1].name, features::KRAFT);
}

#[test]
fn a_feature_has_the_levels_that_it_has() {
    let judge = |name: &str, level: i16, kind: i8, current: i16| {
        let update = FeatureUpdateKey {
            feature: name.into(),
            max_version_level: level,
            upgrade_type: kind,
            ..FeatureUpdateKey::default()
        };
        features::judge(&update, current, BrokerId(7)).err().unwrap_or_default()
    };
    assert_eq!(judge("metadata.version", 30, 1, 30), "");
    assert_eq!(judge("kraft.version", 1, 1, 0), "");
    assert_eq!(judge("metadata.version", 29, 2, 30), "Controller 7 only supports versions 30-30.");
    assert_eq!(judge("kraft.version", 2, 1, 0), "Controller 7 only supports versions 0-1.");
    assert_eq!(judge("group.version", 1, 1, 0), "Controller 7 does not support this feature.");
    assert_eq!(judge("kraft.version", 1, 9, 0), "The controller does not support the given upgrade type.");
    assert!(judge("kraft.version", 0, 1, 1).contains("without setting the upgrade type"));
    assert_eq!(judge("kraft.version", 0, 3, 1), "Can't downgrade the version of this feature.");
    assert_eq!(judge("kraft.version", 1, 2, 0), "Can't downgrade to a newer version.");
}
