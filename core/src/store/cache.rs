//! The tail cache: the journal's buffers, kept as long as there is room, oldest first out. Each log knows the batches of
//! its own in them; nothing leaves before its segment file holds it.

use super::buffer::Pool;
use super::log::Log;
use crate::types::Offset;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// All buffers that batches are cached in.
#[derive(Default)]
pub(super) struct Cache {
    held: VecDeque<Held>,
    bytes: usize,
    /// What groups are made in.
    pub(super) pool: Pool,
    /// What goes beside groups is put together in, one while the group itself is in the making.
    pub(super) beside: Pool,
    /// What goes to segment files is put together in: it is free as soon as it is written.
    pub(super) moves: Pool,
}

struct Held {
    bytes: usize,
    /// The logs with batches in it, and the end of the last of each.
    logs: Vec<(u32, Offset)>,
}

impl Cache {
    /// Takes in a buffer of so many bytes with batches of these logs, up to these ends.
    pub(super) fn hold(&mut self, bytes: usize, logs: Vec<(u32, Offset)>) {
        self.bytes += bytes;
        self.held.push_back(Held { bytes, logs });
    }

    /// Lets go of the oldest buffers until at most so many bytes are left, or what comes next is not written yet.
    pub(super) fn shrink(&mut self, bytes_max: usize, logs: &mut BTreeMap<u32, Log>) {
        while self.bytes > bytes_max {
            let Some(oldest) = self.held.front() else {
                return;
            };
            let is_written = |(number, end): &(u32, Offset)| logs.get(number).is_none_or(|log| log.is_written_to(*end));
            if !oldest.logs.iter().all(is_written) {
                return;
            }
            let oldest = self.held.pop_front().expect("looked at above");
            self.bytes -= oldest.bytes;
            for (number, end) in oldest.logs {
                let Some(log) = logs.get_mut(&number) else {
                    continue;
                };
                while log.cached.front().is_some_and(|first| first.base < end) {
                    log.cached.pop_front();
                }
            }
        }
    }
}
