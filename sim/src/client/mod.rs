//! Model clients: each speaks wire bytes over one connection at a time, as a real client does, and reports what it did and
//! saw to the model.
//!
//! [`Peer`] connects, asks, times out and reconnects; the [`Actor`] inside it decides what to ask.

pub mod admin;
pub mod batch;
pub mod consumer;
pub mod directory;
pub mod member;
pub mod mover;
pub mod outlaw;
pub mod producer;
pub mod recycler;
pub mod tuner;
pub mod turnover;
mod versions;

pub use versions::Versions;

use crate::clock::At;
use crate::model::Model;
use crate::net::{LinkId, joined};
use bytes::Bytes;
use ottla_core::conn::client::{Answer, Client};
use ottla_core::msg::api_versions::ApiVersionsRequest;
use ottla_core::msg::{ApiKey, Request, Response};
use ottla_core::types::{ErrorCode, ListenerType, Rng, Str};
use std::collections::VecDeque;
use std::time::Duration;

/// What happens to a client.
#[derive(Debug)]
pub enum Happened {
    /// The connection is usable.
    Up,
    /// The answer to a request.
    Answer {
        /// What the actor called the request.
        tag: u64,
        /// The answer.
        body: Response,
    },
    /// The connection is gone; these requests will not be answered, and may have taken effect.
    Down {
        /// In the order in which they were asked.
        lost: Vec<u64>,
    },
    /// Time has passed.
    Wake,
}

/// What a client may see and do while something happens to it.
pub struct Cx<'a> {
    /// World time.
    pub now: At,
    /// Chance of its own.
    pub rng: &'a mut Rng,
    /// What all clients know together.
    pub model: &'a mut Model,
    /// The versions of this connection.
    pub versions: &'a Versions,
    /// Whether the connection is usable.
    pub up: bool,
    /// Where the connection leads to.
    pub at: &'a Address,
    asks: Vec<(u64, Request)>,
    wake: Option<At>,
    hang_up: bool,
    home: Option<Address>,
}

/// A host and a port.
pub type Address = (Str, u16);

impl Cx<'_> {
    /// Asks the broker; the answer comes back under this tag.
    pub fn ask(&mut self, tag: u64, body: impl Into<Request>) {
        assert!(self.up, "only a connection that is up takes requests");
        self.asks.push((tag, body.into()));
    }

    /// Wakes the actor then, or earlier.
    pub fn wake_at(&mut self, at: At) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// Wakes the actor after a wait.
    pub fn wake_in(&mut self, wait: Duration) {
        self.wake_at(self.now + wait);
    }

    /// Breaks the connection off.
    pub fn hang_up(&mut self) {
        self.hang_up = true;
    }

    /// Goes on at another broker.
    pub fn move_to(&mut self, home: Address) {
        self.hang_up = true;
        self.home = Some(home);
        self.model.mark("clients moved");
    }
}

/// Who decides what a client does.
pub trait Actor {
    /// Something happened.
    fn happened(&mut self, cx: &mut Cx, what: Happened);
    /// It has nothing more to do.
    fn is_done(&self) -> bool;
    /// The faults are over and the run comes to its end: no new work.
    fn finish(&mut self);
}

/// What a client asks of the world.
#[derive(Debug)]
pub enum PeerOut {
    /// A new connection, please: to this address, or to whoever is known to be of the cluster.
    Connect(Option<Address>),
    /// Bytes for the broker.
    Send(LinkId, Bytes),
    /// The connection is closed from this side.
    HangUp(LinkId),
    /// Wake me then.
    Wake(At),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Waits until it may try to connect.
    Down { until: At },
    /// Has reached out.
    Connecting { since: At, link: Option<LinkId> },
    /// Asks which versions the broker speaks.
    Greeting(LinkId),
    /// Usable.
    Up(LinkId),
}

struct Asked {
    tag: u64,
    correlation_id: i32,
    deadline: At,
}

/// One client: an actor and its connection.
pub struct Peer {
    /// For traces.
    pub name: String,
    actor: Box<dyn Actor>,
    rng: Rng,
    state: State,
    /// Where it wants to be.
    home: Option<Address>,
    /// Where it is, or was last.
    at: Address,
    client: Option<Client>,
    asked: VecDeque<Asked>,
    versions: Versions,
    patience: Duration,
    /// When the actor wants to be woken.
    wake: Option<At>,
    /// When the world is going to wake us.
    booked: Option<At>,
}

