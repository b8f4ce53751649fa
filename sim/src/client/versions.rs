//! Which version of each API one connection speaks.

use ottla_core::msg::ApiKey;
use ottla_core::types::{ListenerType, Rng};

/// A version for each API.
#[derive(Clone, Debug)]
pub struct Versions {
    drawn: Vec<(ApiKey, i16)>,
}

impl Versions {
    /// Draws them: all the newest, all the oldest, or any mixture a client could speak.
    pub fn draw(rng: &mut Rng) -> Self {
        let style = rng.below(4);
        let pick = |api: ApiKey, rng: &mut Rng| match style {
            0 => api.facts().last,
            1 => api.facts().first,
            _ => rng.between(api.facts().first as u64, api.facts().last as u64) as i16,
        };
        let spoken = ApiKey::ALL.iter().filter(|api| api.is_on(ListenerType::Broker));
        let mut version = |api: &ApiKey| match api {
            // Only those who move replicas ask these, in clusters: nothing is drawn for them, so that all other runs stay as they are.
            ApiKey::ElectLeaders
            | ApiKey::AlterPartitionReassignments
            | ApiKey::ListPartitionReassignments
            | ApiKey::UnregisterBroker => api.facts().last,
            api => pick(*api, rng),
        };
        let mut versions = Self { drawn: spoken.map(|api| (*api, version(api))).collect() };
        // Topic ids are learnt from Metadata 10 on; without them only names can be spoken.
        if versions.of(ApiKey::Metadata) < 10 {
            let names_only = [
                (ApiKey::Produce, 12),
                (ApiKey::Fetch, 12),
                (ApiKey::OffsetCommit, 9),
                (ApiKey::OffsetFetch, 9),
                (ApiKey::DeleteTopics, 5),
            ];
            names_only.into_iter().for_each(|(api, last)| versions.cap(api, last));
        }
        versions
    }

    /// The version of this API.
    pub fn of(&self, api: ApiKey) -> i16 {
        let found = self.drawn.iter().find(|(known, _)| *known == api);
        found.expect("every API has a version").1
    }

    fn cap(&mut self, api: ApiKey, last: i16) {
        let found = self.drawn.iter_mut().find(|(known, _)| *known == api);
        let (_, version) = found.expect("every API has a version");
        *version = last.min(*version);
    }
}
