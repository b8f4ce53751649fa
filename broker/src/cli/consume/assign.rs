//! Who of a group reads which partition: Kafka's `range`, so that members of other clients agree.

use std::collections::BTreeMap;

/// The partitions of each topic, by member.
pub type Assignment = BTreeMap<String, BTreeMap<String, Vec<i32>>>;

/// Each topic's partitions in runs of nearly equal length to its subscribers in the order of their names; the first ones
/// get one more. `subscribers` has the topics of every member, `counts` the partitions of every topic.
pub fn range(subscribers: &BTreeMap<String, Vec<String>>, counts: &BTreeMap<String, i32>) -> Assignment {
    let mut assignment: Assignment = subscribers.keys().map(|member| (member.clone(), BTreeMap::new())).collect();
    for (topic, count) in counts {
        let readers: Vec<&String> = subscribers
            .iter()
            .filter(|(_, topics)| topics.iter().any(|wanted| wanted == topic))
            .map(|(member, _)| member)
            .collect();
        let readers_len = i32::try_from(readers.len()).unwrap_or(i32::MAX).max(1);
        let (each, more) = (count / readers_len, count % readers_len);
        let mut from = 0;
        for (at, member) in readers.into_iter().enumerate() {
            let to = from + each + i32::from((at as i32) < more);
            if let Some(topics) = assignment.get_mut(member).filter(|_| to > from) {
                topics.insert(topic.clone(), (from..to).collect());
            }
            from = to;
        }
    }
    assignment
}

#[cfg(test)]
#[path = "assign_test.rs"]
mod assign_test;
