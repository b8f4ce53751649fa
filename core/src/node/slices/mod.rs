//! Requests that name more than one step may work off: they are cut into pieces, a piece a turn, each a request of its
//! own under a ticket that is nobody's. Whatever else has come in goes between two pieces. Their answers are put together
//! again, and the whole is encoded off this thread.
//!
//! ```text
//!   request ──▶ cut ──▶ piece ─┐ one a turn
//!                              ├──▶ as any request ──▶ reply ──▶ join ──▶ Job::Encode ──▶ Send
//!                       piece ─┘
//! ```
//!
//! A piece is decided alone. What a request says twice is therefore seen only where it stands in one piece.
//!
//! A short request can ask for a long answer, a thousand times the settings of one broker. So few requests are under way at
//! a time, and an answer longer than any client takes ends its connection.

mod cut;

use super::groups::PART;
use super::{Node, OWNER_SLICES, op_id};
use crate::boundary::{Asker, Done, Effect, Effects, Ignored, Job, JobDone, Note, answer_bytes};
use crate::metadata::Image;
use crate::msg::{Request, Response};
use crate::types::{ConnId, Mono, Now, OpId, Str, Ticket, limit};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Every request that is to be worked off in pieces.
#[derive(Clone, Hash, Debug)]
pub struct Slices {
    /// What one request may cost a step; see [`cut::is_long`].
    cost_max: usize,
    /// How long an answer may be, encoded.
    answer_bytes_max: usize,
    begun: u64,
    /// Requests that were not begun yet, in the order in which they came.
    waiting: VecDeque<Whole>,
    under_way: BTreeMap<u64, Whole>,
    /// Whose turn it is to have a piece worked off.
    turns: VecDeque<u64>,
    /// Pieces that are not answered: of which request, and which.
    pieces: BTreeMap<u64, (u64, usize)>,
    pieces_begun: u64,
    /// Answers that are being encoded.
    encoding: BTreeMap<OpId, Ticket>,
    encodings_begun: u64,
    /// When the next piece has its turn, while there is one.
    at: Option<Mono>,
}

#[derive(Clone, Hash, Debug)]
struct Whole {
    ticket: Ticket,
    asker: Arc<Asker>,
    version: i16,
    /// What is not asked yet; turned round once it is begun.
    rest: Option<Request>,
    /// What was known when the request came, if it is only to be told: it is told as of then.
    image: Option<Arc<Image>>,
    /// How many topics the request may still bring into being by asking for them.
    creations_left: usize,
    /// How many pieces were asked, and how many of them are in `answer`.
    asked: usize,
    joined: usize,
    answer: Option<Response>,
    /// How long it is, encoded.
    answer_bytes: usize,
    /// Answers that came before those of earlier pieces.
    early: BTreeMap<usize, Response>,
}

impl Slices {
    /// Nothing is under way. Requests that cost more than `cost_max` are cut.
    pub fn new(cost_max: usize) -> Self {
        Self {
            cost_max,
            answer_bytes_max: limit::ANSWER_BYTES_MAX,
            begun: 0,
            waiting: VecDeque::new(),
            under_way: BTreeMap::new(),
            turns: VecDeque::new(),
            pieces: BTreeMap::new(),
            pieces_begun: 0,
            encoding: BTreeMap::new(),
            encodings_begun: 0,
            at: None,
        }
    }

    /// When there is more to be done.
    pub fn deadline(&self) -> Option<Mono> {
        self.at
    }

    /// The connection is gone: nobody waits for what it asked.
    pub fn closed(&mut self, conn: ConnId, out: &mut Effects) {
        self.waiting.retain(|whole| whole.ticket.conn != conn);
        let is_gone = |(id, whole): (&u64, &Whole)| (whole.ticket.conn == conn).then_some(*id);
        let gone: Vec<u64> = self.under_way.iter().filter_map(is_gone).collect();
        for id in gone {
            let whole = self.under_way.remove(&id).expect("it was just seen");
            self.forget(whole, out);
        }
        self.encoding.values_mut().filter(|ticket| ticket.conn == conn).for_each(|ticket| ticket.conn = PIECE);
    }

    /// What was known when the request of this piece came; `None` if the ticket is a client's own.
    pub fn image_of(&self, ticket: Ticket) -> Option<&Arc<Image>> {
        let (whole, _) = self.pieces.get(&ticket.seq).filter(|_| ticket.conn == PIECE)?;
        self.under_way.get(whole)?.image.as_ref()
    }

