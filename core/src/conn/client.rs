//! The other end of a connection: requests → bytes out, bytes in → answers. Simulated clients, the command line and our
//! own calls to other brokers speak through it.

use super::inbox::{BadLength, Inbox};
use crate::msg::{ApiKey, Request, Response};
use crate::types::Str;
use crate::wire::{self, Reader, RequestHead, WireError, Writer};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

/// The client's side of one connection.
pub struct Client {
    client_id: Str,
    inbox: Inbox,
    correlation_next: i32,
    /// Requests whose answers are owed to us, in order.
    waiting: VecDeque<Waiting>,
    frame_bytes_max: usize,
}

struct Waiting {
    correlation_id: i32,
    api: ApiKey,
    version: i16,
}

/// An answer, with the number that [`Client::request`] gave its request.
#[derive(Debug)]
pub struct Answer {
    /// The number of the request.
    pub correlation_id: i32,
    /// The answer.
    pub body: Response,
}

/// What the broker sent is no answer to what it was asked; the connection is of no more use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientFault {
    /// No frame can be this long.
    FrameLength(i32),
    /// An answer came that nobody waits for, or out of order.
    Uncalled,
    /// The answer cannot be read.
    Malformed(WireError),
}

impl Client {
    /// The client's side of a fresh connection. Answers longer than `frame_bytes_max` are refused.
    pub fn new(client_id: Str, frame_bytes_max: usize) -> Self {
        Self { client_id, inbox: Inbox::default(), correlation_next: 0, waiting: VecDeque::new(), frame_bytes_max }
    }

    /// The bytes of a request in the given version, and its number. A Produce request with `acks=0` has no answer and is
    /// forgotten at once.
    pub fn request(&mut self, body: &Request, version: i16) -> Result<(i32, Vec<Bytes>), WireError> {
        let correlation_id = self.correlation_next;
        let api = body.api_key();
        let head = RequestHead { api, version, correlation_id, client_id: Some(self.client_id.clone()) };
        let mut writer = Writer::new();
        wire::write_request_frame(&mut writer, &head, body)?;
        self.correlation_next = self.correlation_next.wrapping_add(1);
        let is_silent = matches!(body, Request::Produce(produce) if produce.acks == 0);
        if !is_silent {
            self.waiting.push_back(Waiting { correlation_id, api, version });
        }
        Ok((correlation_id, writer.take()))
    }

    /// Whatever one read brought; answers come in the order of their requests.
    pub fn received(&mut self, bytes: Bytes, out: &mut Vec<Answer>) -> Result<(), ClientFault> {
        self.inbox.push(bytes);
        while let Some(frame) = self.inbox.next_frame(self.frame_bytes_max)? {
            let waiting = self.waiting.pop_front().ok_or(ClientFault::Uncalled)?;
            let mut reader = Reader::new(&frame, wire::REQUEST_BUDGET_BYTES);
            let (correlation_id, body) =
                wire::read_response_frame(&mut reader, waiting.api, waiting.version).map_err(ClientFault::Malformed)?;
            if correlation_id != waiting.correlation_id {
                return Err(ClientFault::Uncalled);
            }
            out.push(Answer { correlation_id, body });
        }
        Ok(())
    }

    /// How many requests are not answered yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

impl From<BadLength> for ClientFault {
    fn from(BadLength(len): BadLength) -> Self {
        Self::FrameLength(len)
    }
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameLength(len) => write!(f, "the broker announced an answer of {len} bytes"),
            Self::Uncalled => f.write_str("the broker sent an answer to nothing that was asked"),
            Self::Malformed(fault) => write!(f, "the broker's answer cannot be read: {fault}"),
        }
    }
}
