//! The flat table of settings: one row for each name, with its type, default and bounds. Reading, describing and
//! altering all look here; a fact that is not in a row does not exist.

use super::accepted_keys::ACCEPTED_KEYS;
use super::broker_keys::BROKER_KEYS;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One setting.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Key {
    /// Kafka's name of it.
    pub name: &'static str,
    /// What a value must look like.
    pub kind: Kind,
    /// The value if nobody sets one; `None` is Kafka's null.
    pub default: Option<&'static str>,
    /// How it may be changed while the broker runs.
    pub update: Update,
    /// What it does, in a sentence; `None` where it is accepted without effect.
    pub doc: Option<&'static str>,
}

/// The type of a setting, with what is allowed. Numbers carry their smallest and largest value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// 16 bits.
    Short(i64, i64),
    /// 32 bits.
    Int(i64, i64),
    /// `compression.gzip.level`: -1 or 1 to 9.
    GzipLevel,
    /// 64 bits.
    Long(i64, i64),
    /// A decimal number of any size.
    Decimal,
    /// A decimal number from 0 to 1.
    Fraction,
    /// Any text.
    Text,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// One of these, in capitals or not.
    AnyCase(&'static [&'static str]),
    /// Items separated by commas, none empty.
    List,
    /// A list of these; it may be empty (KIP-1161).
    ListOf(&'static [&'static str]),
    /// `*`, or a list of `partition:broker`.
    Throttled,
    /// Text that is never shown again.
    Password,
    /// The name of a Java class, which we cannot load.
    Class,
}

/// How a setting may be changed while the broker runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Update {
    /// Only by starting anew.
    ReadOnly,
    /// For one broker.
    PerBroker,
    /// For one broker or for all.
    ClusterWide,
}

/// The largest value of each width, short so that a row stays a line.
pub(super) const I16: i64 = i16::MAX as i64;
pub(super) const I32: i64 = i32::MAX as i64;
pub(super) const I64: i64 = i64::MAX;
pub(super) const ANY_SHORT: Kind = Kind::Short(i16::MIN as i64, I16);
pub(super) const ANY_INT: Kind = Kind::Int(i32::MIN as i64, I32);
pub(super) const ANY_LONG: Kind = Kind::Long(i64::MIN, I64);

/// A row for a setting that we act upon.
pub(super) const fn acted(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    update: Update,
    doc: &'static str,
) -> Key {
    Key { name, kind, default, update, doc: Some(doc) }
}

/// A row for a setting that changes nothing here.
pub(super) const fn accepted(name: &'static str, kind: Kind, default: Option<&'static str>, update: Update) -> Key {
    Key { name, kind, default, update, doc: None }
}

/// The broker setting with this name.
pub fn broker_key(name: &str) -> Option<&'static Key> {
    find(BROKER_KEYS, name).or_else(|| find(ACCEPTED_KEYS, name))
}

/// Every broker setting, sorted by name.
pub fn broker_keys() -> Vec<&'static Key> {
    let mut keys: Vec<&'static Key> = BROKER_KEYS.iter().chain(ACCEPTED_KEYS).collect();
    keys.sort_unstable_by_key(|key| key.name);
    keys
}

/// Looks a name up in a table that is sorted by name.
pub(super) fn find(table: &'static [Key], name: &str) -> Option<&'static Key> {
    table.binary_search_by(|key| key.name.cmp(name)).ok().map(|at| &table[at])
}

impl Key {
    /// Is this a value that the setting can take? The error says what is allowed.
    pub fn check(&self, value: &str) -> Result<(), String> {
        self.kind.check(value)
    }

    /// True for a value that must not be shown.
    pub fn is_sensitive(&self) -> bool {
        self.kind == Kind::Password
    }

    /// What DescribeConfigs says about the setting.
    pub fn documentation(&self) -> &'static str {
        self.doc.unwrap_or("Accepted so that existing settings files work; it has no effect in Ottla.")
    }
}

