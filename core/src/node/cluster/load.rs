//! The metadata log → the image, a piece a step: at start all of it, and on a node that does not lead whatever is committed
//! from then on.

use super::{LOAD_BYTES, METADATA_TOPIC, Phase, Then};
use crate::boundary::{Action, Effect, Effects, Fault, LogSettings, LogSpec, Note, Query};
use crate::metadata::{Delta, Replay};
use crate::node::Node;
use crate::node::follow::CHANGES_PER_STEP_MAX;
use crate::quorum::Voters;
use crate::record::{CheckedBatch, Records, check_stored};
use crate::types::{LogId, Now, Offset, Str};

/// The only voter of the settings would be alone with the log of a quorum whose voters stand in it: the others may still be one
/// without it.
fn only_voter(is_sole: bool, batch: CheckedBatch) -> Result<CheckedBatch, Str> {
    match Voters::in_batch(&batch) {
        Ok(Some(_)) | Err(_) if is_sole => Err(Str::from_static(
            "its voters come and go, and the settings have this node as the only one: set controller.quorum.bootstrap.servers",
        )),
        Ok(_) | Err(_) => Ok(batch),
    }
}

impl Node {
    /// The first thing that a node does: make its metadata log, or read it.
    pub(in crate::node) fn load_metadata(&mut self, now: Now, is_new: bool, out: &mut Effects) {
        if is_new {
            let settings = LogSettings { delete: false, ..LogSettings::default() };
            let spec = LogSpec { topic: Str::from_static(METADATA_TOPIC), settings };
            self.cluster.store(Action::Create(spec), Then::Created, out);
        }
        self.take_part(out);
        self.load_on(now, out);
    }

    /// Reads on where the image ends. Whoever leads has applied its log by then; whoever follows reads what is committed.
    pub(super) fn load_on(&mut self, now: Now, out: &mut Effects) {
        let Some(replay) = &self.cluster.reading.replay else { return };
        if self.cluster.quorum.asleep_until().is_some() {
            return;
        }
        let log = self.cluster.quorum.log();
        let from = replay.image().end().max(log.start());
        let end = self.cluster.quorum.readable_end();
        if from < end {
            if self.cluster.reading.from != Some(from) {
                self.cluster.reading.from = Some(from);
                self.cluster.read(Query::Records { from, end, bytes_max: LOAD_BYTES }, Then::Load(from), out);
            }
        } else if !self.cluster.quorum.is_sole() {
            let (is_leader, bytes) = (self.cluster.quorum.is_leader(), replay.bytes());
            if is_leader && self.cluster.quorum.is_caught_up() {
                self.begin_reign(now, bytes, out);
            }
            self.observed(now, out);
        } else {
            self.cluster.image = replay.image().clone();
            self.cluster.quorum.replayed(replay.bytes());
            self.cluster.reading.replay = None;
            self.cluster.phase = Phase::Electing;
            self.cluster_wake(now, out);
        }
    }

    /// A piece of the log came, unless the log has begun anew since it was asked for.
    pub(super) fn loaded(&mut self, now: Now, from: Offset, records: &Records, out: &mut Effects) {
        if self.cluster.reading.from != Some(from) {
            return;
        }
        self.cluster.reading.from = None;
        for batch in check_stored(records.to_bytes(), &self.functions) {
            let replay = self.cluster.reading.replay.as_mut().expect("the log is read while it is being loaded");
            let batch = batch.map_err(|fault| Str::from(alloc::format!("{fault:?}")));
            let batch = batch.and_then(|batch| only_voter(self.cluster.quorum.is_sole(), batch));
            match batch.and_then(|batch| replay.take(&batch, &self.functions)) {
                Ok(delta) => self.publish(delta),
                Err(why) => return out.push(Effect::Halt { fault: Fault::MetadataUnreadable(why) }),
            }
        }
        if let Some(start) = self.cluster.reading.replay.as_mut().and_then(Replay::take_saved) {
            self.with_quorum(now, out, |quorum, _, said| quorum.saved(start, said));
        }
        self.take_up_registration(now, out);
        self.follow_on(now, CHANGES_PER_STEP_MAX, out);
        self.load_on(now, out);
    }

    /// This node led, and reads on where its image ends.
    pub(super) fn read_again(&mut self) {
        if self.cluster.reading.replay.is_none() {
            self.cluster.reading.replay = Some(Replay::from(self.cluster.image.clone()));
        }
    }

    /// Nothing of the log is left, and with the snapshot that it begins with comes another image. Until that is whole the old
    /// one stays public.
    pub(super) fn begin_image_anew(&mut self, start: Offset, out: &mut Effects) {
        out.note(Note::Truncated { log: LogId::METADATA, from: start, to: start });
        self.cluster.reading.replay = Some(Replay::default());
        self.cluster.reading.from = None;
        self.cluster.reading.is_anew = true;
        self.cluster.store(Action::Trim { start }, Then::Changed(start), out);
    }

    /// What a follower of the metadata log has applied is public at once, since it is committed. A snapshot that the log
    /// begins with is so only as a whole.
    fn publish(&mut self, delta: Option<Delta>) {
        let Some(replay) = &self.cluster.reading.replay else { return };
        if self.cluster.quorum.is_sole() || !replay.is_whole() {
            return;
        }
        let after = replay.image().clone();
        let delta = match self.cluster.reading.is_anew {
            true => Some(Delta::between(self.cluster.image.clone(), after.clone())),
            false => delta,
        };
        self.cluster.reading.is_anew = false;
        self.cluster.image = after;
        if let Some(delta) = delta.filter(|_| matches!(self.cluster.phase, Phase::Following | Phase::Ready)) {
            self.follow(&delta);
        }
    }
}
