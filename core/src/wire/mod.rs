//! Kafka's wire format: bytes to messages and back, at every version. The code of each message is generated from
//! `core/schema`; here stand the primitive types, the frames and the doors.
//!
//! Foreign bytes can make an error value, never a panic, and never more allocation than the [`Reader`]'s budget.

mod element;
mod error;
mod frame;
mod read;
mod record;
mod write;

use crate::msg::{ApiKey, Request, Response};
pub use error::WireError;
pub use frame::{
    RequestHead, frame_length, read_request_frame, read_request_head, read_response_frame, read_response_head,
    write_encoded_frame, write_request_frame, write_response_frame,
};
pub use read::Reader;
pub use record::{
    GroupKey, decode_group_key, decode_message, decode_metadata_record, decode_versioned, encode_group_key,
    encode_message, encode_metadata_record, encode_versioned,
};
pub use write::Writer;

/// How much memory the arrays of one request may take, in bytes. A Fetch of 100,000 partitions takes about 10 MiB.
pub const REQUEST_BUDGET_BYTES: usize = 64 << 20;

/// Anything with a form on the wire. Whether lengths are compact is a state of reader and writer, set per message.
pub trait Wire: Default {
    /// Reads the fields of version `v` into a default value. In place, since a partition that is built elsewhere and moved
    /// into its array costs twice as much.
    fn read(&mut self, r: &mut Reader<'_>, v: i16) -> Result<(), WireError>;
    /// Writes the fields of version `v`.
    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError>;
}

/// A message as a whole, which has versions.
pub trait Message: Wire {
    /// The lowest version.
    const FIRST: i16;
    /// The highest version.
    const LAST: i16;
    /// The first version with compact lengths and tagged fields.
    const FLEXIBLE_FIRST: i16;
}

/// Reads the body of a request. What follows its last field is left unread, as Kafka does: librdkafka 2.16 asks for all
/// topics with three bytes too many.
pub fn decode_request(api: ApiKey, version: i16, r: &mut Reader<'_>) -> Result<Request, WireError> {
    enter(r, api, version)?;
    generated::read_request(api, r, version)
}

/// Reads the body of a response, which must be all that is left.
pub fn decode_response(api: ApiKey, version: i16, r: &mut Reader<'_>) -> Result<Response, WireError> {
    enter(r, api, version)?;
    let body = generated::read_response(api, r, version)?;
    r.finish()?;
    Ok(body)
}

/// Writes the body of a request. After an error the writer holds part of it: see [`write_request_frame`].
pub fn encode_request(body: &Request, version: i16, w: &mut Writer) -> Result<(), WireError> {
    w.set_flexible(known(body.api_key(), version)?);
    generated::write_request(body, w, version)
}

/// Writes the body of a response. After an error the writer holds part of it: see [`write_response_frame`].
pub fn encode_response(body: &Response, version: i16, w: &mut Writer) -> Result<(), WireError> {
    w.set_flexible(known(body.api_key(), version)?);
    generated::write_response(body, w, version)
}

fn enter(r: &mut Reader<'_>, api: ApiKey, version: i16) -> Result<(), WireError> {
    r.set_flexible(known(api, version)?);
    Ok(())
}

/// Whether a version that we speak is flexible.
fn known(api: ApiKey, version: i16) -> Result<bool, WireError> {
    if api.speaks(version) { Ok(api.is_flexible(version)) } else { Err(WireError::UnknownVersion { version }) }
}

fn message<M: Message>(r: &mut Reader<'_>, version: i16) -> Result<M, WireError> {
    r.set_flexible(flexible::<M>(version)?);
    read(r, version)
}

#[inline]
fn read<T: Wire>(r: &mut Reader<'_>, version: i16) -> Result<T, WireError> {
    let mut value = T::default();
    value.read(r, version)?;
    Ok(value)
}

fn put_message<M: Message>(body: &M, w: &mut Writer, version: i16) -> Result<(), WireError> {
    w.set_flexible(flexible::<M>(version)?);
    body.write(w, version)
}

fn flexible<M: Message>(version: i16) -> Result<bool, WireError> {
    let known = M::FIRST <= version && version <= M::LAST;
    if known { Ok(version >= M::FLEXIBLE_FIRST) } else { Err(WireError::UnknownVersion { version }) }
}

#[allow(clippy::all, clippy::wildcard_imports, unused_variables, reason = "generated code")]
mod generated {
    use super::write::present;
    use super::{Message, Reader, Wire, WireError, Writer, message, put_message, read};
    use crate::msg::*;

    include!(concat!(env!("OUT_DIR"), "/wire.rs"));
    include!(concat!(env!("OUT_DIR"), "/dispatch.rs"));
}
