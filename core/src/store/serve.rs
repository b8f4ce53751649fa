//! Questions to logs: queries, the slots of fetch answers, and what a log must know of itself before an action.

use super::buffer::block_floor;
use super::commit::{Admitted, Queued};
use super::entry::Cut;
use super::lookback::Lookback;
use super::read::{Reader, answer_op};
use super::walk::{Answer, Goal, Walk};
use super::{Store, StoreOut, fail};
use crate::boundary::{DiskFault, Done, Query, Slot};
use crate::log::Producer;
use crate::record::Records;
use crate::types::{LogId, Offset, OpId, Ticket, Wall};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A fetch answer in the making. Slots are filled in order, since what one takes the next cannot have.
#[derive(Debug)]
pub(super) struct Serve {
    slots: Vec<Slot>,
    filled: Vec<Result<Records, DiskFault>>,
    bytes_left: u32,
    /// Some slot has records: none may exceed its bound any more (KIP-74).
    has_records: bool,
}

impl Serve {
    fn fill(&mut self, answer: Answer) {
        let filled = match answer {
            Answer::Records(records) => Ok(records),
            Answer::Fault(fault) => Err(fault),
            Answer::Batch(_) | Answer::Cut(_) | Answer::Block(_) | Answer::Producers(_) => {
                unreachable!("slots ask for records")
            }
        };
        if let Ok(records) = &filled {
            self.bytes_left = self.bytes_left.saturating_sub(u32::try_from(records.len()).unwrap_or(u32::MAX));
            self.has_records |= !records.is_empty();
        }
        self.filled.push(filled);
    }

    /// What there is of it, and this fault for the rest.
    pub(super) fn failed(mut self, fault: DiskFault) -> Vec<Result<Records, DiskFault>> {
        self.filled.resize(self.slots.len(), Err(fault));
        self.filled
    }
}

impl Store {
    /// Is anything being read of this log, or about to be?
    pub(super) fn is_reading(&self, log: LogId) -> bool {
        let is_served = |serve: &Serve| serve.slots.iter().any(|slot| slot.log == log);
        let number = self.numbers.get(&log);
        number.is_some_and(|number| self.reads.is_walking(*number))
            || self.reads.serves.values().any(is_served)
            || self.reads.questions.iter().any(|(_, asked)| *asked == log)
    }

    /// Asks a log something. Ends in one [`StoreOut::Done`], perhaps at once.
    pub fn query(&mut self, op: OpId, log: LogId, query: &Query, out: &mut Vec<StoreOut>) {
        if self.health.is_offline {
            fail(op, DiskFault::Offline, out);
            return;
        }
        let Some(&number) = self.numbers.get(&log) else {
            fail(op, DiskFault::NoSuchLog, out);
            return;
        };
        let goal = match *query {
            Query::Records { from, end, bytes_max } => Goal::Records { from, end, bytes_max, is_first_whole: true },
            Query::AtTime { target, end } => Goal::Time { target, end },
            Query::MaxTime { end } => Goal::Latest { end },
            // Only all directories together know of it.
            Query::Future => return fail(op, DiskFault::NoSuchLog, out),
            Query::Log => {
                self.reads.questions.push((op, log));
                self.take_up_questions(out);
                return;
            }
            Query::Size => {
                out.push(StoreOut::Done { op, outcome: Ok(Done::Size(self.logs[&number].bytes())) });
                return;
            }
        };
        let walk = Walk::new(number, goal, self.config.read_bytes_max);
        if let Some(answer) = self.begin_read(walk, Reader::Op(op), out) {
            answer_op(op, answer, out);
        }
    }

    /// Answers what is asked of logs, when all that was asked for before has become of what it does.
    pub(super) fn take_up_questions(&mut self, out: &mut Vec<StoreOut>) {
        for (op, id) in core::mem::take(&mut self.reads.questions) {
            let log = self.numbers.get(&id).and_then(|number| self.logs.get_mut(number));
            if self.queue.iter().any(|queued| queued.id == id)
                || log.as_ref().is_some_and(|log| !log.waiting.is_empty())
            {
                self.reads.questions.push((op, id));
                continue;
            }
            if let Some(log) = log {
                log.is_refusing = false;
            }
            match &mut self.flying {
                Some(flying) => flying.ask(op, id),
                None => self.answer_facts(op, id, out),
            }
        }
    }

    /// Says what the store knows of a log. Nothing of it is under way.
    pub(super) fn answer_facts(&self, op: OpId, log: LogId, out: &mut Vec<StoreOut>) {
        let log = self.numbers.get(&log).map(|number| &self.logs[number]);
        let outcome = match log {
            None => Err(DiskFault::NoSuchLog),
            Some(log) if !log.is_sound() => Err(DiskFault::Rot),
            Some(log) => Ok(Done::Log(Box::new(log.facts()))),
        };
        out.push(StoreOut::Done { op, outcome });
    }

    /// Finds the record bytes of a fetch answer. Ends in one [`StoreOut::Served`], perhaps at once.
    pub fn serve(&mut self, ticket: Ticket, slots: Vec<Slot>, bytes_max: u32, out: &mut Vec<StoreOut>) {
        let filled = Vec::with_capacity(slots.len());
        let serve = Serve { slots, filled, bytes_left: bytes_max, has_records: false };
        if self.health.is_offline {
            out.push(StoreOut::Served { ticket, slots: serve.failed(DiskFault::Offline) });
            return;
        }
        self.go_on_serving(ticket, serve, out);
    }

