//! One machine: a disk and a clock that outlive every process, and the process that runs on it at the moment, if any.

use crate::clock::{At, Clock};
use crate::disks::{Disks, Token};
use crate::flight::Recorder;
use crate::net::{End, LinkId, Plug};
use crate::plan::{EPOCH_MS, Options, Plan};
use crate::process::{Process, ProcessOut};
use crate::run::functions;
use crate::settings::{CONTROLLER_PORT, config, directory_of, founders, store_config};
use crate::world::MachineEvent;
use bytes::Bytes;
use ottla_core::boundary::{Effects, FileDone, FileFault, FileId, FileOp, Note, OpenMode};
use ottla_core::log::Log;
use ottla_core::node::{Boot, FoundLog, Node, View};
use ottla_core::store::{
    Claim, Places, Recovered, RecoveredLog, Recovery, RecoveryRefusal, RecoveryStep, Store, StoreOut, Stores, named,
    unnamed,
};
use ottla_core::types::{BrokerId, FileOpId, LogId, Now, OffsetRange, Rng, Str, Uuid, Wall};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// What a machine asks of the world.
pub enum MachineOut {
    /// This is to happen to it then.
    Later(At, MachineEvent),
    /// An attempt to connect to a host and a port; then [`Machine::reached_out`].
    Connect(u64, (Str, u16)),
    /// Bytes from this end.
    Send(Plug, Bytes),
    /// A connection is closed from this end.
    Close(Plug),
    /// For the trace: a fact, and a line.
    Line(u64, String),
    /// For the trace: what the node or the store says of itself.
    Note(Note),
    /// Something was reached.
    Mark(&'static str),
    /// What must not be.
    Finding(&'static str, String),
}

/// What a machine sees of whoever connects to it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its address, as Kafka prints it.
    pub host: Str,
    /// The port at which it came in.
    pub port: u16,
}

/// What a process is at, as somebody beside the machine sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Life {
    /// There is none, and why.
    Off(&'static str),
    /// It looks at its disk.
    Booting,
    /// It runs.
    Up,
    /// It stands still.
    Paused,
    /// It was asked to stop.
    Stopping,
}

enum State {
    Off,
    Booting(Box<Booting>),
    Up(Box<Process>),
}

/// Directories that are opened one after the other.
struct Booting {
    recovery: Recovery,
    cluster: Option<Str>,
    directories: Vec<Uuid>,
    opened: Vec<(Store, Vec<RecoveredLog>)>,
    /// Ends of operations that directories which are open already asked for.
    later: Vec<(FileOpId, Result<FileDone, FileFault>)>,
}

/// What came while the process stood still.
enum Waiting {
    Accepted(LinkId, Caller),
    Connected(LinkId),
    Received(Plug, Bytes),
    Taken(LinkId, usize),
    Dropped(Plug),
}

/// The machine.
pub struct Machine {
    /// Its disks.
    pub disks: Disks,
    /// Its clock.
    pub clock: Clock,
    number: usize,
    options: Options,
    state: State,
    incarnation: u64,
    rng: Rng,
    ops: BTreeMap<Token, FileOpId>,
    plugs: BTreeSet<Plug>,
    paused_until: Option<At>,
    waiting: VecDeque<Waiting>,
    stuck_until: At,
    /// When the process is going to be woken.
    booked: Option<At>,
    /// How long after its end a process that was asked to stop starts again.
    stopping: Option<Duration>,
    /// Why the last start failed, if it did for good.
    lost: Option<String>,
    /// Why the last process ended.
    ended: &'static str,
    /// The disk failed under this process.
    ailing: bool,
    /// Segments that this process writes.
    segments: BTreeSet<FileId>,
    starts: u64,
}

impl Machine {
    /// A machine with an empty disk, switched off.
    pub fn new(number: usize, plan: &Plan, disk: Rng, rng: Rng) -> Self {
        Self {
            disks: Disks::new(disks_of(&plan.options), &plan.options.disk, disk),
            clock: Clock::new(Wall(EPOCH_MS)),
            number,
            options: plan.options.clone(),
            state: State::Off,
            incarnation: 0,
            rng,
            ops: BTreeMap::new(),
            plugs: BTreeSet::new(),
            paused_until: None,
            waiting: VecDeque::new(),
            stuck_until: At::START,
            booked: None,
            stopping: None,
            lost: None,
            ended: "not started",
            ailing: false,
            segments: BTreeSet::new(),
            starts: 0,
        }
    }

