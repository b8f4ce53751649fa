//! Values ↔ bytes: numbers, texts, lists, and the words that are made of them.

use super::{FlightFault, Landing};
use crate::config::{Address, Listener, Setting};
use crate::log::Log;
use crate::quorum::{VoterEndpoint, VoterNode, Voters};
use crate::record::{CheckedBatch, Functions, Records, check_stored};
use crate::types::{
    BrokerEpoch, BrokerId, CallId, ConnId, LeaderEpoch, ListenerType, LogId, Mono, Now, Offset, OpId, Str, Ticket,
    Uuid, Wall,
};
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// Something that has one form in a flight.
pub(super) trait Kept: Sized {
    /// Appends it.
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault>;
    /// Takes it off.
    fn take(from: &mut Taker) -> Result<Self, FlightFault>;
}

/// The body of an entry that is being read.
pub(super) struct Taker {
    rest: Bytes,
    pub(super) functions: Functions,
    /// Where compressed records are unpacked.
    pub(super) scratch: Vec<u8>,
}

impl Taker {
    pub(super) fn new(body: Bytes, functions: Functions) -> Self {
        Self { rest: body, functions, scratch: Vec::new() }
    }

    /// Refuses what follows the last field.
    pub(super) fn finish(&self) -> Result<(), FlightFault> {
        if self.rest.is_empty() { Ok(()) } else { Err(FlightFault::Trailing) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FlightFault> {
        let taken = *self.rest.first_chunk::<N>().ok_or(FlightFault::Short)?;
        self.rest = self.rest.slice(N..);
        Ok(taken)
    }

    /// Bytes with their length before them, sharing the entry.
    fn bytes(&mut self) -> Result<Bytes, FlightFault> {
        let length = u32::take(self)? as usize;
        if length > self.rest.len() {
            return Err(FlightFault::Short);
        }
        Ok(self.rest.split_to(length))
    }
}

/// Appends a list; [`Vec`] takes it off.
pub(super) fn put_all<T: Kept>(all: &[T], out: &mut Vec<u8>) -> Result<(), FlightFault> {
    put_length(all.len(), out)?;
    all.iter().try_for_each(|one| one.put(out))
}

/// Appends pieces as one run of bytes with its length before it.
pub(super) fn put_pieces(pieces: &[Bytes], out: &mut Vec<u8>) -> Result<(), FlightFault> {
    put_length(pieces.iter().map(Bytes::len).sum(), out)?;
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    Ok(())
}

fn put_length(length: usize, out: &mut Vec<u8>) -> Result<(), FlightFault> {
    u32::try_from(length).map_err(|_| FlightFault::Length(u32::MAX))?.put(out)
}

macro_rules! numbers {
    ($($kind:ty),*) => {$(
        impl Kept for $kind {
            fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
                out.extend_from_slice(&self.to_be_bytes());
                Ok(())
            }

            fn take(from: &mut Taker) -> Result<Self, FlightFault> {
                Ok(Self::from_be_bytes(from.array()?))
            }
        }
    )*};
}

macro_rules! wrapped {
    ($($name:ident),*) => {$(
        impl Kept for $name {
            fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
                self.0.put(out)
            }

            fn take(from: &mut Taker) -> Result<Self, FlightFault> {
                Ok(Self(Kept::take(from)?))
            }
        }
    )*};
}

/// A struct is its fields, in this order.
macro_rules! fields {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl $crate::flight::kept::Kept for $name {
            fn put(&self, out: &mut alloc::vec::Vec<u8>) -> Result<(), $crate::flight::FlightFault> {
                $($crate::flight::kept::Kept::put(&self.$field, out)?;)*
                Ok(())
            }

            fn take(from: &mut $crate::flight::kept::Taker) -> Result<Self, $crate::flight::FlightFault> {
                Ok(Self { $($field: $crate::flight::kept::Kept::take(from)?),* })
            }
        }
    )*};
}

/// An enum without fields is the number of its variant.
macro_rules! kinds {
    ($($name:ident { $($variant:ident = $kind:literal),* })*) => {$(
        impl $crate::flight::kept::Kept for $name {
            fn put(&self, out: &mut alloc::vec::Vec<u8>) -> Result<(), $crate::flight::FlightFault> {
                out.push(match self { $(Self::$variant => $kind),* });
                Ok(())
            }

            fn take(from: &mut $crate::flight::kept::Taker) -> Result<Self, $crate::flight::FlightFault> {
                match <u8 as $crate::flight::kept::Kept>::take(from)? {
                    $($kind => Ok(Self::$variant),)*
                    kind => Err($crate::flight::FlightFault::Kind(stringify!($name), kind)),
                }
            }
        }
    )*};
}

pub(super) use {fields, kinds};

