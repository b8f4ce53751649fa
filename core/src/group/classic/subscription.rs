//! The one thing that the broker reads of a consumer's metadata: the topics it subscribes to. Version 0 is a prefix of
//! all later versions of `ConsumerProtocolSubscription`, so no version is too new.

use crate::types::Str;
use alloc::collections::BTreeSet;
use bytes::{Buf, Bytes};

/// The topics of all these subscriptions; none if one of them is no subscription.
pub(super) fn topics(all: impl Iterator<Item = Bytes>) -> Option<BTreeSet<Str>> {
    let mut topics = BTreeSet::new();
    for bytes in all {
        read(bytes, &mut topics)?;
    }
    Some(topics)
}

fn read(mut bytes: Bytes, topics: &mut BTreeSet<Str>) -> Option<()> {
    let _version = bytes.try_get_i16().ok()?;
    let count = u32::try_from(bytes.try_get_i32().ok()?).ok()?;
    for _ in 0..count {
        let length = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
        let name = Str::from_utf8(take(&mut bytes, length)?).ok()?;
        if !topics.contains(&name) {
            topics.insert(name.detached());
        }
    }
    // The consumer's own bytes: a length of -1 stands for none.
    match usize::try_from(bytes.try_get_i32().ok()?) {
        Ok(length) => take(&mut bytes, length).map(drop),
        Err(_) => Some(()),
    }
}

fn take(bytes: &mut Bytes, length: usize) -> Option<Bytes> {
    (bytes.len() >= length).then(|| bytes.split_to(length))
}

#[cfg(test)]
#[path = "subscription_test.rs"]
mod subscription_test;
