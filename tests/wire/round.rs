//! Bytes that Kafka would write are read, and written again to the same bytes, whatever the message and the version.

use crate::{codec, families, hex, messages, sample};
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
