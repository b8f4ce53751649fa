//! Record batches as a client builds and reads them. Written for the simulator alone, so that a mistake in the core's own
//! reader cannot hide behind the same mistake in its writer.

use bytes::Bytes;
use ottla_core::record::{Compression, Functions};

/// One record with everything a client sets.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// May be null.
    pub key: Option<Vec<u8>>,
    /// May be null.
    pub value: Option<Vec<u8>>,
    /// Keys and values.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Who numbered a batch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Signature {
    /// The producer id, −1 for nobody.
    pub producer: i64,
    /// Its epoch, −1 for nobody.
    pub epoch: i16,
    /// The sequence number of the first record, −1 for none.
    pub sequence: i32,
}

impl Signature {
    /// A batch that is not numbered.
    pub const NONE: Self = Self { producer: -1, epoch: -1, sequence: -1 };
}

/// A batch as it came back from a broker.
#[derive(Clone, Debug)]
pub struct Found {
    /// The offset of the first record.
    pub base_offset: i64,
    /// The reign in which it was appended.
    pub leader_epoch: i32,
    /// Who numbered it.
    pub signature: Signature,
    /// Whether the broker's clock made the timestamps.
    pub append_time: bool,
    /// The largest timestamp as the header says.
    pub max_timestamp: i64,
    /// Whether brokers wrote it for themselves.
    pub control: bool,
    /// Its length in bytes.
    pub len: usize,
    /// Offset and content of each record.
    pub entries: Vec<(i64, Entry)>,
}

/// Builds a batch as a producer sends it.
pub fn encode(entries: &[Entry], signature: Signature, codec: Compression, functions: &Functions) -> Bytes {
    let base = entries[0].timestamp;
    let newest = entries.iter().map(|entry| entry.timestamp).max().expect("a batch has records");
    let mut records = Vec::new();
    for (delta, entry) in entries.iter().enumerate() {
        let mut record = vec![0];
        put_varint(&mut record, entry.timestamp - base);
        put_varint(&mut record, delta as i64);
        put_nullable(&mut record, entry.key.as_deref());
        put_nullable(&mut record, entry.value.as_deref());
        put_varint(&mut record, entry.headers.len() as i64);
        for (key, value) in &entry.headers {
            put_nullable(&mut record, Some(key));
            put_nullable(&mut record, value.as_deref());
        }
        put_varint(&mut records, record.len() as i64);
        records.extend_from_slice(&record);
    }
    let body = match codec {
        Compression::None => records,
        Compression::Gzip | Compression::Snappy | Compression::Lz4 | Compression::Zstd => {
            let mut packed = Vec::new();
            (functions.compress)(codec, &records, &mut packed).expect("the codecs are linked in");
            packed
        }
    };
    let mut signed = Vec::with_capacity(40 + body.len());
    signed.extend_from_slice(&i16::from(codec.id()).to_be_bytes());
    signed.extend_from_slice(&(entries.len() as i32 - 1).to_be_bytes());
    signed.extend_from_slice(&base.to_be_bytes());
    signed.extend_from_slice(&newest.to_be_bytes());
    signed.extend_from_slice(&signature.producer.to_be_bytes());
    signed.extend_from_slice(&signature.epoch.to_be_bytes());
    signed.extend_from_slice(&signature.sequence.to_be_bytes());
    signed.extend_from_slice(&(entries.len() as i32).to_be_bytes());
    signed.extend_from_slice(&body);
    let mut batch = Vec::with_capacity(21 + signed.len());
    batch.extend_from_slice(&0i64.to_be_bytes());
    batch.extend_from_slice(&(signed.len() as i32 + 9).to_be_bytes());
    batch.extend_from_slice(&(-1i32).to_be_bytes());
    batch.push(2);
    batch.extend_from_slice(&(functions.crc32c)(0, &signed).to_be_bytes());
    batch.extend_from_slice(&signed);
    Bytes::from(batch)
}

