use super::{Ask, Controller, Registration, Reply};
use crate::boundary::Note;
use crate::config::{Config, Setting};
use crate::metadata::{Delta, Endpoint, Image, Resource};
use crate::msg::Response;
use crate::msg::alter_configs::{self, AlterConfigsRequest};
use crate::msg::create_partitions::{CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic};
use crate::msg::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult, CreateTopicsRequest,
};
use crate::msg::delete_topics::{DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest};
use crate::msg::incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest};
use crate::shard::Cx;
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, LogId, Now, Offset, Rng, Str, Uuid, limit};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use proptest::prelude::*;

const ME: BrokerId = BrokerId(1);

/// A controller with its settings, whose records are committed as soon as they are decided.
pub struct Rig {
    controller: Controller,
    config: Config,
    rng: Rng,
    notes: Vec<Note>,
    is_durable: bool,
    log: Vec<crate::metadata::MetadataRecord>,
}

impl Rig {
    /// A fresh cluster of this one broker.
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let setting =
            |(key, value): &(&str, &str)| Setting { key: (*key).into(), value: (*value).into(), origin: Str::new() };
        let (config, _) = Config::read(settings.iter().map(setting)).expect("allowed");
        let controller = Controller::new(Arc::default());
        let mut rig =
            Self { controller, config, rng: Rng::new(1), notes: Vec::new(), is_durable: true, log: Vec::new() };
        assert_eq!(rig.ask(&Ask::Bootstrap), Reply::Bootstrapped);
        rig.register(ME.0, None);
        rig
    }

    fn register(&mut self, broker: i32, whole_since: Option<BrokerEpoch>) -> BrokerEpoch {
        self.register_as(broker, whole_since, true)
    }

    /// A broker starts, beside the controller or elsewhere.
    pub fn register_as(&mut self, broker: i32, whole_since: Option<BrokerEpoch>, is_controller: bool) -> BrokerEpoch {
        let registration = Registration {
            id: BrokerId(broker),
            incarnation: Uuid([self.image().end().0 as u8; 16]),
            is_controller,
            endpoints: alloc::vec![Endpoint {
                listener: "PLAINTEXT".into(),
                host: "h".into(),
                port: 9092,
                protocol: 0
            }],
            rack: None,
            directories: alloc::vec![Uuid([broker as u8; 16])],
            unproved: Vec::new(),
            is_durable: self.is_durable,
            whole_since,
            epoch: BrokerEpoch(self.image().end().0),
        };
        match self.ask(&Ask::Register(registration)) {
            Reply::Registered(epoch) => epoch,
            other => panic!("{other:?}"),
        }
    }

    pub fn image(&self) -> &Image {
        self.controller.head()
    }

    pub fn ask(&mut self, ask: &Ask) -> Reply {
        let mut cx = Cx { now: Now::default(), config: &self.config, rng: &mut self.rng, notes: &mut self.notes };
        let mut verdict = self.controller.decide(&mut cx, ask);
        let base = self.controller.head().end();
        self.controller.apply(base, &verdict.records).expect("what is decided fits");
        let end = base.plus(verdict.records.len() as i64);
        self.log.append(&mut verdict.records);
        self.controller.committed(end);
        assert_eq!(verdict.replies.len(), 1, "one ask, one reply");
        verdict.replies.remove(0)
    }

    pub fn create(&mut self, topics: Vec<CreatableTopic>) -> Vec<CreatableTopicResult> {
        self.create_as(CreateTopicsRequest { topics, ..CreateTopicsRequest::default() })
    }

    fn create_as(&mut self, request: CreateTopicsRequest) -> Vec<CreatableTopicResult> {
        match self.ask(&Ask::CreateTopics(request)) {
            Reply::Response(Response::CreateTopics(response)) => response.topics,
            other => panic!("{other:?}"),
        }
    }

    fn error_of(&mut self, topic: CreatableTopic) -> (ErrorCode, String) {
        let result = self.create(alloc::vec![topic]).remove(0);
        (error(result.error_code), result.error_message.map(|text| text.as_str().into()).unwrap_or_default())
    }

    fn delete(&mut self, request: DeleteTopicsRequest, version: i16) -> Vec<DeletableTopicResult> {
        match self.ask(&Ask::DeleteTopics(request, version)) {
            Reply::Response(Response::DeleteTopics(response)) => response.responses,
            other => panic!("{other:?}"),
        }
    }

    fn grow(&mut self, topic: CreatePartitionsTopic) -> ErrorCode {
        let request = CreatePartitionsRequest {
            topics: alloc::vec![topic],
            timeout_ms: 1000,
            ..CreatePartitionsRequest::default()
        };
        match self.ask(&Ask::CreatePartitions(request)) {
            Reply::Response(Response::CreatePartitions(response)) => error(response.results[0].error_code),
            other => panic!("{other:?}"),
        }
    }

    /// Alters one resource; the steps are name, operation and value.
    pub fn alter(&mut self, kind: i8, name: &str, steps: &[(&str, i8, Option<&str>)]) -> (ErrorCode, String) {
        let config = |(name, config_operation, value): &(&str, i8, Option<&str>)| AlterableConfig {
            name: (*name).into(),
            config_operation: *config_operation,
            value: value.map(Str::from),
        };
        let resource = AlterConfigsResource {
            resource_type: kind,
            resource_name: name.into(),
            configs: steps.iter().map(config).collect(),
        };
        let request = IncrementalAlterConfigsRequest { resources: alloc::vec![resource], validate_only: false };
        match self.ask(&Ask::IncrementalAlterConfigs(request)) {
            Reply::Response(Response::IncrementalAlterConfigs(response)) => {
                let one = &response.responses[0];
                (error(one.error_code), one.error_message.as_deref().unwrap_or_default().into())
            }
            other => panic!("{other:?}"),
        }
    }

    fn setting(&self, kind: i8, resource: &str, name: &str) -> Option<String> {
        let own = self.image().settings(&Resource { kind, name: resource.into() })?;
        own.get(name.as_bytes()).map(|value| value.as_str().into())
    }
}

