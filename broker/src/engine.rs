//! Node and store as one: what the node wants of its logs goes to the store, what the store brings goes to the node, and
//! what both want of the world comes out. It decides nothing.

use crate::boot::Disk;
use crate::flight::Flight;
use crate::mail::{DiskState, Facts, Lag};
use crate::room::Room;
use crate::telemetry::Telemetry;
use crate::watch::Sight;
use bytes::Bytes;
use ottla_core::boundary::{
    DiskFault, Done, Effect, Effects, Fault, FileDone, FileFault, FileOp, Input, Job, JobDone, Line, Note, Slot,
};
use ottla_core::conn::splice;
use ottla_core::flight::Landing;
use ottla_core::msg::fetch::FetchResponse;
use ottla_core::msg::{Request, Response};
use ottla_core::node::{Node, Standing};
use ottla_core::quorum::VoterNode;
use ottla_core::record::Records;
use ottla_core::store::{StoreOut, Stores, unnamed};
use ottla_core::types::{CallId, ConnId, FileOpId, LogId, Mono, Now, Offset, OpId, Str, Ticket};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tracing::error;

/// Everything a broker decides with, and the disk.
pub struct Engine {
    node: Node,
    /// Writes down what the node is given, if somebody wants that.
    flight: Option<Flight>,
    store: Stores,
    /// Of each data directory: who works on it, and where it is.
    disks: Vec<(Disk, PathBuf)>,
    /// Those of them that were given up.
    lost: BTreeSet<usize>,
    telemetry: Telemetry,
    /// Fetch answers whose records are being found.
    serving: HashMap<Ticket, Serving>,
    /// When the flushes and durable writes under way were begun.
    flushes: HashMap<FileOpId, Mono>,
    /// For fetch answers.
    room: Room,
    disk_state: DiskState,
    /// Appends that were ever refused for want of room.
    refused: u64,
    /// Empty between calls; kept for their memory.
    effects: Effects,
    store_outs: Vec<StoreOut>,
}

struct Serving {
    body: FetchResponse,
    slots: Vec<Slot>,
    /// What is read for it, at most.
    bytes_max: usize,
}

/// What the engine wants of the world.
pub enum Out {
    /// To be stepped, in this order.
    Input(Input),
    /// An answer.
    Reply {
        /// Whose.
        ticket: Ticket,
        /// The answer, or silence.
        body: Option<Response>,
    },
    /// Work for another thread.
    Job {
        /// Its name.
        op: OpId,
        /// The work.
        job: Job,
    },
    /// To be closed.
    Hangup(ConnId),
    /// An answer that is encoded already.
    Send {
        /// To whom.
        ticket: Ticket,
        /// Its bytes, without the frame.
        body: Bytes,
    },
    /// A request of our own. Ends in one `Input::Response`.
    Call {
        /// Its name.
        call: CallId,
        /// Over which connection.
        line: Arc<Line>,
        /// The request.
        body: Request,
        /// How long its answer is waited for.
        wait: Duration,
    },
    /// For people.
    Note(Note),
    /// The process must end.
    Halt(Fault),
}

impl Engine {
    /// A node that has booted, with the effects of its boot, over directories that have recovered.
    pub fn new(node: Node, boot: Effects, store: Stores, disks: Vec<(Disk, PathBuf)>, telemetry: Telemetry) -> Self {
        Self {
            node,
            flight: None,
            store,
            disks,
            lost: BTreeSet::new(),
            telemetry,
            serving: HashMap::new(),
            flushes: HashMap::new(),
            room: Room::default(),
            disk_state: DiskState::Well,
            refused: 0,
            effects: boot,
            store_outs: Vec::new(),
        }
    }

    /// With a recording that begins with this node's boot.
    #[must_use]
    pub fn recorded(self, now: Now, mut flight: Option<Flight>) -> Self {
        if let Some(flight) = &mut flight {
            flight.stepped(now, self.effects.effects.len(), &self.node);
        }
        Self { flight, ..self }
    }

    /// Steps the node.
    pub fn step(&mut self, now: Now, input: Input, out: &mut Vec<Out>) {
        self.step_node(now, input);
        self.carry_effects(out);
    }

    /// The one place where the node is stepped.
    fn step_node(&mut self, now: Now, input: Input) {
        let Some(flight) = &mut self.flight else { return self.node.step(now, input, &mut self.effects) };
        let is_recorded = flight.steps(now, &input, &self.node);
        let before = self.effects.effects.len();
        self.node.step(now, input, &mut self.effects);
        match is_recorded {
            true => flight.stepped(now, self.effects.effects.len() - before, &self.node),
            false => self.flight = None,
        }
    }

    /// Nothing happens any more: a recording ends.
    pub fn land(&mut self) {
        if let Some(mut flight) = self.flight.take() {
            flight.land(Landing::Stopped, &self.node);
            flight.wait();
        }
    }

