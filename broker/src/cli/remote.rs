//! One broker as the tools see it: a blocking connection.

use super::mistake::{Mistake, check};
use super::{Done, interrupt};
use bytes::BytesMut;
use ottla_core::conn::client::{Answer, Client};
use ottla_core::msg::api_versions::{ApiVersion, ApiVersionsRequest};
use ottla_core::msg::{ApiKey, Request, Response};
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// One connection to one broker. Requests are answered in their order.
pub struct Remote {
    address: String,
    stream: TcpStream,
    client: Client,
    versions: Vec<ApiVersion>,
    answers: Vec<Answer>,
}

impl Remote {
    /// Connects, and learns what the broker speaks.
    pub fn connect(address: &str) -> Done<Self> {
        let nobody = |fault: &dyn std::fmt::Display| {
            Mistake::lost(format!("no broker at {address} ({fault})"))
                .then("start one with `ottla`, or name another with --bootstrap-server HOST:PORT")
        };
        let resolved = address.to_socket_addrs().map_err(|fault| nobody(&fault))?;
        let mut last = None;
        for candidate in resolved {
            match TcpStream::connect_timeout(&candidate, CONNECT_MAX) {
                Ok(stream) => return Self::begin(address, stream),
                Err(fault) => last = Some(fault),
            }
        }
        Err(last.map_or_else(|| nobody(&"the name has no address"), |fault| nobody(&fault)))
    }

    fn begin(address: &str, stream: TcpStream) -> Done<Self> {
        let lost = |fault: io::Error| Mistake::lost(format!("{address}: {fault}"));
        stream.set_nodelay(true).map_err(lost)?;
        stream.set_read_timeout(Some(SLICE)).map_err(lost)?;
        stream.set_write_timeout(Some(ANSWER_MAX)).map_err(lost)?;
        let client = Client::new("ottla-cli".into(), ANSWER_BYTES_MAX);
        let (address, versions, answers) = (address.to_owned(), Vec::new(), Vec::new());
        let mut remote = Self { address, stream, client, versions, answers };
        let hello = ApiVersionsRequest {
            client_software_name: "ottla".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..Default::default()
        };
        remote.write(&hello.into(), HELLO_VERSION)?;
        let Response::ApiVersions(told) = remote.receive(ANSWER_MAX)? else { return Err(remote.odd()) };
        check(told.error_code, None, "ApiVersions")?;
        remote.versions = told.api_keys;
        Ok(remote)
    }

    /// Sends a request in the highest version that both sides speak, and waits for the answer.
    pub fn call(&mut self, body: impl Into<Request>) -> Done<Response> {
        self.send(body)?;
        self.receive(ANSWER_MAX)
    }

    /// Sends a request; [`Remote::receive`] brings its answer, unless it is a Produce with `acks=0`.
    pub fn send(&mut self, body: impl Into<Request>) -> Done<()> {
        let body = body.into();
        let api = body.api_key();
        let facts = api.facts();
        let last = facts.last.min(named_last(api));
        let theirs = self.versions.iter().find(|range| range.api_key == api.code());
        let version = theirs.map_or(-1, |range| range.max_version).min(last);
        if version < facts.first || theirs.is_none_or(|range| version < range.min_version) {
            let what = format!("{} does not speak {} in a version that this tool does", self.address, facts.name);
            return Err(Mistake::new(what).then("it needs Ottla, or a newer Kafka"));
        }
        self.write(&body, version)
    }

    fn write(&mut self, body: &Request, version: i16) -> Done<()> {
        let name = body.api_key().facts().name;
        let (_, chunks) =
            self.client.request(body, version).map_err(|fault| Mistake::new(format!("{name} {version}: {fault}")))?;
        let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let sent = self.stream.write_vectored(rest).map_err(|fault| lost(&self.address, &fault))?;
            if sent == 0 {
                return Err(Mistake::lost(format!("{} takes nothing any more", self.address)));
            }
            IoSlice::advance_slices(&mut rest, sent);
        }
        Ok(())
    }

    /// Waits for the next answer. Ctrl-C shortens the wait.
    pub fn receive(&mut self, patience: Duration) -> Done<Response> {
        let started = Instant::now();
        let (mut asked_at, mut is_told) = (None, false);
        while self.answers.is_empty() {
            if started.elapsed() > patience {
                let silent = Mistake::lost(format!("{} does not answer", self.address));
                return Err(silent.then("is it overloaded, or without a controller? its log says, and its /health"));
            }
            if started.elapsed() > SILENCE && !is_told {
                is_told = true;
                eprintln!("{} has not answered for {SILENCE:?}; waiting for {patience:?} at most", self.address);
            }
            if interrupt::is_asked() && asked_at.get_or_insert_with(Instant::now).elapsed() > GRACE {
                return Err(Mistake::interrupted());
            }
            self.read()?;
        }
        Ok(self.answers.remove(0).body)
    }

    fn read(&mut self) -> Done<()> {
        let mut buffer = BytesMut::zeroed(READ_BYTES);
        let len = match self.stream.read(&mut buffer) {
            Ok(0) => return Err(Mistake::lost(format!("{} closed the connection", self.address))),
            Ok(len) => len,
            Err(fault) if is_pause(&fault) => return Ok(()),
            Err(fault) => return Err(lost(&self.address, &fault)),
        };
        buffer.truncate(len);
        let received = self.client.received(buffer.freeze(), &mut self.answers);
        received.map_err(|fault| Mistake::new(format!("{}: {fault}", self.address)).then("is it a Kafka broker?"))
    }

    /// The answer is one to another question.
    pub fn odd(&self) -> Mistake {
        Mistake::odd(&self.address)
    }
}

/// The last version that names topics by their names: later ones only know their ids.
fn named_last(api: ApiKey) -> i16 {
    match api {
        ApiKey::Produce | ApiKey::Fetch => 12,
        ApiKey::OffsetCommit | ApiKey::OffsetFetch => 9,
        // From version 6 on a group that does not exist is an error; before, it is in state Dead.
        ApiKey::DescribeGroups => 5,
        other => other.facts().last,
    }
}

fn is_pause(fault: &io::Error) -> bool {
    matches!(fault.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn lost(address: &str, fault: &io::Error) -> Mistake {
    Mistake::lost(format!("the connection to {address} is lost: {fault}"))
}

/// Every broker since Kafka 2.4 answers it.
const HELLO_VERSION: i16 = 3;
const CONNECT_MAX: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(40);
/// After so long it is said that there is no answer yet.
const SILENCE: Duration = Duration::from_secs(5);
/// How long one read waits, and so how late Ctrl-C is seen at most.
const SLICE: Duration = Duration::from_millis(200);
/// What an answer still gets after Ctrl-C, so that offsets are committed and groups left.
const GRACE: Duration = Duration::from_secs(3);
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
const READ_BYTES: usize = 256 * 1024;