/// Reads the batches of one partition in a fetch answer. Whatever a client would choke on is an error.
pub fn decode(bytes: &[u8], functions: &Functions) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    let mut left = bytes;
    while !left.is_empty() {
        if left.len() < 61 {
            return Err(format!("{} bytes follow the last whole batch", left.len()));
        }
        let len = 12 + i32::from_be_bytes(at(left, 8)) as usize;
        let batch = left.get(..len).ok_or_else(|| format!("a batch of {len} bytes is cut off after {}", left.len()))?;
        found.push(decode_one(batch, functions)?);
        left = &left[len..];
    }
    Ok(found)
}

fn decode_one(batch: &[u8], functions: &Functions) -> Result<Found, String> {
    let base_offset = i64::from_be_bytes(at(batch, 0));
    if batch[16] != 2 {
        return Err(format!("the batch at {base_offset} has format {}", batch[16]));
    }
    let (stored, computed) = (u32::from_be_bytes(at(batch, 17)), (functions.crc32c)(0, &batch[21..]));
    if stored != computed {
        return Err(format!("the batch at {base_offset} says crc {stored:08x}, its bytes give {computed:08x}"));
    }
    let attributes = i16::from_be_bytes(at(batch, 21));
    let codec = Compression::from_id((attributes & 7) as i8).ok_or("unknown codec")?;
    let mut unpacked = Vec::new();
    let records = match codec {
        Compression::None => &batch[61..],
        Compression::Gzip | Compression::Snappy | Compression::Lz4 | Compression::Zstd => {
            (functions.decompress)(codec, &batch[61..], 64 << 20, &mut unpacked)
                .map_err(|fault| format!("the batch at {base_offset}: {fault:?}"))?;
            &unpacked
        }
    };
    let append_time = attributes & 8 != 0;
    let max_timestamp = i64::from_be_bytes(at(batch, 35));
    let times = (i64::from_be_bytes(at(batch, 27)), append_time.then_some(max_timestamp));
    let count = i32::from_be_bytes(at(batch, 57));
    let entries = decode_entries(records, base_offset, count, times)
        .ok_or_else(|| format!("the records of the batch at {base_offset} cannot be read"))?;
    let signature = Signature {
        producer: i64::from_be_bytes(at(batch, 43)),
        epoch: i16::from_be_bytes(at(batch, 51)),
        sequence: i32::from_be_bytes(at(batch, 53)),
    };
    let leader_epoch = i32::from_be_bytes(at(batch, 12));
    let control = attributes & 32 != 0;
    Ok(Found { base_offset, leader_epoch, signature, append_time, max_timestamp, control, len: batch.len(), entries })
}

fn decode_entries(
    mut left: &[u8],
    base_offset: i64,
    count: i32,
    (base, fixed): (i64, Option<i64>),
) -> Option<Vec<(i64, Entry)>> {
    let mut entries = Vec::new();
    for _ in 0..count {
        let len = usize::try_from(take_varint(&mut left)?).ok()?;
        let (mut record, rest) = left.split_at_checked(len)?;
        left = rest;
        record = record.get(1..)?;
        let own = base + take_varint(&mut record)?;
        let timestamp = fixed.unwrap_or(own);
        let offset = base_offset + take_varint(&mut record)?;
        let (key, value) = (take_nullable(&mut record)?, take_nullable(&mut record)?);
        let headers = (0..take_varint(&mut record)?)
            .map(|_| Some((take_nullable(&mut record)??, take_nullable(&mut record)?)))
            .collect::<Option<Vec<_>>>()?;
        if !record.is_empty() {
            return None;
        }
        entries.push((offset, Entry { timestamp, key, value, headers }));
    }
    left.is_empty().then_some(entries)
}

fn at<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[from + index])
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = (value << 1 ^ value >> 63) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut zigzag = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        zigzag |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
        }
    }
    None
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_varint(out, bytes.map_or(-1, |bytes| bytes.len() as i64));
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn take_nullable(bytes: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    match take_varint(bytes)? {
        -1 => Some(None),
        len => {
            let (taken, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
            *bytes = rest;
            Some(Some(taken.to_vec()))
        }
    }
}

#[cfg(test)]
#[path = "batch_test.rs"]
mod batch_test;