    /// Which of these topics may be made because somebody asked for them. The pieces of a request share one bound.
    pub fn allowed(&mut self, ticket: Ticket, mut missing: Vec<Str>) -> Vec<Str> {
        let piece = self.pieces.get(&ticket.seq).filter(|_| ticket.conn == PIECE);
        if let Some(whole) = piece.and_then(|(whole, _)| self.under_way.get_mut(whole)) {
            missing.truncate(whole.creations_left);
            whole.creations_left -= missing.len();
        }
        missing
    }

    /// Goes on at once if there is anything to be done.
    pub fn rouse(&mut self, now: Now) {
        if self.at.is_none() && self.is_busy() {
            self.at = Some(now.mono);
        }
    }

    /// Is there anything to be done?
    fn is_busy(&self) -> bool {
        !self.turns.is_empty() || !self.waiting.is_empty() && self.under_way.len() < limit::REQUESTS_SLICED_MAX
    }

    /// Begins the next request if it may.
    fn begin(&mut self, image: &Image) {
        if self.under_way.len() >= limit::REQUESTS_SLICED_MAX {
            return;
        }
        let Some(mut whole) = self.waiting.pop_front() else { return };
        let image = whole.image.as_deref().unwrap_or(image);
        cut::turn(whole.rest.as_mut().expect("nothing of it was asked"), whole.version, image);
        self.under_way.insert(self.begun, whole);
        self.turns.push_back(self.begun);
        self.begun += 1;
    }

    fn encode(&mut self, ticket: Ticket, version: i16, body: Response, out: &mut Effects) {
        let op = op_id(self.encodings_begun, OWNER_SLICES);
        self.encodings_begun += 1;
        self.encoding.insert(op, ticket);
        out.push(Effect::Job { op, job: Job::Encode { version, body } });
    }

    /// Nobody waits for this one any more. To give back the memory of millions of partitions takes longer than a step may:
    /// what was answered goes the way of all answers, only that nobody is sent it.
    fn forget(&mut self, whole: Whole, out: &mut Effects) {
        if let Some(body) = whole.answer {
            self.encode(Ticket { conn: PIECE, ..whole.ticket }, whole.version, body, out);
        }
    }

    /// A piece was answered. Gives the whole answer once there is nothing left to wait for.
    fn answered(&mut self, piece: u64, body: Response) -> Joined {
        match self.join(piece, body) {
            Some(id) if self.under_way[&id].answer_bytes > self.answer_bytes_max => {
                Joined::TooLong(self.under_way.remove(&id).expect("it was joined to"))
            }
            Some(id) if self.under_way[&id].is_joined() => {
                Joined::Whole(self.under_way.remove(&id).expect("it was joined to"))
            }
            Some(_) | None => Joined::Waits,
        }
    }

    /// Adds the answer of a piece to that of its request, if somebody still waits for it: to which.
    fn join(&mut self, piece: u64, body: Response) -> Option<u64> {
        let (id, index) = self.pieces.remove(&piece)?;
        let whole = self.under_way.get_mut(&id)?;
        whole.answer_bytes += answer_bytes(whole.version, &body);
        whole.early.insert(index, body);
        while let Some(next) = whole.early.remove(&whole.joined) {
            whole.joined += 1;
            match &mut whole.answer {
                None => whole.answer = Some(next),
                Some(answer) => cut::join(answer, next),
            }
        }
        Some(id)
    }

    /// Nobody knows what became of a piece: everybody who waits for one is cut off.
    fn lost(&mut self, out: &mut Vec<Effect>) {
        self.pieces.clear();
        let gone = core::mem::take(&mut self.under_way);
        out.extend(gone.into_values().map(|whole| Effect::Hangup { conn: whole.ticket.conn }));
    }
}

impl Whole {
    fn is_joined(&self) -> bool {
        self.rest.is_none() && self.joined == self.asked
    }
}

/// What the answer to a piece makes of its request.
enum Joined {
    /// There is something left to wait for.
    Waits,
    /// It is answered.
    Whole(Whole),
    /// Its answer is longer than any client would take.
    TooLong(Whole),
}

impl Node {
    /// Takes a request on that is to be worked off in pieces; `None` if it is not, else it is given back.
    pub(super) fn slice(&mut self, now: Now, caller: (Ticket, &Arc<Asker>, i16), body: Request) -> Option<Request> {
        let (ticket, asker, version) = caller;
        let measure = cut::Measure {
            image: self.cluster.image(),
            version,
            most: self.slices.cost_max,
            partitions_default: self.config.topics.partitions,
        };
        if !self.cluster.is_ready() || !cut::is_long(&body, &measure) {
            return Some(body);
        }
        let is_told = matches!(body, Request::Metadata(_));
        let whole = Whole {
            ticket,
            asker: asker.clone(),
            version,
            image: is_told.then(|| self.cluster.shared_image().clone()),
            rest: Some(body),
            creations_left: per_request(self.config.topics.partitions),
            asked: 0,
            joined: 0,
            answer: None,
            answer_bytes: 0,
            early: BTreeMap::new(),
        };
        self.slices.waiting.push_back(whole);
        self.slices.rouse(now);
        None
    }

