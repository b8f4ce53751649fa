//! The codec under test, chosen by a message's name: bytes are decoded and encoded again.

use crate::schema::{Family, Kind, Struct};
use bytes::Bytes;
use ottla_core::msg::record::{consumer, control, group, header, metadata};
use ottla_core::msg::{ApiKey, Request};
use ottla_core::wire::{self, Message, Reader, Writer};

/// Far above what any sample takes.
const BUDGET: usize = 16 << 20;

/// Decodes the bytes of a message and encodes what came out.
pub fn again(family: &Family, message: &Struct, version: i16, bytes: &[u8]) -> Result<Bytes, String> {
    carried(family, message, (version, version), bytes)
}

/// Decodes the bytes of a message in the first version and encodes what came out in the second.
pub fn carried(family: &Family, message: &Struct, versions: (i16, i16), bytes: &[u8]) -> Result<Bytes, String> {
    let (version, other) = versions;
    let bytes = Bytes::copy_from_slice(bytes);
    let kind = message.message.as_ref().expect("a whole message").kind;
    let mut w = Writer::new();
    let mut r = Reader::new(&bytes, BUDGET);
    let api = family.api.as_ref().map(|api| ApiKey::from_code(api.key).expect("a known API"));
    let done = match (kind, api) {
        (Kind::Request, Some(api)) => wire::decode_request(api, version, &mut r).and_then(|body| {
            assert_eq!(body.api_key(), api);
            wire::encode_request(&body, other, &mut w)
        }),
        (Kind::Response, Some(api)) => wire::decode_response(api, version, &mut r).and_then(|body| {
            assert_eq!(body.api_key(), api);
            wire::encode_response(&body, other, &mut w)
        }),
        (Kind::Record | Kind::Plain, None) => return record(&message.name, versions, bytes).map_err(|e| e.to_string()),
        (Kind::Request | Kind::Response, None) | (Kind::Record | Kind::Plain, Some(_)) => panic!("a mixed schema"),
    };
    done.map(|()| w.into_bytes()).map_err(|fault| fault.to_string())
}

type Outcome = Result<Bytes, wire::WireError>;

fn through<M: Message>(bytes: Bytes, (version, other): (i16, i16)) -> Outcome {
    wire::encode_message(&wire::decode_message::<M>(bytes, version, BUDGET)?, other)
}

fn record(name: &str, versions: (i16, i16), bytes: Bytes) -> Outcome {
    macro_rules! by_name {
        ($($family:ident: $($kind:ident),*;)*) => {
            match name {
                $($(stringify!($kind) => through::<$family::$kind>(bytes, versions),)*)*
                other => panic!("{other} is missing in this list"),
            }
        };
    }
    by_name! {
        header: RequestHeader, ResponseHeader;
        consumer: ConsumerProtocolSubscription, ConsumerProtocolAssignment;
        control: LeaderChangeMessage, SnapshotHeaderRecord, SnapshotFooterRecord, KRaftVersionRecord, VotersRecord,
            EndTxnMarker;
        group: OffsetCommitKey, OffsetCommitValue, GroupMetadataKey, GroupMetadataValue;
        metadata: FeatureLevelRecord, RegisterBrokerRecord, UnregisterBrokerRecord, TopicRecord, PartitionRecord,
            ConfigRecord, PartitionChangeRecord, FenceBrokerRecord, UnfenceBrokerRecord, RemoveTopicRecord,
            ProducerIdsRecord, BrokerRegistrationChangeRecord, NoOpRecord, BeginTransactionRecord,
            EndTransactionRecord, AbortTransactionRecord, RegisterControllerRecord, UnregisterControllerRecord,
            ClearElrRecord;
    }
}

/// Decodes a request, says it as the newest version does, and has that go over the wire. Gives what was said and what came.
pub fn passed_on(api: ApiKey, version: i16, bytes: &[u8]) -> Result<(Request, Request), wire::WireError> {
    let bytes = Bytes::copy_from_slice(bytes);
    let said = wire::decode_request(api, version, &mut Reader::new(&bytes, BUDGET))?.in_newest();
    let (newest, mut w) = (api.facts().last, Writer::new());
    wire::encode_request(&said, newest, &mut w)?;
    let came = wire::decode_request(api, newest, &mut Reader::new(&w.into_bytes(), BUDGET))?;
    Ok((said, came))
}
