//! Who says what to whom: the streams of bytes between two ends, taken apart into requests and answers again.

use crate::clock::At;
use crate::net::{Door, End, LinkId, Plug, Who};
use crate::settings::CONTROLLER_PORT;
use bytes::Bytes;
use ottla_core::msg::ApiKey;
use ottla_core::wire::{REQUEST_BUDGET_BYTES, Reader, read_request_frame, read_request_head, read_response_frame};
use std::collections::BTreeMap;

/// What a message is about; the page shows and hides them by this.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Votes and reigns of the metadata quorum.
    Vote,
    /// What brokers and controllers decide and carry out.
    Control,
    /// A broker is there; versions are asked for.
    Heartbeat,
    /// The metadata log is fetched.
    Metadata,
    /// Records are fetched by followers.
    Replica,
    /// A client writes.
    Produce,
    /// All else that clients say.
    Client,
}

impl Kind {
    /// All of them, those first that matter most.
    pub const ALL: [Self; 7] =
        [Self::Vote, Self::Control, Self::Produce, Self::Replica, Self::Metadata, Self::Heartbeat, Self::Client];

    /// Its name in the page's classes.
    pub fn class(self) -> &'static str {
        match self {
            Self::Vote => "vote",
            Self::Control => "control",
            Self::Heartbeat => "heartbeat",
            Self::Metadata => "metadata",
            Self::Replica => "replica",
            Self::Produce => "produce",
            Self::Client => "client",
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vote => "votes and reigns",
            Self::Control => "decisions (AlterPartition, registrations, …)",
            Self::Heartbeat => "heartbeats, greetings",
            Self::Metadata => "fetches of metadata",
            Self::Replica => "fetches of replicas",
            Self::Produce => "writes of clients",
            Self::Client => "other requests of clients",
        }
    }

    /// Whether a page shows it before anybody asks.
    pub fn is_shown(self) -> bool {
        matches!(self, Self::Vote | Self::Control)
    }

    fn of(api: ApiKey, (opener, door): (Who, Door)) -> Self {
        let is_vote = matches!(
            api,
            ApiKey::Vote
                | ApiKey::BeginQuorumEpoch
                | ApiKey::EndQuorumEpoch
                | ApiKey::AddRaftVoter
                | ApiKey::RemoveRaftVoter
                | ApiKey::UpdateRaftVoter
        );
        match opener {
            Who::Client(_) if api == ApiKey::Produce => Self::Produce,
            Who::Client(_) => Self::Client,
            Who::Machine(_) if is_vote => Self::Vote,
            Who::Machine(_) if matches!(api, ApiKey::BrokerHeartbeat | ApiKey::ApiVersions) => Self::Heartbeat,
            Who::Machine(_) if api == ApiKey::Fetch && door.port == CONTROLLER_PORT => Self::Metadata,
            Who::Machine(_) if api == ApiKey::Fetch => Self::Replica,
            Who::Machine(_) => Self::Control,
        }
    }
}

/// A request, or the answer to one.
pub struct Said {
    /// When it set out.
    pub at: At,
    /// When it was there; none if it never was.
    pub arrives: Option<At>,
    /// From whom.
    pub from: Who,
    /// To whom.
    pub to: Who,
    /// What it is about.
    pub kind: Kind,
    /// It answers a request.
    pub is_answer: bool,
    api: ApiKey,
    version: i16,
    link: LinkId,
    length: usize,
    /// Without its length; nothing if it is long.
    frame: Bytes,
}

impl Said {
    /// For people: what it is, and what is in it as far as that is short.
    pub fn text(&self) -> String {
        let Self { api, version, length, .. } = self;
        let what = if self.is_answer { "answer" } else { "request" };
        let mut reader = Reader::new(&self.frame, REQUEST_BUDGET_BYTES);
        let body = match self.is_answer {
            _ if self.frame.is_empty() => None,
            false => read_request_frame(&mut reader).ok().map(|(_, body)| format!("{body:?}")),
            true => read_response_frame(&mut reader, *api, *version).ok().map(|(_, body)| format!("{body:?}")),
        };
        let body: String = body.unwrap_or_default().chars().take(TEXT_CHARS_MAX).collect();
        let lost = if self.arrives.is_none() { ", never arrives" } else { "" };
        format!("{api:?} {what}, version {version}, {length} bytes, over {:?}{lost}\n{body}", self.link)
    }
}

/// All that was said.
#[derive(Default)]
pub struct Talk {
    /// In the order in which it set out.
    pub said: Vec<Said>,
    /// What an end has yet to be sent before a frame is whole.
    begun: BTreeMap<Plug, Vec<u8>>,
    /// Requests by their connection and number.
    asked: BTreeMap<(LinkId, i32), (ApiKey, i16)>,
    /// What was said over each connection.
    by_link: BTreeMap<LinkId, Vec<usize>>,
}

/// The ends of a connection.
#[derive(Clone, Copy)]
pub struct Ends {
    /// Who opened it.
    pub opener: Who,
    /// Where it leads to.
    pub door: Door,
    /// The machine there.
    pub accepter: Who,
}

impl Talk {
    /// Bytes set out to an end, and arrive there some time if they do.
    pub fn sent(&mut self, ends: Ends, to: Plug, bytes: &Bytes, (at, arrives): (At, Option<At>)) {
        let held = self.begun.entry(to).or_default();
        held.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while let Some(length) = held.first_chunk::<4>().map(|length| i32::from_be_bytes(*length))
            && let Ok(length) = usize::try_from(length)
            && held.len() >= 4 + length
        {
            let frame: Vec<u8> = held.drain(..4 + length).skip(4).collect();
            frames.push(Bytes::from(frame));
        }
        for frame in frames {
            let Some((api, version)) = self.api_of(to, &frame) else { continue };
            let is_answer = to.end == End::Opener;
            let (from, to_whom) = if is_answer { (ends.accepter, ends.opener) } else { (ends.opener, ends.accepter) };
            self.by_link.entry(to.link).or_default().push(self.said.len());
            self.said.push(Said {
                at,
                arrives,
                from,
                to: to_whom,
                kind: Kind::of(api, (ends.opener, ends.door)),
                is_answer,
                api,
                version,
                link: to.link,
                length: frame.len(),
                frame: if frame.len() <= FRAME_BYTES_MAX { frame } else { Bytes::new() },
            });
        }
    }

    /// A connection broke: what was on its way is lost.
    pub fn severed(&mut self, now: At, link: LinkId) {
        for number in self.by_link.get(&link).into_iter().flatten() {
            let said = &mut self.said[*number];
            said.arrives = said.arrives.filter(|at| *at <= now);
        }
    }

    /// What a frame asks for, or answers.
    fn api_of(&mut self, to: Plug, frame: &Bytes) -> Option<(ApiKey, i16)> {
        match to.end {
            End::Accepter => {
                let head = read_request_head(&mut Reader::new(frame, REQUEST_BUDGET_BYTES)).ok()?;
                self.asked.insert((to.link, head.correlation_id), (head.api, head.version));
                Some((head.api, head.version))
            }
            End::Opener => {
                let number = frame.first_chunk::<4>().map(|number| i32::from_be_bytes(*number))?;
                self.asked.remove(&(to.link, number))
            }
        }
    }
}

/// The longest frame whose content is kept.
const FRAME_BYTES_MAX: usize = 4 << 10;
/// The most of a content that is shown.
const TEXT_CHARS_MAX: usize = 400;

#[cfg(test)]
#[path = "talk_test.rs"]
mod talk_test;
