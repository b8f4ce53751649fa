use super::{FLIGHTS_MAX, Flight};
use ottla_core::boundary::{Effects, Input};
use ottla_core::config::{Config, FlightConfig};
use ottla_core::flight::{Entry, HEAD, Landing, PREFIX_BYTES, body_bytes, check_head, read_entry};
use ottla_core::node::{Boot, Node};
use ottla_core::quorum::Voters;
use ottla_core::types::{ConnId, Mono, Now, Str, Uuid, Wall, limit};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A folder of its own, removed with this.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let serial = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ottla-flights-{}-{serial}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn flights(&self) -> Vec<PathBuf> {
        let mut flights: Vec<PathBuf> =
            fs::read_dir(&self.0).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
        flights.sort();
        flights
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn boot() -> Boot {
    Boot {
        config: Config::default(),
        functions: ottla_codecs::functions(),
        seed: 7,
        cluster_id: Str::from("ottla-test-cluster-id0"),
        directories: vec![Uuid([9; 16])],
        unproved: Vec::new(),
        founders: Voters::default(),
        logs: Vec::new(),
        lane_delay_max: Duration::ZERO,
        request_cost_max: limit::REQUEST_COST_MAX,
    }
}

fn at(millis: u64) -> Now {
    Now { mono: Mono(millis * 1_000_000), wall: Wall(1_790_000_000_000 + millis as i64) }
}

fn config(folder: &Path, bytes_max: u64) -> FlightConfig {
    FlightConfig { dir: Str::from(folder.to_str().expect("a name")), bytes_max }
}

fn booted(config: &FlightConfig, now: Now) -> (Option<Flight>, Node) {
    let mut flight = Flight::begin(config, &boot(), now);
    let mut effects = Effects::default();
    let node = Node::boot(boot(), now, &mut effects);
    flight.iter_mut().for_each(|flight| flight.stepped(now, effects.effects.len(), &node));
    (flight, node)
}

fn entries(path: &Path) -> Vec<Entry> {
    let bytes = fs::read(path).expect("the flight");
    let (head, mut rest) = bytes.split_first_chunk::<{ HEAD.len() }>().expect("a head");
    check_head(*head).expect("a flight");
    let mut entries = Vec::new();
    while let Some((prefix, behind)) = rest.split_first_chunk::<PREFIX_BYTES>() {
        let (body, behind) = behind.split_at(body_bytes(*prefix).expect("a length"));
        let body = bytes::Bytes::copy_from_slice(body);
        entries.push(read_entry(*prefix, body, &ottla_codecs::functions()).expect("an entry"));
        rest = behind;
    }
    assert!(rest.is_empty(), "{} bytes follow", rest.len());
    entries
}

#[test]
fn a_flight_that_lands_has_every_step_and_digests_between() {
    let folder = Folder::new();
    let (flight, mut node) = booted(&config(&folder.0, 1 << 20), at(5));
    let mut flight = flight.expect("a flight");
    for step in 0..30 {
        let (now, mut effects) = (at(100 * step), Effects::default());
        let input = Input::Closed { conn: ConnId(step) };
        assert!(flight.steps(now, &input, &node));
        node.step(now, input, &mut effects);
        flight.stepped(now, effects.effects.len(), &node);
    }
    flight.land(Landing::Stopped, &node);
    flight.wait();
    let entries = entries(&folder.flights()[0]);
    let inputs = entries.iter().filter(|entry| matches!(entry, Entry::Input { .. })).count();
    let digests: Vec<u64> = entries
        .iter()
        .filter_map(|entry| if let Entry::Digest(digest) = entry { Some(*digest) } else { None })
        .collect();
    assert_eq!((inputs, digests.len()), (30, 4), "one at the boot, one a second, one at the end");
    assert_eq!(digests.last(), Some(&node.digest()));
    assert!(matches!(entries.last(), Some(Entry::Landed(Landing::Stopped))));
}

#[test]
fn a_flight_that_is_full_ends_and_is_whole() {
    let folder = Folder::new();
    let (flight, node) = booted(&config(&folder.0, 2_000), at(5));
    let mut flight = flight.expect("a flight");
    let took = (0..1_000).take_while(|conn| flight.steps(at(6), &Input::Closed { conn: ConnId(*conn) }, &node)).count();
    flight.wait();
    assert!((1..100).contains(&took), "{took} steps");
    let path = folder.flights().remove(0);
    assert!(fs::metadata(&path).expect("the flight").len() <= 2_000);
    let entries = entries(&path);
    assert_eq!(entries.iter().filter(|entry| matches!(entry, Entry::Input { .. })).count(), took);
    assert!(matches!(entries.last(), Some(Entry::Landed(Landing::Full))));
}

#[test]
fn a_directory_that_cannot_be_written_costs_the_flight_and_nothing_else() {
    let folder = Folder::new();
    let file = folder.0.join("a-file");
    fs::write(&file, "no folder").expect("a file");
    assert!(booted(&config(&file, 1 << 20), at(5)).0.is_none());
}

#[test]
fn a_disk_that_fails_ends_the_recording() {
    let folder = Folder::new();
    let (flight, node) = booted(&config(&folder.0, u64::MAX), at(5));
    let mut flight = flight.expect("a flight");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    *flight.shared.file.lock().expect("nobody panicked") = full;
    // The thread says so in its time; until then what it has not seen waits for it.
    while flight.steps(at(6), &Input::Wake, &node) {
        std::thread::yield_now();
    }
    assert!(flight.is_over);
}

#[test]
fn the_oldest_flights_of_this_node_make_room_for_new_ones() {
    let folder = Folder::new();
    let other = folder.0.join("flight-12-0000000000001.ottla");
    fs::write(&other, "of node 12").expect("a file");
    let lives = FLIGHTS_MAX as u64 + 3;
    for life in 0..lives {
        let (flight, node) = booted(&config(&folder.0, 1 << 20), at(life));
        flight.expect("a flight").land(Landing::Stopped, &node);
    }
    let flights = folder.flights();
    assert_eq!(flights.len(), FLIGHTS_MAX + 1);
    assert!(other.exists());
    let newest = format!("flight-1-{}.ottla", at(lives - 1).wall.0);
    assert!(flights.iter().any(|path| path.ends_with(&newest)), "{newest}: {flights:?}");
}