fn error(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).expect("known")
}

fn named(name: &str) -> CreatableTopic {
    CreatableTopic { name: name.into(), num_partitions: -1, replication_factor: -1, ..CreatableTopic::default() }
}

fn with_setting(name: &str, setting: &str, value: Option<&str>) -> CreatableTopic {
    let config = CreatableTopicConfig { name: setting.into(), value: value.map(Str::from) };
    CreatableTopic { configs: alloc::vec![config], ..named(name) }
}

fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let one = |(partition_index, brokers): &(i32, &[i32])| CreatableReplicaAssignment {
        partition_index: *partition_index,
        broker_ids: brokers.to_vec(),
    };
    CreatableTopic { assignments: assignments.iter().map(one).collect(), ..named(name) }
}

fn by_names(names: &[&str]) -> DeleteTopicsRequest {
    let by_name = |name: &&str| DeleteTopicState { name: Some(Str::from(*name)), ..DeleteTopicState::default() };
    let topics = names.iter().map(by_name).collect();
    DeleteTopicsRequest { timeout_ms: 1000, topics, ..DeleteTopicsRequest::default() }
}

#[test]
fn a_fresh_cluster_has_its_features_and_its_broker() {
    let rig = Rig::new(&[]);
    assert_eq!(rig.image().features().get(b"metadata.version".as_slice()), Some(&30));
    let broker = rig.image().broker(ME).expect("registered");
    assert!(broker.is_active());
    assert_eq!(broker.epoch, BrokerEpoch(1), "the offset of its registration");
}

#[test]
fn a_broker_that_may_have_lost_something_leads_in_a_new_reign() {
    let mut rig = Rig::new(&[]);
    rig.create(alloc::vec![named("a")]);
    let log = LogId { topic: rig.image().topic_named("a").expect("made").id, partition: 0 };
    let epoch = |rig: &Rig| rig.image().partition(log).expect("made").leader_epoch;
    let first = rig.image().broker(ME).expect("registered").epoch;
    let second = rig.register(ME.0, Some(first));
    assert_eq!(epoch(&rig), LeaderEpoch(0), "whole: nothing to tell apart");
    rig.register(ME.0, None);
    assert_eq!(epoch(&rig), LeaderEpoch(1));
    rig.register(ME.0, Some(second));
    assert_eq!(epoch(&rig), LeaderEpoch(2), "whole since an epoch that is not the last");
    rig.is_durable = false;
    let last = rig.image().broker(ME).expect("registered").epoch;
    let relaxed = rig.register(ME.0, Some(last));
    assert_eq!(epoch(&rig), LeaderEpoch(2), "the last life was durable");
    rig.is_durable = true;
    rig.register(ME.0, Some(relaxed));
    assert_eq!(epoch(&rig), LeaderEpoch(3), "the last life was not");
}