    /// Works off the next piece of the request whose turn it is.
    pub(super) fn slice_on(&mut self, now: Now, out: &mut Effects) {
        self.slices.at = None;
        self.slices.begin(self.cluster.image());
        let Some(id) = self.slices.turns.pop_front() else { return };
        if let Some(whole) = self.slices.under_way.get_mut(&id) {
            let mut rest = whole.rest.take().expect("it has a turn while something is left");
            let image = whole.image.as_deref().unwrap_or(self.cluster.image());
            let (piece, is_last) = cut::next(&mut rest, image, self.slices.cost_max.div_ceil(PIECES_MIN));
            let seq = self.slices.pieces_begun;
            self.slices.pieces_begun += 1;
            self.slices.pieces.insert(seq, (id, whole.asked));
            whole.asked += 1;
            if !is_last {
                whole.rest = Some(rest);
                self.slices.turns.push_back(id);
            }
            let (asker, version) = (whole.asker.clone(), whole.version);
            self.request(now, (Ticket { conn: PIECE, seq }, &asker, version), piece, out);
        }
    }

    /// Answers to pieces never leave: they are put together. Where a piece is lost, or a question that was cut by groups, those
    /// who wait are cut off in its stead.
    pub(super) fn gather(&mut self, out: &mut Effects) {
        if self.slices.pieces.is_empty() && !self.groups.is_gathering() {
            return;
        }
        let is_of_piece = |effect: &Effect| match effect {
            Effect::Reply { ticket, .. } => ticket.conn == PIECE,
            Effect::Hangup { conn } => matches!(*conn, PIECE | PART),
            _ => false,
        };
        if !out.effects.iter().any(is_of_piece) {
            return;
        }
        for effect in core::mem::take(&mut out.effects) {
            match effect {
                Effect::Reply { ticket, body: Some(body) } if ticket.conn == PIECE => {
                    self.join(ticket.seq, body, out);
                }
                Effect::Hangup { conn } if conn == PIECE => self.slices.lost(&mut out.effects),
                Effect::Hangup { conn } if conn == PART => {
                    for ticket in self.groups.lost() {
                        match ticket.conn {
                            PIECE => self.slices.lost(&mut out.effects),
                            conn => out.push(Effect::Hangup { conn }),
                        }
                    }
                }
                other => out.push(other),
            }
        }
    }

    /// A piece was answered.
    fn join(&mut self, piece: u64, body: Response, out: &mut Effects) {
        match self.slices.answered(piece, body) {
            Joined::Waits => {}
            Joined::Whole(whole) => {
                let body = whole.answer.expect("a request is cut in one piece at least");
                self.slices.encode(whole.ticket, whole.version, body, out);
            }
            Joined::TooLong(whole) => {
                out.note(Note::Ignored(Ignored::AnswerTooLong));
                out.push(Effect::Hangup { conn: whole.ticket.conn });
                self.slices.forget(whole, out);
            }
        }
    }

    /// A whole answer is encoded, and leaves if somebody still waits for it.
    pub(super) fn encoded(&mut self, op: OpId, done: Done, out: &mut Effects) {
        let ticket = self.slices.encoding.remove(&op).expect("INV-04: an operation ends once, and only if it began");
        let Done::Job(JobDone::Encoded(body)) = done else { unreachable!("a job ends as the job that it was") };
        if ticket.conn != PIECE {
            out.push(match body {
                Ok(body) => Effect::Send { ticket, body },
                Err(_) => Effect::Hangup { conn: ticket.conn },
            });
        }
    }
}

/// So many topics of so many partitions may one request bring into being.
fn per_request(partitions: i32) -> usize {
    usize::try_from(limit::PARTITIONS_PER_REQUEST_MAX / i64::from(partitions.max(1))).unwrap_or(0)
}

/// What is cut is cut into so many pieces at least.
const PIECES_MIN: usize = 4;
/// Nobody's connection: under it the pieces are asked.
const PIECE: ConnId = ConnId(u64::MAX - 2);

#[cfg(test)]
#[path = "slices_test.rs"]
mod slices_test;
