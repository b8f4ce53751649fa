//! What a node asks of the world. An effect is a finished decision: no driver asks whether it is still allowed.

use super::action::{Action, Query};
use super::input::JobDone;
use super::note::Note;
use crate::msg::fetch::FetchResponse;
use crate::msg::{Request, Response};
use crate::record::{
    CheckedBatch, Compression, Functions, Proved, check_stored, find_by_time, find_max_time, recompress,
};
use crate::types::{BrokerId, CallId, ConnId, LogId, Offset, OpId, Str, Ticket, Wall};
use crate::wire::{Writer, encode_response};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::time::Duration;

/// One thing to be done. Effects of one step may be done in any order or in parallel, except those on the same log.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The answer to a ticket; `None` ends it in silence (`acks=0`).
    Reply {
        /// Whose.
        ticket: Ticket,
        /// The answer.
        body: Option<Response>,
    },
    /// The answer to a ticket, encoded already in the version of its request: what follows the header of its frame.
    Send {
        /// Whose.
        ticket: Ticket,
        /// The bytes of the answer.
        body: Bytes,
    },
    /// A fetch answer whose record bytes the store finds and the driver splices in. Ends in one `Served`.
    Serve {
        /// Whose.
        ticket: Ticket,
        /// The answer, all but the records.
        body: FetchResponse,
        /// What to splice in where, in the order of service.
        slots: Vec<Slot>,
        /// Bound on the records of all slots together. The first batch of the first slot that has one goes out even
        /// if it is larger than any bound (KIP-74).
        bytes_max: u32,
    },
    /// A request of our own to another node. Ends in one `Response`, after `wait` at the latest.
    Call {
        /// Its name.
        call: CallId,
        /// Over which connection.
        line: Arc<Line>,
        /// The request.
        body: Request,
        /// After so long without an answer its line is given up, with all that is under way on it.
        wait: Duration,
    },
    /// A change to a log. Ends in one `Done` once it is as durable as the mode promises.
    Store {
        /// Its name.
        op: OpId,
        /// Which log.
        log: LogId,
        /// The change.
        action: Action,
    },
    /// The log that is made next is to be in this data directory; a log of which this is not said is in the first.
    Place {
        /// Which log.
        log: LogId,
        /// The directory's place in the settings.
        directory: usize,
    },
    /// The log is to be in this data directory. If it is in another one it begins to be on its way; if it is there already, or on its
    /// way elsewhere, it is so no longer. What comes of it is told by `Moved`.
    Move {
        /// Which log.
        log: LogId,
        /// The directory's place in the settings.
        directory: usize,
    },
    /// The controller knows which directories were not to be trusted: what is in them from now on is as good as anything.
    Trust,
    /// So many bytes are copied in a second by all moves together.
    MovesThrottled(u64),
    /// A question to a log. Ends in one `Done`.
    Read {
        /// Its name.
        op: OpId,
        /// Which log.
        log: LogId,
        /// The question.
        query: Query,
    },
    /// A pure function that would take too long for a step. Ends in one `Done`.
    Job {
        /// Its name.
        op: OpId,
        /// The work.
        job: Job,
    },
    /// Close this connection. Its tickets end with the `Closed` that follows.
    Hangup {
        /// Which.
        conn: ConnId,
    },
    /// Nothing right can be done any more; the only right move is to stop the process.
    Halt {
        /// Why.
        fault: Fault,
    },
}

/// A connection that a node makes to another one. Its driver opens it when the first call comes and again after a loss;
/// calls of one line are made in their order, and answered in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Line {
    /// To whom.
    pub to: BrokerId,
    /// Where that is: the host.
    pub host: Str,
    /// And the port.
    pub port: u16,
    /// What for.
    pub purpose: Purpose,
}

