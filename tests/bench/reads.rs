//! Fetch in bulk, and one record's way from producer to consumer.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ottla_core::record::HEADER_BYTES;
use ottla_tests::harness::broker::Broker;

use crate::client::{Answer, Client, Prepared, batch};
use crate::latency::Latencies;
use crate::load::Target;
use crate::process::Usage;

/// Where a batch says how long it is behind its first twelve bytes, and how far its last offset is from its first.
const LENGTH_AT: usize = 8;
const LAST_DELTA_AT: usize = 23;
/// How long a consumer asks the broker to wait for data.
const WAIT_MS: i32 = 500;

/// What reading took.
pub struct Read {
    /// Record bytes that came.
    pub bytes: u64,
    /// Wall time, seconds.
    pub seconds: f64,
    /// CPU of the broker.
    pub broker: Usage,
    /// CPU of this program.
    pub driver: Usage,
}

/// Reads partition 0 from the start to this offset, one fetch after another as consumers do.
pub fn catch_up(broker: &Broker, topic: &str, end: i64, fetch_bytes: i32) -> Read {
    let mut client = Client::connect(&broker.address());
    let (before, ours) = (Usage::of(broker.pid()), Usage::of(std::process::id()));
    let started = Instant::now();
    let (mut at, mut bytes) = (0, 0);
    while at < end {
        let (next, count) = fetch(&mut client, topic, at, fetch_bytes);
        assert!(next > at, "a fetch below the end brings records");
        at = next;
        bytes += count;
    }
    Read {
        bytes,
        seconds: started.elapsed().as_secs_f64(),
        broker: Usage::of(broker.pid()).since(before),
        driver: Usage::of(std::process::id()).since(ours),
    }
}

/// The offset behind the last whole batch that came, and how many bytes came.
fn fetch(client: &mut Client, topic: &str, at: i64, fetch_bytes: i32) -> (i64, u64) {
    let answer = client.ask(&Prepared::fetch(topic, 0, at, fetch_bytes, WAIT_MS)).fetched();
    let records = answer.responses[0].partitions[0].records.to_bytes();
    let number = |at: usize| u32::from_be_bytes(records[at..at + 4].try_into().expect("four bytes"));
    let (mut place, mut next) = (0, at);
    while records.len() >= place + HEADER_BYTES {
        let length = 12 + number(place + LENGTH_AT) as usize;
        if records.len() < place + length {
            break;
        }
        let base = i64::from_be_bytes(records[place..place + 8].try_into().expect("eight bytes"));
        next = base + i64::from(number(place + LAST_DELTA_AT)) + 1;
        place += length;
    }
    (next, records.len() as u64)
}

/// Requests without an answer at a time, as producers have them by default.
const IN_FLIGHT: usize = 5;
/// Value bytes of a record whose way is measured.
const SMALL_BYTES: usize = 100;
/// So many of them go into one batch at most: 16 KiB, the batch of producers by default.
const SMALL_RECORDS: usize = 160;

/// One producer at a steady rate and one consumer: from the moment a record is due to the moment it is read.
///
/// The producer sends whatever is due as one batch when it may send, as clients do without lingering. So a slow broker is
/// asked in larger batches, and a late record's wait counts.
pub fn end_to_end(broker: &impl Target, topic: &str, records: u64, every: Duration) -> Latencies {
    let requests: Vec<Prepared> =
        (1..=SMALL_RECORDS).map(|count| Prepared::produce(topic, 0..1, &batch(count, SMALL_BYTES, "none"))).collect();
    let (producing, mut client) = (Client::connect(&broker.address()), Client::connect(&broker.address()));
    let started = Instant::now() + Duration::from_millis(1);
    let due = |record: u64| started + every * u32::try_from(record).expect("a run of minutes");
    let (mut at, mut latencies) = (0, Latencies::default());
    thread::scope(|scope| {
        let producer = scope.spawn(|| as_they_are_due(producing, &requests, records, due));
        while at < records {
            let (next, _) = fetch(&mut client, topic, at as i64, 1 << 20);
            let now = Instant::now();
            (at..next as u64).for_each(|record| latencies.add(now - due(record)));
            at = next as u64;
        }
        producer.join().expect("the producer ends well");
    });
    latencies
}