impl Kind {
    /// The number of the type in DescribeConfigs (KIP-569).
    pub fn wire_type(self) -> i8 {
        match self {
            Self::Bool => 1,
            Self::Text | Self::OneOf(_) | Self::AnyCase(_) => 2,
            Self::Int(..) | Self::GzipLevel => 3,
            Self::Short(..) => 4,
            Self::Long(..) => 5,
            Self::Decimal | Self::Fraction => 6,
            Self::List | Self::ListOf(_) | Self::Throttled => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    /// True where IncrementalAlterConfigs may append and subtract.
    pub fn is_list(self) -> bool {
        matches!(self, Self::List | Self::ListOf(_) | Self::Throttled)
    }

    /// Is this a value of the type? The error says what is allowed.
    pub fn check(self, value: &str) -> Result<(), String> {
        let value = value.trim();
        let good = match self {
            Self::Bool => value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
            Self::Short(low, high) | Self::Int(low, high) | Self::Long(low, high) => {
                value.parse::<i64>().is_ok_and(|number| low <= number && number <= high)
            }
            Self::GzipLevel => value.parse::<i64>().is_ok_and(|level| level == -1 || (1..=9).contains(&level)),
            Self::Decimal => decimal(value).is_some(),
            Self::Fraction => decimal(value).is_some_and(is_fraction),
            Self::OneOf(known) => known.contains(&value),
            Self::AnyCase(known) => known.iter().any(|one| one.eq_ignore_ascii_case(value)),
            Self::List => are_items(value),
            Self::ListOf(known) => are_items(value) && items(value).all(|item| known.contains(&item)),
            Self::Throttled => value == "*" || (are_items(value) && items(value).all(is_replica)),
            Self::Text | Self::Password | Self::Class => true,
        };
        if good { Ok(()) } else { Err(self.allowed()) }
    }

    /// An allowed value as it is shown: without blanks around it, and a list with each item once.
    pub fn shown(self, value: &str) -> String {
        if !self.is_list() {
            return value.trim().to_string();
        }
        let mut list: Vec<&str> = Vec::new();
        items(value).for_each(|item| {
            if !list.contains(&item) {
                list.push(item);
            }
        });
        list.join(",")
    }

    /// What a value must look like, for people.
    pub fn allowed(self) -> String {
        match self {
            Self::Bool => "true or false".to_string(),
            Self::Short(low, high) => between(low, high, i64::from(i16::MIN), I16),
            Self::Int(low, high) => between(low, high, i64::from(i32::MIN), I32),
            Self::Long(low, high) => between(low, high, i64::MIN, I64),
            Self::GzipLevel => "-1, or a whole number from 1 to 9".to_string(),
            Self::Decimal => "a decimal number".to_string(),
            Self::Fraction => "a decimal number from 0 to 1".to_string(),
            Self::OneOf(known) | Self::AnyCase(known) => format!("one of {}", known.join(", ")),
            Self::List => "a list separated by commas, without empty entries".to_string(),
            Self::ListOf(known) => format!("a list of {}", known.join(", ")),
            Self::Throttled => "* or a list of partition:broker".to_string(),
            Self::Text | Self::Password | Self::Class => "any text".to_string(),
        }
    }
}

/// The items of a list; an empty text has none.
pub(crate) fn items(value: &str) -> impl Iterator<Item = &str> {
    let wanted = if value.trim().is_empty() { 0 } else { usize::MAX };
    value.split(',').map(str::trim).take(wanted)
}

/// Double entries are allowed and count once (KIP-1161); empty ones are not.
fn are_items(value: &str) -> bool {
    items(value).all(|item| !item.is_empty())
}

/// Whole digits, decimals and exponent of a number; nothing is computed with it, so it stays text.
fn decimal(value: &str) -> Option<(&str, &str, &str)> {
    let (mantissa, exponent) = value.split_once(['e', 'E']).unwrap_or((value, "0"));
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let good = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let complete = (digits.len() + decimals.len() > 0) && !exponent_digits.is_empty();
    (complete && good(digits) && good(decimals) && good(exponent_digits)).then_some((whole, decimals, exponent))
}

fn is_fraction((whole, decimals, exponent): (&str, &str, &str)) -> bool {
    let is_nought = |text: &str| text.bytes().all(|digit| digit == b'0');
    let whole = whole.strip_prefix('+').unwrap_or(whole);
    is_nought(exponent) && (is_nought(whole) || (whole.trim_start_matches('0') == "1" && is_nought(decimals)))
}

fn is_replica(item: &str) -> bool {
    item.split_once(':').is_some_and(|(partition, broker)| [partition, broker].iter().all(|n| n.parse::<u32>().is_ok()))
}

fn between(low: i64, high: i64, smallest: i64, largest: i64) -> String {
    match (low == smallest, high == largest) {
        (true, true) => format!("a whole number from {low} to {high}"),
        (false, true) => format!("a whole number of at least {low}"),
        (true, false) => format!("a whole number of at most {high}"),
        (false, false) => format!("a whole number from {low} to {high}"),
    }
}