numbers! { u8, u16, u32, u64, i8, i16, i32, i64 }
wrapped! { Uuid, BrokerEpoch, BrokerId, ConnId, CallId, OpId, Offset, LeaderEpoch, Mono, Wall }
fields! {
    Now { mono, wall }
    LogId { topic, partition }
    Ticket { conn, seq }
    Setting { key, value, origin }
    Address { host, port }
    Listener { name, listener_type, bind, advertised }
    VoterNode { id, directory, endpoints }
    VoterEndpoint { name, host, port }
}
kinds! {
    ListenerType { Broker = 0, Controller = 1 }
    Landing { Stopped = 0, Full = 1 }
}

impl Kept for [u8; 16] {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        out.extend_from_slice(self);
        Ok(())
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        from.array()
    }
}

impl Kept for usize {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        (*self as u64).put(out)
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        Self::try_from(u64::take(from)?).map_err(|_| FlightFault::Short)
    }
}

impl Kept for bool {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        u8::from(*self).put(out)
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            kind => Err(FlightFault::Kind("bool", kind)),
        }
    }
}

impl Kept for Duration {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        self.as_secs().put(out)?;
        self.subsec_nanos().put(out)
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        let (secs, nanos) = (u64::take(from)?, u32::take(from)?);
        let is_whole = nanos < 1_000_000_000;
        if is_whole { Ok(Self::new(secs, nanos)) } else { Err(FlightFault::Kind("duration", u8::MAX)) }
    }
}

impl Kept for Bytes {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        put_pieces(core::slice::from_ref(self), out)
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        from.bytes()
    }
}

impl Kept for Str {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        self.as_bytes().put(out)
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        Self::from_utf8(from.bytes()?).map_err(|_| FlightFault::Text)
    }
}

impl<T: Kept> Kept for Option<T> {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        self.is_some().put(out)?;
        self.iter().try_for_each(|some| some.put(out))
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        if bool::take(from)? { T::take(from).map(Some) } else { Ok(None) }
    }
}

impl<T: Kept> Kept for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        put_all(self, out)
    }

    /// Whatever number stands before the list, it grows only as far as there are bytes.
    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        let count = u32::take(from)?;
        (0..count).map(|_| T::take(from)).collect()
    }
}

impl<A: Kept, B: Kept> Kept for (A, B) {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        self.0.put(out)?;
        self.1.put(out)
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        Ok((A::take(from)?, B::take(from)?))
    }
}

/// Whether it went well, then what came of it.
impl<T: Kept, E: Kept> Kept for Result<T, E> {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        self.is_ok().put(out)?;
        match self {
            Ok(done) => done.put(out),
            Err(fault) => fault.put(out),
        }
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        if bool::take(from)? { T::take(from).map(Ok) } else { E::take(from).map(Err) }
    }
}

impl Kept for () {
    fn put(&self, _: &mut Vec<u8>) -> Result<(), FlightFault> {
        Ok(())
    }

    fn take(_: &mut Taker) -> Result<Self, FlightFault> {
        Ok(())
    }
}

impl Kept for Voters {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        put_all(self.nodes(), out)
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        Ok(Self::new(Vec::<VoterNode>::take(from)?))
    }
}

/// A batch that has its place in a log.
impl Kept for CheckedBatch {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        put_batch(self, out)
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        let mut batches = check_stored(from.bytes()?, &from.functions);
        let batch = batches.next().ok_or(FlightFault::Short)?.map_err(|fault| FlightFault::Batch(fault.kind))?;
        if batches.next().is_some() { Err(FlightFault::Trailing) } else { Ok(batch) }
    }
}

/// Appends the bytes of a batch with their length before them.
pub(super) fn put_batch(batch: &CheckedBatch, out: &mut Vec<u8>) -> Result<(), FlightFault> {
    put_length(batch.bytes_len(), out)?;
    batch.write_to(out);
    Ok(())
}

/// In the pieces that they came in.
impl Kept for Records {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        self.is_null().put(out)?;
        put_all(self.pieces(), out)
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        let (is_null, pieces) = (bool::take(from)?, Vec::<Bytes>::take(from)?);
        Ok(if is_null { Self::NULL } else { Self::from(pieces) })
    }
}

impl Kept for Log {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), FlightFault> {
        let at = out.len();
        put_length(0, out)?;
        self.encode(out);
        let length = u32::try_from(out.len() - at - 4).map_err(|_| FlightFault::Length(u32::MAX))?;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    fn take(from: &mut Taker) -> Result<Self, FlightFault> {
        let bytes = from.bytes()?;
        let mut rest = &bytes[..];
        let log = Self::decode(&mut rest)?;
        if rest.is_empty() { Ok(log) } else { Err(FlightFault::Trailing) }
    }
}
