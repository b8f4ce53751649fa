//! What clients and other nodes asked: requests in the version that they came in.

use super::FlightFault;
use super::kept::{Kept, Taker, fields, put_batch, put_pieces};
use crate::boundary::{Asker, Input, Produce, ProducePartition, ProduceTopic};
use crate::msg::{ApiKey, Request};
use crate::record::{ProveRules, Proved, Refusal, prove};
use crate::types::{Str, Ticket, Uuid};
use crate::wire::{REQUEST_BUDGET_BYTES, Reader, WireError, Writer, decode_request, encode_request};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

fields! {
    Asker { conn, client_id, host, listener, listener_type }
}

/// Who asked, and in which version.
type Part = (Ticket, Arc<Asker>, i16);

fn put_part((ticket, asker, version): (&Ticket, &Asker, &i16), out: &mut Vec<u8>) -> Result<(), FlightFault> {
    ticket.put(out)?;
    asker.put(out)?;
    version.put(out)
}

fn take_part(from: &mut Taker) -> Result<Part, FlightFault> {
    Ok((Ticket::take(from)?, Arc::new(Asker::take(from)?), i16::take(from)?))
}

/// Any request but a Produce.
pub(super) fn put_request(part: (&Ticket, &Asker, &i16), body: &Request, out: &mut Vec<u8>) -> Result<(), FlightFault> {
    put_part(part, out)?;
    body.api_key().code().put(out)?;
    let mut writer = Writer::new();
    encode_request(body, *part.2, &mut writer)?;
    put_pieces(&writer.take(), out)
}

pub(super) fn take_request(from: &mut Taker) -> Result<Input, FlightFault> {
    let (ticket, asker, version) = take_part(from)?;
    let api = take_api(from)?;
    let bytes = Bytes::take(from)?;
    let mut reader = Reader::new(&bytes, REQUEST_BUDGET_BYTES);
    let body = decode_request(api, version, &mut reader)?;
    reader.finish()?;
    Ok(Input::Request { ticket, asker, version, body })
}

pub(super) fn take_api(from: &mut Taker) -> Result<ApiKey, FlightFault> {
    let code = i16::take(from)?;
    ApiKey::from_code(code).ok_or(FlightFault::Wire(WireError::UnknownApi { code }))
}

/// A Produce, whose batches were looked at before they came to the node.
pub(super) fn put_produce(part: (&Ticket, &Asker, &i16), body: &Produce, out: &mut Vec<u8>) -> Result<(), FlightFault> {
    put_part(part, out)?;
    let Produce { transactional_id, acks, timeout, topics } = body;
    transactional_id.put(out)?;
    acks.put(out)?;
    timeout.put(out)?;
    topics.len().put(out)?;
    for ProduceTopic { name, id, partitions } in topics {
        name.put(out)?;
        id.put(out)?;
        partitions.len().put(out)?;
        for ProducePartition { index, batch } in partitions {
            index.put(out)?;
            batch.is_ok().put(out)?;
            match batch {
                Ok(proved) => put_batch(proved.batch(), out)?,
                Err(refusal) => refusal.put(out)?,
            }
        }
    }
    Ok(())
}

pub(super) fn take_produce(from: &mut Taker) -> Result<Input, FlightFault> {
    let (ticket, asker, version) = take_part(from)?;
    let transactional_id: Option<Str> = Kept::take(from)?;
    let (acks, timeout) = (i16::take(from)?, Duration::take(from)?);
    let topics = (0..u64::take(from)?).map(|_| take_topic(version, from)).collect::<Result<_, _>>()?;
    Ok(Input::Produce { ticket, asker, version, body: Produce { transactional_id, acks, timeout, topics } })
}

fn take_topic(version: i16, from: &mut Taker) -> Result<ProduceTopic, FlightFault> {
    let (name, id) = (Str::take(from)?, Uuid::take(from)?);
    let partition = |from: &mut Taker| {
        let (index, is_proved) = (i32::take(from)?, bool::take(from)?);
        let batch = if is_proved { Ok(take_proved(version, from)?) } else { Err(Refusal::take(from)?) };
        Ok(ProducePartition { index, batch })
    };
    let partitions = (0..u64::take(from)?).map(|_| partition(from)).collect::<Result<_, FlightFault>>()?;
    Ok(ProduceTopic { name, id, partitions })
}

/// What was proved once is proved again: nothing else makes a [`Proved`].
fn take_proved(version: i16, from: &mut Taker) -> Result<Proved, FlightFault> {
    let bytes = Bytes::take(from)?;
    let rules = ProveRules { version, batch_bytes_max: bytes.len() };
    prove(bytes, &rules, &from.functions, &mut from.scratch).map_err(FlightFault::Unproved)
}
