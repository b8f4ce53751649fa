//! What can be wrong with foreign bytes, and with a message that a version cannot carry.

use core::fmt;

/// Why bytes are no message, or why a message has no bytes in some version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WireError {
    /// The bytes end inside a field, or a length points behind their end.
    Short,
    /// A length below zero where it has no meaning.
    NegativeLength,
    /// Null where the version does not allow it.
    UnexpectedNull,
    /// A variable-length number of more than 32 bits.
    LongVarint,
    /// A text that is not UTF-8.
    NotUtf8,
    /// A text above 32767 bytes.
    LongText,
    /// What the message asks us to allocate is above the budget.
    OverBudget,
    /// A tagged field whose content is not as long as it says.
    TagSize,
    /// Bytes behind the end of the message.
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// An API that is not spoken here.
    UnknownApi {
        /// The number in the header.
        code: i16,
    },
    /// A version that is not spoken here.
    UnknownVersion {
        /// The version asked for.
        version: i16,
    },
    /// A kind of record that is not known here, or a frame of records from the future.
    UnknownRecord(u32),
    /// A frame length below zero, or above what the listener allows.
    FrameLength {
        /// The length as it came.
        length: i32,
    },
    /// Encoding: the field holds a value that this version cannot carry.
    NotCarried(&'static str),
    /// Encoding: the field is null, which this version cannot carry.
    NullField(&'static str),
    /// Encoding: a length above what its field can say.
    TooLong,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("the bytes end inside a field"),
            Self::NegativeLength => f.write_str("a length is negative"),
            Self::UnexpectedNull => f.write_str("a field is null that may not be null"),
            Self::LongVarint => f.write_str("a variable-length number has more than 32 bits"),
            Self::NotUtf8 => f.write_str("a text is not UTF-8"),
            Self::LongText => f.write_str("a text is longer than 32767 bytes"),
            Self::OverBudget => f.write_str("the message would take more memory than one request may"),
            Self::TagSize => f.write_str("a tagged field is not as long as it says"),
            Self::Trailing { bytes } => write!(f, "{bytes} bytes follow the end of the message"),
            Self::UnknownApi { code } => write!(f, "API {code} is not spoken here"),
            Self::UnknownVersion { version } => write!(f, "version {version} is not spoken here"),
            Self::UnknownRecord(key) => write!(f, "record kind {key} is not known here"),
            Self::FrameLength { length } => write!(f, "a frame of {length} bytes is not allowed"),
            Self::NotCarried(field) => write!(f, "this version cannot carry the value of {field}"),
            Self::NullField(field) => write!(f, "this version cannot carry null in {field}"),
            Self::TooLong => f.write_str("a value is longer than its length field can say"),
        }
    }
}

impl core::error::Error for WireError {}
