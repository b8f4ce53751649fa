use super::{Ending, Recorder, Replayed, replay};
use crate::cut::Cut;
use crate::run::{functions, run};
use ottla_core::boundary::{Action, Asker, Done, Effect, Effects, Input};
use ottla_core::config::Config;
use ottla_core::flight::{FlightFault, HEAD, Landing, put_digest, put_landing};
use ottla_core::msg::metadata::{MetadataRequest, MetadataRequestTopic};
use ottla_core::node::{Boot, Node};
use ottla_core::quorum::Voters;
use ottla_core::record::CheckedBatch;
use ottla_core::types::{ConnId, ListenerType, Mono, Now, Offset, Str, Ticket, Uuid, Wall, limit};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The flight of a node that is asked for topics, and whose logs take everything at once.
fn recorded(steps: u64) -> Vec<u8> {
    let (config, _) = Config::read(Vec::new()).expect("the defaults are allowed");
    let boot = Boot {
        config,
        functions: functions(),
        seed: 7,
        cluster_id: Str::from("ottla-test-cluster-id0"),
        directories: vec![Uuid([9; 16])],
        unproved: Vec::new(),
        founders: Voters::default(),
        logs: Vec::new(),
        lane_delay_max: Duration::ZERO,
        request_cost_max: limit::REQUEST_COST_MAX,
    };
    let mut now = Now { mono: Mono(0), wall: Wall(1_000_000) };
    let mut recorder = Recorder::begin(&boot, now);
    let mut effects = Effects::default();
    let mut node = Node::boot(boot, now, &mut effects);
    recorder.booted(effects.effects.len(), &node);
    let mut ends = BTreeMap::new();
    let mut seq = 0;
    for step in 0..steps {
        now.mono = now.mono + Duration::from_millis(3);
        let mut inputs: Vec<Input> = Vec::new();
        for effect in std::mem::take(&mut effects).effects {
            if let Effect::Store { op, log, action } = effect {
                let end: &mut Offset = ends.entry(log).or_default();
                if let Action::Append { batches } = &action {
                    *end = batches.last().map_or(*end, CheckedBatch::end_offset);
                }
                inputs.push(Input::Done { op, outcome: Ok(Done::Stored { start: Offset::ZERO, end: *end }) });
            } else if let Effect::Job { op, job } = effect {
                inputs.push(Input::Done { op, outcome: Ok(Done::Job(job.run(&functions()))) });
            }
        }
        inputs.push(Input::Wake);
        if step >= 10 {
            let topics = vec![MetadataRequestTopic { name: Some(Str::from(format!("t{step}"))), ..Default::default() }];
            let asker = Asker {
                conn: ConnId(1),
                client_id: Str::from("test"),
                host: Str::from("/127.0.0.1"),
                listener: 0,
                listener_type: ListenerType::Broker,
            };
            let ticket = Ticket { conn: ConnId(1), seq };
            seq += 1;
            let body = MetadataRequest { topics: Some(topics), allow_auto_topic_creation: true, ..Default::default() };
            inputs.push(Input::Request { ticket, asker: Arc::new(asker), version: 8, body: body.into() });
        }
        for input in inputs {
            recorder.steps(now, &input);
            let before = effects.effects.len();
            node.step(now, input, &mut effects);
            recorder.stepped(effects.effects.len() - before, &node);
        }
    }
    let mut bytes = std::mem::take(&mut recorder.bytes);
    put_digest(node.digest(), &functions(), &mut bytes);
    put_landing(Landing::Stopped, &functions(), &mut bytes);
    bytes
}

fn replayed(bytes: &[u8]) -> Replayed {
    replay(bytes, functions(), &mut |_| {}).expect("it can be read")
}

/// The entries behind the head: where each begins, and its kind.
fn entries(bytes: &[u8]) -> Vec<(usize, u8)> {
    let mut found = Vec::new();
    let mut at = HEAD.len();
    while at < bytes.len() {
        found.push((at, bytes[at + 8]));
        at += 8 + u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
    }
    found
}