#[test]
fn a_topic_is_created_as_the_defaults_say() {
    let mut rig = Rig::new(&[("num.partitions", "3")]);
    let result = rig.create(alloc::vec![named("orders")]).remove(0);
    assert_eq!(error(result.error_code), ErrorCode::None);
    assert_eq!((result.num_partitions, result.replication_factor), (3, 1));
    let topic = rig.image().topic_named("orders").expect("made").clone();
    assert_eq!(topic.id, result.topic_id);
    assert!(!topic.id.is_zero());
    for (index, partition) in topic.partitions.iter() {
        assert_eq!((partition.leader, partition.leader_epoch), (ME, LeaderEpoch(0)), "{index}");
        assert_eq!((&partition.replicas[..], &partition.isr[..]), (&[ME][..], &[ME][..]));
        assert_eq!(partition.directories, [Uuid([1; 16])]);
    }
    let configs = result.configs.expect("told");
    let retention = configs.iter().find(|one| one.name == "retention.ms").expect("told");
    assert_eq!((retention.value.as_deref(), retention.config_source), (Some("604800000"), 5));
}

#[test]
fn topics_with_wrong_names_are_refused() {
    let mut rig = Rig::new(&[]);
    rig.create(alloc::vec![named("a.b")]);
    for (name, expected) in [
        ("", ErrorCode::InvalidTopicException),
        ("..", ErrorCode::InvalidTopicException),
        ("with space", ErrorCode::InvalidTopicException),
        ("a_b", ErrorCode::InvalidTopicException),
        ("a.b", ErrorCode::TopicAlreadyExists),
        ("__cluster_metadata", ErrorCode::InvalidRequest),
    ] {
        assert_eq!(rig.error_of(named(name)).0, expected, "{name}");
    }
    let both = rig.create(alloc::vec![named("x.y"), named("x_y")]);
    assert_eq!(
        (error(both[0].error_code), error(both[1].error_code)),
        (ErrorCode::None, ErrorCode::InvalidTopicException)
    );
}

#[test]
fn a_topic_named_twice_in_a_request_is_not_created() {
    let mut rig = Rig::new(&[]);
    let results = rig.create(alloc::vec![named("a"), named("b"), named("a")]);
    let told: Vec<_> = results.iter().map(|one| (one.name.as_str(), error(one.error_code))).collect();
    assert_eq!(told, [("a", ErrorCode::InvalidRequest), ("b", ErrorCode::None)]);
    assert!(rig.image().topic_named("a").is_none());
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let mut rig = Rig::new(&[]);
    let sized =
        |partitions, factor| CreatableTopic { num_partitions: partitions, replication_factor: factor, ..named("a") };
    assert_eq!(rig.error_of(sized(0, 1)).0, ErrorCode::InvalidPartitions);
    assert_eq!(rig.error_of(sized(-2, 1)).0, ErrorCode::InvalidPartitions);
    assert_eq!(rig.error_of(sized(1, 0)).0, ErrorCode::InvalidReplicationFactor);
    assert_eq!(rig.error_of(sized(1, -2)).0, ErrorCode::InvalidReplicationFactor);
    assert_eq!(rig.error_of(sized(1, 2)).0, ErrorCode::InvalidReplicationFactor);
    assert_eq!(rig.error_of(sized(10_001, 1)).0, ErrorCode::PolicyViolation);
    assert_eq!(rig.error_of(sized(2, 1)).0, ErrorCode::None);
}

#[test]
fn settings_that_are_not_allowed_are_named() {
    let mut rig = Rig::new(&[]);
    let (code, why) = rig.error_of(with_setting("a", "segment.bytes", Some("1000")));
    assert_eq!(code, ErrorCode::InvalidConfig);
    assert!(why.contains("segment.bytes") && why.contains("1048576"), "{why}");
    assert_eq!(rig.error_of(with_setting("a", "no.such", Some("1"))).0, ErrorCode::InvalidConfig);
    assert_eq!(rig.error_of(with_setting("a", "retention.ms", None)).0, ErrorCode::InvalidConfig);
    assert_eq!(rig.error_of(with_setting("a", "retention.ms", Some("1000"))).0, ErrorCode::None);
    assert_eq!(rig.setting(Resource::TOPIC, "a", "retention.ms").as_deref(), Some("1000"));
}

