//! One input ↔ bytes.

use super::answer::{put_answer, take_answer};
use super::asked::{put_produce, put_request, take_produce, take_request};
use super::kept::{Kept, Taker, kinds};
use super::{FlightFault, Recorded};
use crate::boundary::{DiskFault, Done, Input, Lost, MoveStage};
use crate::log::Log;
use crate::record::Records;
use crate::types::{CallId, ConnId, LogId, Offset, OpId, Ticket};
use alloc::boxed::Box;
use alloc::vec::Vec;

kinds! {
    MoveStage { Begun = 0, Ended = 1 }
}

kinds! {
    DiskFault { Full = 0, Offline = 1, Rot = 2, NoSuchLog = 3, OutOfRange = 4 }
}

/// Appends an input.
pub(super) fn put(input: &Input, out: &mut Vec<u8>) -> Result<(), FlightFault> {
    match input {
        Input::Produce { ticket, asker, version, body } => {
            PRODUCE.put(out)?;
            put_produce((ticket, asker.as_ref(), version), body, out)
        }
        Input::Request { ticket, asker, version, body } => {
            REQUEST.put(out)?;
            put_request((ticket, asker.as_ref(), version), body, out)
        }
        Input::Response { call, body } => {
            RESPONSE.put(out)?;
            call.put(out)?;
            body.is_ok().put(out)?;
            match body {
                Ok(answer) => put_answer(answer, out),
                Err(lost) => lost.put(out),
            }
        }
        Input::Done { op, outcome } => {
            DONE.put(out)?;
            op.put(out)?;
            match outcome {
                Ok(done) => put_done(done, out),
                Err(fault) => {
                    FAILED.put(out)?;
                    fault.put(out)
                }
            }
        }
        Input::Served { ticket, outcome } => {
            SERVED.put(out)?;
            ticket.put(out)?;
            outcome.put(out)
        }
        Input::DirectoryLost { directory } => {
            DIRECTORY_LOST.put(out)?;
            directory.put(out)
        }
        Input::Moved { log, directory, stage } => {
            MOVED.put(out)?;
            log.put(out)?;
            directory.put(out)?;
            stage.put(out)
        }
        Input::Stop => STOP.put(out),
        Input::Closed { conn } => {
            CLOSED.put(out)?;
            conn.put(out)
        }
        Input::Wake => WAKE.put(out),
    }
}

fn put_done(done: &Done, out: &mut Vec<u8>) -> Result<(), FlightFault> {
    match done {
        Done::Stored { start, end } => {
            STORED.put(out)?;
            start.put(out)?;
            end.put(out)
        }
        Done::Records(records) => {
            RECORDS.put(out)?;
            records.put(out)
        }
        Done::Batch(batch) => {
            BATCH.put(out)?;
            batch.put(out)
        }
        Done::Size(bytes) => {
            SIZE.put(out)?;
            bytes.put(out)
        }
        Done::Future { bytes, lag } => {
            FUTURE.put(out)?;
            bytes.put(out)?;
            lag.put(out)
        }
        Done::Log(log) => {
            LOG.put(out)?;
            log.put(out)
        }
        // What it brings is a function of what the node asked for.
        Done::Job(_) => JOB.put(out),
    }
}

impl Recorded {
    pub(super) fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        let input = match u8::take(from)? {
            PRODUCE => take_produce(from)?,
            REQUEST => take_request(from)?,
            RESPONSE => {
                let (call, is_answered) = (CallId::take(from)?, bool::take(from)?);
                let body = if is_answered { Ok(take_answer(from)?) } else { Err(Lost::take(from)?) };
                Input::Response { call, body }
            }
            DONE => return take_done(from),
            SERVED => {
                Input::Served { ticket: Ticket::take(from)?, outcome: <Result<(), (LogId, DiskFault)>>::take(from)? }
            }
            DIRECTORY_LOST => Input::DirectoryLost { directory: usize::take(from)? },
            MOVED => {
                let (log, directory) = (LogId::take(from)?, usize::take(from)?);
                Input::Moved { log, directory, stage: MoveStage::take(from)? }
            }
            STOP => Input::Stop,
            CLOSED => Input::Closed { conn: ConnId::take(from)? },
            WAKE => Input::Wake,
            kind => return Err(FlightFault::Kind("input", kind)),
        };
        Ok(Self::Whole(Box::new(input)))
    }
}

fn take_done(from: &mut Taker) -> Result<Recorded, FlightFault> {
    let op = OpId::take(from)?;
    let outcome = match u8::take(from)? {
        FAILED => Err(DiskFault::take(from)?),
        STORED => Ok(Done::Stored { start: Offset::take(from)?, end: Offset::take(from)? }),
        RECORDS => Ok(Done::Records(Records::take(from)?)),
        BATCH => Ok(Done::Batch(Kept::take(from)?)),
        SIZE => Ok(Done::Size(u64::take(from)?)),
        FUTURE => Ok(Done::Future { bytes: u64::take(from)?, lag: u64::take(from)? }),
        LOG => Ok(Done::Log(Box::new(Log::take(from)?))),
        JOB => return Ok(Recorded::Job(op)),
        kind => return Err(FlightFault::Kind("end of an operation", kind)),
    };
    Ok(Recorded::Whole(Box::new(Input::Done { op, outcome })))
}

const PRODUCE: u8 = 0;
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const DONE: u8 = 3;
const SERVED: u8 = 4;
const DIRECTORY_LOST: u8 = 5;
const STOP: u8 = 6;
const CLOSED: u8 = 7;
const WAKE: u8 = 8;
const MOVED: u8 = 9;

const FAILED: u8 = 0;
const STORED: u8 = 1;
const RECORDS: u8 = 2;
const BATCH: u8 = 3;
const SIZE: u8 = 4;
const LOG: u8 = 5;
const JOB: u8 = 6;
const FUTURE: u8 = 7;