/// What a line is for. Whatever waits at the other end has a line of its own, so that it holds nobody up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Purpose {
    /// A broker's own asks of the controller. That it stands is the broker's lease: the controller acts at once when it
    /// breaks.
    Lease,
    /// Fetches of the metadata log.
    Metadata,
    /// Votes, and who leads, among the voters of the metadata quorum.
    Quorum,
    /// Fetches of the replicas of one lane, by its number.
    Replicas(usize),
    /// What clients asked and only the controller can answer.
    Forward,
}

/// Where record bytes belong in a fetch answer, and which.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Slot {
    /// Index into `responses` of the answer.
    pub topic: usize,
    /// Index into `partitions` of that topic.
    pub partition: usize,
    /// The log to read.
    pub log: LogId,
    /// The first batch is the one that holds this offset.
    pub from: Offset,
    /// No batch that begins at or after this offset is served: the high watermark, or the last stable offset.
    pub end: Offset,
    /// Bound on the bytes of this slot.
    pub bytes_max: u32,
}

/// Work that needs no state: a function of its arguments, run off the node's thread.
#[derive(Clone, Debug)]
pub enum Job {
    /// Find the first record of the batch at or behind `from` with a timestamp of at least `target`.
    FindTime {
        /// Where to look.
        batch: CheckedBatch,
        /// The log's start, which may lie inside the batch.
        from: Offset,
        /// The wanted time.
        target: Wall,
    },
    /// Find the first record of the batch that has its maximum timestamp.
    FindMaxTime {
        /// Where to look.
        batch: CheckedBatch,
    },
    /// Write the batch anew in another compression.
    Recompress {
        /// The batch as it came.
        batch: Proved,
        /// The compression that the topic demands.
        to: Compression,
    },
    /// Look at the checksums of runs of batches.
    Check(Vec<Bytes>),
    /// Encode an answer that is large.
    Encode {
        /// The version to write it in.
        version: i16,
        /// The answer.
        body: Response,
    },
}

/// How long the answer is on the wire; nothing if it has no form there.
pub fn answer_bytes(version: i16, body: &Response) -> usize {
    let mut writer = Writer::new();
    encode_response(body, version, &mut writer).map_or(0, |()| writer.len())
}

impl Job {
    /// Does the work: a function of its arguments, on whatever thread. A batch whose records cannot be read holds no
    /// record of any time.
    pub fn run(self, functions: &Functions) -> JobDone {
        match self {
            Self::FindTime { batch, from, target } => {
                JobDone::Time(find_by_time(&batch, from, target, functions).unwrap_or(None))
            }
            Self::FindMaxTime { batch } => JobDone::Time(find_max_time(&batch, functions).unwrap_or(None)),
            Self::Recompress { batch, to } => JobDone::Recompressed(recompress(&batch, to, functions)),
            Self::Check(runs) => {
                let check = |run| check_stored(run, functions).collect::<Result<Vec<_>, _>>().ok();
                JobDone::Checked(runs.into_iter().map(check).collect())
            }
            Self::Encode { version, body } => {
                let mut writer = Writer::new();
                JobDone::Encoded(encode_response(&body, version, &mut writer).map(|()| writer.into_bytes()))
            }
        }
    }
}

/// Why a process has to stop.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// The directory that holds the metadata log is offline.
    MetadataOffline,
    /// The metadata log holds a record that this version cannot read.
    MetadataUnreadable(Str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MetadataOffline => f.write_str("the metadata log cannot be read or written any more"),
            Self::MetadataUnreadable(why) => write!(f, "the metadata log cannot be understood: {why}"),
        }
    }
}

/// What one step leaves behind, in order. The driver drains it; notes are for people and oracles only.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// To be done.
    pub effects: Vec<Effect>,
    /// What happened, for logs, metrics and coverage.
    pub notes: Vec<Note>,
}

impl Effects {
    /// One more thing to be done.
    pub fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// One more thing to be known.
    pub fn note(&mut self, note: Note) {
        self.notes.push(note);
    }
}