    /// Whether connections are accepted at this port.
    pub fn listens(&self, port: u16) -> bool {
        let State::Up(process) = &self.state else { return false };
        // Voters must reach each other before anybody can be ready.
        process.listens(port) && (port == CONTROLLER_PORT || process.node.view().is_ready())
    }

    /// Why it can never start again, if so.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Whether an event still concerns anybody.
    pub fn concerns(&self, event: MachineEvent) -> bool {
        match event {
            MachineEvent::Start => matches!(self.state, State::Off),
            MachineEvent::Thaw => true,
            MachineEvent::File(incarnation, _)
            | MachineEvent::Errand(incarnation, _)
            | MachineEvent::Wake(incarnation)
            | MachineEvent::Resume(incarnation) => incarnation == self.incarnation,
        }
    }

    /// Its own business is due.
    pub fn happened(&mut self, at: At, event: MachineEvent, out: &mut Vec<MachineOut>) {
        if let Some(until) = self.paused_until
            && matches!(event, MachineEvent::File(..) | MachineEvent::Errand(..) | MachineEvent::Wake(_))
        {
            return out.push(MachineOut::Later(until, event));
        }
        let now = self.clock.now(at);
        match event {
            MachineEvent::Start => self.start(at, out),
            MachineEvent::File(_, token) if self.stuck_until > at => {
                out.push(MachineOut::Later(self.stuck_until, MachineEvent::File(self.incarnation, token)));
            }
            MachineEvent::File(_, token) => {
                let outcome = self.disks.finish(token);
                self.ailing |= outcome == Err(FileFault::Io);
                let id = self.ops.remove(&token).expect("an operation ends once");
                self.file_done(at, id, outcome, out);
            }
            MachineEvent::Errand(_, number) => self.with(at, out, |process, out| process.errand_done(now, number, out)),
            // One that was booked before an earlier one is of no use any more.
            MachineEvent::Wake(_) if self.booked.is_none_or(|booked| booked > at) => {}
            MachineEvent::Wake(_) => {
                self.booked = None;
                self.with(at, out, |process, out| process.woken(now, out));
            }
            MachineEvent::Resume(_) => self.resume(at, out),
            MachineEvent::Thaw => {
                self.clock.thaw(at);
                self.book(at, out);
            }
        }
    }

    /// Somebody connected.
    pub fn accepted(&mut self, at: At, link: LinkId, caller: Caller, out: &mut Vec<MachineOut>) {
        self.plugs.insert(Plug::accepter(link));
        self.outside(at, Waiting::Accepted(link, caller), out);
    }

    /// This is the link of an attempt. False if nobody wants it any more.
    pub fn reached_out(&mut self, attempt: u64, link: LinkId) -> bool {
        let State::Up(process) = &mut self.state else { return false };
        let is_wanted = process.reached_out(attempt, link);
        if is_wanted {
            self.plugs.insert(Plug::opener(link));
        }
        is_wanted
    }

    /// The other side accepted. A connection that this process does not know is given up.
    pub fn connected(&mut self, at: At, link: LinkId, out: &mut Vec<MachineOut>) {
        match self.plugs.contains(&Plug::opener(link)) {
            true => self.outside(at, Waiting::Connected(link), out),
            false => out.push(MachineOut::Close(Plug::opener(link))),
        }
    }

    /// Bytes came. A connection that this process does not know is refused.
    pub fn received(&mut self, at: At, plug: Plug, bytes: Bytes, out: &mut Vec<MachineOut>) {
        match self.plugs.contains(&plug) {
            true => self.outside(at, Waiting::Received(plug, bytes), out),
            false => out.push(MachineOut::Close(plug)),
        }
    }

    /// Whoever connected took bytes.
    pub fn taken(&mut self, at: At, link: LinkId, bytes: usize, out: &mut Vec<MachineOut>) {
        self.outside(at, Waiting::Taken(link, bytes), out);
    }

    /// The other side is gone.
    pub fn dropped(&mut self, at: At, plug: Plug, out: &mut Vec<MachineOut>) {
        if self.plugs.remove(&plug) {
            self.outside(at, Waiting::Dropped(plug), out);
        }
    }

