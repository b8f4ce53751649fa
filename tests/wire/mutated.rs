//! A million mutated frames: no panic, no hang, and never more memory than the budget allows. Alone in its program, since
//! the allocator counts for all threads. The fuzz target's kept corpus is part of what is mutated.

#[allow(dead_code, reason = "the build script and the other tests use the rest")]
mod every;
#[path = "../fuzz/wire.rs"]
mod fuzz;
#[path = "../../core/build/parse.rs"]
mod parse;
#[allow(dead_code, reason = "the other tests use the rest")]
mod sample;
#[allow(dead_code, reason = "the build script uses the rest")]
#[path = "../../core/build/schema.rs"]
mod schema;

use bytes::Bytes;
use ottla_core::types::Rng;
use ottla_core::wire::WireError;
use schema::{Family, Kind, Struct};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Messages behind their version, by the first byte of an input.
const VERSIONED: [(u8, &str); 6] = [
    (4, "OffsetCommitValue"),
    (5, "GroupMetadataValue"),
    (6, "ConsumerProtocolSubscription"),
    (7, "ConsumerProtocolAssignment"),
    (8, "LeaderChangeMessage"),
    (9, "VotersRecord"),
];

/// How many frames are mutated and decoded.
const FRAMES: usize = 1_000_000;
/// What sharing a frame costs beside the arrays: the reference count of its buffer.
const SHARING_BYTES: usize = 64;

#[test]
fn a_million_mutated_frames_neither_panic_nor_allocate_above_the_budget() {
    kept_corpus_is_complete_and_decodes();
    let inputs = inputs();
    let mut rng = Rng::new(0x6d75_7461);
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut largest = 0;
    for _ in 0..FRAMES {
        let frame = Bytes::from(mutated(&inputs, &mut rng));
        let budget = [0, 300, 3000, fuzz::BUDGET][rng.below(4) as usize];
        let region = Region::new(COUNTED);
        let decoded = fuzz::decode(&frame, budget);
        let allocated = region.change().bytes_allocated;
        assert!(allocated <= budget + SHARING_BYTES, "{allocated} bytes with a budget of {budget}: {frame:?}");
        largest = largest.max(allocated);
        if let Ok(decoded) = &decoded {
            decoded.comes_back();
        }
        *outcomes.entry(name(&decoded)).or_default() += 1;
    }
    println!("{FRAMES} frames from {} inputs, at most {largest} bytes: {outcomes:?}", inputs.len());
    for wanted in OUTCOMES {
        assert!(outcomes.contains_key(wanted), "no frame was {wanted}: {outcomes:?}");
    }
}

const OUTCOMES: [&str; 11] =
    ["decoded", "short", "negative", "null", "varint", "text", "budget", "tag size", "trailing", "version", "unknown"];

fn name(decoded: &Result<fuzz::Decoded, WireError>) -> &'static str {
    match decoded {
        Ok(_) => "decoded",
        Err(WireError::Short) => "short",
        Err(WireError::NegativeLength) => "negative",
        Err(WireError::UnexpectedNull) => "null",
        Err(WireError::LongVarint) => "varint",
        Err(WireError::NotUtf8 | WireError::LongText) => "text",
        Err(WireError::OverBudget) => "budget",
        Err(WireError::TagSize) => "tag size",
        Err(WireError::Trailing { .. }) => "trailing",
        Err(WireError::UnknownVersion { .. }) => "version",
        Err(WireError::UnknownApi { .. } | WireError::UnknownRecord(_)) => "unknown",
        Err(fault) => panic!("{fault} when decoding"),
    }
}

/// One to four changes to one of the inputs.
fn mutated(inputs: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let pick = |rng: &mut Rng| &inputs[rng.below(inputs.len() as u64) as usize];
    let mut frame = pick(rng).clone();
    for _ in 0..rng.between(1, 4) {
        let at = rng.below(frame.len() as u64 + 1) as usize;
        match rng.below(7) {
            0 => frame.truncate(at),
            1 => frame.insert(at, rng.next_u64() as u8),
            2 => {
                let other = pick(rng);
                let from = rng.below(other.len() as u64) as usize;
                frame.truncate(at);
                frame.extend(&other[from..]);
            }
            3 => drop(frame.drain(at..(at + rng.between(1, 9) as usize).min(frame.len()).max(at))),
            4 => overwrite(&mut frame, at, &LENGTHS[rng.below(LENGTHS.len() as u64) as usize]),
            _ => frame.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << rng.below(8)),
        }
    }
    frame
}