    /// Connections hold this much in memory: the more it is, the smaller the next answers are made.
    pub fn connections_hold(&mut self, bytes: usize) {
        self.room.connections_hold(bytes);
    }

    /// The store's turn; and the node's, if its time has come.
    pub fn turn(&mut self, now: Now, out: &mut Vec<Out>) {
        if self.node.deadline().is_some_and(|due| due <= now.mono) {
            self.step_node(now, Input::Wake);
        }
        self.carry_effects(out);
        self.store.turn(now, &mut self.store_outs);
        self.carry_store(now, out);
    }

    /// When something is to be done although nothing happened.
    pub fn deadline(&self) -> Option<Mono> {
        [self.node.deadline(), self.store.deadline()].into_iter().flatten().min()
    }

    /// A file operation ended.
    pub fn file_done(&mut self, now: Now, id: FileOpId, outcome: Result<FileDone, FileFault>, out: &mut Vec<Out>) {
        if let Some(begun) = self.flushes.remove(&id) {
            self.telemetry.flushed(now.mono.since(begun));
        }
        if let Ok(FileDone::Read(bytes)) = &outcome {
            self.telemetry.disk_read(bytes.len());
        }
        self.store.file_done(now, id, outcome, &mut self.store_outs);
        self.carry_store(now, out);
    }

    /// A job ended.
    pub fn job_done(&mut self, now: Now, op: OpId, done: JobDone, out: &mut Vec<Out>) {
        self.step(now, Input::Done { op, outcome: Ok(Done::Job(done)) }, out);
    }

    /// Brings everything to where it belongs on disk; ends when [`Engine::is_quiet`].
    pub fn shut(&mut self, now: Now, out: &mut Vec<Out>) {
        self.store.shut(now, &mut self.store_outs);
        self.carry_store(now, out);
    }

    /// Is nothing waiting for the disk?
    pub fn is_quiet(&self) -> bool {
        self.store.is_quiet()
    }

    /// May clients come?
    pub fn is_ready(&self) -> bool {
        self.node.view().is_ready()
    }

    /// True once a process that is to end may do so.
    pub fn is_released(&self) -> bool {
        self.node.view().is_released()
    }

    /// What people call a log: by its topic's id if its topic is gone.
    pub fn name_of(&self, log: LogId) -> String {
        if log == LogId::METADATA {
            return format!("__cluster_metadata-{}", log.partition);
        }
        let topic = self.node.view().image().topic(log.topic);
        topic.map_or_else(|| format!("{log:?}"), |topic| format!("{}-{}", topic.name, log.partition))
    }

    /// What people may know.
    pub fn facts(&self) -> Facts {
        let offline = self.telemetry.offline();
        let has_controller = self.has_controller();
        Facts { is_ready: self.is_ready(), has_controller, disk: self.disk_state(), offline, counts: None }
    }

    /// The same with what has to be counted.
    pub fn counted(&self) -> Facts {
        Facts { counts: Some((self.node.view().census(), self.lags())), ..self.facts() }
    }

    /// What is seen of the metadata quorum. The question is which addresses do not answer.
    pub fn sight(&self, is_troubled: impl Fn(&Str, u16) -> bool) -> Sight {
        let view = self.node.view();
        let address = |voter: &VoterNode| voter.endpoints.first().map(|at| (at.host.clone(), at.port));
        let shown = |voter: &VoterNode| {
            let at = address(voter).map_or(String::new(), |(host, port)| format!("{host}:{port}"));
            (voter.id.0, at)
        };
        let is_unreached = |voter: &&VoterNode| address(voter).is_some_and(|(host, port)| is_troubled(&host, port));
        let voters = view.voters().nodes();
        Sight {
            has_controller: self.has_controller(),
            voters: voters.iter().map(shown).collect(),
            is_turning_over: view.is_turning_over(),
            unreached: voters.iter().filter(is_unreached).map(shown).collect(),
        }
    }

    /// Somebody is known to lead the metadata quorum. Who is alone in it leads once it has read its log.
    fn has_controller(&self) -> bool {
        let view = self.node.view();
        match view.standing().1 {
            Standing::Leader | Standing::Follower(_) => true,
            Standing::Unattached | Standing::Candidate => view.is_alone(),
        }
    }

    /// Tells of the disk if it is another than it was. What happened to single logs must have been told before.
    pub fn look_at_disk(&mut self, now: Now) {
        let disk_state = self.disk_state();
        if disk_state != self.disk_state {
            self.disk_state = disk_state;
            self.telemetry.disk_is(now.mono, disk_state, self.refused);
        }
    }

    fn disk_state(&self) -> DiskState {
        match (self.store.is_offline(0), self.store.is_full()) {
            (true, _) => DiskState::Offline,
            (false, true) => DiskState::Full,
            (false, false) => DiskState::Well,
        }
    }

