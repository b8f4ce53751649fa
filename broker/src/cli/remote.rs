//! Brokers as the tools see them: one blocking connection each, one request at a time.

use ottla_core::conn::client::Client;
use ottla_core::msg::api_versions::{ApiVersion, ApiVersionsRequest};
use ottla_core::msg::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic};
use ottla_core::msg::{ApiKey, Request, Response};
use ottla_core::types::ErrorCode;
use std::collections::BTreeMap;
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// One connection to one broker.
pub struct Remote {
    address: String,
    stream: TcpStream,
    client: Client,
    versions: Vec<ApiVersion>,
}

/// The brokers of a cluster, reached from one of them.
pub struct Cluster {
    first: Remote,
    /// What the last Metadata answer says of them.
    addresses: BTreeMap<i32, String>,
    others: BTreeMap<i32, Remote>,
}

impl Remote {
    /// Connects, and learns what the broker speaks.
    pub fn connect(address: &str) -> Result<Self, String> {
        let explain = |fault: &dyn std::fmt::Display| {
            format!("no broker at {address} ({fault}): start one with `ottla`, or name another with --broker HOST:PORT")
        };
        let resolved = address.to_socket_addrs().map_err(|fault| explain(&fault))?;
        let mut last = None;
        for candidate in resolved {
            match TcpStream::connect_timeout(&candidate, CONNECT_MAX) {
                Ok(stream) => return Self::begin(address, stream),
                Err(fault) => last = Some(fault),
            }
        }
        Err(last.map_or_else(|| explain(&"the name has no address"), |fault| explain(&fault)))
    }

    fn begin(address: &str, stream: TcpStream) -> Result<Self, String> {
        let lost = |fault: io::Error| format!("{address}: {fault}");
        stream.set_nodelay(true).map_err(lost)?;
        stream.set_read_timeout(Some(ANSWER_MAX)).map_err(lost)?;
        let client = Client::new("ottla-cli".into(), ANSWER_BYTES_MAX);
        let mut remote = Self { address: address.into(), stream, client, versions: Vec::new() };
        let hello = ApiVersionsRequest {
            client_software_name: "ottla".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..Default::default()
        };
        let Response::ApiVersions(told) = remote.exchange(&hello.into(), 3)? else { return Err(odd(address)) };
        check(told.error_code, "ApiVersions")?;
        remote.versions = told.api_keys;
        Ok(remote)
    }

    /// Sends a request in the highest version that both sides speak, but at most `version_max`, and waits for the answer.
    pub fn call(&mut self, body: impl Into<Request>, version_max: i16) -> Result<Response, String> {
        let body = body.into();
        let api = body.api_key();
        let facts = api.facts();
        let theirs = self.versions.iter().find(|range| range.api_key == api.code());
        let version = theirs.map_or(-1, |range| range.max_version).min(facts.last).min(version_max);
        if version < facts.first || theirs.is_none_or(|range| version < range.min_version) {
            return Err(format!("{} does not speak {} in a version that this tool does", self.address, facts.name));
        }
        self.exchange(&body, version)
    }

    fn exchange(&mut self, body: &Request, version: i16) -> Result<Response, String> {
        let lost = |fault: io::Error| match fault.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "the broker does not answer".to_owned(),
            _ => format!("the connection to the broker is lost: {fault}"),
        };
        let name = body.api_key().facts().name;
        let (_, chunks) = self.client.request(body, version).map_err(|fault| format!("{name}: {fault}"))?;
        let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let sent = self.stream.write_vectored(rest).map_err(lost)?;
            IoSlice::advance_slices(&mut rest, sent);
        }
        if self.client.waiting() == 0 {
            return Err(odd(&self.address));
        }
        let (mut answers, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
        loop {
            let len = self.stream.read(&mut buffer).map_err(lost)?;
            if len == 0 {
                return Err(format!("{} closed the connection", self.address));
            }
            let bytes = bytes::Bytes::copy_from_slice(&buffer[..len]);
            self.client.received(bytes, &mut answers).map_err(|fault| format!("{}: {fault}", self.address))?;
            if let Some(answer) = answers.pop() {
                return Ok(answer.body);
            }
        }
    }
}

impl Cluster {
    /// Reaches a cluster through one of its brokers.
    pub fn connect(address: &str) -> Result<Self, String> {
        Ok(Self { first: Remote::connect(address)?, addresses: BTreeMap::new(), others: BTreeMap::new() })
    }

    /// The broker that was named.
    pub fn any(&mut self) -> &mut Remote {
        &mut self.first
    }

    /// What the cluster says of these topics, or of all.
    pub fn metadata(&mut self, topics: Option<&[&str]>, may_create: bool) -> Result<MetadataResponse, String> {
        let named = |name: &&str| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() };
        let request = MetadataRequest {
            topics: topics.map(|names| names.iter().map(named).collect()),
            allow_auto_topic_creation: may_create,
            ..Default::default()
        };
        let Response::Metadata(told) = self.first.call(request, ApiKey::Metadata.facts().last)? else {
            return Err(odd(&self.first.address));
        };
        self.addresses = told.brokers.iter().map(|one| (one.node_id, format!("{}:{}", one.host, one.port))).collect();
        Ok(told)
    }

    /// What the cluster says of one topic, which exists.
    pub fn topic(&mut self, name: &str, may_create: bool) -> Result<MetadataResponseTopic, String> {
        for _ in 0..TRIES {
            let told = self.metadata(Some(&[name]), may_create)?;
            let topic = told.topics.into_iter().next().ok_or_else(|| odd(&self.first.address))?;
            let is_fresh = topic.error_code == ErrorCode::LeaderNotAvailable.code()
                || may_create && topic.error_code == ErrorCode::UnknownTopicOrPartition.code()
                || topic.partitions.iter().any(|partition| partition.leader_id < 0);
            if !is_fresh {
                check(topic.error_code, &format!("topic {name}"))?;
                return Ok(topic);
            }
            std::thread::sleep(PAUSE);
        }
        Err(format!("topic {name}: it has no leader yet"))
    }

    /// The broker of this number, as the last Metadata answer has it.
    pub fn broker(&mut self, id: i32) -> Result<&mut Remote, String> {
        if !self.others.contains_key(&id) {
            let address = self.addresses.get(&id).ok_or_else(|| format!("the cluster names no broker {id}"))?;
            let remote = Remote::connect(address)?;
            self.others.insert(id, remote);
        }
        Ok(self.others.get_mut(&id).expect("it was just put there"))
    }
}

/// An error code as a sentence.
pub fn check(code: i16, what: &str) -> Result<(), String> {
    check_with(code, None, what)
}

/// The same with what the broker says of it.
pub fn check_with(code: i16, message: Option<&str>, what: &str) -> Result<(), String> {
    match (ErrorCode::from_code(code), message) {
        (Some(ErrorCode::None), _) => Ok(()),
        (_, Some(message)) if !message.is_empty() => Err(format!("{what}: {message}")),
        (Some(error), _) => Err(format!("{what}: {error:?}")),
        (None, _) => Err(format!("{what}: error {code}")),
    }
}

/// The answer is one to another question.
pub fn odd(address: &str) -> String {
    format!("{address} answers something else than it was asked")
}

const CONNECT_MAX: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(70);
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
const READ_BYTES: usize = 256 * 1024;
const TRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);