/// Lengths that have hurt others: the largest, null, below null, one too many, five-byte varints.
const LENGTHS: [[u8; 5]; 7] = [
    [0x7f, 0xff, 0xff, 0xff, 0],
    [0xff, 0xff, 0xff, 0xff, 0],
    [0xff, 0xff, 0xff, 0xfe, 0],
    [0xff, 0xff, 0xff, 0xff, 0x0f],
    [0xff, 0xff, 0xff, 0xff, 0x7f],
    [0, 0, 0x10, 0, 0],
    [0x80, 0x80, 0x01, 0, 0],
];

fn overwrite(frame: &mut [u8], at: usize, with: &[u8]) {
    frame.iter_mut().skip(at).zip(with).for_each(|(byte, with)| *byte = *with);
}

/// Every message at every version, small and large, and the kept corpus.
fn inputs() -> Vec<Vec<u8>> {
    let families = every::families();
    let mut rng = Rng::new(0x7365_6564);
    let mut inputs: Vec<Vec<u8>> = kept().into_values().collect();
    for (family, message, version) in every::messages(&families) {
        inputs.extend([1, 2, 8].iter().filter_map(|size| input(family, message, version, (&mut rng, *size))));
    }
    inputs
}

/// A drawn message in the form that the fuzz target takes.
fn input(family: &Family, message: &Struct, version: i16, (rng, size): (&mut Rng, u64)) -> Option<Vec<u8>> {
    let body = sample::draw(family, message, version, rng, size).bytes;
    let kind = message.message.as_ref()?;
    let versioned = VERSIONED.iter().find(|(_, name)| *name == message.name);
    let flexible = message.flexible_from.is_some_and(|from| version >= from);
    let tags: &[u8] = if flexible { &[0] } else { &[] };
    let version = version.to_be_bytes();
    let head: Vec<u8> = match (kind.kind, &family.api, versioned) {
        (Kind::Request, Some(api), _) => {
            [&[fuzz::REQUEST][..], &api.key.to_be_bytes(), &version, &[0, 0, 0, 1, 0, 1, b'c'], tags].concat()
        }
        (Kind::Response, Some(api), _) => {
            let tags = if api.name == "ApiVersions" { &[] } else { tags };
            [&[fuzz::RESPONSE][..], &api.key.to_be_bytes(), &version, &[0, 0, 0, 1], tags].concat()
        }
        (Kind::Record, None, _) if family.module == "metadata" => vec![fuzz::METADATA, 1, kind.key? as u8, version[1]],
        (Kind::Record, None, _) => [&[fuzz::GROUP_KEY][..], &kind.key?.to_be_bytes()].concat(),
        (Kind::Plain, None, Some((first, _))) => [&[*first][..], &version].concat(),
        (Kind::Plain, None, None) => return None,
        (Kind::Plain | Kind::Record, Some(_), _) | (Kind::Request | Kind::Response, None, _) => {
            panic!("a mixed schema")
        }
    };
    Some([head, body].concat())
}

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/wire")
}

fn kept() -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = fs::read_dir(corpus()) else { return BTreeMap::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    paths.map(|path| (name(&path), fs::read(&path).expect("a kept input"))).collect()
}

/// Every message is kept at its last version. With UPDATE=1 those that are missing are drawn and written.
fn kept_corpus_is_complete_and_decodes() {
    let families = every::families();
    let mut rng = Rng::new(0x6b65_7074);
    let mut kept = kept();
    for (family, message, version) in every::messages(&families) {
        let name = format!("{}-{version}", message.name);
        let Some(drawn) = input(family, message, version, (&mut rng, 2)) else { continue };
        if version == message.range.last && !kept.contains_key(&name) {
            assert!(env::var_os("UPDATE").is_some(), "{name} is not in the kept corpus: UPDATE=1 adds it");
            fs::create_dir_all(corpus()).expect("the corpus can be written");
            fs::write(corpus().join(&name), &drawn).expect("the corpus can be written");
            kept.insert(name, drawn);
        }
    }
    for (name, input) in kept {
        // Inputs that a fuzzer found carry its hash for a name and need not decode.
        let decoded = fuzz::decode(&Bytes::from(input), fuzz::BUDGET);
        assert!(decoded.is_ok() || !name.contains('-'), "{name}: {decoded:?}");
    }
}