    fn lags(&self) -> Vec<Lag> {
        let view = self.node.view();
        let lag = |(group, topic, partition, committed): (&Str, &Str, i32, Offset)| {
            let log = LogId { topic: view.image().topic_named(topic)?.id, partition };
            let offsets = view.high_watermark(log)?.0 - committed.0;
            Some(Lag { group: group.to_string(), topic: topic.to_string(), partition, offsets: offsets.max(0) })
        };
        view.committed().filter_map(lag).collect()
    }

    fn carry_effects(&mut self, out: &mut Vec<Out>) {
        out.extend(self.effects.notes.drain(..).map(Out::Note));
        let mut effects = std::mem::take(&mut self.effects.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Reply { ticket, body } => out.push(Out::Reply { ticket, body }),
                Effect::Send { ticket, body } => out.push(Out::Send { ticket, body }),
                Effect::Serve { ticket, body, slots, bytes_max } => {
                    self.serve(ticket, body, slots, bytes_max);
                }
                Effect::Place { log, directory } => self.store.place(log, directory),
                Effect::Move { log, directory } => self.store.relocate(log, directory),
                Effect::Trust => self.store.trust(),
                Effect::MovesThrottled(rate) => self.store.throttle_moves(rate),
                Effect::Store { op, log, action } => self.store.submit(op, log, action),
                Effect::Read { op, log, query } => self.store.query(op, log, &query, &mut self.store_outs),
                Effect::Job { op, job } => out.push(Out::Job { op, job }),
                Effect::Call { call, line, body, wait } => out.push(Out::Call { call, line, body, wait }),
                Effect::Hangup { conn } => out.push(Out::Hangup(conn)),
                Effect::Halt { fault } => out.push(Out::Halt(fault)),
            }
        }
        self.effects.effects = effects;
    }

    fn serve(&mut self, ticket: Ticket, body: FetchResponse, slots: Vec<Slot>, bytes_max: u32) {
        let bytes_max = bytes_max.min(self.room.answer_bytes_max());
        let asked: usize = slots.iter().map(|slot| slot.bytes_max as usize).sum();
        self.store.serve(ticket, slots.clone(), bytes_max, &mut self.store_outs);
        // What memory had is not there twice.
        let is_found =
            matches!(self.store_outs.last(), Some(StoreOut::Served { ticket: served, .. }) if *served == ticket);
        let bytes_max = if is_found { 0 } else { asked.min(bytes_max as usize) };
        self.room.promise(bytes_max);
        self.serving.insert(ticket, Serving { body, slots, bytes_max });
    }

    fn carry_store(&mut self, now: Now, out: &mut Vec<Out>) {
        for one in std::mem::take(&mut self.store_outs) {
            match one {
                StoreOut::File { id, op } => self.file(now, id, op),
                StoreOut::Done { op, outcome } => {
                    self.refused += u64::from(matches!(outcome, Err(DiskFault::Full)));
                    out.push(Out::Input(Input::Done { op, outcome }));
                }
                StoreOut::Served { ticket, slots } => self.served(ticket, slots, out),
                StoreOut::Moved { log, directory, stage } => {
                    out.push(Out::Input(Input::Moved { log, directory, stage }));
                }
                StoreOut::Note(note) => out.push(Out::Note(note)),
            }
        }
        self.look_for_losses(out);
    }

    /// The loss of a directory is for the node to deal with.
    fn look_for_losses(&mut self, out: &mut Vec<Out>) {
        for directory in 0..self.disks.len() {
            if self.store.is_offline(directory) && self.lost.insert(directory) {
                let path = self.disks[directory].1.display();
                error!("the data directory {path} is given up: nothing in it is read or written until the next start");
                out.push(Out::Input(Input::DirectoryLost { directory }));
            }
        }
    }

    fn file(&mut self, now: Now, id: FileOpId, op: FileOp) {
        match &op {
            FileOp::WriteAt { parts, durable, .. } => {
                self.telemetry.disk_written(parts.iter().map(bytes::Bytes::len).sum());
                if *durable {
                    self.flushes.insert(id, now.mono);
                }
            }
            FileOp::Sync { .. } | FileOp::Settle { .. } => {
                self.flushes.insert(id, now.mono);
            }
            FileOp::Open { .. }
            | FileOp::Close { .. }
            | FileOp::ReadAt { .. }
            | FileOp::SyncDir { .. }
            | FileOp::SetLen { .. }
            | FileOp::MakeDir { .. }
            | FileOp::Rename { .. }
            | FileOp::Remove { .. }
            | FileOp::List { .. } => {}
        }
        (self.disks[unnamed(id).0].0)(id, op);
    }

    fn served(&mut self, ticket: Ticket, found: Vec<Result<Records, DiskFault>>, out: &mut Vec<Out>) {
        let Serving { mut body, slots, bytes_max } =
            self.serving.remove(&ticket).expect("only what is being served ends");
        self.room.kept(bytes_max);
        let outcome = splice(&mut body, &slots, found);
        out.push(Out::Reply { ticket, body: Some(Response::Fetch(body)) });
        out.push(Out::Input(Input::Served { ticket, outcome }));
    }
}
