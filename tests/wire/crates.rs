//! The crate `kafka-protocol` reads our bytes and writes the same, for every message and version that it knows.

use crate::schema::{Kind, Struct};
use crate::{families, hex, messages, sample};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestKind, ResponseKind};
use ottla_core::types::Rng;
use std::collections::BTreeSet;

/// Messages drawn for each kind and version.
const SAMPLES: usize = 8;
/// What it says of a version that it does not know yet.
const UNKNOWN_VERSION: &str = "specified version not supported by this message type";

#[test]
fn the_crate_kafka_protocol_reads_and_writes_the_same_bytes() {
    let families = families();
    let mut rng = Rng::new(0x6372_6174);
    let (mut compared, mut unknown) = (0, BTreeSet::new());
    for (family, message, version) in messages(&families) {
        let Some(api) = family.api.as_ref() else { continue };
        let key = ApiKey::try_from(api.key).expect("it knows every API of ours");
        for _ in 0..SAMPLES {
            let drawn = sample::draw(family, message, version, &mut rng, 3);
            match again(message, key, version, &drawn.bytes) {
                Ok(again) => assert_eq!(hex(&again), hex(&drawn.bytes), "{} {version}: {}", message.name, drawn.json),
                Err(fault) if fault.contains(UNKNOWN_VERSION) => {
                    unknown.insert(format!("{} {version}", message.name));
                    continue;
                }
                Err(fault) => panic!("{} {version}: {fault}: {}", message.name, drawn.json),
            }
            compared += 1;
        }
    }
    println!("{compared} messages compared, not known there: {unknown:?}");
    assert!(compared > SAMPLES * unknown.len() * 10, "most versions are compared");
}

fn again(message: &Struct, key: ApiKey, version: i16, bytes: &[u8]) -> Result<BytesMut, String> {
    let mut bytes = Bytes::copy_from_slice(bytes);
    let mut out = BytesMut::new();
    let done = match message.message.as_ref().map(|message| message.kind) {
        Some(Kind::Request) => {
            RequestKind::decode(key, &mut bytes, version).and_then(|body| body.encode(&mut out, version))
        }
        Some(Kind::Response) => {
            ResponseKind::decode(key, &mut bytes, version).and_then(|body| body.encode(&mut out, version))
        }
        Some(Kind::Record | Kind::Plain) | None => panic!("{} belongs to no API", message.name),
    };
    done.map(|()| out).map_err(|fault| format!("{fault:#}"))
}
