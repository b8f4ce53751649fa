//! Reads partitions from their leaders, and goes on when a leader or a connection is lost.

use super::print::Printer;
use crate::cli::cluster::{Cluster, EARLIEST};
use crate::cli::mistake::{Mistake, check};
use crate::cli::{Done, interrupt};
use ottla_core::msg::Response;
use ottla_core::msg::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};
use ottla_core::record::{CheckedBatch, StoredFaultKind, check_stored};
use ottla_core::types::{ErrorCode, Str};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How far one partition was read.
pub struct Place {
    /// Who has it.
    pub leader: i32,
    /// The offset of the next record.
    pub next: i64,
    /// Where to stop, if anywhere.
    pub stop: Option<i64>,
}

/// The reader of one topic.
pub struct Fetcher {
    cluster: Cluster,
    topic: Str,
    places: BTreeMap<i32, Place>,
    /// Since when nothing but failures came.
    failing: Option<Instant>,
    scratch: Vec<u8>,
}

impl Fetcher {
    /// Reads these partitions.
    pub fn new(cluster: Cluster, topic: &str, places: BTreeMap<i32, Place>) -> Self {
        Self { cluster, topic: topic.into(), places, failing: None, scratch: Vec::new() }
    }

    /// Reads other partitions from now on.
    pub fn assign(&mut self, places: BTreeMap<i32, Place>) {
        self.places = places;
    }

