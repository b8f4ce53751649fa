//! Bytes that Kafka would write are read, and written again to the same bytes, whatever the message and the version.

use crate::schema::Kind;
use crate::{codec, families, hex, messages, sample};
use ottla_core::msg::ApiKey;
use ottla_core::types::Rng;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_comes_back_at_every_version(seed in any::<u64>(), size in 0u64..6) {
        let families = families();
        for (family, message, version) in messages(&families) {
            let drawn = sample::draw(family, message, version, &mut Rng::new(seed), size);
            let again = codec::again(family, message, version, &drawn.bytes);
            let again = again.map_err(|fault| format!("{} {version}: {fault}: {}", message.name, hex(&drawn.bytes)));
            prop_assert_eq!(again.map(|bytes| hex(&bytes)), Ok(hex(&drawn.bytes)), "{} {}: {}", message.name, version, drawn.json);
        }
    }
}

/// What clients may ask of any broker and only the controller decides: it goes on in the newest version.
const PASSED_ON: [ApiKey; 13] = [
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::CreatePartitions,
    ApiKey::AlterConfigs,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::ElectLeaders,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::UnregisterBroker,
    ApiKey::UpdateFeatures,
    ApiKey::AddRaftVoter,
    ApiKey::RemoveRaftVoter,
    ApiKey::DescribeQuorum,
];

#[test]
fn what_is_passed_on_to_the_controller_says_the_same_whatever_version_it_came_in() {
    let families = families();
    let mut rng = Rng::new(1);
    for (family, message, version) in messages(&families) {
        let api = family.api.as_ref().and_then(|api| ApiKey::from_code(api.key));
        let is_request = message.message.as_ref().is_some_and(|message| message.kind == Kind::Request);
        let Some(api) = api.filter(|api| is_request && PASSED_ON.contains(api)) else { continue };
        for size in 0..40 {
            let drawn = sample::draw(family, message, version, &mut rng, size % 6);
            let (said, came) = codec::passed_on(api, version, &drawn.bytes)
                .unwrap_or_else(|fault| panic!("{} {version}: {fault}: {}", message.name, drawn.json));
            assert_eq!(said, came, "{} {version}: {}", message.name, drawn.json);
        }
    }
}

#[test]
fn every_message_cut_short_is_refused() {
    let families = families();
    let mut rng = Rng::new(1);
    for (family, message, version) in messages(&families) {
        let bytes = sample::draw(family, message, version, &mut rng, 2).bytes;
        for end in 0..bytes.len() {
            let cut = codec::again(family, message, version, &bytes[..end]);
            assert!(cut.is_err(), "{} {version} was read from {end} of {} bytes", message.name, bytes.len());
        }
    }
}
