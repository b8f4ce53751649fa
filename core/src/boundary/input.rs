//! What can happen to a node.

use crate::log::Log;
use crate::msg::{Request, Response};
use crate::record::{CheckedBatch, Proved, Records, Refusal};
use crate::types::{CallId, ConnId, ListenerType, LogId, Offset, OpId, Str, Ticket, Uuid, Wall};
use crate::wire::WireError;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// Everything that can happen to a node. Nothing else changes its state.
#[derive(Clone, Debug)]
pub enum Input {
    /// Records to append; the one request whose body was checked beyond its shape before it came here.
    Produce {
        /// Who waits.
        ticket: Ticket,
        /// What is known of the asker.
        asker: Arc<Asker>,
        /// Version of the API that the request was written in.
        version: i16,
        /// The request, each batch proved or refused.
        body: Produce,
    },
    /// Any other request; somebody waits for its answer.
    Request {
        /// Who waits.
        ticket: Ticket,
        /// What is known of the asker.
        asker: Arc<Asker>,
        /// Version of the API that the request was written in.
        version: i16,
        /// The request.
        body: Request,
    },
    /// The answer to our own call.
    Response {
        /// Which call.
        call: CallId,
        /// The answer, or how it was lost.
        body: Result<Response, Lost>,
    },
    /// A store action, a read or a job ended.
    Done {
        /// Which.
        op: OpId,
        /// What came of it.
        outcome: Result<Done, DiskFault>,
    },
    /// The bytes of a [`super::Effect::Serve`] are out, or could not be read.
    Served {
        /// Whose answer it was.
        ticket: Ticket,
        /// What came of it; if it went wrong, which log could not be read.
        outcome: Result<(), (LogId, DiskFault)>,
    },
    /// A data directory was given up: nothing in it is read or written any more.
    DirectoryLost {
        /// Its place in the settings.
        directory: usize,
    },
    /// A log is on its way from one data directory to another, or no longer.
    Moved {
        /// Which.
        log: LogId,
        /// The directory's place in the settings.
        directory: usize,
        /// What that is to the log.
        stage: MoveStage,
    },
    /// The process is to end: what this broker leads is handed over. [`crate::node::View::is_released`] tells when it may.
    Stop,
    /// The connection is gone: its tickets are void, its lease ends.
    Closed {
        /// Which.
        conn: ConnId,
    },
    /// Only time has passed.
    Wake,
}

/// What a connection knows of whoever is at its other end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Asker {
    /// The connection.
    pub conn: ConnId,
    /// The client id of the request's header, empty if it gave none.
    pub client_id: Str,
    /// The peer's address without its port, as Kafka prints it: `/127.0.0.1`.
    pub host: Str,
    /// Which of our listeners it came through: an index into the configured listeners.
    pub listener: usize,
    /// Whom that listener is for.
    pub listener_type: ListenerType,
}

/// A produce request whose batches were walked at the connection (KIP-98, KIP-516).
#[derive(Clone, Debug)]
pub struct Produce {
    /// Present for transactional producers.
    pub transactional_id: Option<Str>,
    /// 0: no answer at all; 1: the leader; -1: every in-sync replica. Other values are refused by the node.
    pub acks: i16,
    /// How long to wait for replicas.
    pub timeout: Duration,
    /// One entry a topic, in the request's order.
    pub topics: Vec<ProduceTopic>,
}

/// The part of a produce request that concerns one topic.
#[derive(Clone, Debug)]
pub struct ProduceTopic {
    /// The topic's name; empty from version 13 on.
    pub name: Str,
    /// The topic's id; zero before version 13.
    pub id: Uuid,
    /// One entry a partition, in the request's order.
    pub partitions: Vec<ProducePartition>,
}

/// The part of a produce request that concerns one partition.
#[derive(Clone, Debug)]
pub struct ProducePartition {
    /// The partition's index.
    pub index: i32,
    /// The batch, or why it is none.
    pub batch: Result<Proved, Refusal>,
}

/// Where a log stands on its way to another data directory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MoveStage {
    /// It is on its way to this directory.
    Begun,
    /// It is in this directory, and on its way nowhere.
    Ended,
}

/// How a call of ours was lost.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lost {
    /// It never left: it has certainly not taken effect.
    NotSent,
    /// It may have taken effect.
    Unknown,
}

/// What a finished operation brings.
#[derive(Clone, Debug)]
pub enum Done {
    /// An action is in the journal, as durable as the mode promises. The log now spans `start .. end`.
    Stored {
        /// First offset still kept.
        start: Offset,
        /// First offset behind the last durable record.
        end: Offset,
    },
    /// Whole batches, the first of which holds the offset asked for (unless the log has nothing there).
    Records(Records),
    /// The batch that answers a lookup by time, if there is one.
    Batch(Option<CheckedBatch>),
    /// Bytes that the log takes on disk.
    Size(u64),
    /// The same of a copy that is being made, and how many offsets it lags behind.
    Future {
        /// Bytes.
        bytes: u64,
        /// Offsets.
        lag: u64,
    },
    /// What the store holds of a log.
    Log(Box<Log>),
    /// A job ended.
    Job(JobDone),
}

/// What a finished job brings.
#[derive(Clone, Debug)]
pub enum JobDone {
    /// The first record at or after the wanted time, or none in this batch.
    Time(Option<(Offset, Wall)>),
    /// The batch in its new compression, or why it could not be made.
    Recompressed(Result<Proved, Refusal>),
    /// The batches of each run; nothing where one of them is broken.
    Checked(Vec<Option<Vec<CheckedBatch>>>),
    /// The answer as bytes, or why its version cannot carry it.
    Encoded(Result<Bytes, WireError>),
}

/// A disk did not do what it was asked. The log, or with `offline` its whole directory, can no longer be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DiskFault {
    /// No room: nothing was written; reads go on. May succeed later.
    Full,
    /// The operating system reported an I/O error on a write or a flush; the directory is offline from now on.
    Offline,
    /// Bytes came back that are not those written: this log is offline.
    Rot,
    /// The log is not (or no longer) here.
    NoSuchLog,
    /// The offset asked for is not (or no longer) in the log.
    OutOfRange,
}