#[test]
fn an_assignment_by_hand_must_make_sense() {
    let mut rig = Rig::new(&[]);
    rig.register(2, None);
    let refused = ErrorCode::InvalidReplicaAssignment;
    assert_eq!(rig.error_of(assigned("a", &[(0, &[3])])).0, refused);
    assert_eq!(rig.error_of(assigned("a", &[(0, &[])])).0, refused);
    assert_eq!(rig.error_of(assigned("a", &[(0, &[1, 1])])).0, refused);
    assert_eq!(rig.error_of(assigned("a", &[(0, &[1]), (0, &[2])])).0, refused);
    assert_eq!(rig.error_of(assigned("a", &[(1, &[1])])).0, refused);
    assert_eq!(rig.error_of(assigned("a", &[(0, &[1]), (1, &[1, 2])])).0, refused);
    let counted = CreatableTopic { num_partitions: 1, ..assigned("a", &[(0, &[1])]) };
    assert_eq!(rig.error_of(counted).0, ErrorCode::InvalidRequest);
    assert_eq!(rig.error_of(assigned("a", &[(0, &[2, 1]), (1, &[1, 2])])).0, ErrorCode::None);
    let topic = rig.image().topic_named("a").expect("made");
    assert_eq!(topic.partitions.get(&0).expect("made").leader, BrokerId(2));
}

#[test]
fn validation_alone_changes_nothing() {
    let mut rig = Rig::new(&[]);
    let end = rig.image().end();
    let topics = alloc::vec![with_setting("a", "cleanup.policy", Some("compact"))];
    let results = rig.create_as(CreateTopicsRequest { topics, validate_only: true, ..CreateTopicsRequest::default() });
    assert_eq!((error(results[0].error_code), rig.image().end()), (ErrorCode::None, end));
    assert!(rig.notes.is_empty());
}

#[test]
fn a_compacted_topic_comes_with_the_note_that_nothing_is_compacted() {
    let mut rig = Rig::new(&[]);
    rig.create(alloc::vec![with_setting("a", "cleanup.policy", Some("compact,delete"))]);
    rig.create(alloc::vec![named("b")]);
    rig.alter(Resource::TOPIC, "b", &[("cleanup.policy", 0, Some("compact"))]);
    rig.alter(Resource::TOPIC, "b", &[("retention.ms", 0, Some("5"))]);
    let about = |name: &str| Note::NotCompacted { topic: name.into() };
    assert_eq!(rig.notes, [about("a"), about("b")]);
}

#[test]
fn topics_that_create_themselves_are_ordinary_but_for_internal_ones() {
    let mut rig = Rig::new(&[]);
    let names: Vec<Str> = ["logs", "__consumer_offsets", "bad name", "logs"].into_iter().map(Str::from).collect();
    let Reply::Created(mut created) = rig.ask(&Ask::CreateMissing(names.clone())) else { panic!("created") };
    created.sort();
    let expected = [
        ("__consumer_offsets", ErrorCode::None),
        ("bad name", ErrorCode::InvalidTopicException),
        ("logs", ErrorCode::None),
    ];
    assert_eq!(created.iter().map(|(name, error)| (name.as_str(), *error)).collect::<Vec<_>>(), expected);
    let offsets = rig.image().topic_named("__consumer_offsets").expect("made");
    assert_eq!(offsets.partitions.len(), 50);
    let set = |name| rig.setting(Resource::TOPIC, "__consumer_offsets", name);
    assert_eq!(set("cleanup.policy").as_deref(), Some("compact"));
    assert_eq!(set("segment.bytes").as_deref(), Some("104857600"));
    assert_eq!(set("compression.type").as_deref(), Some("producer"));
    let end = rig.image().end();
    rig.ask(&Ask::CreateMissing(names));
    assert_eq!(rig.image().end(), end, "they exist");
}

#[test]
fn no_more_topics_create_themselves_at_once_than_a_request_may_create() {
    let mut rig = Rig::new(&[("num.partitions", "4000")]);
    let names: Vec<Str> = ["a", "b", "c"].into_iter().map(Str::from).collect();
    let Reply::Created(created) = rig.ask(&Ask::CreateMissing(names.clone())) else { panic!("created") };
    let errors: Vec<ErrorCode> = created.iter().map(|(_, error)| *error).collect();
    assert_eq!(errors, [ErrorCode::None, ErrorCode::None, ErrorCode::PolicyViolation]);
    rig.ask(&Ask::CreateMissing(names));
    assert!(rig.image().topic_named("c").is_some(), "whoever asks again gets the rest");
}