    /// The slot that a fetch answer waited for is filled.
    pub(super) fn slot_answered(&mut self, ticket: Ticket, answer: Answer, out: &mut Vec<StoreOut>) {
        let mut serve = self.reads.serves.remove(&ticket).expect("it waits for this slot");
        serve.fill(answer);
        self.go_on_serving(ticket, serve, out);
    }

    fn go_on_serving(&mut self, ticket: Ticket, mut serve: Serve, out: &mut Vec<StoreOut>) {
        while let Some(slot) = serve.slots.get(serve.filled.len()) {
            let bytes_max = slot.bytes_max.min(serve.bytes_left);
            let Some(&number) = self.numbers.get(&slot.log) else {
                serve.fill(Answer::Fault(DiskFault::NoSuchLog));
                continue;
            };
            if bytes_max == 0 && serve.has_records {
                serve.fill(Answer::Records(Records::EMPTY));
                continue;
            }
            let is_first_whole = !serve.has_records;
            let goal = Goal::Records { from: slot.from, end: slot.end, bytes_max, is_first_whole };
            let walk = Walk::new(number, goal, self.config.read_bytes_max);
            match self.begin_read(walk, Reader::Slot(ticket), out) {
                Some(answer) => serve.fill(answer),
                None => {
                    self.reads.serves.insert(ticket, serve);
                    return;
                }
            }
        }
        out.push(StoreOut::Served { ticket, slots: serve.filled });
    }

    /// An append waits until the partial last block of its log is known.
    pub(super) fn wait_for_block(&mut self, number: u32, queued: Queued, out: &mut Vec<StoreOut>) -> Admitted {
        let log = self.logs.get_mut(&number).expect("looked up by the caller");
        let active = log.active();
        let end = active.written();
        let from = block_floor(end);
        let goal = Goal::Block { segment: active.base, from, len: (end - from) as usize };
        self.wait_for(number, queued, goal, out)
    }

    /// A truncation waits until it is known where it cuts.
    pub(super) fn wait_for_cut(
        &mut self,
        number: u32,
        queued: Queued,
        end: Offset,
        out: &mut Vec<StoreOut>,
    ) -> Admitted {
        self.wait_for(number, queued, Goal::Cut { end }, out)
    }

    /// A truncation waits until it is known what the log knew of the producers whose newest batches go. Those are looked
    /// for in the segment that is cut and in the one before it, from the cut backwards; of whom nothing is there, nothing is known
    /// any more.
    pub(super) fn wait_for_producers(
        &mut self,
        number: u32,
        queued: Queued,
        cut: Cut,
        now: Wall,
        out: &mut Vec<StoreOut>,
    ) -> Admitted {
        let log = &self.logs[&number];
        let first = log.segment_at(cut.segment).saturating_sub(1);
        let lately = 4 * self.config.read_bytes_max as u64;
        let goal = Goal::Producers(Lookback::before(&cut, log.segments[first].base, lately, log));
        let is_lost = |producer: &Producer| producer.last_offset >= cut.end && !producer.began_behind(cut.end);
        let lost = log.producers.iter().filter(|(_, producer)| is_lost(producer)).map(|(id, _)| id);
        let walk = Walk::new(number, goal, self.config.read_bytes_max).seeking(lost.collect(), now);
        self.wait_for_walk(number, queued, walk, out)
    }

    fn wait_for(&mut self, number: u32, queued: Queued, goal: Goal, out: &mut Vec<StoreOut>) -> Admitted {
        let walk = Walk::new(number, goal, self.config.read_bytes_max);
        self.wait_for_walk(number, queued, walk, out)
    }

    fn wait_for_walk(&mut self, number: u32, queued: Queued, walk: Walk, out: &mut Vec<StoreOut>) -> Admitted {
        let log = self.logs.get_mut(&number).expect("looked up by the caller");
        log.waiting.push_back(queued);
        if let Some(answer) = self.begin_read(walk, Reader::Log(number), out) {
            self.log_answered(number, answer, out);
        }
        Admitted::Taken
    }

    /// What a log's first waiting action needs is known: it goes on, and what waits behind it.
    pub(super) fn log_answered(&mut self, number: u32, answer: Answer, out: &mut Vec<StoreOut>) {
        let Some(log) = self.logs.get_mut(&number) else {
            return;
        };
        match (answer, log.waiting.front_mut()) {
            // A log that was given up has told them already.
            (_, None) => return,
            (Answer::Fault(fault), Some(_)) => return self.fail_waiting(number, fault, out),
            (Answer::Block(bytes), Some(_)) => log.give_head(bytes.to_vec()),
            (Answer::Cut(cut), Some(first)) => first.cut = Some(cut),
            (Answer::Producers(found), Some(first)) => first.producers = Some(found),
            (Answer::Records(_) | Answer::Batch(_), Some(_)) => unreachable!("logs ask for blocks and cuts"),
        }
        while let Some(queued) = log.waiting.pop_back() {
            self.queue.push_front(queued);
        }
    }
}