impl Peer {
    /// A client that connects as soon as it is woken.
    pub fn new(name: String, actor: Box<dyn Actor>, mut rng: Rng) -> Self {
        let patience = Duration::from_millis(rng.between(2_000, 15_000));
        let state = State::Down { until: At::START };
        let versions = Versions::draw(&mut rng);
        Self {
            name,
            actor,
            rng,
            state,
            home: None,
            at: (Str::new(), 0),
            client: None,
            asked: VecDeque::new(),
            versions,
            patience,
            wake: None,
            booked: None,
        }
    }

    /// This is the connection that was asked for, and where it leads to.
    pub fn reached_out(&mut self, link: LinkId, at: Address) {
        self.at = at;
        if let State::Connecting { link: held, .. } = &mut self.state {
            *held = Some(link);
        }
    }

    /// Whether it has nothing more to do.
    pub fn is_done(&self) -> bool {
        self.actor.is_done()
    }

    /// No new work from now on.
    pub fn finish(&mut self) {
        self.actor.finish();
    }

    /// The broker accepted.
    pub fn connected(&mut self, now: At, link: LinkId, model: &mut Model, out: &mut Vec<PeerOut>) {
        if !matches!(self.state, State::Connecting { link: Some(held), .. } if held == link) {
            return out.push(PeerOut::HangUp(link));
        }
        self.versions = Versions::draw(&mut self.rng);
        self.client = Some(Client::new(Str::from(self.name.as_str()), 64 << 20));
        if self.rng.chance(1, 4) {
            self.state = State::Up(link);
            return self.act(now, model, Happened::Up, out);
        }
        self.state = State::Greeting(link);
        let body = ApiVersionsRequest {
            client_software_name: Str::from_static("ottla-sim"),
            client_software_version: Str::from_static("1"),
            ..Default::default()
        };
        self.send(now, link, 0, &body.into(), out);
        self.arrange(out);
    }

    /// Bytes came.
    pub fn received(&mut self, now: At, link: LinkId, bytes: Bytes, model: &mut Model, out: &mut Vec<PeerOut>) {
        if self.link() != Some(link) {
            return;
        }
        let mut answers = Vec::new();
        let client = self.client.as_mut().expect("a connection has its machine");
        if let Err(fault) = client.received(bytes, &mut answers) {
            return model.find("wire", format!("{}: {fault}", self.name));
        }
        for Answer { correlation_id, body } in answers {
            let asked = self.asked.pop_front().expect("an answer was asked for");
            assert_eq!(asked.correlation_id, correlation_id, "the connection machine keeps the order");
            if self.link() != Some(link) {
                return;
            }
            match self.state {
                State::Greeting(link) => self.greeted(now, link, body, model, out),
                State::Up(_) => self.act(now, model, Happened::Answer { tag: asked.tag, body }, out),
                State::Down { .. } | State::Connecting { .. } => return,
            }
        }
    }

    /// The connection is gone, or was refused.
    pub fn dropped(&mut self, now: At, link: LinkId, model: &mut Model, out: &mut Vec<PeerOut>) {
        let refused = matches!(self.state, State::Connecting { link: Some(held), .. } if held == link);
        if refused || self.link() == Some(link) {
            self.down(now, model, out);
        }
    }

    /// Time has passed.
    pub fn woken(&mut self, now: At, model: &mut Model, out: &mut Vec<PeerOut>) {
        self.booked = self.booked.filter(|at| *at > now);
        match self.state {
            State::Down { until } if until <= now => {
                self.state = State::Connecting { since: now, link: None };
                out.push(PeerOut::Connect(self.home.take()));
            }
            State::Connecting { since, .. } if since + self.patience <= now => self.down(now, model, out),
            State::Greeting(link) | State::Up(link) if self.overdue(now) => {
                model.mark("client time-outs");
                out.push(PeerOut::HangUp(link));
                self.down(now, model, out);
            }
            State::Down { .. } | State::Connecting { .. } | State::Greeting(_) | State::Up(_) => {}
        }
        if self.wake.is_some_and(|wake| wake <= now) {
            self.wake = None;
            return self.act(now, model, Happened::Wake, out);
        }
        self.arrange(out);
    }