    /// The process is killed.
    pub fn kill(&mut self, at: At, down: Duration, out: &mut Vec<MachineOut>) {
        if !matches!(self.state, State::Off) {
            out.push(MachineOut::Mark("kills"));
            self.disks.kill();
            self.end_process(at, ("killed", down), out);
        }
    }

    /// The process is killed, and finds an empty disk when it starts again.
    pub fn wipe(&mut self, at: At, down: Duration, out: &mut Vec<MachineOut>) {
        out.push(MachineOut::Mark("disks lost"));
        self.kill(at, down, out);
        self.ended = "disk lost";
        self.disks = Disks::new(disks_of(&self.options), &self.options.disk, self.rng.fork("wiped"));
    }

    /// The power fails.
    pub fn lose_power(&mut self, at: At, down: Duration, out: &mut Vec<MachineOut>) {
        let running = !matches!(self.state, State::Off);
        self.disks.lose_power();
        if running {
            // Half of those at the other ends are told by nobody: the machine that would is dark.
            let (told, _): (BTreeSet<Plug>, BTreeSet<Plug>) =
                std::mem::take(&mut self.plugs).into_iter().partition(|_| self.rng.chance(1, 2));
            self.plugs = told;
            self.end_process(at, ("power lost", down), out);
        }
    }

    /// The process is asked to stop.
    pub fn stop(&mut self, at: At, down: Duration, out: &mut Vec<MachineOut>) {
        if matches!(self.state, State::Up(_)) && self.paused_until.is_none() && self.stopping.is_none() {
            out.push(MachineOut::Mark("clean stops"));
            self.stopping = Some(down);
            let now = self.clock.now(at);
            self.with(at, out, |process, out| process.stop(now, out));
        }
    }

    /// The process stands still for a while.
    pub fn pause(&mut self, at: At, wait: Duration, out: &mut Vec<MachineOut>) {
        if matches!(self.state, State::Up(_)) && self.paused_until.is_none() {
            out.push(MachineOut::Mark("pauses"));
            self.paused_until = Some(at + wait);
            out.push(MachineOut::Later(at + wait, MachineEvent::Resume(self.incarnation)));
        }
    }

    /// An operator wants replicas in another directory.
    pub fn relocate(&mut self, at: At, seed: u64, out: &mut Vec<MachineOut>) {
        if self.paused_until.is_none() && self.stopping.is_none() {
            let now = self.clock.now(at);
            self.with(at, out, |process, out| process.relocate(now, seed, out));
        }
    }

    /// The clock stands still for a while.
    pub fn freeze(&mut self, at: At, wait: Duration, out: &mut Vec<MachineOut>) {
        self.clock.freeze(at);
        out.push(MachineOut::Later(at + wait, MachineEvent::Thaw));
    }

    /// The clock is changed.
    pub fn change_clock(&mut self, at: At, change: impl FnOnce(&mut Clock), out: &mut Vec<MachineOut>) {
        change(&mut self.clock);
        self.booked = None;
        self.book(at, out);
    }

    /// No operation of the disk ends before then.
    pub fn stick(&mut self, until: At) {
        self.stuck_until = self.stuck_until.max(until);
    }

    /// Whatever was wrong is over. A process whose disk failed is started again, as somebody would.
    pub fn heal(&mut self, at: At, out: &mut Vec<MachineOut>) {
        self.disks.disarm();
        self.stuck_until = at;
        self.clock.thaw(at);
        // Or a session on the fastest clock is as long as a heartbeat takes on the slowest.
        self.clock.set_pace(at, 1000);
        self.booked = None;
        if self.paused_until.is_some() {
            self.resume(at, out);
        }
        if self.ailing {
            self.kill(at, Duration::from_millis(100), out);
        }
        self.book(at, out);
    }

    /// What the process owes and holds: requests, bytes of connections.
    pub fn load(&self) -> (usize, usize) {
        match &self.state {
            State::Up(process) => (process.owed(), process.held_bytes()),
            State::Off | State::Booting(_) => (0, 0),
        }
    }

    /// What its process is at.
    pub fn life(&self) -> Life {
        match &self.state {
            State::Off => Life::Off(self.ended),
            State::Booting(_) => Life::Booting,
            State::Up(_) if self.paused_until.is_some() => Life::Paused,
            State::Up(_) if self.stopping.is_some() => Life::Stopping,
            State::Up(_) => Life::Up,
        }
    }

    /// A look at the node, if there is one.
    pub fn view(&self) -> Option<View<'_>> {
        match &self.state {
            State::Up(process) => Some(process.node.view()),
            State::Off | State::Booting(_) => None,
        }
    }