/// Sends records when they are due; a request for each number of records that a batch may have.
fn as_they_are_due(mut client: Client, requests: &[Prepared], records: u64, due: impl Fn(u64) -> Instant) {
    let mut sent = 0;
    while sent < records || client.in_flight() > 0 {
        let now = Instant::now();
        let count = (sent..records).take(requests.len()).take_while(|record| due(*record) <= now).count();
        if count > 0 && client.in_flight() < IN_FLIGHT {
            client.send(&[&requests[count - 1]]);
            sent += count as u64;
        }
        let answers = if sent == records || client.in_flight() == IN_FLIGHT {
            client.receive(&requests[0])
        } else {
            client.collect_until(&requests[0], due(sent))
        };
        answers.iter().for_each(Answer::acknowledged);
    }
}

/// What a consumer far behind did to itself and to the producer.
pub struct Behind {
    /// Record bytes that the consumer read a second, in GB.
    pub speed: f64,
    /// The producer's latencies before the consumer came.
    pub alone: Latencies,
    /// And beside it.
    pub beside: Latencies,
}

/// Batches of a steady producer, 1 KiB records.
const STEADY_RECORDS: usize = 128;
/// How long a consumer may need to catch up before it counts as never.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// A producer sends batches at a steady rate; when it is this many records ahead, a consumer starts from the beginning and
/// reads until it has caught up.
pub fn behind(broker: &Broker, topic: &str, every: Duration, lag: i64) -> Behind {
    let race = Race::default();
    let request = Prepared::produce(topic, 0..1, &batch(STEADY_RECORDS, 1024, "none"));
    thread::scope(|scope| {
        let producer = scope.spawn(|| steady(Client::connect(&broker.address()), &request, every, &race));
        while race.end.load(Ordering::Relaxed) < lag {
            thread::sleep(Duration::from_millis(1));
        }
        race.reading.store(true, Ordering::Relaxed);
        let mut client = Client::connect(&broker.address());
        let (started, mut at, mut bytes) = (Instant::now(), 0, 0);
        while at < race.end.load(Ordering::Relaxed) && started.elapsed() < CATCH_UP_MAX {
            let (next, count) = fetch(&mut client, topic, at, 1 << 20);
            at = next;
            bytes += count;
        }
        let speed = bytes as f64 / 1e9 / started.elapsed().as_secs_f64();
        race.caught_up.store(true, Ordering::Relaxed);
        let (alone, beside) = producer.join().expect("the producer ends well");
        Behind { speed, alone, beside }
    })
}

/// What the producer and the consumer of [`behind`] tell each other.
#[derive(Default)]
struct Race {
    end: AtomicI64,
    reading: AtomicBool,
    caught_up: AtomicBool,
}

fn steady(mut client: Client, request: &Prepared, every: Duration, race: &Race) -> (Latencies, Latencies) {
    let (mut alone, mut beside) = (Latencies::default(), Latencies::default());
    let mut due = Instant::now();
    while !race.caught_up.load(Ordering::Relaxed) || client.in_flight() > 0 {
        let stopping = race.caught_up.load(Ordering::Relaxed);
        if !stopping && client.in_flight() < IN_FLIGHT && Instant::now() >= due {
            client.send(&[request]);
            due += every;
        }
        let waits = client.in_flight() > 0 && (stopping || client.in_flight() == IN_FLIGHT);
        let answers = if waits { client.receive(request) } else { client.collect_until(request, due) };
        for answer in answers {
            answer.acknowledged();
            race.end.fetch_add(STEADY_RECORDS as i64, Ordering::Relaxed);
            if race.reading.load(Ordering::Relaxed) { beside.add(answer.took) } else { alone.add(answer.took) }
        }
    }
    (alone, beside)
}