#[test]
fn an_explanation_quotes_little_of_what_a_client_wrote() {
    let mut rig = Rig::new(&[]);
    rig.create(alloc::vec![named("a")]);
    let long = "9".repeat(32_000);
    let (topic, broker) = ((Resource::TOPIC, "a"), (Resource::BROKER, ""));
    for ((kind, name), key, operation, value) in [
        (topic, "retention.ms", 0, Some(&*long)),
        (topic, &*long, 0, Some("1")),
        (topic, &*long, 0, None),
        (topic, &*long, 2, Some("1")),
        (broker, &*long, 0, Some("1")),
        (broker, "log.retention.ms", 0, Some(&*long)),
        ((Resource::TOPIC, &*long), "retention.ms", 0, Some("1")),
    ] {
        let (error, why) = rig.alter(kind, name, &[(key, operation, value)]);
        assert!(error.is_error() && !why.is_empty() && why.len() <= limit::EXPLANATION_BYTES_MAX, "{error:?}: {why}");
    }
    let many: Vec<String> = (0..100).map(|at| alloc::format!("{at}-{long}")).collect();
    let steps: Vec<_> = many.iter().map(|name| (name.as_str(), 0, Some("1"))).collect();
    let (_, why) = rig.alter(Resource::TOPIC, "a", &steps);
    assert_eq!(why.len(), limit::EXPLANATION_BYTES_MAX);
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    let mut rig = Rig::new(&[]);
    rig.create(alloc::vec![named("a"), named("b"), named("c")]);
    let results = rig.delete(by_names(&["a", "nobody"]), 5);
    assert_eq!(
        (error(results[0].error_code), error(results[1].error_code)),
        (ErrorCode::None, ErrorCode::UnknownTopicOrPartition)
    );
    let b = rig.image().topic_named("b").expect("made").id;
    let state = |name: Option<&str>, topic_id| DeleteTopicState { name: name.map(Str::from), topic_id };
    let topics = alloc::vec![state(None, b), state(None, Uuid([9; 16])), state(Some("c"), b), state(None, Uuid::ZERO),];
    let results = rig.delete(DeleteTopicsRequest { topics, timeout_ms: 1000, ..DeleteTopicsRequest::default() }, 6);
    let told: Vec<ErrorCode> = results.iter().map(|one| error(one.error_code)).collect();
    let (bad, unknown) = (ErrorCode::InvalidRequest, ErrorCode::UnknownTopicId);
    assert_eq!(told, [ErrorCode::None, unknown, bad, bad]);
    assert_eq!(results[0].name.as_deref(), Some("b"));
    assert_eq!(rig.image().topics().map(|topic| topic.name.as_str()).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn a_topic_named_twice_is_not_deleted() {
    let mut rig = Rig::new(&[]);
    rig.create(alloc::vec![named("a")]);
    let topic_id = rig.image().topic_named("a").expect("made").id;
    let topics = alloc::vec![
        DeleteTopicState { name: Some("a".into()), topic_id: Uuid::ZERO },
        DeleteTopicState { name: None, topic_id },
    ];
    let results = rig.delete(DeleteTopicsRequest { topics, timeout_ms: 1000, ..DeleteTopicsRequest::default() }, 6);
    assert!(results.iter().all(|one| error(one.error_code) == ErrorCode::InvalidRequest));
    assert!(rig.image().topic_named("a").is_some());
}

#[test]
fn deletion_can_be_forbidden() {
    let mut rig = Rig::new(&[("delete.topic.enable", "false")]);
    rig.create(alloc::vec![named("a")]);
    assert_eq!(error(rig.delete(by_names(&["a"]), 2)[0].error_code), ErrorCode::InvalidRequest);
    assert_eq!(error(rig.delete(by_names(&["a"]), 5)[0].error_code), ErrorCode::TopicDeletionDisabled);
}

#[test]
fn a_topic_grows_and_never_shrinks() {
    let mut rig = Rig::new(&[]);
    rig.create(alloc::vec![named("a")]);
    let to = |count| CreatePartitionsTopic { name: "a".into(), count, assignments: None };
    assert_eq!(rig.grow(to(1)), ErrorCode::InvalidPartitions);
    assert_eq!(rig.grow(to(0)), ErrorCode::InvalidPartitions);
    assert_eq!(rig.grow(to(4)), ErrorCode::None);
    assert_eq!(rig.image().topic_named("a").expect("made").partitions.len(), 4);
    assert_eq!(rig.grow(to(20_000)), ErrorCode::PolicyViolation);
    assert_eq!(rig.grow(CreatePartitionsTopic { name: "b".into(), ..to(2) }), ErrorCode::UnknownTopicOrPartition);
    let by_hand = |brokers: &[i32]| CreatePartitionsTopic {
        assignments: Some(alloc::vec![CreatePartitionsAssignment { broker_ids: brokers.to_vec() }]),
        ..to(5)
    };
    assert_eq!(rig.grow(by_hand(&[7])), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(rig.grow(CreatePartitionsTopic { count: 6, ..by_hand(&[1]) }), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(rig.grow(by_hand(&[1])), ErrorCode::None);
}

#[test]
fn settings_of_topics_are_set_deleted_appended_and_subtracted() {
    let mut rig = Rig::new(&[]);
    rig.create(alloc::vec![named("a")]);
    let topic = Resource::TOPIC;
    assert_eq!(rig.alter(topic, "a", &[("retention.ms", 0, Some("5"))]).0, ErrorCode::None);
    assert_eq!(rig.setting(topic, "a", "retention.ms").as_deref(), Some("5"));
    // Appending to a list that is not set appends to its default.
    assert_eq!(rig.alter(topic, "a", &[("cleanup.policy", 2, Some("compact"))]).0, ErrorCode::None);
    assert_eq!(rig.setting(topic, "a", "cleanup.policy").as_deref(), Some("delete,compact"));
    assert_eq!(rig.alter(topic, "a", &[("cleanup.policy", 3, Some("delete"))]).0, ErrorCode::None);
    assert_eq!(rig.setting(topic, "a", "cleanup.policy").as_deref(), Some("compact"));
    assert_eq!(rig.alter(topic, "a", &[("retention.ms", 1, None), ("cleanup.policy", 1, None)]).0, ErrorCode::None);
    assert_eq!(rig.image().resources().count(), 0);
}

#[test]
fn settings_that_cannot_be_leave_everything_as_it_was() {
    let mut rig = Rig::new(&[]);
    rig.create(alloc::vec![named("a")]);
    let topic = Resource::TOPIC;
    let two = [("retention.ms", 0, Some("5")), ("segment.bytes", 0, Some("5"))];
    for (name, steps, expected) in [
        ("a", &two[..], ErrorCode::InvalidConfig),
        ("a", &[("retention.ms", 2, Some("5"))], ErrorCode::InvalidConfig),
        ("a", &[("retention.ms", 0, None)], ErrorCode::InvalidRequest),
        ("a", &[("retention.ms", 7, Some("5"))], ErrorCode::InvalidRequest),
        ("a", &[("retention.ms", 0, Some("5")), ("retention.ms", 1, None)], ErrorCode::InvalidRequest),
        ("b", &[("retention.ms", 0, Some("5"))], ErrorCode::UnknownTopicOrPartition),
        ("", &[("retention.ms", 0, Some("5"))], ErrorCode::InvalidRequest),
    ] {
        assert_eq!(rig.alter(topic, name, steps).0, expected, "{name} {steps:?}");
    }
    assert_eq!(rig.alter(Resource::BROKER_LOGGER, "1", &[("root", 0, Some("DEBUG"))]).0, ErrorCode::InvalidRequest);
    for (kind, said) in
        [(16, "client metrics (type 16)"), (32, "groups (type 32)"), (77, "resources of an unknown kind (type 77)")]
    {
        let (error, why) = rig.alter(kind, "1", &[("root", 0, Some("DEBUG"))]);
        assert_eq!((error, why), (ErrorCode::InvalidRequest, alloc::format!("{said} have no settings here")));
    }
    assert_eq!(rig.image().resources().count(), 0);
}

#[test]
fn brokers_take_settings_that_may_change_while_they_run() {
    let mut rig = Rig::new(&[]);
    let broker = Resource::BROKER;
    assert_eq!(rig.alter(broker, "1", &[("log.retention.ms", 0, Some("5"))]).0, ErrorCode::None);
    assert_eq!(rig.alter(broker, "", &[("log.retention.ms", 0, Some("6"))]).0, ErrorCode::None);
    let [all, own] = rig.image().broker_settings(ME);
    assert_eq!((all[0].value.as_str(), own[0].value.as_str()), ("6", "5"));
    let overlaid = rig.config.overlaid(all.into_iter().chain(own)).expect("allowed");
    assert_eq!(overlaid.topic.log.retention_age, Some(core::time::Duration::from_millis(5)));
    assert_eq!(rig.alter(broker, "1", &[("num.partitions", 0, Some("5"))]).0, ErrorCode::InvalidRequest);
    assert_eq!(rig.alter(broker, "1", &[("no.such", 0, Some("5"))]).0, ErrorCode::InvalidConfig);
    assert_eq!(rig.alter(broker, "1", &[("message.max.bytes", 0, Some("-5"))]).0, ErrorCode::InvalidRequest);
    assert_eq!(rig.alter(broker, "2", &[("log.retention.ms", 0, Some("5"))]).0, ErrorCode::InvalidRequest);
    assert_eq!(rig.alter(broker, "one", &[("log.retention.ms", 0, Some("5"))]).0, ErrorCode::InvalidRequest);
    assert_eq!(rig.alter(broker, "+1", &[("log.retention.ms", 0, Some("5"))]).0, ErrorCode::InvalidRequest);
    assert_eq!(rig.alter(broker, "", &[("listeners", 0, Some("PLAINTEXT://:1"))]).0, ErrorCode::InvalidRequest);
}

#[test]
fn the_older_request_resets_what_it_does_not_name() {
    let mut rig = Rig::new(&[]);
    rig.create(alloc::vec![with_setting("a", "retention.ms", Some("5"))]);
    let config = alter_configs::AlterableConfig { name: "retention.bytes".into(), value: Some("7".into()) };
    let resource = alter_configs::AlterConfigsResource {
        resource_type: Resource::TOPIC,
        resource_name: "a".into(),
        configs: alloc::vec![config],
    };
    let twice = alloc::vec![resource.clone(), resource.clone()];
    let ask = |resources| Ask::AlterConfigs(AlterConfigsRequest { resources, validate_only: false });
    let codes = |reply| match reply {
        Reply::Response(Response::AlterConfigs(response)) => {
            response.responses.iter().map(|one| error(one.error_code)).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(codes(rig.ask(&ask(twice))), [ErrorCode::InvalidRequest, ErrorCode::InvalidRequest]);
    assert_eq!(codes(rig.ask(&ask(alloc::vec![resource]))), [ErrorCode::None]);
    assert_eq!(rig.setting(Resource::TOPIC, "a", "retention.ms"), None);
    assert_eq!(rig.setting(Resource::TOPIC, "a", "retention.bytes").as_deref(), Some("7"));
}

#[test]
fn no_producer_id_is_given_out_twice() {
    let mut rig = Rig::new(&[]);
    let epoch = rig.image().broker(ME).expect("registered").epoch;
    let mut next = 0;
    for _ in 0..5 {
        let Reply::ProducerIds(Ok(ids)) = rig.ask(&Ask::AllocateProducerIds { broker: ME, epoch }) else {
            panic!("ids")
        };
        assert_eq!((ids.first.0, ids.count), (next, 1000));
        next += 1000;
    }
    let stale = Ask::AllocateProducerIds { broker: ME, epoch: BrokerEpoch(99) };
    assert_eq!(rig.ask(&stale), Reply::ProducerIds(Err(ErrorCode::StaleBrokerEpoch)));
    let stranger = Ask::AllocateProducerIds { broker: BrokerId(8), epoch };
    assert_eq!(rig.ask(&stranger), Reply::ProducerIds(Err(ErrorCode::BrokerIdNotRegistered)));
}

#[test]
fn decisions_build_on_what_is_not_committed_yet() {
    let mut rig = Rig::new(&[]);
    let ask =
        Ask::CreateTopics(CreateTopicsRequest { topics: alloc::vec![named("a")], ..CreateTopicsRequest::default() });
    let mut decide = |controller: &Controller| {
        let mut cx = Cx { now: Now::default(), config: &rig.config, rng: &mut rig.rng, notes: &mut rig.notes };
        controller.decide(&mut cx, &ask)
    };
    let mut controller = rig.controller.clone();
    let base = controller.head().end();
    let first = decide(&controller);
    controller.apply(base, &first.records).expect("fits");
    assert!(decide(&controller).records.is_empty(), "it exists, though nobody may see it yet");
    assert!(controller.committed(base).is_empty());
    let public = controller.committed(base.plus(first.records.len() as i64));
    assert_eq!(public.iter().map(|delta| delta.topics_created().len()).sum::<usize>(), 1);
    assert!(controller.committed(Offset(i64::MAX)).is_empty());
}

#[test]
fn values_without_measure_are_refused() {
    let mut rig = Rig::new(&[]);
    let long = "1:2,".repeat(10_000) + "1:2";
    let name = "leader.replication.throttled.replicas";
    assert_eq!(rig.error_of(with_setting("a", name, Some(&long))).0, ErrorCode::InvalidConfig);
    rig.create(alloc::vec![named("a")]);
    assert_eq!(rig.alter(Resource::TOPIC, "a", &[(name, 0, Some(&long))]).0, ErrorCode::InvalidConfig);
    assert_eq!(rig.alter(Resource::TOPIC, "a", &[(name, 0, Some("1:2"))]).0, ErrorCode::None);
}

/// Small numbers that mean something, and any others.
fn number() -> impl Strategy<Value = i32> {
    prop_oneof![4 => -2i32..6, 1 => any::<i32>()]
}

proptest! {
    #[test]
    fn whatever_is_asked_the_image_is_what_the_log_says(asks in prop::collection::vec((0u8..8, 0u8..5, number()), 0..40)) {
        let mut rig = Rig::new(&[]);
        for (kind, number, count) in asks {
            let name = alloc::format!("t.{number}");
            match kind {
                0 => {
                    rig.create(alloc::vec![CreatableTopic { num_partitions: count, ..named(&name) }]);
                }
                1 => {
                    rig.delete(by_names(&[&name]), 5);
                }
                2 => {
                    rig.grow(CreatePartitionsTopic { name: name.as_str().into(), count, assignments: None });
                }
                3 => {
                    rig.alter(Resource::TOPIC, &name, &[("retention.ms", number as i8 % 4, Some("5"))]);
                }
                4 => {
                    rig.alter(Resource::BROKER, "", &[("log.retention.ms", number as i8 % 2, Some("7"))]);
                }
                6 => {
                    let assignments = [(count, &[count][..]), (0, &[1]), (count / 2, &[1, number.into()])];
                    rig.create(alloc::vec![assigned(&name, &assignments[..1 + usize::from(number) % 3])]);
                }
                5 => {
                    let epoch = rig.image().broker(ME).expect("registered").epoch;
                    rig.ask(&Ask::AllocateProducerIds { broker: ME, epoch });
                }
                _ => {
                    rig.register(1 + i32::from(number % 2), None);
                }
            }
        }
        let empty: Arc<Image> = Arc::default();
        let (replayed, delta) = crate::metadata::advance(&empty, Offset::ZERO, &rig.log).expect("fits");
        prop_assert_eq!(&replayed, rig.controller.head());
        prop_assert_eq!(delta.logs(ME).len(), Delta::from_nothing(replayed).logs(ME).len());
    }
}

#[test]
fn whoever_gives_no_time_is_refused_and_nothing_happens() {
    let mut rig = Rig::new(&[]);
    rig.create(alloc::vec![named("there")]);
    let late = ErrorCode::RequestTimedOut.code();
    for timeout_ms in [0, -1] {
        let topics = alloc::vec![named("new")];
        let created = rig.create_as(CreateTopicsRequest { topics, timeout_ms, ..CreateTopicsRequest::default() });
        assert_eq!((created[0].error_code, rig.image().topic_named("new").is_none()), (late, true));
        let deleted = rig.delete(DeleteTopicsRequest { timeout_ms, ..by_names(&["there"]) }, 3);
        assert_eq!((deleted[0].error_code, rig.image().topic_named("there").is_some()), (late, true));
        let topics = alloc::vec![CreatePartitionsTopic { name: Str::from("there"), count: 9, assignments: None }];
        let request = CreatePartitionsRequest { topics, timeout_ms, validate_only: false };
        let Reply::Response(Response::CreatePartitions(grown)) = rig.ask(&Ask::CreatePartitions(request)) else {
            panic!("a response");
        };
        assert_eq!(grown.results[0].error_code, late);
    }
}