    fn link(&self) -> Option<LinkId> {
        match self.state {
            State::Greeting(link) | State::Up(link) => Some(link),
            State::Down { .. } | State::Connecting { .. } => None,
        }
    }

    fn overdue(&self, now: At) -> bool {
        self.asked.front().is_some_and(|asked| asked.deadline <= now)
    }

    fn greeted(&mut self, now: At, link: LinkId, body: Response, model: &mut Model, out: &mut Vec<PeerOut>) {
        let Response::ApiVersions(versions) = body else { panic!("the codec keeps the kinds apart") };
        let known = |key: &ApiKey| versions.api_keys.iter().any(|api| api.api_key == key.code());
        if versions.error_code != ErrorCode::None.code()
            || !ApiKey::ALL.iter().all(|api| known(api) == api.is_on(ListenerType::Broker))
        {
            model.find("wire", format!("{}: ApiVersions says {versions:?}", self.name));
        }
        self.state = State::Up(link);
        self.act(now, model, Happened::Up, out);
    }

    fn down(&mut self, now: At, model: &mut Model, out: &mut Vec<PeerOut>) {
        let lost = self.asked.drain(..).map(|asked| asked.tag).collect();
        let was_up = matches!(self.state, State::Up(_));
        self.client = None;
        let backoff = Duration::from_millis(self.rng.between(20, 400));
        self.state = State::Down { until: now + backoff };
        match was_up {
            true => self.act(now, model, Happened::Down { lost }, out),
            false => self.arrange(out),
        }
    }

    fn act(&mut self, now: At, model: &mut Model, what: Happened, out: &mut Vec<PeerOut>) {
        let up = matches!(self.state, State::Up(_));
        let (rng, versions) = (&mut self.rng, &self.versions);
        let (at, asks, wake) = (&self.at, Vec::new(), self.wake);
        let mut cx = Cx { now, rng, model, versions, up, at, asks, wake, hang_up: false, home: None };
        if let Happened::Answer { body, .. } = &what {
            cx.model.tell(|| format!("is answered {body:?}"));
        }
        self.actor.happened(&mut cx, what);
        let Cx { asks, wake, hang_up, home, .. } = cx;
        self.wake = wake;
        if let State::Up(link) = self.state {
            for (tag, body) in &asks {
                model.tell(|| format!("asks {body:?}"));
                self.send(now, link, *tag, body, out);
            }
            if hang_up {
                out.push(PeerOut::HangUp(link));
                self.down(now, model, out);
                return self.head_for(now, home, out);
            }
        }
        self.arrange(out);
    }

    /// Whoever knows where to go on does so at once.
    fn head_for(&mut self, now: At, home: Option<Address>, out: &mut Vec<PeerOut>) {
        if let (Some(_), State::Down { until }) = (&home, &mut self.state) {
            *until = now;
            self.home = home;
            self.arrange(out);
        }
    }

    fn send(&mut self, now: At, link: LinkId, tag: u64, body: &Request, out: &mut Vec<PeerOut>) {
        let version = self.versions.of(body.api_key());
        let client = self.client.as_mut().expect("a connection has its machine");
        let waiting = client.waiting();
        let (correlation_id, chunks) = client
            .request(body, version)
            .unwrap_or_else(|fault| panic!("{}: {body:?} in version {version}: {fault}", self.name));
        out.push(PeerOut::Send(link, joined(chunks)));
        if client.waiting() > waiting {
            self.asked.push_back(Asked { tag, correlation_id, deadline: now + self.patience });
        }
    }

    fn arrange(&mut self, out: &mut Vec<PeerOut>) {
        let own = match self.state {
            State::Down { until } => Some(until),
            State::Connecting { since, .. } => Some(since + self.patience),
            State::Greeting(_) | State::Up(_) => self.asked.front().map(|asked| asked.deadline),
        };
        if let Some(at) = own.into_iter().chain(self.wake).min()
            && self.booked.is_none_or(|booked| at < booked)
        {
            self.booked = Some(at);
            out.push(PeerOut::Wake(at));
        }
    }
}
