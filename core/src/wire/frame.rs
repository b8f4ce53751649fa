//! Frames: a length, a header, a body.
//!
//! | message | header | fields before the body |
//! |---|---|---|
//! | request, old | 1 | key, version, correlation id, client id |
//! | request, flexible | 2 | the same, then tagged fields; the client id keeps its old form (KIP-482) |
//! | response, old | 0 | correlation id |
//! | response, flexible | 1 | correlation id, tagged fields |
//! | ApiVersions response | 0 in every version | so that a client can read the refusal of a version it does not know (KIP-511) |

use super::{Reader, Wire, WireError, Writer, decode_request, decode_response, encode_request, encode_response, read};
use crate::msg::record::header::{RequestHeader, ResponseHeader};
use crate::msg::{ApiKey, Request, Response};
use crate::types::Str;
use bytes::Bytes;

/// What the header of a request says. The version may be one that we do not speak.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestHead {
    /// The API asked for.
    pub api: ApiKey,
    /// The version of request and response.
    pub version: i16,
    /// Chosen by the client, returned with the answer.
    pub correlation_id: i32,
    /// The client's name for itself.
    pub client_id: Option<Str>,
}

/// The length of the frame behind its first four bytes, in bytes. Refuses what is below zero or above `bytes_max`.
pub fn frame_length(prefix: [u8; 4], bytes_max: usize) -> Result<usize, WireError> {
    let length = i32::from_be_bytes(prefix);
    match usize::try_from(length) {
        Ok(bytes) if bytes <= bytes_max => Ok(bytes),
        Ok(_) | Err(_) => Err(WireError::FrameLength { length }),
    }
}

/// Reads the header of a request; the body is what remains.
pub fn read_request_head(r: &mut Reader<'_>) -> Result<RequestHead, WireError> {
    let mut ahead = r.clone();
    let (code, version) = (ahead.i16()?, ahead.i16()?);
    let api = ApiKey::from_code(code).ok_or(WireError::UnknownApi { code })?;
    let flexible = api.is_flexible(version);
    r.set_flexible(flexible);
    let RequestHeader { correlation_id, client_id, .. } = read(r, if flexible { 2 } else { 1 })?;
    Ok(RequestHead { api, version, correlation_id, client_id })
}

/// Reads the header of the response to a request of this API and version, and returns its correlation id.
pub fn read_response_head(r: &mut Reader<'_>, api: ApiKey, version: i16) -> Result<i32, WireError> {
    let flexible = has_response_tags(api, version);
    r.set_flexible(flexible);
    let header: ResponseHeader = read(r, i16::from(flexible))?;
    Ok(header.correlation_id)
}

/// Writes a whole request frame. On an error the writer is as it was.
pub fn write_request_frame(w: &mut Writer, head: &RequestHead, body: &Request) -> Result<(), WireError> {
    assert_eq!(head.api, body.api_key(), "a head belongs to its body");
    let RequestHead { api, version, correlation_id, ref client_id } = *head;
    let header = RequestHeader {
        request_api_key: api.code(),
        request_api_version: version,
        correlation_id,
        client_id: client_id.clone(),
    };
    framed(w, |w| {
        let flexible = api.is_flexible(version);
        w.set_flexible(flexible);
        header.write(w, if flexible { 2 } else { 1 })?;
        encode_request(body, version, w)
    })
}

/// Writes a whole response frame. On an error the writer is as it was.
pub fn write_response_frame(
    w: &mut Writer,
    version: i16,
    correlation_id: i32,
    body: &Response,
) -> Result<(), WireError> {
    framed(w, |w| {
        let flexible = has_response_tags(body.api_key(), version);
        w.set_flexible(flexible);
        ResponseHeader { correlation_id }.write(w, i16::from(flexible))?;
        encode_response(body, version, w)
    })
}

/// Writes the frame of a response that is encoded already. On an error the writer is as it was.
pub fn write_encoded_frame(
    w: &mut Writer,
    (api, version): (ApiKey, i16),
    correlation_id: i32,
    body: &Bytes,
) -> Result<(), WireError> {
    framed(w, |w| {
        let flexible = has_response_tags(api, version);
        w.set_flexible(flexible);
        ResponseHeader { correlation_id }.write(w, i16::from(flexible))?;
        w.piece(body);
        Ok(())
    })
}

/// Reads a request frame without its length: header and body. Bytes behind them are left unread.
pub fn read_request_frame(r: &mut Reader<'_>) -> Result<(RequestHead, Request), WireError> {
    let head = read_request_head(r)?;
    let body = decode_request(head.api, head.version, r)?;
    Ok((head, body))
}

/// Reads a response frame without its length: correlation id and body, nothing behind it.
pub fn read_response_frame(r: &mut Reader<'_>, api: ApiKey, version: i16) -> Result<(i32, Response), WireError> {
    let correlation_id = read_response_head(r, api, version)?;
    let body = decode_response(api, version, r)?;
    Ok((correlation_id, body))
}

fn framed(w: &mut Writer, write: impl FnOnce(&mut Writer) -> Result<(), WireError>) -> Result<(), WireError> {
    let mark = w.begin_frame();
    let written = write(w).and_then(|()| w.end_frame(mark));
    if written.is_err() {
        w.rewind(mark);
    }
    written
}

fn has_response_tags(api: ApiKey, version: i16) -> bool {
    api != ApiKey::ApiVersions && api.is_flexible(version)
}

#[cfg(test)]
#[path = "frame_test.rs"]
mod frame_test;