/// Changes a byte of the body of an entry, and its checksum with it.
fn change(bytes: &mut [u8], entry: usize, at: usize) {
    let length = u32::from_be_bytes(bytes[entry..entry + 4].try_into().expect("four bytes")) as usize;
    bytes[entry + 8 + at] ^= 1;
    let crc = (functions().crc32c)(0, &bytes[entry + 8..entry + 8 + length]);
    bytes[entry + 4..entry + 8].copy_from_slice(&crc.to_be_bytes());
}

const INPUT: u8 = 5;

#[test]
fn a_flight_goes_through_the_same_states_again() {
    let bytes = recorded(40);
    let mut lines = Vec::new();
    let replayed = replay(&bytes[..], functions(), &mut |line| lines.push(line)).expect("it can be read");
    assert!(replayed.is_same(), "{replayed}");
    assert_eq!(replayed.ending, Ending::Landed(Landing::Stopped));
    assert!(replayed.inputs > 70 && replayed.digests >= 2, "{replayed}");
    for wanted in ["boots as node 1", "Request", "TopicCreated", "the same"] {
        assert!(lines.iter().any(|line| line.contains(wanted)), "no line has {wanted}:\n{}", lines.join("\n"));
    }
}

#[test]
fn an_input_that_was_another_is_noticed() {
    let whole = recorded(40);
    let inputs: Vec<usize> = entries(&whole).into_iter().filter(|(_, kind)| *kind == INPUT).map(|(at, _)| at).collect();
    // The low byte of the monotonic clock stands behind kind (1) and seven bytes of it: some steps do not look at it.
    let mut noticed = 0;
    for at in &inputs {
        let mut bytes = whole.clone();
        // The name of the topic, in a request; something that matters, elsewhere.
        let length = u32::from_be_bytes(bytes[*at..*at + 4].try_into().expect("four bytes")) as usize;
        change(&mut bytes, *at, length - 3);
        let other = replayed(&bytes);
        noticed += u64::from(!other.is_same() || matches!(other.ending, Ending::Damaged(_)));
    }
    assert!(noticed * 2 > inputs.len() as u64, "{noticed} of {} changes were noticed", inputs.len());
}

#[test]
fn an_input_that_is_missing_is_noticed() {
    let whole = recorded(40);
    let entries = entries(&whole);
    let last = entries.iter().rposition(|(_, kind)| *kind == INPUT).expect("an input");
    let (from, to) = (entries[last].0, entries[last + 1].0);
    let bytes = [&whole[..from], &whole[to..]].concat();
    assert!(matches!(replayed(&bytes).ending, Ending::Differs(_)), "{}", replayed(&bytes));
}

#[test]
fn a_torn_or_damaged_flight_is_replayed_up_to_there() {
    let whole = recorded(40);
    let entries = entries(&whole);
    let (at, _) = entries[entries.len() / 2];
    for end in [at, at + 5, at + 9] {
        let torn = replayed(&whole[..end]);
        assert!(torn.ending == Ending::Torn && torn.is_same() && torn.inputs > 10, "{torn}");
    }
    let mut bytes = whole.clone();
    bytes[at + 12] ^= 4;
    let damaged = replayed(&bytes);
    assert!(damaged.ending == Ending::Damaged(FlightFault::Crc) && damaged.is_same(), "{damaged}");
    assert!(replay(&b"not a flight at all"[..], functions(), &mut |_| {}).is_err());
    assert!(replay(&whole[..100], functions(), &mut |_| {}).is_err());
}

#[test]
fn every_simulated_process_is_replayed_to_the_same_digest() {
    let mut count = 0;
    for (seed, cluster) in [(1, false), (5, false), (1, true), (2, true)] {
        let cut = Cut { recorded: true, cluster, end_secs: Some(25), ..Cut::default() };
        let (outcome, _) = run(seed, &cut, false);
        assert!(outcome.finding.is_none(), "seed {seed}: {:?}", outcome.finding);
        count += outcome.marks.get("flights replayed").copied().unwrap_or_default();
    }
    assert!(count > 4, "only {count} processes ended");
}
