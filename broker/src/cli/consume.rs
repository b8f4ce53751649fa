//! `ottla consume`: prints records, and waits for more unless told otherwise.

use super::remote::{Cluster, check, odd};
use super::show;
use super::topic::{EARLIEST, LATEST, offsets};
use crate::flags::ConsumeFlags;
use ottla_core::msg::Response;
use ottla_core::msg::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use ottla_core::record::{Placed, StoredFaultKind, check_stored};
use ottla_core::types::ErrorCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is still to be read.
struct Reader<'a> {
    flags: &'a ConsumeFlags,
    cluster: Cluster,
    /// Leader and next offset of each partition.
    places: BTreeMap<i32, Place>,
    printed: u64,
}

struct Place {
    leader: i32,
    next: i64,
    /// Where to stop, if not to wait.
    end: i64,
}

pub fn run(flags: &ConsumeFlags) -> Result<(), String> {
    let mut cluster = Cluster::connect(&flags.reach.broker)?;
    let mut topic = cluster.topic(&flags.topic, false)?;
    if let Some(wanted) = flags.partition {
        topic.partitions.retain(|partition| partition.partition_index == wanted);
        if topic.partitions.is_empty() {
            return Err(format!("{} has no partition {wanted}", flags.topic));
        }
    }
    let starts = offsets(&mut cluster, &flags.topic, &topic, EARLIEST)?;
    let ends = offsets(&mut cluster, &flags.topic, &topic, LATEST)?;
    let by_time = match flags.offset.strip_prefix('@') {
        Some(time) => {
            let time = time.parse().map_err(|_| format!("--offset {}: no time in milliseconds", flags.offset))?;
            offsets(&mut cluster, &flags.topic, &topic, time)?
        }
        None => BTreeMap::new(),
    };
    let mut places = BTreeMap::new();
    for one in &topic.partitions {
        let index = one.partition_index;
        let (start, end) = (starts[&index], ends[&index]);
        let timed = by_time.get(&index).map(|offset| if *offset < 0 { end } else { *offset });
        let next = match timed {
            Some(offset) => offset,
            None => first(&flags.offset, start, end)?,
        };
        places.insert(index, Place { leader: one.leader_id, next, end });
    }
    Reader { flags, cluster, places, printed: 0 }.run()
}

/// The offset that `--offset` means in a log that spans `start .. end`.
fn first(wanted: &str, start: i64, end: i64) -> Result<i64, String> {
    match (wanted, wanted.parse::<i64>()) {
        ("beginning", _) => Ok(start),
        ("end", _) => Ok(end),
        (_, Ok(back @ ..0)) => Ok(end.saturating_add(back).max(start)),
        (_, Ok(offset)) => Ok(offset.max(start)),
        (_, Err(_)) => Err(format!("--offset {wanted}: expected beginning, end, an offset, -N or @MILLISECONDS")),
    }
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), String> {
        while !self.is_done() {
            let mut leaders: Vec<i32> = self.open().map(|(_, place)| place.leader).collect();
            leaders.dedup();
            for leader in leaders {
                let answer = self.fetch(leader)?;
                self.print(answer)?;
            }
        }
        Ok(())
    }

    fn open(&self) -> impl Iterator<Item = (&i32, &Place)> {
        self.places.iter().filter(|(_, place)| !self.flags.exit || place.next < place.end)
    }

    fn is_done(&self) -> bool {
        self.flags.count.is_some_and(|count| self.printed >= count) || self.open().next().is_none()
    }

    fn fetch(&mut self, leader: i32) -> Result<FetchResponse, String> {
        let partitions = self.open().filter(|(_, place)| place.leader == leader).map(|(index, place)| FetchPartition {
            partition: *index,
            fetch_offset: place.next,
            partition_max_bytes: PARTITION_BYTES_MAX,
            ..Default::default()
        });
        let topic = FetchTopic {
            topic: self.flags.topic.as_str().into(),
            partitions: partitions.collect(),
            ..Default::default()
        };
        let request = FetchRequest {
            max_wait_ms: WAIT_MS,
            min_bytes: 1,
            max_bytes: BYTES_MAX,
            topics: vec![topic],
            ..Default::default()
        };
        match self.cluster.broker(leader)?.call(request, VERSION_WITH_NAMES)? {
            Response::Fetch(answer) => Ok(answer),
            _ => Err(odd(&self.flags.topic)),
        }
    }

    fn print(&mut self, answer: FetchResponse) -> Result<(), String> {
        check(answer.error_code, "Fetch")?;
        let functions = ottla_codecs::functions();
        let mut scratch = Vec::new();
        for partition in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            let index = partition.partition_index;
            let what = format!("{}-{index}", self.flags.topic);
            if partition.error_code == ErrorCode::OffsetOutOfRange.code() {
                return Err(format!(
                    "{what}: offset {} is not in the log any more, or not yet",
                    self.places[&index].next
                ));
            }
            check(partition.error_code, &what)?;
            for batch in check_stored(partition.records.to_bytes(), &functions) {
                let batch = match batch {
                    Ok(batch) => batch,
                    // A batch that was cut off by the size limit comes whole with the next answer.
                    Err(fault) if fault.kind == StoredFaultKind::Short => break,
                    Err(fault) => return Err(format!("{what}: a batch cannot be read: {:?}", fault.kind)),
                };
                let end = batch.end_offset().0;
                if !batch.header().attributes.is_control() {
                    let records = batch.walk(&functions, &mut scratch).map_err(|fault| format!("{what}: {fault:?}"))?;
                    for placed in records {
                        let placed = placed.map_err(|fault| format!("{what}: {fault:?}"))?;
                        self.record(index, &placed);
                    }
                }
                if let Some(place) = self.places.get_mut(&index) {
                    place.next = end;
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, partition: i32, placed: &Placed<'_>) {
        let is_enough = self.flags.count.is_some_and(|count| self.printed >= count);
        if is_enough || placed.offset.0 < self.places[&partition].next {
            return;
        }
        self.printed += 1;
        let text = |bytes: Option<&[u8]>| bytes.map(show::text);
        if !self.flags.reach.json {
            return show::line(&text(placed.record.value).unwrap_or_default());
        }
        let headers: Map<String, Value> =
            placed.record.headers().map(|(name, value)| (show::text(name), json!(text(value)))).collect();
        show::json(&json!({
            "topic": self.flags.topic, "partition": partition, "offset": placed.offset.0,
            "timestamp": placed.timestamp.0, "key": text(placed.record.key), "value": text(placed.record.value),
            "headers": headers,
        }));
    }
}

/// Later ones name topics by their ids.
const VERSION_WITH_NAMES: i16 = 12;
const WAIT_MS: i32 = 500;
const BYTES_MAX: i32 = 50 * 1024 * 1024;
const PARTITION_BYTES_MAX: i32 = 1024 * 1024;

#[cfg(test)]
#[path = "consume_test.rs"]
mod consume_test;
