//! What other nodes answered.

use super::FlightFault;
use super::asked::take_api;
use super::kept::{Kept, Taker, kinds, put_pieces};
use crate::boundary::Lost;
use crate::msg::Response;
use crate::wire::{REQUEST_BUDGET_BYTES, Reader, Writer, decode_response, encode_response};
use alloc::vec::Vec;
use bytes::Bytes;

kinds! {
    Lost { NotSent = 0, Unknown = 1 }
}

/// Nobody keeps the version that an answer came in. It is written in the newest that gives back the very same answer, which is
/// the newest of all unless the other node is older than this one.
pub(super) fn put_answer(body: &Response, out: &mut Vec<u8>) -> Result<(), FlightFault> {
    let facts = body.api_key().facts();
    for version in (facts.first..=facts.last).rev() {
        let mut writer = Writer::new();
        if encode_response(body, version, &mut writer).is_err() {
            continue;
        }
        let pieces = writer.take();
        let at = out.len();
        body.api_key().code().put(out)?;
        version.put(out)?;
        put_pieces(&pieces, out)?;
        let bytes = Bytes::copy_from_slice(&out[at + HEAD_BYTES..]);
        let mut reader = Reader::new(&bytes, REQUEST_BUDGET_BYTES);
        if decode_response(body.api_key(), version, &mut reader).as_ref() == Ok(body) {
            return Ok(());
        }
        out.truncate(at);
    }
    Err(FlightFault::NotCarried)
}

pub(super) fn take_answer(from: &mut Taker) -> Result<Response, FlightFault> {
    let (api, version) = (take_api(from)?, i16::take(from)?);
    let bytes = Bytes::take(from)?;
    let mut reader = Reader::new(&bytes, REQUEST_BUDGET_BYTES);
    Ok(decode_response(api, version, &mut reader)?)
}

/// API, version and length.
const HEAD_BYTES: usize = 8;