    /// The logs that its store keeps, while it runs.
    pub fn stored(&self) -> impl Iterator<Item = LogId> {
        let process = match &self.state {
            State::Up(process) => Some(process),
            State::Off | State::Booting(_) => None,
        };
        process.into_iter().flat_map(|process| process.stored())
    }

    /// The fingerprint of the node.
    pub fn digest(&self) -> u64 {
        match &self.state {
            State::Up(process) => process.node.digest(),
            State::Off | State::Booting(_) => self.incarnation,
        }
    }

    /// How often a process began.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    fn start(&mut self, at: At, out: &mut Vec<MachineOut>) {
        self.clock.reboot(at);
        self.starts += 1;
        self.ailing = false;
        let recovery = self.recovery(0, None);
        let (opened, later) = (Vec::new(), Vec::new());
        let booting = Booting { recovery, cluster: None, directories: Vec::new(), opened, later };
        self.state = State::Booting(Box::new(booting));
        self.open_next(at, out);
    }

    fn recovery(&mut self, directory: usize, cluster: Option<Str>) -> Recovery {
        let drawn = Uuid(self.rng.bytes16());
        let is_named = self.options.shape.turnover && directory == 0;
        let new_cluster = cluster.is_none().then_some(Str::from_static("simulated-cluster-0001"));
        let claim = Claim {
            node: broker_id(self.number),
            cluster,
            new_directory: if is_named { directory_of(self.number) } else { drawn },
            new_cluster,
            new_salt: self.rng.next_u64(),
        };
        Recovery::new(store_config(&self.options), functions(), claim)
    }

    /// The next directory begins to be opened.
    fn open_next(&mut self, at: At, out: &mut Vec<MachineOut>) {
        let State::Booting(booting) = &mut self.state else { return };
        let (mut said, directory) = (Vec::new(), booting.opened.len());
        booting.recovery.start(&mut said);
        self.ask_disk(at, directory, said, out);
    }

    fn file_done(&mut self, at: At, id: FileOpId, outcome: Result<FileDone, FileFault>, out: &mut Vec<MachineOut>) {
        let now = self.clock.now(at);
        match &mut self.state {
            State::Off => {}
            State::Up(_) => self.with(at, out, |process, out| process.file_done(now, id, outcome, out)),
            State::Booting(booting) => {
                let (directory, own) = unnamed(id);
                if directory != booting.opened.len() {
                    return booting.later.push((id, outcome));
                }
                let mut said = Vec::new();
                let step = booting.recovery.file_done(own, outcome, &mut said);
                match step {
                    RecoveryStep::More => self.ask_disk(at, directory, said, out),
                    RecoveryStep::Ready(store, recovered) => {
                        self.ask_disk(at, directory, said, out);
                        self.opened(at, now, *store, recovered, out);
                    }
                    RecoveryStep::Refused(refusal) => self.refused(at, refusal, out),
                }
            }
        }
    }

    /// A directory is open: the next one is, or the node boots.
    fn opened(&mut self, at: At, now: Now, store: Store, recovered: Recovered, out: &mut Vec<MachineOut>) {
        out.push(MachineOut::Line(20, format!("recovered {} logs", recovered.logs.len())));
        let State::Booting(booting) = &mut self.state else { return };
        booting.directories.push(recovered.identity.directory);
        booting.opened.push((store, recovered.logs));
        let cluster = booting.cluster.get_or_insert(recovered.identity.cluster).clone();
        if booting.opened.len() < self.disks.count() {
            let recovery = self.recovery(self.disks.count() - 1, Some(cluster));
            let State::Booting(booting) = &mut self.state else { return };
            booting.recovery = recovery;
            return self.open_next(at, out);
        }
        let State::Booting(booting) = std::mem::replace(&mut self.state, State::Off) else { return };
        let Booting { directories, opened, later, .. } = *booting;
        match Stores::open(opened, Uuid(self.rng.bytes16())) {
            Ok((stores, places)) => self.boot(at, now, (stores, places), (cluster, directories), out),
            Err(twice) => {
                self.lost = Some(format!("{:?} is there twice", twice.log.id));
                return self.end_for_good();
            }
        }
        for (id, outcome) in later {
            self.file_done(at, id, outcome, out);
        }
    }

    fn end_for_good(&mut self) {
        self.ended = "never starts again";
        self.disks.kill();
        self.incarnation += 1;
        self.state = State::Off;
    }

    fn boot(
        &mut self,
        at: At,
        now: Now,
        (stores, places): (Stores, Places),
        (cluster_id, directories): (Str, Vec<Uuid>),
        out: &mut Vec<MachineOut>,
    ) {
        let config = config(&self.options, self.number);
        let mut effects = Effects::default();
        let boot = Boot {
            config: config.clone(),
            functions: functions(),
            seed: self.rng.next_u64(),
            cluster_id,
            founders: founders(&self.options, directories[0]),
            unproved: stores.unproved(),
            directories,
            logs: places.into_iter().map(found).collect(),
            lane_delay_max: self.options.lane_delay_max,
            request_cost_max: self.options.request_cost_max,
        };
        let mut recorder = self.options.shape.recorded.then(|| Recorder::begin(&boot, now));
        let node = Node::boot(boot, now, &mut effects);
        recorder.iter_mut().for_each(|recorder| recorder.booted(effects.effects.len(), &node));
        let mut process = Process::new(node, stores, self.options.segment_bytes, &config);
        process.recorder = recorder;
        self.state = State::Up(Box::new(process));
        self.with(at, out, |process, out| process.booted(now, effects, out));
    }

    /// A directory that cannot be opened: an error of the device is tried again, anything else is for good.
    fn refused(&mut self, at: At, refusal: RecoveryRefusal, out: &mut Vec<MachineOut>) {
        out.push(MachineOut::Line(21, format!("refused: {refusal}")));
        out.push(MachineOut::Mark("starts refused"));
        match refusal {
            RecoveryRefusal::Disk(_) => {
                self.disks.kill();
                self.end_process(at, ("start failed", Duration::from_secs(1)), out);
            }
            refusal => {
                self.lost = Some(refusal.to_string());
                self.end_for_good();
            }
        }
    }

    fn end_process(&mut self, at: At, (why, down): (&'static str, Duration), out: &mut Vec<MachineOut>) {
        self.ended = why;
        self.incarnation += 1;
        if let State::Up(process) = &self.state
            && process.moving() > 0
        {
            out.push(MachineOut::Mark("moves cut by the end of a process"));
        }
        if let State::Up(process) = std::mem::replace(&mut self.state, State::Off)
            && let Some(recorder) = process.recorder
        {
            out.push(MachineOut::Mark("flights replayed"));
            out.extend(recorder.judge(&process.node).map(|how| MachineOut::Finding("flight", how)));
        }
        self.ops.clear();
        self.segments.clear();
        self.waiting.clear();
        self.paused_until = None;
        self.booked = None;
        self.stopping = None;
        out.extend(std::mem::take(&mut self.plugs).into_iter().map(MachineOut::Close));
        out.push(MachineOut::Later(at + down, MachineEvent::Start));
    }

    fn outside(&mut self, at: At, what: Waiting, out: &mut Vec<MachineOut>) {
        if self.paused_until.is_some() {
            return self.waiting.push_back(what);
        }
        let now = self.clock.now(at);
        self.with(at, out, |process, out| match what {
            Waiting::Accepted(link, caller) => process.accepted(now, link, caller, out),
            Waiting::Connected(link) => process.connected(now, link, out),
            Waiting::Received(Plug { link, end: End::Accepter }, bytes) => process.received(now, link, bytes, out),
            Waiting::Received(Plug { link, end: End::Opener }, bytes) => process.answered(now, link, bytes, out),
            Waiting::Taken(link, bytes) => process.taken(now, link, bytes, out),
            Waiting::Dropped(Plug { link, end: End::Accepter }) => process.dropped(now, link, out),
            Waiting::Dropped(Plug { link, end: End::Opener }) => process.cut_off(now, link, out),
        });
    }

    fn resume(&mut self, at: At, out: &mut Vec<MachineOut>) {
        self.paused_until = None;
        for what in std::mem::take(&mut self.waiting) {
            self.outside(at, what, out);
        }
        self.book(at, out);
    }

    /// Lets the process do something, and does what it asks for.
    fn with(&mut self, at: At, out: &mut Vec<MachineOut>, act: impl FnOnce(&mut Process, &mut Vec<ProcessOut>)) {
        let State::Up(process) = &mut self.state else { return };
        let mut said = Vec::new();
        act(process, &mut said);
        let stopped = process.has_stopped();
        let mut halted = None;
        for said in said {
            match said {
                ProcessOut::File(id, op) => {
                    let (directory, own) = unnamed(id);
                    self.ask_disk(at, directory, vec![StoreOut::File { id: own, op }], out);
                }
                ProcessOut::Errand(number) => {
                    let wait = Duration::from_micros(self.rng.between(1, 2_000));
                    out.push(MachineOut::Later(at + wait, MachineEvent::Errand(self.incarnation, number)));
                }
                ProcessOut::Connect(attempt, address) => out.push(MachineOut::Connect(attempt, address)),
                ProcessOut::Send(plug, bytes) => out.push(MachineOut::Send(plug, bytes)),
                ProcessOut::Close(plug, reason) => {
                    self.plugs.remove(&plug);
                    if let Some(reason) = reason {
                        out.push(MachineOut::Line(22, format!("closes {:?}: {reason}", plug.link)));
                    }
                    out.push(MachineOut::Close(plug));
                }
                ProcessOut::Mark(mark) => out.push(MachineOut::Mark(mark)),
                ProcessOut::Note(note) => {
                    out.extend(mark_of(&note).map(MachineOut::Mark));
                    out.push(MachineOut::Note(note));
                }
                ProcessOut::Halt(why) => halted = Some(why),
                ProcessOut::Finding(oracle, text) => out.push(MachineOut::Finding(oracle, text)),
            }
        }
        if let Some(why) = halted {
            out.push(MachineOut::Line(24, format!("halts: {why}")));
            out.push(MachineOut::Mark("halts"));
            self.disks.kill();
            return self.end_process(at, ("halted", Duration::from_secs(1)), out);
        }
        if stopped && let Some(down) = self.stopping {
            out.push(MachineOut::Line(25, "has stopped".to_owned()));
            self.disks.kill();
            return self.end_process(at, ("stopped", down), out);
        }
        self.book(at, out);
    }

    fn ask_disk(&mut self, at: At, directory: usize, said: Vec<StoreOut>, out: &mut Vec<MachineOut>) {
        for said in said {
            let StoreOut::File { id, op } = said else { continue };
            self.look(&op, out);
            let (token, wait) = self.disks.begin(directory, op);
            self.ops.insert(token, named(directory, id));
            out.push(MachineOut::Later(at + wait, MachineEvent::File(self.incarnation, token)));
        }
    }

    /// Counts what is worth being met.
    fn look(&mut self, op: &FileOp, out: &mut Vec<MachineOut>) {
        match op {
            FileOp::Open { file, path, mode: OpenMode::Direct } if path.ends_with(".log") => {
                self.segments.insert(*file);
            }
            FileOp::WriteAt { file, durable: true, .. } if self.segments.contains(file) => {
                out.push(MachineOut::Mark("appends past the journal"));
            }
            _ => {}
        }
    }

    /// Books a waking for the next deadline, unless an earlier one is booked.
    fn book(&mut self, at: At, out: &mut Vec<MachineOut>) {
        let State::Up(process) = &self.state else { return };
        let Some(due) = process.deadline().and_then(|mono| self.clock.when(mono)) else { return };
        let due = due.max(at + Duration::from_nanos(1_000));
        if self.booked.is_none_or(|booked| due < booked) {
            self.booked = Some(due);
            out.push(MachineOut::Later(due, MachineEvent::Wake(self.incarnation)));
        }
    }
}

/// What a fact shows to have been reached.
fn mark_of(note: &Note) -> Option<&'static str> {
    if let Note::Parted { asked, end, .. } = note
        && end >= asked
    {
        return Some("histories that part within a longer log");
    }
    matches!(note, Note::Truncated { .. }).then_some("logs cut back")
}

/// How many disks a machine has.
fn disks_of(options: &Options) -> usize {
    1 + usize::from(options.shape.doubled)
}

/// The number of the broker on a machine.
pub fn broker_id(machine: usize) -> BrokerId {
    BrokerId(machine as i32 + 1)
}

/// What recovery says of a log, as the node wants it.
fn found((log, directory): (RecoveredLog, usize)) -> FoundLog {
    let range = OffsetRange { start: log.start, end: log.end };
    let kept = Log::recovered(range, log.epochs, log.producers);
    FoundLog { id: log.id, log: kept, hard: log.hard, is_online: log.is_online, directory }
}
