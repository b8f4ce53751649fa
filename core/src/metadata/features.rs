//! The features of the cluster and their levels (KIP-584). What is not built is not named: a client that reads
//! `group.version` 1 here would expect the protocol of KIP-848.

use super::{FeatureRange, Image};
use crate::msg::api_versions::{ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey};
use crate::msg::update_features::FeatureUpdateKey;
use crate::record::KRAFT_VERSION;
use crate::types::{BrokerEpoch, BrokerId, Str, Uuid};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The feature that says which records the metadata log may hold.
pub const METADATA_VERSION: &str = "metadata.version";

/// The feature that says whether voters of the metadata quorum come and go (KIP-853).
pub const KRAFT: &str = "kraft.version";

/// Name, lowest and highest level that we support, and the level of a fresh cluster. 30 is what Kafka calls 4.3-IV0.
const FEATURES: &[(&str, i16, i16, i16)] = &[(METADATA_VERSION, 30, 30, 30)];

/// The levels that this broker supports.
pub fn supported() -> Vec<FeatureRange> {
    let range = |(name, first, last, _): &(&'static str, i16, i16, i16)| FeatureRange {
        name: Str::from_static(name),
        first: *first,
        last: *last,
    };
    FEATURES.iter().map(range).collect()
}

/// The mark of a registration in durable mode. Kafka's record of a registration has room for any feature, and this one
/// is in no cluster's finalized features, so nobody but us reads it.
pub fn durable() -> FeatureRange {
    FeatureRange { name: Str::from_static("ottla.durable"), first: 0, last: 1 }
}

/// The mark of a registration that was proved whole since an earlier one, until its broker is up: one that ends before has never
/// heard of this registration, and can prove no more than it did then.
pub fn whole_since(epoch: BrokerEpoch) -> FeatureRange {
    FeatureRange { name: Str::from(format!("{WHOLE_SINCE}{}", epoch.0)), first: 0, last: 1 }
}

/// Since when a registration with these marks was proved whole; none once it has been up.
pub fn proof(features: &[FeatureRange]) -> Option<BrokerEpoch> {
    features.iter().find_map(|one| one.name.strip_prefix(WHOLE_SINCE)?.parse().ok()).map(BrokerEpoch)
}

/// Takes the proof away.
pub(super) fn use_up_proof(features: &mut Vec<FeatureRange>) {
    features.retain(|one| !one.name.starts_with(WHOLE_SINCE));
}

/// Says that a directory may be an older copy of what it was.
pub fn unproved(directory: Uuid) -> FeatureRange {
    FeatureRange { name: Str::from(format!("{UNPROVED}{directory}")), first: 0, last: 1 }
}

/// The directory of which a name says that.
pub fn unproved_in(name: &str) -> Option<Uuid> {
    Uuid::parse(name.strip_prefix(UNPROVED)?)
}

const UNPROVED: &str = "ottla.unproved.";
const WHOLE_SINCE: &str = "ottla.whole.";

/// The levels that a fresh cluster begins with.
pub fn fresh() -> impl Iterator<Item = (&'static str, i16)> {
    FEATURES.iter().map(|(name, _, _, level)| (*name, *level))
}

/// May this feature, which is at level `current`, be changed like that by the controller `me`? The error says why not.
///
/// # Errors
/// The level or the kind of change is none that there is, or others than asked for would follow.
pub fn judge(update: &FeatureUpdateKey, current: i16, me: BrokerId) -> Result<(), String> {
    let level = update.max_version_level;
    let goes_down = [SAFE_DOWNGRADE, UNSAFE_DOWNGRADE].contains(&update.upgrade_type);
    let known = supported().into_iter().chain([kraft()]).find(|range| range.name == update.feature);
    let range = known.ok_or_else(|| format!("Controller {} does not support this feature.", me.0))?;
    match () {
        () if !(UPGRADE..=UNSAFE_DOWNGRADE).contains(&update.upgrade_type) => {
            Err("The controller does not support the given upgrade type.".into())
        }
        () if level < range.first || level > range.last => {
            Err(format!("Controller {} only supports versions {}-{}.", me.0, range.first, range.last))
        }
        () if level < current && !goes_down => {
            Err("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.".into())
        }
        () if level < current => Err("Can't downgrade the version of this feature.".into()),
        () if level > current && goes_down => Err("Can't downgrade to a newer version.".into()),
        () => Ok(()),
    }
}

/// The kinds of change of UpdateFeatures.
const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

/// The quorum's own protocol: a level that is none of the image's.
fn kraft() -> FeatureRange {
    FeatureRange { name: Str::from_static(KRAFT), first: 0, last: KRAFT_VERSION }
}

/// Fills in what ApiVersions says of features. The quorum's own protocol has a level that is none of the image's; like every feature
/// it is not named as finalized at level 0, where the settings name the voters.
pub fn describe(image: &Image, kraft_version: i16, response: &mut ApiVersionsResponse) {
    let support = |range: FeatureRange| SupportedFeatureKey {
        name: range.name,
        min_version: range.first,
        max_version: range.last,
    };
    let finalized = |(name, level): (&Str, &i16)| FinalizedFeatureKey {
        name: name.clone(),
        max_version_level: *level,
        min_version_level: *level,
    };
    response.supported_features = supported().into_iter().chain([kraft()]).map(support).collect();
    response.finalized_features = image.features().iter().map(finalized).collect();
    if kraft_version > 0 {
        response.finalized_features.push(finalized((&Str::from_static(KRAFT), &kraft_version)));
    }
    response.finalized_features_epoch = image.end().0 - 1;
}
