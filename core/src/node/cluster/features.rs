//! Levels of features are changed (KIP-584): UpdateFeatures, asked of the active controller. All updates of a request are made or
//! none. The records of the metadata log have one level, so that is never raised or lowered; `kraft.version` can be raised, and
//! from then on voters come and go (KIP-853).

use super::From;
use crate::boundary::{Effect, Effects};
use crate::controller::Reply;
use crate::metadata::features::{self, KRAFT};
use crate::msg::update_features::{
    FeatureUpdateKey, UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use crate::msg::{Request, Response};
use crate::node::Node;
use crate::types::{ErrorCode, Now, Offset, Str, Ticket};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Why nothing was changed, for programs and for people.
type Refused = (ErrorCode, String);

impl Node {
    /// Somebody wants other levels.
    pub(in crate::node) fn features_asked(
        &mut self,
        now: Now,
        caller: (Ticket, i16),
        body: UpdateFeaturesRequest,
        out: &mut Effects,
    ) {
        if body.feature_updates.len() <= UPDATES_MAX {
            return self.administer(now, caller, Request::UpdateFeatures(body), out);
        }
        let why = format!("at most {UPDATES_MAX} features at a time");
        let body = Response::UpdateFeatures(answer(Vec::new(), Some((ErrorCode::InvalidRequest, why))));
        out.push(Effect::Reply { ticket: caller.0, body: Some(body) });
    }

    /// This controller is to change them.
    pub(super) fn change_features(
        &mut self,
        now: Now,
        ticket: Ticket,
        body: &UpdateFeaturesRequest,
        out: &mut Effects,
    ) {
        let judged = self.update_features(now, body, out);
        let (needed, refused) = match judged {
            Ok(needed) => (needed, None),
            Err(refused) => (Offset::ZERO, Some(refused)),
        };
        let reply = Response::UpdateFeatures(answer(names(body), refused));
        if needed > self.cluster.quorum.high_watermark() {
            self.cluster.promised.push_back((needed, From::Client(ticket), Reply::Response(reply)));
        } else {
            out.push(Effect::Reply { ticket, body: Some(reply) });
        }
    }

    /// Changes what is asked for, and gives the offset at which that is committed.
    fn update_features(
        &mut self,
        now: Now,
        body: &UpdateFeaturesRequest,
        out: &mut Effects,
    ) -> Result<Offset, Refused> {
        let me = self.config.broker.id;
        let mut is_raised = false;
        for update in &body.feature_updates {
            let level = self.feature_level(&update.feature);
            features::judge(update, level, me).map_err(|reason| refused(update, &reason))?;
            is_raised |= update.feature == *KRAFT && update.max_version_level > level;
        }
        if !is_raised {
            return Ok(Offset::ZERO);
        }
        let is_tried = body.validate_only;
        let written = self.with_quorum(now, out, |quorum, cx, said| quorum.write_voters(is_tried, cx, said));
        written.map_err(|error| (error, explained(error).into()))
    }

    fn feature_level(&self, name: &Str) -> i16 {
        match *name == *KRAFT {
            true => i16::from(self.cluster.quorum().is_changing()),
            false => self.cluster.image().features().get(name).copied().unwrap_or(0),
        }
    }
}

fn refused(update: &FeatureUpdateKey, reason: &str) -> Refused {
    let FeatureUpdateKey { feature, max_version_level, .. } = update;
    let why = format!("Invalid update version {max_version_level} for feature {feature}. {reason}");
    (ErrorCode::InvalidUpdateVersion, why)
}

/// Why voters of the settings cannot be written into the log.
fn explained(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::InvalidRequest => {
            "kraft.version 1 needs to know where each voter is reached: give the nodes controller.quorum.voters and \
             controller.listener.names"
        }
        _ => {
            "not now: kraft.version 1 needs all voters of controller.quorum.voters to be there and to follow closely, so that their \
             directories are known. Try again"
        }
    }
}

/// What a client is told of what another controller answered. In which version that was asked the client does not know, who may
/// want each feature named.
pub(super) fn features_told(asked: &Request, told: UpdateFeaturesResponse) -> UpdateFeaturesResponse {
    match asked {
        Request::UpdateFeatures(asked) if told.error_code == 0 => answer(names(asked), None),
        _ => told,
    }
}

fn names(asked: &UpdateFeaturesRequest) -> Vec<Str> {
    asked.feature_updates.iter().map(|update| update.feature.clone()).collect()
}

/// Nobody has more features, and each is judged in one step.
const UPDATES_MAX: usize = 100;

/// One answer for all, and in old versions each feature by its name.
fn answer(names: Vec<Str>, refused: Option<Refused>) -> UpdateFeaturesResponse {
    let Some((error, why)) = refused else {
        let result = |feature| UpdatableFeatureResult { feature, ..UpdatableFeatureResult::default() };
        return UpdateFeaturesResponse { results: names.into_iter().map(result).collect(), ..Default::default() };
    };
    let why = format!("The update failed for all features since the following feature had an error: {why}");
    UpdateFeaturesResponse { error_code: error.code(), error_message: Some(why.into()), ..Default::default() }
}
