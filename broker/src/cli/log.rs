//! `ottla log dump`: what a segment holds, batch by batch.

use super::show;
use crate::flags::LogCommand;
use ottla_core::record::{CheckedBatch, StoredBatches, check_stored};
use serde_json::json;
use std::fs;

pub fn run(command: &LogCommand) -> Result<(), String> {
    let LogCommand::Dump { file, records, json } = command;
    let bytes = fs::read(file).map_err(|fault| format!("{}: {fault}", file.display()))?;
    let printer = Printer { has_records: *records, is_json: *json };
    let printed = printer.segment(&bytes.into());
    printed.map_err(|fault| format!("{}: {fault}", file.display()))
}

struct Printer {
    has_records: bool,
    is_json: bool,
}

impl Printer {
    fn segment(&self, whole: &bytes::Bytes) -> Result<(), String> {
        let functions = ottla_codecs::functions();
        let mut batches: StoredBatches = check_stored(whole.clone(), &functions);
        loop {
            let position = batches.position();
            match batches.next() {
                None => return Ok(()),
                Some(Ok(batch)) => {
                    self.batch(position, &batch);
                    if self.has_records {
                        self.records(&batch)?;
                    }
                }
                // The last block of a file that is being written ends in zeros.
                Some(Err(fault)) if whole[fault.position..].iter().all(|byte| *byte == 0) => return Ok(()),
                Some(Err(fault)) => {
                    let rest = whole.len() - fault.position;
                    return Err(format!("no batch at {position}: {:?}; {rest} bytes follow", fault.kind));
                }
            }
        }
    }

    fn batch(&self, position: usize, batch: &CheckedBatch) {
        let header = batch.header();
        let codec = header.attributes.compression().map_or("unknown", |codec| codec.name());
        if self.is_json {
            return show::json(&json!({
                "position": position, "bytes": batch.bytes_len(), "offset": header.base_offset.0,
                "last_offset": batch.last_offset().0, "records": header.count, "leader_epoch": header.leader_epoch.0,
                "compression": codec, "timestamp": header.base_timestamp.0, "max_timestamp": header.max_timestamp.0,
                "producer_id": header.producer_id.0, "producer_epoch": header.producer_epoch.0,
                "sequence": header.base_sequence, "transactional": header.attributes.is_transactional(),
                "control": header.attributes.is_control(), "crc": header.crc,
            }));
        }
        let kind = if header.attributes.is_control() { "control " } else { "" };
        let mut line = format!(
            "at {position}: {kind}offsets {} to {}, {} records, {} bytes, epoch {}, {codec}, time {} to {}",
            header.base_offset.0,
            batch.last_offset().0,
            header.count,
            batch.bytes_len(),
            header.leader_epoch.0,
            header.base_timestamp.0,
            header.max_timestamp.0,
        );
        if header.has_producer() {
            let (id, epoch) = (header.producer_id.0, header.producer_epoch.0);
            line += &format!(", producer {id} epoch {epoch} sequence {}", header.base_sequence);
        }
        show::line(&line);
    }

    fn records(&self, batch: &CheckedBatch) -> Result<(), String> {
        let (functions, mut scratch) = (ottla_codecs::functions(), Vec::new());
        let offset = batch.base_offset().0;
        let unreadable = |fault| format!("the records of the batch at offset {offset} cannot be read: {fault:?}");
        for placed in batch.walk(&functions, &mut scratch).map_err(unreadable)? {
            let placed = placed.map_err(unreadable)?;
            let text = |bytes: Option<&[u8]>| bytes.map(show::text);
            let (key, value) = (text(placed.record.key), text(placed.record.value));
            if self.is_json {
                show::json(&json!({
                    "offset": placed.offset.0, "timestamp": placed.timestamp.0, "key": key, "value": value,
                }));
            } else {
                let shown = |text: Option<String>| text.unwrap_or_else(|| "null".into());
                show::line(&format!("  {}  {}  {}", placed.offset.0, shown(key), shown(value)));
            }
        }
        Ok(())
    }
}
