//! A recorded flight: everything that a node was given in one life of its process, from its boot on. Since equal inputs give
//! equal state (the sixth promise), a flight that is replayed goes through the very states that the process went through; digests
//! in between say so.
//!
//! State itself is not kept: its canonical bytes cannot be read back. So a flight begins with a boot.
//!
//! ```text
//! flight: magic "ottlaflt" · version u16 · entries
//! entry:  length u32 · CRC-32C of the body u32 · body: kind u8 · fields
//!
//! Program · Settings · Life · Log … · Booted · Digest · (Input | Digest) … · Landed
//! ```
//!
//! All numbers big end first. The bytes are foreign when they are read: whatever is wrong with them is a [`FlightFault`], and
//! nothing is allocated that they do not hold. Requests are kept in the version that they came in, batches whole. Jobs are pure
//! functions of what the node asked for, so of them only the end is kept.

mod answer;
mod asked;
mod boot;
mod fault;
mod input;
mod kept;
mod refusal;

pub use boot::{Life, Manifest};
pub use fault::FlightFault;

use crate::boundary::Input;
use crate::config::Setting;
use crate::node::{Boot, FoundLog};
use crate::record::Functions;
use crate::types::{Now, OpId, Str};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use kept::{Kept, Taker};

/// What every flight begins with.
pub const HEAD: [u8; 10] = *b"ottlaflt\x00\x01";
/// What stands before the body of an entry.
pub const PREFIX_BYTES: usize = 8;
/// No entry is longer.
pub const ENTRY_BYTES_MAX: usize = 1 << 30;

/// One entry of a flight.
#[derive(Clone, Debug)]
pub enum Entry {
    /// The version of the program that recorded it.
    Program(Str),
    /// What the process was set to.
    Settings(Vec<Setting>),
    /// What else the node was booted with.
    Life(Life),
    /// A log that was found.
    Log(FoundLog),
    /// The node was booted.
    Booted(Now),
    /// The node was stepped.
    Input {
        /// When.
        now: Now,
        /// How many effects the step before had.
        said: u32,
        /// What happened.
        input: Recorded,
    },
    /// The fingerprint of the node's state at this point.
    Digest(u64),
    /// The recording ended in order.
    Landed(Landing),
}

/// An input as it is kept.
#[derive(Clone, Debug)]
pub enum Recorded {
    /// As it was.
    Whole(Box<Input>),
    /// A job ended: whoever replays does it again.
    Job(OpId),
}

/// Why a recording ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Landing {
    /// The process did.
    Stopped,
    /// The flight had become as long as it may be.
    Full,
}

/// Is this the beginning of a flight that can be read here?
pub fn check_head(head: [u8; HEAD.len()]) -> Result<(), FlightFault> {
    let (magic, version) = (&head[..8], u16::from_be_bytes([head[8], head[9]]));
    match (magic == &HEAD[..8], version == u16::from_be_bytes([HEAD[8], HEAD[9]])) {
        (true, true) => Ok(()),
        (true, false) => Err(FlightFault::Version(version)),
        (false, _) => Err(FlightFault::Magic),
    }
}

/// How long the body behind this prefix is.
pub fn body_bytes(prefix: [u8; PREFIX_BYTES]) -> Result<usize, FlightFault> {
    let [a, b, c, d, ..] = prefix;
    let length = u32::from_be_bytes([a, b, c, d]);
    usize::try_from(length)
        .ok()
        .filter(|bytes| (1..=ENTRY_BYTES_MAX).contains(bytes))
        .ok_or(FlightFault::Length(length))
}

/// The entry with this prefix and this body.
pub fn read_entry(prefix: [u8; PREFIX_BYTES], body: Bytes, f: &Functions) -> Result<Entry, FlightFault> {
    let [.., a, b, c, d] = prefix;
    if body_bytes(prefix)? != body.len() {
        return Err(FlightFault::Short);
    }
    if (f.crc32c)(0, &body) != u32::from_be_bytes([a, b, c, d]) {
        return Err(FlightFault::Crc);
    }
    let mut from = Taker::new(body, *f);
    let entry = match u8::take(&mut from)? {
        PROGRAM => Entry::Program(Str::take(&mut from)?),
        SETTINGS => Entry::Settings(Vec::take(&mut from)?),
        LIFE => Entry::Life(Life::take(&mut from)?),
        LOG => Entry::Log(FoundLog::take(&mut from)?),
        BOOTED => Entry::Booted(Now::take(&mut from)?),
        INPUT => {
            let (now, said) = (Now::take(&mut from)?, u32::take(&mut from)?);
            Entry::Input { now, said, input: Recorded::take(&mut from)? }
        }
        DIGEST => Entry::Digest(u64::take(&mut from)?),
        LANDED => Entry::Landed(Landing::take(&mut from)?),
        kind => return Err(FlightFault::Kind("entry", kind)),
    };
    from.finish()?;
    Ok(entry)
}

/// Appends everything up to the first input: what `program` booted a node with, and when.
pub fn put_boot(boot: &Boot, now: Now, program: &str, out: &mut Vec<u8>) -> Result<(), FlightFault> {
    let f = &boot.functions;
    out.extend_from_slice(&HEAD);
    framed(PROGRAM, f, out, |out| Str::from(program).put(out))?;
    framed(SETTINGS, f, out, |out| kept::put_all(boot.config.all_given(), out))?;
    framed(LIFE, f, out, |out| Life::of(boot).put(out))?;
    for log in &boot.logs {
        framed(LOG, f, out, |out| log.put(out))?;
    }
    framed(BOOTED, f, out, |out| now.put(out))
}

/// Appends a step that is about to be made, the one before having had so many effects. On an error nothing is appended.
pub fn put_input(now: Now, said: u32, input: &Input, f: &Functions, out: &mut Vec<u8>) -> Result<(), FlightFault> {
    framed(INPUT, f, out, |out| {
        now.put(out)?;
        said.put(out)?;
        input::put(input, out)
    })
}

/// Appends the fingerprint that the node has now.
pub fn put_digest(digest: u64, f: &Functions, out: &mut Vec<u8>) {
    framed(DIGEST, f, out, |out| digest.put(out)).expect("a number is short");
}

/// Appends why nothing follows.
pub fn put_landing(landing: Landing, f: &Functions, out: &mut Vec<u8>) {
    framed(LANDED, f, out, |out| landing.put(out)).expect("a kind is short");
}

/// Writes one entry. On an error nothing is appended.
fn framed(
    kind: u8,
    f: &Functions,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), FlightFault>,
) -> Result<(), FlightFault> {
    let at = out.len();
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    out.push(kind);
    let body = at + PREFIX_BYTES;
    let length = write(out).and_then(|()| {
        let bytes = out.len() - body;
        let length = u32::try_from(bytes).ok().filter(|_| bytes <= ENTRY_BYTES_MAX);
        length.ok_or(FlightFault::Length(u32::MAX))
    });
    match length {
        Ok(length) => {
            let crc = (f.crc32c)(0, &out[body..]);
            out[at..at + 4].copy_from_slice(&length.to_be_bytes());
            out[at + 4..body].copy_from_slice(&crc.to_be_bytes());
            Ok(())
        }
        Err(fault) => {
            out.truncate(at);
            Err(fault)
        }
    }
}

const PROGRAM: u8 = 0;
const SETTINGS: u8 = 1;
const LIFE: u8 = 2;
const LOG: u8 = 3;
const BOOTED: u8 = 4;
const INPUT: u8 = 5;
const DIGEST: u8 = 6;
const LANDED: u8 = 7;

#[cfg(test)]
#[path = "flight_test.rs"]
mod flight_test;
