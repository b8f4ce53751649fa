//! Any bytes into the codec. The first byte chooses what the rest is taken for.

use bytes::Bytes;
use ottla_core::msg::record::consumer::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_core::msg::record::control::{LeaderChangeMessage, VotersRecord};
use ottla_core::msg::record::group::{GroupMetadataValue, OffsetCommitValue};
use ottla_core::msg::{ApiKey, MetadataRecord, Request, Response};
use ottla_core::wire::{self, GroupKey, Message, Reader, RequestHead, WireError, Writer};
use std::fmt::Debug;

/// What the arrays of one input may take, in bytes.
pub const BUDGET: usize = 1 << 20;

/// A request frame.
pub const REQUEST: u8 = 0;
/// Key and version of a request, then the response frame.
pub const RESPONSE: u8 = 1;
/// The value of a record of the metadata log.
pub const METADATA: u8 = 2;
/// The key of a record of `__consumer_offsets`.
pub const GROUP_KEY: u8 = 3;

/// What the bytes were.
#[derive(Debug)]
pub enum Decoded {
    Request(RequestHead, Request),
    Response(ApiKey, i16, i32, Response),
    Metadata(MetadataRecord),
    GroupKey(GroupKey),
    OffsetCommit(i16, OffsetCommitValue),
    GroupMetadata(i16, GroupMetadataValue),
    Subscription(i16, ConsumerProtocolSubscription),
    Assignment(i16, ConsumerProtocolAssignment),
    LeaderChange(i16, LeaderChangeMessage),
    Voters(i16, VotersRecord),
}

/// Decodes the bytes as what the first one says.
pub fn decode(data: &Bytes, budget: usize) -> Result<Decoded, WireError> {
    let Some((first, _)) = data.split_first() else { return Err(WireError::Short) };
    let rest = data.slice(1..);
    let mut r = Reader::new(&rest, budget);
    match *first {
        REQUEST => wire::read_request_frame(&mut r).map(|(head, body)| Decoded::Request(head, body)),
        RESPONSE => {
            let code = r.i16()?;
            let version = r.i16()?;
            let api = ApiKey::from_code(code).ok_or(WireError::UnknownApi { code })?;
            let (correlation_id, body) = wire::read_response_frame(&mut r, api, version)?;
            Ok(Decoded::Response(api, version, correlation_id, body))
        }
        METADATA => wire::decode_metadata_record(rest, budget).map(Decoded::Metadata),
        GROUP_KEY => wire::decode_group_key(rest, budget).map(Decoded::GroupKey),
        4 => versioned(rest, budget, Decoded::OffsetCommit),
        5 => versioned(rest, budget, Decoded::GroupMetadata),
        6 => versioned(rest, budget, Decoded::Subscription),
        7 => versioned(rest, budget, Decoded::Assignment),
        8 => versioned(rest, budget, Decoded::LeaderChange),
        9 => versioned(rest, budget, Decoded::Voters),
        other => Err(WireError::UnknownRecord(u32::from(other))),
    }
}

fn versioned<M: Message>(bytes: Bytes, budget: usize, wrap: fn(i16, M) -> Decoded) -> Result<Decoded, WireError> {
    wire::decode_versioned(bytes, budget).map(|(version, body)| wrap(version, body))
}

impl Decoded {
    /// What was decoded can be encoded, and decodes to the same again.
    pub fn comes_back(&self) {
        match self {
            Self::Request(head, body) => {
                let mut w = Writer::new();
                wire::write_request_frame(&mut w, head, body).expect("it came in this version");
                let frame = w.into_bytes().slice(4..);
                let mut r = Reader::new(&frame, BUDGET);
                let (again, same) = wire::read_request_frame(&mut r).expect("just written");
                assert!(again == *head && same == *body, "{body:?} became {same:?}");
            }
            Self::Response(api, version, correlation_id, body) => {
                let mut w = Writer::new();
                wire::write_response_frame(&mut w, *version, *correlation_id, body).expect("it came in this version");
                let frame = w.into_bytes().slice(4..);
                let mut r = Reader::new(&frame, BUDGET);
                let again = wire::read_response_frame(&mut r, *api, *version);
                assert_eq!(again, Ok((*correlation_id, body.clone())));
            }
            Self::Metadata(record) => {
                let bytes = wire::encode_metadata_record(record, record.last_version()).expect("versions only add");
                assert_eq!(wire::decode_metadata_record(bytes, BUDGET), Ok(record.clone()));
            }
            Self::GroupKey(key) => {
                let bytes = wire::encode_group_key(key).expect("it came this way");
                assert_eq!(wire::decode_group_key(bytes, BUDGET), Ok(key.clone()));
            }
            Self::OffsetCommit(version, body) => message_comes_back(*version, body),
            Self::GroupMetadata(version, body) => message_comes_back(*version, body),
            Self::Subscription(version, body) => message_comes_back(*version, body),
            Self::Assignment(version, body) => message_comes_back(*version, body),
            Self::LeaderChange(version, body) => message_comes_back(*version, body),
            Self::Voters(version, body) => message_comes_back(*version, body),
        }
    }
}

fn message_comes_back<M: Message + PartialEq + Debug>(version: i16, body: &M) {
    let bytes = wire::encode_versioned(body, version).expect("it came in this version");
    let (again, same) = wire::decode_versioned::<M>(bytes, BUDGET).expect("just written");
    assert_eq!((again, &same), (version, body));
}
