//! Who votes is what the log says (KIP-853), committed or not: a node that starts looks through all of its log for that, before it
//! says anything to anybody. By the way it sees which registration of this broker was the last.

use super::{LOAD_BYTES, Then};
use crate::boundary::{Effect, Effects, Fault, Query};
use crate::node::Node;
use crate::quorum::Quorum;
use crate::record::{Records, check_stored};
use crate::types::{Now, Offset, Str};

impl Node {
    /// Begins to look through the log, if there is anything in it.
    pub(super) fn take_part(&mut self, out: &mut Effects) {
        self.survey_from(self.cluster.quorum.log().start(), out);
    }

    fn survey_from(&mut self, from: Offset, out: &mut Effects) {
        let Some(end) = self.cluster.quorum.asleep_until() else { return };
        self.cluster.read(Query::Records { from, end, bytes_max: LOAD_BYTES }, Then::Survey(from), out);
    }

    /// A piece of the log came. With the last one this node awakes.
    pub(super) fn surveyed(&mut self, now: Now, records: &Records, out: &mut Effects) {
        let mut from = self.cluster.quorum.log().start();
        for batch in check_stored(records.to_bytes(), &self.functions) {
            let batch = batch.map_err(|fault| Str::from(alloc::format!("{fault:?}")));
            let learned = batch.and_then(|batch| {
                from = batch.end_offset();
                let told = self.with_quorum(now, out, |quorum, cx, _| quorum.survey(&batch, cx));
                told.map_err(|_| Str::from_static("a record of voters"))
            });
            if let Err(why) = learned {
                return out.push(Effect::Halt { fault: Fault::MetadataUnreadable(why) });
            }
        }
        if self.cluster.quorum.asleep_until().is_some() {
            return self.survey_from(from, out);
        }
        self.load_on(now, out);
        self.with_quorum(now, out, Quorum::wake);
        self.tell_voters(out);
        self.observe(now, out);
    }
}
