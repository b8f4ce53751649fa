//! The tail cache: the buffers of appends, kept as long as there is room, oldest first out. Each log knows the batches of
//! its own in them; nothing leaves before its segment file holds it.

use super::buffer::Pool;
use super::log::Logs;
use crate::types::Offset;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// All buffers that batches are cached in.
pub(super) struct Cache {
    bytes_max: usize,
    bytes: usize,
    held: VecDeque<Held>,
    /// Those that were not in their files when their turn to go came: a batch of a log that is hardly written keeps its
    /// buffer until the next checkpoint, but not those behind it.
    late: VecDeque<Held>,
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
    /// An empty cache that holds so many bytes, and more only as long as no file holds them.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            held: VecDeque::new(),
            late: VecDeque::new(),
            pool: Pool::of(bytes_max),
            beside: Pool::of(bytes_max),
            moves: Pool::of(0),
        }
    }

    /// Takes in a buffer of so many bytes with batches of these logs, up to these ends.
    pub(super) fn hold(&mut self, bytes: usize, logs: Vec<(u32, Offset)>) {
        self.bytes += bytes;
        self.held.push_back(Held { bytes, logs });
    }

    /// Lets go of the oldest buffers until few enough bytes are left, as far as these are in their files.
    pub(super) fn shrink(&mut self, logs: &mut Logs) {
        for _ in 0..self.late.len().min(LATE_AT_ONCE) {
            if self.bytes <= self.bytes_max {
                return;
            }
            let one = self.late.pop_front().expect("counted above");
            self.let_go(one, logs);
        }
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.held.pop_front()
        {
            self.let_go(oldest, logs);
        }
    }

    /// How much is in it.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn let_go(&mut self, one: Held, logs: &mut Logs) {
        let is_written = |(number, end): &(u32, Offset)| logs.get(number).is_none_or(|log| log.is_written_to(*end));
        if !one.logs.iter().all(is_written) {
            self.late.push_back(one);
            return;
        }
        self.bytes -= one.bytes;
        for (number, end) in one.logs {
            let Some(log) = logs.get_mut(&number) else {
                continue;
            };
            while log.cached.front().is_some_and(|first| first.base < end) {
                log.cached.pop_front();
            }
        }
    }
}

/// So many late buffers are looked at each time: all of them have their turn, and no time is long.
const LATE_AT_ONCE: usize = 4;
