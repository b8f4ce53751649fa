//! Where to begin reading, as people say it.

use crate::cli::Done;
use crate::cli::cluster::{Cluster, EARLIEST, LATEST};
use crate::cli::units;
use ottla_core::msg::metadata::MetadataResponseTopic;
use std::collections::BTreeMap;

/// A place in every partition of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    /// The first record that is kept.
    Beginning,
    /// Behind the last record.
    End,
    /// This offset.
    Offset(i64),
    /// So many records before the end.
    Last(i64),
    /// The first record of this time or later, in milliseconds since 1970.
    Time(i64),
}

impl From {
    /// Reads `beginning`, `end`, `7`, `-7`, `@1700000000000` or a date.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u32>().ok().map(i64::from).or_else(|| text.parse().ok());
        let found = match text {
            "beginning" | "earliest" | "start" => Some(Self::Beginning),
            "end" | "latest" => Some(Self::End),
            _ => match (text.strip_prefix('@'), text.strip_prefix('-')) {
                (Some(millis), _) => number(millis).filter(|millis| *millis >= 0).map(Self::Time),
                (_, Some(back)) => number(back).filter(|back| *back >= 0).map(Self::Last),
                _ => number(text).map(Self::Offset).or_else(|| units::parse_date(text).map(Self::Time)),
            },
        };
        found.ok_or_else(|| {
            "expected beginning, end, an offset, -N, a time such as 2026-11-21T10:15:00Z, or @MILLISECONDS".into()
        })
    }

    /// The offset that this means in each partition; none lies outside its log.
    pub fn offsets(self, cluster: &mut Cluster, topic: &MetadataResponseTopic) -> Done<BTreeMap<i32, i64>> {
        let starts = cluster.offsets(topic, EARLIEST)?;
        let ends = cluster.offsets(topic, LATEST)?;
        let timed = match self {
            Self::Time(millis) => cluster.offsets(topic, millis)?,
            Self::Beginning | Self::End | Self::Offset(_) | Self::Last(_) => BTreeMap::new(),
        };
        let place = |(index, end): (&i32, &i64)| {
            let start = starts.get(index).copied().unwrap_or(0);
            (*index, self.within(start, *end, timed.get(index).copied()))
        };
        Ok(ends.iter().map(place).collect())
    }

    /// The offset that this means in a log that spans `start .. end`; `timed` is what the broker says of the time.
    fn within(self, start: i64, end: i64, timed: Option<i64>) -> i64 {
        let wanted = match self {
            Self::Beginning => start,
            Self::End => end,
            Self::Offset(offset) => offset,
            Self::Last(back) => end.saturating_sub(back),
            // Nothing is so late.
            Self::Time(_) => timed.filter(|offset| *offset >= 0).unwrap_or(end),
        };
        wanted.min(end).max(start)
    }
}

#[cfg(test)]
#[path = "from_test.rs"]
mod from_test;