    /// The way to the brokers.
    pub fn cluster(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    /// The next offset of every partition.
    pub fn positions(&self) -> BTreeMap<i32, i64> {
        self.places.iter().map(|(index, place)| (*index, place.next)).collect()
    }

    /// Is everything read up to where to stop? Never if reading has no stop.
    pub fn is_done(&self, has_stop: bool) -> bool {
        has_stop && self.open().next().is_none()
    }

    /// Asks all leaders once, and waits a moment if there is nothing. Failures that may pass are waited out.
    pub fn poll(&mut self, printer: &mut Printer) -> Done<()> {
        if self.open().next().is_none() {
            std::thread::sleep(PAUSE);
            return Ok(());
        }
        match self.fetch(printer) {
            Err(mistake) if mistake.is_retriable() => {
                let since = *self.failing.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE { Err(mistake) } else { self.recover(&mistake) }
            }
            fetched => {
                self.failing = None;
                fetched
            }
        }
    }

    fn open(&self) -> impl Iterator<Item = (&i32, &Place)> {
        self.places.iter().filter(|(_, place)| place.stop.is_none_or(|stop| place.next < stop))
    }

    fn fetch(&mut self, printer: &mut Printer) -> Done<()> {
        let mut leaders: Vec<i32> = self.open().map(|(_, place)| place.leader).collect();
        leaders.sort_unstable();
        leaders.dedup();
        for leader in &leaders {
            let request = self.request(*leader);
            self.cluster.broker(*leader)?.send(request)?;
        }
        // Every answer is taken, so that none is left for the next round.
        let told: Vec<Done<Response>> =
            leaders.iter().map(|leader| self.cluster.broker(*leader)?.receive(ANSWER_MAX)).collect();
        let mut failed = Ok(());
        for told in told {
            let taken = match told {
                Ok(Response::Fetch(told)) => self.take(told, printer),
                Ok(_) => Err(Mistake::odd("the broker")),
                Err(mistake) => Err(mistake),
            };
            failed = failed.and(taken);
        }
        failed
    }

    fn request(&self, leader: i32) -> FetchRequest {
        let partitions = self.open().filter(|(_, place)| place.leader == leader).map(|(index, place)| FetchPartition {
            partition: *index,
            fetch_offset: place.next,
            partition_max_bytes: PARTITION_BYTES_MAX,
            ..Default::default()
        });
        let topic = FetchTopic { topic: self.topic.clone(), partitions: partitions.collect(), ..Default::default() };
        FetchRequest {
            max_wait_ms: WAIT_MS,
            min_bytes: 1,
            max_bytes: BYTES_MAX,
            topics: vec![topic],
            ..Default::default()
        }
    }

    fn take(&mut self, told: FetchResponse, printer: &mut Printer) -> Done<()> {
        check(told.error_code, None, "Fetch")?;
        let mut failed = Ok(());
        for partition in told.responses.into_iter().flat_map(|topic| topic.partitions) {
            let what = format!("{}-{}", self.topic, partition.partition_index);
            let taken = if partition.error_code == ErrorCode::OffsetOutOfRange.code() {
                self.skip(partition.partition_index, &what)
            } else {
                check(partition.error_code, None, &what).and_then(|()| self.take_batches(&partition, &what, printer))
            };
            failed = failed.and(taken);
        }
        failed
    }

    fn take_batches(&mut self, partition: &PartitionData, what: &str, printer: &mut Printer) -> Done<()> {
        let index = partition.partition_index;
        for batch in check_stored(partition.records.to_bytes(), &ottla_codecs::functions()) {
            let batch = match batch {
                Ok(batch) => batch,
                // A batch that the size limit cut off comes whole with the next answer.
                Err(fault) if fault.kind == StoredFaultKind::Short => return Ok(()),
                Err(fault) => return Err(unreadable(what, &format!("{:?}", fault.kind))),
            };
            let Some(place) = self.places.get_mut(&index) else { return Err(Mistake::odd("the broker")) };
            if !print(&batch, index, place, printer, &mut self.scratch, what)? {
                return Ok(());
            }
            place.next = place.next.max(batch.end_offset().0);
        }
        Ok(())
    }

    /// The offset is not in the log any more: retention was faster.
    fn skip(&mut self, index: i32, what: &str) -> Done<()> {
        let topic = self.cluster.topic(&self.topic, false)?;
        let start = self.cluster.offsets(&topic, EARLIEST)?.get(&index).copied().unwrap_or(0);
        let Some(place) = self.places.get_mut(&index) else { return Err(Mistake::odd("the broker")) };
        if place.next >= start {
            let mistake = Mistake::new(format!("{what}: offset {} is behind the end of the log", place.next));
            return Err(mistake.then("--from beginning reads what there is"));
        }
        eprintln!("ottla: {what}: offsets {} to {} are gone; going on at {start}", place.next, start - 1);
        place.next = start;
        Ok(())
    }

    fn recover(&mut self, mistake: &Mistake) -> Done<()> {
        if interrupt::is_asked() {
            return Ok(());
        }
        if mistake.is_lost() {
            self.cluster.forget();
        }
        std::thread::sleep(PAUSE);
        let topic = self.cluster.topic(&self.topic, false)?;
        for one in topic.partitions {
            if let Some(place) = self.places.get_mut(&one.partition_index) {
                place.leader = one.leader_id;
            }
        }
        Ok(())
    }
}

/// Prints what has not been printed of a batch; false if that is enough.
fn print(
    batch: &CheckedBatch,
    index: i32,
    place: &mut Place,
    printer: &mut Printer,
    scratch: &mut Vec<u8>,
    what: &str,
) -> Done<bool> {
    if batch.header().attributes.is_control() {
        return Ok(true);
    }
    let records = batch.walk(&ottla_codecs::functions(), scratch);
    for placed in records.map_err(|fault| unreadable(what, &format!("{fault:?}")))? {
        let placed = placed.map_err(|fault| unreadable(what, &format!("{fault:?}")))?;
        let offset = placed.offset.0;
        if offset < place.next {
            continue;
        }
        if place.stop.is_some_and(|stop| offset >= stop) || printer.is_enough() {
            return Ok(false);
        }
        printer.record(index, &placed)?;
        place.next = offset + 1;
    }
    Ok(true)
}

fn unreadable(what: &str, fault: &str) -> Mistake {
    Mistake::new(format!("{what}: a batch cannot be read: {fault}")).then("`ottla log dump` shows what is on the disk")
}

const WAIT_MS: i32 = 500;
const ANSWER_MAX: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);
const BYTES_MAX: i32 = 50 * 1024 * 1024;
const PARTITION_BYTES_MAX: i32 = 1024 * 1024;
