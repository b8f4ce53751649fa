//! What can be wrong with a flight, or with what was to be kept in one.

use crate::log::SnapshotFault;
use crate::record::{Refusal, StoredFaultKind};
use crate::wire::WireError;
use alloc::string::String;
use core::fmt;

/// Why bytes are no flight, or why something cannot be kept in one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FlightFault {
    /// It does not begin as flights do.
    Magic,
    /// A form that another version of the program writes.
    Version(u16),
    /// No entry has this length.
    Length(u32),
    /// The checksum of an entry does not fit its bytes.
    Crc,
    /// An entry ends too early.
    Short,
    /// Bytes follow the last field of an entry.
    Trailing,
    /// A kind of this thing that is not known here.
    Kind(&'static str, u8),
    /// A text that is not UTF-8.
    Text,
    /// A request or an answer that cannot be read.
    Wire(WireError),
    /// A batch that cannot be read.
    Batch(StoredFaultKind),
    /// A batch of a client that cannot be proved again.
    Unproved(Refusal),
    /// What was known of a log cannot be read.
    Log(SnapshotFault),
    /// The settings are not allowed here.
    Settings(String),
    /// An entry stands where none of its kind may.
    Place,
    /// An answer of another node that no version of its API carries whole.
    NotCarried,
}

impl fmt::Display for FlightFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("this is no flight"),
            Self::Version(version) => write!(f, "a flight of the form {version}, which is not known here"),
            Self::Length(length) => write!(f, "no entry is {length} bytes long"),
            Self::Crc => f.write_str("the checksum does not fit the bytes"),
            Self::Short => f.write_str("the bytes end too early"),
            Self::Trailing => f.write_str("bytes follow the last field"),
            Self::Kind(what, kind) => write!(f, "no {what} is of kind {kind}"),
            Self::Text => f.write_str("a text is not UTF-8"),
            Self::Wire(fault) => write!(f, "a message: {fault}"),
            Self::Batch(fault) => write!(f, "a batch: {fault:?}"),
            Self::Unproved(refusal) => write!(f, "a batch of a client: {refusal}"),
            Self::Log(fault) => write!(f, "what was known of a log: {fault:?}"),
            Self::Settings(mistakes) => write!(f, "the settings: {mistakes}"),
            Self::Place => f.write_str("an entry stands where none of its kind may"),
            Self::NotCarried => f.write_str("no version of its API carries an answer that came"),
        }
    }
}

impl From<WireError> for FlightFault {
    fn from(fault: WireError) -> Self {
        Self::Wire(fault)
    }
}

impl From<SnapshotFault> for FlightFault {
    fn from(fault: SnapshotFault) -> Self {
        Self::Log(fault)
    }
}
